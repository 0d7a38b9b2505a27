"""Fits of the model to other ratings, in the background. No Streamlit in here."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal

from data_preparation import MovieData
from model.as_of import can_be_refitted
from model.estimate import fit_bytes
from model.memory import too_large
from model.trained import TrainedModel
from serving.training_job import JobBusyError, TrainingOffError
from settings import training_allowed

Report = Callable[[list[int]], None]
"""Called after each fit with the ranks so far."""


@dataclass(eq=False)
class Refit:
    """Some fits that were asked for: written by their thread, read by any number of sessions.

    Attributes:
        total: how many fits.
        ranks: one per fit so far; replaced as a whole.
        found: what the work returned, once it is finished.
        status: "running" until the thread ends; then "finished" or "failed".
    """

    total: int
    ranks: tuple[int, ...] = ()
    found: object = None
    status: Literal["running", "finished", "failed"] = "running"


class RefitBoard:
    """Fits, at most one at a time; what was found is kept a while.

    Args:
        held: how many results.
        turn: which boards share of whose fits only one is to run at a time.
    """

    def __init__(self, held: int = 50, turn: threading.Lock | None = None) -> None:
        self.turn = turn or threading.Lock()
        self._held = held
        self._lock = threading.Lock()
        self._refits: OrderedDict[Hashable, Refit] = OrderedDict()

    def find(self, key: Hashable) -> Refit | None:
        """What was asked for by this key before."""
        return self._refits.get(key)

    def start(self, key: Hashable, total: int, work: Callable[[Report], object]) -> Refit:
        """Do the work in a thread.

        Args:
            key: of the question; the same one is not worked out twice.
            work: called with a function to report to.

        Raises:
            JobBusyError: another one is running.
            TrainingOffError: this server does not train.
        """
        with self._lock:
            if not training_allowed():
                raise TrainingOffError("Training is switched off on this server.")
            known = self._refits.get(key)
            if known and known.status != "failed":
                self._refits.move_to_end(key)
                return known
            if not self.turn.acquire(blocking=False):
                raise JobBusyError("Another fit is running; try again when it is done.")
            refit = self._refits[key] = Refit(total)
            while len(self._refits) > self._held:
                self._refits.popitem(last=False)
        threading.Thread(target=self._run, args=(refit, work), name="refit", daemon=True).start()
        return refit

    def _run(self, refit: Refit, work: Callable[[Report], object]) -> None:
        def report(ranks: list[int]) -> None:
            refit.ranks = tuple(ranks)

        end: Literal["finished", "failed"] = "failed"
        try:
            refit.found = work(report)
            end = "finished"
        finally:
            self.turn.release()
            refit.status = end


def why_no_refit(data: MovieData, model: TrainedModel) -> str | None:
    """Why the model cannot be fitted again on this server, one sentence; None where it can."""
    if not can_be_refitted(model):
        return "This model learned step by step, so it cannot be fitted again to earlier ratings."
    if not training_allowed():
        return "It takes a fit of the model, and this server does not train."
    return too_large("Fitting again", fit_bytes(data, model.config), data)


_board = RefitBoard()


def refit_board() -> RefitBoard:
    """The one that every session of this process shares."""
    return _board
