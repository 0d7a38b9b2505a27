"""Insights, the map: every rated film as a dot, its neighbours, and one user's films on it."""

from __future__ import annotations

import functools
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from analysis.movie_map import MovieMap, neighbour_table, pictured_columns, tsne_map
from charts.movie_map import (
    MAP_COLOURS,
    MARKS,
    RATED,
    RATED_BY_YOU,
    RECOMMENDED,
    RECOMMENDED_TO_YOU,
    Colouring,
    View,
    colouring,
    dots,
    map_chart,
    map_figure,
    map_view,
    readable_names,
)
from charts.spec import Spec, arrow, finished_spec
from data_preparation import MovieData
from model.trained import TrainedModel
from model.viewers import Viewer, fold_in, user_viewer
from prediction import recommend, score_all
from serving.csv_export import to_csv
from tabs.insights.shared import (
    FILM,
    ZOOM,
    cached_map,
    csv_button,
    map_place,
    move_map,
    pick_movie,
)
from tabs.shared import count, escape, my_stars, no_model_yet, pick_user

_PICTURES = ("PCA", "t-SNE")
_WHOSE = _USERS, _MINE = ("Show a user's films", "Show my films")
_N_NEAREST = 10
_N_RECOMMENDED = 10


@dataclass(frozen=True, eq=False)
class _Picture:
    """A projection ready to draw: points with x and y, titles of the axes, and its sentence.

    `key` names the model and the kind of picture.
    """

    kind: str
    key: str
    points: pd.DataFrame
    titles: tuple[str, str]
    reading: str


@dataclass(frozen=True, eq=False)
class _Shown:
    """Someone whose films are shown, what to call them, and the keys of `MARKS` for the films."""

    viewer: Viewer
    name: str
    rated: str
    recommended: str


@st.cache_resource(max_entries=12, show_spinner=False)
def _coloured(_points: pd.DataFrame, key: str, colour_by: str) -> tuple[Colouring, bytes]:
    """The colours, and the dots to send; `key` is that of the picture."""
    colours = colouring(_points, colour_by)
    return colours, arrow(dots(_points, colours))


@st.cache_resource(max_entries=50, show_spinner=False)
def _drawing(
    _picture: _Picture, _colours: Colouring, key: str, colour_by: str, centre: int | None
) -> tuple[View, Spec]:
    """What the map shows at first, and the chart without its data; `key` is the picture's."""
    points = _picture.points
    place = points.loc[points["movie"] == centre, ["x", "y"]].to_numpy().tolist()
    view = map_view(points, tuple(place[0]) if place else None)
    return view, finished_spec(map_chart(_picture.titles, _colours, view))


@st.cache_resource(max_entries=2, show_spinner="Laying out the films: a minute or two …")
def _tsne(_model: TrainedModel, _movies: NDArray[np.int64], key: str) -> NDArray[np.float64]:
    return tsne_map(_model, _movies)


@st.cache_resource
def _laid_out() -> set[str]:
    """The models whose t-SNE has been computed on this server."""
    return set()


@st.fragment  # moving the map tells the server, which need not run the other tabs for it
def render(data: MovieData, model: TrainedModel | None) -> None:
    st.subheader("Map of the films")
    if model is None:
        no_model_yet("The map and the neighbours", data)
        return
    movies_map = cached_map(data, model, model.key)
    choose, colour = st.columns([2, 1])
    with choose:
        movie = pick_movie(data)
    colour_by = colour.selectbox(
        "Colour by", list(MAP_COLOURS), key="map_colour", persist_state="session"
    )
    kind, whose = _controls(data)
    shown = _viewer(data, model, whose)
    picture = _picture(movies_map, model, model.key, kind)
    nearest = neighbour_table(data, model, movie, _N_NEAREST)
    if picture is not None:
        marks = _marks(data, model, picture.points, movie, nearest, shown)
        coloured = _coloured(picture.points, picture.key, colour_by)
        _draw(data, picture, coloured, marks, shown)
    _neighbours(data, movie, nearest, model.dim)


def _controls(data: MovieData) -> tuple[str, str | None]:
    """The picture, and whose films to show on it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        kind = st.segmented_control(
            "Picture",
            _PICTURES,
            default=_PICTURES[0],
            required=True,
            key="map_picture",
            persist_state="session",
            label_visibility="collapsed",
        )
        st.toggle("Zoom to the film", key=ZOOM, persist_state="session", on_change=move_map)
        whose = st.pills(
            "Whose films to show",
            _WHOSE,
            default=_MINE if my_stars(data) else None,
            key="map_viewer",
            persist_state="session",
            label_visibility="collapsed",
        )
    return kind, whose


def _viewer(data: MovieData, model: TrainedModel, whose: str | None) -> _Shown | None:
    """The person whose films are shown; None for nobody."""
    if whose == _USERS:
        user = pick_user(data)
        name = f"user {data.user_ids[user]}"
        return _Shown(user_viewer(data, model, user), name, RATED, RECOMMENDED)
    if whose == _MINE:
        if my_stars(data):
            viewer = fold_in(data, model, my_stars(data))
            return _Shown(viewer, "you", RATED_BY_YOU, RECOMMENDED_TO_YOU)
        st.info(
            "You have rated no film in this session: rate some in the tab **Recommendations**, for "
            "**Me**, and they appear on the map.",
            icon=":material/star:",
        )
    return None


def _picked(chart: str) -> None:
    """A click on a dot chooses its film and leaves the view; one beside the dots does nothing."""
    chosen = st.session_state[chart]["selection"].get("picked")
    if chosen:
        st.session_state[FILM] = int(chosen[0]["movie"])


def _picture(movies_map: MovieMap, model: TrainedModel, key: str, kind: str) -> _Picture | None:
    """The projection to draw; None while the t-SNE waits for its button."""
    if kind == "PCA":
        explained = (*movies_map.explained, 0.0)[:2]
        return _Picture(
            kind,
            f"{key} {kind}",
            movies_map.points,
            (
                f"first component ({explained[0]:.1%} of the variance)",
                f"second component ({explained[1]:.1%})",
            ),
            f"Principal components of the films' directions{_of_columns(model)}. Two dimensions "
            f"keep {sum(explained):.1%} of the variance, so films side by side here may be far "
            f"apart: the neighbours below are measured in all {model.dim:,}.",
        )
    movies = movies_map.points["movie"].to_numpy()
    if key not in _laid_out():
        st.info(
            "t-SNE places near films near each other, at the price of all other distances. It "
            f"takes a minute or two for {len(movies):,} films, once for this model.",
            icon=":material/scatter_plot:",
        )
        if not st.button("Compute the t-SNE picture", key="tsne"):
            return None
        _tsne(model, movies, key)
        _laid_out().add(key)
        st.rerun()  # without the button
    place = _tsne(model, movies, key)
    return _Picture(
        kind,
        f"{key} {kind}",
        movies_map.points.assign(x=place[:, 0], y=place[:, 1]),
        ("t-SNE, horizontal", "t-SNE, vertical"),
        f"t-SNE of the films' directions{_of_columns(model)}: films side by side are near there, "
        "but neither the axes nor the distances between groups mean anything.",
    )


def _of_columns(model: TrainedModel) -> str:
    columns = pictured_columns(model)
    if columns == model.dim:
        return ""
    return f" in the {columns} strongest of the model's {model.dim:,} dimensions"


def _marks(
    data: MovieData,
    model: TrainedModel,
    points: pd.DataFrame,
    movie: int,
    nearest: pd.DataFrame,
    shown: _Shown | None,
) -> pd.DataFrame:
    """The films to point out, the chosen one last so that it lies on top: x, y, name, kind."""
    films: list[tuple[int, str]] = []
    if shown is not None:
        films += [(rated, shown.rated) for rated in shown.viewer.movies.tolist()]
        best = recommend(model, score_all(data, model, shown.viewer), _N_RECOMMENDED)
        films += [(r.movie, shown.recommended) for r in best]
    films += [(near, "nearest films") for near in nearest["movie"].tolist()]
    films.append((movie, "chosen film"))
    table = pd.DataFrame(films, columns=["movie", "kind"])
    places = points[["movie", "x", "y", "name"]]
    return table.merge(places, on="movie", how="inner")  # a film without ratings has no place


def _draw(
    data: MovieData,
    picture: _Picture,
    coloured: tuple[Colouring, bytes],
    marks: pd.DataFrame,
    shown: _Shown | None,
) -> None:
    colours, films = coloured
    _legend(colours, marks)
    moves, centre = map_place()
    view, spec = _drawing(picture, colours, picture.key, colours.title, centre)
    datasets = {
        "films": films,
        "marks": arrow(marks),
        "names": arrow(readable_names(marks, view)),
    }
    # As long as the key and the chart stay, so does the place to which a reader moved the map.
    key = f"film_map_{moves}_{picture.kind}"
    st.vega_lite_chart(
        spec | {"datasets": datasets},
        key=key,
        on_select=functools.partial(_picked, key),
        selection_mode=("picked", "view"),
        alt=f"Map of {len(picture.points):,} films by their directions, coloured by "
        f"{colours.title.lower()}",
    )
    whose = (
        f" Crosses are the films that {shown.name} rated, triangles the {_N_RECOMMENDED} best "
        "recommendations."
        if shown is not None
        else ""
    )
    st.caption(
        f"{picture.reading}{whose} Hover a dot for its title, click it to choose the film, drag to "
        "move, scroll to zoom, double-click to reset."
    )
    _downloads(data, picture, colours, marks)


def _legend(colours: Colouring, marks: pd.DataFrame) -> None:
    """The legends as text, because it wraps on a narrow screen."""
    dots = (colours.colours or {}).items()
    parts = [(colour, "●", value) for value, colour in dots]
    shown = set(marks["kind"])
    shapes = [(look[0], look[3], kind) for kind, look in MARKS.items() if kind in shown]
    for title, symbols in ((colours.title, parts), ("Marks", shapes)):
        if symbols:
            chips = "".join(
                f'<span style="white-space:nowrap"><span style="color:{colour}">{symbol}</span> '
                f"{html.escape(text)}</span>"
                for colour, symbol, text in symbols
            )
            st.html(
                '<div style="display:flex;flex-wrap:wrap;gap:0.1rem 0.9rem;font-size:0.85rem">'
                f"<span>{html.escape(title)}:</span>{chips}</div>"
            )


def _downloads(data: MovieData, picture: _Picture, colours: Colouring, marks: pd.DataFrame) -> None:
    def table() -> bytes:
        points = picture.points.drop(columns=["movie", "label"])
        points.insert(0, "movie_id", data.movie_ids[picture.points["movie"]])
        return to_csv(points)

    def figure() -> bytes:
        file = io.BytesIO()
        drawn = map_figure(picture.points, picture.titles, colours, marks)
        drawn.savefig(file, format="png", dpi=150)
        return file.getvalue()

    with st.container(horizontal=True):
        options: dict[str, Any] = {"on_click": "ignore", "icon": ":material/download:"}
        st.download_button("Map as PNG", figure, "film_map.png", "image/png", **options)
        st.download_button("Map as CSV", table, "film_map.csv", "text/csv", **options)


def _neighbours(data: MovieData, movie: int, nearest: pd.DataFrame, dim: int) -> None:
    names = data.labels
    st.markdown(f"**Nearest to {escape(names[movie])}**")
    if nearest.empty:
        st.info(
            f"{_why_unknown(data, movie)}, so the model knows nothing about it: it has no place on "
            "the map and no neighbours. Choose another.",
            icon=":material/location_off:",
        )
        return
    st.markdown(_why_nearest(data, movie, nearest.iloc[0], names))
    table = pd.DataFrame(
        {
            "film": [names[near] for near in nearest["movie"]],
            "cosine": nearest["cosine"],
            "shared viewers": nearest["shared_viewers"],
            "its ratings": nearest["ratings"],
            "shared tags": [", ".join(tags) for tags in nearest["shared_tags"]],
            "shared genres": [", ".join(genres) for genres in nearest["shared_genres"]],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "cosine": st.column_config.NumberColumn(
                format="%.3f", help=f"Of the vectors, in all {dim:,} dimensions; 1 is the most."
            ),
            "shared viewers": st.column_config.NumberColumn(help="People who rated both films."),
        },
        alt="Nearest films by cosine, with what they share",
    )
    csv_button(table, "Nearest films")


def _why_unknown(data: MovieData, movie: int) -> str:
    if data.movie_degree[movie]:
        return "All ratings of this film were held out while the model was fitted"
    return "Nobody in these data rated this film"


def _why_nearest(data: MovieData, movie: int, near: pd.Series, names: Sequence[str]) -> str:
    """One sentence on the nearest film, from counts that the reader can check."""
    by_chance = data.movie_degree[movie] * near["ratings"] / data.n_users
    shared = (*near["shared_tags"], *(f"genre {genre}" for genre in near["shared_genres"]))
    also = f" They share {escape(', '.join(shared))}." if shared else " No tag or genre is shared."
    return (
        f"Nearest is **{escape(names[near['movie']])}**: {near['shared_viewers']:,} of its "
        f"{count(int(near['ratings']), 'viewer')} also rated this film, where chance alone would "
        f"give {by_chance:.1f}.{also}"
    )
