"""Rounding that keeps a sum a sum: what is shown adds up as it is shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def rounded_parts(parts: ArrayLike, decimals: int) -> NDArray[np.float64]:
    """The parts of sums, rounded so that they add up to the rounded sums.

    By the largest remainder (Hamilton's method): each part is rounded down, and those that lost
    most go up by one unit of the last decimal until the rounded sum is reached. So no part is off
    by a unit or more, and a part that needs no rounding stays as it is.

    Args:
        parts: [..., n_parts], n_parts at least 1; the sums run along the last axis.
        decimals: how many are shown.

    Returns:
        float64 [..., n_parts]; their sum is `np.round(sum of the parts, decimals)` to rounding.
    """
    unit = 10.0**decimals
    # Ten digits are left, or 0.3 would be a little less than three tenths and could go up.
    units = np.round(np.asarray(parts, np.float64) * unit, 10)
    low = np.floor(units)
    lost = units - low
    missing = np.rint(lost.sum(axis=-1, keepdims=True))  # so many go up
    order = np.argsort(-lost, axis=-1, kind="stable")
    place = np.argsort(order, axis=-1, kind="stable")
    return (low + (place < missing)) / unit + 0.0  # and no −0


def rounded_sum(parts: ArrayLike, decimals: int) -> float:
    """The sum of one row of `rounded_parts`, as it is shown."""
    return float(np.round(rounded_parts(parts, decimals).sum(), decimals)) + 0.0
