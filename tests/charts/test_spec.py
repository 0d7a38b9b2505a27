"""Finished charts hold what Altair and Streamlit would have sent, made once."""

from __future__ import annotations

import io
import json

import altair as alt
import pandas as pd
import pyarrow as pa
import pytest

from charts.basics import LABEL_COLOURS, ORANGE_TEXT, by_theme
from charts.insights import bar_chart, group_chart, lorenz_chart
from charts.spec import Spec, arrow, finished_spec
from tests.charts.colours import contrast

YEARS = pd.DataFrame({"year": [1999, 2000], "ratings": [3, 4]})


def in_full(spec: Spec) -> dict:
    """The spec with its rows instead of their names."""

    def filled(part: object) -> object:
        if isinstance(part, list):
            return [filled(item) for item in part]
        if not isinstance(part, dict):
            return part
        if set(part) == {"name"} and part["name"] in spec["datasets"]:
            return rows(spec["datasets"][part["name"]])
        return {key: filled(value) for key, value in part.items()}

    rest = {key: part for key, part in spec.items() if key not in ("datasets", "usermeta")}
    return json.loads(json.dumps(filled(rest), sort_keys=True))


def rows(content: bytes | list[dict]) -> list[dict]:
    if isinstance(content, list):
        return content
    return json.loads(
        pa.ipc.open_stream(io.BytesIO(content)).read_pandas().to_json(orient="records")
    )


def charts() -> list[alt.Chart | alt.LayerChart]:
    curve = pd.DataFrame({"films": [0.0, 0.5, 1.0], "share": [0.0, 0.25, 1.0]})
    groups = pd.DataFrame(
        {
            "group": [1, 2],
            "low": [20, 40],
            "high": [39, 90],
            "users": [3, 3],
            "ndcg": [0.25, 0.5],
            "error": [0.125, 0.0625],
            "scorer": "LightGCN",
        }
    )
    return [
        bar_chart(YEARS, "year", "ratings", ("year", "ratings")),
        lorenz_chart({"recommendations": curve}),
        group_chart(groups, "training ratings"),
    ]


@pytest.mark.parametrize("number", range(3))
def test_a_finished_chart_is_the_chart_that_altair_describes(number: int) -> None:
    chart = charts()[number]
    expected = chart.to_dict()
    expected.pop("config")
    finished = in_full(finished_spec(chart))
    finished.pop("config")
    assert finished == in_full(expected)


# The page of the dark theme is darker than this, which makes the test the harder one.
@pytest.mark.parametrize("colours", [LABEL_COLOURS, ORANGE_TEXT])
@pytest.mark.parametrize(("theme", "background"), [(0, "#ffffff"), (1, "#262730")])
def test_texts_of_charts_can_be_read_in_both_themes(
    colours: tuple[str, str], theme: int, background: str
) -> None:
    assert contrast(colours[theme], background) >= 4.5
    for chart in charts():
        config = finished_spec(chart)["config"]
        for part in ("axis", "legend", "header"):
            assert config[part]["labelColor"] == {"expr": by_theme(LABEL_COLOURS)}
            assert config[part]["titleColor"] == {"expr": by_theme(LABEL_COLOURS)}


def test_the_chart_itself_keeps_its_tables() -> None:
    chart = charts()[0]
    first = finished_spec(chart)
    assert finished_spec(chart) == first
    assert chart.data is YEARS


def test_arrow_leaves_the_index_out() -> None:
    table = pd.DataFrame({"x": [1.5, 2.5], "name": ["a", "b"]}, index=[7, 9])
    assert rows(arrow(table)) == [{"x": 1.5, "name": "a"}, {"x": 2.5, "name": "b"}]


@pytest.mark.parametrize(("n_rows", "drawn_as_pixels"), [(20, False), (400, True)])
def test_many_marks_are_drawn_as_pixels(n_rows: int, drawn_as_pixels: bool) -> None:
    table = pd.DataFrame({"year": range(n_rows), "ratings": 1})
    spec = finished_spec(bar_chart(table, "year", "ratings", ("year", "ratings")))
    assert ("usermeta" in spec) == drawn_as_pixels
