"""How far a training has come, in a file: what --resume goes on from, with any number of processes.

It holds nothing of any person: settings that the search chose, the eigenpairs, E(0) with Adam's
moments and the state of the generator, which all processes share. Written atomically by the first
process after every epoch, read without executing anything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model import records
from model.bpr import Learner
from model.config import TrainingConfig
from model.fitted_start import Spectrum
from model.search import Trial
from model.trained import EpochRecord
from sources.atomic import replacing

_VERSION = 1


class ProgressError(ValueError):
    """Progress that cannot be kept or gone on from; the message is one sentence to show."""


@dataclass(frozen=True, eq=False)
class Progress:
    """A training after an epoch.

    Attributes:
        config: with the settings that the search chose.
        fitted: the eigenpairs of the start; None for a random one.
        history: one record per epoch so far.
        best: E(0) of the best epoch so far, `best_epoch`.
        learned: E(0), Adam's state and the generator's (`Learner.state`).
    """

    config: TrainingConfig
    trials: tuple[Trial, ...]
    fitted: Spectrum | None
    history: tuple[EpochRecord, ...]
    best: Tensor
    best_epoch: int
    learned: dict[str, Any]

    @classmethod
    def of(
        cls,
        learner: Learner,
        trials: tuple[Trial, ...],
        history: tuple[EpochRecord, ...],
        best: Tensor,
        best_epoch: int,
    ) -> Progress:
        return cls(
            learner.config, trials, learner.fitted, history, best, best_epoch, learner.state()
        )


@dataclass(frozen=True)
class ProgressFile:
    """Where the progress of one training is kept.

    Attributes:
        training: what it is of, as a text: data, protocol and the settings that were asked for.
    """

    path: Path
    training: str

    def save(self, progress: Progress) -> None:
        """Raises ProgressError where the file cannot be written."""
        fitted = progress.fitted
        content = {
            "version": _VERSION,
            "training": self.training,
            "config": asdict(progress.config),
            "trials": [asdict(trial) for trial in progress.trials],
            "fitted": fitted
            and {
                "values": torch.from_numpy(fitted.values.copy()),
                "vectors": torch.from_numpy(fitted.vectors),
                "first_seen": fitted.first_seen,
            },
            "history": [asdict(record) for record in progress.history],
            "best": progress.best,
            "best_epoch": progress.best_epoch,
            "learned": progress.learned,
        }
        try:
            with replacing(self.path) as file:
                torch.save(content, file)
        except (OSError, RuntimeError) as error:
            raise ProgressError(
                f"The progress cannot be kept in {self.path.name} ({error}); make room there, or "
                "choose another --output."
            ) from None

    def load(self) -> Progress | None:
        """What was reached; None where there is no file.

        Raises:
            ProgressError: the file is damaged, or of another training.
        """
        if not self.path.exists():
            return None
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            if content["version"] != _VERSION:
                raise ValueError("it is of another version of this program")
            if content["training"] != self.training:
                raise ValueError("it is of other data or other settings")
            return _restored(content)
        except Exception as error:  # torch raises many types for damaged files
            raise ProgressError(
                f"{self.path.name} is no progress of this training ({error}); move it away to "
                "begin anew."
            ) from None

    def remove(self) -> None:
        """What is finished needs no progress."""
        self.path.unlink(missing_ok=True)


def _restored(content: dict[str, Any]) -> Progress:
    fitted = content["fitted"]
    return Progress(
        config=records.config(content["config"]),
        trials=records.trials(content["trials"]),
        fitted=fitted
        and Spectrum(
            fitted["values"].numpy(),
            fitted["vectors"].numpy(),
            records.number(fitted["first_seen"]),
        ),
        history=records.history(content["history"]),
        best=content["best"],
        best_epoch=records.whole(content["best_epoch"]),
        learned=content["learned"],
    )
