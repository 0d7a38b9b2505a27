"""Later times: what each model finds of the ratings that came after it, and what that teaches."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from analysis.later_times import COMMAND, LaterTimes, later_times
from charts.later_times import ageing_chart, windows_chart
from tabs.insights.shared import make_figure, show_figure
from tabs.shared import escape

_QUESTIONS = {
    "temporal_leave_one_out": "the very next film (NDCG@10)",
    "rolling_windows": "the coming months (NDCG@20)",
    "random_80_10_10": "films of any time (NDCG@20)",
}
_SPLITS = {"random_80_10_10": "random splits", "rolling_windows": "later windows"}


def render() -> None:
    st.subheader("What comes later")
    found = later_times()
    if found is None:
        st.info(
            f"Not measured yet: `{COMMAND}` measures it on MovieLens small, in some minutes.",
            icon=":material/timeline:",
        )
        return
    st.markdown(  # code in a caption has too little contrast
        f"Measured on MovieLens small on {escape(found.measured)} by `{COMMAND}`, whatever data "
        "this page shows: every model fitted to what came before a window alone."
    )
    st.markdown(_in_words(found.models))
    show_figure(
        make_figure(
            windows_chart(found.windows),
            "NDCG@20 by window of time",
            "Windows with equally many ratings; people and films that were known before. "
            f"{_people(found.windows)}, so single windows jump: the sentence above is over all.",
            found.windows,
        )
    )
    st.subheader("How fast films should age")
    ageing = _against_always(found.ageing)
    show_figure(
        make_figure(
            ageing_chart(ageing),
            "Quality by how fast films age",
            "On validation, profile *like*, less the quality where films do not age. "
            + _aged(found),
            ageing,
        )
    )
    if found.trend is not None:
        st.subheader("What is popular now")
        st.markdown(_trend(found.trend))
    st.subheader("A gain that was none")
    st.markdown(_runs(found.runs))


def _in_words(models: pd.DataFrame) -> str:
    """The best model of all windows, and whether it is above EASE."""
    best = models.loc[models["quality"].idxmax()]
    text = f"Over all windows **{best['model']}** finds most: NDCG@20 {best['quality']:.4f}"
    if best["model"] == "EASE":
        return f"{text}."
    says = "above" if best["low"] > 0 else "not surely above"
    return (
        f"{text}, {says} EASE by {best['less']:+.4f} (95 % interval {best['low']:+.4f} to "
        f"{best['high']:+.4f}, paired over {int(best['people'])} people)."
    )


def _people(windows: pd.DataFrame) -> str:
    each = windows.drop_duplicates("window")["people"]
    return f"{each.min()} to {each.max()} people a window"


def _against_always(ageing: pd.DataFrame) -> pd.DataFrame:
    """question, half_life, quality, and how far it is above or below always; profile like."""
    table = ageing[ageing["profile"] == "like"].copy()
    always = table[table["half_life"] == math.inf].set_index("protocol")["quality"]
    table["against"] = table["quality"] - table["protocol"].map(always)
    table["question"] = table["protocol"].map(_QUESTIONS)
    return table[["question", "half_life", "quality", "against"]]


def _aged(found: LaterTimes) -> str:
    """What the half-life chosen on validation did on test, one sentence for each question."""
    sentences = []
    for row in found.aged[found.aged["profile"] == "like"].to_dict("records"):
        question = _QUESTIONS[row["protocol"]]
        if row["half_life"] == math.inf:
            sentences.append(f"For {question}, *always* is best.")
            continue
        proved = _verdict(row["low"], row["high"])
        sentences.append(
            f"For {question}, {row['half_life']:g} is best, and on test {row['always']:.4f} "
            f"becomes {row['quality']:.4f}: {proved} ({row['low']:+.4f} to {row['high']:+.4f})."
        )
    return " ".join(sentences)


def _trend(trend: pd.DataFrame) -> str:
    """What it gains later and costs at random, in words that follow the numbers."""
    lines = [
        "Add to every film's score how much more it was rated lately than its share of all ratings "
        "lets one expect, as strongly as earlier ratings say:",
        "",
        "| | without | popular now | difference |",
        "|---|---|---|---|",
    ]
    said = {}
    for row in trend.to_dict("records"):
        lines.append(
            f"| {_SPLITS[row['protocol']]}, *{row['profile']}*, {row['metric']} "
            f"| {row['without']:.4f} | {row['with']:.4f} | {row['difference']:+.4f} "
            f"({row['low']:+.4f} to {row['high']:+.4f}) |"
        )
        said[row["protocol"], row["profile"]] = _verdict(row["low"], row["high"])
    later = ", ".join(
        f"{said['rolling_windows', profile]} for *{profile}*" for profile in ("watch", "like")
    )
    random = " and ".join(sorted({said["random_80_10_10", name] for name in ("watch", "like")}))
    return "\n".join(
        [
            *lines,
            "",
            f"On later windows {later}; at random, where held-out films are of all years, "
            f"{random}. So it is a control of the tab Recommendations, off unless asked for, with "
            "a strength chosen on the data that the page shows.",
        ]
    )


def _verdict(low: float, high: float) -> str:
    return "a gain" if low > 0 else "a loss" if high < 0 else "no sure change"


def _runs(runs: pd.DataFrame) -> str:
    """The lesson, in words that follow the numbers."""
    rows = runs.set_index("protocol")
    lines = [
        "Add a node to the graph for every run of films that somebody rated one after another in "
        "one sitting:",
        "",
        "| NDCG@20, *watch* | without runs | with runs | difference |",
        "|---|---|---|---|",
    ]
    for protocol, name in _SPLITS.items():
        row = rows.loc[protocol]
        lines.append(
            f"| {name} | {row['without']:.4f} | {row['with']:.4f} | {row['difference']:+.4f} "
            f"({row['low']:+.4f} to {row['high']:+.4f}) |"
        )
    random, later = (rows.loc[protocol, "difference"] for protocol in _SPLITS)
    if random > 0 >= later:
        lesson = (
            "What looks like a gain at random is none later: a random held-out film was rated in "
            "the middle of a run that is in the graph, so the run gives it away. It says in which "
            "order a site showed its films, not what anybody likes. That is why these nodes are in "
            "the benchmark alone."
        )
    else:
        lesson = (
            "A held-out film of a random split lies in the middle of a run that is in the graph, "
            "so only the later windows tell what such nodes are worth."
        )
    return "\n".join([*lines, "", lesson])
