"""Replays in the background: shared, bounded, and given up when nobody looks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from analysis.replay import Frame
from serving import replays
from serving.replays import MAX_KEPT, MAX_RUNNING, ReplayBoard, ReplayBusyError
from tests.conftest import assert_one_sentence

NOTHING = np.zeros((0, 2), np.float16)
FRAME = Frame(0, {}, NOTHING, NOTHING, np.zeros((0, 0), np.int32), np.zeros((0, 0), np.float32))
Check = Callable[[], None]


class Making:
    """Frames that come when they are allowed to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.began = threading.Event()

    def __call__(self, check: Check) -> Iterator[Frame]:
        yield FRAME
        self.began.set()
        while not self.go.wait(0.01):
            check()
        yield FRAME


@pytest.fixture
def board() -> Iterator[ReplayBoard]:
    yield ReplayBoard()
    finish()


def finish() -> None:
    for thread in threading.enumerate():
        if thread.name == "replay":
            thread.join(timeout=20)
            assert not thread.is_alive()


def test_who_asks_for_the_same_gets_the_same(board: ReplayBoard) -> None:
    making = Making()
    one = board.watch("key", 2, making, "a")
    making.began.wait(10)
    assert board.watch("key", 2, making, "b") is one
    assert (one.status, len(one.frames), one.total) == ("running", 1, 2)
    making.go.set()
    finish()
    assert (one.status, len(one.frames)) == ("finished", 2)
    assert board.watch("key", 2, making, "c") is one  # kept


def test_only_so_many_are_made_at_once_and_the_next_begins_when_one_ends(
    board: ReplayBoard,
) -> None:
    makings = [Making() for _ in range(MAX_RUNNING + 1)]
    for n in range(MAX_RUNNING):
        board.watch(n, 2, makings[n], f"visitor {n}")
    with pytest.raises(ReplayBusyError) as refusal:
        board.watch("late", 2, makings[-1], "late")
    assert_one_sentence(str(refusal.value))
    for making in makings:
        making.go.set()
    finish()
    assert board.watch("late", 2, makings[-1], "late").total == 2


def test_one_that_its_only_watcher_leaves_for_another_ends_at_once(board: ReplayBoard) -> None:
    makings = [Making() for _ in range(3 * MAX_RUNNING)]
    for n, making in enumerate(makings):  # as someone who moves a slider
        board.watch(n, 2, making, "a")
    makings[-1].go.set()
    finish()  # though the first ones were never let go
    assert board.watch(len(makings) - 1, 2, makings[-1], "a").status == "finished"


def test_one_that_nobody_looks_at_is_given_up_and_made_anew_when_asked_for(
    board: ReplayBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = Making()
    left = board.watch("key", 2, making, "a")
    making.began.wait(10)
    monkeypatch.setattr(replays, "_UNWATCHED", 0.0)
    finish()
    monkeypatch.undo()
    assert left.status == "running"  # it says nothing any more
    making.go.set()
    again = board.watch("key", 2, making, "a")
    assert again is not left
    finish()
    assert again.status == "finished"


@pytest.mark.parametrize(
    ("error", "says"), [(ValueError("Too few."), "Too few."), (MemoryError(), "This failed")]
)
def test_a_fault_is_a_sentence(board: ReplayBoard, error: Exception, says: str) -> None:
    def broken(check: Check) -> Iterator[Frame]:
        yield FRAME
        raise error

    replay = board.watch("key", 2, broken, "a")
    finish()
    assert replay.status == "failed" and says in replay.problem
    assert_one_sentence(replay.problem)


def test_a_replay_takes_one_core_and_leaves_the_others_to_the_rest(board: ReplayBoard) -> None:
    found: list[int] = []

    def counting(check: Check) -> Iterator[Frame]:
        found.append(torch.get_num_threads())
        yield FRAME

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        board.watch("key", 1, counting, "a")
        finish()
        assert found == [1] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_only_the_last_ones_are_kept(board: ReplayBoard) -> None:
    def quick(check: Check) -> Iterator[Frame]:
        yield FRAME

    first = board.watch(0, 1, quick, "a")
    for n in range(1, MAX_KEPT + 1):
        finish()
        board.watch(n, 1, quick, "a")
    finish()
    assert board.watch(1, 1, quick, "a").status == "finished"
    assert board.watch(0, 1, quick, "a") is not first
