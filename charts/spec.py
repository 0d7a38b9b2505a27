"""Charts made ready to send: Vega-Lite with the data as Arrow, so that showing one costs nothing.

Altair checks a chart against its schema and Streamlit turns its tables into Arrow whenever it is
shown. Both take longer than anything else when a tab is opened again, so it is done once here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import altair as alt
import pandas as pd
import pyarrow as pa

from charts.basics import LABEL_COLOURS, by_theme

Spec: TypeAlias = dict[str, Any]
"""Vega-Lite; `datasets` holds Arrow streams by name."""

_MANY_ROWS = 150

_LABELS = {"expr": by_theme(LABEL_COLOURS)}
_TEXTS = {"labelColor": _LABELS, "titleColor": _LABELS}
READABLE = {part: _TEXTS for part in ("axis", "legend", "header")}
"""What the `config` of every chart needs, so that its texts can be read in both themes."""


def finished_spec(chart: alt.Chart | alt.LayerChart) -> Spec:
    """What `st.vega_lite_chart` takes, with the chart's tables as Arrow under `datasets`.

    Args:
        chart: every channel has a type, for the tables are not looked at.
    """
    tables: dict[str, pd.DataFrame] = {}
    spec = _with_named_data(chart, tables).to_dict(validate=False)
    # In place of Altair's default theme; the page brings its own for all the rest.
    spec["config"] = READABLE
    if any(len(table) > _MANY_ROWS for table in tables.values()):
        # Pixels are quicker than an SVG element with a description of its own for every row.
        spec["usermeta"] = {"embedOptions": {"renderer": "canvas"}}
    return spec | {"datasets": {name: arrow(table) for name, table in tables.items()}}


def arrow(table: pd.DataFrame) -> bytes:
    """The columns of a table, without its index, as an Arrow stream."""
    columns = pa.Table.from_pandas(table, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, columns.schema) as stream:
        stream.write_table(columns)
    return sink.getvalue().to_pybytes()


def _with_named_data(
    chart: alt.Chart | alt.LayerChart, tables: dict[str, pd.DataFrame]
) -> alt.Chart | alt.LayerChart:
    """The chart and its layers with names instead of tables, which go to `tables`."""
    chart = chart.copy(deep=False)
    if isinstance(chart.data, pd.DataFrame):
        name = f"table {len(tables)}"
        tables[name], chart.data = chart.data, alt.NamedData(name)
    if isinstance(chart, alt.LayerChart):
        layers: list[Any] = chart.layer
        chart.layer = [_with_named_data(layer, tables) for layer in layers]
    return chart
