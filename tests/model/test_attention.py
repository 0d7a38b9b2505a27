"""Attention: weights that sum as stated, the gradient, a known right answer, and its switch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from analysis.what_if import what_if
from benchmarks.report import RESULTS_JSON, load_results
from data_preparation import MovieData
from model import attention_learning, checkpoints
from model.as_of import data_before, model_of
from model.attention import FEATURES, Attention, attend
from model.attention_learning import Lesson, Reached, learn, learned_attention, loss
from model.bpr import StopTraining
from model.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from model.config import SETTINGS
from model.evaluation import evaluate
from model.explanation import explain
from model.hybrid_graph import content_edges
from model.profiles import PROFILES, Profile
from model.splits import Split
from model.trained import TrainedModel, attention_in_words, measured_scorer
from model.viewers import aged, fold_in, user_vectors, user_viewer, weights_without
from model_training import RunInProgress, main, measured_run, refit, train
from tests.conftest import assert_one_sentence
from tests.dense import csr
from tests.small_training import hybrid_config


def lesson(seed: int, n_rated: int = 7, n_liked: int = 2, n_rivals: int = 9) -> Lesson:
    rng = np.random.default_rng(seed)
    stands = np.concatenate([np.zeros(n_liked), rng.integers(1, 5, n_rivals)])
    terms = rng.normal(size=(n_rated, n_liked + n_rivals)).astype(np.float32) / 10
    return Lesson(rng.normal(size=(n_rated, 3)), terms, stands, n_liked)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.integers(0, 99))
def test_weights_are_those_of_a_softmax_and_sum_to_the_number_of_films(
    counts: list[int], seed: int
) -> None:
    table = np.zeros((len(counts), 6))
    for row, n in zip(table, counts, strict=True):
        row[:n] = 3.0
    logits = np.random.default_rng(seed).normal(size=sum(counts)) * 300
    weights = attend(csr(table), logits)
    ends = np.cumsum(counts)[:-1]
    for part, own in zip(np.split(weights, ends), np.split(logits, ends), strict=True):
        if len(part):
            assert part.sum() == pytest.approx(len(part)) and (part >= 0).all()
            expected = np.exp(own - own.max())
            np.testing.assert_allclose(part, len(part) * expected / expected.sum())
    assert attend(csr(table), np.zeros(sum(counts))).tolist() == pytest.approx([1] * sum(counts))


@given(st.integers(0, 50))
def test_the_gradient_is_that_of_finite_differences(seed: int) -> None:
    lessons = [lesson(seed), lesson(seed + 1, n_rated=3, n_liked=1)]
    theta = np.random.default_rng(seed).normal(size=3) / 3
    _, slope = loss(theta, lessons)
    numeric = optimize.approx_fprime(theta, lambda point: loss(point, lessons)[0], 1e-6)
    np.testing.assert_allclose(slope, numeric, atol=1e-5)


def test_theta_finds_the_feature_that_tells_which_films_speak_the_truth() -> None:
    # Films with the first feature speak for what is liked, the others for its rivals.
    rng = np.random.default_rng(0)
    lessons = []
    for _ in range(30):
        telling = rng.permutation([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
        terms = np.zeros((6, 11), np.float32)
        terms[telling == 1, 0] = 0.5
        terms[telling == 0, 1:] = 0.2
        features = np.column_stack([telling, rng.normal(size=6)])
        lessons.append(Lesson(features, terms, np.append(0.0, np.ones(10)), 1))
    theta = learn(lessons)
    assert theta[0] > 0.5 and abs(theta[1]) < 0.3 * theta[0]
    assert loss(theta, lessons)[0] < loss(np.zeros(2), lessons)[0] - 0.1


def test_features_of_an_edge_by_hand() -> None:
    ratings = csr([[5.0, 0, 3.0, 1.0], [0, 4.0, 0, 4.0]])
    sent = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    tags = csr([[1, 0, 0, 0], [0, 0, 0, 2]])
    found = Attention.of(np.zeros(5), np.array([1, 1, 1, 2]), tags).features(ratings, sent, 3.0)
    assert found.shape == (5, len(FEATURES))
    assert found[0, 0] - found[1, 0] == pytest.approx(2)  # stars
    assert np.expm1(found[:, 1]).round().tolist() == [1, 1, 2, 1, 2]  # ratings of the film
    assert found[:, 2].tolist() == [1, 0, 1, 0, 1]
    # Film 0 lies with film 2 and across from film 3: (1, 0)·(1, 1)/√2.
    assert found[:, 3] == pytest.approx([0.5**0.5, 0.5**0.5, 0, 1, 1])
    assert found[:, 4] == pytest.approx(found[:, 3] * np.log([3, 3, 3, 2, 2]))


# --- as a switch of the model ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def attending(planted_data: MovieData, split: Split) -> TrainedModel:
    return train(planted_data, split, hybrid_config(attention=True))


def test_the_switch_learns_theta_and_says_what_it_changed(
    planted_data: MovieData, split: Split, attending: TrainedModel
) -> None:
    assert len(attending.theta) == len(FEATURES) and np.abs(attending.theta).max() > 1e-3
    plain = train(planted_data, split, hybrid_config())
    assert plain.theta == () and attention_in_words(plain) == ""
    assert attending.without_attention == plain.history[0].metrics
    again = train(planted_data, split, hybrid_config(attention=True))
    assert again.theta == attending.theta and again.key == attending.key != plain.key
    said = attention_in_words(attending)
    for name, value in zip(FEATURES, again.theta, strict=True):
        assert f"{name} {value:+.3f}" in said
    for metrics in (attending.history[0].metrics, attending.without_attention):
        assert f"{metrics['liked NDCG@20']:.4f}" in said
    assert refit(planted_data, attending).theta == attending.theta
    measured = evaluate(measured_scorer(planted_data, attending, split), split, "test", (20,))
    assert measured.mean()["NDCG@20"] == pytest.approx(attending.test_metrics["NDCG@20"])


def test_theta_never_looks_at_what_was_held_out(planted_data: MovieData, split: Split) -> None:
    turned = replace(split, test=split.test * 0.5, validation=split.validation * 0.5)
    models = [train(planted_data, part, hybrid_config(attention=True)) for part in (split, turned)]
    assert models[0].theta == models[1].theta


@pytest.mark.parametrize("profile", PROFILES)
def test_scores_are_exact_sums_for_users_and_the_same_for_visitors_alike(
    planted_data: MovieData, attending: TrainedModel, profile: Profile
) -> None:
    factors = user_vectors(planted_data, attending, slice(0, 30), profile)
    plain = replace(attending, attention=None, theta=())
    for user in range(planted_data.n_users):
        viewer = user_viewer(planted_data, attending, user, profile)
        rated = dict(zip(viewer.movies.tolist(), viewer.stars.tolist(), strict=True))
        visitor = fold_in(planted_data, attending, rated, profile)
        np.testing.assert_allclose(viewer.factor, factors[user], atol=1e-6)
        np.testing.assert_array_equal(visitor.factor, viewer.factor)
        assert viewer.attention is not None
        assert viewer.attention.sum() == pytest.approx(len(rated)) and (viewer.attention > 0).all()
        before = user_viewer(planted_data, plain, user, profile)
        np.testing.assert_allclose(viewer.weights, before.weights * viewer.attention, rtol=1e-6)
        reasons = explain(planted_data, attending, viewer, 7)
        assert reasons.graph_score == pytest.approx(
            float(factors[user] @ attending.movie_factors[7]), abs=1e-6
        )
        np.testing.assert_array_equal(reasons.attention, viewer.attention)
        # Without one film, all is as if it had never been rated.
        left = np.arange(len(rated)) != 0
        rest = {int(movie): rated[int(movie)] for movie in viewer.movies[left]}
        (weights,) = weights_without(planted_data, attending, viewer, left[None])
        expected = fold_in(planted_data, attending, rest, profile).weights
        np.testing.assert_allclose(weights[left], expected, rtol=1e-5)
    assert np.ptp(viewer.attention) > 1e-3
    assert fold_in(planted_data, attending, {}, profile).factor.tolist() == [0] * attending.dim


@pytest.mark.parametrize("half_life", [2.0, 30.0])
def test_sums_stay_exact_with_ages_what_if_and_a_day_of_the_past(
    planted_data: MovieData, attending: TrainedModel, half_life: float
) -> None:
    middle = int(np.median(planted_data.timestamps))
    then = data_before(planted_data, middle)
    past = model_of(then, attending)
    assert past.theta == attending.theta and past.attention is not None
    np.testing.assert_allclose(past.attention.popularity, np.log1p(then.movie_degree))
    for data, model in ((planted_data, attending), (then, past)):
        users = np.flatnonzero(np.diff(data.ratings.indptr) > 2)[:6].tolist()
        for user in users:
            always, when = user_viewer(data, model, user), data.times_of(user)
            viewer = aged(always, when, half_life)
            assert viewer.attention is not None
            assert viewer.attention.sum() == pytest.approx(len(when))
            np.testing.assert_allclose(viewer.weights, always.weights * viewer.share_left)
            reasons = explain(data, model, viewer, 7)
            score = float(viewer.factor @ model.movie_factors[7])
            assert reasons.graph_score == pytest.approx(score, abs=1e-6)
            whole = explain(data, model, always, 7).contributions
            np.testing.assert_allclose(reasons.contributions + reasons.age_cost, whole, atol=1e-9)
            # Without a film: as if it had never been rated, so all ages and shares move.
            left = np.arange(len(when)) != 1
            stars = dict(zip(viewer.movies.tolist(), viewer.stars.tolist(), strict=True))
            gone = int(viewer.movies[1])
            rest = fold_in(data, model, {m: s for m, s in stars.items() if m != gone})
            (weights,) = weights_without(data, model, viewer, left[None])
            expected = aged(rest, when[left], half_life).weights
            np.testing.assert_allclose(weights[left], expected, rtol=1e-5)
            # With other stars: the sum of everything anew.
            other = what_if(data, model, always, gone, 0.5).viewer
            anew = fold_in(data, model, stars | {gone: 0.5})
            np.testing.assert_allclose(other.weights, anew.weights, rtol=1e-6)
            assert other.attention is not None and anew.attention is not None
            np.testing.assert_allclose(other.attention, anew.attention)


def test_a_checkpoint_keeps_theta_and_one_of_before_has_none(
    planted_data: MovieData, attending: TrainedModel, hybrid: TrainedModel, tmp_path: Path
) -> None:
    path = tmp_path / "model.pth"
    save_checkpoint(attending, path)
    loaded = load_checkpoint(planted_data, path)
    assert loaded.theta == attending.theta and loaded.key == attending.key
    assert loaded.without_attention == attending.without_attention
    vectors = (user_vectors(planted_data, each, slice(None)) for each in (loaded, attending))
    np.testing.assert_array_equal(*vectors)
    save_checkpoint(hybrid, path)
    content = torch.load(path, weights_only=True)
    del content["theta"], content["without_attention"], content["config"]["attention"]
    torch.save(content | {"digest": checkpoints._digest(content)}, path)
    assert load_checkpoint(planted_data, path).theta == ()


@pytest.mark.parametrize("theta", [[], [0.1] * 4, [math.nan] * 5, ["1"] * 5, 3, None])
def test_a_checkpoint_with_another_theta_is_refused(
    planted_data: MovieData, attending: TrainedModel, tmp_path: Path, theta: object
) -> None:
    path = tmp_path / "model.pth"
    save_checkpoint(attending, path)
    content = torch.load(path, weights_only=True) | {"theta": theta}
    torch.save(content | {"digest": checkpoints._digest(content)}, path)
    with pytest.raises(CheckpointError, match="damaged") as refused:
        load_checkpoint(planted_data, path)
    assert_one_sentence(str(refused.value))


def test_where_it_makes_no_sense_it_is_refused_in_a_sentence(
    planted_data: MovieData, split: Split, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--preset", "published", "--attention"]) == 1
    said = capsys.readouterr().err.strip()
    assert "attention must be false for the paper's model" in said
    assert_one_sentence(said)
    with pytest.raises(ValueError, match="attention must be true or false"):
        hybrid_config(attention=1)
    disliked = replace(split, train=split.train * 0.5)
    with pytest.raises(ValueError, match="people who liked"):
        train(planted_data, disliked, hybrid_config(attention=True))


def test_of_many_ratings_some_people_are_enough(
    split: Split, planted_data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, config = content_edges(planted_data), hybrid_config()
    everyone = learned_attention(split.train, content, config)[0].theta
    monkeypatch.setattr(attention_learning, "MOST_RATINGS", split.train.nnz // 2)
    some, films = attention_learning._some_people(split.train, 0)
    assert split.train.nnz // 2 <= some.nnz < split.train.nnz
    rated = np.unique(split.train.indices)
    assert some.shape[1] == len(films) <= len(rated) and np.isin(films, rated).all()
    assert (learned_attention(split.train, content, config)[0].theta != everyone).any()


def test_it_can_be_watched_and_stopped_at_any_time(
    planted_data: MovieData, split: Split, attending: TrainedModel
) -> None:
    told: list[Reached] = []
    calls = 0

    def stop_when(said: str) -> Callable[[], None]:
        def check() -> None:
            nonlocal calls
            calls += 1
            if told and said in told[-1].doing:
                raise StopTraining

        return check

    found = {}
    for said in ("fitting fold 1", "comparing films", "step 3 of", "never"):
        told.clear()
        found[said] = train(
            planted_data,
            split,
            hybrid_config(attention=True),
            before_step=stop_when(said),
            on_attention=told.append,
        )
        shares = [each.share for each in told]
        assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] <= 1
    assert found["fitting fold 1"].theta == found["comparing films"].theta == (0.0,) * len(FEATURES)
    plain = train(planted_data, split, hybrid_config())
    np.testing.assert_allclose(found["comparing films"].user_factors, plain.user_factors)
    assert any(found["step 3 of"].theta) and found["step 3 of"].theta != attending.theta
    assert found["never"].theta == attending.theta
    for said, model in found.items():
        assert ("attention was stopped" in model.stop_reason) == (said != "never")
    assert calls > 4 * planted_data.n_users  # asked again and again, also while films are compared


def test_a_run_tells_how_far_it_is_and_keeps_what_a_stop_left(
    planted_data: MovieData, tmp_path: Path
) -> None:
    run = RunInProgress(
        planted_data, "random_80_10_10", hybrid_config(attention=True), tmp_path / "model.pth"
    )
    seen: list[tuple[str, float]] = []

    def stop() -> None:
        seen.append((run.doing, run.share_done))
        if "step 2 of" in run.doing:
            raise StopTraining

    assert measured_run(run, before_step=stop) and run.saved and run.model
    assert any("Learning attention: fitting fold 2 of 2" in doing for doing, _ in seen)
    (ended,) = (told for told in seen if "step 2 of" in told[0])  # asked once: it ends at once
    assert ended[0].startswith("Learning attention: step 2 of at most 40, NDCG 0.")
    assert 0.5 < ended[1] < 0.7 and "attention was stopped" in run.model.stop_reason
    assert load_checkpoint(planted_data, tmp_path / "model.pth").theta == run.model.theta


def test_the_help_says_what_was_measured() -> None:
    values = load_results(RESULTS_JSON)["attention"]["values"]
    (row,) = (row for row in values["rows"] if row["name"] == "with, like")
    liked, low, high = (
        row["difference"]["liked NDCG@20"]["mean"],
        *row["difference"]["liked NDCG@20"]["interval"],
    )
    told = SETTINGS["attention"].help
    assert f"{liked:+.4f} ({low:+.4f} to {high:+.4f}" in told and low < 0 < high
    assert f"{row['difference']['NDCG@20']['mean']:+.4f}" in told
    assert values["features"] == list(FEATURES)
    assert values["seconds"] == pytest.approx(10, abs=2) and "10 s" in told
