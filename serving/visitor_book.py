"""What a visitor's browser keeps for them: which film, which value, and when it was changed.

Text from a browser is text from anyone. What can be read of it is used, the rest is counted, and
the browser is never told to drop what could not be read.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from data_preparation import MovieData
from lookup.ratings_import import MAX_ROWS
from sources.movielens_files import MAX_STARS, MIN_STARS

VERSION = 1
MAX_CHARS = 2**21  # of the stored text; 20,000 ratings with their dates take 1.7 million
_LAST_MOMENT = 2**53 - 1  # what JavaScript counts up to without gaps
_FILM = re.compile(r"\d{1,18}\.[0-9a-f]{4}", re.ASCII)

Value = float | str | None
"""Stars or an ISO day; None where the film was taken away."""


class Entry(NamedTuple):
    """The last change of one film: its value since then, and the moment in ms since 1970."""

    value: Value
    at: int


Table = dict[str, Entry]
"""Film key (`film_keys`) → entry."""
Book = dict[str, Table]
"""Kind (of `KINDS`) → table."""


def _stars(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return MIN_STARS <= value <= MAX_STARS and (2 * value) % 1 == 0


def _day(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


KINDS: Mapping[str, Callable[[object], bool]] = {
    "my_stars": _stars,
    "rated_on": _day,
    "shortlist": _day,
    "not_interested": _day,
}
"""What is kept → whether a value is one of that kind."""


def store_name(data: MovieData) -> str:
    """The name under which a browser keeps what was said of this data set.

    Told by the name of the folder, so that ratings outlive a new release in it; only its digest
    leaves the server.
    """
    digest = hashlib.sha256(data.directory.resolve().name.encode("utf-8", "surrogateescape"))
    return f"lightgcn-movies.{digest.hexdigest()[:8]}"


def film_keys(data: MovieData) -> list[str]:
    """By inner id: the raw id and a check of title and year, `318.5f0c`.

    The same number is another film in other data: with the check it is no film at all.
    """
    pairs = zip(data.movie_ids.tolist(), map(title_check, data.labels), strict=True)
    return [f"{raw}.{check:04x}" for raw, check in pairs]


def title_check(label: str) -> int:
    """16 bits of a film's title and year."""
    return zlib.crc32(label.encode("utf-8", "surrogatepass")) & 0xFFFF


def merge(one: Book, other: Book) -> Book:
    """Of each film the later change; the order of the two, or merging twice, makes no difference.

    A last-writer-wins map (Shapiro et al. 2011, "Conflict-free replicated data types"); of two
    changes in the same millisecond the larger value counts, as text. `tabs/visitor.js` does the
    same with what the browser holds.
    """
    merged: Book = {}
    for kind in KINDS:
        table = dict(one.get(kind, {}))
        for film, entry in other.get(kind, {}).items():
            known = table.get(film)
            if known is None or _rank(entry) > _rank(known):
                table[film] = entry
        merged[kind] = table
    return merged


def _rank(entry: Entry) -> tuple[int, str]:
    return entry.at, json.dumps(entry.value)


def next_moment(now: int, before: Entry | None) -> int:
    """When a change happens that is to count: now, or after what some faster clock wrote."""
    return max(now, before.at + 1) if before else now


@dataclass(frozen=True)
class Stored:
    """What a browser told.

    Attributes:
        book: what can be used of it.
        unread: entries that cannot.
    """

    book: Book
    unread: int = 0


def read_stored(text: str) -> Stored:
    """Text of a browser's storage; of what is not as it should be nothing is used."""
    try:
        content = json.loads(text) if text and len(text) <= MAX_CHARS else {}
    except (ValueError, RecursionError):
        content = {}
    if not isinstance(content, dict) or content.get("version") != VERSION:
        return Stored({})
    book: Book = {}
    unread = 0
    for kind, is_value in KINDS.items():
        table = content.get(kind)
        entries = table.items() if isinstance(table, dict) else ()
        found = {film: entry for film, raw in entries if (entry := _entry(film, raw, is_value))}
        newest = sorted(found, key=lambda film: found[film].at)[-MAX_ROWS:]
        book[kind] = {film: found[film] for film in newest}
        unread += len(entries) - len(newest)
    return Stored(book, unread)


def _entry(film: str, raw: Any, is_value: Callable[[object], bool]) -> Entry | None:
    if not (_FILM.fullmatch(film) and isinstance(raw, list) and len(raw) == 2):
        return None
    value, at = raw
    if type(at) is not int or not 0 <= at < _LAST_MOMENT:
        return None
    return Entry(value, at) if value is None or is_value(value) else None


def as_text(book: Book) -> str:
    """A book as a browser stores it."""
    return json.dumps({"version": VERSION, **book}, separators=(",", ":"))
