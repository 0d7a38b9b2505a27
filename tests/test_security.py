"""The server's defaults in .streamlit/config.toml, as it really behaves with them."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit import config
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lookup import posters
from settings import DEMO_DIR, TMDB_VARIABLE, tmdb_token
from tests.conftest import REPOSITORY
from tests.server import Server, running_server
from tests.session import PageError, Session

CONFIG = tomllib.loads((REPOSITORY / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
SECRETS_EXAMPLE = REPOSITORY / ".streamlit" / "secrets.toml.example"
BROKEN_APP = 'import streamlit as st\nst.title("Broken")\nraise RuntimeError("/a/secret/path")\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app as the README starts it, on a server that does not train."""
    folder = tmp_path_factory.mktemp("security")
    off = {"LIGHTGCN_TRAINING": "off"}
    log = folder / "server.log"
    with running_server(DEMO_DIR, folder / "model.pth", log, environment=off) as server:
        yield server


# --- the options ----------------------------------------------------------------------------------


def test_every_option_is_one_that_this_streamlit_knows() -> None:
    known = config.get_config_options()
    names = [
        f"{section}.{name}"
        for section, options in CONFIG.items()
        if section != "theme"
        for name in options
    ]
    assert set(names) <= set(known)


def test_the_defaults_are_safe() -> None:
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["client"]["showErrorDetails"] == "none"
    assert CONFIG["server"] == {
        "address": "localhost",
        "enableCORS": True,
        "enableXsrfProtection": True,
        "showEmailPrompt": False,
        "maxUploadSize": 10,
    }


@pytest.mark.parametrize("name", ["Makefile", "README.md", ".ci/run", "pyproject.toml"])
def test_no_start_overrides_them(name: str) -> None:
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert not re.search(r"--(server|browser|client|global)\.|STREAMLIT_[A-Z]", text)


def test_the_example_of_secrets_holds_no_secret_and_the_name_that_is_read() -> None:
    text = SECRETS_EXAMPLE.read_text(encoding="utf-8")
    assert tomllib.loads(text) == {"TMDB_API_KEY": ""} == {TMDB_VARIABLE: ""}
    assert tmdb_token({"TMDB_API_KEY": "a token"}) == "a token"
    reader = REPOSITORY / "tabs" / "recommendations" / "cards.py"
    assert "secrets.get(TMDB_VARIABLE)" in reader.read_text(encoding="utf-8")
    assert not posters.PosterService("", DEMO_DIR, "", "").enabled
    ignored = (REPOSITORY / ".gitignore").read_text(encoding="utf-8")
    assert ".streamlit/secrets.toml" in ignored.split()


# --- the server -----------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are read from /proc")
def test_it_listens_on_loopback_only(server: Server) -> None:
    port = f"{int(server.url.rsplit(':')[-1]):04X}"
    addresses = [
        line.split()[1].split(":")
        for table in ("tcp", "tcp6")
        if (file := Path("/proc/net") / table).exists()
        for line in file.read_text(encoding="ascii").splitlines()[1:]
        if line.split()[3] == "0A"  # listening
    ]
    listening = {address for address, its_port in addresses if its_port == port}
    assert listening
    assert listening <= {"0100007F", "0" * 24 + "01000000"}


def test_the_page_is_told_to_send_no_statistics(server: Server) -> None:
    async def visit() -> Session:
        session = await Session(server.url).open()
        await session.close()
        return session

    session = asyncio.run(visit())
    assert session.config.gather_usage_stats is False
    assert "Demo data" in session.texts()


def test_it_asks_for_no_e_mail_address(tmp_path: Path) -> None:
    """Also where it opens a browser; a prompt would end it, as nothing can be typed."""
    for name in ("xdg-open", "open"):  # no browser window for a test
        opener = tmp_path / name
        opener.write_text("#!/bin/sh\n")
        opener.chmod(0o755)
    home = {
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "DISPLAY": os.environ.get("DISPLAY", ":99"),
    }
    log = tmp_path / "server.log"
    options = ("--server.headless", "false")
    with running_server(DEMO_DIR, tmp_path / "m.pth", log, *options, environment=home):
        text = log.read_text(encoding="utf-8")
    assert "mail" not in text.lower()
    assert not (tmp_path / ".streamlit").exists()


def test_an_upload_needs_the_token_and_at_most_10_mb(server: Server) -> None:
    async def statuses() -> list[int]:
        session = await Session(server.url).open()
        cookie = _cookie(server)
        found = [
            await asyncio.to_thread(_upload, server, session.id, size, token, cookie)
            for size, token in ((100, ""), (100, cookie), (10 * 2**20 + 1, cookie))
        ]
        await session.close()
        return found

    assert asyncio.run(statuses()) == [403, 204, 413]


def test_a_session_cannot_fill_the_memory_with_files(server: Server) -> None:
    """Whatever it sends, and without any other session losing its own."""

    async def send() -> tuple[float, list[int], int]:
        session, other = await Session(server.url).open(), await Session(server.url).open()
        cookie = _cookie(server)
        await asyncio.to_thread(_upload, server, other.id, 1000, cookie, cookie, "mine")
        before, statuses = server.memory(), []
        for number in range(15):
            name = f"file-{number}"
            sent = (server, session.id, 9 * 2**20, cookie, cookie, name)
            statuses.append(await asyncio.to_thread(_upload, *sent))
        grown = server.memory() - before
        kept = _kept(server)
        await session.close()
        await other.close()
        return grown, statuses, kept

    grown, statuses, kept = asyncio.run(send())
    assert set(statuses) == {204}
    two = 2 * 9 * 2**20  # the last two of them, and the other session's
    assert two + 1000 <= kept < two + 10_000
    assert grown < 80  # MiB; 135 were sent


def _kept(server: Server) -> int:
    """Bytes of uploaded files in the server, by its own count."""
    with urllib.request.urlopen(f"{server.url}/_stcore/metrics", timeout=20) as answer:
        lines = answer.read().decode("utf-8").splitlines()
    (line,) = (line for line in lines if "UploadedFileManager" in line and "bytes" in line)
    return int(float(line.split()[-1]))


def _cookie(server: Server) -> str:
    with urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=20) as answer:
        (cookie,) = re.findall(r"_streamlit_xsrf=([^;]+);", str(answer.headers["Set-Cookie"]))
    return cookie


def _upload(
    server: Server, session: str, size: int, token: str, cookie: str, name: str = "some-file"
) -> int:
    """PUT a file of this size as the page does; the status of the answer."""
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="f"; filename="f.csv"\r\n\r\n'
        + b"x" * size
        + b"\r\n--edge--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=edge", "X-Xsrftoken": token}
    request = urllib.request.Request(
        f"{server.url}/_stcore/upload_file/{session}/{name}",
        data=body,
        method="PUT",
        headers=headers | {"Cookie": f"_streamlit_xsrf={cookie}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError as error:  # refused by the size alone, while the body was sent
        assert isinstance(error.reason, BrokenPipeError | ConnectionResetError)
        return 413


def test_another_site_may_not_connect(server: Server) -> None:
    async def connect_from(origin: str) -> int:
        address = server.url.replace("http", "ws") + "/_stcore/stream"
        try:
            async with connect(address, origin=origin, proxy=None):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    assert asyncio.run(connect_from(server.url)) == 101
    assert asyncio.run(connect_from("https://evil.example")) == 403


def test_an_error_shows_nothing_of_the_code(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / ".streamlit", tmp_path / ".streamlit")
    (tmp_path / "app.py").write_text(BROKEN_APP)
    log = tmp_path / "server.log"

    async def look(server: Server) -> str:
        session = Session(server.url)
        with pytest.raises(PageError, match="encountered an error"):
            await session.open()
        (shown,) = session.elements("exception")
        await session.close()
        return str(shown)

    with running_server(DEMO_DIR, tmp_path / "m.pth", log, project=tmp_path) as server:
        shown = asyncio.run(look(server))
    assert "secret" not in shown and "RuntimeError" not in shown and "app.py" not in shown
    assert "/a/secret/path" in log.read_text(encoding="utf-8")  # for the operator


# --- what a public server does not offer ----------------------------------------------------------


def test_without_training_no_session_can_change_what_others_see(server: Server) -> None:
    async def labels() -> set[str]:
        session = Session(server.url)
        await session.open(tab="Train Model")
        shown = set(session.labels("button", "download_button"))
        texts = session.texts()
        assert "Training is switched off on this server" in texts
        assert "its operator has to run" in texts
        await session.rerun()
        await session.close()
        return shown

    assert asyncio.run(labels()) == set()
