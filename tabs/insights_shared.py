"""What the sections of Insights share: the film in question, cached results, a chart with words."""

from __future__ import annotations

from collections.abc import Callable

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from data_preparation import MovieData
from export import to_csv
from insights import MovieMap, movie_map
from model_training import TrainedModel

FILM = "insights_film"  # session key: inner id of the film that the map and the suggestions follow


@st.cache_resource(max_entries=2, show_spinner="Drawing the map …")
def cached_map(_data: MovieData, _model: TrainedModel, key: str) -> MovieMap:
    return movie_map(_data, _model)


def pick_film(data: MovieData, on_change: Callable[[], None] | None = None) -> int:
    """A box to search all films, those with most ratings first; the inner id."""
    names = data.labels
    if not 0 <= st.session_state.get(FILM, 0) < data.n_movies:  # left from other data
        del st.session_state[FILM]
    return st.selectbox(
        "Film",
        np.argsort(-data.movie_degree, kind="stable").tolist(),
        format_func=names.__getitem__,
        key=FILM,
        persist_state="session",
        on_change=on_change,
        help="Type to search; the most rated films come first.",
    )


def show(chart: alt.TopLevelMixin, alt_text: str, reading: str, table: pd.DataFrame) -> None:
    """A chart, the sentence that says how to read it, and its numbers to download.

    Args:
        alt_text: what the chart shows, for those who cannot see it; unique on the page.
        reading: Markdown; escape what comes from files.
        table: the numbers behind the chart.
    """
    st.altair_chart(chart, alt=alt_text)
    st.caption(reading)
    csv_button(table, alt_text)


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
