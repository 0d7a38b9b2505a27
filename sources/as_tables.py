"""What was computed as Arrow tables, and back: so it can be kept without pickle.

A value is an array, a DataFrame, or a dataclass of these and of what JSON knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

_Value = TypeVar("_Value")

_WHOLE = "whole"  # the name of a value that is no dataclass
_REST = "rest"  # of the table whose metadata hold the fields that are neither array nor DataFrame


def to_tables(value: Any) -> dict[str, pa.Table]:
    """One table for each array and DataFrame, by the name of its field.

    Raises:
        TypeError: a field is of another kind.
    """
    parts = _fields(value) if is_dataclass(value) else {_WHOLE: value}
    tables, rest = {}, {}
    for name, part in parts.items():
        if isinstance(part, pd.DataFrame):
            tables[name] = pa.Table.from_pandas(part)
        elif isinstance(part, np.ndarray):
            shape = {"shape": json.dumps(part.shape)}
            tables[name] = pa.table({"value": part.ravel()}, metadata=shape)
        else:
            rest[name] = part
    return tables | {_REST: pa.table({}, metadata={"json": json.dumps(rest)})}


def from_tables(kind: type[_Value], tables: Mapping[str, pa.Table]) -> _Value:
    """The value of this kind that `to_tables` made them of; its arrays are read-only.

    Lists come back as tuples, in the cells of a DataFrame as well.

    Raises:
        ValueError: they are of something else.
    """
    try:
        rest = json.loads(tables[_REST].schema.metadata[b"json"])
        parts = {name: _tuples(part) for name, part in rest.items()}
        parts |= {name: _part(table) for name, table in tables.items() if name != _REST}
        value: _Value = kind(**parts) if is_dataclass(kind) else parts[_WHOLE]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("they are of something else") from error
    if not isinstance(value, kind):
        raise ValueError("they are of something else")
    return value


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _part(table: pa.Table) -> pd.DataFrame | NDArray[Any]:
    metadata = table.schema.metadata
    if b"shape" in metadata:
        array = table.column("value").to_numpy().reshape(json.loads(metadata[b"shape"]))
        array.flags.writeable = False
        return array
    frame = table.to_pandas()
    for column in table.schema:
        if pa.types.is_list(column.type):
            frame[column.name] = frame[column.name].map(tuple)
    return frame


def _tuples(part: Any) -> Any:
    return tuple(map(_tuples, part)) if isinstance(part, list) else part
