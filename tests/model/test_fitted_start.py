"""The closed-form start against dense eigenpairs, against EASE, and on data at the edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import sparse

from data_preparation import MovieData
from model import fitted_start
from model.baselines import ease
from model.bpr import RANDOM_STD, Learner
from model.fitted_start import Spectrum, first_eigenvalue, spectrum
from model.hybrid_graph import HybridGraph, build_graph
from model.lightgcn import fitted_vectors, profile_scorer
from model.profiles import PROFILES
from model.splits import Split, random_80_10_10
from model.trained import TrainedModel
from model.viewers import user_viewer
from model_training import train
from prediction import recommend, score_all
from tests.dense import CONTENT, STARS, csr
from tests.small_training import config, hybrid_config, ndcg, start_of


def starred(n_users: int, n_movies: int, share: float = 0.2, seed: int = 0) -> sparse.csr_array:
    """Ratings of random stars, each film and each person with one at least."""
    rng = np.random.default_rng(seed)
    rated = rng.random((n_users, n_movies)) < share
    rated[np.arange(n_users), np.arange(n_users) % n_movies] = True
    rated[np.arange(n_movies) % n_users, np.arange(n_movies)] = True
    return csr(rated * rng.integers(1, 11, size=rated.shape) / 2)


def graph_of(ratings: sparse.csr_array, **changes: Any) -> HybridGraph:
    return build_graph(ratings, {}, hybrid_config(**changes))


def dense_pairs(graph: HybridGraph) -> tuple[NDArray, NDArray]:
    """Eigenpairs of YᵀY by NumPy in float64, largest first."""
    edges = graph.edges.toarray().astype(np.float64)
    values, vectors = np.linalg.eigh(edges.T @ edges)
    return values[::-1], vectors[:, ::-1]


def rebuilt(found: Spectrum, power: float = 1.0) -> NDArray:
    """V w^power Vᵀ, which no sign and no turn within equal eigenvalues can change."""
    vectors = found.vectors.astype(np.float64)
    return (vectors * found.values**power) @ vectors.T


# --- eigenpairs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [60, 1000], ids=["as many as films", "more than there are"])
@pytest.mark.parametrize("n_users", [15, 90])
def test_all_eigenpairs_are_numpys(n_users: int, rank: int) -> None:
    graph = graph_of(starred(n_users, 60))
    values, vectors = dense_pairs(graph)
    found = spectrum(graph, rank)
    there_are = int((values > 1e-6 * values[0]).sum())
    assert len(found.values) == found.vectors.shape[1] == there_are <= 60
    np.testing.assert_allclose(found.values, values[:there_are], rtol=1e-3, atol=1e-5 * values[0])
    np.testing.assert_allclose(
        rebuilt(found), (vectors * values) @ vectors.T, atol=1e-5 * values[0]
    )
    unit = found.vectors.T @ found.vectors
    np.testing.assert_allclose(unit, np.eye(there_are), atol=2e-3)
    assert found.vectors.dtype == np.float32 and found.values.dtype == np.float64


def leading(n_users: int = 150, n_movies: int = 120, rank: int = 12) -> HybridGraph:
    """A graph with `rank` strong directions above noise, the strong ones well apart."""
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(n_users, rank)), rng.normal(size=(rank, n_movies))
    values = (left * 0.8 ** np.arange(rank)) @ right + 0.05 * rng.normal(size=(n_users, n_movies))
    return HybridGraph(("seen",), (0, n_users), csr(values))


@pytest.mark.parametrize("many_nodes", [False, True], ids=["over YYᵀ", "over sparse products"])
def test_power_iteration_finds_what_lapack_finds(
    monkeypatch: pytest.MonkeyPatch, many_nodes: bool
) -> None:
    graph = leading()
    values, vectors = dense_pairs(graph)
    if many_nodes:
        monkeypatch.setattr(fitted_start, "MAX_DENSE_NODES", 0)
    # Without spare columns or a whole space, so that it is the iteration that finds them.
    monkeypatch.setattr(fitted_start, "EXTRA_COLUMNS", 8)
    asked = record_routes(monkeypatch)
    found = spectrum(graph, 12)
    assert asked == ["power"]
    np.testing.assert_allclose(found.values, values[:12], rtol=1e-4)
    expected = (vectors[:, :12] * values[:12]) @ vectors[:, :12].T
    np.testing.assert_allclose(rebuilt(found), expected, atol=1e-3 * values[0])
    whole = spectrum(graph, 100)  # by LAPACK where nodes are few
    np.testing.assert_allclose(whole.values[:12], found.values, rtol=1e-4)
    assert asked == ["power", "power" if many_nodes else "LAPACK"]


@pytest.mark.parametrize("n_nodes", [1, 59, 60, 61, 200])
def test_the_product_in_blocks_is_the_whole_product(n_nodes: int) -> None:
    edges = starred(n_nodes, 60, share=0.3)
    edges.data[::7] = 0.0  # edges of weight 0 stay stored
    block = np.random.default_rng(1).normal(size=(60, 5)).astype(np.float32)
    dense = edges.toarray().astype(np.float64)
    expected = dense.T @ (dense @ block)
    found = fitted_start._gram_times(edges, block)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def record_routes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which route `spectrum` takes, call by call."""
    asked: list[str] = []
    power, eigh = fitted_start._subspace, fitted_start.linalg.eigh

    def by_power(*given: Any) -> Any:
        asked.append("power")
        with monkeypatch.context() as patch:
            patch.setattr(fitted_start.linalg, "eigh", eigh)
            return power(*given)

    def by_lapack(*given: Any, **options: Any) -> Any:
        asked.append("LAPACK")
        return eigh(*given, **options)

    monkeypatch.setattr(fitted_start, "_subspace", by_power)
    monkeypatch.setattr(fitted_start.linalg, "eigh", by_lapack)
    return asked


@pytest.mark.parametrize("rank", [3, 20, 60])
@pytest.mark.parametrize("n_users", [15, 90])
def test_many_nodes_give_the_same_start_as_few(
    monkeypatch: pytest.MonkeyPatch, n_users: int, rank: int
) -> None:
    graph = graph_of(starred(n_users, 60))
    few = spectrum(graph, rank)
    monkeypatch.setattr(fitted_start, "MAX_DENSE_NODES", 0)
    many = spectrum(graph, rank)
    # All spare columns together span the whole space here, so both are exact.
    np.testing.assert_allclose(many.values, few.values, rtol=1e-3)
    e_few, e_many = few.filtered(0.03), many.filtered(0.03)
    np.testing.assert_allclose(e_many @ e_many.T, e_few @ e_few.T, atol=2e-3)


def test_directions_of_a_similar_graph_save_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, monkeys = leading(rank=20), monkeypatch
    monkeys.setattr(fitted_start, "EXTRA_COLUMNS", 0)
    for most in (6_000, 0):
        monkeys.setattr(fitted_start, "MAX_DENSE_NODES", most)
        exact = dense_pairs(graph)[0][:20]
        near = spectrum(graph, 20, rounds=30).vectors
        cold = spectrum(graph, 20, rounds=1).values
        warm = spectrum(graph, 20, near=near, rounds=1).values
        np.testing.assert_allclose(warm, exact, rtol=1e-3)
        assert abs(cold - exact).max() > 10 * abs(warm - exact).max()


def test_the_seed_of_the_power_iteration_is_repeatable() -> None:
    graph = leading()
    one, again, other = (spectrum(graph, 12, seed, rounds=1).values for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@given(
    arrays(np.int8, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.integers(0, 9))
)
def test_the_first_eigenvalue_is_numpys(table: NDArray) -> None:
    values = np.linalg.eigvalsh(table.T.astype(float) @ table)[-1] if table.any() else 1.0
    # 30 rounds of power iteration from below; nearly equal eigenvalues cost a little.
    assert 0.97 * values <= first_eigenvalue(csr(table)) <= 1.001 * values


def test_the_ridge_is_a_share_of_what_people_saw_whatever_else_weighs() -> None:
    ratings = csr(STARS)
    seen = graph_of(ratings, taste=0.0).edges.toarray()
    expected = np.linalg.eigvalsh(seen.T @ seen)[-1]
    for change in ({"taste": 0.0}, {"taste": 5.0}, {"genre": 50.0}):
        found = spectrum(build_graph(ratings, {"genre": csr(CONTENT)}, hybrid_config(**change)), 9)
        assert found.first_seen == pytest.approx(expected, rel=1e-3)


def test_e0_is_the_filtered_direction() -> None:
    found = Spectrum(np.array([3.0, 1.0]), np.eye(3, 2, dtype=np.float32), first_seen=2.0)
    # λ = 0.5·2 = 1: √(3/4) and √(1/2)
    np.testing.assert_allclose(
        found.filtered(0.5), [[0.75**0.5, 0], [0, 0.5**0.5], [0, 0]], rtol=1e-6
    )


def test_rows_of_e0_multiply_to_the_ridge_regression_of_every_node() -> None:
    graph = graph_of(starred(40, 30))
    edges = graph.edges.toarray().astype(np.float64)
    gram = edges.T @ edges
    found = spectrum(graph, 1000)
    e0 = found.filtered(0.05).astype(np.float64)
    expected = gram @ np.linalg.inv(gram + 0.05 * found.first_seen * np.eye(30))
    np.testing.assert_allclose(e0 @ e0.T, expected, atol=1e-4)


# --- EASE -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_users", [25, 120], ids=["fewer people than films", "more"])
@pytest.mark.parametrize("l2", [5.0, 50.0])
def test_without_anything_else_a_full_fit_scores_unseen_films_as_ease_does(
    n_users: int, l2: float
) -> None:
    ratings = starred(n_users, 50)
    ratings.data[:] = 4.0  # so that nothing is clearly below anyone's level
    plain = {
        **{"user_exponent": 0.0, "film_exponent": 0.0, "met_exponent": 0.0, "taste": 0.0},
        **{"watch": 0.0, "dim": 1000},
    }
    found = spectrum(graph_of(ratings, **plain), 1000)
    settings = hybrid_config(**plain, ridge=l2 / found.first_seen)
    scorer = profile_scorer(ratings, *fitted_vectors(ratings, found, settings), 0.0)
    users = np.arange(n_users)
    unseen = ratings.toarray() == 0
    expected = ease(ratings, l2)(users)[unseen]
    np.testing.assert_allclose(scorer(users)[unseen], expected, atol=1e-4)
    assert expected.std() > 0.01
    # The learner takes the same steps.
    learned = Learner(ratings, {}, settings).scorer("watch")(users)[unseen]
    np.testing.assert_allclose(learned, expected, atol=1e-4)


# --- starts of a learner --------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [4, 64])  # below and above the rank of the matrix
def test_no_direction_of_a_fitted_start_is_stuck(split: Split, dim: int) -> None:
    learner = Learner(split.train, {}, hybrid_config(dim=dim))
    assert learner.e0.shape[0] == 48 and 0 < learner.e0.shape[1] <= min(dim, 48)
    assert learner.e0.shape[1] == len(learner.values)
    assert learner.e0.isfinite().all() and (learner.e0.std(dim=0) > 0).all()
    assert (np.diff(learner.values) <= 0).all() and (learner.values > 0).all()


@pytest.mark.parametrize(
    "kind", [config, lambda **c: hybrid_config(warm_start=False, epochs=1, **c)]
)
def test_a_random_start_has_the_published_standard_deviation(
    split: Split, kind: Callable[..., Any]
) -> None:
    e0 = start_of(split.train, kind(dim=64))
    assert e0.std().item() == pytest.approx(RANDOM_STD, rel=0.05) and RANDOM_STD == 0.1
    assert e0.mean().item() == pytest.approx(0, abs=0.01)


def test_a_film_without_ratings_starts_at_zero() -> None:
    for settings in (hybrid_config(), hybrid_config(warm_start=False, epochs=1)):
        e0 = Learner(csr(STARS), {"genre": csr(CONTENT)}, settings).weights()
        assert e0.any(dim=1).tolist() == [True, True, True, True, False, True]


def test_a_fitted_start_ranks_far_better_than_chance_before_any_step(
    planted_data: MovieData, split: Split, hybrid: TrainedModel
) -> None:
    cold = train(planted_data, split, hybrid_config(warm_start=False, epochs=1))
    assert ndcg(hybrid)[0] > 1.5 * ndcg(cold)[0]


# --- data at the edge -----------------------------------------------------------------------------

EDGE_CASES: dict[str, NDArray] = {
    "a single person": np.array([[4.0, 0, 3, 5, 0, 1]]),
    "a single person who rated everything": np.full((1, 5), 4.5),
    "two friends": np.array([[4.0, 3, 5, 0, 0, 1], [0, 3, 4.5, 2, 0.5, 0]]),
    "two friends who agree": np.full((2, 4), 3.0),
    "everybody rated everything": np.random.default_rng(0).integers(1, 11, size=(6, 5)) / 2,
    "one rating each": np.diag([5.0, 0.5, 3, 3, 4]),
    "one film": np.array([[4.0], [0.5], [3.0]]),
    "one rating": np.array([[0.5]]),
    "all but one film": np.where(np.eye(6, 12), 0, 4.0),
}


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("stars", [pytest.param(s, id=name) for name, s in EDGE_CASES.items()])
def test_every_number_is_finite(stars: NDArray, layers: int) -> None:
    learner = Learner(csr(stars), {}, hybrid_config(layers=layers, film_exponent=0.3, dim=8))
    assert learner.e0.isfinite().all() and np.isfinite(learner.scale).all()
    for profile in PROFILES:
        scores = learner.scorer(profile)(np.arange(len(stars)))
        assert np.isfinite(scores).all() and scores.shape == stars.shape


@given(
    arrays(np.int8, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.integers(0, 10))
    .filter(np.any),
    st.integers(1, 3),
    st.sampled_from([1e-6, 0.03, 100.0]),
    st.floats(0, 1),
)  # fmt: skip
def test_any_ratings_give_finite_scores(
    table: NDArray, layers: int, ridge: float, exponent: float
) -> None:
    settings = hybrid_config(layers=layers, ridge=ridge, film_exponent=exponent, dim=5)
    learner = Learner(csr(table / 2), {}, settings)
    assert np.isfinite(learner.scorer("like")(np.arange(len(table)))).all()


def test_two_friends_with_ten_ratings_each_get_a_model_and_a_list(
    load: Callable[..., MovieData],
) -> None:
    ratings = [
        *((1, film, 3.0 + film % 3, film) for film in range(1, 11)),
        *((2, film, 2.5 + film % 4 / 2, film) for film in range(6, 16)),
    ]
    films = [(film, f"F{film} (2000)", "Drama") for film in range(1, 16)]
    data = load(ratings=ratings, movies=films, tags=None, links=None)
    model = train(data, random_80_10_10(data), hybrid_config(dim=8192))
    assert np.isfinite(model.movie_factors).all()
    for user in (0, 1):
        scores = score_all(data, model, user_viewer(data, model, user))
        assert len(recommend(model, scores, 5)) == 5


def test_what_films_vote_for_themselves_never_divides_by_zero() -> None:
    # Film 0 is all that person 0 has: without a bound, 1 − B_00 would be nearly 0 for a tiny λ.
    learner = Learner(csr(np.diag([5.0, 5.0, 4.0])), {}, hybrid_config(ridge=1e-6, taste=0.0))
    assert (learner.scale < 25).all() and torch.isfinite(learner.e0).all()
