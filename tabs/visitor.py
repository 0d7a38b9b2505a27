"""What a visitor said of films, kept in their own browser: it outlives the page and the server.

The tabs change plain dicts of the session (`kept`). At the beginning of every run what changed in
them goes to the browser, and what the browser has, from earlier visits or another of its tabs,
comes into them. No run waits for it; a page without a browser works as ever.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from data_preparation import MovieData
from serving.visitor_book import (
    KINDS,
    MAX_CHARS,
    VERSION,
    Book,
    Entry,
    Value,
    film_keys,
    merge,
    next_moment,
    read_stored,
    store_name,
)
from serving.visitor_link import LINK_NAME, MAX_CODE, LinkedFilms, decode
from tabs.in_browser import run_in_browser
from tabs.shared import count, kept, my_stars

_TROUBLES = {
    "blocked": "This browser keeps nothing for this page (its storage is switched off), so what "
    "you say here is gone when you reload or close the page.",
    "full": "This browser's storage is full, so what you changed last is gone when you reload or "
    "close the page; download your films as a CSV file.",
    "aside": "What this browser kept for this page could not be read; it was set aside in its "
    "storage, and keeping begins anew.",
}


@dataclass
class _Memory:
    """What a session knows of the browser's storage for one data set.

    Attributes:
        token: tells this session's answers from those to an earlier one.
        book: all entries that are known.
        changes: those of them that this session made; sent again and again, which changes nothing.
        seen: kind → inner movie id → value, as of the last run.
        trouble: why the browser keeps nothing, a key of `_TROUBLES`, or "".
        unread: entries of the browser that cannot be read.
        elsewhere: films of the browser that the data do not have.
        arrived: whether this run is the first with the browser's ratings.
        link: code of a link that was opened and not yet answered.
        link_done: the one that was answered last.
    """

    token: str = field(default_factory=lambda: secrets.token_hex(8))
    book: Book = field(default_factory=lambda: {kind: {} for kind in KINDS})
    changes: Book = field(default_factory=lambda: {kind: {} for kind in KINDS})
    seen: dict[str, dict[int, Value]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    trouble: str = ""
    unread: int = 0
    elsewhere: int = 0
    arrived: bool = False
    link: str = ""
    link_done: str = ""


def keep_in_browser(data: MovieData) -> None:
    """Exchange news with the browser; once per run of the page, before its tabs are drawn."""
    memory = _memory(data)
    keys = _film_keys(data, data.fingerprint)
    _note_changes(memory, data, keys)
    told = run_in_browser(
        "visitor",
        {
            **{"store": store_name(data), "token": memory.token, "version": VERSION},
            **{"kinds": list(KINDS), "limit": MAX_CHARS, "changes": memory.changes},
            **{"linkName": LINK_NAME, "linkLimit": MAX_CODE + 1, "linkDone": memory.link_done},
        },
        on_told_change=lambda: None,
    ).told
    if isinstance(told, dict) and told.get("token") == memory.token:
        _take_in(memory, told, data, keys)


@st.cache_resource(max_entries=2, show_spinner=False)
def _film_keys(_data: MovieData, fingerprint: str) -> dict[str, int]:
    """Film key → inner id, in the order of inner ids."""
    return {key: movie for movie, key in enumerate(film_keys(_data))}


def _memory(data: MovieData) -> _Memory:
    return st.session_state.setdefault(f"visitor_{data.fingerprint}", _Memory())


def _note_changes(memory: _Memory, data: MovieData, keys: dict[str, int]) -> None:
    """Make entries of what the tabs changed since the last run."""
    _drop_lonely_dates(data)
    now = time.time_ns() // 1_000_000
    by_movie: list[str] = []
    for kind in KINDS:
        values, seen = kept(kind, data), memory.seen[kind]
        if values == seen:
            continue
        by_movie = by_movie or list(keys)
        for movie in [*values, *(seen.keys() - values.keys())]:
            value = values.get(movie)
            if value != seen.get(movie):
                film = by_movie[movie]
                entry = Entry(value, next_moment(now, memory.book[kind].get(film)))
                memory.book[kind][film] = memory.changes[kind][film] = entry
        memory.seen[kind] = dict(values)


def _drop_lonely_dates(data: MovieData) -> None:
    """A date is one of a rating."""
    stars, dates = my_stars(data), rated_on(data)
    for movie in dates.keys() - stars.keys():
        del dates[movie]


def _take_in(memory: _Memory, told: dict[str, Any], data: MovieData, keys: dict[str, int]) -> None:
    """Use what the browser has: of each film whatever was changed last."""
    memory.trouble = str(told.get("trouble"))
    link = told.get("link")
    if isinstance(link, str):
        memory.link = link
    stored = read_stored(str(told.get("text")))
    memory.unread = stored.unread
    memory.elsewhere = len(
        {film for table in stored.book.values() for film, entry in table.items() if entry.value}
        - keys.keys()
    )
    memory.book = merge(memory.book, stored.book)
    for kind in KINDS:
        table = memory.book[kind]
        there = stored.book.get(kind, {})
        memory.changes[kind] = {
            film: entry
            for film, entry in memory.changes[kind].items()
            if table[film] == entry != there.get(film)  # not outdone, and not yet written
        }
        oldest_first = sorted(table.items(), key=lambda item: item[1].at)
        values: dict[int, Value] = {
            keys[film]: entry.value
            for film, entry in oldest_first
            if film in keys and entry.value is not None
        }
        if values != kept(kind, data):
            memory.arrived |= kind == "my_stars" and not kept(kind, data)
            kept(kind, data).clear()
            kept(kind, data).update(values)
        memory.seen[kind] = values
    _drop_lonely_dates(data)


# --- what the tabs ask ----------------------------------------------------------------------------


def linked_films(data: MovieData) -> LinkedFilms | None:
    """The films of a link that was opened and waits for an answer.

    Raises:
        LinkError: its code cannot be used.
    """
    link = _memory(data).link
    return decode(link, data) if link else None


def answer_link(data: MovieData) -> None:
    """The link has been taken over or turned down; the address loses it."""
    memory = _memory(data)
    memory.link, memory.link_done = "", memory.link


def came_from_browser(data: MovieData) -> bool:
    """Whether the ratings came from the browser just now, and not by the visitor's hand."""
    memory = _memory(data)
    arrived, memory.arrived = memory.arrived, False
    return arrived


def rated_on(data: MovieData) -> dict[int, str]:
    """Inner movie id → ISO day of the rating, where an imported file told it."""
    return kept("rated_on", data)


def rated_when(data: MovieData, movies: NDArray[np.integer]) -> tuple[NDArray[np.float64], int]:
    """The day of each of these ratings, counted on, −∞ where it is not known; how many are not.

    Returns:
        float64 [n_movies], and the number.
    """
    dates = rated_on(data)
    known = [dates.get(movie) for movie in movies.tolist()]
    days = [date.fromisoformat(day).toordinal() if day else -np.inf for day in known]
    return np.array(days, np.float64), known.count(None)


def shortlist(data: MovieData) -> dict[int, str]:
    """Inner ids of the films to watch → ISO day on which they were noted, oldest first.

    Another tab, a link or a file may have added more than the shortlist shows; those wait.
    """
    return kept("shortlist", data)


def not_interested(data: MovieData) -> dict[int, str]:
    """Inner ids of the films that shall not be listed → ISO day on which that was said."""
    return kept("not_interested", data)


def today() -> str:
    return date.today().isoformat()


def storage_notes(data: MovieData) -> list[str]:
    """A sentence for everything about the browser's storage that a visitor has to know."""
    memory = _memory(data)
    notes = [_TROUBLES[memory.trouble]] if memory.trouble in _TROUBLES else []
    if memory.unread:
        values, are = count(memory.unread, "stored value"), "is" if memory.unread == 1 else "are"
        notes.append(f"{values} of this browser cannot be read and {are} left alone.")
    return notes


def unused(data: MovieData) -> int:
    """Films that this browser keeps and the data do not have."""
    return _memory(data).elsewhere
