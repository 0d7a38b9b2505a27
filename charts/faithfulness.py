"""What taking ratings out does to the first film of a list, as charts; no Streamlit."""

from __future__ import annotations

import altair as alt
import pandas as pd

from analysis.faithfulness import CHOICES
from charts.basics import BLUE, GREY, ORANGE, PURPLE, SKY

_COLOURS = alt.Scale(domain=list(CHOICES), range=[BLUE, ORANGE, PURPLE, SKY])
_ORDER = alt.Scale(domain=list(CHOICES))
# In two columns, or a phone would cut it off.
_LEGEND = alt.Legend(orient="top", title=None, columns=2, symbolType="square", labelLimit=150)
_ROW = 19  # pixels for each choice


def kept_chart(table: pd.DataFrame) -> alt.LayerChart:
    """Bars: share of first places kept, with its interval; columns of `faithfulness.summary`."""
    base = _base(table)
    bars = base.mark_bar().encode(
        x=alt.X(
            "kept:Q",
            title="first places kept",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format="%", tickCount=5),
        )
    )
    in_the_middle = base.encode(yOffset=alt.YOffset("choice:N", scale=_ORDER, bandPosition=0.5))
    return _with_whiskers(in_the_middle, bars, "kept")


def rank_chart(table: pd.DataFrame) -> alt.LayerChart:
    """Dots: mean rank on a logarithmic scale, with its interval; columns of `summary`."""
    base = _base(table)
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X(
            "rank:Q",
            title="mean rank after (logarithmic)",
            scale=alt.Scale(type="log", domain=[1, max(10.0, float(table["rank_high"].max()))]),
            axis=alt.Axis(values=[1, 3, 10, 30, 100, 300, 1000, 3000], format=",~r"),
        )
    )
    return _with_whiskers(base, dots, "rank")


def _base(table: pd.DataFrame) -> alt.Chart:
    return alt.Chart(table).encode(
        y=alt.Y("removed:O", title="ratings taken out", axis=alt.Axis(labelAngle=0)),
        yOffset=alt.YOffset("choice:N", scale=_ORDER),
        color=alt.Color("choice:N", scale=_COLOURS, legend=_LEGEND),
        tooltip=[
            alt.Tooltip("choice:N", title="without"),
            alt.Tooltip("removed:O", title="ratings taken out"),
            alt.Tooltip("kept:Q", title="first places kept", format=".1%"),
            alt.Tooltip("rank:Q", title="mean rank after", format=",.1f"),
            alt.Tooltip("median:Q", title="median rank after", format=",.1f"),
        ],
    )


def _with_whiskers(base: alt.Chart, marks: alt.Chart, column: str) -> alt.LayerChart:
    whiskers = base.mark_rule(strokeWidth=1.6).encode(
        x=alt.X(f"{column}_low:Q"), x2=alt.X2(f"{column}_high:Q"), color=alt.value(GREY)
    )
    return (marks + whiskers).properties(height=alt.Step(_ROW))
