"""Where the data come from: the order on disk, and the download from a loopback server."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from data_preparation import load_movie_data
from settings import DEMO_DIR
from sources import download
from sources.download import (
    MEMBERS,
    RELEASES,
    Release,
    data_sets,
    download_movielens,
    download_release,
    find_local_data,
    main,
    obtain_data,
)
from sources.movielens_files import DataError
from tests.conftest import assert_one_sentence, snapshot, write_dataset

Reply = Callable[[BaseHTTPRequestHandler], None]


# --- the order on disk ----------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project folder with an empty neighbourhood."""
    folder = tmp_path / "workplace" / "project"
    folder.mkdir(parents=True)
    return folder


def test_the_environment_variable_comes_first(project: Path, tmp_path: Path) -> None:
    chosen = write_dataset(tmp_path / "chosen")
    write_dataset(project / "ml-latest-small")
    assert find_local_data({"MOVIELENS_DIR": str(chosen)}, project) == chosen


def test_the_project_folder_comes_before_the_shared_one(project: Path) -> None:
    own = write_dataset(project / "ml-latest-small")
    write_dataset(project.parent / "shared" / "ml-latest-small")
    assert find_local_data({}, project) == own


def test_the_shared_folder_beside_the_project_comes_last(project: Path) -> None:
    shared = write_dataset(project.parent / "shared" / "ml-latest-small")
    assert find_local_data({}, project) == shared


def test_nothing_on_disk_is_none_and_not_an_error(project: Path) -> None:
    assert find_local_data({}, project) is None


def test_an_empty_environment_variable_counts_as_unset(project: Path) -> None:
    own = write_dataset(project / "ml-latest-small")
    assert find_local_data({"MOVIELENS_DIR": ""}, project) == own


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "only movies.csv", "a file"])
def test_an_environment_variable_that_points_at_no_data_is_an_error_and_not_passed_over(
    project: Path, tmp_path: Path, there: str
) -> None:
    write_dataset(project / "ml-latest-small")
    chosen = tmp_path / "chosen"
    if there == "an empty folder":
        chosen.mkdir()
    elif there == "only movies.csv":
        write_dataset(chosen, ratings=None)
    elif there == "a file":
        chosen.write_text("")
    with pytest.raises(DataError, match="MOVIELENS_DIR") as refusal:
        find_local_data({"MOVIELENS_DIR": str(chosen)}, project)
    assert str(chosen) not in str(refusal.value)  # visitors see it; the log has the path
    assert_one_sentence(str(refusal.value))


@pytest.mark.parametrize("half", [{"ratings": None}, {"movies": None}])
def test_a_half_downloaded_folder_is_ignored(project: Path, half: dict) -> None:
    write_dataset(project / "ml-latest-small", **half)
    assert find_local_data({}, project) is None
    shared = write_dataset(project.parent / "shared" / "ml-latest-small")
    assert find_local_data({}, project) == shared


def test_the_default_environment_is_read_when_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = write_dataset(tmp_path / "chosen")
    monkeypatch.setenv("MOVIELENS_DIR", str(chosen))
    assert find_local_data() == chosen


# --- a loopback server in the place of GroupLens --------------------------------------------------


class Server:
    """Answers every request with `reply`; `release` ends replies that wait."""

    def __init__(self) -> None:
        self.reply: Reply = answer(b"")
        self.release = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.reply(self)

            def log_message(self, *_: object) -> None:
                """Keep the test output clean."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/ml-latest-small.zip"

    def run(self) -> None:
        self.http.serve_forever(poll_interval=0.01)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server
    server.release.set()
    server.http.shutdown()
    server.http.server_close()
    thread.join(5)


def answer(body: bytes, status: int = 200, length: int | None = None) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        # The client may hang up early: that is what some tests are about.
        try:
            handler.wfile.write(body)
        except OSError:
            handler.close_connection = True

    return reply


NEW_README = np.random.default_rng(0).bytes(150_000)  # so that the body comes in several chunks


def make_zip(folder: Path, leave_out: str = "", more: dict[str, str] | None = None) -> bytes:
    """An archive like GroupLens's, of the toy dataset."""
    write_dataset(folder)
    (folder / "README.txt").write_bytes(NEW_README)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as bundle:
        for name in MEMBERS:
            if name != leave_out:
                bundle.write(folder / name, f"ml-latest-small/{name}")
        for name, text in (more or {}).items():
            bundle.writestr(name, text)
    return archive.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    return make_zip(tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A folder with an older release and a note of the project's own, alone in its parent."""
    folder = write_dataset(
        tmp_path / "place" / "ml-latest-small",
        ratings=[(1, 1, 5.0, 1)],
        movies=[(1, "Old (1950)", "Drama")],
        tags=(),
        links=[(1, "1", "1")],
    )
    (folder / "README.md").write_text("ours")
    (folder / "README.txt").write_text("old")
    return folder


def test_a_good_download_replaces_the_files_and_can_be_loaded(
    server: Server, archive: bytes, target: Path, tmp_path: Path
) -> None:
    server.reply = answer(archive)
    assert download_movielens(target, url=server.url, sha256=sha256(archive)) == target
    for name in MEMBERS:
        assert (target / name).read_bytes() == (tmp_path / "source" / name).read_bytes()
    assert (target / "README.md").read_text() == "ours"
    assert load_movie_data(target).n_ratings == 15
    assert list(target.parent.iterdir()) == [target]  # no scratch folder


def test_a_good_download_makes_the_folder(server: Server, archive: bytes, tmp_path: Path) -> None:
    server.reply = answer(archive)
    target = tmp_path / "not" / "yet" / "there"
    download_movielens(target, url=server.url, sha256=sha256(archive))
    assert sorted(path.name for path in target.iterdir()) == sorted(MEMBERS)


def test_url_and_checksum_default_to_the_module_constants_at_call_time(
    server: Server, archive: bytes, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply = answer(archive)
    monkeypatch.setattr(download, "MOVIELENS_URL", server.url)
    monkeypatch.setattr(download, "MOVIELENS_SHA256", sha256(archive))
    download_movielens(target)
    assert (target / "README.txt").read_bytes() == NEW_README


def test_progress_rises_to_the_size_of_the_archive(
    server: Server, archive: bytes, target: Path
) -> None:
    server.reply = answer(archive)
    steps: list[tuple[int, int]] = []
    download_movielens(
        target,
        progress=lambda *step: steps.append(step),
        url=server.url,
        sha256=sha256(archive),
    )
    received = [step[0] for step in steps]
    assert len(received) >= 3
    assert received == sorted(set(received))
    assert received[-1] == len(archive)
    assert {step[1] for step in steps} == {download.MOVIELENS_BYTES}


def test_members_with_other_names_are_not_unpacked(
    server: Server, target: Path, tmp_path: Path
) -> None:
    hostile = {"../evil.txt": "x", "ml-latest-small/../../evil.txt": "x", "/evil.txt": "x"}
    archive = make_zip(tmp_path / "source", more=hostile | {"ml-latest-small/more.txt": "x"})
    server.reply = answer(archive)
    download_movielens(target, url=server.url, sha256=sha256(archive))
    assert not list(tmp_path.rglob("evil.txt"))
    assert not (target / "more.txt").exists()


# --- every way to fail ----------------------------------------------------------------------------


def refuses(target: Path, words: str, **options: object) -> str:
    """The download fails with one sentence, and changes nothing where the target lies."""
    before = snapshot(target.parent)
    with pytest.raises(DataError, match=words) as refusal:
        download_movielens(target, **options)
    assert_one_sentence(str(refusal.value))
    assert snapshot(target.parent) == before
    return str(refusal.value)


def test_a_wrong_checksum_changes_nothing(server: Server, archive: bytes, target: Path) -> None:
    server.reply = answer(archive[:-1] + b"?")
    refuses(target, "checksum", url=server.url, sha256=sha256(archive))


def test_a_truncated_body_changes_nothing(server: Server, archive: bytes, target: Path) -> None:
    server.reply = answer(archive[:1000], length=len(archive))
    refuses(target, "try again", url=server.url, sha256=sha256(archive))


def test_a_truncated_body_without_a_length_changes_nothing(
    server: Server, archive: bytes, target: Path
) -> None:
    server.reply = answer(archive[:1000])
    refuses(target, "checksum", url=server.url, sha256=sha256(archive))


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_http_error_is_named_and_changes_nothing(
    server: Server, archive: bytes, target: Path, status: int
) -> None:
    server.reply = answer(archive, status)  # even with the right body
    refuses(target, f"answered {status}", url=server.url, sha256=sha256(archive))


def test_a_refused_connection_changes_nothing(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    refuses(target, "cannot be reached", url=f"http://127.0.0.1:{port}/x.zip", sha256="0")


def test_a_server_that_does_not_answer_changes_nothing(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "READ_SECONDS", 0.1)
    server.reply = lambda handler: server.release.wait(10) and None
    refuses(target, "did not answer in time", url=server.url, sha256="0")


def stalls(server: Server) -> Reply:
    """Sends the headers and the beginning of a body, then nothing."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        answer(b"PK", length=1000)(handler)
        server.release.wait(10)

    return reply


def test_a_server_that_stalls_within_the_body_changes_nothing(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "READ_SECONDS", 0.1)
    server.reply = stalls(server)
    refuses(target, "try again", url=server.url, sha256="0")


def test_a_server_that_stalls_within_the_body_is_said_to_be_slow(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "READ_SECONDS", 0.1)
    server.reply = stalls(server)
    refuses(target, "in time", url=server.url, sha256="0")


def test_a_server_that_trickles_is_given_up_after_the_total_time(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TOTAL_SECONDS", 0.2)

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        answer(b"", length=1000)(handler)
        ends = time.monotonic() + 1.5
        while time.monotonic() < ends and not server.release.wait(0.02):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return

    server.reply = trickle
    begin = time.monotonic()
    refuses(target, "try again", url=server.url, sha256="0")
    assert time.monotonic() - begin < 1.0


def test_more_bytes_than_the_real_file_are_not_taken(
    server: Server, archive: bytes, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MOVIELENS_BYTES", 100_000)
    server.reply = answer(archive)
    seen: list[int] = []
    refuses(
        target,
        "not the MovieLens file",
        progress=lambda received, _: seen.append(received),
        url=server.url,
        sha256=sha256(archive),
    )
    assert seen and max(seen) <= 100_000


@pytest.mark.parametrize("name", MEMBERS)
def test_an_archive_that_lacks_a_file_changes_nothing(
    server: Server, target: Path, tmp_path: Path, name: str
) -> None:
    archive = make_zip(tmp_path / "source", leave_out=name)
    server.reply = answer(archive)
    message = refuses(target, "cannot be unpacked", url=server.url, sha256=sha256(archive))
    assert name in message


def test_a_body_that_is_no_archive_changes_nothing(server: Server, target: Path) -> None:
    page = b"<html>Log in to the hotel network</html>"
    server.reply = answer(page)
    refuses(target, "checksum", url=server.url, sha256="0")
    refuses(target, "cannot be unpacked", url=server.url, sha256=sha256(page))


def test_a_failure_leaves_no_folder_that_counts_as_data(server: Server, tmp_path: Path) -> None:
    server.reply = answer(b"nonsense")
    target = tmp_path / "project" / "ml-latest-small"
    with pytest.raises(DataError):
        download_movielens(target, url=server.url, sha256="0")
    assert find_local_data({}, tmp_path / "project") is None
    assert not list(tmp_path.rglob("*download*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(server: Server, archive: bytes, target: Path) -> None:
    server.reply = answer(archive)
    target.parent.chmod(0o555)
    try:
        message = refuses(target, "cannot be written", url=server.url, sha256=sha256(archive))
    finally:
        target.parent.chmod(0o755)
    assert str(target) in message


def test_a_folder_that_cannot_be_made_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    message = refuses(tmp_path / "file" / "data", "cannot be written", url=server.url, sha256="0")
    assert "written to data" in message and str(tmp_path) not in message


def test_a_full_disk_while_unpacking_changes_nothing(
    server: Server, archive: bytes, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    server.reply = answer(archive)
    refuses(target, "No space left on device", url=server.url, sha256=sha256(archive))


def test_a_failure_while_moving_the_files_into_place_leaves_all_old_files_or_all_new_ones(
    server: Server, archive: bytes, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_replace, before = os.replace, snapshot(target.parent)
    moves: list[str] = []

    def fails_once(source: Path, destination: Path) -> None:
        moves.append(str(destination))
        if len(moves) == 3:
            raise OSError(errno.EIO, "Input/output error")
        real_replace(source, destination)

    monkeypatch.setattr(os, "replace", fails_once)
    server.reply = answer(archive)
    try:
        download_movielens(target, url=server.url, sha256=sha256(archive))
    except DataError:
        assert snapshot(target.parent) == before
    else:
        assert (target / "README.txt").read_bytes() == NEW_README
        assert load_movie_data(target).n_ratings == 15


def test_an_interrupted_download_changes_nothing(
    server: Server, archive: bytes, target: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    server.reply = answer(archive)
    before = snapshot(target.parent)
    with pytest.raises(KeyboardInterrupt):
        download_movielens(target, interrupt, url=server.url, sha256=sha256(archive))
    assert snapshot(target.parent) == before


# --- releases by name -----------------------------------------------------------------------------


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def in_parts(archive: bytes, requests: list[tuple[str, str | None]], stop: int = 0) -> Reply:
    """An archive that can be asked for from a byte on; the first answer ends after `stop`."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        requests.append((handler.path, asked))
        if handler.path.endswith(".md5"):
            return answer(f"MD5 (x.zip) = {md5(archive).upper()}\n".encode())(handler)
        if asked is None:
            return answer(archive[: stop or None], length=len(archive))(handler)
        begin = int(asked.removeprefix("bytes=").removesuffix("-"))
        if begin >= len(archive):
            return answer(b"", 416)(handler)
        answer(archive[begin:], 206)(handler)

    return reply


def test_a_large_release_is_checked_by_the_checksum_beside_it_and_goes_on_where_it_ended(
    server: Server, archive: bytes, target: Path
) -> None:
    release = Release("ml-latest-small", url=server.url)
    requests: list[tuple[str, str | None]] = []
    server.reply = in_parts(archive, requests, stop=100_000)
    old = snapshot(target)
    with pytest.raises(DataError, match="try again"):
        download_release(release, target)
    assert snapshot(target) == old
    seen: list[tuple[int, int]] = []
    download_release(release, target, lambda *step: seen.append(step))
    assert requests[-1] == ("/ml-latest-small.zip", "bytes=100000-")
    assert seen[0][0] > 100_000 and seen[-1] == (len(archive), len(archive))
    assert load_movie_data(target).n_ratings == 15
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("beside", ["MD5 (ml-1m.zip) = {}\n", "{}  ml-32m.zip\n"])
def test_both_ways_to_write_a_checksum_are_read(
    server: Server, archive: bytes, target: Path, beside: str
) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        is_checksum = handler.path.endswith(".md5")
        answer(beside.format(md5(archive)).encode() if is_checksum else archive)(handler)

    server.reply = reply
    download_release(Release("ml-latest-small", url=server.url), target)
    assert load_movie_data(target).n_ratings == 15


def test_what_arrived_whole_is_not_fetched_again(
    server: Server, archive: bytes, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = Release("ml-latest-small", url=server.url)
    (target.parent / ".download-ml-latest-small.zip").write_bytes(archive)
    server.reply = in_parts(archive, [])
    download_release(release, target, lambda *_: pytest.fail("nothing is missing"))
    assert load_movie_data(target).n_ratings == 15


def test_a_beginning_that_is_another_file_is_thrown_away(
    server: Server, archive: bytes, target: Path
) -> None:
    release = Release("ml-latest-small", url=server.url)
    (target.parent / ".download-ml-latest-small.zip").write_bytes(b"?" * 1000)
    server.reply = in_parts(archive, [])
    with pytest.raises(DataError, match="checksum") as refusal:
        download_release(release, target)
    assert_one_sentence(str(refusal.value))
    assert list(target.parent.iterdir()) == [target]
    download_release(release, target)
    assert load_movie_data(target).n_ratings == 15


def test_a_server_that_knows_no_ranges_begins_anew(
    server: Server, archive: bytes, target: Path
) -> None:
    (target.parent / ".download-ml-latest-small.zip").write_bytes(archive[:1000])
    server.reply = answer(archive)
    download_release(Release("ml-latest-small", checksum=md5(archive), url=server.url), target)
    assert load_movie_data(target).n_ratings == 15


def test_a_checksum_that_cannot_be_read_is_told(server: Server, target: Path) -> None:
    server.reply = answer(b"<html>moved</html>")
    before = snapshot(target.parent)
    with pytest.raises(DataError, match="checksum of ml-10m cannot be read") as refusal:
        download_release(Release("ml-10m", url=server.url), target)
    assert_one_sentence(str(refusal.value))
    assert snapshot(target.parent) == before


def test_too_little_room_is_told_before_anything_is_fetched(
    server: Server, archive: bytes, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(target)._replace(free=2 * len(archive))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    server.reply = in_parts(archive, [])
    before = snapshot(target.parent)
    with pytest.raises(DataError, match="GB of room") as refusal:
        download_release(Release("ml-latest-small", url=server.url), target)
    assert_one_sentence(str(refusal.value))
    assert snapshot(target.parent) == before


def test_an_archive_that_was_cut_off_is_told(server: Server, archive: bytes, target: Path) -> None:
    cut = archive[:-30]  # of which even the checksum is right
    server.reply = in_parts(cut, [])
    before = snapshot(target.parent)
    with pytest.raises(DataError, match="cannot be unpacked") as refusal:
        download_release(Release("ml-latest-small", url=server.url), target)
    assert_one_sentence(str(refusal.value))
    assert snapshot(target.parent) == before


def test_every_release_is_read_after_its_ratings_came() -> None:
    assert next(iter(RELEASES)) == "ml-latest-small"
    for name, release in RELEASES.items():
        assert release.name == name and release.address.endswith(f"/{name}.zip")
        assert release.members[-1] in {"ratings.csv", "ratings.dat", "u.data"}


def test_the_command_fetches_a_release_by_name_once(
    server: Server,
    archive: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(download, "PROJECT_DIR", tmp_path)
    release = Release("ml-25m", inside="ml-latest-small", url=server.url)
    monkeypatch.setitem(RELEASES, "ml-25m", release)
    requests: list[tuple[str, str | None]] = []
    server.reply = in_parts(archive, requests)
    for _ in range(2):
        assert main(["--dataset", "ml-25m"]) == 0
        assert f"Data: {tmp_path / 'ml-25m'}" in capsys.readouterr().out
    assert len(requests) == 2  # the checksum and the archive
    place = tmp_path / "place"  # a release goes where it is found by its name
    monkeypatch.setenv("MOVIELENS_DIR", str(place))
    assert main(["--dataset", "ml-25m"]) == 0
    assert find_local_data(dataset="ml-25m") == place / "ml-25m"


def test_the_command_says_why_a_release_does_not_come(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(download, "PROJECT_DIR", tmp_path)
    monkeypatch.setitem(RELEASES, "ml-1m", Release("ml-1m", url=server.url))
    server.reply = answer(b"", 503)
    assert main(["--dataset", "ml-1m"]) == 1
    assert "answered 503" in capsys.readouterr().err


# --- which data sets are there --------------------------------------------------------------------


def test_all_releases_on_disk_are_known_by_name_the_small_one_first(project: Path) -> None:
    large = write_dataset(project / "ml-25m")
    write_dataset(project.parent / "shared" / "ml-25m")
    small = write_dataset(project.parent / "shared" / "ml-latest-small")
    write_dataset(project / "something-else")
    found = data_sets({}, project)
    assert list(found.items()) == [("ml-latest-small", small), ("ml-25m", large)]


def test_a_folder_of_folders_can_be_chosen(project: Path, tmp_path: Path) -> None:
    write_dataset(project / "ml-latest-small")
    place = tmp_path / "place"
    for name in ("b", "a"):
        write_dataset(place / name)
    (place / "empty").mkdir()
    environ = {"MOVIELENS_DIR": str(place)}
    assert data_sets(environ, project) == {"a": place / "a", "b": place / "b"}
    assert find_local_data(environ, project) == place / "a"


def test_a_data_set_is_found_by_its_name_and_by_that_in_the_environment(project: Path) -> None:
    small = write_dataset(project / "ml-latest-small")
    large = write_dataset(project.parent / "shared" / "ml-25m")
    assert find_local_data({}, project, "ml-25m") == large
    environ = {"MOVIELENS_DATASET": "ml-25m"}
    assert find_local_data(environ, project) == large
    assert find_local_data(environ, project, "ml-latest-small") == small
    assert find_local_data({"MOVIELENS_DATASET": ""}, project) == small


@pytest.mark.parametrize(
    ("here", "name", "says"),
    [
        ((), "ml-1m", "here nor any other; python -m sources.download --dataset ml-1m fetches"),
        (("ml-1m",), "ml-9m", "here, but ml-1m; python -m sources.download --dataset fetches ml-l"),
        (("ml-1m", "ml-10m"), "../ml-1m", "“../ml-1m” here, but ml-1m, ml-10m; python"),
    ],
)
def test_a_name_that_is_not_here_is_told_with_what_is(
    project: Path, here: tuple[str, ...], name: str, says: str
) -> None:
    for each in here:
        write_dataset(project / each)
    with pytest.raises(DataError) as refusal:
        find_local_data({}, project, name)
    assert says in str(refusal.value)
    assert_one_sentence(str(refusal.value))


def test_where_one_folder_was_chosen_another_name_is_told_what_to_do(tmp_path: Path) -> None:
    environ = {"MOVIELENS_DIR": str(write_dataset(tmp_path / "ml-1m"))}
    assert find_local_data(environ, tmp_path, "ml-1m") == tmp_path / "ml-1m"
    with pytest.raises(DataError, match="MOVIELENS_DIR names ml-1m alone") as refusal:
        find_local_data(environ, tmp_path, "ml-25m")
    assert_one_sentence(str(refusal.value))


# --- the whole order, and the command -------------------------------------------------------------


@pytest.fixture
def nothing_local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No data on disk; the folder that a download would go to."""
    place = tmp_path / "downloaded"
    monkeypatch.setattr(download, "find_local_data", lambda **_: None)
    monkeypatch.setattr(download, "download_movielens", partial(download_movielens, target=place))
    return place


def test_local_data_are_not_downloaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = write_dataset(tmp_path / "chosen")
    monkeypatch.setenv("MOVIELENS_DIR", str(chosen))
    monkeypatch.setattr(download, "MOVIELENS_URL", "http://127.0.0.1:1/")
    assert obtain_data() == (chosen, None)


def test_without_local_data_they_are_downloaded_with_progress(
    server: Server, archive: bytes, nothing_local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply = answer(archive)
    monkeypatch.setattr(download, "MOVIELENS_URL", server.url)
    monkeypatch.setattr(download, "MOVIELENS_SHA256", sha256(archive))
    seen: list[int] = []
    folder, failure = obtain_data(lambda received, _: seen.append(received))
    assert (folder, failure) == (nothing_local, None)
    assert seen[-1] == len(archive)


def test_a_failed_download_falls_back_to_the_demo_with_a_sentence(
    server: Server, nothing_local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply = answer(b"", 500)
    monkeypatch.setattr(download, "MOVIELENS_URL", server.url)
    folder, failure = obtain_data()
    assert folder == DEMO_DIR
    assert failure is not None and "500" in failure
    assert_one_sentence(failure)
    assert not (nothing_local / "ratings.csv").exists()


def test_a_wrong_choice_of_folder_is_an_error_and_no_reason_for_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVIELENS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="MOVIELENS_DIR"):
        obtain_data()


def test_the_command_says_where_the_data_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = write_dataset(tmp_path / "chosen")
    monkeypatch.setenv("MOVIELENS_DIR", str(chosen))
    assert main() == 0
    assert str(chosen) in capsys.readouterr().out


def test_the_command_says_why_there_are_only_demo_data(
    server: Server,
    nothing_local: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.reply = answer(b"", 404)
    monkeypatch.setattr(download, "MOVIELENS_URL", server.url)
    assert main() == 0  # the app can start all the same
    printed = capsys.readouterr().out
    assert "404" in printed and "demo" in printed


def test_the_command_fails_on_a_wrong_choice_of_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOVIELENS_DIR", str(tmp_path / "nowhere"))
    assert main() == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert_one_sentence(printed.err.strip())
