"""Train Model: settings, a run in the background, live curves on held-out ratings."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from data_preparation import MovieData
from evaluation import DEFAULT_PROTOCOL, PROTOCOLS
from model_training import PRESETS, TrainedModel, TrainingConfig, checkpoint_path, kept_epoch
from plots import loss_chart, metric_chart
from training_job import JobBoard, JobBusyError, TrainingJob

_PROTOCOL_NAMES = {
    "temporal_leave_one_out": "each user's last rating",
    "random_80_10_10": "10 % at random",
}
_PRESET_NAMES = {
    "best": "this project's best",
    "fast": "fast",
    "published": "published recipe",
}


def render(data: MovieData, model: TrainedModel | None, board: JobBoard) -> None:
    st.header("Train LightGCN from scratch")
    protocol, config = _settings()
    start, stop, _ = st.columns([1, 1, 3])
    if start.button("Train", type="primary", key="train", disabled=board.running, width="stretch"):
        try:
            board.start(data, protocol, config, checkpoint_path())
        except JobBusyError as error:
            st.warning(str(error))
        st.rerun()
    if stop.button("Stop and keep the best", disabled=not board.running, width="stretch"):
        board.job.request_stop()
    if board.job:
        _watch(board)
    elif model:
        _summary(model, None)
        st.altair_chart(loss_chart(model.history), alt="Training loss by epoch")


def _settings() -> tuple[str, TrainingConfig]:
    preset, protocol = st.columns(2)
    chosen = preset.segmented_control(
        "Start from",
        list(PRESETS),
        format_func=_PRESET_NAMES.get,
        default="best",
        required=True,
        key="preset",
        persist_state="session",
        help="The published recipe is plain LightGCN: random start, one negative, small steps.",
    )
    base = PRESETS[chosen or "best"]
    held_out = protocol.segmented_control(
        "Hold out",
        list(PROTOCOLS),
        format_func=_PROTOCOL_NAMES.get,
        default=DEFAULT_PROTOCOL,
        required=True,
        key="protocol",
        persist_state="session",
        help="Held-out ratings are never trained on; the metrics are measured on them.",
    )
    dims, layers, epochs, batch = st.columns(4)

    # Keys name the preset, so that choosing another one resets the sliders to its values.
    def key(name: str) -> dict[str, str]:
        return {"key": f"{name}_{chosen}", "persist_state": "session"}

    dim = dims.select_slider(
        "Embedding size",
        [8, 16, 32, 64, 96, 128, 192, 256],
        base.dim,
        help="Numbers per node; time and memory grow with it.",
        **key("dim"),
    )
    n_layers = layers.slider(
        "Layers K", 0, 6, base.layers, help="Hops that a message travels.", **key("layers")
    )
    n_epochs = epochs.slider(
        "Epochs at most", 1, 300, base.epochs, help="Passes over the ratings.", **key("epochs")
    )
    batch_size = batch.select_slider(
        "Batch size",
        [512, 1024, 2048, 4096, 8192, 16384, 32768],
        base.batch_size,
        help="Ratings per step: smaller batches take more steps and more time.",
        **key("batch_size"),
    )
    return held_out or DEFAULT_PROTOCOL, replace(
        base, dim=dim, layers=n_layers, epochs=n_epochs, batch_size=batch_size
    )


def _watch(board: JobBoard) -> None:
    """Draw the job; while it runs, redraw every second without touching the rest of the page."""
    was_running = board.running

    @st.fragment(run_every=1.0 if was_running else None)
    def progress() -> None:
        _draw_job(board.job)
        if was_running and not board.running:
            st.rerun()  # the other tabs pick up the new model

    progress()


def _draw_job(job: TrainingJob) -> None:
    done = job.records[-1] if job.records else None
    if job.status == "failed":
        st.error(job.problem)
        return
    if job.status == "running":
        epoch = done.epoch if done else 0
        left = ""
        if done and epoch:
            left = f" · at most {done.seconds / epoch * (job.config.epochs - epoch):.0f} s left"
        st.progress(
            epoch / job.config.epochs,
            f"Epoch {epoch} of {job.config.epochs}{left}" if done else "Preparing …",
        )
    if done is None:
        return
    baseline = job.baseline.get("validation", {})
    columns = st.columns(4)
    for column, name in zip(columns, ("Hit@10", "Recall@10", "NDCG@10", "NDCG@20"), strict=True):
        value, beat = done.metrics[name], baseline.get(name)
        delta = f"{value - beat:+.4f} against popularity" if beat is not None else None
        column.metric(f"{name} on validation", f"{value:.4f}", delta, border=True)
    loss, metric = st.columns(2)
    if len(job.records) > 1:
        loss.altair_chart(loss_chart(job.records), alt="Training loss by epoch")
    else:
        loss.caption("The loss appears after the first epoch.")
    metric.altair_chart(
        metric_chart(job.records, "NDCG@20", baseline.get("NDCG@20")),
        alt="NDCG@20 on validation by epoch, with the popularity baseline",
    )
    st.caption(
        "Measured on held-out validation ratings, over all films. Epoch 0 is the state before the "
        "first step: with a warm start it is already far from random."
    )
    if job.status == "finished":
        if job.problem:
            st.warning(f"{job.problem} The new model stays in use until the app is restarted.")
        _summary(job.model, job.baseline["test"])


def _summary(model: TrainedModel, baseline: dict[str, float] | None) -> None:
    config = model.config
    st.success(
        f"In use: embedding size {config.dim}, K = {config.layers}, {kept_epoch(model)} "
        f"chosen on validation. {model.stop_reason}",
        icon=":material/check_circle:",
    )
    table = pd.DataFrame({"LightGCN": model.test_metrics})
    if baseline:
        table["popularity"] = pd.Series(baseline)
    st.markdown(f"**Test metrics** ({_PROTOCOL_NAMES[model.protocol]}; never seen in training)")
    st.dataframe(table.style.format("{:.4f}"), width="content", alt="Test metrics")
