"""One gradient step of BPR on E(0), exact through the propagation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from analysis.layers import propagated
from model.trained import TrainedModel


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


def bpr_step(
    adjacency: sparse.csr_array,
    model: TrainedModel,
    rows: tuple[int, int, int],
    step: float,
    learned_from: int = 0,
) -> BprStep:
    """E(0) ← E(0) − step · ∂loss/∂E(0), exact through the propagation.

    F = P E(0) with P = (I + Ê + … + Ê^K)/(K+1), symmetric. So ∂loss/∂E(0) = P G, where G holds the
    gradient by F in three rows, and F moves by −step · P M P G, M keeping the rows of E(0) that are
    learned. Of P M P, nine numbers are needed.

    Args:
        adjacency: Ê [n_nodes, n_nodes].
        rows: of user, positive film and negative film.
        step: the size of the step.
        learned_from: the first row of E(0) that is learned; the number of users where people start
            at zero and stay there.
    """
    chosen = np.zeros((adjacency.shape[0], 3))
    chosen[rows, range(3)] = 1.0
    layers = model.config.layers
    spread = np.mean(list(propagated(adjacency, chosen, layers)), axis=0)  # P's three columns
    final = spread.T @ model.e0  # f_u, f_i, f_j  [3, dim]
    coupling = spread[learned_from:].T @ spread[learned_from:]
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
