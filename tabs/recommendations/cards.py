"""The recommended films as cards, each in three parts: the cover, the facts, what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape as escape_html

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from charts.covers import cover_uri
from data_preparation import MovieData
from lookup import posters
from lookup.film_sites import film_pages
from lookup.posters import Film, PosterService
from prediction import Recommendation
from settings import POSTER_CACHE, TMDB_VARIABLE, tmdb_token
from tabs.recommendations.actions import show_actions, undo_button
from tabs.recommendations.changes import Change
from tabs.recommendations.listing import Listing, stars_text, sum_of_parts
from tabs.recommendations.why import why_dialog
from tabs.shared import count, escape

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
    films = films_of(data, movies)
    images, stars = _poster_addresses(films), listing.stars(movies)
    grid = st.container(horizontal=True, gap="small", key=f"{key}cards")  # wraps from desk to phone
    each = zip(recommendations, films, images, stars, strict=True)
    for rank, (item, film, image, predicted) in enumerate(each, first):
        if change and change.place == rank:
            _tell(grid, data, change)
        with grid.container(border=True, width=_CARD_PIXELS, height="stretch"):
            _cover(data, item.movie, film, image)
            _facts(data, item, film, rank, moves.get(item.movie, ""), predicted)
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


def films_of(data: MovieData, movies: Sequence[int]) -> list[Film]:
    """What other sites know these (inner) movies by."""
    rows = data.movies.iloc[list(movies)]
    columns = (rows["name"], rows["year"], rows["imdb_id"], rows["tmdb_id"])
    return [
        Film(name, None if pd.isna(year) else int(year), imdb_id, tmdb_id)
        for name, year, imdb_id, tmdb_id in zip(*columns, strict=True)
    ]


# --- the parts of a card --------------------------------------------------------------------------


def _cover(data: MovieData, movie: int, film: Film, poster: str | None) -> None:
    """The poster where TMDB has one, else the drawn cover."""
    what = "Poster" if poster else "Cover"
    address = poster or cover_uri(film.name, film.year, data.movies["genres"].iloc[movie])
    st.html(
        f'<img src="{escape_html(address)}" alt="{what} of {escape_html(data.labels[movie])}" '
        'style="display:block;width:100%;aspect-ratio:2/3;object-fit:cover;border-radius:.35rem">'
    )


def _facts(
    data: MovieData,
    item: Recommendation,
    film: Film,
    rank: int,
    move: str,
    predicted: tuple[float, float],
) -> None:
    moved = f" :small[:gray[{move}]]" if move else ""
    st.markdown(f"**{rank}. {escape(data.labels[item.movie])}**{moved}")
    st.caption("  \n".join(filter(None, _about(data, item.movie))))
    lines = [f"Expect {stars_text(*predicted)}", sum_of_parts(item), pages_text(film)]
    st.markdown("  \n".join(filter(None, lines)))


def _about(data: MovieData, movie: int) -> tuple[str, str]:
    """Genres, and what everybody gave it."""
    ratings = int(data.movie_degree[movie])
    stars = f"★\N{NO-BREAK SPACE}{data.mean_stars[movie]:.1f} of {count(ratings, 'rating')}"
    genres = escape(" · ".join(data.movies["genres"].iloc[movie]))
    return genres, stars if ratings else "not rated yet"


def pages_text(film: Film) -> str:
    """Links to the film's pages elsewhere, as Markdown; "" where no id is known."""
    pages = film_pages(film.imdb_id, film.tmdb_id).items()
    return " · ".join(f":small[[{site}]({address})]" for site, address in pages)


# --- posters --------------------------------------------------------------------------------------


def _poster_addresses(films: Sequence[Film]) -> list[str | None]:
    """Addresses of posters, None where there is none; with TMDB's notice when posters are on."""
    service = _poster_service(_tmdb_token())
    images = service.urls(films)
    if service.notice and not all(images):
        st.caption(f":material/hide_image: {service.notice}")
    if service.enabled:
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
