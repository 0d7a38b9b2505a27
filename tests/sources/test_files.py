"""What may lie in a folder and is no file to read; and faults that name no path."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from sources.files import kind, note, printable, reason, regular_files
from tests.litter import LITTER, litter

SECRET = "/srv/secret place/data"


def test_only_what_can_be_read_counts(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "readme.txt", ".hidden.csv"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    (tmp_path / "link.csv").symlink_to("a.csv")
    litter(tmp_path, ".csv")
    names = [os.fsencode(path.name) for path in regular_files(tmp_path, ".csv")]
    long, odd = b"l" * 251 + b".csv", b"caf\xe9.csv"  # strange names, but files
    assert names == sorted([b"a.csv", b"b.csv", b"link.csv", long, odd], key=os.fsdecode)


def test_no_folder_or_a_closed_one_has_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("x", encoding="utf-8")
    for folder in (tmp_path / "none", tmp_path / "a.csv", tmp_path / ("x" * 300)):
        assert regular_files(folder, ".csv") == []

    def closed(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", closed)
    assert regular_files(tmp_path, ".csv") == []


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices")
def test_what_lies_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    litter(tmp_path, ".csv")
    assert kind(tmp_path / "pipe.csv") == "a pipe"
    assert kind(tmp_path / "folder.csv") == "a folder"
    assert kind(tmp_path / "device.csv") == "a device"
    assert kind(tmp_path / "socket.csv") == "a socket"
    assert kind(tmp_path / ("l" * 251 + ".csv")) is None
    with pytest.raises(FileNotFoundError):
        kind(tmp_path / ".#lock.csv")
    assert set(LITTER) >= {"pipe", "folder", "device", "socket", ".#lock"}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", f"{SECRET}/m.pth"), "Permission denied"),
        (OSError(f"{SECRET} is gone"), "OSError"),
        (RuntimeError(f"cannot open '{SECRET}/m.pth'."), "cannot open 'm.pth'"),
        (RuntimeError("Parent directory /srv/secret/x/ does not exist."), "does not exist"),
        (ValueError(r"bad C:\Users\secret\m.pth at 7/8"), "bad m.pth at 7/8"),
        (ValueError("LightGCN and/or EASE.\nsecret"), "LightGCN and/or EASE"),
        (MemoryError(), "MemoryError"),
        (ValueError("caf\udce9 is no text"), "caf? is no text"),
    ],
    ids=str,
)
def test_a_reason_names_no_folder(error: BaseException, said: str) -> None:
    told = reason(error)
    assert said in told and "secret" not in told and "/srv" not in told and told[-1] != "."
    told.encode()  # and can be sent to a browser


def test_the_log_has_the_whole_of_it_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        reason(PermissionError(13, "Permission denied", f"{SECRET}/once.pth"))
        note("the folder is /srv/once")
    lines = [record.getMessage() for record in caplog.records]
    assert sum("once.pth" in line for line in lines) == 1
    assert lines.count("the folder is /srv/once") == 1


def test_a_name_that_is_no_text_can_be_shown() -> None:
    assert printable(os.fsdecode(b"caf\xe9")) == "caf?"
