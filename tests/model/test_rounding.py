"""What is shown adds up as it is shown."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.rounding import rounded_parts, rounded_sum

_NUMBERS = st.floats(-50, 50, allow_nan=False, width=32)


@given(parts=st.lists(_NUMBERS, min_size=1, max_size=12), decimals=st.integers(0, 4))
def test_shown_parts_add_up_to_the_shown_sum(parts: list[float], decimals: int) -> None:
    shown = [Decimal(f"{part:.{decimals}f}") for part in rounded_parts(parts, decimals)]
    assert sum(shown) == Decimal(f"{rounded_sum(parts, decimals):.{decimals}f}")
    unit = 10.0**-decimals
    assert abs(float(sum(shown)) - sum(parts)) <= unit / 2 + 1e-9
    for part, as_shown in zip(parts, shown, strict=True):
        assert abs(float(as_shown) - part) < unit
        if part == 0:
            assert str(as_shown) in ("0", f"{0:.{decimals}f}")


@given(rows=st.lists(st.lists(_NUMBERS, min_size=3, max_size=3), min_size=1, max_size=5))
def test_a_table_is_rounded_row_by_row(rows: list[list[float]]) -> None:
    np.testing.assert_array_equal(rounded_parts(rows, 2), [rounded_parts(row, 2) for row in rows])


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ([0.596, 0.066], [0.60, 0.06]),  # 0.66 = 0.60 + 0.06, not 0.60 + 0.07
        ([0.5949, 0.0649, 0.0], [0.60, 0.06, 0.0]),
        ([-0.004, 0.3], [0.0, 0.3]),
        ([-0.115, -0.116], [-0.11, -0.12]),
        ([0.3, 0.1], [0.3, 0.1]),
    ],
)
def test_by_hand(parts: list[float], shown: list[float]) -> None:
    np.testing.assert_allclose(rounded_parts(parts, 2), shown, atol=1e-12)
