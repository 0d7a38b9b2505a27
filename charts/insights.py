"""The charts of the tab Insights, in the palette of `charts.basics`; no Streamlit."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from charts.basics import BLUE, GREY, ORANGE, PURPLE, VERMILLION
from model.runs import OURS, POPULARITY

_WIDE_LABELS = alt.Axis(labelLimit=120, labelOverlap=False)
_STATUS_COLOURS = {
    "kept": BLUE,
    "on one film": GREY,
    "about the viewer": ORANGE,
    "no letters": PURPLE,
}
_STATUS_NAMES = dict(zip(("kept", "rare", "noise", "empty"), _STATUS_COLOURS, strict=True))
_SCORER_COLOURS = alt.Scale(domain=[OURS, POPULARITY], range=[BLUE, ORANGE])
_TOP_LEGEND = alt.Legend(orient="top", title=None)
_HEIGHT = 300


def _log_axis(values: pd.Series) -> alt.Axis:
    """Ticks at 1, 3, 10, 30 … within the values; Vega's own crowd the grid with nine a decade."""
    low, high = values.min(), values.max()
    steps = [digit * 10.0**power for power in range(-6, 10) for digit in (1, 3)]
    inside = [step for step in steps if low <= step <= high]
    return alt.Axis(values=inside, format=",~r") if len(inside) > 1 else alt.Axis()


# --- tags -----------------------------------------------------------------------------------------


def raw_tag_chart(table: pd.DataFrame) -> alt.Chart:
    """Bars of tags as typed: columns raw, films, tag, status; coloured by what became of them."""
    shown = table.assign(became=table["status"].map(_STATUS_NAMES))
    present = [name for name in _STATUS_COLOURS if name in set(shown["became"])]
    scale = alt.Scale(domain=present, range=[_STATUS_COLOURS[name] for name in present])
    return (
        alt.Chart(shown)
        .mark_bar()
        .encode(
            x=alt.X("films:Q", title="films with exactly this text"),
            y=alt.Y("raw:N", sort=None, title=None, axis=_WIDE_LABELS),
            color=alt.Color("became:N", scale=scale, legend=_TOP_LEGEND),
            tooltip=[
                alt.Tooltip("raw:N", title="as typed"),
                alt.Tooltip("tag:N", title="cleaned"),
                alt.Tooltip("films:Q"),
                alt.Tooltip("became:N", title="what became of it"),
            ],
        )
        .properties(height=alt.Step(21))
    )


def clean_tag_chart(table: pd.DataFrame) -> alt.Chart:
    """Bars of cleaned tags: columns tag, films, usual_films, spellings; what merging added."""
    parts = {"usual spelling": BLUE, "merged in": ORANGE}
    rows = table.assign(**{"merged in": table["films"] - table["usual_films"]})
    rows = rows.rename(columns={"usual_films": "usual spelling"})
    long = rows.melt(["tag", "films", "spellings"], list(parts), "part", "in_part")
    long["order"] = long["part"].map({name: number for number, name in enumerate(parts)})
    return (
        alt.Chart(long)
        .mark_bar()
        .encode(
            x=alt.X("in_part:Q", title="films with the tag"),
            y=alt.Y("tag:N", sort=table["tag"].tolist(), title=None, axis=_WIDE_LABELS),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=list(parts), range=list(parts.values())),
                legend=_TOP_LEGEND,
            ),
            order=alt.Order("order:Q"),
            tooltip=[alt.Tooltip("tag:N"), alt.Tooltip("films:Q"), alt.Tooltip("spellings:N")],
        )
        .properties(height=alt.Step(21))
    )


def co_occurrence_chart(table: pd.DataFrame) -> alt.Chart:
    """Heat map of tags on the same films: columns first, second, films, lift, in their order."""
    order = table["first"].unique().tolist()
    return (
        alt.Chart(table)
        .mark_rect(color=BLUE)
        .encode(
            x=alt.X(
                "second:N",
                sort=order,
                title=None,
                axis=alt.Axis(labelAngle=-60, labelLimit=90, labelOverlap=False),
            ),
            y=alt.Y(
                "first:N",
                sort=order,
                title=None,
                axis=alt.Axis(labelLimit=90, labelOverlap=False),
            ),
            opacity=alt.Opacity(
                "films:Q",
                title="films with both",
                scale=alt.Scale(domainMin=0, range=[0, 1]),
                legend=alt.Legend(orient="top", tickCount=4, symbolFillColor=BLUE),
            ),
            tooltip=[
                alt.Tooltip("first:N"),
                alt.Tooltip("second:N"),
                alt.Tooltip("films:Q", title="films with both"),
                alt.Tooltip("lift:Q", title="times as often as by chance", format=".1f"),
            ],
        )
        .properties(height=560)
    )


def component_chart(ends: pd.DataFrame) -> alt.Chart:
    """Bars at both ends of one component: columns name, kind, films, mean, ascending by mean."""
    return (
        alt.Chart(ends)
        .mark_bar()
        .encode(
            x=alt.X("mean:Q", title="mean place of its films (standard deviations)"),
            y=alt.Y("name:N", sort=None, title=None, axis=_WIDE_LABELS),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=["tag", "genre"], range=[BLUE, ORANGE]),
                legend=_TOP_LEGEND,
            ),
            tooltip=[
                alt.Tooltip("name:N"),
                alt.Tooltip("kind:N"),
                alt.Tooltip("films:Q"),
                alt.Tooltip("mean:Q", format="+.2f"),
            ],
        )
        .properties(height=alt.Step(21))
    )


def predictability_chart(table: pd.DataFrame) -> alt.LayerChart:
    """AUC of each tag from the embeddings and from popularity: columns of `tag_predictability`."""
    parts = {"auc": OURS, "popularity_auc": POPULARITY}
    long = table.melt(["tag", "films"], list(parts), "scorer", "value")
    long["scorer"] = long["scorer"].map(parts)
    dots = (
        alt.Chart(long)
        .mark_point(filled=True, size=75, opacity=1)
        .encode(
            x=alt.X("value:Q", title="AUC on held-out films", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("tag:N", sort=table["tag"].tolist(), title=None, axis=_WIDE_LABELS),
            color=alt.Color("scorer:N", scale=_SCORER_COLOURS, legend=_TOP_LEGEND),
            shape=alt.Shape(
                "scorer:N",
                scale=alt.Scale(domain=list(parts.values()), range=["circle", "diamond"]),
                legend=_TOP_LEGEND,
            ),
            tooltip=[
                alt.Tooltip("tag:N"),
                alt.Tooltip("scorer:N"),
                alt.Tooltip("value:Q", title="AUC", format=".3f"),
                alt.Tooltip("films:Q"),
            ],
        )
    )
    guess = alt.Chart(pd.DataFrame({"guess": [0.5]})).mark_rule(color=GREY, strokeDash=[5, 4])
    return (guess.encode(x=alt.X("guess:Q")) + dots).properties(height=alt.Step(21))


# --- model health ---------------------------------------------------------------------------------


def lorenz_chart(curves: dict[str, pd.DataFrame]) -> alt.LayerChart:
    """Lorenz curves by name: tables with films and share; at most 3, and the line of equality."""
    names = [*curves, "all films alike"]
    even = pd.DataFrame({"films": [0.0, 1.0], "share": [0.0, 1.0]})
    tables = [_thinned(curve).assign(curve=name) for name, curve in curves.items()]
    table = pd.concat([*tables, even.assign(curve=names[-1])], ignore_index=True)
    colours = [VERMILLION, BLUE, ORANGE][: len(curves)]
    percent = alt.Axis(format="%")
    legend = alt.Legend(orient="top", title=None, columns=1, labelLimit=280)
    lines = (
        alt.Chart(table)
        .mark_line(strokeWidth=2.2)
        .encode(
            x=alt.X("films:Q", title="share of the films, least shown first", axis=percent),
            y=alt.Y("share:Q", title="share of what they get", axis=percent),
            color=alt.Color(
                "curve:N",
                scale=alt.Scale(domain=names, range=[*colours, GREY]),
                legend=legend,
            ),
            strokeDash=alt.StrokeDash(
                "curve:N",
                scale=alt.Scale(
                    domain=names, range=[*[[1, 0], [8, 3], [3, 3]][: len(curves)], [2, 4]]
                ),
                legend=legend,
            ),
            tooltip=[
                alt.Tooltip("curve:N"),
                alt.Tooltip("films:Q", format=".1%"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
    )
    return alt.LayerChart(layer=[lines]).properties(height=430)


def _thinned(curve: pd.DataFrame, most: int = 200) -> pd.DataFrame:
    """The rows where the curve has gone on by an even part of its length, its ends among them."""
    if len(curve) <= most:
        return curve
    length = np.hypot(curve["films"].diff().fillna(0), curve["share"].diff().fillna(0)).cumsum()
    steps = np.searchsorted(length, np.linspace(0, length.iloc[-1], most))
    return curve.iloc[np.unique([0, *steps.clip(max=len(curve) - 1), len(curve) - 1])]


def norm_chart(groups: pd.DataFrame) -> alt.Chart:
    """Embedding length against ratings: `analysis.model_health.norm_groups`; area is films."""
    log = alt.Scale(type="log", nice=False, padding=8)
    most = int(groups["films"].max())
    return (
        alt.Chart(groups)
        .mark_circle(opacity=0.6, color=BLUE)
        .encode(
            x=alt.X(
                "ratings:Q",
                title="ratings of the film (degree)",
                scale=log,
                axis=_log_axis(groups["ratings"]),
            ),
            y=alt.Y(
                "norm:Q", title="length of its vector", scale=log, axis=_log_axis(groups["norm"])
            ),
            size=alt.Size(
                "films:Q",
                scale=alt.Scale(domain=[0, most], range=[14, min(14 * most, 500)]),
                legend=alt.Legend(
                    orient="top", title="films", values=sorted({1, (most + 1) // 2, most})
                ),
            ),
            tooltip=[
                alt.Tooltip("who:N", title="films"),
                alt.Tooltip("ratings:Q", format=",.0f"),
                alt.Tooltip("norm:Q", title="length", format=".3f"),
            ],
        )
        .properties(height=340)
    )


def similarity_chart(table: pd.DataFrame) -> alt.Chart:
    """Two histograms of cosines: columns kind, low, high, share."""
    kinds = table["kind"].unique().tolist()
    return (
        alt.Chart(table)
        .mark_bar(opacity=0.65)
        .encode(
            x=alt.X("low:Q", title="cosine", scale=alt.Scale(zero=False), bin="binned"),
            x2=alt.X2("high:Q"),
            y=alt.Y("share:Q", title="share of the pairs", axis=alt.Axis(format="%"), stack=None),
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=kinds, range=[BLUE, ORANGE]), legend=_TOP_LEGEND
            ),
            tooltip=[
                alt.Tooltip("kind:N"),
                alt.Tooltip("low:Q", title="cosine from", format=".2f"),
                alt.Tooltip("high:Q", title="to", format=".2f"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
        .properties(height=_HEIGHT)
    )


def group_chart(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Mean NDCG@20 by group with one standard error: columns of `analysis.model_health.by_group`.

    Args:
        title: of the axis of the groups.
    """
    bounds = [
        f"{low:,.0f} – {high:,.0f}" if low != high else f"{low:,.0f}"
        for low, high in zip(table["low"], table["high"], strict=True)
    ]
    error = table["error"].fillna(0)
    shown = table.assign(
        bounds=[f"{group}: {b}" for group, b in zip(table["group"], bounds, strict=True)],
        bottom=(table["ndcg"] - error).clip(lower=0),
        top=table["ndcg"] + error,
    )
    order = shown["bounds"].unique().tolist()
    base = alt.Chart(shown).encode(
        y=alt.Y("bounds:N", sort=order, title=title, axis=alt.Axis(labelLimit=130)),
        yOffset=alt.YOffset("scorer:N", scale=alt.Scale(domain=[OURS, POPULARITY])),
        color=alt.Color("scorer:N", scale=_SCORER_COLOURS, legend=_TOP_LEGEND),
        tooltip=[
            alt.Tooltip("scorer:N"),
            alt.Tooltip("bounds:N", title="group"),
            alt.Tooltip("users:Q"),
            alt.Tooltip("ndcg:Q", title="NDCG@20", format=".4f"),
            alt.Tooltip("error:Q", title="standard error", format=".4f"),
        ],
    )
    bars = base.mark_bar().encode(x=alt.X("ndcg:Q", title="NDCG@20 on test"))
    whiskers = base.mark_rule(color=GREY, strokeWidth=1.6).encode(
        x=alt.X("bottom:Q"), x2=alt.X2("top:Q"), color=alt.value(GREY)
    )
    return (bars + whiskers).properties(height=_HEIGHT)


# --- data -----------------------------------------------------------------------------------------


def bar_chart(table: pd.DataFrame, x: str, y: str, titles: tuple[str, str]) -> alt.Chart:
    """Upright bars of an ordered table: `x` a category (year, stars), `y` a count."""
    return (
        alt.Chart(table)
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X(f"{x}:O", title=titles[0], axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y(f"{y}:Q", title=titles[1]),
            tooltip=[alt.Tooltip(f"{c}:Q", format="," if c != "year" else "d") for c in table],
        )
        .properties(height=_HEIGHT)
    )


def tail_chart(table: pd.DataFrame, what: str) -> alt.Chart:
    """Ratings by rank on logarithmic axes: columns rank, ratings, share (cumulative)."""
    log = alt.Scale(type="log", nice=False, padding=4)
    return (
        alt.Chart(table)
        .mark_line(color=BLUE, strokeWidth=2.5, point=alt.OverlayMarkDef(color=BLUE, size=14))
        .encode(
            x=alt.X(
                "rank:Q", title=f"rank of the {what}", scale=log, axis=_log_axis(table["rank"])
            ),
            y=alt.Y(
                "ratings:Q",
                title=f"ratings of the {what}",
                scale=log,
                axis=_log_axis(table["ratings"]),
            ),
            tooltip=[
                alt.Tooltip("rank:Q", format=","),
                alt.Tooltip("ratings:Q", format=","),
                alt.Tooltip("share:Q", title="share of all ratings up to here", format=".1%"),
            ],
        )
        .properties(height=_HEIGHT)
    )


def density_chart(table: pd.DataFrame) -> alt.Chart:
    """The matrix as blocks: columns users, films (group numbers), density."""
    axis = alt.Axis(labels=False, ticks=False)
    return (
        alt.Chart(table)
        .mark_rect(color=BLUE)
        .encode(
            x=alt.X("films:O", title="films, most rated on the left", axis=axis),
            y=alt.Y("users:O", title="users, most active on top", axis=axis),
            opacity=alt.Opacity(
                "density:Q",
                title="share rated",
                scale=alt.Scale(domainMin=0, range=[0, 1], type="sqrt"),
                legend=alt.Legend(orient="top", format=".0%", tickCount=4, symbolFillColor=BLUE),
            ),
            tooltip=[
                alt.Tooltip("users:O", title="group of users"),
                alt.Tooltip("films:O", title="group of films"),
                alt.Tooltip("density:Q", title="share rated", format=".2%"),
            ],
        )
        .properties(height=_HEIGHT)
    )
