"""Baselines in the background: once for the data, kept for the next model, faults in a sentence."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from analysis.duel import NAMES, memory_bytes
from data_preparation import MovieData
from model import memory
from model.splits import Split
from model.trained import TrainedModel
from model_training import refit
from serving import duels
from serving.duels import DuelBoard, DuelPreparation, estimated_bytes
from tests.conftest import assert_one_sentence


def finished(board: DuelBoard, data: MovieData, model: TrainedModel) -> DuelPreparation:
    preparation = board.prepare(data, model)
    for thread in threading.enumerate():
        if thread.name == "duel":
            thread.join(timeout=60)
            assert not thread.is_alive()
    return preparation


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[MovieData]:
    """The data of every fit so far."""
    begun: list[MovieData] = []
    fit = duels.fit_rivals

    def counted(data: MovieData, *arguments: object) -> object:
        begun.append(data)
        return fit(data, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(duels, "fit_rivals", counted)
    return begun


def test_the_baselines_are_fitted_once_for_all_who_ask_and_for_the_next_model(
    fits: list[MovieData],
    planted_data: MovieData,
    model: TrainedModel,
    hybrid: TrainedModel,
) -> None:
    board = DuelBoard()
    assert board.find(planted_data, model) is None and not board.fitted(planted_data, model)
    first = [board.prepare(planted_data, model) for _ in range(5)]
    assert len(set(map(id, first))) == 1
    done = finished(board, planted_data, model)
    assert done is first[0] and done.status == "finished" and done.problem is None
    assert done.rivals and [r.name for r in done.rivals.fitted] == list(NAMES[1:])
    other = finished(board, planted_data, hybrid)
    assert other is not done and other.rivals is done.rivals and len(fits) == 1
    assert board.fitted(planted_data, hybrid)


def test_other_data_have_other_baselines(
    fits: list[MovieData], planted_data: MovieData, model: TrainedModel
) -> None:
    board = DuelBoard()
    finished(board, planted_data, model)
    other = replace(planted_data, fingerprint="another")
    finished(board, other, replace(model, fingerprint="another"))
    assert fits == [planted_data, other]


def test_a_refitted_model_is_measured_by_the_training_before_it(
    planted_data: MovieData, split: Split, hybrid: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = refit(planted_data, hybrid)
    done = finished(DuelBoard(), planted_data, again)
    assert done.ours is not None and done.ours_problem is None
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")
    without = finished(DuelBoard(), planted_data, again)
    assert without.status == "finished" and without.ours is None
    assert_one_sentence(without.ours_problem or "")


def test_a_failure_is_a_sentence_and_may_be_tried_again(
    planted_data: MovieData, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = DuelBoard()
    with monkeypatch.context() as patch:
        patch.setattr(duels, "fit_rivals", lambda *_: 1 / 0)
        failed = finished(board, planted_data, model)
        assert failed.status == "failed"
        assert_one_sentence(failed.problem or "")
    assert finished(board, planted_data, model).status == "finished"


def test_the_estimate_leaves_out_what_is_left_out(
    planted_data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = memory_bytes(planted_data)
    assert estimated_bytes(planted_data) == sum(needed.values())
    largest = max(needed.values())
    monkeypatch.setattr(memory, "machine_memory", lambda: 4 * (largest - 1))
    assert estimated_bytes(planted_data) == sum(needed.values()) - largest
