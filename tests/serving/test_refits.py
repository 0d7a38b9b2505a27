"""Fits in the background: one at a time, each once, not where training is off."""

from __future__ import annotations

import threading

import pytest

from serving.refits import Refit, RefitBoard, Report
from serving.training_job import JobBusyError, TrainingOffError


def join() -> None:
    for thread in threading.enumerate():
        if thread.name == "refit":
            thread.join(30)


def test_one_runs_at_a_time_and_reports_as_it_goes() -> None:
    board, reported, go = RefitBoard(), threading.Event(), threading.Event()

    def work(report: Report) -> None:
        report([4])
        reported.set()
        assert go.wait(30)
        report([4, 7])

    refit = board.start("a", 2, work)
    assert reported.wait(30)
    assert (refit.ranks, refit.status) == ((4,), "running")
    with pytest.raises(JobBusyError, match="Another fit is running"):
        board.start("b", 1, work)
    assert board.find("b") is None
    go.set()
    join()
    assert (refit.ranks, refit.status) == ((4, 7), "finished")
    assert board.start("a", 2, _must_not_run) is refit  # known already
    assert board.find("a") is refit


def test_boards_that_share_a_turn_fit_one_after_the_other_and_keep_the_last() -> None:
    one, go = RefitBoard(), threading.Event()
    other = RefitBoard(held=2, turn=one.turn)
    one.start("a", 1, lambda _: go.wait(30))
    with pytest.raises(JobBusyError):
        other.start("a", 1, _must_not_run)
    go.set()
    join()
    for key in "ab":
        other.start(key, 1, lambda _: None)
        join()
    other.start("a", 1, _must_not_run)  # asked for again, so "b" gives way
    other.start("c", 1, lambda _: None)
    join()
    assert other.find("b") is None and other.find("a") and other.find("c")


def _must_not_run(report: Report) -> None:
    raise AssertionError("the same question was worked out twice")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_failure_is_told_and_may_be_tried_again() -> None:
    board = RefitBoard()

    def fail(report: Report) -> None:
        raise ValueError("made up")

    first = board.start("a", 1, fail)
    join()
    assert first.status == "failed"
    again = board.start("a", 1, lambda report: report([1]))
    join()
    assert isinstance(again, Refit) and (again.ranks, again.status) == ((1,), "finished")


def test_a_server_that_does_not_train_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")
    with pytest.raises(TrainingOffError):
        RefitBoard().start("a", 1, _must_not_run)
