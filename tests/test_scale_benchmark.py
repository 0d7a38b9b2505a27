"""The table and the exponent of `benchmarks.scale`, and the command on small data."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import scale
from settings import DEMO_DIR


def row(ratings: int, seconds: float) -> scale.Row:
    return {
        "ratings": ratings,
        "reading": 1.0,
        "splitting": 0.5,
        "graph": seconds / 4,
        "eigenpairs": 3 * seconds / 4,
        "peak_mib": 512.0,
    }


def test_the_exponent_is_the_slope_of_the_logarithms(tmp_path: Path) -> None:
    rows = [row(ratings, (ratings / 1e6) ** 1.25) for ratings in (10**6, 10**7, 10**8)]
    assert scale.exponent(rows) == pytest.approx(1.25)
    lines = scale.as_table(rows).splitlines()
    assert len(lines) == 5 and "0.50 GiB" in lines[2] and "| 1.0 |" in lines[2]
    scale.plot(rows, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5_000


def test_a_folder_is_measured_in_a_process_of_its_own() -> None:
    found = scale.in_its_own_process(str(DEMO_DIR))
    assert found["ratings"] > 10_000 and scale.fitting(found) > 0 and found["peak_mib"] > 50
