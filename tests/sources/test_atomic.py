"""A file is the old one or the new one, whole, and nothing is left beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sources import atomic
from sources.atomic import (
    clear_leftovers,
    copy_into_place,
    link_into_place,
    locked,
    move_all,
    replacing,
)
from tests.conftest import REPOSITORY, snapshot


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert snapshot(tmp_path) == {"file": b"new"}


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()], ids=["disk", "Ctrl-C"])
def test_a_block_that_fails_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(type(error)), replacing(path) as file:
        file.write(b"half")
        raise error
    assert snapshot(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_refuses_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, step, refuse)
    with pytest.raises(OSError, match="No space"), replacing(path) as file:
        file.write(b"new")
    assert snapshot(tmp_path) == {"file": b"old"}


class OpenElsewhere:
    """`os.replace` as on Windows while another program has the file open for so many tries."""

    def __init__(self, tries: int, winerror: int) -> None:
        self.left, self.real, self.winerror, self.calls = tries, os.replace, winerror, 0

    def __call__(self, source: Path, target: Path) -> None:
        self.calls += 1
        if self.left:
            self.left -= 1
            error = PermissionError(13, "The process cannot access the file")
            error.winerror = self.winerror
            raise error
        self.real(source, target)


@pytest.mark.parametrize("winerror", [5, 32])
def test_a_file_that_is_open_elsewhere_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, winerror: int
) -> None:
    path, pauses = tmp_path / "file", []
    monkeypatch.setattr(atomic.time, "sleep", pauses.append)
    monkeypatch.setattr(os, "replace", OpenElsewhere(3, winerror))
    with replacing(path) as file:
        file.write(b"new")
    assert snapshot(tmp_path) == {"file": b"new"} and len(pauses) == 3


@pytest.mark.parametrize(("winerror", "said"), [(32, "open in another program"), (0, "access")])
def test_a_file_that_stays_open_is_left_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, winerror: int, said: str
) -> None:
    path, pauses, refuses = tmp_path / "file", [], OpenElsewhere(99, winerror)
    path.write_bytes(b"old")
    monkeypatch.setattr(atomic.time, "sleep", pauses.append)
    monkeypatch.setattr(os, "replace", refuses)
    with pytest.raises(PermissionError, match=said), replacing(path) as file:
        file.write(b"new")
    assert snapshot(tmp_path) == {"file": b"old"}
    assert sum(pauses) < 2 and refuses.calls == (6 if winerror else 1)  # no other refusal waits


KILLED = """
import sys
from pathlib import Path
from sources.atomic import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("written", flush=True)
    sys.stdin.read()  # until it is killed
"""


@pytest.mark.skipif(os.name != "posix", reason="kills by a signal")
def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", KILLED, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=REPOSITORY, **pipes) as writer:
        assert writer.stdout and writer.stdout.readline() == b"written\n"
        writer.send_signal(signal.SIGKILL)
    assert path.read_bytes() == b"old"
    with replacing(tmp_path / "other") as file:  # and is cleared away by the next in this folder
        file.write(b"new")
    assert snapshot(tmp_path) == {"file": b"old", "other": b"new"}


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as first, replacing(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert snapshot(tmp_path) == {"file": b"first"}  # the last to end


def test_a_copy_is_whole_or_is_not(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"model")
    copy_into_place(tmp_path / "source", tmp_path / "target")
    assert snapshot(tmp_path) == {"source": b"model", "target": b"model"}
    with pytest.raises(FileNotFoundError):
        copy_into_place(tmp_path / "nothing", tmp_path / "target")
    assert snapshot(tmp_path) == {"source": b"model", "target": b"model"}


@pytest.mark.parametrize("fails_at", range(1, 6))
def test_all_files_move_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for folder in (source, target):
        folder.mkdir()
        for name in ("a", "b", "c"):
            (folder / name).write_text(f"{name} of {folder.name}")
    (target / "b").unlink()  # two of three are replaced: five moves
    before, real, moves = snapshot(target), os.replace, iter(range(1, 99))

    def fails_once(*paths: Path) -> None:
        if next(moves) == fails_at:
            raise OSError("Input/output error")
        real(*paths)

    monkeypatch.setattr(os, "replace", fails_once)
    with pytest.raises(OSError, match="Input/output"):
        move_all(("a", "b", "c"), source, target)
    assert snapshot(target) == before


def test_only_leftovers_are_cleared_away(tmp_path: Path) -> None:
    name = f".file.{'0' * 32}.tmp"
    for other in (".file.tmp", f"file.{'0' * 32}.tmp", f".file.{'0' * 31}.tmp", "file"):
        (tmp_path / other).write_bytes(b"mine")
    (tmp_path / name.replace("0", "1")).symlink_to("file")
    (tmp_path / name.replace("0", "2")).mkdir()
    before = snapshot(tmp_path)
    (tmp_path / name).write_bytes(b"left")
    with replacing(tmp_path / "living") as file:
        clear_leftovers(tmp_path)  # which leaves what a living writer is at
        file.write(b"whole")
    assert snapshot(tmp_path) == before | {"living": b"whole"}
    clear_leftovers(tmp_path / "nowhere")


def test_another_name_needs_no_room_and_a_copy_takes_its_place_where_links_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"model")
    target.write_bytes(b"old")
    for _ in range(2):  # the second time it is the same file
        link_into_place(source, target)
        assert target.samefile(source)

    def unsupported(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", unsupported)
    target.unlink()
    link_into_place(source, target)
    assert not target.samefile(source)
    assert snapshot(tmp_path) == {"source": b"model", "target": b"model"}
    with pytest.raises(FileNotFoundError):
        link_into_place(tmp_path / "nothing", target)


def test_a_copy_counts_only_when_nothing_speaks_against_it(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    (tmp_path / "target").write_bytes(b"old")

    def changed() -> None:
        raise ValueError("it changed meanwhile")

    with pytest.raises(ValueError, match="meanwhile"):
        copy_into_place(tmp_path / "source", tmp_path / "target", changed)
    assert snapshot(tmp_path) == {"source": b"new", "target": b"old"}


def test_a_lock_is_one_threads_alone_and_waiting_for_it_ends(tmp_path: Path) -> None:
    inside, most, path = [], [], tmp_path / "lock"

    def enter() -> None:
        with locked(path):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6
    with locked(path), pytest.raises(TimeoutError), locked(path, seconds=0.1):
        pytest.fail("two are inside")
