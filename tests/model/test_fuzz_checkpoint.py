"""Checkpoints that are damaged, foreign or hostile: refused in one sentence, and never executed."""

from __future__ import annotations

import io
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_preparation import MovieData
from model import checkpoints
from model.checkpoints import (
    CHECKPOINT_VERSION,
    CheckpointError,
    load_checkpoint,
    read_header,
    save_checkpoint,
)
from model.splits import random_80_10_10
from model.store import ModelStore
from model.trained import TrainedModel, kept_epoch
from model_training import train
from tests.conftest import assert_one_sentence
from tests.fuzzing import any_json, flipped, places, replaced
from tests.small_training import config, hybrid_config


@pytest.fixture(scope="module", params=["hybrid", "paper"])
def model(request: pytest.FixtureRequest, planted_data: MovieData) -> TrainedModel:
    """A hybrid that was searched and learned on, with everything that a checkpoint can hold; and
    the paper's model."""
    settings = hybrid_config(dim=4, epochs=1, batch_size=256, search_seconds=0.01)
    if request.param == "paper":
        settings = config(dim=4, epochs=1, batch_size=256)
    return train(planted_data, random_80_10_10(planted_data), settings)


@pytest.fixture(scope="module")
def saved(model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "model.pth"
    save_checkpoint(model, path)
    return path.read_bytes()


def check(data: MovieData, model: TrainedModel, path: Path, content: bytes) -> bool:
    """Whether the file loads, and then as the very model that was saved."""
    path.write_bytes(content)
    try:
        found = load_checkpoint(data, path)
    except CheckpointError as error:
        assert_one_sentence(str(error))
        assert path.name in str(error) and len(str(error)) < 400
        return False
    for name in (
        "e0",
        "scale",
        "values",
        "user_factors",
        "movie_factors",
        "movie_messages",
        "fold_in_map",
    ):
        np.testing.assert_array_equal(getattr(found, name), getattr(model, name))
    assert found.key == model.key
    same = ("best_epoch", "test_metrics", "test_intervals", "stop_reason", "refitted", "protocol")
    same += ("watch_metrics", "mean_stars")
    assert repr(found.trials) == repr(model.trials)
    assert all(getattr(found, name) == getattr(model, name) for name in same)
    assert [record.metrics for record in found.history] == [r.metrics for r in model.history]
    return True


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_is_found_or_changes_nothing(
    planted_data: MovieData, model: TrainedModel, saved: bytes, tmp_path: Path, seed: int
) -> None:
    rng, path = random.Random(seed), tmp_path / "model.pth"
    loaded = sum(check(planted_data, model, path, flipped(saved, rng)) for _ in range(80))
    assert loaded < 80  # padding and names of the archive may flip unseen


def test_every_bit_of_the_learned_numbers_counts(
    planted_data: MovieData, model: TrainedModel, saved: bytes, tmp_path: Path
) -> None:
    numbers = model.e0.tobytes()
    start, rng = saved.index(numbers), random.Random(0)
    for _ in range(80):
        place = start + rng.randrange(len(numbers))
        bit = bytes([saved[place] ^ 1 << rng.randrange(8)])
        content = saved[:place] + bit + saved[place + 1 :]
        assert not check(planted_data, model, tmp_path / "model.pth", content)


def test_a_file_cut_anywhere_is_refused(
    planted_data: MovieData, model: TrainedModel, saved: bytes, tmp_path: Path
) -> None:
    rng = random.Random(0)
    for end in (0, 1, 4, len(saved) - 1, *(rng.randrange(len(saved)) for _ in range(40))):
        assert not check(planted_data, model, tmp_path / "model.pth", saved[:end])


def test_a_file_with_pieces_lost_doubled_or_overwritten_is_refused_or_the_same(
    planted_data: MovieData, model: TrainedModel, saved: bytes, tmp_path: Path
) -> None:
    rng = random.Random(0)
    for number in range(90):
        a, b = sorted(rng.randrange(len(saved)) for _ in range(2))
        content = {
            0: saved[:a] + saved[b:],
            1: saved[:b] + saved[a:],
            2: saved[:a] + bytes(b - a) + saved[b:],
        }[number % 3]
        check(planted_data, model, tmp_path / "model.pth", content)


# --- foreign content ------------------------------------------------------------------------------


def contents(saved: bytes) -> dict[str, Any]:
    return torch.load(io.BytesIO(saved), weights_only=True)


def packed(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def sealed(content: dict[str, Any]) -> bytes:
    """With a right checksum, as someone who knows this program would forge it."""
    rest = {name: value for name, value in content.items() if name != "digest"}
    return packed(rest | {"digest": checkpoints._digest(rest)})


def usable(found: TrainedModel) -> None:
    """What the pages do with a model that was loaded."""
    assert isinstance(found.stop_reason, str) and kept_epoch(found)
    found.stop_reason.encode()
    for record in found.history:
        assert f"{record.loss:.4f} {record.seconds:.0f} {record.epoch:d}"
        assert f"{record.metrics['NDCG@20']:.4f}"
    for metrics in (found.test_metrics, found.watch_metrics):
        for name, value in metrics.items():
            name.encode()
            assert 0 <= value <= 1 and f"{value:.4f}"
    for trial in found.trials:
        trial.changed.encode()
        assert f"{trial.value or 0:g} {trial.score:.4f} {trial.seconds:.0f}" and trial.better in (
            0,
            1,
        )
    assert 0 <= found.mean_stars <= 5
    assert all(f"{low:.4f}{high:.4f}" for low, high in found.test_intervals.values())
    assert np.isfinite(found.user_factors).all()


def test_a_forged_entry_of_any_kind_is_refused_or_can_be_shown(
    planted_data: MovieData, saved: bytes, tmp_path: Path
) -> None:
    rng, content, path = random.Random(0), contents(saved), tmp_path / "model.pth"
    loaded = 0
    for place in [place for place in places(content) if place != ("digest",)]:
        for _ in range(2):
            try:
                forged = sealed(replaced(content, place, any_json(rng)))
            except (TypeError, ValueError, AttributeError, UnicodeError):
                continue  # not even a checksum
            path.write_bytes(forged)
            try:
                usable(load_checkpoint(planted_data, path))
                loaded += 1
            except CheckpointError as error:
                assert_one_sentence(str(error))
    assert loaded > 0


def tensors(e0: torch.Tensor) -> dict[str, Any]:
    return {
        "one too many": torch.cat([e0, e0[:1]]),
        "transposed": e0.T,
        "flat": e0.flatten(),
        "float64": e0.double(),
        "integers": e0.long(),
        "complex": e0.to(torch.complex64),
        "bfloat16": e0.bfloat16(),
        "sparse": e0.to_sparse(),
        "with a gradient": e0.clone().requires_grad_(),
        "not a number": e0 * float("nan"),
        "endless": e0 * float("inf"),
        "a list": e0.tolist(),
        "none": None,
        # 2 GiB out of 4 bytes: whoever copies it before checking its shape needs them all.
        "a stretched number": torch.ones(1).expand(1 << 26, 8),
    }


@pytest.mark.parametrize("name", list(tensors(torch.zeros(2, 2))))
def test_numbers_of_another_kind_or_shape_are_refused(
    planted_data: MovieData,
    saved: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    content, path = contents(saved), tmp_path / "model.pth"
    forged = content | {"e0": tensors(content["e0"])[name]}
    if name == "a stretched number":
        asked: list[int] = []
        real = torch.Tensor.numpy
        monkeypatch.setattr(
            torch.Tensor, "numpy", lambda tensor: asked.append(tensor.numel()) or real(tensor)
        )
        path.write_bytes(packed(forged))
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(planted_data, path)
        assert max(asked, default=0) < 1 << 26
    else:
        try:
            path.write_bytes(sealed(forged))
        except (TypeError, AttributeError, RuntimeError):  # no checksum of such a thing
            path.write_bytes(packed(forged))
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(planted_data, path)
    assert_one_sentence(str(caught.value))


class _Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return open, (str(self.marker), "w")


def in_a_torch_archive(pickled: bytes, saved: bytes) -> bytes:
    """The checkpoint with another pickle inside."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved)) as old, zipfile.ZipFile(file, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            new.writestr(member, pickled if member.filename.endswith("data.pkl") else content)
    return file.getvalue()


HOSTILE: dict[str, Callable[[_Bomb, bytes], bytes]] = {
    "a plain pickle": lambda bomb, _: pickle.dumps(bomb),
    "an old pickle": lambda bomb, _: pickle.dumps(bomb, protocol=0),
    "within a checkpoint": lambda bomb, saved: packed(contents(saved) | {"protocol": bomb}),
    "as a key": lambda bomb, _: packed({bomb: 1}),
    "as the whole": lambda bomb, _: packed(bomb),
    "in the archive": lambda bomb, saved: in_a_torch_archive(pickle.dumps(bomb, 2), saved),
    "in the old format": lambda bomb, _: _legacy(bomb),
}


def _legacy(bomb: _Bomb) -> bytes:
    file = io.BytesIO()
    torch.save({"e0": bomb}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bomb_in_a_checkpoint_does_not_go_off(
    planted_data: MovieData, saved: bytes, tmp_path: Path, name: str
) -> None:
    marker, path = tmp_path / "executed", tmp_path / "model.pth"
    content = HOSTILE[name](_Bomb(marker), saved)
    path.write_bytes(content)
    for read in (lambda: load_checkpoint(planted_data, path), lambda: read_header(path)):
        with pytest.raises(CheckpointError) as caught:
            read()
        assert_one_sentence(str(caught.value))
    assert not marker.exists()
    if name == "a plain pickle":  # the bomb itself is live
        pickle.loads(content).close()
        assert marker.exists()


def test_a_kept_model_that_is_damaged_never_gets_into_use(
    planted_data: MovieData, saved: bytes, tmp_path: Path
) -> None:
    rng, store = random.Random(0), ModelStore(tmp_path / "model.pth")
    store.slot.write_bytes(saved)
    kept = store.path(planted_data.fingerprint, "damaged")
    kept.parent.mkdir(parents=True)
    for _ in range(40):
        damaged = saved[: rng.randrange(len(saved))]
        kept.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            store.promote(planted_data, "damaged")
        assert (store.slot.read_bytes(), kept.read_bytes()) == (saved, damaged)
        assert {file.name for file in kept.parent.iterdir()} == {kept.name}


@pytest.mark.parametrize(
    "content",
    [
        *(None, 1, "model", [1], {}, {"version": 1}, {"version": True}, {"version": 10**600}),
        *({"version": "1"}, {1: 2}, {"version": CHECKPOINT_VERSION, "fingerprint": torch.ones(3)}),
        *(torch.ones(3), {"version": 2}, {"version": -1}),
    ],
    ids=lambda content: str(content)[:30],
)
def test_what_is_no_checkpoint_is_refused(
    planted_data: MovieData, tmp_path: Path, content: object
) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(packed(content))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(planted_data, path)
    assert_one_sentence(str(caught.value))
    assert len(str(caught.value)) < 400
