"""Files written whole or not at all: the one place where a file takes another one's place.

A file is written beside its place under a name of its own, which its writer holds locked until it
is in place. Whatever bears such a name and is not locked was left by a writer that was killed: the
next writer in that folder removes it. The system releases the lock of a process that dies, so
neither a process number that is used again nor a container of its own can deceive it.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_NEW = re.compile(r"\..+\.[0-9a-f]{32}\.tmp", re.DOTALL)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

if sys.platform == "win32":
    import msvcrt

    def _hold(file: BinaryIO) -> bool:
        """Lock an open file until it is closed; False where another has it locked."""
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _hold(file: BinaryIO) -> bool:
        """Lock an open file until it is closed; False where another has it locked.

        Raises:
            OSError: the file system knows no locks.
        """
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


# Windows lets nobody replace a file that another program has open; a virus scanner lets go soon.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds between tries
_HELD_OPEN = (5, 32, 33)  # Windows' errors: access denied, sharing violation, lock violation


def put_in_place(source: Path, target: Path) -> None:
    """`os.replace`, tried a few times where Windows refuses because the target is open elsewhere.

    Raises:
        PermissionError: it is open for longer; `strerror` says so.
        OSError: as `os.replace`.
    """
    for pause in (*_PAUSES, None):
        try:
            return os.replace(source, target)
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _HELD_OPEN:
                raise
            if pause is None:
                said = f"{target.name} is open in another program; close it there and try again"
                raise PermissionError(error.errno, said) from None
        time.sleep(pause)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file to write, which takes the place of `path` at the end of the block.

    At any moment `path` is the old file (or none) or the new one, whole and on the disk. Where the
    block raises, `path` stays as it was and nothing is left beside it.

    Raises:
        OSError: the file cannot be written, synchronised or put into its place.
    """
    clear_leftovers(path.parent)
    new, file = _begin(path)
    try:
        yield file
        file.flush()
        os.fsync(file.fileno())
        if sys.platform == "win32":  # which moves no open file
            file.close()
        put_in_place(new, path)
    except BaseException:  # Ctrl-C as well
        with suppress(OSError):  # the first fault is the one to report
            file.close()
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    finally:
        file.close()


def copy_into_place(
    source: Path, target: Path, before_it_counts: Callable[[], None] | None = None
) -> None:
    """Copy a file; at any moment `target` is what it was or the copy, whole.

    Args:
        before_it_counts: called when the copy is written; where it raises, `target` stays.

    Raises:
        OSError: as `replacing`, or `source` cannot be read.
    """
    with source.open("rb") as original, replacing(target) as copy:
        shutil.copyfileobj(original, copy, 2**20)
        if before_it_counts:
            before_it_counts()


def link_into_place(source: Path, target: Path) -> None:
    """Make `target` another name of `source`, which needs no room; a copy where links cannot be.

    At any moment `target` is what it was or the other file, whole.

    Raises:
        OSError: neither can be made.
    """
    if target.exists() and source.samefile(target):
        return
    try:
        _link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        copy_into_place(source, target)


def _link(source: Path, target: Path) -> None:
    for last in (False, False, True):
        new = _new_name(target)
        try:
            with source.open("rb") as held:
                with suppress(OSError):
                    _hold(held)  # so that nobody takes the new name for a leftover
                os.link(source, new)
                put_in_place(new, target)
            return
        except FileNotFoundError:
            if last or not source.exists():
                raise
        finally:
            with suppress(OSError):
                new.unlink(missing_ok=True)


def has_no_room(error: OSError) -> bool:
    """Whether the disk or somebody's share of it is full."""
    return error.errno in _NO_ROOM


def clear_leftovers(folder: Path) -> None:
    """Remove what writers that were killed left in the folder, and only that."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            if _NEW.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_if_left(Path(entry.path))


def _remove_if_left(path: Path) -> None:
    with suppress(OSError):
        if sys.platform == "win32":  # which removes no open file
            path.unlink()
            return
        with path.open("rb") as file:
            if _hold(file):
                path.unlink()


@contextmanager
def locked(path: Path, seconds: float = 60.0) -> Iterator[None]:
    """Only one thread of one process at a time is in such a block with this path.

    Args:
        path: of a file that is made for it and stays.
        seconds: how long to wait.

    Raises:
        TimeoutError: another did not leave it in that time.
        OSError: the file cannot be opened, or knows no locks.
    """
    end = time.monotonic() + seconds
    with path.open("ab") as file:
        while not _hold(file):
            if time.monotonic() > end:
                raise TimeoutError(errno.ETIMEDOUT, "another program does not let go of it")
            time.sleep(0.02)
        yield


def move_all(names: Iterable[str], source: Path, target: Path) -> None:
    """Move the files of these names from one folder to another: all of them or, if one fails, none.

    Args:
        source: on the same file system as `target`; what is replaced lies in its folder `replaced`
            afterwards.

    Raises:
        OSError: a file cannot be moved; all of `target` is as it was.
    """
    replaced = source / "replaced"
    replaced.mkdir()
    begun = []
    try:
        for name in names:
            if (target / name).exists():
                put_in_place(target / name, replaced / name)
            begun.append(name)
            put_in_place(source / name, target / name)
    except BaseException:
        for name in begun:
            (target / name).unlink(missing_ok=True)
            if (replaced / name).exists():
                put_in_place(replaced / name, target / name)
        raise


def _new_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")


def _begin(path: Path) -> tuple[Path, BinaryIO]:
    """A new file beside `path`, locked where the file system knows locks."""
    while True:
        new = _new_name(path)
        file = new.open("xb")
        mine = True
        with suppress(OSError):
            mine = sys.platform == "win32" or _hold(file)
        if mine and new.exists():  # else another writer took it for a leftover in this moment
            return new, file
        file.close()
