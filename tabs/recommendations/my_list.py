"""*Only from my list*: a watchlist or list from elsewhere restricts the films, or hides its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from data_preparation import MovieData
from lookup.film_lists import MATCHED, FilmList, read_film_list
from lookup.imports.files import MAX_BYTES, RatingsFileError
from serving.csv_export import to_csv
from tabs.recommendations.upload import title_index
from tabs.shared import count, escape, kept

ONLY, ALL_BUT = USES = ("Only these films", "All but these films")
_TYPES = ("csv", "zip", "txt", "tsv")
_MOST_TYPED = 20_000  # characters
_SHOWN = 10  # lines to confirm at once
_OFFERED = 4  # films for one of them
_LISTED, _MOST_LISTED = 8, 100  # lines before they scroll, and before they are cut


@dataclass
class _Kept:
    """A list that was read, so that it is read once.

    Attributes:
        key: of its content.
        found: what it holds, or the sentence why it cannot be used.
        confirmed: line → the film that it means, None where it means none of them.
    """

    key: str
    found: FilmList | str
    confirmed: dict[int, int | None] = field(default_factory=dict)

    @property
    def movies(self) -> list[int]:
        """Inner ids of the films of the list, in its order, then those that were confirmed."""
        found = () if isinstance(self.found, str) else self.found.movies
        confirmed = (movie for movie in self.confirmed.values() if movie is not None)
        return list(dict.fromkeys((*found, *confirmed)))


def ask_for_list(data: MovieData) -> NDArray[np.bool_]:
    """Choose a list and how to use it; which films it leaves, bool [n_movies]."""
    st.markdown("**My list**")
    st.caption(
        "A watchlist or list of Letterboxd or IMDb, or titles: ranked for tonight, or left out."
    )
    file = st.file_uploader(
        "List (CSV, ZIP or text)", type=_TYPES, max_upload_size=MAX_BYTES // 2**20, key="list_file"
    )
    typed = st.text_area(
        "or titles, one a line",
        max_chars=_MOST_TYPED,
        placeholder="Heat (1995)\nAlien",
        key="list_typed",
        disabled=file is not None,
        persist_state="session",
    )
    content = typed or "" if file is None else file.getvalue()
    memory = kept("film_list", data)
    if not (content.strip() if isinstance(content, str) else file):
        memory.clear()
        return np.ones(data.n_movies, bool)
    given = _read(data, content, memory)
    if isinstance(given.found, str):
        st.error(escape(given.found))
        return np.ones(data.n_movies, bool)
    use = st.segmented_control("Show", USES, default=ONLY, required=True, key="list_use")
    memory["use"] = use or ONLY
    _report(data, given, given.found)
    on_list = np.zeros(data.n_movies, bool)
    on_list[given.movies] = True
    return ~on_list if use == ALL_BUT else on_list


def tell_of_list(data: MovieData, candidates: NDArray[np.bool_]) -> None:
    """Above the films: what the list does to them.

    Args:
        candidates: bool [n_movies], the films that may be listed apart from filters.
    """
    memory = kept("film_list", data)
    given = memory.get("given")
    if given is None or isinstance(given.found, str):
        return
    films, lines = given.movies, len(given.found.rows)
    new = int(candidates[films].sum()) if films else 0
    held = f"{count(lines, 'line')}, {count(len(films), 'film')} of the catalogue"
    if memory["use"] == ALL_BUT:
        text = f"**Without your list** ({held}): {count(new, 'film')} left out here."
    else:
        text = f"**Only from your list** ({held}): {count(new, 'film')} to choose from."
    if given.found.open.keys() - given.confirmed.keys():
        text += " Some lines wait under *Filters* to be confirmed."
    st.markdown(f":material/list_alt: {text}")


def _read(data: MovieData, content: bytes | str, memory: dict) -> _Kept:
    raw = content.encode("utf-8", "replace") if isinstance(content, str) else content
    key = f"{type(content).__name__}{hashlib.sha256(raw).hexdigest()}"
    last = memory.get("given")
    if last is None or last.key != key:
        try:
            last = _Kept(key, read_film_list(content, title_index(data, data.fingerprint)))
        except RatingsFileError as error:
            last = _Kept(key, str(error))
        memory["given"] = last
    return last


# --- the report -----------------------------------------------------------------------------------


def _report(data: MovieData, given: _Kept, found: FilmList) -> None:
    st.markdown("  \n".join(map(escape, (found.summary, *found.notes))))
    _confirm(data, given, found)
    rows = found.rows
    rest = rows[(rows["status"] != MATCHED) & ~rows["line"].isin(list(found.open))]
    if len(rest):
        with (
            st.expander(f"{count(len(rest), 'line')} not used"),
            st.container(height=240 if len(rest) > _LISTED else "content", border=False),
        ):
            shown = rest.head(_MOST_LISTED).itertuples()
            st.markdown("\n".join(f"- {escape(f'{r.title}: {r.status}. {r.note}')}" for r in shown))
            if len(rest) > _MOST_LISTED:
                st.caption(f"{count(len(rest) - _MOST_LISTED, 'more line')} in the report.")
    st.download_button(
        "Report of every line (CSV)",
        to_csv(rows),
        "list_report.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="list_report",
    )


def _confirm(data: MovieData, given: _Kept, found: FilmList) -> None:
    """The lines that may mean a film: one click each."""
    still = [line for line in found.open if line not in given.confirmed]
    if not still:
        return
    st.markdown(f"**Is this the film?** {count(len(still), 'line')} to confirm")
    titles = dict(zip(found.rows["line"], found.rows["title"], strict=True))
    for line in still[:_SHOWN]:
        with st.container(border=True, gap="xsmall"):
            st.markdown(escape(titles[line]))
            for movie in found.open[line][:_OFFERED]:
                st.button(
                    escape(data.labels[movie]),
                    key=f"list_take_{line}_{movie}",
                    icon=":material/check:",
                    on_click=given.confirmed.__setitem__,
                    args=(line, movie),
                )
            st.button(
                "None of them" if len(found.open[line]) > 1 else "Not this one",
                key=f"list_turn_down_{line}",
                type="tertiary",
                on_click=given.confirmed.__setitem__,
                args=(line, None),
            )
    if len(still) > _SHOWN:
        st.caption(f"{count(len(still) - _SHOWN, 'more line')} after these.")
