"""LightGCN movie recommender: `streamlit run app.py`."""

from __future__ import annotations

import contextlib
import gc
import threading
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from data_preparation import MovieData, load_movie_data
from model.checkpoints import CheckpointError, load_checkpoint
from model.config import PRESETS
from model.splits import DEFAULT_PROTOCOL
from model.trained import TrainedModel
from serving.training_job import JobBoard, JobRefusedError, board_of
from settings import (
    DEFAULT_POSTER,
    DEMO_DIR,
    TRAINING_COMMAND,
    SettingError,
    checkpoint_path,
    training_allowed,
)
from sources.download import download_movielens, find_local_data
from sources.movielens_files import DataError
from tabs.insights import tab as insights
from tabs.links import TABS, read_link
from tabs.recommendations import tab as recommendations
from tabs.shared import escape
from tabs.start_here import tab as start_here
from tabs.train_model import tab as train_model

# Streamlit leaves six empty lines above the title; a phone has no room for a large one; and white
# on the dark theme's primary colour cannot be read.
_STYLE = """
[data-testid=stMainBlockContainer] {padding-top: 2rem}
@media (max-width: 640px) {
  h1 {font-size: 1.8rem !important; padding-bottom: 0.25rem !important}
  h2 {font-size: 1.35rem !important; padding: 0.2rem 0 !important}
  h3 {font-size: 1.2rem !important; padding: 0.4rem 0 !important}
}
[data-testid=stBaseButton-primary]:enabled, [data-testid=stBaseButton-primary]:enabled *,
[data-testid=stMultiSelect] [data-tag] * {color: light-dark(#fff, #10161b) !important}
[class*=st-key-films_found] button {min-height: 2rem; padding: 0.1rem 0.8rem; border-radius: 1rem}
"""


@dataclass
class FirstDownload:
    """The server tries the download once by itself; after that, only when asked."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    tried: bool = False
    problem: str | None = None


@st.cache_resource
def first_download() -> FirstDownload:
    return FirstDownload()


@st.cache_resource(max_entries=2, show_spinner="Reading the ratings …")
def cached_data(directory: Path, changed: tuple[int, ...]) -> MovieData:
    """`changed`: modification times, so that new files are read."""
    return load_movie_data(directory)


@st.cache_resource(max_entries=2, show_spinner="Loading the model …")
def cached_model(_data: MovieData, fingerprint: str, path: Path, changed: int) -> TrainedModel:
    return load_checkpoint(_data, path)


@st.cache_resource(show_spinner=False)
def freeze_libraries() -> None:
    """Spare the garbage collector the libraries' objects, once per server.

    Streamlit collects all garbage after every run of a page or fragment. Walking through what the
    imported libraries hold, which never becomes garbage, took most of the time of a rerun.
    """
    gc.collect()
    gc.freeze()


def main() -> None:
    freeze_libraries()
    # A file of ours as the icon: an icon by name would come from another server.
    st.set_page_config("LightGCN Movies", DEFAULT_POSTER, layout="wide")
    st.html(f"<style>{_STYLE}</style>")
    st.title("LightGCN Movies")
    st.caption("A graph neural network that recommends films and shows exactly why.")
    try:
        training_allowed()
        data = load_data()
    except (DataError, SettingError) as error:
        st.error(escape(str(error)), icon=":material/error:")
        st.stop()
    show_link_problems(data)
    board = board_of(checkpoint_path())
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


def show_link_problems(data: MovieData) -> None:
    """On the first run: say what the link asks for in vain, and leave the widgets only the rest."""
    if "link_problems" not in st.session_state:
        sound, st.session_state["link_problems"] = read_link(_query(), data)
        if st.session_state["link_problems"]:
            st.query_params.from_dict(sound)
            st.rerun()  # the widgets take their values from the address when a run begins
    for problem in st.session_state["link_problems"]:
        st.warning(escape(problem), icon=":material/link_off:")
    st.session_state["link_problems"] = []


def _query() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def load_data() -> MovieData:
    """The data by the documented order; on the demo data, says so and offers the download.

    Other data need another model, so where visitors may not train, they may not download either.
    """
    directory = find_local_data()
    if directory is None and training_allowed():
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
        folder = download_movielens(progress=lambda done, total: bar.progress(min(done / total, 1)))
        return folder, None
    except DataError as error:
        return None, str(error)
    finally:
        bar.empty()


def offer_download() -> None:
    attempt = first_download()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(
            "**Demo data:** real films, simulated viewers. Good for a tour, not for a "
            f"recommendation to trust. {escape(attempt.problem or '')}",
            icon=":material/science:",
            width="stretch",
        )
        wanted = training_allowed() and st.button(
            "Download MovieLens (1 MB)", icon=":material/download:"
        )
    if wanted:
        directory, attempt.problem = try_download()
        if directory:
            st.rerun()
        st.error(escape(attempt.problem or ""))


def current_model(data: MovieData, board: JobBoard) -> TrainedModel | None:
    """The newest model that fits the data; without any, starts a training and shows it.

    Where visitors may not train, says instead what the operator has to do.
    """
    job, path = board.job, checkpoint_path()
    ours = job if job and job.data.fingerprint == data.fingerprint else None
    made_here = ours.model if ours and ours.status == "finished" else None
    follow_new_models(path)
    if ours and made_here and not ours.saved:
        return made_here
    try:
        return cached_model(data, data.fingerprint, path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        pass
    except (CheckpointError, OSError) as error:
        st.warning(escape(f"The model is not used: {error}"), icon=":material/warning:")
    if made_here:  # its file was taken away or damaged since
        return made_here
    if not training_allowed():
        st.warning(
            "This server has no model for its data and does not train; its operator has to run "
            f"`{TRAINING_COMMAND}`, then this page fills in by itself.",
            icon=":material/engineering:",
        )
        return None
    if not ours:
        with contextlib.suppress(JobRefusedError):  # another session was quicker: watch its run
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
