"""Every tab under AppTest, on the demo data: what a visitor sees, and what bad input shows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import data_download
from data_download import DEMO_DIR
from data_preparation import MovieData, load_movie_data
from evaluation import temporal_leave_one_out
from model_training import TrainedModel, TrainingConfig, load_checkpoint, save_checkpoint, train
from prediction import recommend, score_all, user_viewer

APP = str(Path(__file__).resolve().parent.parent / "app.py")
QUICK = TrainingConfig(dim=16, layers=2, epochs=2)

Open = Callable[[str], AppTest]


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture(scope="module")
def model(data: MovieData) -> TrainedModel:
    return train(data, temporal_leave_one_out(data), QUICK)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty place for checkpoints, demo data, and no state left from another test's server."""
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(tmp_path / "lightgcn_checkpoint.pth"))
    st.cache_resource.clear()
    yield tmp_path / "lightgcn_checkpoint.pth"
    for thread in threading.enumerate():
        if thread.name == "training":
            thread.join(timeout=60)


@pytest.fixture
def open_tab(checkpoint: Path, model: TrainedModel) -> Open:
    """Open the app at a tab, with a trained model in place."""
    save_checkpoint(model, checkpoint)
    return open_app


def open_app(tab: str, **query: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60)
    for name, value in {"tab": tab, **query}.items():
        app.query_params[name] = value
    return app.run()


def texts(app: AppTest) -> str:
    """Everything written on the page."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join(str(e.value) for kind in (*kinds, "success") for e in app.get(kind))


def healthy(app: AppTest) -> None:
    assert not app.exception, app.exception
    assert not app.error, [e.value for e in app.error]


def test_start_here_shows_the_graph_of_the_worked_user(open_tab: Open, data: MovieData) -> None:
    app = open_tab("Start Here")
    healthy(app)
    numbers = {metric.label: metric.value for metric in app.metric}
    assert numbers["Users"] == f"{data.n_users:,}"
    assert numbers["Ratings"] == f"{data.n_ratings:,}"
    user = data.inner_user(app.selectbox(key="user").value)
    weights = app.dataframe[1].value
    degree = data.user_degree[user]
    expected = 1 / np.sqrt(degree * weights["film's ratings d_i"].to_numpy(float))
    np.testing.assert_allclose(weights["weight"], expected)
    assert len(weights) == degree


def test_start_here_final_embedding_is_the_sum_of_the_rows_above_it(open_tab: Open) -> None:
    app = open_tab("Start Here")
    own, messages, final = app.dataframe[2].value.to_numpy(float)
    np.testing.assert_allclose(own + messages, final, atol=1e-5)


def test_recommendations_are_those_that_prediction_computes(
    open_tab: Open, data: MovieData, model: TrainedModel
) -> None:
    app = open_tab("Recommendations")
    healthy(app)
    user = data.inner_user(app.selectbox(key="user").value)
    expected = recommend(model, score_all(data, model, user_viewer(data, model, user)), 10)
    table = app.dataframe[0].value
    np.testing.assert_allclose(table["final score"], [r.score for r in expected], rtol=1e-5)
    np.testing.assert_allclose(
        table["graph part"] + table["tag part"], table["final score"], rtol=1e-5
    )
    rated = set(app.dataframe[1].value["film"])
    assert not rated & set(table["film"])


def test_choosing_another_user_and_k_changes_the_list(open_tab: Open, data: MovieData) -> None:
    app = open_tab("Recommendations")
    before = list(app.dataframe[0].value["film"])
    app.selectbox(key="user").set_value(int(data.user_ids[0]))
    app.slider(key="k").set_value(3)
    app.run()
    healthy(app)
    after = list(app.dataframe[0].value["film"])
    assert len(after) == 3
    assert after != before[:3]


def test_tag_weight_1_ranks_by_tag_similarity_alone(open_tab: Open) -> None:
    app = open_tab("Recommendations")
    app.slider(key="tag_weight").set_value(1.0).run()
    table = app.dataframe[0].value
    assert (table["graph part"] == 0).all()
    assert table["tag similarity"].is_monotonic_decreasing


def test_insights_shows_map_neighbours_and_tags(open_tab: Open, data: MovieData) -> None:
    app = open_tab("Insights")
    healthy(app)
    assert "Map of the films" in texts(app)
    neighbours = app.dataframe[0].value
    assert neighbours["cosine"].is_monotonic_decreasing
    assert f"**{len(data.tag_names):,}** distinct tags" in texts(app)


def test_training_from_the_tab_saves_a_checkpoint_that_the_app_uses(
    open_tab: Open, checkpoint: Path, data: MovieData
) -> None:
    app = open_tab("Train Model")
    healthy(app)
    app.select_slider(key="dim_best").set_value(8)
    app.slider(key="epochs_best").set_value(2)
    app.button(key="train").click().run()
    healthy(app)
    wait_for_training()
    app.run()
    healthy(app)
    assert load_checkpoint(data, checkpoint).config.dim == 8
    assert "embedding size 8" in texts(app)
    metrics = app.dataframe[0].value
    assert list(metrics.columns) == ["LightGCN", "popularity"]


def test_the_first_visit_trains_a_model_by_itself(checkpoint: Path) -> None:
    app = open_app("Recommendations")
    healthy(app)
    assert "need a trained model" in texts(app)
    wait_for_training()
    app.run()
    healthy(app)
    assert checkpoint.exists()
    assert len(app.dataframe[0].value) == 10


def test_demo_data_are_announced_with_an_offer_to_download(open_tab: Open) -> None:
    app = open_tab("Start Here")
    assert "Demo data" in app.warning[0].value
    assert app.button[0].label.startswith("Download MovieLens")


def test_a_failed_download_says_why_and_keeps_the_demo_running(
    open_tab: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_download, "MOVIELENS_URL", "http://127.0.0.1:9/nothing-listens")
    app = open_tab("Start Here")
    app.button[0].click().run()
    assert not app.exception
    assert "GroupLens cannot be reached" in app.error[0].value
    assert app.metric


def test_a_damaged_checkpoint_is_announced_and_replaced_by_a_new_training(
    checkpoint: Path,
) -> None:
    checkpoint.write_bytes(b"not a checkpoint")
    app = open_app("Start Here")
    healthy(app)
    assert "damaged or not a LightGCN checkpoint" in texts(app)
    wait_for_training()
    kept = checkpoint.with_name("lightgcn_checkpoint.previous.pth")
    assert kept.read_bytes() == b"not a checkpoint"


def test_the_link_chooses_user_and_k(open_tab: Open, data: MovieData) -> None:
    open_tab("Recommendations")
    app = open_app("Recommendations", user="7", k="3")
    healthy(app)
    assert app.selectbox(key="user").value == 7
    assert len(app.dataframe[0].value) == 3


@pytest.mark.parametrize(
    "query",
    [{"user": "999999"}, {"user": "abc"}, {"user": "9" * 40}, {"k": "-3"}, {"k": "x"}],
)
def test_invalid_link_parameters_fall_back_to_the_default(
    open_tab: Open, query: dict[str, str]
) -> None:
    plain = open_tab("Recommendations")
    app = open_app("Recommendations", **query)
    healthy(app)
    assert list(app.dataframe[0].value["film"]) == list(plain.dataframe[0].value["film"])


def test_unusable_data_give_one_sentence_and_no_traceback(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,A Film (2000),Drama\n")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,nine,0\n")
    monkeypatch.setenv("MOVIELENS_DIR", str(tmp_path))
    app = open_app("Start Here")
    assert not app.exception
    assert [e.value for e in app.error] == [
        "ratings.csv, line 2: 'nine' in the column rating is not a number; "
        "correct the line or restore the original file."
    ]


def wait_for_training() -> None:
    for thread in threading.enumerate():
        if thread.name == "training":
            thread.join(timeout=120)
            assert not thread.is_alive(), "the training did not end"
