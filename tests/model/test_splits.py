"""Splits against the published ones and by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from scipy import sparse

from data_preparation import MovieData
from model import splits as splits_module
from model.hybrid_graph import content_before
from model.processes import Processes, people_of
from model.splits import (
    PROTOCOLS,
    Part,
    Split,
    cut_validation,
    people_folds,
    random_80_10_10,
    rolling_windows,
    temporal_leave_one_out,
    without_people,
)
from sources.tag_cleaning import count_tags

PARTS = ("train", "validation", "test")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_protocol_reproduces_the_published_split(
    real_data: MovieData, shared_splits: Path, protocol: str
) -> None:
    split = PROTOCOLS[protocol](real_data)
    assert split.protocol == protocol
    published = np.load(shared_splits / f"{protocol}.npz")
    for part, prefix in zip(PARTS, ("train", "valid", "test"), strict=True):
        raw_users = published["user_ids"][published[f"{prefix}_u"]]
        raw_films = published["movie_ids"][published[f"{prefix}_i"]]
        expected = set(zip(raw_users.tolist(), raw_films.tolist(), strict=True))
        assert raw_pairs(real_data, getattr(split, part)) == expected
        assert getattr(split, part).nnz == len(expected)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_parts_add_up_to_all_ratings_with_their_stars(
    toy_data: MovieData, protocol: str
) -> None:
    split = PROTOCOLS[protocol](toy_data)
    together = (split.train + split.validation + split.test).toarray()
    np.testing.assert_array_equal(together, toy_data.ratings.toarray())


def raw_pairs(data: MovieData, part: sparse.csr_array) -> set[tuple[int, int]]:
    users, films = part.nonzero()
    raw_users, raw_films = data.user_ids[users].tolist(), data.movie_ids[films].tolist()
    return set(zip(raw_users, raw_films, strict=True))


def test_temporal_takes_the_last_two_by_time_and_leaves_short_histories_in_train(
    toy_data: MovieData,
) -> None:
    split = temporal_leave_one_out(toy_data)
    # User 105 rated film 90 first (500), then 20 (510), then 110 (520); user 21 has one rating.
    assert raw_pairs(toy_data, split.test) == {(3, 70), (7, 50), (20, 90), (105, 110)}
    assert raw_pairs(toy_data, split.validation) == {(3, 35), (7, 20), (20, 70), (105, 20)}
    assert (21, 10) in raw_pairs(toy_data, split.train)


def test_temporal_breaks_equal_times_by_film_id(load: Callable[..., MovieData]) -> None:
    data = load(ratings=[(1, film, 4.0, 7) for film in (90, 20, 50)], tags=None)
    split = temporal_leave_one_out(data)
    assert raw_pairs(data, split.test) == {(1, 90)}
    assert raw_pairs(data, split.validation) == {(1, 50)}


@pytest.mark.parametrize(("ratings", "held_out"), [(1, 0), (2, 0), (3, 1), (8, 1)])
def test_temporal_holds_out_only_from_users_with_three_ratings(
    load: Callable[..., MovieData], ratings: int, held_out: int
) -> None:
    films = (10, 20, 35, 50, 70, 90, 110, 200)[:ratings]
    data = load(ratings=[(1, film, 4.0, film) for film in films], tags=None)
    split = temporal_leave_one_out(data)
    assert (split.validation.nnz, split.test.nnz) == (held_out, held_out)


def test_random_holds_out_a_tenth_of_each_user_twice(planted_data: MovieData) -> None:
    split = random_80_10_10(planted_data)
    tenth = [round(0.1 * degree) for degree in planted_data.user_degree.tolist()]
    assert np.diff(split.test.indptr).tolist() == tenth
    assert np.diff(split.validation.indptr).tolist() == tenth


def test_random_split_depends_on_its_seed_and_on_nothing_else(planted_data: MovieData) -> None:
    one, again = random_80_10_10(planted_data, seed=1), random_80_10_10(planted_data, seed=1)
    other = random_80_10_10(planted_data, seed=2)
    assert raw_pairs(planted_data, one.test) == raw_pairs(planted_data, again.test)
    assert raw_pairs(planted_data, one.test) != raw_pairs(planted_data, other.test)


class Second(Processes):
    """The second of two processes, which knows how much the first one holds."""

    def __init__(self, before: int, everything: int) -> None:
        super().__init__(rank=1, size=2)
        self.before, self.everything = before, everything

    def everybodys(self, value: Any) -> list[Any]:
        return [self.before, value]

    def total_of(self, number: float) -> float:
        return self.everything


def test_of_many_people_each_has_a_tenth_held_out_whoever_holds_them(
    planted_data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits_module, "_MOST_PERMUTATIONS", 10)
    whole = random_80_10_10(planted_data)
    tenth = [round(0.1 * degree) for degree in planted_data.user_degree.tolist()]
    assert np.diff(whole.test.indptr).tolist() == tenth
    assert np.diff(whole.validation.indptr).tolist() == tenth
    other = random_80_10_10(planted_data, seed=7)
    assert other.test.nnz == whole.test.nnz
    assert raw_pairs(planted_data, other.test) != raw_pairs(planted_data, whole.test)
    people = slice(20, planted_data.n_users)
    before = int(planted_data.ratings.indptr[20])
    part = random_80_10_10(
        people_of(planted_data, people), processes=Second(before, planted_data.n_users)
    )
    for name in PARTS:
        expected, found = getattr(whole, name)[people], getattr(part, name)
        np.testing.assert_array_equal(found.toarray(), expected.toarray())


@pytest.mark.parametrize(
    ("first", "second"), [("train", "validation"), ("train", "test"), ("validation", "test")]
)
def test_a_rating_in_two_parts_is_refused(first: str, second: str) -> None:
    rated = sparse.csr_array(np.array([[1.0, 0.0, 0.0]], np.float32))
    parts = dict.fromkeys(PARTS, sparse.csr_array((1, 3), dtype=np.float32))
    with pytest.raises(ValueError, match=f"1 ratings are in both {first} and {second}"):
        Split("overlapping", **parts | {first: rated, second: rated})


def test_the_same_rating_with_other_stars_is_still_in_two_parts() -> None:
    four = sparse.csr_array(np.array([[4.0, 0.0]], np.float32))
    half = sparse.csr_array(np.array([[0.5, 1.0]], np.float32))
    with pytest.raises(ValueError, match="train and test"):
        Split("overlapping", four, sparse.csr_array((1, 2), dtype=np.float32), half)


def test_parts_of_different_shapes_are_refused() -> None:
    narrow, wide = (sparse.csr_array((2, films), dtype=np.float32) for films in (3, 4))
    with pytest.raises(ValueError, match="same users and movies"):
        Split("ragged", narrow, narrow, wide)


# --- windows of time, and people left out ---------------------------------------------------------


def test_windows_follow_each_other_and_know_only_what_came_before(planted_data: MovieData) -> None:
    windows = rolling_windows(planted_data, n=4)
    assert len(windows) == 4
    when = dict(
        zip(zip(*planted_data.ratings.nonzero(), strict=True), planted_data.timestamps, strict=True)
    )

    def times(part: sparse.csr_array) -> list[int]:
        return [when[pair] for pair in zip(*part.nonzero(), strict=True)]

    for one, following in zip(windows, [*windows[1:], None], strict=True):
        split = one.split
        assert max(times(split.train)) < one.validation_begin <= min(times(split.validation))
        assert max(times(split.validation)) < one.begin <= min(times(split.test))
        assert max(times(split.test)) < one.end
        assert following is None or one.end == following.begin
        before = one.before
        assert max(times(before)) < one.begin
        assert before.nnz >= split.known("test").nnz
        users, films = split.test.nonzero()
        assert (np.diff(before.indptr)[users] > 0).all()
        assert (np.bincount(before.indices, minlength=48)[films] > 0).all()
        assert (one.final().train != before).nnz == 0 and one.final().validation.nnz == 0


def test_windows_show_no_tag_given_later(planted_data: MovieData, toy_data: MovieData) -> None:
    window = rolling_windows(planted_data, n=3)[0]
    assert window.begin_of("validation") == window.validation_begin
    assert window.begin_of("test") == window.begin
    times = [window.validation_begin - 1, window.validation_begin, window.begin]
    tags = toy_data.tags.iloc[[0, 0, 0]].assign(timestamp=times, tag=["one", "two", "three"])
    names, counts = count_tags(tags, toy_data.n_movies)
    data = replace(toy_data, tags=tags, tag_names=names, tag_counts=counts)
    seen = {part: content_before(data, window.begin_of(part))["tag"] for part in get_args(Part)}
    assert {part: nodes.shape[0] for part, nodes in seen.items()} == {"validation": 1, "test": 2}


def test_everyone_is_left_out_once_and_leaves_no_rating_behind(planted_data: MovieData) -> None:
    folds = people_folds(planted_data.n_users, 4)
    assert np.bincount(folds).tolist() == [8, 8, 7, 7]
    others = without_people(planted_data.ratings, folds == 1)
    kept = np.diff(others.indptr) > 0
    assert not kept[folds == 1].any() and kept[folds != 1].all()
    assert others.nnz == np.diff(planted_data.ratings.indptr)[folds != 1].sum()


def test_validation_is_a_tenth_of_each_users_train_and_nothing_is_lost() -> None:
    train = sparse.csr_array(np.arange(1, 101, dtype=np.float32).reshape(2, 50))
    rest, cut = cut_validation(train, seed=3)
    assert np.diff(cut.indptr).tolist() == [5, 5]
    assert ((rest + cut) != train).nnz == 0 and rest.nnz == 90
    assert (cut_validation(train, seed=4)[1] != cut).nnz > 0


def test_short_histories_give_one_rating_to_validation_where_nobody_has_more() -> None:
    rest, cut = cut_validation(sparse.csr_array(np.array([[1.0, 1, 1, 0], [0, 0, 0, 1]])))
    assert np.diff(cut.indptr).tolist() == [1, 0] and rest.nnz == 3
