"""How much memory this machine has, and what a computation that nobody needs may take of it.

Whatever takes room for users × films, or for all pairs of films, says beforehand how much
(`model.item_models.ease_cost` and its like) and is left out with `too_large`'s sentence where that
is too much.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from data_preparation import MovieData

_SHARE = 4  # an optional computation may take a fourth of the memory
_ASSUMED = 8 * 2**30  # bytes, where the system does not tell


def allowance() -> int:
    """Bytes that one optional computation may take on this machine."""
    return (machine_memory() or _ASSUMED) // _SHARE


def too_large(what: str, needed: int, data: MovieData) -> str | None:
    """Why something on the data is left out, one sentence; None where it fits.

    Args:
        needed: bytes at its peak.
    """
    allowed = allowance()
    if needed <= allowed:
        return None
    return (
        f"{what} is left out: for {data.n_users:,} users and {data.n_movies:,} films it would need "
        f"about {in_words(needed)} of memory, and it may take {in_words(allowed)}."
    )


def in_words(size: int) -> str:
    """Bytes as MB or GB."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 1):,.0f} MB"


def machine_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may have: the machine's, or fewer in a container; None if unknown.

    Args:
        root: of the file system with proc and sys; for tests.
    """
    known = [physical_memory(), *_container_limits(root)]
    return min((size for size in known if size), default=None)


def physical_memory() -> int | None:
    """Bytes of RAM of the machine, where the system tells."""
    windows = getattr(ctypes, "windll", None)
    try:
        if windows:
            status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
            told = windows.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
            return int(status.total_physical) if told else None
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("memory_load", ctypes.c_uint32),
        *(
            (name, ctypes.c_uint64)
            for name in (
                *("total_physical", "free_physical", "total_page_file", "free_page_file"),
                *("total_virtual", "free_virtual", "free_extended_virtual"),
            )
        ),
    )


def _container_limits(root: Path) -> Iterator[int]:
    """The limits of the control groups that this process is in, and of those that hold them.

    Version 2 has one tree under /sys/fs/cgroup, version 1 a tree for memory (cgroups(7)). Inside a
    container the paths may be those of the host, of which only the top is to be seen.
    """
    groups = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if not kinds:
            tree, name = groups, "memory.max"
        elif "memory" in kinds.split(","):
            tree, name = groups / "memory", "memory.limit_in_bytes"
        else:
            continue
        inner = PurePosixPath(path.lstrip("/"))
        if ".." in inner.parts:
            inner = PurePosixPath()
        for group in (inner, *inner.parents):
            text = _text(tree / group / name).strip()
            if text.isdecimal():  # and not "max"
                yield int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
