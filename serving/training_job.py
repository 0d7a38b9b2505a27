"""Training in a background thread, so that the page never waits for it. No Streamlit in here."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from data_preparation import MovieData
from model.bpr import StopTraining
from model.config import TrainingConfig
from model_training import LARGE, RunInProgress, measured_run
from serving.tables import make_ahead
from settings import training_allowed


class JobRefusedError(RuntimeError):
    """A training may not begin now; the message is one sentence to show to the user."""


class JobBusyError(JobRefusedError):
    """A training is already running."""


class TrainingOffError(JobRefusedError):
    """This server does not train: `training_allowed`."""


def refuse_if_off() -> None:
    """Raises TrainingOffError where visitors may not train and change the model in use."""
    if not training_allowed():
        raise TrainingOffError("Training is switched off on this server.")


@dataclass(eq=False)
class TrainingJob(RunInProgress):
    """One run in the background: written by its thread, read by any number of sessions.

    Attributes:
        owner: the session that started it and may pause and stop it; None: anyone may.
        status: "running" until the thread ends; then "finished" or "failed".
    """

    owner: str | None = None
    status: Literal["running", "finished", "failed"] = "running"
    _stop: threading.Event = field(default_factory=threading.Event)
    _go: threading.Event = field(default_factory=threading.Event)

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

    # --- the thread -------------------------------------------------------------------------------

    def run(self) -> None:
        """`measured_run`, in the calling thread."""
        end: Literal["finished", "failed"] = "failed"
        try:
            if measured_run(self, before_step=self._before_step):
                end = "finished"
        finally:
            self.status = end  # after all else of the run, which who sees it may read then
        if self.model and self.data.n_ratings > LARGE:
            make_ahead(self.data, self.model)

    def _before_step(self) -> None:
        if not self._go.is_set():
            asked = time.monotonic()
            self._go.wait()
            self.waited += time.monotonic() - asked
        if self._stop.is_set():
            raise StopTraining


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
            self.job = TrainingJob(data, protocol, config, checkpoint, refit, owner=owner)
            threading.Thread(target=self.job.run, name="training", daemon=True).start()
            return self.job

    def _refuse(self) -> None:
        refuse_if_off()
        if self.running:
            raise JobBusyError("A training is already running; wait for it or stop it first.")


_boards: dict[Path, JobBoard] = {}
_boards_lock = threading.Lock()


def board_of(checkpoint: Path) -> JobBoard:
    """The board of all trainings that save to this file; the same for every session.

    Not in one of Streamlit's caches: any visitor can empty those for everybody, and a second board
    would start a second training beside the first.
    """
    with _boards_lock:
        return _boards.setdefault(checkpoint, JobBoard())
