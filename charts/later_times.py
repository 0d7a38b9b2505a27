"""Quality on later windows of time, and by how fast films age."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from charts.basics import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY

_MODELS = {
    "LightGCN, like": BLUE,
    "LightGCN, watch": SKY,
    "EASE": ORANGE,
    "ItemKNN": GREEN,
    "PureSVD": PURPLE,
    "Popularity": GREY,
}
_LEGEND = alt.Legend(orient="top", title=None, columns=2, symbolLimit=0)


def windows_chart(table: pd.DataFrame) -> alt.Chart:
    """A line for each model: columns model, window, months, people, quality."""
    return (
        alt.Chart(table)
        .mark_line(point=alt.OverlayMarkDef(size=45))
        .encode(
            x=alt.X("window:O", title="window of time, oldest first", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("quality:Q", title="NDCG@20"),
            color=alt.Color(
                "model:N",
                scale=alt.Scale(domain=list(_MODELS), range=list(_MODELS.values())),
                legend=_LEGEND,
            ),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("months:N"),
                alt.Tooltip("people:Q"),
                alt.Tooltip("quality:Q", format=".4f"),
            ],
        )
        .properties(height=340)
    )


def ageing_chart(table: pd.DataFrame) -> alt.Chart:
    """Quality beside that of films that do not age, by half-life: columns question, half_life
    (inf: always), against (quality less that of always); one line for each question."""
    lives = sorted(table["half_life"].unique(), reverse=True)
    names = {life: "always" if np.isinf(life) else f"{life:g}" for life in lives}
    questions = table["question"].unique().tolist()
    colours = [BLUE, ORANGE, PURPLE][: len(questions)]
    return (
        alt.Chart(table.assign(name=table["half_life"].map(names)))
        .mark_line(point=alt.OverlayMarkDef(size=45))
        .encode(
            x=alt.X(
                "name:N",
                sort=list(names.values()),
                title="a film counts half after so many later ones",
                axis=alt.Axis(labelAngle=0),
            ),
            y=alt.Y("against:Q", title="less always"),
            color=alt.Color(
                "question:N",
                scale=alt.Scale(domain=questions, range=colours),
                legend=alt.Legend(orient="top", title=None, columns=1, labelLimit=300),
            ),
            tooltip=[
                alt.Tooltip("question:N"),
                alt.Tooltip("name:N", title="half after"),
                alt.Tooltip("against:Q", format="+.4f"),
                alt.Tooltip("quality:Q", format=".4f"),
            ],
        )
        .properties(height=340)
    )
