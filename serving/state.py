"""What a running server holds for everybody: the data, the model in use, and why there is none.

The page asks for it at every run, other faces of the server as they need it. No Streamlit in here.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, TypeVar

from data_preparation import MovieData, load_movie_data
from model.checkpoints import CheckpointError, load_checkpoint
from model.config import PRESETS
from model.splits import DEFAULT_PROTOCOL, PROTOCOLS
from model.trained import TrainedModel
from serving.training_job import JobBoard, JobRefusedError, TrainingJob, board_of
from settings import DEMO_DIR, checkpoint_path, training_allowed
from sources import download
from sources.files import reason, regular_files
from sources.movielens_files import DataError

_HELD = 2  # data sets and models at a time: those in use, and those that a change replaces
_REFUSAL_SECONDS = 30.0  # after that, a file that could not be used is looked at again

_Value = TypeVar("_Value")

Stamp = tuple[int, int, int]
"""Of a file: its size, and when its content and its permissions last changed (ns)."""

Waiting = Callable[[str], AbstractContextManager]
"""Called with a few words; what to enter while something slow is made."""


def stamp(path: Path) -> Stamp | None:
    """What changes with the file; None where there is none that can be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


@dataclass(frozen=True, eq=False)
class ModelInUse:
    """The model that serves some data.

    Attributes:
        model: None where there is none.
        problem: why the file in its place is not used, a sentence; None if it is, or if there is
            no file.
    """

    model: TrainedModel | None
    problem: str | None = None


@dataclass(frozen=True)
class NoModel:
    """Why there is no model.

    Attributes:
        state: "off": this server does not train; "running": a training is, perhaps on other data;
            "failed": the last training on these data did; "refused": the file cannot be used, and
            nobody has asked for another; "absent": there is no file.
        reason: one sentence to show; "" where the state says it all.
        remedy: what would help, one sentence; "" likewise.
    """

    state: Literal["off", "running", "failed", "refused", "absent"]
    reason: str = ""
    remedy: str = ""


class _Held(Generic[_Value]):
    """The values of the last few keys; each is made once, however many ask for it at once.

    Not one of Streamlit's caches: any visitor can empty those for everybody.
    """

    def __init__(self) -> None:
        self._values: OrderedDict[Hashable, _Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, key: Hashable, make: Callable[[], _Value], waiting: AbstractContextManager
    ) -> _Value:
        with contextlib.nullcontext() if key in self._values else waiting, self._lock:
            if key not in self._values:
                self._values[key] = make()
                while len(self._values) > _HELD:
                    self._values.popitem(last=False)
            self._values.move_to_end(key)
            return self._values[key]


@dataclass(eq=False)
class ServerState:
    """The data and the model in use; a server has one (`server_state`).

    Attributes:
        download_problem: why the last download failed, one sentence.
    """

    download_problem: str | None = None
    _tried: bool = False
    _downloading: threading.Lock = field(default_factory=threading.Lock)
    _data: _Held[MovieData] = field(default_factory=_Held)
    _models: _Held[TrainedModel] = field(default_factory=_Held)
    _refusals: dict[Hashable, tuple[float, str]] = field(default_factory=dict)
    _remedies: dict[str, str] = field(default_factory=dict)

    # --- the data ---------------------------------------------------------------------------------

    def data_folder(self, fetch: Callable[[], Path]) -> Path:
        """Where the data lie: what is there, else a download, else the built-in demo.

        The download is tried once by itself, and never where visitors may not train: other data
        need another model.

        Args:
            fetch: downloads the data and returns their folder; may raise DataError.

        Raises:
            DataError: MOVIELENS_DIR is set, but holds no data.
            SettingError: LIGHTGCN_TRAINING is wrong.
        """
        folder = download.find_local_data()
        if folder is None and training_allowed():
            with self._downloading:  # a second visitor waits for the first one's download
                folder = download.find_local_data()
                if folder is None and not self._tried:
                    self._tried = True
                    folder = self.download(fetch)
        return folder or DEMO_DIR

    def download(self, fetch: Callable[[], Path]) -> Path | None:
        """The folder of the new data, or None; then `download_problem` says why."""
        self.download_problem = None
        try:
            return fetch()
        except DataError as error:
            self.download_problem = str(error)
            return None

    def data(self, folder: Path, waiting: Waiting = contextlib.nullcontext) -> MovieData:
        """The data in a folder, read again when a file changes.

        Raises:
            DataError: as `load_movie_data`.
        """
        key = (folder, tuple(stamp(file) for file in regular_files(folder, ".csv")))
        return self._data.get(
            key, lambda: load_movie_data(folder), waiting("Reading the ratings …")
        )

    # --- the model --------------------------------------------------------------------------------

    def model(self, data: MovieData, waiting: Waiting = contextlib.nullcontext) -> ModelInUse:
        """The model for the data: the one in the checkpoint, else what was trained since."""
        job = self._job_on(data)
        made_here = job.model if job and job.status == "finished" else None
        if job and made_here and not job.saved:
            return ModelInUse(made_here)
        model, problem = self._from_file(data, waiting)
        return ModelInUse(model or made_here, problem)  # the file may have been damaged since

    def why_no_model(self, data: MovieData) -> NoModel:
        """Why `model` has none for the data."""
        job, board = self._job_on(data), self.board
        if not training_allowed():
            return NoModel("off")
        if board.running:
            return NoModel("running")
        if job and job.status == "failed":
            return NoModel("failed", job.problem or "The training failed.", self._remedy(job))
        problem = self._from_file(data)[1]
        return NoModel("refused", problem) if problem else NoModel("absent")

    @property
    def board(self) -> JobBoard:
        """Of the trainings that save to the checkpoint."""
        return board_of(checkpoint_path())

    def start_first_training(self, data: MovieData) -> None:
        """Train a quick model, unless a training is running already or this server does not train.

        Without being asked only where the state is "absent": a file that cannot be used now may be
        somebody's model.
        """
        with contextlib.suppress(JobRefusedError):  # another session was quicker: watch its run
            self.board.start(data, DEFAULT_PROTOCOL, PRESETS["fast"], checkpoint_path())

    def _job_on(self, data: MovieData) -> TrainingJob | None:
        """The last training, if it was on these data."""
        job = self.board.job
        return job if job and job.data.fingerprint == data.fingerprint else None

    def _from_file(
        self, data: MovieData, waiting: Waiting = contextlib.nullcontext
    ) -> tuple[TrainedModel | None, str | None]:
        """The model in the checkpoint, or why it is not used; None twice where there is no file."""
        path = checkpoint_path()
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None, None
        except OSError as error:
            return None, f"{path.name} cannot be looked at ({reason(error)})."
        key = (data.fingerprint, path, stamp(path))
        refused = self._refusals.get(key)
        if refused and time.monotonic() < refused[0]:
            return None, refused[1]

        def load() -> TrainedModel:
            return load_checkpoint(data, path)

        try:
            return self._models.get(key, load, waiting("Loading the model …")), None
        except FileNotFoundError:  # taken away in this moment
            return None, None
        except (CheckpointError, OSError) as error:
            self._refusals = {key: (time.monotonic() + _REFUSAL_SECONDS, str(error))}
            return None, str(error)

    def _remedy(self, job: TrainingJob) -> str:
        """What would help after a failed training; worked out once for each."""
        if job.id not in self._remedies:
            self._remedies = {job.id: remedy(job.data, job.protocol)}
        return self._remedies[job.id]


def remedy(data: MovieData, protocol: str) -> str:
    """What would help where a training on the data failed, one sentence.

    Args:
        protocol: what it held out, a key of `PROTOCOLS`.
    """
    splits = {name: split(data) for name, split in PROTOCOLS.items()}
    measurable = [name for name, split in splits.items() if split.validation.nnz and split.test.nnz]
    if not measurable:
        return (
            "A model is measured on ratings that are held out, so these data need more of them: "
            "three or more of at least one person."
        )
    if protocol not in measurable:
        return "It may work with other ratings held out: choose them in the tab Train Model."
    return "It may work with other settings, in the tab Train Model, or with other data."


_server = ServerState()


def server_state() -> ServerState:
    """The one that every session and thread of this process shares."""
    return _server
