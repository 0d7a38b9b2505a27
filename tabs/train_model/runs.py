"""All runs so far: their settings and metrics, curves overlaid, settings used again, CSV."""

from __future__ import annotations

import streamlit as st

from charts.html import legend
from charts.training import MAX_OVERLAID, run_colours, runs_chart
from data_preparation import MovieData
from model.runs import Run, RunHistory, curves_table, run_label, runs_table
from serving.csv_export import to_csv
from tabs.shared import draw, escape
from tabs.train_model.controls import PROTOCOL_NAMES, apply_choice
from tabs.train_model.links import choice_of_run
from tabs.train_model.progress import metric_names

_OVERLAID_AT_FIRST = 3


def show_runs(data: MovieData, history: RunHistory, k: int, reusable: bool = True) -> None:
    """The table of runs, the curves of the chosen ones, and what can be done with them.

    Args:
        k: length of the lists whose metrics are shown.
        reusable: there are controls that the settings of a run can be put into.
    """
    for problem in history.problems:
        st.warning(escape(problem), icon=":material/warning:")
    if not history.runs:
        return
    st.subheader("All runs")
    by_id = {run.id: run for run in history.runs}
    _compare(data, by_id, k)
    _show_table_of_runs(history.runs, k)
    ours = {id: run for id, run in by_id.items() if run.fingerprint == data.fingerprint}
    if reusable and ours:
        _use_again(ours, k)


def _compare(data: MovieData, by_id: dict[str, Run], k: int) -> None:
    """Overlaid curves of chosen runs."""
    with_curve = [id for id, run in by_id.items() if run.history]
    first = [id for id in with_curve if by_id[id].fingerprint == data.fingerprint]
    choose, measure = st.columns([3, 1])
    chosen = choose.multiselect(
        "Overlay the curves of",
        with_curve,
        default=first[:_OVERLAID_AT_FIRST],
        format_func=lambda id: run_label(by_id[id]),
        key=f"overlaid_{next(iter(by_id))}",  # a new run joins the curves at once
        max_selections=MAX_OVERLAID,
    )
    columns = {f"{name} on validation": name for name in reversed(metric_names(k))}
    columns["Training loss"] = "loss"
    title = measure.selectbox("By", list(columns), key="overlaid_by")
    column = columns[title]
    runs = [by_id[id] for id in chosen if _has(by_id[id], column)]
    if not runs:
        st.caption("Choose a run that was measured by this.")
        return
    draw(runs_chart(runs, column, title), f"{title} by epoch, one curve per run")
    st.html(legend(run_colours(runs), "Which colour each run has"))
    if len({(run.fingerprint, run.protocol) for run in runs}) > 1:
        st.caption("These runs hold out different ratings, so their curves cannot be compared.")


def _has(run: Run, column: str) -> bool:
    if column == "loss":
        return len(run.history) > 1
    return column in run.history[0].metrics


def _show_table_of_runs(runs: tuple[Run, ...], k: int) -> None:
    table = runs_table(runs)
    metrics = [f"test {name}" for name in metric_names(k) if f"test {name}" in table]
    settings = ["dim", "layers", "epochs", "batch_size", "learning_rate", "l2", "negatives", "seed"]
    shown = ["started (UTC)", "data", *metrics, "kept epoch", "seconds", "held out"]
    shown += [*settings, "end"]
    formats = {name: "{:.4f}" for name in metrics} | {
        "started (UTC)": lambda time: time[:19].replace("T", " "),
        "held out": PROTOCOL_NAMES.get,
        "kept epoch": "{:.0f}",
        "seconds": "{:.1f}",
        "learning_rate": "{:g}",
        "l2": "{:g}",
    }
    st.dataframe(
        table[shown].style.format(formats, na_rep="–"),
        hide_index=True,
        height=min(38 + 35 * len(table), 320),
        alt="All runs with their settings, times and test metrics",
    )
    with st.container(horizontal=True):
        st.download_button(
            "Runs as CSV",
            to_csv(table),
            "lightgcn_runs.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "Curves as CSV",
            to_csv(curves_table(runs)),
            "lightgcn_curves.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def _use_again(by_id: dict[str, Run], k: int) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Start from the settings of",
            list(by_id),
            format_func=lambda id: run_label(by_id[id]),
            key="use_again",
            help="Runs on these data. It sets the controls above, and the address with them.",
            width=420,
        )
        st.button(
            "Use these settings",
            icon=":material/tune:",
            on_click=lambda: apply_choice(choice_of_run(by_id[chosen], k)),
        )
