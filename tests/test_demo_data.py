"""The built-in dataset: what its script writes, valid, and worth a demonstration."""

from __future__ import annotations

import numpy as np

from data_preparation import load_movie_data
from demo_data.make_demo_data import build, csv_bytes, load_films
from model.baselines import popularity
from model.config import TrainingConfig
from model.evaluation import evaluate
from model.splits import random_80_10_10
from model_training import train
from settings import DEMO_DIR


def test_the_committed_files_are_what_the_script_writes() -> None:
    for name, table in zip(("ratings", "movies", "tags"), build(load_films()), strict=True):
        assert csv_bytes(table) == (DEMO_DIR / f"{name}.csv").read_bytes()


def test_it_loads_and_has_the_shapes_that_its_readme_states() -> None:
    data = load_movie_data(DEMO_DIR)
    assert (data.n_users, data.n_movies, data.n_ratings) == (200, 432, 10_433)
    assert int((data.movie_degree == 0).sum()) == 5
    assert {"time travel", "sci fi"} <= set(data.tag_names)
    assert np.diff(data.movie_ids).max() > 1  # raw ids have gaps, so nothing can confuse them


def test_lightgcn_finds_the_tastes_that_popularity_cannot() -> None:
    data = load_movie_data(DEMO_DIR)
    split = random_80_10_10(data)
    model = train(data, split, TrainingConfig(dim=16, layers=2, epochs=5))
    baseline = evaluate(popularity(split.train), split, "test").mean()
    assert model.test_metrics["Recall@10"] > 1.3 * baseline["Recall@10"]
