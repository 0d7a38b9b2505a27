"""Insights, model health: would the first film of a list stay without the reasons for it?"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from analysis.faithfulness import RANDOM, REASONS, REMOVED, TOLD, Faithfulness
from charts.faithfulness import kept_chart, rank_chart
from data_preparation import MovieData
from model.trained import TrainedModel
from serving.tables import FAITHFULNESS
from tabs.insights.shared import Figure, make_figure, show_figure
from tabs.shared import count


@dataclass(frozen=True, eq=False)
class _Panel:
    """A verdict in Markdown, and the charts behind it."""

    verdict: str
    kept: Figure
    rank: Figure


@st.cache_resource(max_entries=2, show_spinner="Taking the reasons away …")
def _panel(_data: MovieData, _model: TrainedModel, key: str) -> _Panel | None:
    """None where nobody has ratings enough to take some away."""
    measured = FAITHFULNESS.of(_data, _model)
    if measured is None:
        return None
    return _Panel(verdict(measured), _kept(measured.found), _rank(measured.found))


def render(data: MovieData, model: TrainedModel) -> None:
    st.subheader("Are the reasons the real ones?")
    panel = _panel(data, model, model.key)
    if panel is None:
        st.info(
            "Nobody here has ten ratings and a film left to recommend, so no reason can be taken "
            "away.",
            icon=":material/person_off:",
        )
        return
    st.markdown(panel.verdict)
    kept, rank = st.columns(2)
    with kept:
        st.markdown("**How often it stays first**")
        show_figure(panel.kept)
    with rank:
        st.markdown("**Where it goes**")
        show_figure(panel.rank)


def verdict(measured: Faithfulness) -> str:
    """What the numbers say, in the model's own."""
    of = measured.found.set_index(["choice", "removed"])
    with_reasons, at_random = of.loc[(REASONS, TOLD)], of.loc[(RANDOM, TOLD)]
    more, low, high = measured.advantage
    points = f"{100 * more:+.0f} points, 95 % interval {100 * low:+.0f} to {100 * high:+.0f}"
    if low > 0:
        says = f"So the reasons named matter more than films at random ({points})."
    elif high < 0:
        says = f"So the reasons named matter **less** than films at random ({points})."
    else:
        says = f"So the reasons named are **no better than films at random** ({points})."
    return (
        f"For {count(measured.users, 'user')} drawn from those with ten or more ratings, "
        "some ratings were taken out of the profile and the first film of the list was ranked "
        f"again, without training anything anew. Without the {TOLD} reasons that speak loudest "
        f"for it, **{with_reasons['kept']:.0%}** stay first (median rank after: "
        f"{with_reasons['median']:,.1f}); without {TOLD} rated films at random, "
        f"**{at_random['kept']:.0%}** (median {at_random['median']:,.1f}). {says}"
    )


def _kept(found: pd.DataFrame) -> Figure:
    rows = found.set_index(["choice", "removed"])["kept"]
    shares = ", ".join(f"{rows[REASONS, removed]:.0%}" for removed in REMOVED)
    return make_figure(
        kept_chart(found),
        "First places kept without some ratings",
        f"Without {_list(REMOVED)} of the reasons named, {shares} of the films stay first. The "
        "lowest films are those that contribute least to it, or speak against it; films at random "
        "are the mean of five draws for each user. Thin lines are 95 % bootstrap intervals over "
        "users.",
        found,
    )


def _rank(found: pd.DataFrame) -> Figure:
    rows = found.set_index(["choice", "removed"])["rank"]
    most = max(REMOVED)
    return make_figure(
        rank_chart(found),
        "Mean rank of the first film without some ratings",
        f"Mean rank after {most} ratings are gone: {rows[REASONS, most]:,.1f} without the reasons "
        f"named, {rows[RANDOM, most]:,.1f} without films at random. Where a few films fall "
        "far, they carry the mean; the median is in the sentence above.",
        found,
    )


def _list(numbers: tuple[int, ...]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}"
