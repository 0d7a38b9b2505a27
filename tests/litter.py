"""What may lie in a folder besides the files that belong there, and must be in nobody's way."""

from __future__ import annotations

import os
import socket
from pathlib import Path

LITTER = ("folder", "dangling", ".#lock", ".hidden", "loop", "pipe", "socket", "device", "endless")


def litter(folder: Path, suffix: str) -> None:
    """One of every kind: `LITTER` with the suffix, a name without UTF-8 and a longest name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"folder{suffix}").mkdir()
    (folder / f"dangling{suffix}").symlink_to("nowhere")
    (folder / f".#lock{suffix}").symlink_to("me@host.example:123")  # as Emacs locks a file
    (folder / f".hidden{suffix}").write_bytes(b"\0\xff")  # as macOS leaves beside files
    (folder / f"loop{suffix}").symlink_to(f"loop{suffix}")
    if os.name == "posix":
        os.mkfifo(folder / f"pipe{suffix}")  # to open it would wait for ever
        _leave_socket(folder, f"socket{suffix}")
        (folder / f"device{suffix}").symlink_to("/dev/null")
        (folder / f"endless{suffix}").symlink_to("/dev/zero")
        (folder / os.fsdecode(b"caf\xe9" + suffix.encode())).write_bytes(b"\xff")
    (folder / ("l" * (255 - len(suffix)) + suffix)).write_bytes(b"")


def _leave_socket(folder: Path, name: str) -> None:
    """Bound from inside the folder, as the path of a socket may only have some hundred bytes."""
    here = os.getcwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(name)
    finally:
        os.chdir(here)
