"""Files written whole or not at all: the one place where a file takes another one's place."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

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
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with new.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        put_in_place(new, path)
    except BaseException:  # Ctrl-C as well
        with suppress(OSError):  # the first fault is the one to report
            new.unlink(missing_ok=True)
        raise


def copy_into_place(source: Path, target: Path) -> None:
    """Copy a file; at any moment `target` is what it was or the copy, whole.

    Raises:
        OSError: as `replacing`, or `source` cannot be read.
    """
    with source.open("rb") as original, replacing(target) as copy:
        shutil.copyfileobj(original, copy)


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
