"""The panel on the reasons, under AppTest: what it says is what was measured."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.faithfulness import (
    LOWEST,
    POPULAR,
    RANDOM,
    REASONS,
    Faithfulness,
    faithfulness,
)
from data_preparation import MovieData
from model.trained import TrainedModel
from tabs.insights.faithfulness import verdict


def page() -> None:
    import streamlit as st

    from tabs.insights import faithfulness

    faithfulness.render(st.session_state["data"], st.session_state["model"])


def panel(data: MovieData, model: TrainedModel) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["data"], app.session_state["model"] = data, model
    app.run()
    assert not app.exception, app.exception
    return app


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    st.cache_resource.clear()


@pytest.mark.parametrize("which", ["model", "hybrid"])
def test_the_panel_says_what_was_measured(
    which: str, planted_data: MovieData, request: pytest.FixtureRequest
) -> None:
    model: TrainedModel = request.getfixturevalue(which)
    app = panel(planted_data, model)
    table = faithfulness(planted_data, model)
    kept = table[table["removed"] == 3].groupby("choice")["kept"].mean()
    said = "\n".join(m.value for m in app.markdown)
    assert f"**{kept[REASONS]:.0%}** stay first" in said
    assert f"at random, **{kept[RANDOM]:.0%}**" in said
    for chart in app.get("vega_lite_chart"):
        layers = json.loads(chart.proto.spec)["layer"]
        assert chart.proto.alt and layers[0]["encoding"]["x"]["title"]


def test_where_nobody_has_enough_ratings_it_says_so(
    toy_data: MovieData, hybrid: TrainedModel
) -> None:
    app = panel(toy_data, hybrid)
    assert "ten ratings" in app.info[0].value and not app.get("vega_lite_chart")


@pytest.mark.parametrize(
    ("reasons", "says"),
    [(0.0, "matter more than"), (0.5, "no better than films at random"), (1.0, "matter **less**")],
)
def test_the_verdict_follows_the_numbers(reasons: float, says: str) -> None:
    rows = [
        (user, choice, removed, kept, 1.0)
        for user in range(40)
        for removed in (1, 3, 5)
        for choice, kept in (
            (REASONS, reasons),
            (RANDOM, 0.4 + 0.2 * (user % 2)),
            (POPULAR, 1.0),
            (LOWEST, 1.0),
        )
    ]
    table = pd.DataFrame(rows, columns=["user", "choice", "removed", "kept", "rank"])
    text = verdict(Faithfulness.of(table))
    assert says in text and f"**{reasons:.0%}** stay first" in text
