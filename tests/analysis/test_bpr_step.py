"""One step of BPR against autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.bpr_step import bpr_step, couplings
from analysis.neighbourhood import Node
from analysis.network import Network, lesson_network
from data_preparation import MovieData
from model.trained import TrainedModel
from tests.analysis.graphs import dense_adjacency, rated_cells
from tests.dense import e0_of


@pytest.mark.parametrize(("positive", "negative"), [(0, 1), (5, 20)])
def test_the_bpr_step_is_what_autograd_does_to_e0(
    planted_data: MovieData, model_of_any_depth: TrainedModel, positive: int, negative: int
) -> None:
    network = lesson_network(planted_data, model_of_any_depth)
    check_step(planted_data, network, positive, negative, learned_from=0)


@pytest.mark.parametrize(("positive", "negative"), [(0, 1), (5, 20)])
def test_where_people_have_nothing_to_learn_only_films_move(
    planted_data: MovieData, hybrid: TrainedModel, positive: int, negative: int
) -> None:
    network = lesson_network(planted_data, hybrid)
    check_step(planted_data, network, positive, negative, learned_from=planted_data.n_users)


def check_step(
    planted_data: MovieData,
    network: Network,
    positive: int,
    negative: int,
    learned_from: int,
) -> None:
    n_users, step = planted_data.n_users, 0.7
    rows = (4, n_users + positive, n_users + negative)
    nodes: list[Node] = [("movie", 47), ("user", 4), ("movie", positive), ("movie", negative)]
    known = couplings(network, nodes, films_alone=learned_from > 0)
    found = bpr_step(known, (1, 2, 3), step)
    matrix = torch.tensor(dense_adjacency(rated_cells(planted_data)))
    e0 = torch.tensor(e0_of(network).astype(float), requires_grad=True)

    def scores_and_loss() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        layer, total = e0, e0
        for _ in range(network.layers):
            layer = matrix @ layer
            total = total + layer
        user, good, bad = (total / (network.layers + 1))[list(rows)]
        return user @ good, user @ bad, -torch.nn.functional.logsigmoid(user @ (good - bad))

    before = scores_and_loss()
    before[2].backward()
    with torch.no_grad():
        e0[learned_from:] -= step * e0.grad[learned_from:]
        after = scores_and_loss()
    for n, pair in enumerate((found.positive, found.negative, found.loss)):
        assert pair == pytest.approx((before[n].item(), after[n].item()), rel=1e-4, abs=1e-6)
    margin = before[0].item() - before[1].item()
    assert found.pull == pytest.approx(1 / (1 + np.exp(margin)), rel=1e-4)
    assert found.loss[1] < found.loss[0]
