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

from analysis.movie_map import (
    MOST_LAID_OUT,
    MovieMap,
    neighbour_table,
    pictured_columns,
)
from charts.movie_map import (
    CHOSEN,
    FAR_OUT,
    MAP_COLOURS,
    MARKS,
    NEAREST,
    RATED,
    RATED_BY_YOU,
    RECOMMENDED,
    RECOMMENDED_TO_YOU,
    SEQUENTIAL,
    Colouring,
    colouring,
    density,
    dots,
    legend_values,
    lines_between,
    map_chart,
    map_figure,
    map_view,
    names,
)
from charts.spec import Spec, arrow, finished_spec
from data_preparation import MovieData
from model.trained import TrainedModel
from model.viewers import Viewer, fold_in, user_viewer
from prediction import recommend, score_all
from serving.csv_export import to_csv
from serving.tables import LAID_OUT
from tabs.insights.shared import (
    FILM,
    ZOOM,
    ZOOMS,
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
def _coloured(
    _points: pd.DataFrame, key: str, colour_by: str, only: tuple[str, ...]
) -> tuple[Colouring, bytes]:
    """The colours, and the dots to send; `key` is that of the picture."""
    colours = colouring(_points, colour_by, only)
    return colours, arrow(dots(_points, colours))


@st.cache_resource(max_entries=4, show_spinner=False)
def _density(_points: pd.DataFrame, key: str) -> bytes:
    return arrow(density(_points))


@st.cache_resource(max_entries=50, show_spinner=False)
def _drawing(_picture: _Picture, key: str, centre: int | None, zoom: int) -> Spec:
    """The chart without its data; `key` is the picture's."""
    points = _picture.points
    place = points.loc[points["movie"] == centre, ["x", "y"]].to_numpy().tolist()
    view = map_view(points, tuple(place[0]) if place else None, zoom)
    return finished_spec(map_chart(_picture.titles, map_view(points), view))


@st.cache_resource(max_entries=2, show_spinner="Laying out the films: some seconds …")
def _tsne(_data: MovieData, _model: TrainedModel, key: str) -> NDArray[np.float64]:
    return LAID_OUT.of(_data, _model)


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
    picture = _picture(data, movies_map, model, kind)
    nearest = neighbour_table(data, model, movie, _N_NEAREST)
    if picture is None:
        _list_nearest(data, movie, nearest)
    else:
        marks = _marks(data, model, picture.points, movie, nearest, shown)
        drawing, beside = st.columns([5, 2])
        with drawing:
            above = st.container()  # the legend is long on a phone, and the map comes first
            only = _pick_lit(movies_map.points, colour_by, model.key)
            coloured = _coloured(picture.points, picture.key, colour_by, only)
            with above:
                _draw(picture, coloured, marks)
        with beside:
            _list_nearest(data, movie, nearest)
        _reading(data, movies_map, picture, coloured[0], marks, shown)
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
        st.segmented_control(
            "Zoom to the film",
            list(ZOOMS),
            default="Whole map",
            required=True,
            key=ZOOM,
            persist_state="session",
            on_change=move_map,
            label_visibility="collapsed",
        )
        whose = st.pills(
            "Whose films to show",
            _WHOSE,
            default=_MINE if my_stars(data) else None,
            key="map_viewer",
            persist_state="session",
            label_visibility="collapsed",
        )
    return kind, whose


def _pick_lit(points: pd.DataFrame, colour_by: str, key: str) -> tuple[str, ...]:
    """The legend: a click on a value lights the films that have it; none lights all."""
    values = legend_values(points, colour_by)
    if not values:
        _ramp_legend(points[MAP_COLOURS[colour_by]], colour_by)
        return ()

    def with_dot(value: str) -> str:
        colour = values[value]
        return f':color[●]{{foreground="{colour}"}} {escape(value)}' if colour else escape(value)

    chosen = st.pills(
        f"{colour_by}: choose some to light them up",
        list(values),
        selection_mode="multi",
        wrap=True,
        format_func=with_dot,
        key=f"map_lit_{MAP_COLOURS[colour_by]}_{key}",
        persist_state="session",
    )
    return tuple(sorted(set(chosen) & set(values)))


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


def _picture(
    data: MovieData, movies_map: MovieMap, model: TrainedModel, kind: str
) -> _Picture | None:
    """The projection to draw; None where there is no memory for it."""
    if kind == "PCA":
        explained = (*movies_map.explained, 0.0)[:2]
        return _Picture(
            kind,
            f"{model.key} {kind}",
            movies_map.points,
            (
                f"first component ({explained[0]:.1%} of the variance)",
                f"second component ({explained[1]:.1%})",
            ),
            f"Principal components of the films' directions{_of_columns(model)}, each film counted "
            f"once per rating. Two dimensions keep {sum(explained):.1%} of the variance, so films "
            "side by side here may be far apart: nearest are those that the lines lead to, in all "
            f"{model.dim:,} dimensions.",
        )
    left_out = LAID_OUT.left_out(data, model)
    if left_out:
        st.info(left_out, icon=":material/memory:")
        return None
    place = _tsne(data, model, model.key)
    beside = (
        f" The best-known {MOST_LAID_OUT:,} are laid out, the others put where their five nearest "
        "of these are."
        if len(place) > MOST_LAID_OUT
        else ""
    )
    return _Picture(
        kind,
        f"{model.key} {kind}",
        movies_map.points.assign(x=place[:, 0], y=place[:, 1]),
        ("t-SNE, horizontal", "t-SNE, vertical"),
        f"t-SNE of the films' directions{_of_columns(model)}: films side by side are near there, "
        f"but neither the axes nor the distances between groups mean anything.{beside} Nearest in "
        f"all {model.dim:,} dimensions are the films that the lines lead to.",
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
    films += [(near, NEAREST) for near in nearest["movie"].tolist()]
    films.append((movie, CHOSEN))
    table = pd.DataFrame(films, columns=["movie", "kind"])
    places = points[["movie", "x", "y", "name"]]
    return table.merge(places, on="movie", how="inner")  # a film without ratings has no place


def _draw(picture: _Picture, coloured: tuple[Colouring, bytes], marks: pd.DataFrame) -> None:
    colours, films = coloured
    _legend(colours, marks)
    place = map_place()
    datasets = {
        "density": _density(picture.points, picture.key),
        "films": films,
        "lines": arrow(lines_between(marks)),
        "marks": arrow(marks),
        "names": arrow(names(picture.points, marks)),
    }
    # As long as the key and the chart stay, so does the place to which a reader moved the map.
    key = f"film_map_{place.moves}_{picture.kind}"
    st.vega_lite_chart(
        _drawing(picture, picture.key, place.film, place.zoom) | {"datasets": datasets},
        key=key,
        on_select=functools.partial(_picked, key),
        selection_mode=("picked", "view"),
        alt=f"Map of {len(picture.points):,} films by their directions, coloured by "
        f"{colours.title.lower()}",
    )


def _reading(
    data: MovieData,
    movies_map: MovieMap,
    picture: _Picture,
    colours: Colouring,
    marks: pd.DataFrame,
    shown: _Shown | None,
) -> None:
    """How to read the map, and its downloads."""
    n, sentences = len(picture.points), [picture.reading]
    if n < movies_map.n_known:
        sentences.append(f"The map holds the {n:,} best known of {movies_map.n_known:,} films.")
    if n > FAR_OUT and colours.lit.all():
        sentences.append(
            f"Far out, the {FAR_OUT:,} best known are dots and the shades count all {n:,}; the "
            "others, and more names, come out as you zoom in."
        )
    if shown is not None:
        sentences.append(
            f"Crosses are the films that {shown.name} rated, triangles the {_N_RECOMMENDED} best "
            "recommendations."
        )
        away = np.setdiff1d(shown.viewer.movies, marks["movie"]).size
        if away:
            sentences.append(f"Of those rated, {count(away, 'film')} are not on the map.")
    sentences.append(
        "Hover a dot for its title, click it to choose the film, drag to move, scroll to zoom, "
        "double-click to reset."
    )
    st.caption(" ".join(sentences))
    _downloads(data, picture, colours, marks)


def _legend(colours: Colouring, marks: pd.DataFrame) -> None:
    """What the marks are, and the colours of what is lit; as text, which wraps."""
    shown = set(marks["kind"])
    chips = [(look[0], look[3], kind) for kind, look in MARKS.items() if kind in shown]
    if not colours.lit.all():
        chips += [(hex, "●", value) for value, hex in (colours.colours or {}).items()]
    text = "".join(
        f'<span style="white-space:nowrap"><span style="color:{colour}">{symbol}</span> '
        f"{html.escape(name)}</span>"
        for colour, symbol, name in chips
    )
    st.html(
        f'<div style="display:flex;flex-wrap:wrap;gap:0.1rem 0.9rem;font-size:0.85rem">{text}</div>'
    )


def _ramp_legend(values: pd.Series, title: str) -> None:
    """From the lowest number to the highest."""
    low, high = (f"{end:,.1f}".removesuffix(".0") for end in (values.min(), values.max()))
    ramp = f"linear-gradient(to right,{','.join(SEQUENTIAL)})"
    st.html(
        '<div style="display:flex;align-items:center;gap:0.5rem;font-size:0.85rem">'
        f"<span>{html.escape(title)}:</span><span>{low}</span>"
        f'<span style="width:9rem;height:0.6rem;border-radius:0.3rem;background:{ramp}"></span>'
        f"<span>{high}</span></div>"
    )


def _downloads(data: MovieData, picture: _Picture, colours: Colouring, marks: pd.DataFrame) -> None:
    def table() -> bytes:
        points = picture.points.drop(columns=["movie", "label", "genres"])
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


def _list_nearest(data: MovieData, movie: int, nearest: pd.DataFrame) -> None:
    """The nearest films beside the map; a click chooses one."""
    st.markdown(f"**Nearest to {escape(data.labels[movie])}**")
    if nearest.empty:
        st.info(
            f"{_why_unknown(data, movie)}, so the model knows nothing about it: it has no place on "
            "the map and no neighbours. Choose another.",
            icon=":material/location_off:",
        )
    with st.container(gap="xsmall", key="nearest_films"):
        for place, near in enumerate(nearest.itertuples(), 1):
            st.button(
                f"{escape(data.labels[near.movie])} · {near.cosine:.2f}",
                key=f"nearest_{place}",  # so that the focus stays where it is
                type="tertiary",
                on_click=st.session_state.__setitem__,
                args=(FILM, int(near.movie)),
            )


def _neighbours(data: MovieData, movie: int, nearest: pd.DataFrame, dim: int) -> None:
    if nearest.empty:
        return
    names = data.labels
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
