"""Train Model: settings, a run in the background, the model in use, and all runs so far."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import streamlit as st

from charts.training import search_chart
from data_preparation import MovieData
from model.evaluation import LIKED
from model.profiles import PROFILES
from model.runs import IN_USE, OURS, Run, RunHistory, load_runs
from model.store import Stamp, stamp
from model.trained import TrainedModel, attention_in_words, kept_epoch, trend_in_words
from serving.state import ServerState
from serving.training_job import JobRefusedError, TrainingJob
from settings import checkpoint_path, runs_folder, training_allowed
from sources.files import regular_files
from tabs.links import FOR_SERVING, PLAYGROUND, TRAINING
from tabs.shared import draw, escape, session_id
from tabs.steps import arrive, asked, leave
from tabs.train_model import playground
from tabs.train_model.controls import PROTOCOL_NAMES, choose_settings, show_estimate
from tabs.train_model.links import DEFAULT_K
from tabs.train_model.models import show_models
from tabs.train_model.progress import curves, metric_names, watch
from tabs.train_model.runs import show_runs
from tabs.train_model.trying import name_tried

_INTERVAL = "95 % interval"
MODEL_NAMES = {"hybrid": "the hybrid graph", "paper": "the LightGCN paper's model"}


def render(data: MovieData, model: TrainedModel | None, server: ServerState) -> None:
    st.header("Train LightGCN from scratch")
    arrive("training", asked("training", TRAINING, FOR_SERVING))
    part = st.segmented_control(
        "Section",
        TRAINING,
        required=True,
        key="training",
        persist_state="session",
        label_visibility="collapsed",
    )
    leave(training=part)
    if part == PLAYGROUND:
        playground.render(data)
    else:
        _for_serving(data, model, server)


def _for_serving(data: MovieData, model: TrainedModel | None, server: ServerState) -> None:
    history = _history(runs_folder(checkpoint_path()))
    if not training_allowed():
        _only_look(data, model, server, history)
        return
    board = server.board
    choice = choose_settings()
    fits = show_estimate(data, choice, history.runs)
    running = board.running
    if st.button("Train", type="primary", key="train", disabled=running or not fits, width=160):
        try:
            board.start(
                data,
                choice.protocol,
                choice.config,
                checkpoint_path(),
                refit=choice.refit,
                owner=session_id(),
            )
        except JobRefusedError as error:
            st.warning(str(error))
        else:
            st.rerun()
    if running:
        watch(data, board, choice.k)
    else:
        runs = _with_last(history.runs, board.job)
        tried = name_tried(data, server) is not None
        if board.job:
            _outcome(board.job, data, model, tried)
        if model:
            _describe(data, model, runs, choice.k, tried)
        show_models(data, server)
    show_runs(data, history, choice.k)


def _only_look(
    data: MovieData, model: TrainedModel | None, server: ServerState, history: RunHistory
) -> None:
    """The tab on a server that does not train: the model in use and the runs, nothing to press."""
    st.info(
        "Training is switched off on this server: you can look at the model in use and at the "
        f"runs, and its operator trains with `{server.training_command(data)}`.",
        icon=":material/lock:",
    )
    if model:
        _describe(data, model, history.runs, DEFAULT_K)
    show_models(data, server, changeable=False)
    show_runs(data, history, DEFAULT_K, reusable=False)


def _history(folder: Path) -> RunHistory:
    files = regular_files(folder, ".json")
    # As bytes: names need not be text, and Streamlit hashes texts in UTF-8.
    stamps = tuple((os.fsencode(file.name), stamp(file)) for file in files)
    return _cached_history(os.fsencode(folder), stamps)


@st.cache_resource(max_entries=2, show_spinner=False)
def _cached_history(folder: bytes, files: tuple[tuple[bytes, Stamp | None], ...]) -> RunHistory:
    """`files`: names and what changes with them, so that new runs are read."""
    return load_runs(Path(os.fsdecode(folder)))


def _with_last(runs: tuple[Run, ...], job: TrainingJob | None) -> tuple[Run, ...]:
    """The runs and the last one of this server, which may not be on disk."""
    if job is None or job.id in (run.id for run in runs):
        return runs
    return (job.as_run(), *runs)


def _outcome(job: TrainingJob, data: MovieData, model: TrainedModel | None, tried: bool) -> None:
    """What came of the last run, as far as it does not stand above the tabs."""
    if job.status == "failed":
        told = model is None and job.data.fingerprint == data.fingerprint  # above the tabs
        if not told:
            st.error(escape(job.problem or "The training failed."))
    elif job.problem:
        unsaved = "" if job.saved else " The new model is in memory until the app is restarted."
        st.warning(escape(f"{job.problem}{unsaved}"))
    if job.compared and job.data.fingerprint == data.fingerprint and not tried:
        now = " It is in use now." if job.promoted else ""
        st.caption(escape(f"The last training here: {job.compared.sentence}{now}"))


def _describe(
    data: MovieData, model: TrainedModel, runs: tuple[Run, ...], k: int, tried: bool = False
) -> None:
    """The model that the visitor sees: what it is, its test metrics beside others, its curves."""
    config = model.config
    st.subheader("The model you try" if tried else "The model in use")
    searched = f" after a search over {len(model.trials)} settings" if model.trials else ""
    how = f"fitted in closed form{searched}" if config.fitted else "learned from a random start"
    kept = f" Kept {kept_epoch(model)}, chosen on validation. {model.stop_reason}"
    st.success(
        f"Now {'tried' if tried else 'in use'}: {MODEL_NAMES[config.model]}, embedding size "
        f"{model.dim:,}, K = {config.layers}, {how}.{kept if config.epochs else ''}",
        icon=":material/check_circle:",
    )
    for said in filter(None, (attention_in_words(model), trend_in_words(model))):
        st.caption(said)
    run = _run_of(model, runs)
    st.markdown(f"**On test, lists of {k}**")
    table = _test_table(model, run, k)
    st.dataframe(table, width="content", alt=f"Test metrics of the lists of {k}")
    st.caption(_measured_on(data, model, run))
    if model.trials:
        draw(search_chart(model.trials), "What the search looked at, and the best so far")
        if any(trial.changed in PROFILES for trial in model.trials):
            st.caption(
                "A dot is the mean of NDCG@20 for “watch” and liked NDCG@20 for “like”; the star "
                "strengths, chosen last, are not drawn."
            )
    if config.epochs:
        curves(model.history, run.to_beat if run else {}, k)


def _run_of(model: TrainedModel, runs: tuple[Run, ...]) -> Run | None:
    """The run that the model came from, if it is known."""
    same = (
        run
        for run in runs
        if run.fingerprint == model.fingerprint
        and run.config == model.config
        and run.test.get(OURS) == model.test_metrics
    )
    return next(same, None)


def _test_table(model: TrainedModel, run: Run | None, k: int) -> pd.DataFrame:
    """Rows: the metrics at K. Columns: our model, its interval, the others; as text."""
    names = [name for name in _measured_names(k) if name in model.test_metrics]
    ours = f"{OURS}, like" if model.is_hybrid else OURS
    columns = {ours: [_metric_text(model.test_metrics.get(name)) for name in names]}
    if model.test_intervals:
        columns[_INTERVAL] = [_interval_text(model.test_intervals.get(name)) for name in names]
    if model.watch_metrics:
        columns[f"{OURS}, watch"] = [_metric_text(model.watch_metrics.get(name)) for name in names]
    for other, values in (run.test if run else {}).items():
        if other != OURS:
            columns[other] = [_metric_text(values.get(name)) for name in names]
    return pd.DataFrame(columns, index=names)


def _measured_names(k: int) -> list[str]:
    """All held-out films, then only the liked ones."""
    return [*metric_names(k), *(LIKED + name for name in metric_names(k))]


def _metric_text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _interval_text(ends: tuple[float, float] | None) -> str:
    return "–" if ends is None else f"{ends[0]:.4f} – {ends[1]:.4f}"


def _measured_on(data: MovieData, model: TrainedModel, run: Run | None) -> str:
    """Which ratings each number was measured on, and which ones the model in use learned from."""
    sentences = [
        f"Test: held-out ratings ({PROTOCOL_NAMES[model.protocol]}) that neither the training nor "
        "the choice of the epoch saw; ranked among all films.",
        "Below: other held-out ratings (validation), which chose settings and epoch.",
        "Interval: bootstrap over users.",
    ]
    if model.is_hybrid:
        sentences.append(
            "“liked”: only held-out films with 4 stars or more; the profile “like” serves, “watch” "
            "counts stars less."
        )
    if run and IN_USE in run.test:
        sentences.append(f"“{IN_USE}”: the one that was in use when this one was trained.")
    if model.refitted:
        sentences.append(
            f"Then it was fitted again to all {data.n_ratings:,} ratings for serving; no rating "
            "is left to measure that, so the numbers are of the model before."
        )
    else:
        sentences.append(
            "The film vectors come from the training ratings alone; a list is made from all "
            f"{data.n_ratings:,}."
        )
    return " ".join(sentences)
