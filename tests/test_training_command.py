"""The command line does what the tab does, with the same job; and the estimate of its cost."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from checkpoints import load_checkpoint
from data_preparation import MovieData
from runs import load_runs, runs_folder
from tests.conftest import REPOSITORY, write_planted
from training_command import main
from training_config import TrainingConfig
from training_estimate import estimate, memory_bytes
from training_job import TrainingJob

QUICK = ["--epochs", "2", "--dim", "4", "--layers", "1", "--batch-size", "64", "--negatives", "1"]
CONFIG = TrainingConfig(dim=8, layers=1, epochs=3, batch_size=64)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_planted(tmp_path / "planted")
    monkeypatch.setenv("MOVIELENS_DIR", str(folder))
    return folder


def test_the_command_gives_the_same_model_and_run_as_the_job_of_the_tab(
    folder: Path, planted_data: MovieData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, other = tmp_path / "command.pth", tmp_path / "tab" / "model.pth"
    other.parent.mkdir()
    assert main([*QUICK, "--refit", "--seed", "3", "--output", str(path)]) == 0
    printed = capsys.readouterr().out
    model = load_checkpoint(planted_data, path)
    job = TrainingJob(planted_data, "random_80_10_10", model.config, other, refit=True)
    job.run()
    assert (job.model.e0 == model.e0).all() and model.refitted and model.config.seed == 3
    assert job.model.test_metrics == model.test_metrics
    (run,) = load_runs(runs_folder(path)).runs
    assert run.test == job.test
    assert "popularity" in printed and "EASE" in printed and "Refitted on all ratings" in printed
    low, high = model.test_intervals["NDCG@20"]
    assert f"{low:.4f}–{high:.4f}" in printed


def test_help_names_every_option_with_its_range_and_presets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in fields(TrainingConfig):
        assert f"--{field.name.replace('_', '-')}" in text
    for words in ("--refit", "--output", "--protocol", "1 to 1024", "best: 256, fast: 64"):
        assert words in text
    assert "None" not in text


def test_the_file_runs_as_a_program(folder: Path, tmp_path: Path) -> None:
    arguments = [*QUICK, "--output", str(tmp_path / "model.pth")]
    ended = subprocess.run(
        [sys.executable, "model_training.py", *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "epoch 2/2" in ended.stderr and (tmp_path / "model.pth").exists()


def test_a_run_that_fails_exits_with_1_and_says_why(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise MemoryError("out of memory")

    monkeypatch.setattr("training_job.train", crash)
    assert main([*QUICK, "--output", str(tmp_path / "model.pth")]) == 1
    assert "out of memory" in capsys.readouterr().err


# --- the estimate ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"dim": 64}, {"layers": 4}, {"negatives": 32}, {"batch_size": 16}]
)
def test_more_work_is_estimated_to_take_longer(
    planted_data: MovieData, change: dict[str, int]
) -> None:
    more = estimate(planted_data, replace(CONFIG, **change), [])
    assert more.epoch_seconds > estimate(planted_data, CONFIG, []).epoch_seconds


def test_the_estimate_of_the_same_settings_is_what_the_last_run_took(
    planted_data: MovieData, toy_data: MovieData, tmp_path: Path
) -> None:
    job = TrainingJob(planted_data, "random_80_10_10", CONFIG, tmp_path / "model.pth")
    job.run()
    run = job.as_run()
    told = estimate(planted_data, CONFIG, [run])
    first, last = run.history[0].seconds, run.history[-1].seconds
    assert told.calibrated
    assert told.epoch_seconds == pytest.approx((last - first) / (len(run.history) - 1))
    assert told.start_seconds == pytest.approx(first)
    assert not estimate(toy_data, CONFIG, [run]).calibrated  # that was on other data


def test_memory_grows_with_size_and_not_beyond_the_ratings_there_are(
    planted_data: MovieData,
) -> None:
    assert memory_bytes(planted_data, replace(CONFIG, dim=16)) > memory_bytes(planted_data, CONFIG)
    all_at_once = replace(CONFIG, batch_size=planted_data.n_ratings)
    assert memory_bytes(planted_data, replace(CONFIG, batch_size=10**6)) == memory_bytes(
        planted_data, all_at_once
    )
