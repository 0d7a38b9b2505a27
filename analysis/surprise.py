"""One film drawn by lot from the best: the better its score, the likelier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def chances(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """The chance of each film: p_i ∝ exp(s_i / σ), with σ the standard deviation of the scores.

    So a film whose score is one σ higher is e times as likely, on whatever scale the scores are;
    equal scores have equal chances.

    Args:
        scores: [n], finite, of any sign; n at least 1.

    Returns:
        float64 [n], adding up to 1.
    """
    above = np.asarray(scores, np.float64) - np.max(scores)
    spread = above.std()
    weights = np.exp(above / spread) if spread > 0 else np.ones(len(above))
    return weights / weights.sum()


def draw(chance: NDArray[np.float64], seed: int) -> int:
    """A place by its chance; the same seed draws the same.

    Args:
        chance: float64 [n], adding up to 1.
    """
    return int(np.random.default_rng(seed).choice(len(chance), p=chance))
