"""The nodes and edges of the hybrid graph, by hand, and that no tag gives away what is held out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import sparse

import model_training
from data_preparation import MovieData, load_movie_data
from model.config import CONTENT_KINDS, TrainingConfig
from model.hybrid_graph import (
    build_graph,
    content_edges,
    mean_stars,
    overall_mean,
    people_edges,
    tagged_pairs,
    visible_content,
    without_tags,
)
from model.splits import Split, random_80_10_10
from model_training import train
from tests.conftest import write_dataset
from tests.dense import CONTENT, STARS, csr, dense_graph
from tests.small_training import hybrid_config

GIVEN = {"genre": csr(CONTENT), "series": csr(CONTENT[:2] * 3)}
DENSE = {kind: rows.toarray() for kind, rows in GIVEN.items()}

# --- nodes, by hand -------------------------------------------------------------------------------


def rows_of(block: sparse.csr_array) -> list[list[float]]:
    return block.toarray().round(4).tolist()


def sets_of(block: sparse.csr_array) -> list[set[int]]:
    """The films of each node, all with weight 1."""
    assert (block.data == 1).all()
    return [set(np.flatnonzero(row).tolist()) for row in block.toarray()]


def test_genre_nodes_by_hand(toy_data: MovieData) -> None:
    # Action, Adventure, Comedy, Crime, Romance, Sci-Fi; film 7 has none.
    expected = [{0, 1}, {2, 4}, {3}, {1, 5}, {3}, {0, 6}]
    assert sets_of(content_edges(toy_data)["genre"]) == expected


def test_genres_within_a_decade_need_two_films(toy_data: MovieData) -> None:
    # Action 1990s (The Matrix, Heat) and Crime 1990s (Heat, Seven); all others have one film.
    assert sets_of(content_edges(toy_data)["genre_decade"]) == [{0, 1}, {1, 5}]


def test_a_year_reaches_its_neighbours_with_a_gaussian_of_two_years(toy_data: MovieData) -> None:
    years = {0: 1999, 1: 1995, 2: 1995, 3: 1994, 4: 2009, 5: 1995, 6: 1979}  # film 7: unknown
    nodes = sorted(set(years.values()))
    expected = np.zeros((len(nodes), 8))
    for row, node in enumerate(nodes):
        for film, year in years.items():
            weight = math.exp(-(((node - year) / 2) ** 2) / 2)
            expected[row, film] = weight if weight >= 1e-3 else 0
    block = content_edges(toy_data)["year"]
    np.testing.assert_allclose(block.toarray(), expected, rtol=1e-6)
    assert expected[nodes.index(1995), 3] == pytest.approx(0.8825, abs=1e-4)  # one year away
    assert block.nnz == (expected > 0).sum() < expected.size


def test_tag_nodes_hold_rows_of_length_1_for_tagged_films(toy_data: MovieData) -> None:
    block = content_edges(toy_data)["tag"].toarray()  # sci fi, time travel; the rest is noise
    assert block.shape == (2, 8)
    # The Matrix and Alien carry both, Jumanji time travel alone.
    assert set(np.flatnonzero(block.any(axis=0)).tolist()) == {0, 2, 6}
    np.testing.assert_allclose(np.linalg.norm(block[:, [0, 2, 6]], axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(block[:, 0], block[:, 6])
    assert block[:, 2].tolist() == [0, 1]


def test_a_series_is_2_to_40_films_whose_titles_begin_with_the_same_two_telling_words(
    load: Callable[..., MovieData],
) -> None:
    titles = [
        "Star Wars: Episode IV - A New Hope (1977)",
        "Star Wars: Episode V (1980)",
        "The Star and the Wars (2001)",  # small words do not tell
        "Star Trek (1979)",
        "Alien (1979)",
        "ALIEN (2003)",
        "Up (2009)",  # two letters do not tell either
        "Am I (1999)",
        *(f"Common word {n} (1990)" for n in range(41)),
        *(f"Many films {n} (1990)" for n in range(40)),
    ]
    films = [(n, title, "Drama") for n, title in enumerate(titles, 1)]
    data = load(ratings=[(1, n, 4.0, 1) for n, _, _ in films], movies=films, tags=None, links=None)
    found = sets_of(content_edges(data)["series"])  # alien; many films; star wars
    assert found == [{4, 5}, set(range(49, 89)), {0, 1, 2}]


def test_films_without_anything_in_common_make_no_content_nodes(
    load: Callable[..., MovieData],
) -> None:
    films = [(1, "A", "(no genres listed)"), (2, "B", "(no genres listed)")]
    data = load(ratings=[(1, 1, 4.0, 1), (2, 2, 3.0, 1)], movies=films, tags=None, links=None)
    content = content_edges(data)
    assert {kind: block.shape for kind, block in content.items()} == dict.fromkeys(
        CONTENT_KINDS, (0, 2)
    )
    graph = build_graph(data.ratings, content, hybrid_config())
    assert graph.kinds == ("seen", "taste")


# --- people ---------------------------------------------------------------------------------------


def test_people_edges_by_hand(toy_data: MovieData) -> None:
    # All stars: 50.5 over 15 ratings. User 3 gave 4, 3.5, 5, 2: μ = (14.5 + 20·50.5/15)/24.
    mean = 50.5 / 15
    level = (14.5 + 20 * mean) / 24
    edges = people_edges(toy_data.ratings, 0.5, overall_mean(toy_data.ratings))
    assert rows_of(edges["seen"])[0] == [0.5, 0.5, 0.5, 0, 0.5, 0, 0, 0]
    expected = [0.5 * (stars - level) for stars in (4.0, 3.5, 5.0, 2.0)]
    np.testing.assert_allclose(edges["taste"].toarray()[0, [0, 1, 2, 4]], expected, rtol=1e-6)
    single = toy_data.inner_user(21)  # one rating, 2.5
    assert edges["seen"].toarray()[single, 0] == 1
    assert edges["taste"].toarray()[single, 0] == pytest.approx(2.5 - (2.5 + 20 * mean) / 21)


def test_the_mean_of_someone_without_ratings_is_the_overall_one() -> None:
    assert mean_stars(csr([[0, 0], [5, 0]]), 3.0).tolist() == [3.0, pytest.approx(65 / 21)]


def test_stars_that_are_equal_everywhere_make_no_taste() -> None:
    for stars in (1.0, 3.7, 5.0):  # 3.7 has no exact binary form: rounding leaves a trace
        graph = build_graph(csr((STARS > 0) * stars), GIVEN, hybrid_config())
        assert graph.kinds == ("seen", "genre", "series")


# --- the whole, against a dense one ---------------------------------------------------------------

SHARES = st.fixed_dictionaries(
    {
        "user_exponent": st.floats(0, 1),
        "film_exponent": st.floats(0, 1),
        "taste": st.sampled_from([0.0, 0.2, 3.0]),
        "genre": st.floats(0.01, 5),
        "series": st.sampled_from([0.0, 1.0]),
    }
)
TABLES = arrays(np.int8, (5, 6), elements=st.integers(0, 10)).filter(np.any)


@given(TABLES, SHARES)
def test_the_graph_is_what_a_dense_one_says(table: NDArray, change: dict[str, float]) -> None:
    wanted = hybrid_config(**change)
    expected = dense_graph(table / 2, DENSE, wanted)
    graph = build_graph(csr(table / 2), GIVEN, wanted)
    assert graph.kinds == tuple(expected)
    for kind, rows in expected.items():
        block = graph.edges[graph.rows_of(kind)].toarray()
        np.testing.assert_allclose(block, rows, atol=1e-5 * np.abs(rows).max())
    np.testing.assert_array_equal(graph.transposed.toarray(), graph.edges.toarray().T)
    assert graph.edges.dtype == np.float32


@given(TABLES, SHARES)
def test_every_kind_weighs_its_share_of_who_saw_what(
    table: NDArray, change: dict[str, float]
) -> None:
    wanted = hybrid_config(**change)
    graph = build_graph(csr(table / 2), GIVEN, wanted)
    weight = {
        kind: float((graph.edges[graph.rows_of(kind)].data.astype(float) ** 2).sum())
        for kind in graph.kinds
    }
    for kind in set(graph.kinds) - {"seen"}:
        assert weight[kind] / weight["seen"] == pytest.approx(getattr(wanted, kind), rel=1e-4)


def test_a_share_does_not_depend_on_the_scale_of_the_content() -> None:
    larger = GIVEN | {"genre": GIVEN["genre"] * 100}
    one, other = (build_graph(csr(STARS), content, hybrid_config()) for content in (GIVEN, larger))
    np.testing.assert_allclose(one.edges.toarray(), other.edges.toarray(), rtol=1e-5)


def test_a_film_has_as_much_say_in_its_genre_as_its_ratings_support() -> None:
    # Genre 2 has the films 3, 4 and 5 with 3, 0 and 2 ratings: √(3/6), 0 and √(2/5) of an edge.
    wanted = hybrid_config(film_exponent=0.0)
    block = build_graph(csr(STARS), GIVEN, wanted)
    row = block.edges[block.rows_of("genre")].toarray()[2]
    degree = (STARS > 0).sum(axis=0)
    assert degree[[3, 4, 5]].tolist() == [3, 0, 2]
    assert row[4] == 0
    assert row[3] / row[5] == pytest.approx(math.sqrt((3 / 6) / (2 / 5)), rel=1e-5)


def test_edges_of_people_stand_in_the_order_of_the_ratings_even_where_they_weigh_0() -> None:
    # `HybridPropagation.without` finds the edges of a rating by its number.
    ratings = csr(STARS)
    graph = build_graph(ratings, GIVEN, hybrid_config())
    for kind in ("seen", "taste"):
        rows = graph.rows_of(kind)
        begin, end = graph.edges.indptr[rows.start], graph.edges.indptr[rows.stop]
        assert graph.edges.indices[begin:end].tolist() == ratings.indices.tolist()
    taste = graph.edges[graph.rows_of("taste")]
    assert taste.nnz == ratings.nnz and not taste[[1]].data.any()  # user 1 has no taste


# --- no leak --------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.data())
def test_hidden_content_lacks_exactly_the_tags_of_hidden_pairs(
    toy_for_hypothesis: MovieData, data: st.DataObject
) -> None:
    toy = toy_for_hypothesis
    cells = st.tuples(st.integers(0, toy.n_users - 1), st.integers(0, toy.n_movies - 1))
    pairs = data.draw(st.sets(cells, max_size=12))
    table = np.zeros(toy.ratings.shape, np.float32)
    for user, film in pairs:
        table[user, film] = 4.0
    raw = {(int(toy.user_ids[user]), film) for user, film in pairs}
    given_by = zip(toy.tags["user_id"], toy.tags["movie"], strict=True)
    hidden = [(user, film) in raw for user, film in given_by]
    assert tagged_pairs(toy, csr(table)).tolist() == hidden
    left = toy.tags[[not each for each in hidden]]
    expected = np.zeros(toy.n_movies, bool)
    expected[left.loc[left["status"] == "kept", "movie"]] = True
    content = visible_content(toy, csr(table))
    assert (np.diff(content["tag"].T.tocsr().indptr) > 0).tolist() == expected.tolist()
    for kind in set(CONTENT_KINDS) - {"tag"}:  # nothing else is anybody's act
        assert rows_of(content[kind]) == rows_of(content_edges(toy)[kind])


@pytest.fixture(scope="module")
def toy_for_hypothesis(tmp_path_factory: pytest.TempPathFactory) -> MovieData:
    return load_movie_data(write_dataset(tmp_path_factory.mktemp("toy") / "toy"))


def test_without_tags_nothing_of_the_data_itself_changes(toy_data: MovieData) -> None:
    before = toy_data.tag_features.toarray()
    none = without_tags(toy_data, np.ones(len(toy_data.tags), bool))
    assert len(none.tags) == 0 and none.tag_features.shape == (8, 0)
    np.testing.assert_array_equal(toy_data.tag_features.toarray(), before)
    assert without_tags(toy_data, np.zeros(len(toy_data.tags), bool)) is toy_data


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> MovieData:
    """40 people who each rated 20 of 60 films at random, so nothing can be foretold; but everybody
    tags all films that they saw with a word of their own, those that will be held out as well."""
    rng = np.random.default_rng(1)
    ratings, tags = [], []
    for user in range(1, 41):
        films = rng.choice(60, 20, replace=False) + 1
        stars = rng.integers(6, 11, size=20) / 2
        ratings += [(user, int(f), float(s), 1) for f, s in zip(films, stars, strict=True)]
        tags += [(user, int(film), f"seen by person {user}", 1) for film in films]
    films = [(n, f"{chr(64 + n % 26)}{n}", "(no genres listed)") for n in range(1, 61)]
    folder = tmp_path_factory.mktemp("leaking") / "data"
    return load_movie_data(write_dataset(folder, ratings, films, tags, links=None))


def test_a_tag_that_gives_away_every_held_out_film_brings_no_gain(
    leaking: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = random_80_10_10(leaking)

    def score(tag: float) -> float:
        model = train(leaking, split, hybrid_config(dim=200, tag=tag, taste=0.0))
        return np.mean([model.test_metrics["NDCG@20"], model.history[0].metrics["NDCG@20"]])

    without, with_tags = score(0.0), score(5.0)
    assert with_tags < without + 0.03
    # The trap is live: with the tags of held-out pairs as edges, the model knows them.
    monkeypatch.setattr(model_training, "visible_content", lambda data, *_: content_edges(data))
    assert score(5.0) > without + 0.3


def test_the_search_gains_nothing_from_a_leaking_tag_either(leaking: MovieData) -> None:
    split = random_80_10_10(leaking)
    wanted = hybrid_config(dim=200, search_seconds=60.0, taste=0.0)
    found = train(leaking, split, wanted)
    plain = train(leaking, split, replace(wanted, search_seconds=0.0, tag=0.0))
    assert found.test_metrics["NDCG@20"] < plain.test_metrics["NDCG@20"] + 0.08


def test_tags_of_test_and_of_validation_are_hidden_alike(leaking: MovieData) -> None:
    split = random_80_10_10(leaking)
    hidden = split.hidden()
    assert hidden.nnz == split.validation.nnz + split.test.nnz
    dropped = tagged_pairs(leaking, hidden)
    assert dropped.sum() == hidden.nnz == len(leaking.tags) - split.train.nnz


def test_a_split_says_what_is_hidden() -> None:
    parts = [csr([[number == part for number in (1, 2, 3, 0)]]) for part in (1, 2, 3)]
    assert Split("by hand", *parts).hidden().toarray().tolist() == [[0, 1, 1, 0]]


def test_settings_of_the_content_are_those_of_the_config() -> None:
    assert set(CONTENT_KINDS) <= TrainingConfig.__dataclass_fields__.keys()
