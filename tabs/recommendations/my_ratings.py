"""A visitor's own ratings; `tabs/visitor.py` keeps them in the browser."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from charts.basics import label
from data_preparation import MovieData
from sources.movielens_files import MAX_STARS, MIN_STARS
from tabs.film_search import search_film
from tabs.recommendations.copies import WHERE_KEPT, offer_copies
from tabs.recommendations.upload import upload_ratings
from tabs.shared import count, kept, my_stars
from tabs.visitor import rated_on, today

_STARS = [half / 2 for half in range(int(MIN_STARS * 2), int(MAX_STARS * 2) + 1)]
_LIKED = 4.5
_OFFERED = 10  # films to click at once


def edit_my_ratings(data: MovieData) -> DeltaGenerator:
    """Search and rate, upload a file, keep a copy; change and remove what is there.

    Returns:
        The place below the films to rate, for what a rating did.
    """
    rate, upload, copy = st.tabs(["Rate films", "Upload my ratings", "Keep or move them"])
    with rate:
        _rate(data)
        effect = st.container()
    with upload:
        upload_ratings(data)
    with copy:
        offer_copies(data)
    st.caption(WHERE_KEPT)
    _table(data)
    return effect


@st.fragment  # typing a title need not run the page
def _rate(data: MovieData) -> None:
    how, which = st.columns([1, 2], gap="medium")
    how.select_slider(
        "Stars",
        _STARS,
        _LIKED,
        format_func=lambda s: f"{s:g} ★",
        key="stars_to_give",
        persist_state="session",
    )
    how.caption("Click a film to give it these stars, or to take them back.")

    def click(movie: int) -> None:
        mine, stars = my_stars(data), st.session_state["stars_to_give"]
        if mine.get(movie) == stars:
            del mine[movie]
        else:
            mine[movie] = stars
            rated_on(data)[movie] = today()
        st.session_state["my_ratings_changed"] = True

    with which:
        search_film(data, my_stars(data).__contains__, click, key="my_film", shown=_OFFERED)
    if st.session_state.pop("my_ratings_changed", False):
        st.rerun()  # the recommendations are outside of this fragment


def _table(data: MovieData) -> None:
    stars = my_stars(data)
    _undo_removal(data)
    if not stars:
        return
    movies = list(stars)
    key = f"my_table_{hash(tuple(stars.items()))}"  # other ratings, other table

    def apply() -> None:
        edits = st.session_state[key]
        for row, cells in edits["edited_rows"].items():
            if cells.get("stars") in _STARS:
                stars[movies[row]] = cells["stars"]
                rated_on(data)[movies[row]] = today()
        for row in edits["deleted_rows"]:
            stars.pop(movies[row], None)

    with st.expander(
        f"My {count(len(stars), 'rating')}: change or delete", expanded=len(stars) <= 5
    ):
        st.data_editor(
            {"film": [label(data, movie) for movie in movies], "stars": list(stars.values())},
            column_config={
                "film": st.column_config.TextColumn(disabled=True, width="large"),
                "stars": st.column_config.SelectboxColumn(options=_STARS, required=True),
            },
            num_rows="delete",
            hide_index=True,
            key=key,
            on_change=apply,
            alt="My ratings; stars can be changed, rows deleted",
        )
        if st.button("Remove all my ratings"):
            for name, mine in _ratings_and_dates(data).items():
                removed = kept(f"removed_{name}", data)
                removed.clear()
                removed.update(mine)
                mine.clear()
            st.rerun()


def _undo_removal(data: MovieData) -> None:
    """After *Remove all*: bring the ratings back; those given since then stay as they are."""
    removed = kept("removed_my_stars", data)
    if not removed:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"{count(len(removed), 'rating')} removed.", width="content")
        if st.button("Undo", icon=":material/undo:", key="undo_removal"):
            for name, mine in _ratings_and_dates(data).items():
                before, since = kept(f"removed_{name}", data), dict(mine)
                mine.clear()
                mine.update(before | since)
                before.clear()
            st.rerun()


def _ratings_and_dates(data: MovieData) -> dict[str, dict]:
    return {"my_stars": my_stars(data), "rated_on": rated_on(data)}
