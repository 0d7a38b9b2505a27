"""A training kept frame by frame: it learns, its lists are the model's, its map does not jump."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from analysis.layers import DEPTH, LAST
from analysis.network import lesson_network, propagated
from analysis.replay import (
    LOSS,
    MAX_EPOCHS,
    NDCG,
    TOP,
    TRAIN,
    VALIDATION,
    Crowd,
    Frame,
    Plane,
    crowd,
    deepening,
    playground_config,
    replay,
)
from data_preparation import MovieData, load_movie_data
from model.bpr import Learner, StopTraining
from model.config import TrainingConfig
from model.splits import PROTOCOLS
from model_training import train
from settings import DEMO_DIR

EPOCHS = 8


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture(scope="module")
def people(data: MovieData) -> Crowd:
    return crowd(data, 0)


@pytest.fixture(scope="module")
def config(people: Crowd) -> TrainingConfig:
    return playground_config(people, layers=2, dim=16, learning_rate=0.03, epochs=EPOCHS, seed=3)


@pytest.fixture(scope="module")
def frames(people: Crowd, config: TrainingConfig) -> list[Frame]:
    return list(replay(people, config))


def test_it_learns_from_noise_and_there_is_a_frame_for_every_epoch(frames: list[Frame]) -> None:
    assert [frame.number for frame in frames] == list(range(EPOCHS + 1))
    first, last = frames[0].measures, frames[-1].measures
    for part in (TRAIN, VALIDATION):
        assert first[f"{LOSS} {part}"] == pytest.approx(np.log(2), abs=0.02)  # no opinion yet
        assert last[f"{LOSS} {part}"] < 0.8 * first[f"{LOSS} {part}"]
        assert last[f"{NDCG} {part}"] > 2 * first[f"{NDCG} {part}"]
    assert last[f"{NDCG} {TRAIN}"] > last[f"{NDCG} {VALIDATION}"]  # which it has not seen


def test_the_same_seed_gives_the_same_replay_and_another_one_another(
    people: Crowd, config: TrainingConfig, frames: list[Frame]
) -> None:
    once, other = (next(replay(people, c)) for c in (config, replace(config, seed=4)))
    assert (once.top == frames[0].top).all() and (once.films == frames[0].films).all()
    assert (other.top != frames[0].top).any()


def test_the_lists_and_scores_are_those_of_the_vectors(
    people: Crowd, config: TrainingConfig, frames: list[Frame]
) -> None:
    learner = Learner(people.split.train, {}, config)
    for _ in range(2):
        learner.run_epoch()
    users, films = (part.numpy() for part in learner.propagation.forward(learner.e0.detach()))
    scores = users @ films.T
    scores[people.split.train.nonzero()] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :TOP]
    assert frames[2].top.shape == (len(people.users), TOP)
    assert (frames[2].top == best).all()
    assert frames[2].scores == pytest.approx(np.take_along_axis(scores, best, axis=1), abs=1e-4)


def test_who_has_nothing_held_out_has_a_list_too(data: MovieData) -> None:
    alone = crowd(data, 0)
    first = np.diff(alone.ratings.indptr)[0]
    few = alone.ratings.copy()
    few.data[4:first] = 0  # 4 ratings are left of the first person: a tenth of them is none
    few.eliminate_zeros()
    times = np.concatenate([alone.timestamps[:4], alone.timestamps[first:]])
    small = replace(alone, ratings=few, timestamps=times)
    assert not small.split.hidden()[[0]].nnz
    frame = next(replay(small, playground_config(
        small, layers=1, dim=8, learning_rate=0.01, epochs=1, seed=0)))  # fmt: skip
    assert (frame.top[0] >= 0).all() and not np.isin(frame.top[0], few[[0]].indices).any()


def turned(rows: np.ndarray, angle: float, mirror: bool) -> np.ndarray:
    """The same directions in other coordinates: nothing has moved."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.eye(rows.shape[1])
    turn[:2, :2] = [[c, -s], [s, c]]
    if mirror:
        turn[2, 2] = -1
    return rows @ turn


@pytest.mark.parametrize("mirror", [False, True])
def test_what_has_not_moved_stays_where_it_is(mirror: bool) -> None:
    rng = np.random.default_rng(0)
    # Two axes of nearly the same strength, which components swap at a breath.
    films = rng.normal(size=(300, 6)) * [3.0, 2.99, 1, 1, 1, 1]
    people = rng.normal(size=(20, 6))
    plane = Plane(np.arange(200))
    before = plane.place(people, films)
    after = plane.place(turned(people, 1.1, mirror), turned(films, 1.1, mirror))
    for old, new in zip(before, after, strict=True):
        assert np.abs(old.astype(float) - new.astype(float)).max() < 0.01


def test_films_move_less_than_on_maps_that_are_not_aligned(
    people: Crowd, config: TrainingConfig, frames: list[Frame]
) -> None:
    learner = Learner(people.split.train, {}, config)
    shown = people.best_known()
    loose = []
    for epoch in range(EPOCHS + 1):
        if epoch:
            learner.run_epoch()
        users, films = (part.numpy() for part in learner.propagation.forward(learner.e0.detach()))
        loose.append(Plane(shown).place(users, films)[1][shown].astype(float))
    steady = [frame.films[shown].astype(float) for frame in frames]

    def motion(maps: list[np.ndarray]) -> float:
        return sum(float(np.square(b - a).sum()) for a, b in pairwise(maps))

    assert motion(steady) < 0.7 * motion(loose)
    # Turned, not bent: the distances are those of the plane itself.
    for one, other in zip(steady, loose, strict=True):
        assert np.linalg.norm(one) == pytest.approx(np.linalg.norm(other), rel=0.01)


def test_of_many_people_a_sample_is_trained_on_and_whoever_is_asked_for(
    data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = data.n_ratings // 4
    monkeypatch.setattr("analysis.replay._MOST_RATINGS", most)
    sample = crowd(data, 0)
    assert sample.sampled and sample.ratings.nnz <= most + data.user_degree[0]
    missing = int(np.setdiff1d(np.arange(data.n_users), sample.users)[0])
    other = crowd(data, missing)
    assert other.extra == missing and missing in other.users
    row, films = other.row_of(missing), other.movies
    assert films[other.ratings[[row]].indices].tolist() == data.rated_by(missing).tolist()
    assert (np.bincount(other.ratings.indices) > 0).all()  # no film that nobody rated
    # The times went with their ratings.
    begin = data.ratings.indptr[missing]
    assert other.timestamps[other.ratings.indptr[row]] == data.timestamps[begin]


def test_it_ends_when_it_is_asked_to(people: Crowd, config: TrainingConfig) -> None:
    def stop() -> None:
        raise StopTraining

    made = replay(people, config, stop)
    next(made)
    with pytest.raises(StopTraining):
        next(made)


def test_a_replay_is_bounded(people: Crowd, frames: list[Frame]) -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_EPOCHS} epochs"):
        playground_config(
            people, layers=2, dim=8, learning_rate=0.01, epochs=MAX_EPOCHS + 1, seed=0
        )
    arrays = (frames[0].people, frames[0].films, frames[0].top, frames[0].scores)
    assert sum(array.nbytes for array in arrays) < 100 * (len(people.users) + len(people.movies))


def test_data_that_hold_nothing_out_are_refused_in_a_sentence(toy_data: MovieData) -> None:
    people = crowd(toy_data, 0)
    config = playground_config(people, layers=1, dim=8, learning_rate=0.01, epochs=1, seed=0)
    assert not people.split.validation.nnz
    with pytest.raises(ValueError, match="too few ratings"):
        next(replay(people, config))


def test_layer_by_layer_films_grow_alike_and_the_list_is_that_of_the_layer(data: MovieData) -> None:
    fitted = train(data, PROTOCOLS["random_80_10_10"](data), TrainingConfig(dim=16))
    network = lesson_network(data, fitted)
    everybody = crowd(data, 5)
    split = everybody.split
    assert not everybody.sampled and split.protocol == "random_80_10_10"
    frames = list(deepening(everybody, split, network, 5, lambda: None))
    assert [frame.number for frame in frames] == list(range(DEPTH + 1))
    alike = [frame.measures[f"{LAST} films"] for frame in frames]
    assert alike[8] > alike[4] > alike[2]
    # People start at zero: no list yet, and no place on the map.
    assert (frames[0].top == -1).all() and np.isnan(frames[0].people).all()
    among = network.among(everybody.users, everybody.movies, split.train)
    layers = list(propagated(among, among.start, 4))
    scores = layers[3]["user"][5] @ layers[4]["movie"].T  # the last that people and films hold
    scores[split.train[[5]].indices] = -np.inf
    assert frames[4].top[0].tolist() == np.argsort(-scores)[:TOP].tolist()
