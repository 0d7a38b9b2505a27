"""What is made of the data and the model is made once, and goes with them."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from data_preparation import MovieData
from model.stars import fit_stars
from model.trained import TrainedModel
from serving import tables
from serving.prepared import star_model, title_search, walks


def test_each_is_made_once_however_many_ask(
    planted_data: MovieData, hybrid: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, calls = replace(hybrid), []

    def counted(*arguments: object) -> object:
        calls.append(1)
        return fit_stars(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tables, "fit_stars", counted)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: star_model(planted_data, mine), range(8)))
    assert len(calls) == 1 and all(one is made[0] for one in made)
    assert title_search(planted_data) is title_search(planted_data)
    assert walks(planted_data, mine) is walks(planted_data, mine)


def test_another_model_has_its_own_stars(planted_data: MovieData, hybrid: TrainedModel) -> None:
    other = replace(hybrid, movie_factors=np.ascontiguousarray(hybrid.movie_factors[:, ::-1]))
    assert star_model(planted_data, other) is not star_model(planted_data, hybrid)


def test_nothing_is_kept_of_a_model_that_is_gone(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    mine = replace(hybrid)
    stars = weakref.ref(star_model(planted_data, mine))
    del mine
    gc.collect()
    assert stars() is None
