"""Folders that anything may lie in, and faults told without the paths of this machine."""

from __future__ import annotations

import logging
import os
import re
import stat
from functools import lru_cache
from pathlib import Path

log = logging.getLogger(__name__)

_KINDS = (
    (stat.S_ISREG, None),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)
_QUOTED_PATH = re.compile(r"(['\"])[^'\"]*[/\\]([^'\"/\\]*)\1")
_PATH = re.compile(r"(?<![\w.:/\\])(?:[A-Za-z]:)?[/\\](?:[^\s'\"/\\]+[/\\])*([^\s'\"/\\]+)[/\\]?")
_LONGEST = 300  # characters of a fault that is not ours


def regular_files(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder whose names end so, by name; links to files count as well.

    Left out is what cannot be read as a file and might stop or block who tries: folders, dangling
    links (editors lock a file with one), pipes, devices; and what is hidden. No folder, or one that
    may not be looked into, has none.
    """
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                named = entry.name.endswith(suffix) and not entry.name.startswith(".")
                if named and os.path.isfile(entry.path):  # which never raises, as Path.is_file does
                    found.append(folder / entry.name)
    except OSError:
        return []
    return sorted(found)


def kind(path: Path) -> str | None:
    """What lies there in place of a file, as "a pipe"; None if it is a file, or a link to one.

    Raises:
        OSError: there is nothing, or it may not be looked at.
    """
    mode = path.stat().st_mode
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "a device")


def printable(name: str) -> str:
    """The name of a file, which need not be text, as text."""
    return name.encode(errors="replace").decode()


def reason(error: BaseException) -> str:
    """Why something failed, for a sentence that visitors read: a fault of the system or a library.

    It names no folder of this machine and has no full stop; the whole goes to the log, once.
    """
    whole = printable(f"{type(error).__name__}: {error}")
    _log_once(whole)
    if isinstance(error, OSError):
        return printable(error.strerror or type(error).__name__)
    first = printable(str(error)).strip().splitlines() or [type(error).__name__]
    text = _PATH.sub(r"\1", _QUOTED_PATH.sub(r"\1\2\1", first[0]))
    return text[:_LONGEST].rstrip(" .")


@lru_cache(maxsize=256)
def _log_once(line: str) -> None:
    """A page that is opened a thousand times says the same each time; the log does not."""
    log.warning("%s", line)


def note(line: str) -> None:
    """Tell the operator, in the log, what visitors are not told; each line once."""
    _log_once(printable(line))
