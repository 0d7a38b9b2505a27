"""Data → chart. One palette for colour-blind readers (Okabe & Ito), both themes; no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from data_preparation import MovieData
from model.runs import OURS
from prediction import Recommendation

BLUE, ORANGE, GREEN, VERMILLION = "#3b8bd0", "#e69f00", "#009e73", "#d55e00"
PURPLE, SKY, GREY = "#cc79a7", "#56b4e9", "#8a8f98"
PALETTE = [BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, "#b8a600", "#7f5fc7", "#a0522d", GREY]

_WIDE_LABELS = alt.Axis(labelLimit=260)
GRAPH_LABEL, TAG_LABEL, POPULARITY_LABEL = f"graph ({OURS})", "tags and genres", "popularity"


def label(data: MovieData, movie: int) -> str:
    """Display title with year: `The Matrix (1999)`."""
    return data.labels[movie]


# --- recommendations ------------------------------------------------------------------------------


def score_chart(data: MovieData, recommendations: Sequence[Recommendation]) -> alt.Chart:
    """Stacked bars: the parts of each final score."""
    parts = {GRAPH_LABEL: "graph_part", TAG_LABEL: "tag_part", POPULARITY_LABEL: "popularity_part"}
    if not any(r.popularity_part for r in recommendations):
        del parts[POPULARITY_LABEL]
    rows = [
        {
            "film": f"{rank}. {data.labels[r.movie]}",
            "part": part,
            "value": getattr(r, name),
            "order": rank,
        }
        for rank, r in enumerate(recommendations, 1)
        for part, name in parts.items()
    ]
    return (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar()
        .encode(
            x=alt.X("value:Q", title="final score = sum of the parts"),
            y=alt.Y("film:N", sort=alt.SortField("order"), title=None, axis=_WIDE_LABELS),
            color=alt.Color(
                "part:N",
                title=None,
                scale=alt.Scale(domain=list(parts), range=[BLUE, ORANGE, PURPLE][: len(parts)]),
                legend=alt.Legend(orient="top"),
            ),
            order=alt.Order("part:O"),
            tooltip=[
                alt.Tooltip("film:N"),
                alt.Tooltip("part:N"),
                alt.Tooltip("value:Q", format=".4f"),
            ],
        )
        .properties(height=alt.Step(22))
    )


def contribution_chart(terms: pd.DataFrame) -> alt.Chart:
    """Bars of the terms of a graph score: columns term, contribution; largest first."""
    return (
        alt.Chart(terms)
        .mark_bar()
        .encode(
            x=alt.X("contribution:Q", title="contribution to the graph score"),
            y=alt.Y("term:N", sort=None, title=None, axis=_WIDE_LABELS),
            color=alt.condition(
                alt.datum.contribution >= 0, alt.value(BLUE), alt.value(VERMILLION)
            ),
            tooltip=[alt.Tooltip("term:N"), alt.Tooltip("contribution:Q", format=".4f")],
        )
        .properties(height=alt.Step(22))
    )


def tag_share_chart(shares: pd.DataFrame) -> alt.Chart:
    """Bars of the tags' shares in a similarity: columns tag, share; largest first."""
    return (
        alt.Chart(shares)
        .mark_bar(color=ORANGE)
        .encode(
            x=alt.X("share:Q", title="share of the tag similarity"),
            y=alt.Y("tag:N", sort=None, title=None, axis=_WIDE_LABELS),
            tooltip=[alt.Tooltip("tag:N"), alt.Tooltip("share:Q", format=".4f")],
        )
        .properties(height=alt.Step(22))
    )
