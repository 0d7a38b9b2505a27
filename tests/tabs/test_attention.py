"""Start Here with a model that has attention: each weight can be read, and sums stay exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from data_preparation import MovieData, load_movie_data
from model.attention import FEATURES
from model.checkpoints import save_checkpoint
from model.splits import random_80_10_10
from model.trained import TrainedModel
from model.viewers import user_viewer
from model_training import train
from settings import DEMO_DIR
from tabs.links import LEVELS
from tests.conftest import REPOSITORY
from tests.small_training import hybrid_config

APP = str(REPOSITORY / "app.py")
USER = 7


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture(scope="module")
def model(data: MovieData) -> TrainedModel:
    return train(data, random_80_10_10(data), hybrid_config(attention=True))


@pytest.fixture
def in_use(model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(tmp_path / "model.pth"))
    save_checkpoint(model, tmp_path / "model.pth")
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.mark.parametrize("level", LEVELS)
def test_start_here_shows_the_attention_to_the_films_of_a_reader(
    in_use: None, data: MovieData, model: TrainedModel, level: str
) -> None:
    app = AppTest.from_file(APP, default_timeout=60)
    query = {"tab": "Start Here", "chapter": "Recommendation", "level": level, "user": str(USER)}
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception
    said = "\n".join(str(each.value) for each in app.markdown)
    assert "**Attention.**" in said and all(what in said for what in FEATURES.values())
    shown = next(t.value for t in app.table if "× attention" in t.value)
    viewer = user_viewer(data, model, data.inner_user(USER))
    assert viewer.attention is not None
    told = {data.labels[m]: a for m, a in zip(viewer.movies, viewer.attention, strict=True)}
    for _, row in shown.iterrows():
        assert float(row["× attention"]) == pytest.approx(told[row["film"]], abs=6e-4)
        product = np.prod([float(row[name]) for name in ("weight", "× attention", "× alike")])
        assert float(row["= term"]) == pytest.approx(product, abs=2e-3)
