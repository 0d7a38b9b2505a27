"""Fits of the model to other ratings, in the background. No Streamlit in here."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal

from serving.training_job import JobBusyError, TrainingOffError
from settings import training_allowed

_HELD = 50  # results

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
    """The fits of this server: at most one runs at a time, and what was found is kept a while."""

    def __init__(self) -> None:
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
                return known
            if any(refit.status == "running" for refit in self._refits.values()):
                raise JobBusyError("Another fit is running; try again when it is done.")
            refit = self._refits[key] = Refit(total)
            while len(self._refits) > _HELD:
                self._refits.popitem(last=False)
        threading.Thread(target=self._run, args=(refit, work), name="refit", daemon=True).start()
        return refit

    @staticmethod
    def _run(refit: Refit, work: Callable[[Report], object]) -> None:
        def report(ranks: list[int]) -> None:
            refit.ranks = tuple(ranks)

        end: Literal["finished", "failed"] = "failed"
        try:
            refit.found = work(report)
            end = "finished"
        finally:
            refit.status = end


_board = RefitBoard()


def refit_board() -> RefitBoard:
    """The one that every session of this process shares."""
    return _board
