"""Training in a background thread, so that the page never waits for it. No Streamlit in here."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from checkpoints import (
    CheckpointError,
    library_versions,
    load_checkpoint,
    restore_previous,
    save_checkpoint,
)
from data_preparation import MovieData
from evaluation import PROTOCOLS, Split, ease, evaluate, popularity
from lightgcn import EpochRecord, TrainedModel
from model_training import StopTraining, refit, train
from runs import EASE, OURS, POPULARITY, PREVIOUS, Run, RunError, new_run_id, runs_folder, save_run
from training_config import TrainingConfig

log = logging.getLogger(__name__)

KS = (5, 10, 20, 50)  # list lengths that every run is measured at
MAX_EASE_FILMS = 20_000  # its dense tables grow with users × films


TRAINING_VARIABLE = "LIGHTGCN_TRAINING"
TRAINING_COMMAND = "python model_training.py"  # for the operator of a server that does not train


class SettingError(ValueError):
    """An environment variable has an impossible value; the message is one sentence to show."""


class JobRefusedError(RuntimeError):
    """A training may not begin now; the message is one sentence to show to the user."""


class JobBusyError(JobRefusedError):
    """A training is already running."""


class TrainingOffError(JobRefusedError):
    """This server does not train: `training_allowed`."""


def training_allowed(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether visitors may train and change the model in use: `LIGHTGCN_TRAINING`, on or off.

    Raises:
        SettingError: it is neither; a server must not train because of a slip of the pen.
    """
    value = environ.get(TRAINING_VARIABLE, "on")
    if value not in ("on", "off"):
        raise SettingError(
            f"{TRAINING_VARIABLE} is “{value[:40]}”, which is neither on nor off; "
            "correct it or unset it."
        )
    return value == "on"


@dataclass(eq=False)
class TrainingJob:
    """One run: written by its thread, read by any number of sessions.

    Attributes:
        refit: after the training, learn E(0) again on all ratings for serving.
        owner: the session that started it and may pause and stop it; None: anyone may.
        on_epoch: called in the job's thread after every record.
        status: "running" until the thread ends; then "finished" or "failed".
        phase: what it is doing, a few words.
        records: one per epoch so far; replaced as a whole, so a reader never sees half a list.
        to_beat: popularity on validation, by metric name.
        test: once finished, by model and metric name (see `Run`).
        model: the result, once finished.
        problem: why it failed, or what went wrong after the training; a sentence.
        saved: the result is in the checkpoint.
        started: UTC.
    """

    data: MovieData
    protocol: str
    config: TrainingConfig
    checkpoint: Path
    refit: bool = False
    owner: str | None = None
    on_epoch: Callable[[EpochRecord], None] | None = None
    status: Literal["running", "finished", "failed"] = "running"
    phase: str = "Preparing"
    records: tuple[EpochRecord, ...] = ()
    to_beat: dict[str, float] = field(default_factory=dict)
    test: dict[str, dict[str, float]] = field(default_factory=dict)
    model: TrainedModel | None = None
    problem: str | None = None
    saved: bool = False
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=new_run_id)
    _stop: threading.Event = field(default_factory=threading.Event)
    _go: threading.Event = field(default_factory=threading.Event)
    _begun: float = field(default_factory=time.monotonic)
    _waited: float = 0.0

    def __post_init__(self) -> None:
        self._go.set()

    # --- what any session may ask or do -----------------------------------------------------------

    @property
    def paused(self) -> bool:
        return self.status == "running" and not self._go.is_set()

    @property
    def stopping(self) -> bool:
        return self.status == "running" and self._stop.is_set()

    def pause(self) -> None:
        """Wait before the next gradient step until `resume` or `request_stop`."""
        self._go.clear()

    def resume(self) -> None:
        self._go.set()

    def request_stop(self) -> None:
        """End before the next gradient step and keep the best weights so far."""
        self._stop.set()
        self._go.set()

    def as_run(self) -> Run:
        """The run as it stands."""
        model = self.model
        return Run(
            id=self.id,
            started=self.started.isoformat(timespec="seconds"),
            data_name=self.data.directory.name,
            fingerprint=self.data.fingerprint,
            protocol=self.protocol,
            config=self.config,
            refit=self.refit,
            history=self.records,
            to_beat=dict(self.to_beat),
            test=dict(self.test),
            intervals=dict(model.test_intervals) if model else {},
            best_epoch=model.best_epoch if model else None,
            stop_reason=model.stop_reason if model else None,
            problem=self.problem,
            refitted=bool(model and model.refitted),
            seconds=time.monotonic() - self._begun - self._waited,
            versions=library_versions(),
        )

    # --- the thread -------------------------------------------------------------------------------

    def run(self) -> None:
        """Split, train, save and measure, in the calling thread; faults end in `problem`."""
        end: Literal["finished", "failed"] = "failed"
        try:
            self._run()
            end = "finished"
        except ValueError as error:
            self.problem = str(error)
        except Exception as error:  # whatever it was, the page must learn that the run is over
            log.exception("training failed")
            self.problem = f"The training failed: {error}."
        try:
            save_run(self.as_run(), runs_folder(self.checkpoint))
        except RunError as error:
            self._add_problem(str(error))
        finally:
            self.status = end  # last: who sees it may read everything else

    def _run(self) -> None:
        previous = self._previous()
        split = PROTOCOLS[self.protocol](self.data)
        scorer = popularity(split.train)
        self.to_beat = evaluate(scorer, split, "validation", KS).mean()
        self.phase = "Training"
        model = train(
            self.data, split, self.config, self._add, before_step=self._before_step, ks=KS
        )
        model = self._refitted(model) if self.refit else model
        self.phase = "Saving"
        try:
            save_checkpoint(model, self.checkpoint)
            self.saved = True
        except CheckpointError as error:  # the model is still usable, from memory
            self._add_problem(str(error))
        self.model = model
        self.phase = "Measuring the baselines on test"
        self.test = {OURS: model.test_metrics}
        self.test[POPULARITY] = evaluate(scorer, split, "test", KS).mean()
        self._measure_ease(split)
        if previous and previous.protocol == self.protocol:  # else it has trained on these ratings
            self.test[PREVIOUS] = previous.test_metrics

    def _previous(self) -> TrainedModel | None:
        try:
            return load_checkpoint(self.data, self.checkpoint)
        except (FileNotFoundError, CheckpointError):
            return None

    def _refitted(self, model: TrainedModel) -> TrainedModel:
        """The model for serving; the measured one where refitting is stopped or fails."""
        self.phase = "Refitting on all ratings"
        try:
            return refit(self.data, model, before_step=self._before_step)
        except StopTraining:
            self._add_problem("The refit on all ratings was stopped, so the measured model serves.")
        except ValueError as error:
            self._add_problem(str(error))
        return model

    def _measure_ease(self, split: Split) -> None:
        if self.data.n_movies > MAX_EASE_FILMS:
            return
        try:
            self.test[EASE] = evaluate(ease(split.train), split, "test", KS).mean()
        except MemoryError:  # a baseline must not cost the run
            self._add_problem("EASE needs more memory than there is, so it is left out.")

    def _add(self, record: EpochRecord) -> None:
        self.records = (*self.records, record)
        if self.on_epoch:
            self.on_epoch(record)

    def _before_step(self) -> None:
        if not self._go.is_set():
            asked = time.monotonic()
            self._go.wait()
            self._waited += time.monotonic() - asked
        if self._stop.is_set():
            raise StopTraining

    def _add_problem(self, sentence: str) -> None:
        self.problem = f"{self.problem} {sentence}" if self.problem else sentence


class JobBoard:
    """The one training of this server: at most one runs at a time, everyone can watch it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.job: TrainingJob | None = None

    @property
    def running(self) -> bool:
        job = self.job
        return job is not None and job.status == "running"

    def start(
        self,
        data: MovieData,
        protocol: str,
        config: TrainingConfig,
        checkpoint: Path,
        *,
        refit: bool = False,
        owner: str | None = None,
    ) -> TrainingJob:
        """Start a run.

        Raises:
            JobBusyError: one is already running.
            TrainingOffError: this server does not train.
        """
        with self._lock:
            self._refuse()
            self.job = TrainingJob(data, protocol, config, checkpoint, refit, owner)
            threading.Thread(target=self.job.run, name="training", daemon=True).start()
            return self.job

    def restore_previous(self, data: MovieData, checkpoint: Path) -> TrainedModel:
        """Bring the model before the present one back into use; `restore_previous` for the rest.

        Raises:
            JobBusyError: a training is running, whose end would replace the model again.
            TrainingOffError: this server does not train.
        """
        with self._lock:
            self._refuse()
            model = restore_previous(data, checkpoint)
            self.job = None  # its model is not the one in use any more
            return model

    def _refuse(self) -> None:
        if not training_allowed():
            raise TrainingOffError("Training is switched off on this server.")
        if self.running:
            raise JobBusyError("A training is already running; wait for it or stop it first.")


def board_of(checkpoint: Path) -> JobBoard:
    """The board of all trainings that save to this file; the same for every session.

    Not in one of Streamlit's caches: any visitor can empty those for everybody, and a second board
    would start a second training beside the first.
    """
    with _boards_lock:
        return _boards.setdefault(checkpoint, JobBoard())


_boards: dict[Path, JobBoard] = {}
_boards_lock = threading.Lock()
