"""Checkpoints: whole after any fault, and never believed where they are damaged."""

from __future__ import annotations

import contextlib
import math
import os
import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_preparation import MovieData
from model import checkpoints
from model.attention import Attention
from model.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from model.search import Trial
from model.splits import Split
from model.trained import TrainedModel
from model_training import refit, train
from tests.conftest import (
    assert_one_sentence,
    planted_ratings,
    snapshot,
)
from tests.small_training import HYBRID, SMALL, hybrid_config


@pytest.fixture
def saved(model: TrainedModel, tmp_path: Path) -> Path:
    """A checkpoint of `model`, alone in its folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    save_checkpoint(model, folder / "model.pth")
    return folder / "model.pth"


def assert_same_model(first: TrainedModel, second: TrainedModel) -> None:
    for field in fields(TrainedModel):
        one, other = getattr(first, field.name), getattr(second, field.name)
        if isinstance(one, Attention):
            np.testing.assert_array_equal(one.theta, other.theta)
        elif isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
        else:
            assert repr(one) == repr(other)  # the loss of epoch 0 is NaN, unequal to itself


def test_a_checkpoint_gives_back_the_identical_model(
    planted_data: MovieData, model: TrainedModel, saved: Path
) -> None:
    assert_same_model(load_checkpoint(planted_data, saved), model)


KINDS: dict[str, dict[str, Any]] = {
    "fitted": {},
    "fitted, K = 3": {"layers": 3},
    "more size than directions": {"dim": 8192},
    "BPR on top": {"epochs": 3, "learning_rate": 0.02},
    "at random": {"warm_start": False, "epochs": 2, "layers": 2},
    "searched": {"search_seconds": 0.01},
    "attention": {"attention": True},
}


@pytest.mark.parametrize("refitted", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_a_hybrid_of_any_kind_comes_back_identical(
    planted_data: MovieData, split: Split, tmp_path: Path, name: str, refitted: bool
) -> None:
    model = train(planted_data, split, hybrid_config(**KINDS[name]))
    if refitted:
        model = refit(planted_data, model)
    save_checkpoint(model, tmp_path / "model.pth")
    loaded = load_checkpoint(planted_data, tmp_path / "model.pth")
    assert_same_model(loaded, model)
    assert loaded.key == model.key and loaded.refitted == refitted
    assert len(model.trials) > 3 or name != "searched"
    assert loaded.watch_metrics and loaded.mean_stars == model.mean_stars


def test_a_loaded_model_is_read_only_and_can_be_saved_again(
    planted_data: MovieData, saved: Path
) -> None:
    loaded = load_checkpoint(planted_data, saved)
    with pytest.raises(ValueError, match="read-only"):
        loaded.e0[0, 0] = 1.0
    save_checkpoint(loaded, saved)
    assert_same_model(load_checkpoint(planted_data, saved), loaded)


def test_saving_leaves_no_temporary_file(saved: Path) -> None:
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize("error", [OSError("No space left on device"), RuntimeError("broken")])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    model: TrainedModel, saved: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    before = snapshot(saved.parent)

    def fails_midway(content: object, file: Any) -> None:
        file.write(b"half a file")
        raise error

    monkeypatch.setattr(torch, "save", fails_midway)
    with pytest.raises(CheckpointError, match=r"model\.pth") as refusal:
        save_checkpoint(model, saved)
    assert_one_sentence(str(refusal.value))
    assert snapshot(saved.parent) == before


def test_a_save_takes_its_place_in_one_step_or_not_at_all(
    model: TrainedModel, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError("Permission denied")

    monkeypatch.setattr(checkpoints.os, "replace", refuse)
    with pytest.raises(CheckpointError, match="Permission denied"):
        save_checkpoint(replace(model, stop_reason="It was another run."), saved)
    assert saved.read_bytes() == before
    assert not list(saved.parent.glob("*.tmp"))


def test_an_interrupted_save_leaves_the_old_file_and_nothing_else(
    model: TrainedModel, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(saved.parent)

    def interrupted(content: object, file: Any) -> None:
        file.write(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(model, saved)
    assert snapshot(saved.parent) == before


def test_saving_into_a_missing_folder_is_refused(model: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be saved") as refusal:
        save_checkpoint(model, tmp_path / "nowhere" / "model.pth")
    assert_one_sentence(str(refusal.value))


def test_saving_in_the_place_of_a_folder_is_refused_and_leaves_it(
    model: TrainedModel, tmp_path: Path
) -> None:
    (tmp_path / "model.pth").mkdir()
    with pytest.raises(CheckpointError, match="cannot be saved"):
        save_checkpoint(model, tmp_path / "model.pth")
    assert snapshot(tmp_path) == {"model.pth": None}


def test_no_checkpoint_is_a_file_not_found(planted_data: MovieData, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_checkpoint(planted_data, tmp_path / "none.pth")


def cannot_load(data: MovieData, path: Path, words: str) -> None:
    """The file is refused with one sentence that names it, and is not touched."""
    os.utime(path, (1e9, 1e9))  # it does not arrive in this moment
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=words) as refusal:
        load_checkpoint(data, path)
    assert path.name in str(refusal.value)
    assert_one_sentence(str(refusal.value))
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_a_truncated_checkpoint_is_refused(
    planted_data: MovieData, saved: Path, share: float
) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    cannot_load(planted_data, saved, "train a new model")


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_are_refused(planted_data: MovieData, saved: Path, seed: int) -> None:
    saved.write_bytes(np.random.default_rng(seed).bytes(5000))
    cannot_load(planted_data, saved, "train a new model")


def test_zeros_of_the_right_length_are_refused(planted_data: MovieData, saved: Path) -> None:
    saved.write_bytes(bytes(len(saved.read_bytes())))  # what a crashed file system leaves
    cannot_load(planted_data, saved, "train a new model")


def test_any_flipped_bit_loads_or_is_refused_and_never_ends_otherwise(
    planted_data: MovieData, saved: Path
) -> None:
    content = saved.read_bytes()
    refusals = 0
    for at in range(0, len(content), 61):
        flipped = bytearray(content)
        flipped[at] ^= 1 << at % 8
        saved.write_bytes(flipped)
        try:
            load_checkpoint(planted_data, saved)
        except CheckpointError as error:
            refusals += 1
            assert_one_sentence(str(error))
    assert refusals > 10


def test_a_flipped_bit_in_the_weights_is_refused(
    planted_data: MovieData, model: TrainedModel, saved: Path
) -> None:
    content = bytearray(saved.read_bytes())
    begin = content.find(model.e0.tobytes())
    assert begin > 0  # the weights lie in the file as they are
    content[begin + 401] ^= 0x40
    saved.write_bytes(content)
    cannot_load(planted_data, saved, "train a new model")


class Hostile:
    """Unpickling this creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("wrapped", ["bare pickle", "saved by torch", "within a checkpoint"])
def test_code_in_a_checkpoint_is_never_executed(
    planted_data: MovieData, saved: Path, tmp_path: Path, wrapped: str
) -> None:
    marker = tmp_path / "marker"
    if wrapped == "bare pickle":
        saved.write_bytes(pickle.dumps(Hostile(marker), protocol=2))
        pickle.loads(saved.read_bytes())
    else:
        content: Any = Hostile(marker)
        if wrapped == "within a checkpoint":
            content = torch.load(saved, weights_only=True) | {"stop_reason": Hostile(marker)}
        torch.save(content, saved)
        torch.load(saved, weights_only=False)
    assert marker.exists()  # the trap works …
    marker.unlink()
    cannot_load(planted_data, saved, "train a new model")
    assert not marker.exists()  # … and was not sprung


def test_a_checkpoint_of_other_data_is_refused(
    load: Callable[..., MovieData], planted_data: MovieData, saved: Path
) -> None:
    rows = planted_ratings()
    user, film, stars, at = rows[0]
    films = [(5 + 7 * i, f"Film {i} (1999)", "Drama") for i in range(48)]
    same = load(ratings=rows, movies=films, tags=None, links=None)
    load_checkpoint(same, saved)  # the same data in another folder are welcome
    other = load(
        ratings=[(user, film, 5.5 - stars, at), *rows[1:]], movies=films, tags=None, links=None
    )
    cannot_load(other, saved, "other data")


def rewrite(path: Path, **changes: Any) -> None:
    """Change entries of a checkpoint; `...` removes one."""
    content = torch.load(path, weights_only=True) | changes
    if "digest" not in changes:  # so that the checks behind the checksum are reached
        with contextlib.suppress(Exception):
            content["digest"] = checkpoints._digest(content)
    torch.save({key: value for key, value in content.items() if value is not ...}, path)


def test_an_unchanged_rewrite_still_loads(
    planted_data: MovieData, model: TrainedModel, saved: Path
) -> None:
    rewrite(saved)  # so the refusals below are due to their change
    assert_same_model(load_checkpoint(planted_data, saved), model)


def test_a_checkpoint_of_the_engine_before_is_refused_and_nothing_is_overwritten(
    planted_data: MovieData, saved: Path
) -> None:
    # Format 2: embeddings of users and films, no kind of model, no scale.
    old = {
        "version": 2,
        "config": {"dim": 8, "layers": 2, "epochs": 4, "warm_start": True, "seed": 0},
        "protocol": "random_80_10_10",
        "fingerprint": planted_data.fingerprint,
        "e0": torch.ones(30 + 48, 8),
        "history": [],
        "digest": "0" * 64,
    }
    torch.save(old, saved)
    cannot_load(planted_data, saved, "format 2, this program reads format 3; train a new model")


@pytest.mark.parametrize("version", [0, 2, 999])
def test_another_version_is_refused(planted_data: MovieData, saved: Path, version: int) -> None:
    rewrite(saved, version=version)
    cannot_load(planted_data, saved, "format")


@pytest.mark.parametrize("version", ["1", None, True, 1.0])
def test_a_version_that_is_no_number_is_refused(
    planted_data: MovieData, saved: Path, version: Any
) -> None:
    rewrite(saved, version=version)
    cannot_load(planted_data, saved, "not a LightGCN checkpoint")


@pytest.mark.parametrize(
    "key",
    [
        "version",
        "config",
        "protocol",
        "fingerprint",
        "e0",
        "history",
        "best_epoch",
        "test_metrics",
        "stop_reason",
        "scale",
        "values",
        "mean_stars",
        "watch_metrics",
        "trials",
    ],
)
def test_a_checkpoint_that_lacks_an_entry_is_refused(
    planted_data: MovieData, saved: Path, key: str
) -> None:
    assert key in torch.load(saved, weights_only=True)
    rewrite(saved, **{key: ...})
    cannot_load(planted_data, saved, "train a new model")


@pytest.mark.parametrize("content", [[1, 2], {}, {"state_dict": {}}, torch.zeros(3), "text", None])
def test_a_file_of_torch_that_is_no_checkpoint_is_refused(
    planted_data: MovieData, saved: Path, content: Any
) -> None:
    torch.save(content, saved)
    cannot_load(planted_data, saved, "not a LightGCN checkpoint")


def good_e0() -> torch.Tensor:
    return torch.ones(30 + 48, 8)


def without_finite_factors() -> torch.Tensor:
    return torch.full((30 + 48, 8), 3e38)


WRONG_ENTRIES: dict[str, dict[str, Any]] = {
    "e0 lacks a row": {"e0": good_e0()[1:]},
    "e0 lacks a column": {"e0": good_e0()[:, 1:]},
    "e0 is flat": {"e0": good_e0().flatten()},
    "e0 is float64": {"e0": good_e0().double()},
    "e0 is bfloat16": {"e0": good_e0().bfloat16()},
    "e0 is sparse": {"e0": good_e0().to_sparse()},
    "e0 is a list": {"e0": [1.0, 2.0]},
    "e0 holds NaN": {"e0": good_e0() * math.nan},
    "e0 holds infinity": {"e0": good_e0() * math.inf},
    "config is no dict": {"config": [1, 2]},
    "config has an unknown field": {"config": SMALL | {"magic": 1}},
    "config is out of range": {"config": SMALL | {"layers": 1000}},
    "config has a wrong type": {"config": SMALL | {"dim": "8"}},
    "history is no list": {"history": 5},
    "history lacks fields": {"history": [{"epoch": 0}]},
    "test metrics are no dict": {"test_metrics": [0.5]},
    "best epoch is a word": {"best_epoch": "last"},
    "e0 needs a gradient": {"e0": good_e0().requires_grad_()},
    "version is a tensor": {"version": torch.tensor([1, 2])},
    "best epoch is infinite": {"best_epoch": math.inf},
    "factors overflow": {"e0": without_finite_factors()},
    "best epoch is not in the history": {"best_epoch": 999},
    "history holds words": {
        "history": [{"epoch": "one", "loss": None, "seconds": "?", "metrics": 3}]
    },
    "test metrics are empty": {"test_metrics": {}},
    "protocol is unknown": {"protocol": "nonsense"},
    "a scale in the paper's model": {"scale": torch.ones(48)},
    "values in the paper's model": {"values": torch.ones(8).double()},
    "watch metrics are a word": {"watch_metrics": "good"},
    "watch metrics are nothing": {"watch_metrics": None},
    "watch metrics are out of range": {"watch_metrics": {"NDCG@20": 1.5}},
    "mean stars are a word": {"mean_stars": "three"},
    "mean stars are out of range": {"mean_stars": 5.5},
    "mean stars are no number": {"mean_stars": math.nan},
    "trials are no list": {"trials": 3},
    "a trial lacks fields": {"trials": [{"changed": "ridge"}]},
    "a loss beyond any float": {
        "history": [{"epoch": 0, "loss": 10**400, "seconds": 1.0, "metrics": {"NDCG@20": 0.1}}]
    },
    "another kind of model": {"config": SMALL | {"model": "hybrid"}},
    "a model of no kind": {"config": SMALL | {"model": "other"}},
}
GOOD_TRIAL = {"changed": "ridge", "value": 0.1, "score": 0.2, "better": True, "seconds": 1.0}


@pytest.mark.parametrize(
    "entry",
    [pytest.param(entry, id=name) for name, entry in WRONG_ENTRIES.items()],
)
def test_a_wrong_entry_is_refused(
    planted_data: MovieData, saved: Path, entry: dict[str, Any]
) -> None:
    rewrite(saved, **entry)
    cannot_load(planted_data, saved, "train a new model")


@pytest.fixture
def saved_hybrid(hybrid: TrainedModel, tmp_path: Path) -> Path:
    path = tmp_path / "hybrid.pth"
    save_checkpoint(hybrid, path)
    return path


def test_good_trials_of_a_forged_checkpoint_load(
    planted_data: MovieData, saved_hybrid: Path
) -> None:
    start = GOOD_TRIAL | {"changed": "start", "value": None}
    rewrite(saved_hybrid, trials=[start, GOOD_TRIAL])
    found = load_checkpoint(planted_data, saved_hybrid).trials
    assert found[1] == Trial("ridge", 0.1, 0.2, True, 1.0) and found[0].value is None


@pytest.mark.parametrize("field", GOOD_TRIAL)
@pytest.mark.parametrize("value", [None, [], {}, b"x", 10**400, math.inf, torch.ones(1)])
def test_a_trial_that_could_not_be_shown_is_refused(
    planted_data: MovieData, saved_hybrid: Path, field: str, value: Any
) -> None:
    if field == "value" and value is None:
        pytest.skip("a start moves no setting")
    rewrite(saved_hybrid, trials=[GOOD_TRIAL | {field: value}])
    cannot_load(planted_data, saved_hybrid, "train a new model")


def stretched(size: tuple[int, ...], kind: torch.dtype = torch.float32) -> torch.Tensor:
    """A tensor that claims a size and stores one number."""
    return torch.ones(1, dtype=kind).expand(size)


WRONG_HYBRIDS: dict[str, dict[str, Any]] = {
    "e0 has more columns than values": {"e0": torch.ones(48, 17), "config": HYBRID | {"dim": 64}},
    "e0 has more columns than the size": {
        "e0": torch.ones(48, 17),
        "values": torch.ones(17).double(),
    },
    "e0 has rows for people": {"e0": torch.ones(78, 16)},
    "e0 is stretched": {"e0": stretched((48, 16))},
    "e0 is stretched to any size": {"e0": stretched((48, 1 << 40))},
    "the scale is stretched": {"scale": stretched((48,))},
    "the scale lacks a film": {"scale": torch.ones(47)},
    "the scale is float64": {"scale": torch.ones(48).double()},
    "the scale holds NaN": {"scale": torch.full((48,), math.nan)},
    "values are float32": {"values": torch.ones(16)},
    "values hold 0, by which parts are divided": {"values": torch.zeros(16).double()},
    "values hold NaN": {"values": torch.full((16,), math.nan).double()},
    "values are stretched": {"values": stretched((16,), torch.float64)},
    "a random start with values": {"config": HYBRID | {"warm_start": False, "epochs": 1}},
    "no watch metrics of a kind that can be": {"watch_metrics": []},
}


@pytest.mark.parametrize("name", WRONG_HYBRIDS)
def test_a_wrong_entry_of_a_hybrid_is_refused(
    planted_data: MovieData, saved_hybrid: Path, name: str
) -> None:
    content = torch.load(saved_hybrid, weights_only=True)
    assert content["e0"].shape == (48, 16)
    entry = WRONG_HYBRIDS[name]
    # The checksum of what claims a terabyte cannot be computed: any will do.
    huge = {"digest": "0" * 64} if "any size" in name else {}
    rewrite(saved_hybrid, **entry, **huge)
    cannot_load(planted_data, saved_hybrid, "train a new model")
