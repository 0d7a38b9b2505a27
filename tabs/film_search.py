"""A box to search all films by their titles; what it finds are buttons.

A select box would hold every title of the dataset: the browser took 0.4 s to draw the ten thousand
of MovieLens, each time that a page with one was opened.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from data_preparation import MovieData
from serving.prepared import title_search
from tabs.shared import escape

_MAX_CHARS = 100


def search_film(
    data: MovieData,
    is_chosen: Callable[[int], bool],
    click: Callable[[int], None],
    *,
    key: str,
    shown: int = 6,
    label: str = "Find a film",
) -> None:
    """Search while typing; without a text the most rated films are offered.

    Args:
        is_chosen: whether to show the film with an inner id as chosen.
        click: called with the inner id of a film that was clicked, before the page runs again.
        key: of this search in the session.
        shown: at most so many films.
        label: of the box; no two of a page may have the same.
    """
    text = st.text_input(
        label,
        key=f"{key}_text",
        type="search",
        live=True,
        placeholder="A title or words of it …",
        persist_state="session",
    )
    text = (text or "")[:_MAX_CHARS]
    movies, have_it = title_search(data).find(text, shown)
    if not have_it:
        instead = "These are similar:" if movies else "None is similar, either."
        st.caption(f"No title has “{escape(text)}”. {instead}")
    with st.container(horizontal=True, gap="xsmall", key=f"films_found_{key}"):
        # Not pills: those send all that is chosen with every message, and one that was sent before
        # the answer to the last click came would bring back what this click took away.
        for movie in movies:
            chosen = is_chosen(movie)
            st.button(
                f"{'✓ ' * chosen}{escape(data.labels[movie])}",
                key=f"{key}_{movie}",
                type="primary" if chosen else "secondary",
                on_click=click,
                args=(movie,),
            )
