"""The background run: one at a time, watchable, stoppable, and honest about faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

import training_job
from data_preparation import MovieData
from model_training import CheckpointError, TrainingConfig, load_checkpoint
from training_job import JobBoard, JobBusyError, TrainingJob

ENDLESS = TrainingConfig(dim=4, layers=1, epochs=2000, patience=2000)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 30 s"
        time.sleep(0.01)


def test_a_run_trains_measures_and_saves(planted_data: MovieData, tmp_path: Path) -> None:
    config = TrainingConfig(dim=4, layers=1, epochs=3)
    job = TrainingJob(planted_data, "random_80_10_10", config, tmp_path / "model.pth")
    job.run()
    assert (job.status, job.problem) == ("finished", None)
    assert [record.epoch for record in job.records] == [0, 1, 2, 3]
    assert set(job.baseline) == {"validation", "test"}
    loaded = load_checkpoint(planted_data, tmp_path / "model.pth")
    assert loaded.test_metrics == job.model.test_metrics


def test_only_one_runs_at_a_time_and_stop_keeps_the_best(
    planted_data: MovieData, tmp_path: Path
) -> None:
    board = JobBoard()
    job = board.start(planted_data, "random_80_10_10", ENDLESS, tmp_path / "model.pth")
    with pytest.raises(JobBusyError, match="already running"):
        board.start(planted_data, "random_80_10_10", ENDLESS, tmp_path / "model.pth")
    wait_until(lambda: len(job.records) > 2)
    assert board.running
    job.request_stop()
    wait_until(lambda: not board.running)
    assert job.status == "finished"
    assert "Stopped on request" in job.model.stop_reason
    assert (tmp_path / "model.pth").exists()


def test_a_model_that_cannot_be_saved_is_kept_in_memory(
    planted_data: MovieData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: object) -> None:
        raise CheckpointError("The model cannot be saved: the disk is full.")

    monkeypatch.setattr(training_job, "save_checkpoint", disk_full)
    config = TrainingConfig(dim=4, layers=1, epochs=1)
    job = TrainingJob(planted_data, "random_80_10_10", config, tmp_path / "model.pth")
    job.run()
    assert job.status == "finished"
    assert job.model is not None
    assert "disk is full" in job.problem


def test_a_crash_ends_in_a_sentence_not_in_a_run_that_never_ends(
    planted_data: MovieData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise MemoryError("out of memory")

    monkeypatch.setattr(training_job, "train", crash)
    job = TrainingJob(planted_data, "random_80_10_10", ENDLESS, tmp_path / "model.pth")
    job.run()
    assert job.status == "failed"
    assert "out of memory" in job.problem
