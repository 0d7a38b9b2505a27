"""Explanations add up to the scores, and are what dense propagation says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data_preparation import MovieData, load_movie_data
from model.explanation import REST, Walks, explain, through
from model.profiles import PROFILES
from model.splits import Split, random_80_10_10, temporal_leave_one_out
from model.trained import TrainedModel, fitted_graph
from model.viewers import fold_in, user_vectors, user_viewer
from model_training import refit, train
from prediction import score_all
from tests.conftest import planted_ratings, write_dataset
from tests.small_training import config, hybrid_config

STARS = st.sampled_from((np.arange(1, 11) / 2).tolist())


@pytest.fixture(scope="session")
def models(planted_data: MovieData) -> list[TrainedModel]:
    """The paper's model with 0 to 3 layers; hybrids fitted with 1 to 3, and learned further."""
    split = random_80_10_10(planted_data)
    settings = [config(dim=3 + 4 * k, layers=k, epochs=2, seed=k) for k in range(4)]
    settings += [hybrid_config(layers=k) for k in (1, 2, 3)]
    settings += [hybrid_config(layers=1, epochs=2), hybrid_config(warm_start=False, epochs=2)]
    return [train(planted_data, split, each) for each in settings]


N_PAPER, N_MODELS = 4, 9


@given(which=st.integers(0, N_MODELS - 1), user=st.integers(0, 29), movie=st.integers(0, 47))
def test_contributions_and_self_term_sum_to_the_score(
    planted_data: MovieData, models: list[TrainedModel], which: int, user: int, movie: int
) -> None:
    model = models[which]
    reasons = explain(planted_data, model, user_viewer(planted_data, model, user), movie)
    score = float(
        user_vectors(planted_data, model, np.array([user]))[0] @ model.movie_factors[movie]
    )
    size = np.abs(reasons.contributions).sum() + abs(reasons.self_term)
    assert reasons.graph_score == pytest.approx(score, abs=1e-5 * max(size, 1))
    assert len(reasons.contributions) == planted_data.user_degree[user]
    assert which < N_PAPER or reasons.self_term == 0


@given(
    which=st.integers(0, N_MODELS - 1),
    movie=st.integers(0, 47),
    stars=st.dictionaries(st.integers(0, 47), STARS, max_size=10),
    profile=st.sampled_from(PROFILES),
)
def test_a_visitors_contributions_sum_to_the_score_with_no_self_term(
    planted_data: MovieData,
    models: list[TrainedModel],
    which: int,
    movie: int,
    stars: dict[int, float],
    profile: str,
) -> None:
    viewer = fold_in(planted_data, models[which], stars, profile)
    reasons = explain(planted_data, models[which], viewer, movie)
    score = float(models[which].movie_factors[movie] @ viewer.factor)
    size = np.abs(reasons.contributions).sum()
    assert reasons.self_term == 0
    assert reasons.graph_score == pytest.approx(score, abs=1e-5 * max(size, 1))


def test_a_contribution_is_what_dense_propagation_says(
    planted_data: MovieData, models: list[TrainedModel]
) -> None:
    model, user, movie = models[2], 4, 11
    n = planted_data.n_users
    adjacency = np.zeros((n + planted_data.n_movies,) * 2)
    for u in range(n):
        for i in planted_data.rated_by(u):
            weight = (planted_data.user_degree[u] * planted_data.movie_degree[i]) ** -0.5
            adjacency[u, n + i] = adjacency[n + i, u] = weight
    e0 = model.e0.astype(float)
    e1, e2 = adjacency @ e0, adjacency @ adjacency @ e0
    target = (e0 + e1 + e2)[n + movie] / 3
    reasons = explain(planted_data, model, user_viewer(planted_data, model, user), movie)
    for film, contribution in zip(reasons.rated, reasons.contributions, strict=True):
        expected = adjacency[user, n + film] * (e0 + e1)[n + film] @ target / 3
        assert contribution == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_without_a_film_the_hybrids_score_is_less_by_its_contribution(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    # Exact, but for the other weights, which the person's own mean moves a little.
    stars = dict.fromkeys(range(0, 30, 3), hybrid.mean_stars)
    viewer = fold_in(planted_data, hybrid, stars)
    scores = hybrid.movie_factors @ viewer.factor
    for left_out, place in ((0, 0), (12, 4)):
        rest = {film: value for film, value in stars.items() if film != left_out}
        without = hybrid.movie_factors @ fold_in(planted_data, hybrid, rest).factor
        for movie in (33, 40):
            reasons = explain(planted_data, hybrid, viewer, movie)
            expected = scores[movie] - reasons.contributions[place]
            assert without[movie] == pytest.approx(expected, abs=1e-5)


def test_without_layers_only_the_self_term_is_left(
    planted_data: MovieData, models: list[TrainedModel]
) -> None:
    viewer = user_viewer(planted_data, models[0], 1)
    reasons = explain(planted_data, models[0], viewer, 2)
    assert not reasons.contributions.any() and reasons.self_term != 0


def test_the_tags_sum_to_the_tag_similarity(toy_data: MovieData) -> None:
    split = temporal_leave_one_out(toy_data)
    for settings in (hybrid_config(dim=4), config(dim=4, epochs=1)):
        model = train(toy_data, split, settings)
        for user in range(toy_data.n_users):
            viewer = user_viewer(toy_data, model, user)
            scores = score_all(toy_data, model, viewer)
            for movie in range(toy_data.n_movies):
                reasons = explain(toy_data, model, viewer, movie)
                assert reasons.tag_similarity == pytest.approx(scores.tags[movie], abs=1e-6)
                shares = [share for _, share in reasons.tags]
                assert shares == sorted(shares, reverse=True)


def test_edge_weights_by_hand(toy_data: MovieData) -> None:
    user = toy_data.inner_user(7)  # rated 3 films, with 3, 3 and 2 ratings
    np.testing.assert_allclose(toy_data.edge_weights(user), [1 / 3, 1 / 3, 6**-0.5])


# --- through which kind of node -------------------------------------------------------------------


@pytest.fixture(scope="module")
def rich_data(tmp_path_factory: pytest.TempPathFactory) -> MovieData:
    """The checkerboard with two genres, years, series and tags that cut across its groups."""
    words = ["quiet", "loud", "long"]
    films = [
        (5 + 7 * n, f"Saga {chr(97 + n % 5) * 4} {n} ({1980 + n % 25})", ["Drama", "War"][n % 2])
        for n in range(48)
    ]
    rng = np.random.default_rng(0)
    rows = planted_ratings()
    tags = [(user, film, words[(film // 7 + rng.integers(2)) % 3], 1) for user, film, *_ in rows]
    folder = tmp_path_factory.mktemp("rich") / "data"
    return load_movie_data(write_dataset(folder, rows, films, tags, links=None))


@pytest.fixture(scope="module")
def rich_split(rich_data: MovieData) -> Split:
    return random_80_10_10(rich_data)


def contributions(
    data: MovieData, model: TrainedModel, user: int, movies: NDArray[np.integer]
) -> NDArray:
    viewer = user_viewer(data, model, user)
    columns = [explain(data, model, viewer, int(movie)).contributions for movie in movies]
    return np.array(columns).T  # [n_rated, n_movies]


MOVIES = np.array([0, 3, 17, 40])


@pytest.mark.parametrize("dim", [12, 200], ids=["a few directions", "all"])
@pytest.mark.parametrize("refitted", [False, True])
def test_kinds_of_nodes_sum_to_the_contributions_of_a_fit_with_nothing_left(
    rich_data: MovieData, rich_split: Split, dim: int, refitted: bool
) -> None:
    model = train(rich_data, rich_split, hybrid_config(dim=dim))
    model = refit(rich_data, model) if refitted else model
    graph = fitted_graph(rich_data, model)
    assert len(graph.kinds) == 7  # every kind that there is
    for user in (0, 11, 29):
        parts = through(Walks.of(graph, model), model, user_viewer(rich_data, model, user), MOVIES)
        whole = contributions(rich_data, model, user, MOVIES)
        assert list(parts) == [*graph.kinds, REST]
        np.testing.assert_allclose(sum(parts.values()), whole, atol=1e-6)
        named = sum(part for kind, part in parts.items() if kind != REST)
        np.testing.assert_allclose(named, whole, atol=1e-3 * np.abs(whole).max())
        assert np.abs(whole).max() > 1e-3
        assert all(np.abs(parts[kind]).max() > 1e-4 * np.abs(whole).max() for kind in graph.kinds)


def test_a_part_is_what_dense_matrices_say(rich_data: MovieData, rich_split: Split) -> None:
    settings = hybrid_config(dim=200, film_exponent=0.3)
    model = train(rich_data, rich_split, settings)
    graph, user = fitted_graph(rich_data, model), 11
    edges = graph.edges.toarray().astype(np.float64)
    gram = edges.T @ edges
    seen = graph.edges[graph.rows_of("seen")].toarray().astype(np.float64)
    ridge = settings.ridge * np.linalg.eigvalsh(seen.T @ seen)[-1]
    viewer = user_viewer(rich_data, model, user)
    rated = viewer.movies
    sends = viewer.weights * rich_data.movie_degree[rated] ** -0.3
    parts = through(Walks.of(graph, model), model, viewer, MOVIES)
    for kind in graph.kinds:
        rows = edges[graph.rows_of(kind)]
        # Of G (G + λI)⁻¹ the part that first goes through these nodes.
        first = rows.T @ rows @ np.linalg.inv(gram + ridge * np.eye(48))
        expected = sends[:, None] * first[np.ix_(rated, MOVIES)] * model.scale[MOVIES]
        atol = 2e-3 * max(np.abs(expected).max(), 0.05)
        np.testing.assert_allclose(parts[kind], expected, atol=atol)


@pytest.mark.parametrize(
    "change",
    [{"layers": 2}, {"epochs": 2, "learning_rate": 0.02}, {"warm_start": False, "epochs": 1}],
)
def test_what_no_kind_accounts_for_is_named_as_the_rest(
    rich_data: MovieData, rich_split: Split, change: dict
) -> None:
    model = train(rich_data, rich_split, hybrid_config(**change))
    if "learning_rate" in change:
        model = refit(rich_data, replace(model, best_epoch=2))
    parts = through(
        Walks.of(fitted_graph(rich_data, model), model),
        model,
        user_viewer(rich_data, model, 4),
        MOVIES,
    )
    assert list(parts) == [REST]
    np.testing.assert_allclose(parts[REST], contributions(rich_data, model, 4, MOVIES), atol=1e-6)


def test_who_rated_nothing_has_no_parts(rich_data: MovieData, rich_split: Split) -> None:
    model = train(rich_data, rich_split, hybrid_config())
    viewer = fold_in(rich_data, model, {})
    parts = through(Walks.of(fitted_graph(rich_data, model), model), model, viewer, MOVIES)
    assert all(part.shape == (0, 4) for part in parts.values())
