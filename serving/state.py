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
from model.checkpoints import PASSING, CheckpointError, load_checkpoint
from model.config import PRESETS
from model.memory import allowance, in_words, machine_memory
from model.splits import DEFAULT_PROTOCOL, PROTOCOLS
from model.store import Comparison, InUse, KeptModel, ModelStore, compare, stamp
from model.trained import TrainedModel
from serving.training_job import JobBoard, JobRefusedError, TrainingJob, board_of, refuse_if_off
from settings import (
    DEMO_DIR,
    checkpoint_path,
    copies_folder,
    training_allowed,
    training_command,
)
from sources import download
from sources.movielens_files import DataError, data_files

_HELD = 3  # data sets and models at a time: in use, replaced by a change, tried by who trained it
_READING = 3  # times the files: what reading them without a binary copy takes at its peak
_VECTORS = 4  # times its file: E(0), what films send, where they are met, and in which direction
_REFUSAL_SECONDS = 30.0  # after that, a file that could not be used is looked at again …
_PASSING_SECONDS = 3.0  # … and a fault that may be over by itself after this

_Value = TypeVar("_Value")

Waiting = Callable[[str], AbstractContextManager]
"""Called with a few words; what to enter while something slow is made."""


@dataclass(frozen=True)
class NoModel:
    """Why there is no model.

    Attributes:
        state: "off": this server does not train; "running": a training is, perhaps on other data;
            "failed": the last training on these data did; "refused": a file that may be their model
            cannot be used, and nobody has asked for another; "absent": there is none.
        reason: one sentence to show; "" where the state says it all.
        remedy: what would help, one sentence; "" likewise.
    """

    state: Literal["off", "running", "failed", "refused", "absent"]
    reason: str = ""
    remedy: str = ""


class _Held(Generic[_Value]):
    """The values of the last few keys, as many as there is memory for (`allowance`), and at least
    the last one; each is made once, however many ask for it at once.

    Not one of Streamlit's caches: any visitor can empty those for everybody.
    """

    def __init__(self) -> None:
        self._values: OrderedDict[Hashable, tuple[_Value, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._making = threading.Lock()  # one at a time; who wants what is there does not wait

    def get(
        self,
        key: Hashable,
        make: Callable[[], _Value],
        size: int,
        waiting: AbstractContextManager,
    ) -> _Value:
        """The value of this key.

        Args:
            size: about how many bytes of memory it takes.
            waiting: entered where it is not there.
        """
        found = self._find(key)
        if found is None:
            with waiting, self._making:
                found = self._find(key)
                if found is None:
                    self._make_room(size)  # first: both may be large
                    found = make()
                    with self._lock:
                        self._values[key] = (found, size)
        return found

    def values(self) -> list[_Value]:
        with self._lock:
            return [value for value, _ in self._values.values()]

    def forget(self, which: Callable[[Hashable], bool]) -> None:
        """Hold the values of these keys no longer."""
        with self._lock:
            for key in [key for key in self._values if which(key)]:
                del self._values[key]

    def _find(self, key: Hashable) -> _Value | None:
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def _make_room(self, size: int) -> None:
        """Forget what was asked for longest ago."""
        allowed = allowance()
        with self._lock:
            while self._values and (
                len(self._values) >= _HELD
                or size + sum(held for _, held in self._values.values()) > allowed
            ):
                self._values.popitem(last=False)


@dataclass(eq=False)
class ServerState:
    """The data and the model in use; a server has one (`server_state`).

    Attributes:
        dataset: the name of the data set to begin with; None: as the environment says.
        download_problem: why the last download failed, one sentence.
    """

    dataset: str | None = None
    download_problem: str | None = None
    _tried: bool = False
    _downloading: threading.Lock = field(default_factory=threading.Lock)
    _data: _Held[MovieData] = field(default_factory=_Held)
    _models: _Held[TrainedModel] = field(default_factory=_Held)
    _refusals: dict[Hashable, tuple[float, CheckpointError]] = field(default_factory=dict)
    _served: tuple[Hashable, TrainedModel] | None = None
    _on_disk: str | None = None
    _remedies: dict[str, str] = field(default_factory=dict)

    # --- the data ---------------------------------------------------------------------------------

    def data_folder(self, fetch: Callable[[], Path]) -> Path:
        """Where the data lie to begin with: what is there, else a download, else the demo.

        The download is tried once by itself, and never where visitors may not train: other data
        need another model.

        Args:
            fetch: downloads the data and returns their folder; may raise DataError.

        Raises:
            DataError: as `find_local_data`.
            SettingError: LIGHTGCN_TRAINING is wrong.
        """
        folder = download.find_local_data(dataset=self.dataset)
        if folder is None and training_allowed():
            with self._downloading:  # a second visitor waits for the first one's download
                folder = download.find_local_data(dataset=self.dataset)
                if folder is None and not self._tried:
                    self._tried = True
                    folder = self.download(fetch)
        return folder or DEMO_DIR

    def data_sets(self) -> dict[str, Path]:
        """The data sets that a visitor can choose from, by name; none beside the demo.

        Raises:
            DataError: as `data_folder`.
        """
        return download.data_sets()

    def training_command(self, data: MovieData) -> str:
        """What trains a model of these data, for the operator; by name where there are several."""
        return training_command(data.directory.name if len(self.data_sets()) > 1 else None)

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
            DataError: as `load_movie_data`, or there is not the memory for them.
        """
        stamps = tuple(stamp(file) for file in data_files(folder))
        key = (folder, stamps)
        size = sum(found[0] for found in stamps if found)  # a line is longer than what is kept
        found = self._data.get(
            key, lambda: _read(folder, size), size, waiting("Reading the ratings …")
        )
        # With data that are no longer held go their models, and what was made of those.
        held = {data.fingerprint for data in self._data.values()}
        self._models.forget(lambda key: isinstance(key, tuple) and key[0] not in held)
        return found

    # --- the model --------------------------------------------------------------------------------

    def model(self, data: MovieData, waiting: Waiting = contextlib.nullcontext) -> InUse:
        """The model in use for the data, for everybody.

        It is the one on disk. Only where none there can be used, one may serve from memory: what
        was trained since and could not be saved, or what served until its file could not be read
        any more. It is forgotten when there is a file again.
        """
        found = self.store.in_use(data, lambda data, path: self._load(data, path, waiting))
        job, key = self._job_on(data), (data.fingerprint, self.store.slot)
        if found.model:
            self._served = (key, found.model)
            self._on_disk = job.id if job and job.status == "finished" else self._on_disk
            return found
        if job and job.status == "finished" and job.id != self._on_disk:
            return InUse(job.model, None, found.problem)
        if found.problem and self._served and self._served[0] == key:
            return InUse(self._served[1], None, found.problem)
        return found

    def kept(self, data: MovieData) -> tuple[KeptModel, ...]:
        """The kept models of the data, newest first."""
        return self.store.kept(data.fingerprint)

    def candidate(
        self, data: MovieData, name: str, waiting: Waiting = contextlib.nullcontext
    ) -> TrainedModel:
        """A kept model of the data, or the last one trained, which may not be saved.

        Raises:
            CheckpointError: there is none of this name, or it cannot be used.
        """
        job = self._job_on(data)
        if job and job.id == name and job.model:
            return job.model
        try:
            return self._load(data, self.store.path(data.fingerprint, name), waiting)
        except FileNotFoundError:
            raise CheckpointError("This model is not kept any more.") from None

    def compared(self, data: MovieData, name: str) -> Comparison:
        """A candidate against the model in use.

        Raises:
            CheckpointError: as `candidate`.
        """
        return compare(self.candidate(data, name), self.model(data).model)

    def promote(self, data: MovieData, name: str) -> None:
        """Put a candidate in use for everybody; what was in use stays among the kept models.

        Raises:
            TrainingOffError: visitors may not change the model in use.
            CheckpointError: it cannot be used, saved, or put there.
        """
        refuse_if_off()
        job = self._job_on(data)
        if job and job.id == name and job.model and not job.saved:
            self.store.keep(job.model, name)  # there may be room for it now
            job.saved = True
        self.store.promote(data, name)
        if job and job.id == name:
            job.promoted = True

    def rename(self, data: MovieData, name: str, title: str) -> None:
        """Give a kept model a title, so that it never gives way to newer ones.

        Raises:
            TrainingOffError: visitors may not change the models.
            CheckpointError: as `ModelStore.rename`.
        """
        refuse_if_off()
        self.store.rename(data.fingerprint, name, title)

    def candidate_of(self, data: MovieData, owner: str | None) -> str | None:
        """What this session has trained on the data last, if it is not in use for everybody."""
        job = self._job_on(data)
        if job and job.model and job.status == "finished" and not job.promoted:
            return job.id if job.owner == owner else None
        return None

    def mark(self, data: MovieData) -> Hashable:
        """What changes when another model may be in use for the data."""
        found = self.model(data)
        waits = not found.model and found.problem and found.problem.fault in PASSING
        return (
            stamp(self.store.slot),
            stamp(self.store.promoted(data.fingerprint)),
            int(time.monotonic() / _PASSING_SECONDS) if waits else None,
        )

    def why_no_model(self, data: MovieData) -> NoModel:
        """Why `model` has none for the data."""
        job, board = self._job_on(data), self.board
        if not training_allowed():
            return NoModel("off")
        if board.running:
            return NoModel("running")
        if job and job.status == "failed":
            return NoModel("failed", job.problem or "The training failed.", self._remedy(job))
        problem = self.model(data).problem
        if problem is None or problem.fault == "data":
            return NoModel("absent")
        return NoModel("refused", str(problem))

    @property
    def store(self) -> ModelStore:
        """Of the models of this server."""
        return ModelStore(checkpoint_path())

    @property
    def board(self) -> JobBoard:
        """Of the trainings that save to the store."""
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

    def _load(
        self, data: MovieData, path: Path, waiting: Waiting = contextlib.nullcontext
    ) -> TrainedModel:
        """As `load_checkpoint`, once for each state of a file; a refusal holds for a while."""
        if _is_missing(path):
            raise FileNotFoundError(path)
        key = (data.fingerprint, path, stamp(path))
        refused = self._refusals.get(key)
        if refused and time.monotonic() < refused[0]:
            raise CheckpointError(str(refused[1]), refused[1].fault)
        try:
            return self._models.get(
                key,
                lambda: load_checkpoint(data, path),
                _VECTORS * path.stat().st_size,
                waiting("Loading the model …"),
            )
        except CheckpointError as error:
            passing = error.fault in PASSING
            until = time.monotonic() + (_PASSING_SECONDS if passing else _REFUSAL_SECONDS)
            still = {k: r for k, r in self._refusals.items() if r[0] > time.monotonic()}
            told = CheckpointError(str(error), error.fault)  # without the frames that it came from
            self._refusals = {**still, key: (until, told)}
            raise

    def _remedy(self, job: TrainingJob) -> str:
        """What would help after a failed training; worked out once for each."""
        if job.id not in self._remedies:
            self._remedies = {job.id: remedy(job.data, job.protocol)}
        return self._remedies[job.id]


def _read(folder: Path, size: int) -> MovieData:
    """The data of a folder, whose files have so many bytes.

    Raises:
        DataError: as `load_movie_data`, or there is not the memory for them.
    """
    needed, memory = _READING * size, machine_memory()
    if memory and needed > memory // 2:
        raise DataError(
            f"{folder.name} is too large for this machine: reading it may take about "
            f"{in_words(needed)} of memory, more than half of the {in_words(memory)} that there "
            "are; choose other data or use a larger machine."
        )
    try:
        return load_movie_data(folder, copies_folder(checkpoint_path()))
    except MemoryError:
        raise DataError(
            f"There is not the memory to read {folder.name} now; end other programs, choose other "
            "data or use a larger machine."
        ) from None


def _is_missing(path: Path) -> bool:
    """Whether there is no file, as far as one may look."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False


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
