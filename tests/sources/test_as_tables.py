"""What was computed comes back from Arrow tables as it was."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from sources.as_tables import from_tables, to_tables
from sources.kept_tables import keep, kept


@dataclass(frozen=True, eq=False)
class Everything:
    """One field of every kind."""

    matrix: NDArray[np.float32]
    flags: NDArray[np.bool_]
    nothing: NDArray[np.float64]
    frame: pd.DataFrame
    shares: tuple[float, ...]
    nested: tuple[tuple[str, int], ...]
    name: str | None
    number: float
    switch: bool


def everything() -> Everything:
    return Everything(
        matrix=np.array([[1.5, math.nan], [-math.inf, 0.0], [3.0, 4.0]], np.float32),
        flags=np.array([True, False, True]),
        nothing=np.zeros((0, 7)),
        frame=pd.DataFrame(
            {
                "film": ["Amélie", None, "“quoted”"],
                "genres": [("Comedy", "Romance"), (), ("Drama",)],
                "year": pd.array([2001, None, 1999], dtype="Int64"),
                "mean": [4.5, math.nan, 0.5],
                "rated": [True, False, True],
            },
            index=[3, 1, 2],
        ),
        shares=(0.1 + 0.2, 1e-300),
        nested=(("a", 1), ("b", 2)),
        name=None,
        number=math.nan,
        switch=True,
    )


def test_every_kind_comes_back_from_a_file_as_it_was(tmp_path: Path) -> None:
    value = everything()
    keep(tmp_path, "value", to_tables(value))
    tables = kept(tmp_path, "value")
    assert tables is not None
    found = from_tables(Everything, tables)
    for name in ("matrix", "flags", "nothing"):
        array, true = getattr(found, name), getattr(value, name)
        assert array.dtype == true.dtype and array.shape == true.shape
        np.testing.assert_array_equal(array, true)
        assert not array.flags.writeable
    pd.testing.assert_frame_equal(found.frame, value.frame)
    assert all(isinstance(genres, tuple) for genres in found.frame["genres"])
    assert found.shares == value.shares and found.nested == value.nested
    assert found.name is None and math.isnan(found.number) and found.switch is True


def test_arrays_and_frames_need_no_dataclass() -> None:
    array, frame = np.arange(6).reshape(2, 3), pd.DataFrame({"tag": ["a"], "films": [3]})
    np.testing.assert_array_equal(from_tables(np.ndarray, to_tables(array)), array)
    pd.testing.assert_frame_equal(from_tables(pd.DataFrame, to_tables(frame)), frame)
    empty = pd.DataFrame(columns=["tag", "films"])
    assert from_tables(pd.DataFrame, to_tables(empty)).columns.tolist() == ["tag", "films"]


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"rest": pa.table({})},
        {"rest": pa.table({}, metadata={"json": "[1]"})},
        {"rest": pa.table({}, metadata={"json": "{"})},
        to_tables(np.zeros(3)),
        to_tables(pd.DataFrame({"a": [1]})),
        {name: table for name, table in to_tables(everything()).items() if name != "matrix"},
        to_tables(everything()) | {"more": pa.table({"a": [1]})},
        to_tables(everything()) | {"matrix": pa.table({"a": [1]}, metadata={"shape": "[1]"})},
        to_tables(everything()) | {"matrix": pa.table({"value": [1]}, metadata={"shape": "[2]"})},
    ],
)
def test_what_is_of_something_else_is_refused(tables: dict[str, pa.Table]) -> None:
    with pytest.raises(ValueError):
        from_tables(Everything, tables)


def test_what_json_does_not_know_is_not_kept() -> None:
    with pytest.raises(TypeError):
        to_tables(np.float32(1))
