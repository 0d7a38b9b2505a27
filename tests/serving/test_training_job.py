"""The background run: one at a time, watchable, pausable, stoppable, and honest about faults."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import model_training
from data_preparation import MovieData
from model import bpr, checkpoints
from model.checkpoints import (
    load_checkpoint,
    save_checkpoint,
)
from model.config import TrainingConfig
from model.runs import EASE, IN_USE, OURS, POPULARITY, load_runs
from model.splits import random_80_10_10
from model.trained import TrainedModel
from model.viewers import user_vectors
from model_training import KS, refit, train
from serving import training_job
from serving.training_job import JobBoard, JobBusyError, TrainingJob, TrainingOffError, board_of
from settings import SettingError, runs_folder
from tests.conftest import REPOSITORY, assert_one_sentence, snapshot, write_planted
from tests.small_training import config, hybrid_config

QUICK = TrainingConfig(dim=4, layers=1, epochs=2, batch_size=64)
ENDLESS = replace(QUICK, epochs=2000, patience=2000)
PROTOCOL = "random_80_10_10"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 30 s"
        time.sleep(0.005)


class Gate(threading.Event):
    """Knows whether somebody has come to wait."""

    reached = False

    def wait(self, timeout: float | None = None) -> bool:
        self.reached = True
        return super().wait(timeout)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the checkpoint, alone in its folder."""
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "model.pth"


@pytest.fixture
def board() -> Iterator[JobBoard]:
    """A board whose run is ended with the test."""
    board = JobBoard()
    yield board
    if board.job:
        board.job.request_stop()
        wait_until(lambda: not board.running)


@pytest.fixture
def job(planted_data: MovieData, path: Path) -> TrainingJob:
    return TrainingJob(planted_data, PROTOCOL, QUICK, path)


# --- a run ----------------------------------------------------------------------------------------


def test_a_run_trains_measures_saves_and_is_written_down(
    job: TrainingJob, planted_data: MovieData, path: Path
) -> None:
    job.run()
    assert (job.status, job.problem, job.saved) == ("finished", None, True)
    assert [record.epoch for record in job.records] == [0, 1, 2]
    loaded = load_checkpoint(planted_data, path)
    assert loaded.test_metrics == job.model.test_metrics == job.test[OURS]
    assert loaded.test_intervals == job.model.test_intervals
    (run,) = load_runs(runs_folder(path)).runs
    assert repr(run) == repr(replace(job.as_run(), seconds=run.seconds))
    assert run.seconds >= job.records[-1].seconds


def test_every_length_is_measured_beside_popularity_and_ease(job: TrainingJob) -> None:
    job.run()
    names = {f"{metric}@{k}" for metric in ("Hit", "Recall", "NDCG") for k in KS}
    assert set(job.test) == {OURS, POPULARITY, EASE}  # there was no model before
    names |= {f"liked {name}" for name in names}
    assert all(set(values) == names for values in (*job.test.values(), job.to_beat))
    assert all(set(record.metrics) == names for record in job.records)
    for name, (low, high) in job.model.test_intervals.items():
        assert low <= job.model.test_metrics[name] <= high
    assert any(low < high for low, high in job.model.test_intervals.values())


@pytest.mark.parametrize(
    ("protocol", "compared"), [(PROTOCOL, True), ("temporal_leave_one_out", False)]
)
def test_the_model_in_use_is_compared_only_on_the_same_test_ratings(
    job: TrainingJob, planted_data: MovieData, path: Path, protocol: str, compared: bool
) -> None:
    before = TrainingJob(planted_data, protocol, replace(QUICK, seed=9), path)
    before.run()
    job.run()
    assert (IN_USE in job.test) == compared
    assert not compared or job.test[IN_USE] == before.model.test_metrics


@pytest.mark.parametrize("large", [True, False])
def test_after_a_training_on_large_data_the_tables_of_the_pages_are_made(
    job: TrainingJob, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    made = []
    monkeypatch.setattr(
        training_job, "make_ahead", lambda *of: made.append((*of, job.status, job.saved))
    )
    monkeypatch.setattr(training_job, "LARGE", job.data.n_ratings - large)
    job.run()
    assert made == ([(job.data, job.model, "finished", True)] if large else [])


@pytest.mark.parametrize("settings", [config(epochs=2), hybrid_config(), hybrid_config(layers=3)])
def test_every_kind_of_model_runs_in_the_background(
    board: JobBoard, planted_data: MovieData, path: Path, settings: TrainingConfig
) -> None:
    job = board.start(planted_data, PROTOCOL, settings, path, refit=True)
    wait_until(lambda: not board.running)
    assert (job.status, job.problem, job.saved) == ("finished", None, True)
    assert len(job.records) == settings.epochs + 1 and job.model.refitted
    assert load_checkpoint(planted_data, path).key == job.model.key


def test_a_search_can_be_watched_paused_and_stopped_and_its_choice_is_kept(
    board: JobBoard, planted_data: MovieData, path: Path
) -> None:
    settings = hybrid_config(search_seconds=600.0)
    job = board.start(planted_data, PROTOCOL, settings, path)
    wait_until(lambda: len(job.trials) > 3)
    assert job.phase == "Searching for settings" and not job.records
    job.pause()
    time.sleep(0.3)  # a fit in progress ends
    held = len(job.trials)
    time.sleep(0.3)
    assert len(job.trials) == held and job.paused
    job.request_stop()
    wait_until(lambda: not board.running)
    assert (job.status, job.problem, job.saved) == ("finished", None, True)
    model = load_checkpoint(planted_data, path)
    assert repr(model.trials) == repr(job.trials) and len(model.trials) >= held
    (run,) = load_runs(runs_folder(path)).runs
    assert run.config == model.config == job.model.config and run.config.search_seconds == 0


# --- pause, resume, stop --------------------------------------------------------------------------


def test_only_one_runs_at_a_time_and_stop_keeps_the_best(
    board: JobBoard, planted_data: MovieData, path: Path
) -> None:
    job = board.start(planted_data, PROTOCOL, ENDLESS, path)
    with pytest.raises(JobBusyError, match="already running"):
        board.start(planted_data, PROTOCOL, ENDLESS, path)
    assert board.job is job
    wait_until(lambda: len(job.records) > 2)
    assert board.running
    job.request_stop()
    wait_until(lambda: not board.running)
    assert job.status == "finished"
    assert "Stopped on request" in job.model.stop_reason
    ndcg = [record.metrics["NDCG@20"] for record in job.records]
    assert load_checkpoint(planted_data, path).best_epoch == int(np.argmax(ndcg))


def test_of_many_sessions_that_press_train_at_once_one_wins(
    board: JobBoard, planted_data: MovieData, path: Path
) -> None:
    gate, outcomes = threading.Barrier(8), []

    def press(owner: str) -> None:
        gate.wait()
        try:
            outcomes.append(board.start(planted_data, PROTOCOL, ENDLESS, path, owner=owner))
        except JobBusyError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=press, args=(f"session {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, TrainingJob)]
    assert board.job is winner and winner.owner
    assert len(outcomes) == 8


def test_a_pause_holds_the_training_and_does_not_count_as_training_time(
    board: JobBoard, planted_data: MovieData, path: Path
) -> None:
    job = board.start(planted_data, PROTOCOL, ENDLESS, path)
    wait_until(lambda: len(job.records) > 1)
    gate = job._go = Gate()
    gate.set()
    job.pause()
    assert job.paused
    wait_until(lambda: gate.reached)  # a step in progress has ended
    held = len(job.records)
    time.sleep(1)  # the length that must not count
    assert len(job.records) == held and job.status == "running"
    job.resume()
    assert not job.paused
    wait_until(lambda: len(job.records) > held + 1)
    gap = job.records[held].seconds - job.records[held - 1].seconds
    assert gap < 0.7  # the pause took 1 s
    job.request_stop()
    wait_until(lambda: not board.running)
    assert job.as_run().seconds < time.monotonic() - job._begun - 0.7


def test_stop_ends_a_paused_run(board: JobBoard, planted_data: MovieData, path: Path) -> None:
    job = board.start(planted_data, PROTOCOL, ENDLESS, path)
    job.pause()
    job.request_stop()
    wait_until(lambda: not board.running)
    assert job.status == "finished" and not job.paused and path.exists()


def test_a_stop_does_not_wait_for_the_end_of_the_epoch(
    board: JobBoard, planted_data: MovieData, path: Path
) -> None:
    # 300 steps per epoch, each made slow: an epoch would take a minute.
    config = replace(ENDLESS, batch_size=1)
    job = TrainingJob(planted_data, PROTOCOL, config, path)
    steps = iter(range(10**9))
    real = job._before_step

    def slow() -> None:
        if next(steps) == 3:
            job.request_stop()
        real()

    job._before_step = slow  # type: ignore[method-assign]
    job.run()
    # Asked once more, before it is looked at what popular now is worth, which is left out.
    assert next(steps) == 5 and len(job.records) == 1 and job.model.trend_choice is None
    assert job.status == "finished" and job.model.best_epoch == 0


# --- refit ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(planted_data: MovieData) -> TrainedModel:
    config = replace(QUICK, warm_start=False, learning_rate=0.05, epochs=6, dim=8, layers=2)
    model = train(planted_data, random_80_10_10(planted_data), config)
    assert model.best_epoch > 0
    return model


def test_a_refit_learns_from_all_ratings_and_keeps_what_was_measured(
    planted_data: MovieData, measured: TrainedModel
) -> None:
    epochs: list[int] = []
    model = refit(planted_data, measured, on_epoch=epochs.append)
    assert model.refitted and not measured.refitted
    assert epochs == list(range(1, measured.best_epoch + 1))
    assert model.test_metrics == measured.test_metrics and model.history == measured.history
    assert not np.allclose(model.e0, measured.e0)
    # It knows the held-out ratings now: it ranks them higher than the measured model does.
    users, films = random_80_10_10(planted_data).test.nonzero()

    def percentile(of: TrainedModel) -> float:
        scores = user_vectors(planted_data, of, slice(None)) @ of.movie_factors.T
        return float((scores[users] < scores[users, films][:, None]).mean())

    assert percentile(model) > percentile(measured)
    again = refit(planted_data, measured)
    np.testing.assert_array_equal(model.e0, again.e0)


def test_a_refitted_model_says_so_after_loading(
    planted_data: MovieData, measured: TrainedModel, path: Path
) -> None:
    save_checkpoint(refit(planted_data, measured), path)
    assert load_checkpoint(planted_data, path).refitted
    save_checkpoint(measured, path)
    assert not load_checkpoint(planted_data, path).refitted


def test_a_refit_on_other_data_is_refused(toy_data: MovieData, measured: TrainedModel) -> None:
    with pytest.raises(ValueError, match="other data") as refusal:
        refit(toy_data, measured)
    assert_one_sentence(str(refusal.value))


def test_a_job_refits_when_asked_to(planted_data: MovieData, path: Path) -> None:
    job = TrainingJob(planted_data, PROTOCOL, QUICK, path, refit=True)
    job.run()
    assert job.model.refitted and load_runs(runs_folder(path)).runs[0].refitted
    plain = TrainingJob(planted_data, PROTOCOL, QUICK, path)
    plain.run()
    assert plain.test[OURS] == job.test[OURS]  # the numbers are of the model before the refit


def test_a_refit_that_fails_leaves_the_measured_model(
    planted_data: MovieData, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("Refitting on all ratings gave a loss that is not finite.")

    monkeypatch.setattr(model_training, "refit", fails)
    job = TrainingJob(planted_data, PROTOCOL, QUICK, path, refit=True)
    job.run()
    assert job.status == "finished" and not job.model.refitted and job.saved
    assert "not finite" in job.problem


# --- the checkpoint -------------------------------------------------------------------------------


def test_a_checkpoint_knows_its_versions_and_when_it_was_saved(
    job: TrainingJob, path: Path
) -> None:
    job.run()
    content = torch.load(path, weights_only=True)
    assert content["versions"]["torch"] == torch.__version__
    assert content["saved_at"].startswith("20")


# --- faults ---------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_keeps_the_model_in_memory(
    planted_data: MovieData, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("where the folder should be")
    job = TrainingJob(planted_data, PROTOCOL, QUICK, tmp_path / "file" / "model.pth")
    job.run()
    assert (job.status, job.saved) == ("finished", False)
    assert job.model is not None and job.test[OURS]
    assert "cannot be saved" in job.problem and "history" in job.problem
    assert snapshot(tmp_path) == {"file": b"where the folder should be"}


def test_a_full_disk_keeps_the_old_checkpoint_and_the_new_model_in_memory(
    job: TrainingJob, planted_data: MovieData, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TrainingJob(planted_data, PROTOCOL, replace(QUICK, dim=3), path).run()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.os, "fsync", full)
    job.run()
    assert (job.status, job.saved) == ("finished", False)
    assert "No space left" in job.problem
    assert job.model.config.dim == 4
    assert load_checkpoint(planted_data, path).config.dim == 3


def test_a_loss_that_is_not_finite_ends_in_a_sentence_with_the_best_model(
    planted_data: MovieData, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, real = iter(range(10**6)), bpr.bpr_loss

    def breaks_down(*batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss, slope = real(*batch)
        return loss * (math.nan if next(steps) > 8 else 1), slope

    monkeypatch.setattr(bpr, "bpr_loss", breaks_down)
    job = TrainingJob(planted_data, PROTOCOL, ENDLESS, path)
    job.run()
    assert job.status == "finished" and job.saved
    assert "not finite" in job.model.stop_reason
    assert np.isfinite(load_checkpoint(planted_data, path).e0).all()
    assert "not finite" in load_runs(runs_folder(path)).runs[0].stop_reason


def test_a_crash_ends_in_a_sentence_not_in_a_run_that_never_ends(
    job: TrainingJob, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise MemoryError("out of memory")

    monkeypatch.setattr(model_training, "train", crash)
    job.run()
    assert job.status == "failed"
    assert "out of memory" in job.problem
    assert load_runs(runs_folder(path)).runs[0].problem == job.problem


def test_data_too_small_for_the_protocol_end_in_a_sentence(
    load: Callable[..., MovieData], path: Path
) -> None:
    data = load(ratings=[(1, 10, 4.0, 1), (2, 20, 3.0, 2)], tags=None)
    job = TrainingJob(data, PROTOCOL, QUICK, path)
    job.run()
    assert job.status == "failed" and not path.exists()
    assert_one_sentence(job.problem)


def test_a_model_of_other_data_is_not_compared_and_stays_in_its_place(
    job: TrainingJob, planted_data: MovieData, toy_data: MovieData, path: Path
) -> None:
    other = TrainingJob(toy_data, "temporal_leave_one_out", QUICK, path)
    other.run()
    assert other.saved and other.promoted
    before = path.read_bytes()
    job.run()
    assert IN_USE not in job.test and job.saved and job.promoted
    assert path.read_bytes() == before
    assert job.store.in_use(planted_data).model.key == job.model.key


_KILLED_MID_SAVE = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
import torch
from data_preparation import load_movie_data
from model.checkpoints import load_checkpoint, save_checkpoint

data, path = load_movie_data(Path(sys.argv[1])), Path(sys.argv[2])
model = replace(load_checkpoint(data, path), stop_reason="It was another run.")
before = path.read_bytes()

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def half_written(content, file):
    file.write(b"half a checkpoint")
    file.flush()
    killed()

for owner, name, fatal in (
    (torch, "save", half_written), (os, "fsync", killed), (os, "replace", killed)
):
    if not (child := os.fork()):
        setattr(owner, name, fatal)
        save_checkpoint(model, path)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(name, os.WTERMSIG(status), path.read_bytes() == before)
"""


def test_a_server_killed_mid_save_leaves_the_old_checkpoint(
    planted_data: MovieData, tmp_path: Path, path: Path
) -> None:
    folder = write_planted(tmp_path / "planted")
    TrainingJob(planted_data, PROTOCOL, QUICK, path).run()
    arguments = [sys.executable, "-c", _KILLED_MID_SAVE, str(folder), str(path)]
    printed = subprocess.run(
        arguments, cwd=REPOSITORY, check=True, timeout=90, capture_output=True, text=True
    ).stdout
    killed = f"{signal.SIGKILL.value} True"
    assert printed.split("\n")[:3] == [f"{at} {killed}" for at in ("save", "fsync", "replace")]
    save_checkpoint(load_checkpoint(planted_data, path), path)  # the leftovers are in nobody's way
    assert not list(path.parent.glob(".*.tmp"))  # and are gone


@pytest.mark.parametrize(("value", "error"), [("off", TrainingOffError), ("of", SettingError)])
def test_the_board_refuses_everything_where_training_is_off(
    board: JobBoard,
    planted_data: MovieData,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    error: type[Exception],
) -> None:
    monkeypatch.setenv("LIGHTGCN_TRAINING", value)
    with pytest.raises(error):
        board.start(planted_data, PROTOCOL, ENDLESS, path)
    assert board.job is None and not path.exists()


def test_there_is_one_board_for_each_checkpoint(tmp_path: Path) -> None:
    assert board_of(tmp_path / "a.pth") is board_of(tmp_path / "a.pth")
    assert board_of(tmp_path / "a.pth") is not board_of(tmp_path / "b.pth")
