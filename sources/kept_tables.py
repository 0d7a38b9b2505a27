"""Tables kept as a binary copy, so that what was read and checked once need not be again.

A copy is a cache and nothing else: it is named after all that it was made from, verified whole
before it is used, and whatever is the matter with it, there is none.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from sources.atomic import clear_leftovers, replacing
from sources.files import note, regular_files

_SUFFIX = ".tables"
_DIGEST = 32  # bytes of SHA-256


def content_key(files: Iterable[Path], code: Iterable[Path]) -> str:
    """A name for what the code makes of the files: their contents and its own, hashed.

    Raises:
        OSError: one of them cannot be read.
    """
    whole = hashlib.sha256()
    for path in (*files, *code):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        whole.update(path.name.encode(errors="surrogateescape") + b"\0" + content)
    return whole.hexdigest()


def keep(folder: Path, key: str, tables: Mapping[str, pa.Table], most: int = 4) -> None:
    """Write a copy; where that cannot be, the log says so and there is none.

    Args:
        tables: by names of letters alone.
        most: copies in the folder: those used last.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / f"{key}{_SUFFIX}") as file:
            file.seek(_DIGEST)
            for name, table in tables.items():
                named = table.replace_schema_metadata(
                    {**(table.schema.metadata or {}), b"name": name.encode()}
                )
                with pa.ipc.new_stream(file, named.schema) as stream:
                    stream.write_table(named.combine_chunks())
            file.flush()
            digest = _digest(Path(file.name))
            file.seek(0)
            file.write(digest)
        _forget_old(folder, most)
    except OSError as error:
        note(f"Nothing is kept in {folder}: {error.strerror or type(error).__name__}.")


def kept(folder: Path, key: str) -> dict[str, pa.Table] | None:
    """The tables of a copy, without copying them in memory; None where there is no sound one."""
    path = folder / f"{key}{_SUFFIX}"
    try:
        content = pa.py_buffer(path.read_bytes())
        if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST].to_pybytes():
            return None
        source, tables = pa.BufferReader(content[_DIGEST:]), {}
        while source.tell() < source.size():
            table = pa.ipc.open_stream(source).read_all()
            tables[table.schema.metadata[b"name"].decode()] = table
    except (OSError, pa.ArrowException, TypeError, KeyError):
        return None
    with suppress(OSError):  # where nothing can be written, it is good all the same
        os.utime(path)  # it was used
    return tables


def forget(folder: Path, begins: str) -> None:
    """Remove the copies whose keys begin so."""
    for path in regular_files(folder, _SUFFIX):
        if path.name.startswith(begins):
            with suppress(OSError):
                path.unlink()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(_DIGEST)
        return hashlib.file_digest(file, "sha256").digest()


def _forget_old(folder: Path, most: int) -> None:
    clear_leftovers(folder)
    used_last = sorted(regular_files(folder, _SUFFIX), key=os.path.getmtime, reverse=True)
    for path in used_last[most:]:
        with suppress(OSError):  # another process may have it open, or remove it as well
            path.unlink()
