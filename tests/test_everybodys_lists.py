"""`prediction.py --all`: the lists of all users at once are those that the page shows each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest

import prediction
from data_preparation import MovieData
from model.checkpoints import save_checkpoint
from model.processes import Processes, check_everybody
from model.splits import Split, random_80_10_10
from model.trained import TrainedModel
from model.viewers import user_viewer
from model_training import train
from prediction import main, recommend, recommend_many, score_all, write_lists
from tests.conftest import assert_one_sentence, write_planted
from tests.small_training import config, hybrid_config


@pytest.fixture(scope="module", params=["hybrid", "paper"])
def model(request: pytest.FixtureRequest, planted_data: MovieData, split: Split) -> TrainedModel:
    return train(planted_data, split, hybrid_config() if request.param == "hybrid" else config())


@pytest.mark.parametrize(("profile", "tag_weight"), [("like", 0.1), ("watch", 0.5), ("like", 0.0)])
def test_the_lists_of_many_are_those_of_each(
    planted_data: MovieData, model: TrainedModel, profile: Any, tag_weight: float
) -> None:
    users = slice(3, 17)
    lists = recommend_many(planted_data, model, users, 8, profile, tag_weight)
    for row, user in enumerate(range(users.start, users.stop)):
        viewer = user_viewer(planted_data, model, user, profile)
        expected = recommend(model, score_all(planted_data, model, viewer, tag_weight), 8)
        assert lists.movies[row].tolist() == [item.movie for item in expected]
        for part in ("graph_part", "tag_part"):
            values = [getattr(item, part) for item in expected]
            np.testing.assert_allclose(getattr(lists, part)[row], values, rtol=1e-4, atol=1e-5)


def test_who_liked_nothing_yet_gets_what_the_page_shows(planted_data: MovieData) -> None:
    ratings = planted_data.ratings.copy()
    stars = np.full_like(ratings.data, 4.5)
    stars[ratings.indptr[2] : ratings.indptr[3]] = 0.5  # far below everybody's mean
    data = replace(planted_data, ratings=type(ratings)((stars, ratings.indices, ratings.indptr)))
    hybrid = train(data, random_80_10_10(data), hybrid_config())
    viewer = user_viewer(data, hybrid, 2)
    assert viewer.only_averse
    lists = recommend_many(data, hybrid, slice(0, 5), data.n_movies)
    for user in range(5):
        scores = score_all(data, hybrid, user_viewer(data, hybrid, user))
        expected = [item.movie for item in recommend(hybrid, scores, data.n_movies)]
        found = lists.movies[user]
        assert found[: len(expected)].tolist() == expected and (found[len(expected) :] == -1).all()
    with pytest.raises(ValueError, match="K must be at least 1"):
        recommend_many(data, hybrid, slice(0, 5), 0)


class Half(Processes):
    """One of two processes that run one after the other: the second one first."""

    def __init__(self, rank: int, n_users: int, middle: int) -> None:
        super().__init__(rank, 2)
        self.shares = [(0, middle), (middle, n_users)]

    def everybodys(self, value: Any) -> list[Any]:
        return self.shares


def test_two_processes_write_the_lists_of_one(
    planted_data: MovieData,
    model: TrainedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prediction, "_SCORES_AT_ONCE", 7 * planted_data.n_movies)
    alone, both = tmp_path / "alone.parquet", tmp_path / "both.parquet"
    written = write_lists(planted_data, model, 5, alone)
    middle = prediction.share_of(planted_data.user_degree, Processes(0, 2)).stop
    for rank in (1, 0):
        half = Half(rank, planted_data.n_users, middle)
        assert write_lists(planted_data, model, 5, both, half) == (0 if rank else written)
    table, other = (parquet.read_table(path).to_pandas() for path in (alone, both))
    pd.testing.assert_frame_equal(other, table, atol=1e-6)  # a block's size moves the last digit
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone.parquet", "both.parquet"]
    assert set(table["user_id"]) == set(planted_data.user_ids.tolist())
    assert table["place"].min() == 1 and table["place"].max() == 5
    np.testing.assert_allclose(table["score"], table["graph_part"] + table["tag_part"], atol=1e-6)


def test_a_user_whom_no_process_holds_is_named() -> None:
    ids = np.array([4, 9, 11, 30])
    check_everybody(ids, [(0, 2), (2, 4)])
    for shares in ([(0, 2), (3, 4)], [(0, 2), (2, 3)], [(1, 4)]):
        missing = {(3, 4): 11, (2, 3): 30, (1, 4): 4}[shares[-1]]
        with pytest.raises(ValueError, match=f"User {missing} of the data is held by no process"):
            check_everybody(ids, shares)
    with pytest.raises(ValueError, match="User 9 of the data is held by two processes"):
        check_everybody(ids, [(0, 2), (1, 4)])


def test_the_command_writes_them(
    model: TrainedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MOVIELENS_DIR", str(write_planted(tmp_path / "data")))
    checkpoint, out = tmp_path / "model.pth", tmp_path / "lists.parquet"
    save_checkpoint(model, checkpoint)
    options = ["--all", "-k", "3", "--out", str(out), "--checkpoint", str(checkpoint)]
    assert main(options) == 0
    assert "rows for" in capsys.readouterr().out
    assert parquet.read_table(out).num_rows > 0
    for wrong in (["--half-life", "10"], ["--out", str(tmp_path / "no" / "where.parquet")]):
        assert main([*options, *wrong]) == 1
        assert_one_sentence(capsys.readouterr().err.strip())
