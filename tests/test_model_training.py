"""Training on planted structure, its early ends, and the command.

What is tested is behaviour: no test relies on the defaults of `TrainingConfig` or on the presets.
"""

from __future__ import annotations

import io
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

import model_training
from benchmarks.large_data import SHAPES, make
from data_preparation import MovieData, normalised_adjacency
from model import bpr
from model.baselines import popularity
from model.bpr import Learner, StopTraining, bpr_loss
from model.checkpoints import CheckpointError, load_checkpoint
from model.config import PRESETS, SETTINGS, TrainingConfig
from model.evaluation import evaluate
from model.hybrid_graph import visible_content
from model.lightgcn import factor_scorer, layer_mean, to_torch
from model.runs import EASE, OURS, POPULARITY, load_runs
from model.search import Trial
from model.splits import PROTOCOLS, Split, random_80_10_10, temporal_leave_one_out
from model.store import ModelStore
from model.trained import EpochRecord, TrainedModel
from model.viewers import user_vectors
from model_training import RunInProgress, main, measured_run, refit, train
from serving.training_job import TrainingJob
from settings import runs_folder
from tests.conftest import (
    REPOSITORY,
    TOY_RATINGS,
    assert_one_sentence,
    write_dataset,
    write_planted,
)
from tests.dense import dense_layers
from tests.small_training import config, hybrid_config, losses, ndcg, start_of

# --- training -------------------------------------------------------------------------------------


# A few directions and a strong ridge: the groups are three, and the stars say nothing.
FITTED = hybrid_config(dim=6, ridge=0.3, taste=0.02, like=0.1)
KINDS: dict[str, TrainingConfig] = {
    "paper": config(epochs=8),
    "fitted": FITTED,
    "fitted, K = 3": replace(FITTED, layers=3),
    "BPR on a fitted start": replace(FITTED, epochs=4, learning_rate=0.005),
    "hybrid at random": replace(FITTED, epochs=8, warm_start=False),
    "searched": replace(FITTED, search_seconds=0.01),
}


@pytest.mark.parametrize("protocol", [random_80_10_10, temporal_leave_one_out])
@pytest.mark.parametrize("kind", KINDS)
def test_training_finds_a_planted_structure_that_popularity_cannot(
    planted_data: MovieData, protocol: Callable[[MovieData], Split], kind: str
) -> None:
    split = protocol(planted_data)
    model = train(planted_data, split, KINDS[kind])
    baseline = evaluate(popularity(split.train), split, "test").mean()
    assert model.test_metrics["Recall@10"] > 0.7 > 2 * baseline["Recall@10"]
    assert model.test_metrics["NDCG@20"] > 1.5 * baseline["NDCG@20"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_unseen_films_are_of_the_users_own_group(
    planted_data: MovieData, split: Split, kind: str
) -> None:
    model = train(planted_data, split, KINDS[kind])
    scores = factor_scorer(user_vectors(planted_data, model, slice(None)), model.movie_factors)(
        np.arange(30)
    )
    scores[planted_data.ratings.toarray() > 0] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :3]
    # Raw ids ascend with the group pattern, so inner ids carry it too: group = id mod 3.
    assert (best % 3 == np.arange(30)[:, None] % 3).mean() > 0.85


@pytest.mark.parametrize("hide_batch", [True, False])
@pytest.mark.parametrize("kind", ["BPR on a fitted start", "hybrid at random"])
def test_bpr_lowers_the_loss_of_the_hybrid(
    planted_data: MovieData, split: Split, kind: str, hide_batch: bool
) -> None:
    model = train(planted_data, split, replace(KINDS[kind], epochs=6, hide_batch=hide_batch))
    assert losses(model)[-1] < 0.9 * losses(model)[0]


def test_a_fit_takes_no_epochs_and_records_the_start(
    planted_data: MovieData, split: Split, hybrid: TrainedModel
) -> None:
    assert [record.epoch for record in hybrid.history] == [0] and hybrid.best_epoch == 0
    assert_one_sentence(hybrid.stop_reason)
    np.testing.assert_array_equal(hybrid.e0, start_of_hybrid(planted_data, split))
    assert hybrid.mean_stars == pytest.approx(split.train.data.mean(), rel=1e-6)


def start_of_hybrid(data: MovieData, split: Split) -> np.ndarray:
    content = visible_content(data, split.hidden())
    return Learner(split.train, content, hybrid_config()).weights().numpy()


def test_both_profiles_are_measured_and_each_finds_what_it_is_for(
    planted_data: MovieData, split: Split
) -> None:
    model = train(planted_data, split, hybrid_config(watch=0.0, like=0.0))
    assert model.watch_metrics == model.test_metrics
    other = train(planted_data, split, hybrid_config(watch=0.0, like=1.0))
    assert other.watch_metrics == model.watch_metrics != other.test_metrics
    assert set(other.test_intervals) == set(other.test_metrics) >= {"NDCG@20", "liked NDCG@20"}
    for name, (low, high) in other.test_intervals.items():
        assert low <= other.test_metrics[name] <= high


def test_a_fit_never_looks_at_the_held_out_ratings(planted_data: MovieData, split: Split) -> None:
    for part in ("validation", "test"):
        changed = getattr(split, part).copy()
        changed.data = 5.5 - changed.data
        other = train(planted_data, replace(split, **{part: changed}), hybrid_config())
        same = train(planted_data, split, hybrid_config())
        np.testing.assert_array_equal(other.e0, same.e0)
        assert other.mean_stars == same.mean_stars


def test_a_search_is_reported_kept_and_followed_by_the_training(
    planted_data: MovieData, split: Split
) -> None:
    seen: list[Trial] = []
    settings = hybrid_config(search_seconds=0.05, epochs=2)
    model = train(planted_data, split, settings, on_trial=seen.append)
    assert [t for t in model.trials if t.changed not in ("watch", "like")] == seen
    assert len(model.history) == 3 and model.config.search_seconds == 0
    assert (model.config.epochs, model.config.dim) == (2, 16)
    fitted = replace(model.config, epochs=0)
    assert ndcg(train(planted_data, split, fitted))[0] == ndcg(model)[0]


def test_the_papers_model_is_never_searched(planted_data: MovieData, split: Split) -> None:
    model = train(planted_data, split, config(epochs=1, search_seconds=30.0))
    assert model.trials == () and model.config.search_seconds == 30


@pytest.mark.parametrize("kind", KINDS)
def test_a_refit_knows_all_ratings_and_keeps_what_was_measured(
    planted_data: MovieData, split: Split, kind: str
) -> None:
    model = train(planted_data, split, KINDS[kind])
    again = refit(planted_data, model)
    assert again.refitted and not np.array_equal(again.e0, model.e0)
    for name in ("config", "test_metrics", "watch_metrics", "trials", "best_epoch", "stop_reason"):
        assert getattr(again, name) == getattr(model, name)
    assert again.mean_stars == pytest.approx(planted_data.ratings.data.mean(), rel=1e-6) or (
        kind == "paper"
    )
    users, films = split.test.nonzero()

    def percentile(of: TrainedModel) -> float:
        scores = user_vectors(planted_data, of, slice(None)) @ of.movie_factors.T
        return float((scores[users] < scores[users, films][:, None]).mean())

    assert percentile(again) > percentile(model)


def test_the_loss_falls(model: TrainedModel) -> None:
    assert losses(model)[-1] < losses(model)[0] < 1.2 * math.log(2)


def test_the_same_seed_gives_the_same_model_whatever_the_global_generators(
    planted_data: MovieData, split: Split, model: TrainedModel
) -> None:
    torch.manual_seed(123)
    np.random.seed(123)
    again = train(planted_data, split, config())
    np.testing.assert_array_equal(again.e0, model.e0)
    assert losses(again) == losses(model)
    assert again.test_metrics == model.test_metrics


def test_another_seed_gives_another_model(
    planted_data: MovieData, split: Split, model: TrainedModel
) -> None:
    other = train(planted_data, split, config(seed=4))
    assert not np.allclose(other.e0, model.e0)


def test_the_seed_also_shuffles_and_samples(
    planted_data: MovieData, split: Split, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = start_of(split.train, config())
    monkeypatch.setattr(Learner, "_random", lambda *_: start.clone())
    assert losses(train(planted_data, split, config(seed=4))) != losses(model)


def test_bpr_gets_every_training_pair_once_with_films_that_the_user_did_not_rate(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = Learner(split.train, {}, hybrid_config(epochs=1, negatives=2))
    rated = split.train.toarray() > 0
    pairs: list[tuple[int, int]] = []
    real = learner.sampler.sample

    def spy(users: torch.Tensor, count: int) -> torch.Tensor:
        negatives = real(users, count)
        assert negatives.shape == (len(users), 2)
        assert not rated[users[:, None], negatives].any()
        return negatives

    monkeypatch.setattr(learner.sampler, "sample", spy)
    step = learner.loss_and_gradient

    def counted(chosen: torch.Tensor) -> tuple[float, torch.Tensor]:
        pairs.extend(
            zip(learner.users[chosen].tolist(), learner.movies[chosen].tolist(), strict=True)
        )
        return step(chosen)

    monkeypatch.setattr(learner, "loss_and_gradient", counted)
    learner.run_epoch()
    assert sorted(pairs) == [*zip(*map(np.ndarray.tolist, rated.nonzero()), strict=True)]


def test_patience_ends_the_training_after_so_many_epochs_without_a_better_one(
    planted_data: MovieData, split: Split
) -> None:
    model = train(planted_data, split, config(epochs=200, patience=2))
    assert len(model.history) - 1 == model.best_epoch + 2 < 200
    assert "2 epochs" in model.stop_reason
    assert_one_sentence(model.stop_reason)


def test_on_epoch_sees_epoch_0_to_n_in_order_and_the_history_is_what_it_saw(
    planted_data: MovieData, split: Split
) -> None:
    seen: list[EpochRecord] = []
    model = train(planted_data, split, config(epochs=3), on_epoch=seen.append)
    assert [record.epoch for record in seen] == [0, 1, 2, 3]
    assert model.history == tuple(seen)
    assert math.isnan(seen[0].loss) and all(math.isfinite(r.loss) for r in seen[1:])
    seconds = [record.seconds for record in seen]
    assert seconds == sorted(seconds) and seconds[0] >= 0
    assert_one_sentence(model.stop_reason)


def test_the_kept_epoch_is_the_best_on_validation(planted_data: MovieData, split: Split) -> None:
    model = train(planted_data, split, config(epochs=8))
    assert model.best_epoch == int(np.argmax(ndcg(model)))
    adjacency = to_torch(normalised_adjacency(split.train))
    final = layer_mean(adjacency, torch.tensor(model.e0), 2).numpy()
    metrics = evaluate(factor_scorer(final[:30], final[30:]), split, "validation").mean()
    assert metrics["NDCG@20"] == pytest.approx(max(ndcg(model)))


def test_test_metrics_are_of_the_kept_e0_over_the_train_graph_only(
    split: Split, model: TrainedModel
) -> None:
    final = np.mean(dense_layers(split.train.toarray() > 0, model.e0, 2), axis=0)
    expected = evaluate(factor_scorer(final[:30], final[30:]), split, "test").mean()
    assert model.test_metrics == pytest.approx(expected)


def test_training_never_looks_at_the_held_out_ratings(
    planted_data: MovieData, split: Split, model: TrainedModel
) -> None:
    # Other held-out films: the training itself must not notice.
    films = (split.validation.indices + 1) % 48
    moved = sparse.csr_array(
        (split.validation.data, films, split.validation.indptr), shape=split.validation.shape
    ).tocoo()
    free = [not (split.train[u, i] or split.test[u, i]) for u, i in zip(*moved.coords, strict=True)]
    validation = sparse.coo_array(
        (moved.data[free], (moved.coords[0][free], moved.coords[1][free])), shape=moved.shape
    ).tocsr()
    other = train(planted_data, replace(split, validation=validation), config())
    assert losses(other) == losses(model)
    assert ndcg(other) != ndcg(model)


# --- unusual data ---------------------------------------------------------------------------------


def test_a_split_of_other_data_is_refused(toy_data: MovieData, split: Split) -> None:
    with pytest.raises(ValueError, match="split belongs to other data") as refusal:
        train(toy_data, split, config())
    assert_one_sentence(str(refusal.value))


def test_who_rated_every_film_is_left_out_of_bpr_and_training_ends(
    load: Callable[..., MovieData],
) -> None:
    films = sorted({row[1] for row in TOY_RATINGS} | {200})
    everything = [(500, film, 4.0, film) for film in films]
    data = load(ratings=[*TOY_RATINGS, *everything])
    split = temporal_leave_one_out(data)
    # All of user 500's ratings into train: they have no film left to be a negative.
    whole = data.inner_user(500)
    keep = sparse.diags_array([float(user != whole) for user in range(data.n_users)])
    rest = sparse.diags_array([float(user == whole) for user in range(data.n_users)])
    parts = ((keep @ part).astype(np.float32) for part in (split.validation, split.test))
    train_part = (split.train + rest @ (split.validation + split.test)).astype(np.float32)
    cleaned = [part.tocsr() for part in parts]
    for part in cleaned:
        part.eliminate_zeros()
    assert np.diff(train_part.tocsr().indptr)[whole] == data.n_movies
    by_hand = Split("by hand", train_part.tocsr(), *cleaned)
    for settings in (config(epochs=2, dim=3), hybrid_config(epochs=2, dim=3)):
        model = train(data, by_hand, settings)
        assert np.isfinite(model.e0).all() and len(model.history) == 3


def test_when_everyone_rated_everything_it_is_said(load: Callable[..., MovieData]) -> None:
    movies = [(1, "A (2000)", "Drama"), (2, "B (2000)", "Drama")]
    ratings = [(user, film, 4.0, 1) for user in (1, 2, 3) for film in (1, 2)]
    data = load(ratings=ratings, movies=movies, tags=None, links=None)
    nothing = sparse.csr_array(data.ratings.shape, dtype=np.float32)
    with pytest.raises(ValueError, match="unrated film") as refusal:
        train(data, Split("all", data.ratings, nothing, nothing), config())
    assert_one_sentence(str(refusal.value))
    # A fit needs no film left to compare with, but something to measure on.
    with pytest.raises(ValueError, match="no rating to measure on") as refusal:
        train(data, Split("all", data.ratings, nothing, nothing), hybrid_config())
    assert_one_sentence(str(refusal.value))


# --- stopping early -------------------------------------------------------------------------------


def test_a_stop_before_the_first_epoch_gives_the_untrained_model(
    planted_data: MovieData, split: Split
) -> None:
    def stop() -> None:
        raise StopTraining

    model = train(planted_data, split, config(), before_step=stop)
    assert (len(model.history), model.best_epoch) == (1, 0)
    np.testing.assert_array_equal(model.e0, start_of(split.train, config()))


def interrupt_at(epoch: int) -> Callable[[EpochRecord], None]:
    def on_epoch(record: EpochRecord) -> None:
        if record.epoch == epoch:
            raise KeyboardInterrupt

    return on_epoch


def test_ctrl_c_keeps_the_best_epoch_so_far(planted_data: MovieData, split: Split) -> None:
    model = train(planted_data, split, config(epochs=50), on_epoch=interrupt_at(4))
    assert [record.epoch for record in model.history] == [0, 1, 2, 3, 4]
    assert ndcg(model)[model.best_epoch] >= max(ndcg(model)[:-1])
    assert "nterrupted" in model.stop_reason and "epoch 4" in model.stop_reason
    assert_one_sentence(model.stop_reason)
    assert set(model.test_metrics) == set(model.history[0].metrics)


def test_ctrl_c_in_the_best_epoch_keeps_that_epoch(planted_data: MovieData, split: Split) -> None:
    model = train(planted_data, split, config(epochs=50), on_epoch=interrupt_at(1))
    assert ndcg(model)[1] > ndcg(model)[0]  # so epoch 1 is the best
    assert model.best_epoch == 1


def test_ctrl_c_within_an_epoch_keeps_the_best_epoch_so_far(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(10_000))
    real = bpr_loss

    def interrupted(*batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if next(calls) == 12:
            raise KeyboardInterrupt
        return real(*batch)

    monkeypatch.setattr(bpr, "bpr_loss", interrupted)
    model = train(planted_data, split, config(epochs=50))
    assert 1 < len(model.history) < 50
    assert model.best_epoch == int(np.argmax(ndcg(model)))


def test_another_error_in_on_epoch_is_not_swallowed(planted_data: MovieData, split: Split) -> None:
    def broken(_: EpochRecord) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(planted_data, split, config(), on_epoch=broken)


# --- numbers that are not finite ------------------------------------------------------------------


@pytest.mark.parametrize("first_bad_step", [0, 9])
def test_a_loss_that_is_not_finite_ends_with_a_sentence_and_keeps_the_best_weights(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch, first_bad_step: int
) -> None:
    steps = iter(range(10_000))
    real = bpr_loss

    def breaks_down(*batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss, slope = real(*batch)
        return loss * (math.nan if next(steps) >= first_bad_step else 1.0), slope

    monkeypatch.setattr(bpr, "bpr_loss", breaks_down)
    model = train(planted_data, split, config(epochs=50))
    assert "not finite" in model.stop_reason
    assert_one_sentence(model.stop_reason)
    assert np.isfinite(model.e0).all() and np.isfinite(model.movie_factors).all()
    assert all(math.isfinite(loss) for loss in losses(model))
    assert model.best_epoch == int(np.argmax(ndcg(model)))


def test_a_gradient_that_is_not_finite_in_the_last_step_keeps_the_best_weights(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bpr_loss

    def infinite_slope(*batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss, slope = real(*batch)
        return loss, slope * math.nan

    monkeypatch.setattr(bpr, "bpr_loss", infinite_slope)
    model = train(planted_data, split, config(batch_size=100_000))  # one step per epoch
    assert np.isfinite(model.e0).all()
    assert_one_sentence(model.stop_reason)


def test_extreme_but_allowed_settings_end_with_finite_weights(
    planted_data: MovieData, split: Split
) -> None:
    names = ("learning_rate", "l2", "layers", "watch", "ridge", "taste", "film_exponent")
    extreme = {name: SETTINGS[name].kind(SETTINGS[name].high) for name in names}
    for settings in (
        config(**extreme),
        hybrid_config(**extreme, epochs=4),
        hybrid_config(**extreme),
    ):
        model = train(planted_data, split, settings)
        vectors = user_vectors(planted_data, model, slice(None))
        assert np.isfinite(model.e0).all() and np.isfinite(vectors).all()
        assert_one_sentence(model.stop_reason)


# --- command line ---------------------------------------------------------------------------------

QUICK = ["--epochs", "2", "--dim", "4", "--layers", "1", "--batch-size", "64", "--negatives", "1"]
QUICK += ["--search-seconds", "0"]


@pytest.fixture
def planted_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The planted data as the dataset that the command finds."""
    folder = write_planted(tmp_path / "planted")
    monkeypatch.setenv("MOVIELENS_DIR", str(folder))
    return folder


@pytest.mark.parametrize("protocol", ["temporal_leave_one_out", "random_80_10_10"])
def test_the_command_trains_prints_the_metrics_and_saves(
    planted_folder: Path,
    planted_data: MovieData,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    protocol: str,
) -> None:
    path = tmp_path / "model.pth"
    options = [*QUICK, "--no-warm-start", "--protocol", protocol, "--seed", "5"]
    assert main([*options, "--output", str(path)]) == 0
    printed, progress = capsys.readouterr()
    model = load_checkpoint(planted_data, path)
    assert "start  validation NDCG@20" in progress and "nan" not in progress
    assert "epoch 2/2  loss 0." in progress
    assert (model.config.epochs, model.config.dim, model.config.layers) == (2, 4, 1)
    assert model.config.warm_start is False and model.protocol == protocol
    for name, value in model.test_metrics.items():
        assert name in printed and f"{value:.4f}" in printed
    assert "popularity" in printed and str(path) in printed and protocol in printed
    assert "30 users, 48 films" in printed


@pytest.mark.parametrize("large", [True, False])
def test_after_large_data_the_command_makes_the_tables_of_the_pages(
    planted_folder: Path,
    planted_data: MovieData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    large: bool,
) -> None:
    path, begun = tmp_path / "model.pth", []

    def run(command: list[str], env: dict[str, str], check: bool) -> None:
        begun.append((command[1:], env["LIGHTGCN_CHECKPOINT"], path.exists()))

    monkeypatch.setattr(model_training.subprocess, "run", run)
    monkeypatch.setattr(model_training, "LARGE", planted_data.n_ratings - large)
    assert main([*QUICK, "--output", str(path)]) == 0
    assert begun == [(["-m", "serving.tables"], str(path), True)] * large


NUMBERS = [name for name, setting in SETTINGS.items() if setting.kind in (int, float)]


@pytest.mark.parametrize("name", NUMBERS)
def test_the_command_refuses_an_option_out_of_range_in_one_sentence(
    planted_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    setting = SETTINGS[name]
    kind, low, high = setting.kind, f"{setting.low:g}", f"{setting.high:g}"
    path, option = tmp_path / "model.pth", f"--{name.replace('_', '-')}"
    assert main([option, str(kind(setting.high + 1)), "--output", str(path)]) == 1
    printed = capsys.readouterr()
    assert name in printed.err and low in printed.err and high in printed.err
    assert_one_sentence(printed.err.strip())
    assert printed.out == "" and not path.exists()


@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_the_command_refuses_numbers_that_are_none_to_learn_with(
    planted_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    assert main(["--learning-rate", value, "--output", str(tmp_path / "model.pth")]) == 1
    assert_one_sentence(capsys.readouterr().err.strip())


@pytest.mark.parametrize("arguments", [["--epochs", "many"], ["--preset", "none"], ["--nonsense"]])
def test_the_command_refuses_what_it_cannot_parse(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code not in (0, None)
    assert arguments[0] in capsys.readouterr().err


def test_the_command_refuses_a_folder_without_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOVIELENS_DIR", str(tmp_path / "nowhere"))
    assert main([*QUICK, "--output", str(tmp_path / "model.pth")]) == 1
    assert_one_sentence(capsys.readouterr().err.strip())


def test_the_command_refuses_broken_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_dataset(tmp_path / "data", ratings=[*TOY_RATINGS, (21, 20, 9.0, 1)])
    monkeypatch.setenv("MOVIELENS_DIR", str(folder))
    assert main([*QUICK, "--output", str(tmp_path / "model.pth")]) == 1
    assert "line 17" in capsys.readouterr().err
    assert not (tmp_path / "model.pth").exists()


def test_the_command_says_when_the_model_cannot_be_saved(
    planted_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*QUICK, "--output", str(tmp_path / "nowhere" / "model.pth")]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_planted(tmp_path / "planted")
    monkeypatch.setenv("MOVIELENS_DIR", str(folder))
    return folder


def test_the_command_gives_the_same_model_and_run_as_the_job_of_the_tab(
    folder: Path, planted_data: MovieData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, other = tmp_path / "command.pth", tmp_path / "tab" / "model.pth"
    other.parent.mkdir()
    assert main([*QUICK, "--refit", "--seed", "3", "--output", str(path)]) == 0
    printed = capsys.readouterr().out
    model = load_checkpoint(planted_data, path)
    job = TrainingJob(planted_data, "random_80_10_10", model.config, other, refit=True)
    job.run()
    assert (job.model.e0 == model.e0).all() and model.refitted and model.config.seed == 3
    assert job.model.test_metrics == model.test_metrics
    (run,) = load_runs(runs_folder(path)).runs
    assert run.test == job.test
    assert "popularity" in printed and "EASE" in printed and "Refitted on all ratings" in printed
    low, high = model.test_intervals["NDCG@20"]
    assert f"{low:.4f}–{high:.4f}" in printed


def test_help_names_every_option_with_its_range_and_presets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in fields(TrainingConfig):
        assert f"--{field.name.replace('_', '-')}" in text
    for words in ("--refit", "--output", "--protocol", "1 to 8192", "best: 8192, fast: 256"):
        assert words in text
    assert "None" not in text


def test_the_file_runs_as_a_program(folder: Path, tmp_path: Path) -> None:
    arguments = [*QUICK, "--output", str(tmp_path / "model.pth")]
    ended = subprocess.run(
        [sys.executable, "model_training.py", *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "epoch 2/2" in ended.stderr and (tmp_path / "model.pth").exists()


def test_a_run_that_fails_exits_with_1_and_says_why(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise MemoryError("out of memory")

    monkeypatch.setattr("model_training.train", crash)
    assert main([*QUICK, "--output", str(tmp_path / "model.pth")]) == 1
    assert "out of memory" in capsys.readouterr().err


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains_prints_saves_and_is_written_down(
    folder: Path,
    planted_data: MovieData,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    preset: str,
) -> None:
    path = tmp_path / "model.pth"
    options = {"best": ["--search-seconds", "0.3"], "published": ["--epochs", "2"]}
    arguments = ["--preset", preset, *options.get(preset, []), "--output", str(path)]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    model = load_checkpoint(planted_data, path)
    assert model.is_hybrid == (preset != "published")
    assert bool(model.trials) == (preset == "best")
    assert model.stop_reason in printed.out and "None" not in printed.out
    assert "search: " in printed.err or preset != "best"
    # A line per metric, in columns, with ours, the interval, and the baselines.
    told = [line for line in printed.out.splitlines() if not line.startswith("What is popular now")]
    table = [line for line in told if "@" in line]
    assert len({len(line) for line in table}) == 1
    for name, value in model.test_metrics.items():
        (line,) = [each for each in table if each.startswith(f"{name} ")]
        assert f" {value:.4f}" in line.replace(name, "")
    (run,) = load_runs(runs_folder(path)).runs
    assert run.config == model.config and run.best_epoch == model.best_epoch
    assert set(run.test) == {OURS, POPULARITY, EASE}
    assert run.test[OURS] == model.test_metrics
    # The choice, set by hand, gives the same model.
    again = train(planted_data, random_80_10_10(planted_data), run.config)
    np.testing.assert_array_equal(again.e0, model.e0)


def test_a_run_says_what_the_search_looks_at_and_ends_with_what_it_found(
    planted_data: MovieData, tmp_path: Path
) -> None:
    settings = hybrid_config(search_seconds=0.05)
    run = RunInProgress(
        planted_data, "random_80_10_10", settings, tmp_path / "model.pth", refit=True
    )
    phases: list[str] = []
    assert measured_run(run, on_trial=lambda _: phases.append(run.phase))
    assert run.problem is None and run.model is not None and run.model.refitted
    assert set(phases) == {"Searching for settings"} and len(run.trials) == len(phases)
    assert run.as_run().config == run.model.config != settings
    assert run.model.test_metrics == run.test[OURS]


def test_a_stop_during_the_search_trains_with_the_best_so_far(
    planted_data: MovieData, tmp_path: Path
) -> None:
    asked: list[int] = []

    def stop() -> None:
        asked.append(1)
        if len(asked) > 4:
            raise StopTraining

    settings = hybrid_config(search_seconds=600.0)
    run = RunInProgress(planted_data, "random_80_10_10", settings, tmp_path / "model.pth")
    assert measured_run(run, before_step=stop)
    assert run.saved and len(run.trials) == 4 and len(run.model.history) == 1


def test_the_command_says_what_settings_do_not_go_together(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in (["--model", "paper"], ["--no-warm-start"], ["--layers", "0"]):
        assert main(["--preset", "fast", *options, "--output", str(tmp_path / "model.pth")]) == 1
        assert_one_sentence(capsys.readouterr().err.strip())
    assert not (tmp_path / "model.pth").exists()


def test_every_protocol_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    assert all(protocol in printed for protocol in PROTOCOLS)


# --- what is not training costs no training -------------------------------------------------------

LONG = ["--preset", "published", "--dim", "4", "--layers", "1", "--batch-size", "64"]
LONG += ["--epochs", "300", "--patience", "300"]


def send_at(monkeypatch: pytest.MonkeyPatch, number: int, *, epoch: int, refitting: bool) -> None:
    """Let a signal come in this epoch of the training or of the refit; it then comes once more."""
    real, epochs = Learner.run_epoch, [0, 0]
    phase = [0]

    def run_epoch(learner: Learner) -> float:
        epochs[phase[0]] += 1
        if phase[0] == refitting and epochs[phase[0]] == epoch:
            os.kill(os.getpid(), number)
            if number != signal.SIGINT:
                os.kill(os.getpid(), number)  # as a terminal that closes does
        return real(learner)

    def refitted(*arguments: object, **named: object) -> TrainedModel:
        phase[0] = 1
        return refit(*arguments, **named)

    monkeypatch.setattr(Learner, "run_epoch", run_epoch)
    monkeypatch.setattr("model_training.refit", refitted)


@pytest.mark.skipif(os.name != "posix", reason="these signals are of Unix")
@pytest.mark.parametrize("refitting", [False, True])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_command_with_the_best_so_far_saved(
    folder: Path,
    planted_data: MovieData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    refitting: bool,
) -> None:
    number, path = getattr(signal, name), tmp_path / "model.pth"
    before = signal.getsignal(number)
    send_at(monkeypatch, number, epoch=3, refitting=refitting)
    epochs = ["--epochs", "4"] if refitting else []
    assert main([*LONG, *epochs, "--refit", "--output", str(path)]) == 128 + number
    model = load_checkpoint(planted_data, path)
    assert model.best_epoch == int(np.argmax(ndcg(model))) and not model.refitted
    assert len(model.history) == (5 if refitting else 3)
    printed = capsys.readouterr()
    assert "refit on all ratings was stopped" in printed.err
    assert "It is in use now" in printed.out and "popularity" not in printed.out
    assert signal.getsignal(number) == before


@pytest.mark.skipif(os.name != "posix", reason="nohup is of Unix")
def test_what_is_told_to_ignore_a_signal_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        send_at(monkeypatch, signal.SIGHUP, epoch=2, refitting=False)
        assert main([*QUICK, "--output", str(tmp_path / "model.pth")]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is of Linux")
@pytest.mark.parametrize("out", ["full", "closed", "a pipe that nobody reads"])
def test_an_output_that_takes_nothing_costs_no_training(
    folder: Path, planted_data: MovieData, tmp_path: Path, out: str
) -> None:
    path = tmp_path / "model.pth"
    redirection = {
        "full": "> /dev/full 2> /dev/full",
        "closed": ">&- 2>&-",
        "a pipe that nobody reads": "2>&1 | true",
    }
    command = f"{sys.executable} model_training.py {' '.join(QUICK)} --output {path}"
    script = f"set -o pipefail; {command} {redirection[out]}"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(["bash", "-c", script], cwd=REPOSITORY, env=environment, check=False)
    assert ended.returncode == 0
    assert load_checkpoint(planted_data, path).config.dim == 4


def test_an_encoding_without_a_dash_costs_no_training(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = {name: io.BytesIO() for name in ("stdout", "stderr")}
    for name, content in written.items():
        monkeypatch.setattr(sys, name, io.TextIOWrapper(content, encoding="ascii"))
    assert main([*QUICK, "--output", str(tmp_path / "model.pth")]) == 0
    (line,) = [
        each for each in written["stdout"].getvalue().split(b"\n") if b"liked NDCG@20" in each
    ]
    assert line.count(b"?") == 1  # in place of the dash of the interval
    assert b"epoch 2/2" in written["stderr"].getvalue()


def test_a_disk_that_is_full_leaves_the_model_elsewhere(
    folder: Path,
    planted_data: MovieData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def no_room(*_: object) -> None:
        raise CheckpointError("The model cannot be saved: No space left on device.", "unsaved")

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    monkeypatch.setattr(ModelStore, "keep", no_room)
    assert main([*QUICK, "--output", str(tmp_path / "model.pth")]) == 1
    (saved,) = elsewhere.glob("*.pth")
    assert load_checkpoint(planted_data, saved).config.dim == 4
    printed = capsys.readouterr().err
    assert str(saved) in printed and "No space left" in printed


# --- what the command puts in use -----------------------------------------------------------------


def test_only_a_first_or_a_better_model_is_put_in_use_unless_it_is_asked_for(
    folder: Path, planted_data: MovieData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, place = tmp_path / "model.pth", ModelStore(tmp_path / "model.pth")
    good = ["--preset", "fast", "--output", str(path)]
    bad = [*LONG, "--epochs", "1", "--learning-rate", "0.0001", "--output", str(path)]
    assert main(bad) == 0
    assert "no other model was in use. It is in use now" in capsys.readouterr().out
    assert main(good) == 0
    assert "It is better than the model in use" in capsys.readouterr().out
    better = path.read_bytes()
    assert main(bad) == 0
    printed = capsys.readouterr().out
    assert "It is worse than the model in use" in printed and path.read_bytes() == better
    name = place.kept(planted_data.fingerprint)[0].name
    assert f"python model_training.py --use {name} --output {path}" in printed
    assert str(place.path(planted_data.fingerprint, name)) in printed
    assert main(["--use", name, "--output", str(path)]) == 0
    assert not load_checkpoint(planted_data, path).is_hybrid
    assert main([*good, "--protocol", "temporal_leave_one_out"]) == 0
    assert "cannot be compared" in capsys.readouterr().out
    assert not load_checkpoint(planted_data, path).is_hybrid
    assert main([*bad, "--promote"]) == 0
    assert "It is in use now" in capsys.readouterr().out
    assert len(place.kept(planted_data.fingerprint)) == 5  # none is lost
    for name in ("nothing", "../model"):
        assert main(["--use", name, "--output", str(path)]) == 1
        assert_one_sentence(capsys.readouterr().err.strip())


# --- large data -----------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_million_ratings_are_searched_fitted_and_measured_in_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(SHAPES["1m"], tmp_path / "data")
    monkeypatch.setenv("MOVIELENS_DIR", str(tmp_path / "data"))
    kept: list[RunInProgress] = []

    def spy(run: RunInProgress, *rest: Any, **named: Any) -> bool:
        kept.append(run)
        return measured_run(run, *rest, **named)

    monkeypatch.setattr(model_training, "measured_run", spy)
    options = ["--dim", "128", "--search-seconds", "20", "--output", str(tmp_path / "model.pth")]
    begun = time.process_time()
    assert main(options) == 0
    assert time.process_time() - begun < 120  # about 45 on one thread
    (run,) = kept
    assert run.data.n_ratings > 900_000 and run.model is not None
    assert run.model.test_metrics["NDCG@20"] > 2 * run.test[POPULARITY]["NDCG@20"]
