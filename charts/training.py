"""Training runs → charts: loss, held-out metrics with the line to beat, runs overlaid."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from charts.basics import BLUE, ORANGE, ORANGE_TEXT, PALETTE, VERMILLION, by_theme
from model.profiles import PROFILES
from model.runs import POPULARITY, Run, curves_table, run_label
from model.search import Trial
from model.splits import Part
from model.trained import EpochRecord

_HEIGHT = 240
_EPOCH = alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d"))


def loss_chart(records: Sequence[EpochRecord]) -> alt.Chart:
    """Training loss by epoch."""
    table = pd.DataFrame([{"epoch": r.epoch, "loss": r.loss} for r in records if r.epoch])
    return _curve(table, "loss", "BPR training loss", VERMILLION).properties(height=_HEIGHT)


def metric_chart(
    records: Sequence[EpochRecord], metric: str, baseline: float | None, part: Part = "validation"
) -> alt.LayerChart:
    """A held-out metric by epoch, with the popularity baseline as a line to beat."""
    table = pd.DataFrame([{"epoch": r.epoch, metric: r.metrics[metric]} for r in records])
    chart = _curve(table, metric, f"{metric} on {part}", BLUE)
    if baseline is None:
        return alt.LayerChart(layer=[chart]).properties(height=_HEIGHT)
    line = pd.DataFrame({"value": [baseline], "name": [f"{POPULARITY} {baseline:.4f}"]})
    rule = alt.Chart(line).mark_rule(color=ORANGE, strokeDash=[5, 4]).encode(y=alt.Y("value:Q"))
    text = (
        alt.Chart(line)
        .mark_text(align="left", dy=-8, color=alt.ExprRef(by_theme(ORANGE_TEXT)))
        .encode(x=alt.value(4), y=alt.Y("value:Q"), text=alt.Text("name:N"))
    )
    return (chart + rule + text).properties(height=_HEIGHT)


def search_chart(trials: Sequence[Trial]) -> alt.LayerChart:
    """Validation by configuration that a search looked at, and the best so far as a line.

    The star strengths, chosen at the end, are measured by something else and left out.
    """
    table = pd.DataFrame(
        [
            {"looked at": number, "validation": trial.score, "moved": _moved(trial)}
            for number, trial in enumerate(trials, 1)
            if trial.changed not in PROFILES
        ]
    )
    table["best so far"] = table["validation"].cummax()
    place = alt.X("looked at:Q", axis=alt.Axis(tickMinStep=1, format="d"))
    scale = alt.Scale(zero=False)
    dots = (
        alt.Chart(table)
        .mark_circle(size=45, color=ORANGE, opacity=0.8)
        .encode(
            x=place,
            y=alt.Y("validation:Q", title="NDCG@20 on validation", scale=scale),
            tooltip=["looked at:Q", alt.Tooltip("validation:Q", format=".4f"), "moved:N"],
        )
    )
    line = (
        alt.Chart(table)
        .mark_line(interpolate="step-after", color=BLUE)
        .encode(x=place, y=alt.Y("best so far:Q", scale=scale))
    )
    return (line + dots).properties(height=_HEIGHT)


def _moved(trial: Trial) -> str:
    return trial.changed if trial.value is None else f"{trial.changed} = {trial.value:g}"


MAX_OVERLAID = len(PALETTE)  # runs with a colour of their own


def run_colours(runs: Sequence[Run]) -> dict[str, str]:
    """The colour of each run's curve by its label, for a legend beside the chart."""
    return dict(zip((run_label(run) for run in runs), PALETTE, strict=False))


def runs_chart(runs: Sequence[Run], column: str, title: str) -> alt.Chart:
    """One curve per run over the epochs; `column` is "loss" or the name of a metric.

    A run that was not measured at that metric has no curve. The legend (`run_colours`) stands
    outside, so the plot is as large for many runs as for one.
    """
    table = curves_table(runs).dropna(subset=[column])
    colours = run_colours(runs)
    return (
        alt.Chart(table)
        .mark_line(point=True)
        .encode(
            x=_EPOCH,
            y=alt.Y(_field(column), title=title, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "label:N",
                scale=alt.Scale(domain=list(colours), range=list(colours.values())),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("label:N"),
                alt.Tooltip("epoch:Q"),
                alt.Tooltip(_field(column), title=title, format=".4f"),
            ],
        )
        .properties(height=_HEIGHT + 60)
    )


def _curve(table: pd.DataFrame, column: str, title: str, colour: str) -> alt.Chart:
    return (
        alt.Chart(table)
        .mark_line(point={"color": colour}, color=colour)
        .encode(
            x=_EPOCH,
            y=alt.Y(_field(column), title=title, scale=alt.Scale(zero=False)),
            tooltip=[alt.Tooltip("epoch:Q"), alt.Tooltip(_field(column), format=".4f")],
        )
    )


def _field(column: str) -> str:
    return f"{column}:Q"
