"""Replays made in the background for who looks at them: few at a time, few kept, none unwatched.

A replay belongs to nobody: who asks for one that is there, or is being made, gets that. No
Streamlit in here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from threadpoolctl import threadpool_limits

from analysis.replay import Frame
from model.bpr import StopTraining
from sources.files import reason

log = logging.getLogger(__name__)

MAX_RUNNING = 2  # at a time, beside the one training of the server
MAX_KEPT = 8  # that are over, the ones looked at last; each has a few MiB at the most
_UNWATCHED = 20.0  # seconds after which one that nobody looks at is given up
_REST, _LONGEST_REST = 0.5, 0.1  # of the time spent at work, for pages that wait; seconds

Frames = Callable[[Callable[[], None]], Iterator[Frame]]
"""Called with what may end the making (`StopTraining`), to be called now and then."""


class ReplayBusyError(RuntimeError):
    """As many are being made as may be; the message is one sentence to show."""


@dataclass(eq=False)
class Replay:
    """Frames, as far as they are made; written by its thread, read by any number of sessions.

    Attributes:
        total: frames that there will be.
        frames: replaced as a whole, so a reader never sees half a list.
        problem: why it failed, a sentence.
        seconds: that it took, or takes until now.
        watchers: who looks at it, and when last.
    """

    total: int
    status: Literal["running", "finished", "failed"] = "running"
    frames: tuple[Frame, ...] = ()
    problem: str = ""
    seconds: float = 0.0
    watchers: dict[str | None, float] = field(default_factory=dict)
    _went_on: float = 0.0

    @property
    def watched(self) -> bool:
        """Whether anybody looks at it."""
        since = time.monotonic() - _UNWATCHED
        return any(seen >= since for seen in tuple(self.watchers.values()))

    @property
    def being_made(self) -> bool:
        return self.status == "running" and self.watched

    def make(self, frames: Frames) -> bool:
        """In the calling thread; whether it is worth keeping."""
        begun = self._went_on = time.monotonic()
        try:
            # One core for this thread alone: the others are for pages and for the real training.
            torch.get_num_threads()  # sets up the thread's own number, which is lowered then
            with threadpool_limits(1, "openmp"):
                for frame in frames(self._go_on):
                    self.seconds = time.monotonic() - begun
                    self.frames = (*self.frames, frame)
                    self._go_on()
            self.status = "finished"
        except StopTraining:
            return False
        except ValueError as error:
            self.problem, self.status = str(error), "failed"
        except Exception as error:  # whatever it was, the page must learn that it is over
            log.exception("a replay failed")
            self.problem, self.status = f"This failed: {reason(error)}.", "failed"
        return True

    def _go_on(self) -> None:
        """Give the pages of the server a breath; end where nobody looks."""
        time.sleep(min(_REST * (time.monotonic() - self._went_on), _LONGEST_REST))
        if not self.watched:
            raise StopTraining
        self._went_on = time.monotonic()


class ReplayBoard:
    """All replays of this server, by what they are of."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._replays: OrderedDict[Hashable, Replay] = OrderedDict()

    def watch(self, key: Hashable, total: int, frames: Frames, watcher: str | None) -> Replay:
        """The replay of this key; begun now if there is none.

        Call it again and again while somebody looks, or it is given up; at once if its only watcher
        turns to another one.

        Args:
            watcher: the session that looks.

        Raises:
            ReplayBusyError: it would have to be begun, and too many are being made.
        """
        with self._lock:
            replay = self._replays.get(key)
            for other in self._replays.values():
                if other is not replay:
                    other.watchers.pop(watcher, None)
            if replay is None or (replay.status == "running" and not replay.watched):
                running = [each for each in self._replays.values() if each.being_made]
                if len(running) >= MAX_RUNNING:
                    raise ReplayBusyError(
                        f"{len(running)} others are being made for other visitors just now; this "
                        "one begins by itself as soon as one of them is ready."
                    )
                replay = self._replays[key] = Replay(total, watchers={watcher: time.monotonic()})
                thread = threading.Thread(
                    target=self._make, args=(key, replay, frames), name="replay", daemon=True
                )
                thread.start()
            self._replays.move_to_end(key)
            replay.watchers[watcher] = time.monotonic()
            return replay

    def _make(self, key: Hashable, replay: Replay, frames: Frames) -> None:
        worth_keeping = replay.make(frames)
        with self._lock:
            if not worth_keeping and self._replays.get(key) is replay:
                del self._replays[key]
            over = [key for key, each in self._replays.items() if each.status != "running"]
            for old in over[: max(len(over) - MAX_KEPT, 0)]:
                del self._replays[old]


_board = ReplayBoard()


def replay_board() -> ReplayBoard:
    """The one that every session of this process shares."""
    return _board
