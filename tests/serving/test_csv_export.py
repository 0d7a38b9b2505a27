"""CSV files that spreadsheets open safely."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given

from data_preparation import MovieData
from lookup.ratings_import import read_ratings_file
from serving.csv_export import to_csv
from sources.csv_cells import defused, restored


def test_accents_survive_and_numbers_stay_numbers() -> None:
    table = pd.DataFrame({"film": ["Amélie", "8½"], "score": [-0.5, 1.0]})
    content = to_csv(table)
    assert content.startswith(b"\xef\xbb\xbf")
    back = pd.read_csv(io.BytesIO(content), encoding="utf-8-sig")
    pd.testing.assert_frame_equal(back, table, check_dtype=False)


FORMULAS = [
    f"{blank}{sign}cmd|' /C calc'!A1"
    for blank in ("", "\n", " ", "\u00a0", "\u200b", "\ufeff", "'", "''", "\n\t ")
    for sign in "=+-@＝＋－＠"
] + ["\tx", "\rx", "\nx"]


@pytest.mark.parametrize("text", FORMULAS, ids=repr)
def test_formulas_are_made_text_in_cells_and_headers(text: str) -> None:
    content = to_csv(pd.DataFrame({text: [text, "plain"]}))
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    for cell in (rows[0][0], rows[1][0]):
        assert cell == f"'{text}"
    assert rows[2] == ["plain"]


@given(st.text(alphabet=st.sampled_from("'=+-@＝\n\t \0aé"), max_size=6))
def test_what_is_defused_comes_back(text: str) -> None:
    safe = defused(text)
    assert restored(safe) == text.replace("\0", "\ufffd")
    assert not safe.lstrip(" \n\t").startswith(tuple("=+-@＝"))
    to_csv(pd.DataFrame({"film": [text]}))


def test_the_import_reads_our_own_export_as_it_was(
    load: Callable[..., MovieData],
) -> None:
    titles = ["-30-", "+1", "=1+1", "'Til There Was You", "＝Wide", "@midnight", "Heat"]
    films = [(n, f"{title} (1999)", "Drama") for n, title in enumerate(titles, 1)]
    ratings = [(1, n, 4.0, 1) for n, _, _ in films]
    data = load(ratings=ratings, movies=films, tags=None, links=None)
    table = pd.DataFrame({"title": titles, "year": 1999, "rating": 3.5})
    found = read_ratings_file(to_csv(table), data)
    assert found.stars == {int(data.inner_movie(n)): 3.5 for n, _, _ in films}
    assert found.rows["title"].tolist() == [f"{title} (1999)" for title in titles]


def test_what_is_missing_stays_empty() -> None:
    table = pd.DataFrame({"epoch": [None, "=1"], "kept": [None, None], "film": ["a", None]})
    rows = list(csv.reader(io.StringIO(to_csv(table).decode("utf-8-sig"))))
    assert rows[1:] == [["", "", "a"], ["'=1", "", ""]]


def test_the_table_itself_is_left_alone() -> None:
    table = pd.DataFrame({"film": ["=1+1"]})
    to_csv(table)
    assert table["film"][0] == "=1+1"
