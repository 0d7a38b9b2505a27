"""Training on planted structure, its early ends, and the command.

What is tested is behaviour: no test relies on the defaults of `TrainingConfig` or on the presets.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from data_preparation import MovieData, normalised_adjacency
from model import bpr
from model.baselines import popularity
from model.bpr import StopTraining, bpr_loss
from model.checkpoints import load_checkpoint
from model.config import CONFIG_RANGES, TrainingConfig
from model.evaluation import evaluate
from model.lightgcn import factor_scorer, layer_mean, to_torch
from model.runs import load_runs
from model.splits import Split, random_80_10_10, temporal_leave_one_out
from model.trained import EpochRecord, TrainedModel
from model_training import main, train
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
from tests.small_training import config, losses, ndcg, start_of

# --- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("warm_start", [True, False])
@pytest.mark.parametrize("protocol", [random_80_10_10, temporal_leave_one_out])
def test_training_finds_a_planted_structure_that_popularity_cannot(
    planted_data: MovieData, protocol: Callable[[MovieData], Split], warm_start: bool
) -> None:
    split = protocol(planted_data)
    model = train(planted_data, split, config(epochs=8, warm_start=warm_start))
    baseline = evaluate(popularity(split.train), split, "test").mean()
    assert model.test_metrics["Recall@10"] > 0.75 > 2 * baseline["Recall@10"]
    assert model.test_metrics["NDCG@20"] > 1.5 * baseline["NDCG@20"]


def test_the_best_unseen_films_are_of_the_users_own_group(
    planted_data: MovieData, split: Split
) -> None:
    model = train(planted_data, split, config(epochs=8))
    scores = factor_scorer(model.user_factors, model.movie_factors)(np.arange(30))
    scores[planted_data.ratings.toarray() > 0] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :3]
    # Raw ids ascend with the group pattern, so inner ids carry it too: group = id mod 3.
    assert (best % 3 == np.arange(30)[:, None] % 3).mean() > 0.9


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
    monkeypatch.setattr(bpr, "initial_embeddings", lambda *_: start.clone())
    assert losses(train(planted_data, split, config())) == losses(model)
    assert losses(train(planted_data, split, config(seed=4))) != losses(model)


def test_bpr_gets_every_training_pair_once_with_films_that_the_user_did_not_rate(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[torch.Tensor]] = []

    def spy(*batch: torch.Tensor) -> torch.Tensor:
        batches.append([part.detach() for part in batch])
        return bpr_loss(*batch)

    monkeypatch.setattr(bpr, "bpr_loss", spy)
    settings = config(epochs=1, batch_size=100_000)
    train(planted_data, split, settings)
    # One batch, so its rows are rows of F at the start: look up which.
    start = start_of(split.train, settings)
    final = layer_mean(to_torch(normalised_adjacency(split.train)), start, 2)
    ((users, positives, negatives),) = (
        [(part[..., None, :] - final).abs().sum(-1).argmin(-1).numpy() for part in batch]
        for batch in batches
    )
    assert users.max() < 30 <= min(positives.min(), negatives.min())  # films come after users
    rated = split.train.toarray() > 0
    assert sorted(zip(users, positives - 30, strict=True)) == [*zip(*rated.nonzero(), strict=True)]
    assert negatives.shape == (len(users), 2)
    assert not rated[users[:, None], negatives - 30].any()


CHANGES = {
    "dim": 9,
    "layers": 1,
    "epochs": 3,
    "batch_size": 32,
    "learning_rate": 0.01,
    "l2": 0.1,
    "negatives": 3,
    "seed": 4,
}


def a_change(name: str) -> Any:
    """Another valid value, also for fields that are newer than this test."""
    if name in CHANGES:
        return CHANGES[name]
    value = getattr(config(), name)
    if isinstance(value, bool):
        return not value
    _, low, high = CONFIG_RANGES[name]
    return high if value == low else low


@pytest.mark.parametrize("name", [f.name for f in fields(TrainingConfig) if f.name != "patience"])
def test_every_hyperparameter_has_an_effect(
    planted_data: MovieData, split: Split, model: TrainedModel, name: str
) -> None:
    changed = train(planted_data, split, config(**{name: a_change(name)}))
    assert losses(changed) != losses(model)


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
    model = train(data, Split("by hand", train_part.tocsr(), *cleaned), config(epochs=2, dim=3))
    assert np.isfinite(model.e0).all() and len(model.history) == 3


def test_when_everyone_rated_everything_it_is_said(load: Callable[..., MovieData]) -> None:
    movies = [(1, "A (2000)", "Drama"), (2, "B (2000)", "Drama")]
    ratings = [(user, film, 4.0, 1) for user in (1, 2, 3) for film in (1, 2)]
    data = load(ratings=ratings, movies=movies, tags=None, links=None)
    nothing = sparse.csr_array(data.ratings.shape, dtype=np.float32)
    with pytest.raises(ValueError, match="unrated film") as refusal:
        train(data, Split("all", data.ratings, nothing, nothing), config())
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

    def interrupted(*batch: torch.Tensor) -> torch.Tensor:
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

    def breaks_down(*batch: torch.Tensor) -> torch.Tensor:
        return real(*batch) * (math.nan if next(steps) >= first_bad_step else 1.0)

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

    def infinite_slope(users: torch.Tensor, *films: torch.Tensor) -> torch.Tensor:
        return real(users, *films) + (users * 0).sum().sqrt()  # adds 0, with a gradient of NaN

    monkeypatch.setattr(bpr, "bpr_loss", infinite_slope)
    model = train(planted_data, split, config(batch_size=100_000))  # one step per epoch
    assert np.isfinite(model.e0).all()
    assert_one_sentence(model.stop_reason)


def test_extreme_but_allowed_settings_end_with_finite_weights(
    planted_data: MovieData, split: Split
) -> None:
    extreme = {name: CONFIG_RANGES[name][2] for name in ("learning_rate", "l2", "layers")}
    model = train(planted_data, split, config(**extreme))
    assert np.isfinite(model.e0).all() and np.isfinite(model.user_factors).all()
    assert_one_sentence(model.stop_reason)


# --- command line ---------------------------------------------------------------------------------

QUICK = ["--epochs", "2", "--dim", "4", "--layers", "1", "--batch-size", "64", "--negatives", "1"]


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
    assert main([*QUICK, "--no-warm-start", "--protocol", protocol, "--output", str(path)]) == 0
    printed = capsys.readouterr().out
    model = load_checkpoint(planted_data, path)
    assert (model.config.epochs, model.config.dim, model.config.layers) == (2, 4, 1)
    assert model.config.warm_start is False and model.protocol == protocol
    for name, value in model.test_metrics.items():
        assert name in printed and f"{value:.4f}" in printed
    assert "popularity" in printed and str(path) in printed and protocol in printed
    assert "30 users, 48 films" in printed


@pytest.mark.parametrize("name", CONFIG_RANGES)
def test_the_command_refuses_an_option_out_of_range_in_one_sentence(
    planted_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    kind, low, high = CONFIG_RANGES[name]
    path, option = tmp_path / "model.pth", f"--{name.replace('_', '-')}"
    assert main([option, str(kind(high + 1)), "--output", str(path)]) == 1
    printed = capsys.readouterr()
    assert name in printed.err and str(low) in printed.err and str(high) in printed.err
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
    for words in ("--refit", "--output", "--protocol", "1 to 1024", "best: 256, fast: 64"):
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
