"""What a training will cost: more work takes longer, the last run calibrates."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from scipy import sparse

from benchmarks.large_data import SHAPES
from data_preparation import MovieData
from model import memory
from model.config import TrainingConfig
from model.estimate import estimate, fit_bytes, memory_bytes
from model.item_models import ease_cost
from serving.training_job import TrainingJob
from tests.conftest import REPOSITORY, assert_one_sentence

_LIBRARIES = 0.36 * 2**30  # bytes that a process holds before it reads anything
_HELD = 20  # bytes of a rating in the data: stars, film, time
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
    seconds = [record.seconds for record in run.history]
    assert told.calibrated
    assert told.epoch_seconds == pytest.approx(np.median(np.diff(seconds)))
    assert told.start_seconds == pytest.approx(seconds[0])
    assert not estimate(toy_data, CONFIG, [run]).calibrated  # that was on other data


def test_ease_beside_the_model_is_counted_and_what_is_left_out_is_not(
    planted_data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = replace(planted_data, ratings=sparse.csr_array((40_000, 3_000), dtype=np.float32))
    cost = ease_cost(40_000, 3_000, 0).peak
    monkeypatch.setattr(memory, "machine_memory", lambda: 4 * cost)
    with_ease = memory_bytes(large, CONFIG)
    monkeypatch.setattr(memory, "machine_memory", lambda: 4 * cost - 4)
    assert with_ease > cost > 200 * 2**20
    assert memory_bytes(large, CONFIG) == fit_bytes(large, CONFIG) < with_ease


def test_a_run_without_room_for_ease_says_so_and_ends_well(
    planted_data: MovieData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: 10_000_000)
    job = TrainingJob(planted_data, "random_80_10_10", CONFIG, tmp_path / "model.pth")
    job.run()
    assert job.status == "finished" and "EASE" not in job.test
    assert_one_sentence(job.problem or "")
    assert "The comparison with EASE is left out: for 30 users" in (job.problem or "")


def test_memory_grows_with_size_and_not_beyond_the_ratings_there_are(
    planted_data: MovieData,
) -> None:
    assert fit_bytes(planted_data, replace(CONFIG, dim=16)) > fit_bytes(planted_data, CONFIG)
    all_at_once = replace(CONFIG, batch_size=planted_data.n_ratings)
    assert fit_bytes(planted_data, replace(CONFIG, batch_size=10**6)) == fit_bytes(
        planted_data, all_at_once
    )


def test_what_was_measured_of_large_data_is_within_the_estimate_and_near_it() -> None:
    """The peaks of `benchmarks.scale` in docs/scaling.md: libraries, the data, and a fit."""
    table = (REPOSITORY / "docs" / "scaling.md").read_text(encoding="utf-8")
    measured = re.findall(r"^\| ([\d,]+) \|.* ([\d.]+) GiB \|$", table, re.MULTILINE)
    assert len(measured) == 3
    for (ratings, peak), name in zip(measured, ("1m", "10m", "25m"), strict=True):
        shape, n_ratings = SHAPES[name], int(ratings.replace(",", ""))
        data = SimpleNamespace(
            n_users=shape.n_users,
            n_movies=shape.n_movies,
            n_ratings=n_ratings,
            tag_names=range(shape.tag_names),
            genre_names=range(19),
        )
        held = _LIBRARIES + _HELD * n_ratings
        told = held + fit_bytes(cast(MovieData, data), TrainingConfig(dim=64))
        assert 0.9 * told < float(peak) * 2**30 < told
