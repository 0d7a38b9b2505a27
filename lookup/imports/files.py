"""Bytes that someone uploads → a table of text: archive, encoding and separator are found out."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sources.csv_cells import restored

MAX_BYTES = 5 * 2**20
MAX_ROWS = 20_000  # ratings; MovieLens' most active person has 2,698
MAX_MEMBERS = 2_000  # a Letterboxd archive has one file per list
_ARCHIVES_DEEP = 2  # an archive may lie in another
MAX_RATIO = 200  # unpacked size over packed size; ratings reach some 10
ONE_PERSON = "choose a file with the ratings of one person"

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# With one byte for each character; the first where both are as likely. In the wrong one of the two,
# accented letters are signs, or capitals behind small letters.
_ONE_BYTE = {"windows-1252": "Windows-1252", "mac_roman": "Mac Roman"}
_LIKELY = re.compile("[ß-öø-ÿœ‘’“”–—…]|(?<![a-zß-öø-ÿœ])[À-ÖØ-ÞŒ]")
# What numbers and dates are written with, in the full width that East Asian keyboards give.
_NARROW = str.maketrans("０１２３４５６７８９．，／", "0123456789.,/")
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# Of the files in an archive, the first of these that it has; Letterboxd, MovieLens, Trakt.
_WANTED = (
    *("ratings.csv", "movielens-ratings.csv", "ratings-movies.json", "ratings.json"),
    *("diary.csv", "reviews.csv"),
)
_NO_FILE = (
    "The archive has no file with ratings (ratings.csv, diary.csv, reviews.csv or "
    "ratings-movies.json); export your data again, or choose the CSV file itself."
)
_NO_RATINGS = ("watched.csv", "watchlist.csv", "films.csv", "profile.csv", "comments.csv")
_ELSEWHERE = {"__MACOSX", "deleted", "orphaned", "likes", "lists"}
_TABLES = (".csv", ".tsv", ".txt")
# What zipfile raises for an archive that is damaged, locked or packed in an unknown way.
_BAD_ARCHIVE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError),
)


class RatingsFileError(ValueError):
    """The file cannot be used; the message is one sentence to show to the user."""


@dataclass(frozen=True)
class Table:
    """A file as text.

    Attributes:
        header: the names of the columns.
        rows: (line where it begins, from 1, *fields), blank lines left out.
        notes: sentences on how the file was read, where that was not the plain way.
    """

    header: list[str]
    rows: list[tuple[Any, ...]]
    notes: tuple[str, ...] = ()


def read_table(content: bytes) -> Table:
    """Read a CSV or JSON file, or the ratings in a ZIP archive of one.

    Raises:
        RatingsFileError: it is too large, damaged, empty or no text.
    """
    text, notes = read_text(content)
    if text.lstrip().startswith(("[", "{")):
        return _from_json(text, notes)
    return table_of(text, notes)


def read_text(
    content: bytes, wanted: Sequence[str] = _WANTED, missing: str = _NO_FILE
) -> tuple[str, list[str]]:
    """The text of a file or of one file in a ZIP archive, and sentences on how it was read.

    Args:
        wanted: names of files in an archive, the first that it has counts; or else its only table.
        missing: what to say of an archive that has none of them.

    Raises:
        RatingsFileError: it is too large, damaged or no text.
    """
    notes: list[str] = []
    if len(content) > MAX_BYTES:
        raise RatingsFileError(f"The file is larger than {MAX_BYTES >> 20} MiB; {ONE_PERSON}.")
    for _ in range(_ARCHIVES_DEEP):
        if content.startswith((b"PK\3\4", b"PK\5\6")):
            content, name = _unpack(content, wanted, missing)
            notes.append(f"Read from {name} in the archive.")
    return _decode(content, notes), notes


# --- archives -------------------------------------------------------------------------------------


def _unpack(content: bytes, wanted: Sequence[str], missing: str) -> tuple[bytes, str]:
    """The wanted file and its name; nothing is written anywhere."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            chosen = _choose(archive.infolist(), wanted, missing)
            name = PurePosixPath(chosen.filename).name
            if chosen.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise NotImplementedError  # others unpack a block whole, however large it is
            if chosen.file_size > MAX_RATIO * max(chosen.compress_size, 1):
                raise RatingsFileError(
                    f"The file {name} in the archive unpacks to more than {MAX_RATIO} times its "
                    "size; unpack it yourself and choose it if you trust it."
                )
            with archive.open(chosen) as member:
                unpacked = member.read(MAX_BYTES + 1)
    except RatingsFileError:
        raise
    except _BAD_ARCHIVE:
        raise RatingsFileError(
            "The ZIP archive is damaged or locked; download it again, or unpack it and choose the "
            "file with your ratings."
        ) from None
    if len(unpacked) > MAX_BYTES:
        raise RatingsFileError(
            f"The file {name} in the archive is larger than {MAX_BYTES >> 20} MiB; {ONE_PERSON}."
        )
    return unpacked, name


def _choose(members: list[zipfile.ZipInfo], wanted: Sequence[str], missing: str) -> zipfile.ZipInfo:
    if len(members) > MAX_MEMBERS:
        raise RatingsFileError(
            f"The archive holds over {MAX_MEMBERS:,} files; unpack it and choose the one with your "
            "ratings."
        )
    found: dict[str, zipfile.ZipInfo] = {}
    for member in sorted(members, key=lambda m: m.filename.replace("\\", "/").count("/")):
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
            raise RatingsFileError(
                "The archive names a file outside of itself; unpack it with care and choose the "
                "file with your ratings."
            )
        if not (member.is_dir() or _ELSEWHERE & set(path.parts[:-1]) or path.name.startswith(".")):
            found.setdefault(path.name.casefold(), member)
    for name in wanted:
        if name in found and found[name].file_size:
            return found[name]
    tables = [name for name in found if name.endswith(_TABLES)]
    # One without ratings is told what it is, where nothing else is there.
    tables = [name for name in tables if name not in _NO_RATINGS] or tables
    if len(tables) == 1:
        return found[tables[0]]
    archives = [name for name in found if name.endswith(".zip")]
    if len(archives) == 1:
        return found[archives[0]]
    if "[content_types].xml" in found:
        raise RatingsFileError("The file is a spreadsheet; save it as CSV and choose that file.")
    raise RatingsFileError(missing)


# --- text -----------------------------------------------------------------------------------------


def _decode(content: bytes, notes: list[str]) -> str:
    """The text; what is neither UTF-8 nor UTF-16 has one byte for each character."""
    mark, encoding = next(
        (known for known in _BOMS if content.startswith(known[0])), (b"", _unmarked(content))
    )
    content = content[len(mark) :]
    text = content.decode(encoding, "replace")
    if encoding == "utf-8" and "\ufffd" in text:
        damaged = text.count("\ufffd")
        if damaged >= sum(map(len, re.findall(r"[^\x00-\x7f\ufffd]", text))):
            texts = {name: content.decode(name, "replace") for name in _ONE_BYTE}
            encoding, text = max(texts.items(), key=lambda each: len(_LIKELY.findall(each[1])))
        else:
            notes.append("Some characters are damaged; titles with them may not be found.")
    if encoding != "utf-8":
        name = _ONE_BYTE.get(encoding, encoding[:6].upper())
        notes.append(f"Read as {name}, as the file is not in UTF-8.")
    strange = len(re.findall(r"[\x00-\x08\x0e-\x1f\x7f]", text))
    if "\0" in text or strange > len(text) / 100:
        raise RatingsFileError(
            "The file is not plain text; choose the CSV file or the ZIP archive that the site gave."
        )
    return text


def _unmarked(content: bytes) -> str:
    """UTF-16 without a mark has a zero byte in every other place of its first Latin letters."""
    start = content[:400]
    for encoding, zeros, letters in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
        if len(start) > 3 and start[zeros::2].count(0) > len(start) / 4 > start[letters::2].count(
            0
        ):
            return encoding
    return "utf-8"


def table_of(text: str, notes: list[str]) -> Table:
    """The table by the separator that makes the most columns of its first line.

    Raises:
        RatingsFileError: it is empty, too long, or quotation marks are out of place.
    """
    first, rest = re.match(r"\s*(.*)\r?\n?", text), 0
    told = re.fullmatch(r"sep=(.)\s*", first[1], re.I) if first else None
    if first and told:  # what Excel writes for itself
        separator, rest, text = told[1], 1, text[first.end() :]
    else:
        head = first[1] if first else ""
        separator = max(_SEPARATORS, key=lambda sign: _fields(head, sign))
    if separator != ",":
        notes.append(f"The columns are set off by {_SEPARATORS.get(separator, separator)}.")
    table: list[tuple[Any, ...]] = []
    start = 1
    try:
        # Not strict, an open quotation mark would swallow the rest.
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        for fields in reader:
            if any(map(str.strip, fields)):
                table.append((start + rest, *map(_cell, fields)))
            if len(table) > MAX_ROWS + 1:
                raise RatingsFileError(f"The file has over {MAX_ROWS:,} ratings; {ONE_PERSON}.")
            start = reader.line_num + 1
    except (csv.Error, TypeError, ValueError) as error:
        if isinstance(error, RatingsFileError):
            raise
        raise RatingsFileError(
            f"Line {start + rest} is not CSV (a quotation mark out of place?); export it again."
        ) from None
    if not table:
        raise RatingsFileError("The file is empty; export your ratings and choose that file.")
    (_, *header), *rows = table
    return Table(header, [_trimmed(row, len(header) + 1) for row in rows], tuple(notes))


def _cell(field: str) -> str:
    return restored(field.strip()).translate(_NARROW)


def _fields(line: str, separator: str) -> int:
    return len(re.sub(r'"[^"]*"', "", line).split(separator))


def _trimmed(row: tuple[Any, ...], wanted: int) -> tuple[Any, ...]:
    """Without the empty fields that spreadsheets add at the end."""
    return row if any(row[wanted:]) else row[:wanted]


# --- JSON: what Trakt's archive holds -------------------------------------------------------------

_JSON_COLUMNS = ("rated_at", "type", "title", "year", "trakt_id", "imdb_id", "tmdb_id", "rating")


def _from_json(text: str, notes: list[str]) -> Table:
    """The ratings of films as a table with the names of Trakt's CSV columns; a line is an entry."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise RatingsFileError("The JSON file is damaged; export your ratings again.") from None
    if not (isinstance(entries, list) and any(_is_rating(entry) for entry in entries)):
        raise RatingsFileError(
            "The JSON file is not Trakt's list of ratings; choose ratings-movies.json or the whole "
            "archive of your Trakt export."
        )
    if len(entries) > MAX_ROWS:
        raise RatingsFileError(f"The file has over {MAX_ROWS:,} ratings; {ONE_PERSON}.")
    rows = [(number, *_entry(entry)) for number, entry in enumerate(entries, 1)]
    return Table(list(_JSON_COLUMNS), rows, (*notes, "Lines are counted as entries of the file."))


def _is_rating(entry: object) -> bool:
    return isinstance(entry, dict) and "rating" in entry and "rated_at" in entry


def _entry(entry: object) -> list[str]:
    entry = entry if isinstance(entry, dict) else {}
    kind = str(entry.get("type") or ("movie" if "movie" in entry else ""))
    film = entry.get(kind)
    film = film if isinstance(film, dict) else {}
    ids = film.get("ids")
    ids = ids if isinstance(ids, dict) else {}
    fields = (entry.get("rated_at"), kind, film.get("title"), film.get("year"))
    numbers = (ids.get("trakt"), ids.get("imdb"), ids.get("tmdb"), entry.get("rating"))
    return ["" if field is None else _text(field) for field in (*fields, *numbers)]


def _text(field: object) -> str:
    """As it stands in a table; JSON may hold halves of characters, which nothing can show."""
    return str(field)[:1000].encode("utf-8", "replace").decode().strip()
