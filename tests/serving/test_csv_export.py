"""CSV files that spreadsheets open safely."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from serving.csv_export import to_csv


def test_accents_survive_and_numbers_stay_numbers() -> None:
    table = pd.DataFrame({"film": ["Amélie", "8½"], "score": [-0.5, 1.0]})
    content = to_csv(table)
    assert content.startswith(b"\xef\xbb\xbf")
    back = pd.read_csv(io.BytesIO(content), encoding="utf-8-sig")
    pd.testing.assert_frame_equal(back, table, check_dtype=False)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_formulas_are_made_text(start: str) -> None:
    content = to_csv(pd.DataFrame({"film": [f"{start}cmd|' /C calc'!A1", "plain"]}))
    back = pd.read_csv(io.BytesIO(content), encoding="utf-8-sig")["film"]
    assert back[0].startswith("'")
    assert back[1] == "plain"


def test_the_table_itself_is_left_alone() -> None:
    table = pd.DataFrame({"film": ["=1+1"]})
    to_csv(table)
    assert table["film"][0] == "=1+1"
