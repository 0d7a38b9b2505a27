"""Ranking metrics against numbers by hand and a slow reference."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import sparse

from data_preparation import MovieData
from model import evaluation
from model.baselines import popularity
from model.evaluation import RankingReport, Scorer, evaluate, ranking_metrics, sampled_users, top_k
from model.splits import Split, random_80_10_10

TRAIN, VALIDATION, TEST = 1, 2, 3


def split_from(parts: list[list[int]] | NDArray) -> Split:
    """A split from a users x films table: 0 not rated, 1 train, 2 validation, 3 test."""
    table = np.asarray(parts)
    pieces = (sparse.csr_array((table == number).astype(np.float32)) for number in (1, 2, 3))
    return Split("by hand", *pieces)


def scorer_from(scores: list[list[float]] | NDArray) -> Scorer:
    table = np.asarray(scores, np.float32)
    return lambda users: table[users]


def dense(part: sparse.csr_array) -> NDArray:
    return part.toarray() > 0


# --- metrics by hand ------------------------------------------------------------------------------


def metrics_of(hits: list[int], n_held_out: int, k: int) -> dict[str, float]:
    """Metrics of one user whose films by rank are hits (1) and misses (0)."""
    result = ranking_metrics(np.array([hits], bool), np.array([n_held_out]), [k])
    return {name: float(values[0]) for name, values in result.items()}


def test_ndcg_is_1_when_the_only_held_out_film_is_first() -> None:
    assert metrics_of([1, 0, 0], 1, 3)["NDCG@3"] == 1.0


def test_ndcg_is_1_over_log2_3_when_the_only_hit_is_second() -> None:
    assert metrics_of([0, 1, 0], 1, 3)["NDCG@3"] == pytest.approx(1 / math.log2(3))


def test_ndcg_is_one_half_when_the_only_hit_is_third() -> None:
    assert metrics_of([0, 0, 1], 1, 3)["NDCG@3"] == pytest.approx(0.5)


def test_ndcg_is_0_9197_when_the_two_hits_are_first_and_third() -> None:
    # (1 + 1/log2(4)) / (1 + 1/log2(3)) = 1.5 / 1.63093
    assert metrics_of([1, 0, 1], 2, 3)["NDCG@3"] == pytest.approx(0.91972, abs=1e-5)


def test_ndcg_at_2_is_1_with_two_hits_although_five_films_are_held_out() -> None:
    assert metrics_of([1, 1, 0], 5, 2)["NDCG@2"] == 1.0  # the ideal is cut at K, too


def test_recall_at_2_is_two_fifths_with_two_hits_of_five() -> None:
    assert metrics_of([1, 1, 0], 5, 2)["Recall@2"] == pytest.approx(0.4)


def test_hit_at_2_is_0_when_the_first_hit_is_third() -> None:
    metrics = metrics_of([0, 0, 1], 1, 2)
    assert metrics == {"Hit@2": 0.0, "Recall@2": 0.0, "NDCG@2": 0.0}


def test_hit_at_3_is_1_however_many_hits() -> None:
    assert metrics_of([1, 0, 1], 2, 3)["Hit@3"] == 1.0


def test_k_beyond_the_ranked_films_counts_what_there_is() -> None:
    metrics = metrics_of([0, 1], 3, 10)
    assert metrics["Recall@10"] == pytest.approx(1 / 3)
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert metrics["NDCG@10"] == pytest.approx(1 / math.log2(3) / ideal)


def test_evaluate_by_hand_gives_each_user_their_own_row() -> None:
    split = split_from([[TRAIN, TEST, 0, TRAIN], [TEST, TRAIN, TRAIN, 0], [TRAIN, 0, TRAIN, 0]])
    scores = [[9.0, 1.0, 2.0, 9.0], [5.0, 9.0, 9.0, 4.0], [0.0, 0.0, 0.0, 0.0]]
    report = evaluate(scorer_from(scores), split, "test", ks=(1, 2))
    # User 0: film 2, then the hit 1. User 1: the hit 0 first. User 2 has nothing held out.
    assert list(report.per_user) == [f"{m}@{k}" for k in (1, 2) for m in ("Hit", "Recall", "NDCG")]
    assert report.per_user.index.tolist() == [0, 1]
    assert report.per_user["Hit@1"].tolist() == [0.0, 1.0]
    assert report.per_user["NDCG@2"].tolist() == pytest.approx([1 / math.log2(3), 1.0])
    assert report.top[0].tolist() == [2, 1]
    assert report.mean()["Recall@2"] == 1.0
    assert (report.protocol, report.part) == ("by hand", "test")


# --- metrics against a reference ------------------------------------------------------------------


def reference(table: NDArray, scores: NDArray, part: str, k: int) -> dict[int, dict[str, float]]:
    """The three metrics per user, from their definitions, one film at a time."""
    n_users, n_films = table.shape
    competing = [film for film in range(n_films) if any(table[:, film])]
    wanted, known = (VALIDATION, {TRAIN}) if part == "validation" else (TEST, {TRAIN, VALIDATION})
    result = {}
    for user in range(n_users):
        held_out = [film for film in range(n_films) if table[user, film] == wanted]
        if not held_out:
            continue
        candidates = [film for film in competing if table[user, film] not in known]
        ranked = sorted(candidates, key=lambda film: -scores[user, film])[:k]
        gains = [1 / math.log2(place + 2) for place, film in enumerate(ranked) if film in held_out]
        ideal = [1 / math.log2(place + 2) for place in range(min(k, len(held_out)))]
        result[user] = {
            f"Hit@{k}": float(bool(gains)),
            f"Recall@{k}": len(gains) / len(held_out),
            f"NDCG@{k}": sum(gains) / sum(ideal),
        }
    return result


def distinct_scores(shape: tuple[int, int], seed: int) -> NDArray:
    """Scores without ties, so that every correct ranking is the same."""
    order = np.random.default_rng(seed).permutation(shape[0] * shape[1])
    return order.reshape(shape).astype(np.float32)


TABLES = st.tuples(st.integers(1, 6), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.int8, shape, elements=st.integers(0, 3))
)


@given(TABLES, st.integers(0, 10_000), st.sampled_from(["validation", "test"]), st.integers(1, 12))
def test_evaluate_agrees_with_the_slow_reference(
    table: NDArray, seed: int, part: str, k: int
) -> None:
    scores = distinct_scores(table.shape, seed)
    expected = reference(table, scores, part, k)
    split = split_from(table)
    if not expected:
        with pytest.raises(ValueError, match=f"The {part} part of the split holds no rating"):
            evaluate(scorer_from(scores), split, part, ks=(k,))
        return
    report = evaluate(scorer_from(scores), split, part, ks=(k,))
    assert report.per_user.index.tolist() == list(expected)
    for user, metrics in expected.items():
        assert report.per_user.loc[user].to_dict() == pytest.approx(metrics)


@given(TABLES.filter(lambda table: (table == TEST).any()), st.integers(1, 12))
def test_a_perfect_oracle_has_ndcg_1_and_recall_min_1_k_over_n(table: NDArray, k: int) -> None:
    report = evaluate(scorer_from((table == TEST) * 1.0), split_from(table), "test", ks=(k,))
    n_held_out = (table == TEST).sum(axis=1)[report.per_user.index]
    np.testing.assert_allclose(report.per_user[f"NDCG@{k}"], 1.0)
    np.testing.assert_allclose(report.per_user[f"Recall@{k}"], np.minimum(1, k / n_held_out))


@given(TABLES.filter(lambda table: (table == TEST).any()), st.integers(0, 10_000))
def test_metrics_do_not_depend_on_the_cut_offs_asked_for_beside_them(
    table: NDArray, seed: int
) -> None:
    scores, split = scorer_from(distinct_scores(table.shape, seed)), split_from(table)
    alone = evaluate(scores, split, "test", ks=(2,)).per_user
    together = evaluate(scores, split, "test", ks=(7, 2, 1)).per_user[alone.columns]
    np.testing.assert_array_equal(alone, together)


# --- who competes ---------------------------------------------------------------------------------


def test_validation_masks_train_and_lets_test_films_compete() -> None:
    split = split_from([[TRAIN, VALIDATION, TEST, 0], [0, 0, 0, TRAIN]])
    report = evaluate(scorer_from([[4, 1, 3, 2]] * 2), split, "validation", ks=(3,))
    assert report.top.tolist() == [[2, 3, 1]]  # only user 0 has a validation film


def test_test_masks_train_and_validation() -> None:
    split = split_from([[TRAIN, VALIDATION, TEST, 0], [0, 0, 0, TRAIN]])
    report = evaluate(scorer_from([[4, 3, 1, 2]] * 2), split, "test", ks=(2,))
    assert report.top.tolist() == [[3, 2]]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_film_without_any_rating_never_competes(part: str) -> None:
    split = split_from([[TRAIN, VALIDATION, TEST, 0, 0], [TRAIN, 0, 0, TRAIN, 0]])
    report = evaluate(scorer_from([[0, 0, 0, 0, 9]] * 2), split, part, ks=(1,))
    assert 4 not in report.top


def test_a_film_seen_only_in_test_competes_in_validation() -> None:
    split = split_from([[TRAIN, VALIDATION, 0, TRAIN], [TRAIN, 0, TEST, TRAIN]])
    report = evaluate(scorer_from([[0, 1, 9, 0]] * 2), split, "validation", ks=(1,))
    assert report.top.tolist() == [[2]]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_known_films_are_never_recommended(planted_data: MovieData, part: str) -> None:
    split = random_80_10_10(planted_data)
    # The worst case: a scorer that likes best what the user already rated.
    adverse = scorer_from(planted_data.ratings.toarray() + dense(split.known(part)) * 100)
    report = evaluate(adverse, split, part, ks=(20,))
    known = dense(split.known(part))
    for user, films in zip(report.per_user.index, report.top, strict=True):
        assert not known[user, films].any()


def test_known_films_are_never_in_the_top_even_if_k_exceeds_the_candidates() -> None:
    split = split_from([[TRAIN, TRAIN, TEST, VALIDATION], [0, 0, TRAIN, 0]])
    report = evaluate(scorer_from([[4, 3, 2, 1]] * 2), split, "test", ks=(4,))
    assert {0, 1, 3}.isdisjoint(report.top[0].tolist())


def test_k_larger_than_the_catalogue_finds_everything() -> None:
    split = split_from([[TRAIN, TEST, TEST, 0], [0, 0, 0, TRAIN]])
    metrics = evaluate(scorer_from([[1, 2, 3, 4]] * 2), split, "test", ks=(1000,)).mean()
    assert (metrics["Hit@1000"], metrics["Recall@1000"]) == (1.0, 1.0)
    ideal = 1 + 1 / math.log2(3)
    assert metrics["NDCG@1000"] == pytest.approx((1 / math.log2(3) + 1 / 2) / ideal)


# --- ties, samples, refusals ----------------------------------------------------------------------


@pytest.mark.parametrize("first_held_out", [0, 40], ids=["lowest ids", "highest ids"])
def test_a_constant_scorer_finds_10_of_49_candidates_whichever_ids_are_held_out(
    first_held_out: int,
) -> None:
    users = np.arange(30)
    table = np.zeros((31, 50), np.int8)
    table[users, 10 + users] = TRAIN  # leaves 49 candidates
    table[users, first_held_out + users % 10] = TEST
    table[30] = TRAIN  # the last user only makes every film compete
    split, constant = split_from(table), scorer_from(np.zeros(table.shape))
    recalls = [
        evaluate(constant, split, "test", ks=(10,), seed=seed).mean()["Recall@10"]
        for seed in range(60)
    ]
    # Over 60 seeds x 10 films a standard error is below 0.02; ties by id would give 1 or 0.
    assert np.mean(recalls) == pytest.approx(10 / 49, abs=0.06)


def test_ties_are_broken_alike_for_the_same_seed_and_otherwise_for_another() -> None:
    split = split_from([[TRAIN, TEST] + [0] * 28, [0, 0] + [TRAIN] * 28])
    constant = scorer_from(np.zeros((2, 30)))
    one, again, other = (
        evaluate(constant, split, "test", ks=(20,), seed=seed).top[0].tolist() for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


def test_sample_users_measures_so_many_of_those_with_held_out_films(
    planted_data: MovieData,
) -> None:
    split = random_80_10_10(planted_data)
    everyone = evaluate(popularity(split.train), split, "test").per_user
    sample = evaluate(popularity(split.train), split, "test", sample_users=7).per_user
    assert len(sample) == 7 and sample.index.is_unique
    assert set(sample.index) <= set(everyone.index)


def test_sample_users_depends_on_the_seed(planted_data: MovieData) -> None:
    split = random_80_10_10(planted_data)
    one, again, other = (
        evaluate(popularity(split.train), split, "test", sample_users=7, seed=seed).per_user.index
        for seed in (1, 1, 2)
    )
    assert one.equals(again)
    assert not one.equals(other)


def test_sample_users_beyond_the_users_measures_all(planted_data: MovieData) -> None:
    split = random_80_10_10(planted_data)
    everyone = evaluate(popularity(split.train), split, "test").per_user
    sample = evaluate(popularity(split.train), split, "test", sample_users=10_000).per_user
    assert sample.index.equals(everyone.index)


def test_a_training_on_large_data_is_measured_on_a_sample(
    planted_data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = random_80_10_10(planted_data)
    assert sampled_users(split) is None
    monkeypatch.setattr(evaluation, "_SCORES_MEASURED", 10 * planted_data.n_movies)
    assert sampled_users(split) == 10


def test_a_sample_of_no_users_is_refused_in_words() -> None:
    split = split_from([[TRAIN, TEST, 0]])
    with pytest.raises(ValueError, match="sample"):
        evaluate(scorer_from([[0, 0, 0]]), split, "test", sample_users=0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    split = split_from([[TRAIN, TEST, 0], [TRAIN, 0, TEST]])
    with pytest.raises(ValueError, match="not finite"):
        evaluate(scorer_from([[0, 1, 2], [0, bad, 1]]), split, "test")


@pytest.mark.parametrize("ks", [(0,), (10, -1)])
def test_k_below_1_is_refused(ks: tuple[int, ...]) -> None:
    split = split_from([[TRAIN, TEST, 0]])
    with pytest.raises(ValueError, match=f"K must be at least 1; got {min(ks)}"):
        evaluate(scorer_from([[0, 0, 0]]), split, "test", ks=ks)


def test_evaluate_leaves_the_scorers_own_array_alone() -> None:
    split = split_from([[TRAIN, TEST, 0]])
    scores = np.array([[3, 2, 1]], np.float32)
    evaluate(lambda users: scores, split, "test")
    assert scores.tolist() == [[3, 2, 1]]


def test_more_users_than_a_batch_are_measured_as_in_one() -> None:
    n_users = 1100  # evaluate works in batches of some hundreds
    rng = np.random.default_rng(0)
    table = np.argsort(rng.random((n_users, 4)), axis=1)  # each row has 0, 1, 2 and 3 once
    scores = distinct_scores(table.shape, 0)
    report = evaluate(scorer_from(scores), split_from(table), "test", ks=(1,))
    hit = (scores * (table == TEST)).max(axis=1) > (scores * (table == 0)).max(axis=1)
    np.testing.assert_array_equal(report.per_user["Hit@1"], hit)


# --- the rule of ranking --------------------------------------------------------------------------


def test_the_top_k_leave_out_what_is_known_and_what_may_not_compete() -> None:
    scores = np.array([[5, 4, 3, 2, 1], [1, 1, 1, 1, 1]], dtype=np.float32)
    known = np.array([[True, False, False, False, False], [True, False, True, True, False]])
    rankable = np.array([True, True, False, True, True])
    order = np.array([4, 3, 2, 1, 0])
    for mask in (known, sparse.csr_array(known)):
        top = top_k(scores, mask, rankable, 3, order)
        assert top[0].tolist() == [1, 3, 4]
        assert set(top[1, :2].tolist()) == {1, 4} and top[1, 2] == -1
    assert top.dtype == np.int32
    assert scores[0, 0] == 5  # untouched


def test_the_top_k_are_those_that_evaluate_ranks(split: Split) -> None:
    scores = np.random.default_rng(1).random(split.train.shape).astype(np.float32)
    report = evaluate(lambda users: scores[users], split, "test", (20,))
    users = report.per_user.index.to_numpy()
    order = np.random.default_rng(5).permutation(scores.shape[1])  # without ties it plays no part
    known = split.known("test")[users]
    top = top_k(scores[users], known, split.rated_movies(), 20, order)
    np.testing.assert_array_equal(top, report.top)


# --- what was liked, and how many stars the hits got ----------------------------------------------


def starred_split(train: list[list[float]], test: list[list[float]]) -> Split:
    """A split of these stars; nobody has validation ratings."""
    parts = [sparse.csr_array(np.array(part, np.float32)) for part in (train, test)]
    empty = sparse.csr_array(parts[0].shape, dtype=np.float32)
    return Split("by hand", parts[0], empty, parts[1])


LIKED = starred_split(
    train=[[3.0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 4.0], [0, 0, 0, 0, 0, 2]],
    test=[[0, 4.0, 2.5, 5.0, 0, 1.0], [0, 3.5, 1.0, 0, 0, 0], [0, 0, 0, 0, 4.5, 0]],
)
BY_ID = scorer_from([[6.0, 5, 4, 3, 2, 1]] * 3)  # ranks films by id, the known ones left out


def test_liked_metrics_by_hand() -> None:
    report = evaluate(BY_ID, LIKED, "test", ks=(1, 3))
    # User 0 ranks 1, 2, 3 …: liked are 1 (4★) and 3 (5★), ranks 1 and 3 of two liked films.
    # User 1 ranks 0, 1, 2: held out are films with 3.5★ and 1★, none liked.
    # User 2 ranks 0 … 4: film 4 (4.5★) is fifth.
    table = report.per_user
    assert table["NDCG@3"].tolist()[2] == 0 and table["Hit@3"].tolist() == [1, 1, 0]
    liked_ndcg = (1 + 1 / 2) / (1 + 1 / math.log2(3))
    np.testing.assert_allclose(table["liked NDCG@3"], [liked_ndcg, np.nan, 0])
    np.testing.assert_allclose(table["liked Recall@3"], [1.0, np.nan, 0])
    np.testing.assert_allclose(table["liked Hit@3"], [1, np.nan, 0])
    np.testing.assert_allclose(table["liked Hit@1"], [1, np.nan, 0])
    np.testing.assert_allclose(table["Recall@3"], [3 / 4, 1, 0])
    # The mean leaves out who liked nothing of what was held out.
    assert report.mean()["liked Hit@3"] == pytest.approx(0.5)
    assert report.mean()["Hit@3"] == pytest.approx(2 / 3)


def test_stars_of_the_hits_by_hand() -> None:
    report = evaluate(BY_ID, LIKED, "test", ks=(3,))
    assert report.stars.tolist() == [[4.0, 2.5, 5.0], [0.0, 3.5, 1.0], [0.0, 0.0, 0.0]]
    # Hits in the top 3: 4, 2.5, 5, 3.5 and 1 star; two of the five are below 3.
    assert report.hit_stars(3) == (pytest.approx(16 / 5), pytest.approx(2 / 5))
    assert report.hit_stars(1) == (4.0, 0.0)


def test_without_a_hit_there_are_no_stars_to_average() -> None:
    last = scorer_from([[6.0, 1, 1, 1, 5, 1], [6.0, 1, 1, 1, 5, 1], [6.0, 5, 5, 5, 1, 1]])
    report = evaluate(last, LIKED, "test", ks=(1,))
    assert not report.per_user["Hit@1"].any()
    assert all(math.isnan(value) for value in report.hit_stars(1))


def test_data_without_liked_films_have_no_liked_metrics() -> None:
    # All stars are 1, as in data that hold interactions alone.
    report = evaluate(BY_ID, split_from([[TRAIN, TEST, TEST, 0, 0, 0]] * 3), "test", ks=(3,))
    assert not [name for name in report.per_user if name.startswith("liked")]
    assert not [name for name in report.mean() if name.startswith("liked")]


@given(TABLES.filter(lambda table: (table == TEST).any()), st.integers(0, 10_000))
def test_liked_metrics_are_the_metrics_of_a_split_that_holds_out_liked_films_alone(
    table: NDArray, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    stars = rng.integers(1, 11, size=table.shape) / 2
    parts = [sparse.csr_array(((table == n) * stars).astype(np.float32)) for n in (1, 2, 3)]
    scores = distinct_scores(table.shape, seed)
    found = evaluate(scorer_from(scores), Split("by hand", *parts), "test", ks=(2,)).per_user
    liked = np.where((table == TEST) & (stars < 4), 4, table)  # 4: rated by them, in no part
    expected = reference(np.where(liked == 4, 0, liked), scores, "test", 2)
    competing = {film for film in range(table.shape[1]) if table[:, film].any()}
    left = {film for film in range(table.shape[1]) if (liked[:, film] % 4).any()}
    if competing != left:
        return  # a film that competes through a disliked rating alone
    for user in found.index:
        row = found.loc[user]
        if user in expected:
            for name, value in expected[user].items():
                assert row[f"liked {name}"] == pytest.approx(value)
        elif f"liked Hit@{2}" in found:
            assert np.isnan(row["liked Hit@2"])


def test_films_can_be_left_out_of_what_is_measured_and_still_compete() -> None:
    films = np.array([True, False, True, True, True, True])
    report = evaluate(BY_ID, LIKED, "test", ks=(3,), films=films)
    assert report.top[0].tolist() == [1, 2, 3]  # film 1 is ranked, and counts for nothing
    assert report.per_user["Recall@3"].tolist() == pytest.approx([2 / 3, 1, 0])
    assert report.stars.tolist()[0] == [0.0, 2.5, 5.0]


# --- intervals ------------------------------------------------------------------------------------


def report_of(values: list[float]) -> RankingReport:
    nothing = np.zeros((len(values), 1))
    return RankingReport(
        "by hand", "test", pd.DataFrame({"m": values}), nothing.astype(np.int32), nothing
    )


def test_an_interval_ignores_who_has_no_value() -> None:
    values = np.random.default_rng(0).random(40).tolist()
    holes = [value for pair in zip(values, [math.nan] * 40, strict=True) for value in pair]
    assert report_of(holes).interval("m") == report_of(values).interval("m")
    assert report_of(holes).mean()["m"] == pytest.approx(np.mean(values))


@pytest.mark.parametrize("at_once", [1, 7 * 40, 999 * 40, 10**9])
def test_an_interval_does_not_depend_on_how_many_resamples_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    values = np.random.default_rng(0).random(40)
    monkeypatch.setattr(evaluation, "_RESAMPLED_AT_ONCE", at_once)
    found = report_of(values.tolist()).interval("m")
    drawn = np.random.default_rng(0).integers(40, size=(2000, 40))  # all at once
    expected = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    assert found == pytest.approx(tuple(expected), abs=1e-12)


def test_an_interval_holds_the_mean_and_shrinks_with_the_root_of_the_users() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for n_users in (100, 400):
        values = rng.random(n_users).tolist()
        low, high = report_of(values).interval("m")
        assert low < np.mean(values) < high
        widths.append(high - low)
    # 2 · 1.96 · √(1/12/n)
    assert widths[0] == pytest.approx(2 * 1.96 * math.sqrt(1 / 1200), rel=0.15)
    assert widths[1] == pytest.approx(widths[0] / 2, rel=0.15)


# --- one order for ties ---------------------------------------------------------------------------


def test_ties_end_up_in_the_one_order_that_the_seed_gives() -> None:
    # Scores with many ties: ranked by score, then by the place in one permutation of the films.
    split = split_from([[TRAIN, TEST] + [0] * 28, [0, 0] + [TRAIN] * 28])
    scores = np.random.default_rng(3).integers(0, 3, size=(2, 30)).astype(np.float32)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(30)
        permuted = scores[0, order]
        permuted[order == 0] = -np.inf  # known
        expected = order[np.argsort(-permuted, kind="stable")]
        for k in (5, 20):  # a short list is the beginning of a long one
            report = evaluate(scorer_from(scores), split, "test", ks=(k,), seed=seed)
            assert report.top.tolist() == [expected[:k].tolist()]


def test_the_order_of_ties_does_not_depend_on_the_users_measured_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    table = np.argsort(rng.random((50, 30)), axis=1) % 4
    scores = scorer_from(rng.integers(0, 3, size=(50, 30)))
    together = evaluate(scores, split_from(table), "test", ks=(10,))
    monkeypatch.setattr(evaluation, "_USERS_PER_BATCH", 1)
    alone = evaluate(scores, split_from(table), "test", ks=(10,))
    assert (together.top == alone.top).all()
