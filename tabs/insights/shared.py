"""What the sections of Insights share: the film in question, cached results, a chart with words."""

from __future__ import annotations

from dataclasses import dataclass

import altair as alt
import pandas as pd
import streamlit as st

from analysis.movie_map import MovieMap
from analysis.tag_evaluation import MEASURED_DIM, n_witnesses, saw_tags
from charts.spec import Spec, finished_spec
from data_preparation import MovieData
from model.trained import TrainedModel
from serving.csv_export import to_csv
from serving.tables import MAP
from tabs.film_search import search_film

# Session keys.
FILM = "insights_film"  # inner id of the film that the map and the suggestions follow
ZOOM = "map_zoom"  # one of `ZOOMS`
_PLACE = "map_place"  # what `map_place` returns

ZOOMS = {"Whole map": 1, "×4": 4, "×16": 16}


@st.cache_resource(max_entries=2, show_spinner="Drawing the map …")
def cached_map(_data: MovieData, _model: TrainedModel, key: str) -> MovieMap:
    return MAP.of(_data, _model)


def without_tags_in_words(data: MovieData, model: TrainedModel) -> str:
    """A sentence to put before such a measurement; empty where the model saw no tag."""
    if not saw_tags(model):
        return ""
    seen = n_witnesses(data)
    people = f" to the ratings of {seen:,} users drawn at random" * (seen < data.n_users)
    return (
        "Tags are nodes of this model's graph, so it is no witness: what is measured here is the "
        f"same graph without them, fitted{people} with at most {MEASURED_DIM} numbers per film. "
    )


def pick_movie(data: MovieData) -> int:
    """The film in question, after a box to search another; the inner id."""
    if not 0 <= st.session_state.get(FILM, -1) < data.n_movies:  # new, or left from other data
        st.session_state[FILM] = int(data.movie_degree.argmax())
    search_film(data, lambda movie: movie == st.session_state[FILM], _fly, key=FILM)
    return st.session_state[FILM]


def _fly(movie: int) -> None:
    """Searching a film moves the map to it."""
    st.session_state[FILM] = movie
    if ZOOMS[st.session_state.get(ZOOM, "Whole map")] == 1:
        st.session_state[ZOOM] = "×4"
    move_map()


@dataclass(frozen=True)
class Place:
    """What the map shows until the reader moves it.

    Attributes:
        moves: how often the map was moved there from outside.
        film: in the middle; None is the whole map.
        zoom: how much smaller than the whole map the piece is.
    """

    moves: int = 0
    film: int | None = None
    zoom: int = 1


def move_map() -> None:
    """To the film, or back to the whole map; what the reader did to the view is forgotten."""
    zoom = ZOOMS[st.session_state[ZOOM]]
    film = st.session_state[FILM] if zoom > 1 else None
    st.session_state[_PLACE] = Place(map_place().moves + 1, film, zoom)


def map_place() -> Place:
    return st.session_state.get(_PLACE, Place())


@dataclass(frozen=True, eq=False)
class Figure:
    """A chart with its words and numbers, made once and shown many times.

    Attributes:
        spec: from `finished_spec`.
        alt_text: what the chart shows, for those who cannot see it; unique on the page.
        reading: how to read it, in Markdown; what comes from files is escaped.
        table: the numbers behind the chart.
    """

    spec: Spec
    alt_text: str
    reading: str
    table: pd.DataFrame


def make_figure(
    chart: alt.Chart | alt.LayerChart, alt_text: str, reading: str, table: pd.DataFrame
) -> Figure:
    return Figure(finished_spec(chart), alt_text, reading, table)


def show_figure(figure: Figure) -> None:
    """The chart, the sentence that says how to read it, and its numbers to download."""
    st.vega_lite_chart(figure.spec, alt=figure.alt_text)
    st.caption(figure.reading)
    csv_button(figure.table, figure.alt_text)


def csv_button(table: pd.DataFrame, name: str) -> None:
    """A download that is made only when it is wanted."""
    slug = "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split())[:60]
    st.download_button(
        "Numbers as CSV",
        lambda: to_csv(table),
        f"{slug}.csv",
        "text/csv",
        key=f"csv_{slug}",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
    )
