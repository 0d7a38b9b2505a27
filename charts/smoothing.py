"""What more layers do to similarities and quality, as curves."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from analysis.layers import LAST, MEAN, Smoothing
from charts.basics import BLUE, GREY, VERMILLION


def smoothing_chart(
    results: Sequence[Smoothing], column: str, title: str, kept: int
) -> alt.LayerChart:
    """A column of the results by layer, for the last layer alone and for the mean."""
    table = pd.DataFrame([vars(r) for r in results]).dropna(subset=[column])
    curves = (
        alt.Chart(table)
        .mark_line(point=True)
        .encode(
            x=alt.X("layer:Q", title="layer k", axis=alt.Axis(tickMinStep=1, grid=False)),
            y=alt.Y(f"{column}:Q", title=title),
            color=_two_colours("kind", [LAST, MEAN], (VERMILLION, BLUE)),
            tooltip=[
                alt.Tooltip("layer:Q"),
                alt.Tooltip("kind:N"),
                alt.Tooltip(f"{column}:Q", format=".4f"),
            ],
        )
    )
    rule = (
        alt.Chart(pd.DataFrame({"layer": [kept]}))
        .mark_rule(color=GREY, strokeDash=[4, 4])
        .encode(x=alt.X("layer:Q"))
    )
    return alt.LayerChart(layer=[rule, curves]).properties(height=340)


def _two_colours(column: str, domain: Sequence[str], colours: Sequence[str]) -> alt.Color:
    return alt.Color(
        f"{column}:N",
        title=None,
        scale=alt.Scale(domain=list(domain), range=list(colours)),
        legend=alt.Legend(orient="top"),
    )
