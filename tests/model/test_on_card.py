"""Fit, BPR and measurement on a graphics card: nothing lies on the wrong side, the numbers are
those of the processor, and what is kept knows nothing of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

import model_training
from data_preparation import MovieData
from model import bpr, fitted_start
from model.bpr import Learner
from model.config import TrainingConfig
from model.processes import ALONE, Processes
from model.progress import Progress, ProgressFile
from model.splits import Split, random_80_10_10
from model.trained import TrainedModel
from model_training import train
from tests.card import CARD, OnCard, pretended_card
from tests.conftest import REPOSITORY
from tests.small_training import config, hybrid_config

ON_CARD = Processes(device=CARD)
TRAININGS: dict[str, TrainingConfig] = {
    "fitted": hybrid_config(),
    "searched": hybrid_config(search_seconds=1e-9),
    "fitted, then learned": hybrid_config(epochs=2, hide_batch=True),
    "random, three layers": hybrid_config(epochs=2, layers=3, warm_start=False, hide_batch=True),
    "the paper's": config(epochs=2, hide_batch=True),
}


@pytest.fixture
def card_split(planted_data: MovieData) -> Split:
    return random_80_10_10(planted_data, processes=ON_CARD)


def assert_same(one: TrainedModel, other: TrainedModel) -> None:
    np.testing.assert_allclose(other.e0 @ other.e0.T, one.e0 @ one.e0.T, atol=1e-3)
    assert other.test_metrics == pytest.approx(one.test_metrics, abs=1e-4)
    for record, expected in zip(other.history, one.history, strict=True):
        assert record.loss == pytest.approx(expected.loss, abs=1e-3, nan_ok=True)


# --- the pretended card refuses what a card refuses -----------------------------------------------


def test_what_lies_on_two_devices_cannot_be_combined() -> None:
    with pretended_card():
        there, here = torch.ones(3, device=CARD), torch.ones(3)
        matrix = torch.eye(3).to_sparse_csr()
        wrong: list[Any] = [
            lambda: there + here,
            lambda: matrix @ there[:, None],
            lambda: matrix.to(CARD) @ here[:, None],
            lambda: there[torch.tensor([0, 1])],
            lambda: here[torch.tensor([0, 1]).to(CARD)],
            lambda: torch.rand(3, device=CARD, generator=torch.Generator()),
        ]
        for attempt in wrong:
            with pytest.raises(RuntimeError):
                attempt()
        for array in (there.numpy, lambda: np.asarray(there)):
            with pytest.raises((TypeError, RuntimeError)):
                array()
        moved = here.to(CARD)
        moved += there  # which leaves the one of the processor as it was
        assert here.tolist() == [1, 1, 1] and moved.cpu().tolist() == [2, 2, 2]
        assert float((matrix.to(CARD) @ there[:, None]).sum() + 1.0) == 4


def forgets(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    """What this function gives stays on the processor."""
    whole = getattr(owner, name)

    def forgetful(*arguments: Any, **named: Any) -> Tensor:
        found: Tensor = whole(*arguments, **named).cpu()
        return found

    monkeypatch.setattr(owner, name, forgetful)


@pytest.mark.parametrize(
    ("owner", "name"), [(Learner, "_there"), (Learner, "_random"), (bpr.NegativeSampler, "_drawn")]
)
def test_a_forgotten_move_is_found(
    planted_data: MovieData,
    card_split: Split,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
) -> None:
    forgets(monkeypatch, owner, name)
    with pretended_card(), pytest.raises(RuntimeError, match="two devices"):
        train(planted_data, card_split, config(epochs=1))


# --- trainings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_on_a_card_gives_what_the_processor_gives(
    planted_data: MovieData,
    split: Split,
    card_split: Split,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    sparse: bool,
) -> None:
    settings = TRAININGS[name]
    if sparse and not settings.fitted:
        pytest.skip("it has no fit")
    if sparse:
        monkeypatch.setattr(fitted_start, "MAX_DENSE_NODES", 0)
    expected = train(planted_data, split, settings)
    with pretended_card():
        found = train(planted_data, card_split, settings)
    assert_same(expected, found)
    assert [trial.changed for trial in found.trials] == [trial.changed for trial in expected.trials]


@pytest.mark.parametrize("name", ["fitted, then learned", "random, three layers", "the paper's"])
def test_every_tensor_of_a_learner_lies_on_the_card_and_nothing_that_leaves_it(
    card_split: Split, name: str
) -> None:
    with pretended_card():
        learner = Learner(card_split.train, {}, TRAININGS[name], processes=ON_CARD)
        learner.run_epoch()
        assert learner.optimizer is not None
        held = [learner.e0, learner.users, learner.movies, learner.usable, learner.e0.grad]
        held += tree_leaves(list(learner.optimizer.state.values()))
        assert all(isinstance(tensor, OnCard) for tensor in held)
        kept = [leaf for leaf in tree_leaves(learner.state()) if isinstance(leaf, Tensor)]
        assert len(kept) >= 5
        assert not any(isinstance(tensor, OnCard) for tensor in [*kept, learner.weights()])


@pytest.mark.parametrize("fits", [True, False], ids=["bits", "sorted keys"])
def test_negatives_are_looked_up_on_the_card_and_are_the_same(split: Split, fits: bool) -> None:
    found = []
    with pretended_card():
        for processes in (ALONE, ON_CARD):
            generator = torch.Generator().manual_seed(4)
            sampler = bpr.NegativeSampler(split.train, generator, processes)
            if not fits:
                sampler.bits = None
            users = torch.arange(split.train.shape[0]).to(processes.device)
            found.append(sampler.sample(users, 20))
    assert isinstance(found[1], OnCard) and found[0].equal(found[1].cpu())


@pytest.mark.parametrize("begins", [ALONE, ON_CARD], ids=["processor", "card"])
@pytest.mark.parametrize("name", ["fitted, then learned", "the paper's"])
def test_a_training_goes_on_from_a_file_on_the_other_device(
    planted_data: MovieData, split: Split, tmp_path: Path, name: str, begins: Processes
) -> None:
    settings, file = TRAININGS[name], ProgressFile(tmp_path / "model.progress", "a training")
    ends = ALONE if begins is ON_CARD else ON_CARD
    expected = train(planted_data, split, settings)

    def stop(record: Any) -> None:
        if record.epoch == 1:
            raise KeyboardInterrupt

    with pretended_card():
        first = random_80_10_10(planted_data, processes=begins)
        train(planted_data, first, settings, on_epoch=stop, progress=file)
        reached = file.load()
        assert isinstance(reached, Progress) and len(reached.history) == 2
        second = random_80_10_10(planted_data, processes=ends)
        found = train(planted_data, second, settings, progress=file)
    assert_same(expected, found)


def test_the_command_takes_the_card_for_the_whole_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVIELENS_DIR", str(REPOSITORY / "demo_data"))
    options = ["--preset", "fast", "--dim", "8", "--epochs", "1", "--refit", "--resume"]
    paths = [tmp_path / name for name in ("processor.pth", "card.pth")]
    assert model_training.main([*options, "--device", "cpu", "--output", str(paths[0])]) == 0
    monkeypatch.setattr(model_training, "chosen_device", lambda _: (CARD, None))
    with pretended_card():
        assert model_training.main([*options, "--device", "cuda", "--output", str(paths[1])]) == 0
    # Read where there is no card, and the same.
    one, other = (torch.load(path, weights_only=True) for path in paths)
    np.testing.assert_allclose(other["e0"], one["e0"], atol=1e-4)
