"""Devices: which one is taken, and that the products there are those of the processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributed

import model_training
from data_preparation import MovieData
from model import fitted_start
from model.bpr import Learner
from model.devices import chosen_device, gram_on, scores_on
from model.hybrid_graph import build_graph, content_edges
from model.processes import ALONE, Processes, joined_processes
from model.splits import Split
from tests.conftest import assert_one_sentence
from tests.small_training import hybrid_config

# A processor by another name takes the way of a card.
CARD = "cpu:0"


@pytest.mark.parametrize(
    ("wanted", "cuda", "mps", "device", "said"),
    [
        ("auto", False, False, "cpu", False),
        ("auto", True, False, "cuda:0", False),
        ("auto", False, True, "cpu", True),
        ("cpu", True, True, "cpu", False),
        ("cuda", True, False, "cuda:0", False),
    ],
)
def test_a_card_is_taken_where_torch_has_one_and_mps_falls_back_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, wanted: str, cuda: bool, mps: bool, device: str, said: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    found, sentence = chosen_device(wanted)
    assert found == device and (sentence is not None) == said
    if sentence:
        assert_one_sentence(sentence)


def test_each_process_of_a_machine_takes_a_card_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert chosen_device("auto") == ("cuda:1", None)
    done: list[tuple[Any, ...]] = []
    monkeypatch.setattr(distributed, "is_torchelastic_launched", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda card: done.append(("set", card)))
    for name in ("init_process_group", "destroy_process_group"):
        monkeypatch.setattr(distributed, name, lambda *given, **named: done.append((given, named)))
    monkeypatch.setattr(distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    with joined_processes("cuda:1") as processes:
        assert (processes.rank, processes.size, processes.device) == (1, 2, "cuda:1")
    card = torch.device("cuda:1")
    assert done[0] == ("set", card)  # before they meet: NCCL would take the first card else
    assert done[1][0] == ("nccl",) and done[1][1]["device_id"] == card
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    found, sentence = chosen_device("auto")
    assert found == "cpu" and sentence
    assert_one_sentence(sentence)
    with pytest.raises(ValueError, match="2 processes") as error:
        chosen_device("cuda")
    assert_one_sentence(str(error.value))


def test_a_card_that_is_not_there_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    options = ["--device", "cuda", "--output", str(tmp_path / "model.pth")]
    assert model_training.main(options) == 1
    told = capsys.readouterr().err.strip()
    assert "no graphics card" in told
    assert_one_sentence(told)
    assert not list(tmp_path.iterdir())


def test_the_products_on_a_device_are_those_of_the_processor(
    planted_data: MovieData, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitted_start, "MAX_DENSE_NODES", 0)
    content, settings = content_edges(planted_data), hybrid_config(dim=6)
    graph = build_graph(split.train, content, settings)
    block = np.random.default_rng(0).normal(size=(planted_data.n_movies, 4)).astype(np.float32)
    expected = fitted_start._gram_times(graph.edges, block)
    np.testing.assert_allclose(gram_on(graph.edges, CARD)(block), expected, rtol=1e-4, atol=1e-5)
    vectors = block[:5]
    np.testing.assert_allclose(scores_on(block, CARD)(vectors), vectors @ block.T, rtol=1e-5)
    one, other = (
        Learner(split.train, content, settings, processes=processes)
        for processes in (ALONE, Processes(device=CARD))
    )
    users = np.arange(10)
    for profile in ("watch", "like"):
        expected, found = (learner.scorer(profile)(users) for learner in (one, other))
        np.testing.assert_allclose(found, expected, atol=1e-4)
