"""The chapter on attention: each weight can be read, and the sums beside it are exact."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.attended import GAINS, LEARNED, measured_attention, steps, with_attention
from benchmarks.report import RESULTS_JSON, load_results
from data_preparation import MovieData, load_movie_data
from model.attention import FEATURES, Attention
from model.checkpoints import save_checkpoint
from model.explanation import explain
from model.splits import random_80_10_10
from model.trained import TrainedModel
from model.viewers import user_viewer
from model_training import train
from prediction import recommend, score_all
from settings import DEMO_DIR
from tabs.links import LEVELS
from tests.conftest import REPOSITORY
from tests.small_training import config, hybrid_config

APP = str(REPOSITORY / "app.py")
USER = 7
Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture(scope="module", params=[True, False], ids=["learned", "without"])
def model(data: MovieData, request: pytest.FixtureRequest) -> TrainedModel:
    return train(data, random_80_10_10(data), hybrid_config(attention=request.param))


@pytest.fixture
def attention(data: MovieData, model: TrainedModel) -> Attention:
    """What the chapter is about."""
    return model.attention or measured_attention(data, model)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(tmp_path / "model.pth"))
    st.cache_resource.clear()
    st.cache_data.clear()
    return tmp_path


@pytest.fixture
def open_chapter(folder: Path, model: TrainedModel) -> Open:
    save_checkpoint(model, folder / "model.pth")
    return opened


def opened(chapter: str = "Attention", **query: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60)
    asked = {"tab": "Start Here", "chapter": chapter, "user": str(USER)} | query
    for name, value in asked.items():
        app.query_params[name] = value
    return healthy(app.run())


def healthy(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    assert not app.error, [each.value for each in app.error]
    return app


def texts(app: AppTest) -> str:
    kinds = ("subheader", "markdown", "caption", "info")
    return "\n".join(str(each.value) for kind in kinds for each in app.get(kind))


def table(app: AppTest, column: str) -> pd.DataFrame:
    return next(each.value for each in app.table if column in each.value.columns)


@pytest.mark.parametrize("level", LEVELS)
def test_every_number_of_the_chapter_is_that_of_the_model(
    open_chapter: Open, data: MovieData, model: TrainedModel, attention: Attention, level: str
) -> None:
    app = open_chapter(level=level)
    plain, attended = with_attention(model, None), with_attention(model, attention)
    user = data.inner_user(USER)
    viewers = [user_viewer(data, each, user) for each in (plain, attended)]
    before, after = (
        [item.movie for item in recommend(each, score_all(data, each, viewer), 10)]
        for each, viewer in zip((plain, attended), viewers, strict=True)
    )
    viewer = viewers[1]
    assert viewer.attention is not None
    told = {data.labels[m]: a for m, a in zip(viewer.movies, viewer.attention, strict=True)}
    features = table(app, "weight ×")
    assert features["what is looked at"].tolist() == list(FEATURES.values())
    sizes = [step.size for step in steps(len(viewer.movies)).values()]
    np.testing.assert_allclose(
        features["weight ×"].astype(float), np.exp(attention.theta * sizes), atol=6e-4
    )
    ends = table(app, "alike")
    given = ends["× attention"].astype(float)
    assert given.tolist() == pytest.approx([told[film] for film in ends["film"]], abs=6e-4)
    assert given.max() == pytest.approx(max(told.values()), abs=6e-4)
    assert given.min() == pytest.approx(min(told.values()), abs=6e-4)
    assert f"add up to {len(told):,}.00" in texts(app)
    lists = table(app, "with attention")
    assert lists["without"].tolist() == [data.labels[movie] for movie in before]
    assert lists["with attention"].tolist() == [data.labels[movie] for movie in after]
    assert f"With attention, **{len(set(after) - set(before))} film" in texts(app)
    reasons = [
        explain(data, each, who, after[0])
        for each, who in zip((plain, attended), viewers, strict=True)
    ]
    assert f"graph score {reasons[1].graph_score:.4f} with attention" in texts(app)
    assert f"to {reasons[0].graph_score:.4f} without" in texts(app)
    terms = {
        data.labels[movie]: (own, other)
        for movie, own, other in zip(
            viewer.movies, reasons[1].contributions, reasons[0].contributions, strict=True
        )
    }
    for row in table(app, "× alike").to_dict("records"):
        product = np.prod([float(row[name]) for name in ("weight", "× attention", "× alike")])
        assert float(row["= term"]) == pytest.approx(product, abs=2e-3)
        numbers = (float(row["= term"]), float(row["without"]))
        assert numbers == pytest.approx(terms[row["film"]], abs=6e-5)
    learned = "learned it" in texts(app) or "own $" in texts(app)
    assert learned == (model.attention is not None)
    assert ("The model in use. Attention" in texts(app)) == (model.attention is not None)


def test_one_feature_can_be_turned_and_everything_follows(
    open_chapter: Open, data: MovieData, model: TrainedModel, attention: Attention
) -> None:
    app = open_chapter()
    app.select_slider(key="attention_stars").set_value("× 4").run()
    healthy(app)
    theta = attention.theta.copy()
    theta[0] = np.log(4)
    turned = with_attention(model, Attention(theta, attention.popularity, attention.tagged))
    viewer = user_viewer(data, turned, data.inner_user(USER))
    assert viewer.attention is not None
    shown = table(app, "alike")["× attention"].astype(float)
    assert shown.max() == pytest.approx(viewer.attention.max(), abs=6e-4)
    best = recommend(turned, score_all(data, turned, viewer), 10)
    names = table(app, "with attention")["with attention"].tolist()
    assert names == [data.labels[item.movie] for item in best]
    app.selectbox(key="attention_feature").set_value("tagged").run()
    assert healthy(app).select_slider(key="attention_tagged").value == "as learned"


def test_what_is_said_to_be_measured_is_what_was_measured(
    open_chapter: Open, data: MovieData
) -> None:
    values = load_results(RESULTS_JSON)["attention"]["values"]
    assert list(LEARNED) == list(FEATURES) == values["features"]
    np.testing.assert_allclose(list(LEARNED.values()), values["theta"], atol=6e-4)
    (row,) = (row for row in values["rows"] if row["name"] == "with, like")
    said = texts(open_chapter())
    for name, numbers in GAINS.items():
        found = row["difference"][name]
        assert numbers == pytest.approx((found["mean"], *found["interval"]), abs=6e-5)
        assert f"{name} {numbers[0]:+.4f} ({numbers[1]:+.4f} to {numbers[2]:+.4f}" in said
        proved = numbers[1] > 0 or numbers[2] < 0
        verdict = re.search(rf"(?<!liked ){name} \S+ \([^:]*: ([^)]*)\)", said)
        assert verdict and ("nothing is proved" in verdict[1]) != proved


def test_recommendation_names_the_attention_in_each_term(
    open_chapter: Open, data: MovieData, model: TrainedModel
) -> None:
    app = open_chapter("Recommendation")
    columns = table(app, "× alike").columns
    assert ("× attention" in columns) == (model.attention is not None)
    viewer = user_viewer(data, model, data.inner_user(USER))
    for row in table(app, "× alike").to_dict("records"):
        product = float(row["weight"]) * float(row["× alike"])
        if viewer.attention is not None:
            film = data.labels.index(row["film"])
            own = viewer.attention[viewer.movies.tolist().index(film)]
            assert float(row["× attention"]) == pytest.approx(own, abs=6e-4)
            product *= float(row["× attention"])
        assert float(row["= term"]) == pytest.approx(product, abs=2e-3)


def test_the_papers_model_has_no_place_for_it(folder: Path, data: MovieData) -> None:
    paper = train(data, random_80_10_10(data), config(epochs=1))
    save_checkpoint(paper, folder / "model.pth")
    assert "there is nothing to learn about them" in texts(opened())
