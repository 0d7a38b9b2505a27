"""What a training will cost: more work takes longer, the last run calibrates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from data_preparation import MovieData
from model.config import TrainingConfig
from model.estimate import estimate, memory_bytes
from serving.training_job import TrainingJob

CONFIG = TrainingConfig(dim=8, layers=1, epochs=3, batch_size=64)


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
