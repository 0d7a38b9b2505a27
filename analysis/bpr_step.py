"""One gradient step of BPR on E(0), exact through the propagation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.neighbourhood import Node
from analysis.network import Network, propagated


@dataclass(frozen=True, eq=False)
class BprStep:
    """One plain gradient step on E(0) for one triple (user, positive film, negative film).

    Attributes:
        positive, negative: the scores f_u·f_i and f_u·f_j, before and after.
        loss: −log σ(positive − negative), before and after.
        pull: σ(negative − positive) before the step, 0 to 1: how strongly the triple teaches.
        coupling: float64 [3, 3], how much a push on one of (user, positive, negative) moves the
            final embedding of another, because they share neighbours: rows of P M P, P the layer
            mean.
    """

    positive: tuple[float, float]
    negative: tuple[float, float]
    loss: tuple[float, float]
    pull: float
    coupling: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Couplings:
    """Of some nodes, whatever is needed for a step on any three of them.

    Attributes:
        final: their rows of F, float64 [n, dim].
        pushes: how much a push on one moves another, float64 [n, n]; see `BprStep.coupling`.
    """

    final: NDArray[np.float64]
    pushes: NDArray[np.float64]


def couplings(network: Network, nodes: Sequence[Node], films_alone: bool) -> Couplings:
    """With F = P E(0) and P = (I + Ê + … + Ê^K)/(K+1), which is symmetric: rows of P M P.

    Args:
        films_alone: only films are learned (M keeps their rows), because people start at zero and
            stay there.
    """
    chosen = {
        kind: np.zeros((len(part), len(nodes)), np.float32) for kind, part in network.start.items()
    }
    for column, (kind, inner) in enumerate(nodes):
        chosen[kind][inner, column] = 1.0
    reached = {kind: np.zeros_like(part) for kind, part in chosen.items()}  # P's columns
    for layer in propagated(network, chosen, network.layers):
        for kind, part in layer.items():
            reached[kind] += part / np.float32(network.layers + 1)
    final = sum(reached[kind].T @ network.start[kind] for kind in reached)  # [n, dim]
    learned = [reached["movie"]] if films_alone else list(reached.values())
    return Couplings(
        np.asarray(final, np.float64),
        np.sum([part.T @ part for part in learned], axis=0, dtype=float),
    )


def bpr_step(of: Couplings, places: tuple[int, int, int], step: float) -> BprStep:
    """E(0) ← E(0) − step · ∂loss/∂E(0), exact through the propagation.

    ∂loss/∂E(0) = P G, where G holds the gradient by F in three rows, and F moves by
    −step · P M P G, M keeping the rows of E(0) that are learned. Of P M P, nine numbers are needed.

    Args:
        places: of user, positive film and negative film among the nodes of the couplings.
        step: the size of the step.
    """
    final = of.final[list(places)]  # f_u, f_i, f_j  [3, dim]
    coupling = of.pushes[np.ix_(places, places)]
    user, liked, other = final
    pull = float(1 / (1 + np.exp(user @ liked - user @ other)))
    gradient = pull * np.stack([other - liked, -user, user])  # G  [3, dim]
    moved = final - step * coupling @ gradient
    scores = [(float(f[0] @ f[1]), float(f[0] @ f[2])) for f in (final, moved)]
    losses = [float(np.logaddexp(0.0, bad - good)) for good, bad in scores]
    return BprStep(
        positive=(scores[0][0], scores[1][0]),
        negative=(scores[0][1], scores[1][1]),
        loss=(losses[0], losses[1]),
        pull=pull,
        coupling=coupling,
    )
