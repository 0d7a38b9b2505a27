"""The recommended films as cards."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from data_preparation import MovieData
from lookup import posters
from lookup.posters import Film, PosterService
from prediction import Recommendation
from settings import DEFAULT_POSTER, POSTER_CACHE, TMDB_VARIABLE, tmdb_token
from tabs.recommendations.actions import show_actions, undo_button
from tabs.recommendations.changes import Change
from tabs.recommendations.listing import Listing, stars_text, sum_of_parts
from tabs.recommendations.why import why_dialog
from tabs.shared import escape

_CARD_PIXELS = 168


def show_cards(
    listing: Listing,
    recommendations: Sequence[Recommendation],
    change: Change | None = None,
    *,
    mine: bool = False,
    key: str = "",
    first: int = 1,
) -> None:
    """A card for each film, best first.

    Args:
        change: what the visitor's last act did. If it was about a film of the list, it is told
            where the film stood.
        mine: whether it is the visitor's own list.
        key: sets the widgets of these cards apart from others on the page.
        first: the rank of the first one.
    """
    moves = change.moves if change else {}
    data, movies = listing.data, [item.movie for item in recommendations]
    images, stars = _poster_images(data, movies), listing.stars(movies)
    grid = st.container(horizontal=True, gap="small", key=f"{key}cards")  # wraps from desk to phone
    each = zip(recommendations, images, stars, strict=True)
    for rank, (item, image, predicted) in enumerate(each, first):
        if change and change.place == rank:
            _tell(grid, data, change)
        name = data.labels[item.movie]
        with grid.container(border=True, width=_CARD_PIXELS, height="stretch"):
            alt = f"Poster of {name}" if image else f"No poster of {name}"
            st.image(image or str(DEFAULT_POSTER), width="stretch", alt=alt)
            move = f" :small[:gray[{moves[item.movie]}]]" if moves.get(item.movie) else ""
            st.markdown(f"**{rank}. {escape(name)}**{move}")
            st.caption(_facts(data, item.movie))
            st.markdown(f"{stars_text(*predicted)}  \n{sum_of_parts(item)}")
            if st.button("Why?", key=f"{key}why_{item.movie}", width="stretch"):
                why_dialog(listing, item.movie)
            show_actions(data, item.movie, mine, key)
    if change and (change.place or 0) >= first + len(recommendations):
        _tell(grid, data, change)


def _tell(grid: DeltaGenerator, data: MovieData, change: Change) -> None:
    """In the place of the film that left the list: why, and what that did."""
    with grid.container(border=True, width=_CARD_PIXELS, height="stretch", key="change"):
        st.markdown(change.sentence)
        undo_button(data, change)


def _facts(data: MovieData, movie: int) -> str:
    genres = escape(" · ".join(data.movies["genres"].iloc[movie]))
    ratings = int(data.movie_degree[movie])
    if not ratings:
        return f"{genres}  \nnot rated yet"
    return f"{genres}  \n★ {data.mean_stars[movie]:.1f} ({ratings:,})"


def _poster_images(data: MovieData, movies: Sequence[int]) -> list[str | None]:
    """Image URLs, None for default.png; with TMDB's notice when posters are on."""
    service = _poster_service(_tmdb_token())
    rows = data.movies.iloc[list(movies)]
    films = [
        Film(row.name_, None if pd.isna(row.year) else int(row.year), row.imdb_id, row.tmdb_id)
        for row in rows.rename(columns={"name": "name_"}).itertuples()
    ]
    images = service.urls(films)
    if service.notice:
        st.warning(service.notice)
    elif service.enabled:
        st.html(
            f'<p style="opacity:.7;font-size:.8rem"><img src="{posters.TMDB_LOGO_URL}" '
            f'alt="TMDB" style="height:.7rem"> {posters.TMDB_NOTICE}</p>'
        )
    return images


@st.cache_resource(max_entries=2, show_spinner=False)
def _poster_service(token: str | None) -> PosterService:
    return PosterService(token, POSTER_CACHE, posters.API_URL, posters.IMAGE_URL)


def _tmdb_token() -> str | None:
    try:
        return st.secrets.get(TMDB_VARIABLE) or tmdb_token()
    except FileNotFoundError:  # no secrets.toml
        return tmdb_token()
