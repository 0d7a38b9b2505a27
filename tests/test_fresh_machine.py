"""A first visit in a copy of the project that has no data yet: download, demo, half a download."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sources.download import MEMBERS
from tests.conftest import REPOSITORY, write_planted
from tests.test_layers import CODE_FOLDERS

pytestmark = pytest.mark.pages

# Runs in the copy, in a process of its own: PROJECT_DIR is where settings.py lies.
VISIT = """
import json, os, sys
from pathlib import Path
from sources import download
from streamlit.testing.v1 import AppTest

url, download.MOVIELENS_SHA256, *wishes = sys.argv[1:]
download.MOVIELENS_URL = "http://127.0.0.1:9/nothing-listens" if "later" in wishes else url
app = AppTest.from_file(str(Path.cwd() / "app.py"), default_timeout=120)
app.query_params["tab"] = "Train Model"  # has no model to wait for
app.run()
if "later" in wishes:
    assert "cannot be reached" in app.warning[0].value
    download.MOVIELENS_URL = url
    next(b for b in app.button if b.label.startswith("Download MovieLens")).click().run()
print(json.dumps({
    "exceptions": [e.value for e in app.exception],
    "warnings": [w.value for w in app.warning],
    "errors": [e.value for e in app.error],
    "downloads": [b.label for b in app.button if b.label.startswith("Download MovieLens")],
}))
sys.stdout.flush()
os._exit(0)  # the first training goes on in the background
"""

_EMPTY = {"tags.csv": "userId,movieId,tag,timestamp\n", "links.csv": "movieId,imdbId,tmdbId\n"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The program without tests, data or checkpoint, and nothing beside it."""
    folder = tmp_path / "workplace" / "project"
    ignore = shutil.ignore_patterns("__pycache__")
    for name in (*CODE_FOLDERS, "demo_data", ".streamlit"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=ignore)
    for file in (*REPOSITORY.glob("*.py"), REPOSITORY / "default.png"):
        shutil.copy(file, folder)
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    """A zip laid out as GroupLens's."""
    files = write_planted(tmp_path / "planted")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for name in MEMBERS:
            text = (files / name).read_text() if (files / name).exists() else _EMPTY.get(name, "")
            target.writestr(f"ml-latest-small/{name}", text)
    return packed.getvalue()


@pytest.fixture
def url(archive: bytes) -> Iterator[str]:
    """Where a loopback server offers the archive."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(archive)))
            self.end_headers()
            self.wfile.write(archive)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/ml-latest-small.zip"
    server.shutdown()


def visit(project: Path, url: str, archive: bytes, *more: str) -> dict[str, Any]:
    home = project.parent / "home"
    home.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", VISIT, url, hashlib.sha256(archive).hexdigest(), *more],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    page = json.loads(done.stdout.splitlines()[-1])
    assert not page["exceptions"], page["exceptions"]
    return page


NOWHERE = "http://127.0.0.1:9/nothing-listens"


def test_without_a_network_the_first_visit_shows_the_demo_and_says_why(
    project: Path, archive: bytes
) -> None:
    page = visit(project, NOWHERE, archive)
    assert not (project / "ml-latest-small" / "ratings.csv").exists()
    assert page["downloads"] and "GroupLens cannot be reached" in page["warnings"][0]


def test_a_first_visit_downloads_movielens_over_half_a_download_and_uses_it(
    project: Path, url: str, archive: bytes
) -> None:
    half = project / "ml-latest-small"
    half.mkdir()
    (half / "movies.csv").write_text("movieId,title,gen")
    page = visit(project, url, archive)
    assert (half / "ratings.csv").exists()
    assert not page["errors"] and not page["downloads"]
    assert not any("Demo data" in text for text in page["warnings"])


def test_the_download_button_fetches_movielens_when_the_first_try_failed(
    project: Path, url: str, archive: bytes
) -> None:
    page = visit(project, url, archive, "later")
    assert (project / "ml-latest-small" / "ratings.csv").exists()
    assert not page["downloads"] and not page["errors"]
