"""Tables as CSV files that spreadsheets open safely."""

from __future__ import annotations

import csv

import pandas as pd

from sources.csv_cells import defused


def to_csv(table: pd.DataFrame) -> bytes:
    """UTF-8 with a byte order mark (so that Excel reads accents), without the index.

    Text that a spreadsheet would run as a formula gets a leading apostrophe, which the import of
    ratings takes off again (`sources.csv_cells`).
    """
    safe = table.rename(columns=lambda name: defused(str(name)))
    for column in safe.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in safe.dtypes]]:
        safe[column] = safe[column].astype(str).map(defused, na_action="ignore")
    return safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode("utf-8-sig", "replace")
