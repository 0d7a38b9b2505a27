"""The baselines of the model duel, fitted once in a thread for everybody. No Streamlit in here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal

from analysis.duel import Rivals, fit_rivals, memory_bytes
from analysis.model_health import without_held_out
from data_preparation import MovieData
from model.evaluation import Scorer
from model.memory import allowance
from model.splits import PROTOCOLS
from model.trained import TrainedModel, measured_scorer
from settings import training_allowed
from sources.files import reason

log = logging.getLogger(__name__)

_CANNOT_MEASURE = (
    "LightGCN is left out for users of the data: this model was fitted to all ratings in the end, "
    "and this server does not train, so there is none that has not seen the held-out films."
)


@dataclass(eq=False)
class DuelPreparation:
    """What a duel needs: written by its thread, read by any number of sessions.

    Attributes:
        status: "running" until the thread ends; then "finished" or "failed".
        doing, share_done: how far it is.
        problem: why it failed, one sentence.
        rivals: the baselines; not None once finished.
        ours: the model as it was measured; None where it cannot be had, and `ours_problem` says
            why.
    """

    status: Literal["running", "finished", "failed"] = "running"
    doing: str = "Waiting"
    share_done: float = 0.0
    problem: str | None = None
    rivals: Rivals | None = None
    ours: Scorer | None = None
    ours_problem: str | None = None


class DuelBoard:
    """The preparations of this server; those of the data and the model in use are kept.

    Not in one of Streamlit's caches: any visitor can empty those for everybody.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._working = threading.Lock()  # one thread fits at a time
        self._prepared: tuple[Hashable, DuelPreparation] | None = None
        self._rivals: tuple[Hashable, Rivals] | None = None

    def find(self, data: MovieData, model: TrainedModel) -> DuelPreparation | None:
        """What was begun for these data and this model."""
        prepared = self._prepared
        return prepared[1] if prepared and prepared[0] == _key(data, model) else None

    def prepare(self, data: MovieData, model: TrainedModel) -> DuelPreparation:
        """What was begun, or a new thread; after a failure it is tried once more."""
        with self._lock:
            found = self.find(data, model)
            if found and found.status != "failed":
                return found
            preparation = DuelPreparation()
            self._prepared = (_key(data, model), preparation)
        threading.Thread(
            target=self._run, args=(preparation, data, model), name="duel", daemon=True
        ).start()
        return preparation

    def fitted(self, data: MovieData, model: TrainedModel) -> bool:
        """Whether the baselines of the data are there already."""
        rivals = self._rivals
        return rivals is not None and rivals[0] == _data_key(data, model)

    def _run(self, preparation: DuelPreparation, data: MovieData, model: TrainedModel) -> None:
        end: Literal["finished", "failed"] = "failed"

        def say(doing: str, share_done: float) -> None:
            preparation.doing, preparation.share_done = doing, share_done

        try:
            with self._working:
                rivals = self._fit(data, model, say)
                say("LightGCN: without the held-out ratings", 1.0)
                if model.refitted and not training_allowed():
                    preparation.ours_problem = _CANNOT_MEASURE
                else:
                    measured = without_held_out(data, model) if model.refitted else model
                    preparation.ours = measured_scorer(data, measured, rivals.split)
                preparation.rivals = rivals
            end = "finished"
        except ValueError as error:
            preparation.problem = str(error)
        except Exception as error:  # whatever it was, the page must learn that it is over
            log.exception("fitting the baselines failed")
            preparation.problem = f"The other models could not be fitted: {reason(error)}."
        finally:
            preparation.status = end  # last: who sees it may read everything else

    def _fit(
        self, data: MovieData, model: TrainedModel, say: Callable[[str, float], None]
    ) -> Rivals:
        key = _data_key(data, model)
        if self._rivals and self._rivals[0] == key:
            return self._rivals[1]
        self._rivals = None  # the old ones first: both may be large
        rivals = fit_rivals(data, PROTOCOLS[model.protocol](data), say)
        self._rivals = (key, rivals)
        return rivals


def _key(data: MovieData, model: TrainedModel) -> Hashable:
    return (*_data_key(data, model), model.key)


def _data_key(data: MovieData, model: TrainedModel) -> tuple[str, str]:
    return data.fingerprint, model.protocol


def estimated_bytes(data: MovieData) -> int:
    """What fitting takes at most: all that is not left out, one on top of the other."""
    return sum(size for size in memory_bytes(data).values() if size <= allowance())


_board = DuelBoard()


def duel_board() -> DuelBoard:
    """The one that every session of this process shares."""
    return _board
