"""A training while it runs: progress, live curves, pause and stop for its owner."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime import get_instance

from charts.training import loss_chart, metric_chart, search_chart
from data_preparation import MovieData
from model.runs import pace
from model.trained import EpochRecord
from serving.training_job import JobBoard, TrainingJob
from tabs.shared import draw, session_id
from tabs.train_model.controls import PROTOCOL_NAMES, duration

_CARD_PIXELS = 168  # two fit side by side on a phone


def may_control(job: TrainingJob) -> bool:
    """Whether this visitor may pause and stop: the owner, or anyone once the owner is gone."""
    return job.owner in (None, session_id()) or not _is_connected(job.owner)


def _is_connected(session: str) -> bool:
    return get_instance().is_active_session(session)


def watch(data: MovieData, board: JobBoard, k: int) -> None:
    """Draw the running job again and again, without touching the rest of the page."""
    job = board.job
    if job is None:
        return
    drawn = _control(job)
    # Not inside the fragment: there a click waits for the drawing that is under way, and Streamlit
    # forgets it if another click, say on a tab, comes before its turn.
    _buttons(job)

    @st.fragment(run_every=1.5)
    def progress() -> None:
        if job.status != "running" or _control(job) != drawn:
            st.rerun()  # the whole page: other buttons, or the result and the new model
        if job.data.fingerprint != data.fingerprint:
            st.warning("This run is on other data than are open now; its model will not be used.")
        _progress(job)
        if job.trials and not job.records:
            draw(search_chart(job.trials), "What the search looked at, and the best so far")
        if job.records:
            _numbers(job, k)
            curves(job.records, job.to_beat, k)

    progress()


def _control(job: TrainingJob) -> tuple[bool, bool, bool]:
    """What decides which buttons there are."""
    return may_control(job), job.paused, job.stopping


def _buttons(job: TrainingJob) -> None:
    if not may_control(job):
        st.caption("Another visitor started this run: you can watch it; they can pause or stop it.")
        return
    with st.container(horizontal=True):
        if job.paused:
            st.button("Resume", icon=":material/play_arrow:", on_click=job.resume)
        else:
            st.button(
                "Pause",
                icon=":material/pause:",
                on_click=job.pause,
                disabled=job.stopping,
            )
        st.button(
            "Stop and keep the best",
            icon=":material/stop:",
            on_click=job.request_stop,
            disabled=job.stopping,
        )


def _progress(job: TrainingJob) -> None:
    text = job.doing
    if job.phase == "Training" and len(job.records) > 1:
        per_epoch = pace(job.records)
        left = duration(per_epoch * (job.config.epochs - job.records[-1].epoch))
        text += f" · {per_epoch:.1f} s per epoch · at most {left} left"
    if job.paused:
        text = f"Paused · {text}"
    elif job.stopping:
        text = f"Stopping · {text}"
    st.progress(job.share_done, text)


def _numbers(job: TrainingJob, k: int) -> None:
    """The newest loss and metrics, against popularity."""
    done = job.records[-1]
    with st.container(horizontal=True):
        loss = "–" if done.epoch == 0 else f"{done.loss:.4f}"
        st.metric("Training loss", loss, border=True, width=_CARD_PIXELS)
        for name in metric_names(k):
            value, beat = done.metrics[name], job.to_beat[name]
            lead = f"{value - beat:+.4f}"
            level = float(lead) == 0  # as good as popularity, as far as it is shown
            st.metric(
                name,
                f"{value:.4f}",
                lead,
                delta_color="off" if level else "normal",
                delta_arrow="off" if level else "auto",
                delta_description="vs pop.",
                help=f"On validation; below, the distance to popularity, which has {beat:.4f}.",
                border=True,
                width=_CARD_PIXELS,
            )
    st.caption(
        f"Measured on validation: held-out ratings ({PROTOCOL_NAMES[job.protocol]}), ranked among "
        "all films; they choose the epoch and are not trained on. Small: the lead over popularity."
    )


def metric_names(k: int) -> tuple[str, str, str]:
    return f"Hit@{k}", f"Recall@{k}", f"NDCG@{k}"


def curves(records: tuple[EpochRecord, ...], to_beat: dict[str, float], k: int) -> None:
    """Loss and the three metrics on validation by epoch, each with popularity as a line to beat."""
    first, second = st.columns(2), st.columns(2)
    if len(records) > 1:
        with first[0]:
            draw(loss_chart(records), "Training loss by epoch")
    else:
        first[0].caption("A loss there is from the first epoch on.")
    for column, name in zip((first[1], *second), reversed(metric_names(k)), strict=True):
        if name not in records[0].metrics:
            column.caption(f"{name} was not measured in this run.")
            continue
        with column:
            draw(
                metric_chart(records, name, to_beat.get(name)),
                f"{name} on validation by epoch, with popularity as the line to beat",
            )
