"""LightGCN movie recommender: `streamlit run app.py`."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from data_download import DEMO_DIR, download_movielens, find_local_data
from data_preparation import DataError, MovieData, load_movie_data
from evaluation import DEFAULT_PROTOCOL
from model_training import (
    PRESETS,
    CheckpointError,
    TrainedModel,
    checkpoint_path,
    load_checkpoint,
)
from tabs import insights, recommendations, start_here, train_model
from tabs.links import TABS, link_problems
from training_job import JobBoard, JobBusyError


@dataclass
class FirstDownload:
    """The server tries the download once by itself; after that, only when asked."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    tried: bool = False
    problem: str | None = None


@st.cache_resource
def first_download() -> FirstDownload:
    return FirstDownload()


@st.cache_resource
def job_board() -> JobBoard:
    return JobBoard()


@st.cache_resource(max_entries=2, show_spinner="Reading the ratings …")
def cached_data(directory: Path, changed: tuple[int, ...]) -> MovieData:
    """`changed`: modification times, so that new files are read."""
    return load_movie_data(directory)


@st.cache_resource(max_entries=2, show_spinner="Loading the model …")
def cached_model(_data: MovieData, fingerprint: str, path: Path, changed: int) -> TrainedModel:
    return load_checkpoint(_data, path)


def main() -> None:
    st.set_page_config("LightGCN Movies", ":material/movie:", layout="wide")
    # Streamlit leaves six empty lines above the title.
    st.html("<style>[data-testid=stMainBlockContainer] {padding-top: 2rem}</style>")
    st.title("LightGCN Movies")
    st.caption("A graph neural network that recommends films and shows exactly why.")
    try:
        data = load_data()
    except DataError as error:
        st.error(str(error), icon=":material/error:")
        st.stop()
    if "link_read" not in st.session_state:  # only the first run sees what the link asked for
        st.session_state["link_read"] = True
        for problem in link_problems(_query(), data):
            st.warning(problem, icon=":material/link_off:")
    board = job_board()
    model = current_model(data, board)
    tabs = st.tabs(TABS, key="tab", bind="query-params")
    renderers = [
        lambda: start_here.render(data, model),
        lambda: recommendations.render(data, model),
        lambda: train_model.render(data, model, board),
        lambda: insights.render(data, model),
    ]
    for tab, render in zip(tabs, renderers, strict=True):
        if tab.open:
            with tab:
                render()


def _query() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def load_data() -> MovieData:
    """The data by the documented order; on the demo data, says so and offers the download."""
    directory = find_local_data()
    if directory is None:
        attempt = first_download()
        with attempt.lock:  # a second visitor waits for the first one's download
            directory = find_local_data()
            if directory is None and not attempt.tried:
                attempt.tried = True
                directory, attempt.problem = try_download()
    directory = directory or DEMO_DIR
    if directory.resolve() == DEMO_DIR:
        offer_download()
    times = tuple(file.stat().st_mtime_ns for file in sorted(directory.glob("*.csv")))
    return cached_data(directory, times)


def try_download() -> tuple[Path | None, str | None]:
    """The folder, or None and the sentence that says why not."""
    bar = st.progress(0.0, "Downloading MovieLens from GroupLens …")
    try:
        return download_movielens(progress=lambda done, total: bar.progress(min(done / total, 1.0)))
    except DataError as error:
        return None, str(error)
    finally:
        bar.empty()


def offer_download() -> None:
    attempt = first_download()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(
            "**Demo data:** real films, simulated viewers. Good for a tour, not for a "
            f"recommendation to trust. {attempt.problem or ''}",
            icon=":material/science:",
            width="stretch",
        )
        wanted = st.button("Download MovieLens (1 MB)", icon=":material/download:")
    if wanted:
        directory, attempt.problem = try_download()
        if directory:
            st.rerun()
        st.error(attempt.problem)


def current_model(data: MovieData, board: JobBoard) -> TrainedModel | None:
    """The newest model that fits the data; without any, starts a training and shows it."""
    job, path = board.job, checkpoint_path()
    fits = job is not None and job.data.fingerprint == data.fingerprint
    made_here = job.model if fits and job.status == "finished" else None
    follow_new_models(path)
    if made_here and not job.saved:
        return made_here
    try:
        return cached_model(data, data.fingerprint, path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        pass
    except CheckpointError as error:
        st.warning(str(error), icon=":material/warning:")
    if made_here:  # its file was taken away or damaged since
        return made_here
    if not fits:
        with contextlib.suppress(JobBusyError):  # another session was quicker: watch its run
            board.start(data, DEFAULT_PROTOCOL, PRESETS["fast"], path)
    first_training(board)
    return None


def follow_new_models(path: Path) -> None:
    """Run the page again when another session or the command line has saved a model."""
    seen = _changed(path)

    @st.fragment(run_every=5.0)
    def look() -> None:
        if _changed(path) != seen:
            st.rerun()

    look()


def _changed(path: Path) -> int | None:
    """Modification time, None where there is no file."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def first_training(board: JobBoard) -> None:
    """A progress line above the tabs until the first model is there."""

    @st.fragment(run_every=0.5 if board.running else None)
    def line() -> None:
        job = board.job
        if job is None or job.status == "failed":
            return
        if job.status == "finished":
            st.rerun()
        epoch = job.records[-1].epoch if job.records else 0
        st.progress(
            epoch / job.config.epochs,
            f"Training a first model on {job.data.n_ratings:,} ratings: "
            f"epoch {epoch} of {job.config.epochs}",
        )

    line()


main()
