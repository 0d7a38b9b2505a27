"""The recommended films as cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from data_preparation import MovieData
from lookup import posters
from lookup.posters import Film, PosterService
from prediction import Recommendation
from settings import DEFAULT_POSTER, POSTER_CACHE, TMDB_VARIABLE, tmdb_token
from tabs.recommendations.listing import Listing, stars_text, sum_of_parts
from tabs.recommendations.my_ratings import toggle_watchlist
from tabs.recommendations.why import why_dialog
from tabs.shared import escape
from tabs.visitor import shortlist

_CARD_PIXELS = 168


def show_cards(
    listing: Listing, recommendations: Sequence[Recommendation], moves: Mapping[int, str]
) -> None:
    """A card for each film, best first.

    Args:
        moves: how a film moved since the last list, a few characters.
    """
    data, movies = listing.data, [item.movie for item in recommendations]
    images, stars = _poster_images(data, movies), listing.stars(movies)
    grid = st.container(horizontal=True, gap="small", key="cards")  # wraps from desk to phone
    each = zip(recommendations, images, stars, strict=True)
    for rank, (item, image, predicted) in enumerate(each, 1):
        name = data.labels[item.movie]
        with grid.container(border=True, width=_CARD_PIXELS, height="stretch"):
            alt = f"Poster of {name}" if image else f"No poster of {name}"
            st.image(image or str(DEFAULT_POSTER), width="stretch", alt=alt)
            move = f" :small[:gray[{moves[item.movie]}]]" if moves.get(item.movie) else ""
            st.markdown(f"**{rank}. {escape(name)}**{move}")
            st.caption(_facts(data, item.movie))
            st.markdown(f"{stars_text(*predicted)}  \n{sum_of_parts(item)}")
            if st.button("Why?", key=f"why_{item.movie}", width="stretch"):
                why_dialog(listing, item.movie)
            listed = item.movie in shortlist(data)
            st.button(
                "✓ Watchlist" if listed else "+ Watchlist",
                key=f"watch_{item.movie}",
                type="tertiary",
                on_click=toggle_watchlist,
                args=(data, item.movie),
            )


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
