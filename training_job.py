"""Training in a background thread, so that the page never waits for it. No Streamlit in here."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from data_preparation import MovieData
from evaluation import PROTOCOLS, evaluate, popularity
from model_training import (
    CheckpointError,
    EpochRecord,
    TrainedModel,
    TrainingConfig,
    save_checkpoint,
    train,
)

log = logging.getLogger(__name__)


class JobBusyError(RuntimeError):
    """A training is already running; the message is one sentence to show to the user."""


@dataclass(eq=False)
class TrainingJob:
    """One run: written by its thread, read by any number of sessions.

    Attributes:
        status: "running" until the thread ends; then "finished" or "failed".
        records: one per epoch so far; replaced as a whole, so a reader never sees half a list.
        baseline: popularity on validation and test, by part and metric name.
        model: the result, once finished.
        problem: why it failed, or why the result could not be saved; a sentence.
    """

    data: MovieData
    protocol: str
    config: TrainingConfig
    checkpoint: Path
    status: Literal["running", "finished", "failed"] = "running"
    records: tuple[EpochRecord, ...] = ()
    baseline: dict[str, dict[str, float]] = field(default_factory=dict)
    model: TrainedModel | None = None
    problem: str | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def request_stop(self) -> None:
        """End after the current epoch and keep the best weights so far."""
        self._stop.set()

    def run(self) -> None:
        """Split, train, measure and save, in the calling thread; faults end in `problem`."""
        try:
            split = PROTOCOLS[self.protocol](self.data)
            self.baseline = {
                part: evaluate(popularity(split.train), split, part).mean()
                for part in ("validation", "test")
            }
            self.model = train(
                self.data, split, self.config, on_epoch=self._add, should_stop=self._stop.is_set
            )
            save_checkpoint(self.model, self.checkpoint)
            self.status = "finished"
        except CheckpointError as error:  # trained, but not saved: the model is still usable
            self.problem, self.status = str(error), "finished"
        except ValueError as error:
            self.problem, self.status = str(error), "failed"
        except Exception as error:  # whatever it was, the page must learn that the run is over
            log.exception("training failed")
            self.problem, self.status = f"The training failed: {error}.", "failed"

    def _add(self, record: EpochRecord) -> None:
        self.records = (*self.records, record)


class JobBoard:
    """The one training of this server: at most one runs at a time, everyone can watch it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.job: TrainingJob | None = None

    @property
    def running(self) -> bool:
        return self.job is not None and self.job.status == "running"

    def start(
        self, data: MovieData, protocol: str, config: TrainingConfig, checkpoint: Path
    ) -> TrainingJob:
        """Start a run.

        Raises:
            JobBusyError: one is already running.
        """
        with self._lock:
            if self.running:
                raise JobBusyError("A training is already running; wait for it or stop it first.")
            self.job = TrainingJob(data, protocol, config, checkpoint)
            threading.Thread(target=self.job.run, name="training", daemon=True).start()
            return self.job
