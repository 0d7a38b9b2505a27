"""Tables as CSV files that spreadsheets open safely."""

from __future__ import annotations

import csv

import pandas as pd

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def to_csv(table: pd.DataFrame) -> bytes:
    """UTF-8 with a byte order mark (so that Excel reads accents), without the index.

    Text that a spreadsheet would run as a formula gets a leading apostrophe (OWASP, "CSV
    injection").
    """
    safe = table.copy()
    for column in safe.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in safe.dtypes]]:
        text = safe[column].astype(str)
        safe[column] = text.where(~text.str.startswith(_FORMULA_STARTS), "'" + text)
    return safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode("utf-8-sig")
