"""Bias, norms, similarities and quality per user, recomputed in dense NumPy and by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import normalize

from analysis.model_health import (
    UserQuality,
    by_group,
    exposure,
    gini,
    lorenz,
    norm_groups,
    norms,
    rank_correlation,
    similarities,
    user_quality,
    without_held_out,
)
from data_preparation import MovieData
from model.config import Kind, TrainingConfig
from model.splits import PROTOCOLS, temporal_leave_one_out
from model.trained import TrainedModel
from model.viewers import user_viewer
from model_training import refit, train
from prediction import recommend, score_all
from tests.conftest import TOY_LINKS, TOY_MOVIES, TOY_RATINGS

KINDS: tuple[Kind, ...] = ("paper", "hybrid")


def settings_of(kind: Kind, dim: int) -> TrainingConfig:
    epochs = 2 if kind == "paper" else 0
    return TrainingConfig(model=kind, dim=dim, layers=1, epochs=epochs, learning_rate=0.05)


@pytest.fixture
def model(either_kind: TrainedModel) -> TrainedModel:
    return either_kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("twice", [False, True])
def test_exposure_counts_the_lists_that_the_app_shows(
    load: Callable[..., MovieData], kind: Kind, twice: bool
) -> None:
    # User 21's only film gets half a star, so nothing speaks for anything; Heat is listed twice.
    ratings = [(*row[:2], 0.5, row[3]) if row[0] == 21 else row for row in TOY_RATINGS]
    extra = [(300, "Heat (1995)", "Action|Crime")] if twice else []
    links = [row for row in TOY_LINKS if row[0] != 20] if twice else TOY_LINKS
    toy_data = load(
        ratings=[*ratings, *([(7, 300, 3.0, 230)] if twice else [])],
        movies=[*TOY_MOVIES, *extra],
        links=links,
    )
    trained = train(toy_data, temporal_leave_one_out(toy_data), settings_of(kind, 4))
    trained = refit(toy_data, trained)  # all films have scores of their own, so no two are equal
    n = toy_data.n_movies
    blended, graph = np.zeros(n, int), np.zeros(n, int)
    averse = user_viewer(toy_data, trained, toy_data.inner_user(21)).only_averse
    assert averse == (kind == "hybrid")
    for user in range(toy_data.n_users):
        viewer = user_viewer(toy_data, trained, user)
        for recommended in recommend(trained, score_all(toy_data, trained, viewer), 2):
            blended[recommended.movie] += 1
        for recommended in recommend(trained, score_all(toy_data, trained, viewer, 0.0), 2):
            graph[recommended.movie] += 1
    found = exposure(toy_data, trained, 2)
    rated = np.flatnonzero(toy_data.movie_degree)
    assert found.movies.tolist() == rated.tolist()
    assert found.shown.tolist() == blended[rated].tolist()
    assert found.by_graph_alone.tolist() == graph[rated].tolist()
    assert found.ratings.tolist() == toy_data.movie_degree[rated].tolist()


def test_someone_who_rated_nearly_everything_gets_a_shorter_list(toy_data: MovieData) -> None:
    factors = np.ones((toy_data.n_users, 2), np.float32), np.ones((8, 2), np.float32)
    fake = SimpleNamespace(user_factors=factors[0], movie_factors=factors[1], is_hybrid=False)
    found = exposure(toy_data, fake, k=10)  # 8 films, so nobody has 10 left
    unrated = toy_data.n_users * 7 - toy_data.n_ratings  # the rated films that each has left
    assert found.shown.sum() == found.by_graph_alone.sum() == unrated


def test_the_lorenz_curve_by_hand() -> None:
    curve = lorenz(np.array([6, 1, 3, 0]))
    assert curve["films"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(curve["share"], [0, 0, 0.1, 0.4, 1])


@pytest.mark.parametrize("counts", [[5, 5, 5], [0, 0, 9], [6, 1, 3, 0], [2]])
def test_gini_is_half_the_relative_mean_difference(counts: list[int]) -> None:
    values = np.array(counts, float)
    difference = np.abs(values[:, None] - values[None]).mean()
    assert gini(np.array(counts)) == pytest.approx(difference / (2 * values.mean()))


def test_gini_is_twice_the_area_above_the_lorenz_curve() -> None:
    counts = np.random.default_rng(0).integers(0, 50, 200)
    curve = lorenz(counts)
    area = np.trapezoid(curve["share"], curve["films"])
    assert gini(counts) == pytest.approx(1 - 2 * area)


def test_gini_without_any_count_is_0() -> None:
    assert gini(np.zeros(4, int)) == 0


def test_norms_and_their_rank_correlation(planted_data: MovieData, model: TrainedModel) -> None:
    table = norms(planted_data, model)
    lengths = np.linalg.norm(model.movie_factors, axis=1)
    assert table["movie"].tolist() == np.flatnonzero(lengths).tolist()
    row = table.iloc[5]
    factor = model.movie_factors[int(row["movie"])].astype(float)
    assert row["norm"] == pytest.approx((factor**2).sum() ** 0.5)
    ranks = table[["ratings", "norm"]].rank()
    expected = np.corrcoef(ranks["ratings"], ranks["norm"])[0, 1]
    assert rank_correlation(table["ratings"], table["norm"]) == pytest.approx(expected)
    assert np.isnan(rank_correlation(pd.Series([1, 1]), pd.Series([1, 2])))


def test_similarities_of_known_directions() -> None:
    """Three groups of equal films: the nearest is at cosine 1, a random one mostly at 0."""
    factors = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0) * np.arange(1, 13)[:, None]
    table = similarities(SimpleNamespace(directions=normalize(factors)), bins=10)
    nearest = table[table["kind"] == "nearest pairs"]
    assert nearest["share"].tolist() == [0.0] * 9 + [1.0]
    random = table[table["kind"] == "random pairs"]
    assert random["share"].sum() == pytest.approx(1)
    assert set(np.flatnonzero(random["share"])) == {0, 9}
    assert random["mean"].iloc[0] == pytest.approx(3 / 11, abs=0.12)  # 3 of 11 others are alike


def test_similarities_need_three_films() -> None:
    assert similarities(SimpleNamespace(directions=np.eye(2, dtype=np.float32))).empty


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_quality_per_user_averages_to_the_models_own_test_metrics(
    planted_data: MovieData, protocol: str, kind: Kind
) -> None:
    split = PROTOCOLS[protocol](planted_data)
    trained = train(planted_data, split, settings_of(kind, 8))
    quality = user_quality(planted_data, trained)
    users = quality.per_user
    assert users["model"].mean() == pytest.approx(trained.test_metrics["NDCG@20"], abs=1e-9)
    liked = trained.test_metrics["liked NDCG@20"]
    assert users["liked"].mean() == pytest.approx(liked, abs=1e-9)
    some_liked = (split.test.toarray() >= 4).any(axis=1)[users.index]
    assert users["liked"].notna().tolist() == some_liked.tolist()
    assert users["popularity_liked"].notna().tolist() == some_liked.tolist()
    assert quality.profile == ("like" if kind == "hybrid" else None)
    dense = split.train.toarray() > 0
    popular = np.log10(np.maximum(dense.sum(axis=0), 1))
    for user, row in users.iterrows():
        assert row["ratings"] == dense[user].sum()
        assert row["mainstream"] == pytest.approx(popular[dense[user]].mean())


def test_a_refitted_model_cannot_measure_its_users(
    planted_data: MovieData, model: TrainedModel
) -> None:
    refitted = dataclasses.replace(model, refitted=True)
    with pytest.raises(ValueError, match="fitted to all ratings"):
        user_quality(planted_data, refitted)
    again = without_held_out(planted_data, refitted)
    assert not again.refitted
    assert again.test_metrics == pytest.approx(model.test_metrics)


def test_groups_are_of_equal_size_with_their_bounds_and_means() -> None:
    users = pd.DataFrame(
        {
            "model": [0.1, 0.3, 0.5, 0.7],
            "popularity": [0.0, 0.2, 0.0, 0.4],
            "ratings": [40, 10, 20, 30],
            "mainstream": 1.0,
        }
    )
    table = by_group(UserQuality(users, "random_80_10_10"), "ratings", n_groups=2)
    ours = table[table["scorer"] == "LightGCN"]
    assert ours[["low", "high", "users"]].to_numpy().tolist() == [[10, 20, 2], [30, 40, 2]]
    np.testing.assert_allclose(ours["ndcg"], [0.4, 0.4])
    # Standard error: sample standard deviation / √2.
    np.testing.assert_allclose(ours["error"], [0.1, 0.3])
    np.testing.assert_allclose(table[table["scorer"] == "popularity"]["ndcg"], [0.1, 0.2])


def test_one_user_is_one_group() -> None:
    users = pd.DataFrame({"model": [0.5], "popularity": [0.25], "ratings": [9]})
    table = by_group(UserQuality(users, "random_80_10_10"), "ratings")
    assert table["ndcg"].tolist() == [0.5, 0.25]
    assert table["error"].isna().all()


def test_norm_groups_gather_films_that_are_alike() -> None:
    table = pd.DataFrame(
        {
            "name": ["a", "b", "c", "d"],
            "ratings": [1, 1, 100, 1],
            "norm": [0.5, 0.5, 8.0, 2.0],
        }
    )
    groups = norm_groups(table).set_index("who")
    assert set(groups.index) == {"a and 1 more", "c", "d"}
    assert groups["films"].sum() == len(table)
    np.testing.assert_allclose(groups.loc["a and 1 more", ["ratings", "norm"]].to_list(), [1, 0.5])
    np.testing.assert_allclose(groups.loc["c", ["ratings", "norm"]].to_list(), [100, 8.0])


def test_norm_groups_hold_every_film_near_its_place(
    planted_data: MovieData, model: TrainedModel
) -> None:
    table = norms(planted_data, model)
    groups = norm_groups(table, bins=4)
    assert groups["films"].sum() == len(table)
    low, high = table["ratings"].min(), table["ratings"].max()
    assert groups["ratings"].between(low * 0.999, high * 1.001).all()
    assert groups["norm"].between(table["norm"].min() * 0.999, table["norm"].max() * 1.001).all()
    assert len(norm_groups(table.assign(ratings=3, norm=1.5))) == 1  # all alike
