"""Taste over time in the app: every sentence held to the numbers, and the list of a past day."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.as_of import list_before
from analysis.taste import taste_over_time
from data_preparation import MovieData, load_movie_data
from model.as_of import end_of
from model.checkpoints import save_checkpoint
from model.splits import random_80_10_10
from model.trained import TrainedModel
from model.viewers import fold_in, user_viewer
from model_training import train
from serving import refits, state
from settings import DEMO_DIR
from tabs.links import TASTE
from tests.small_training import hybrid_config
from tests.test_app import healthy, open_app, texts

Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture(scope="module")
def model(data: MovieData) -> TrainedModel:
    return train(data, random_80_10_10(data), hybrid_config())


@pytest.fixture
def visit(model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(tmp_path / "model.pth"))
    st.cache_resource.clear()
    monkeypatch.setattr(state, "_server", state.ServerState())
    monkeypatch.setattr(refits, "_board", refits.RefitBoard())
    save_checkpoint(model, tmp_path / "model.pth")
    return lambda **query: open_app("Insights", section=TASTE, **query)


def test_a_users_taste_is_told_in_its_numbers_and_a_past_list_knows_nothing_later(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    app = visit(user="7")
    healthy(app)
    user = data.inner_user(7)
    viewer, when = user_viewer(data, model, user), data.times_of(user)
    periods = taste_over_time(data, viewer, when)
    most = max(periods[1:], key=lambda period: period.moved)
    assert f"**{len(when)} ratings** in {len(periods)} periods" in texts(app)
    assert f"turned most during **{most.name}**, by {most.moved:.0f}°" in texts(app)
    mover = data.movies["name"].iloc[int(viewer.movies[most.places[most.pulls.argmax()]])]
    told = re.search(r"most of all through \*(.+?)\\?[*(]", texts(app))
    assert told and told[1].split()[0].strip("\\") == mover.split()[0]
    change = periods[-1].genres - periods[0].genres
    genre = int(change.argmax())
    first, last = periods[0].genres[genre], periods[-1].genres[genre]
    name = data.genre_names[genre].replace("-", "\\-")
    assert f"{name} rose from {first:.0%} to {last:.0%}" in texts(app)
    (table,) = [frame.value for frame in app.dataframe if "turned by" in frame.value]
    assert table["films"].sum() == len(when)

    (button,) = [b for b in app.button if b.label == "Show the list of that day"]
    (asked,) = app.date_input
    day: date = asked.value
    button.click()
    app.run()
    expected = list_before(data, model, end_of(day), "like", 10, user)
    for _ in range(100):
        if any("rated later" in frame.value for frame in app.dataframe):
            break
        app.run()
    healthy(app)
    (table,) = [frame.value for frame in app.dataframe if "rated later" in frame.value]
    assert table["film"].tolist() == [data.labels[film.movie] for film in expected.films]
    assert table["why"].tolist() == [film.why for film in expected.films]
    assert expected.known == (when < end_of(day)).sum()
    assert f"had rated **{expected.known}** film" in texts(app)
    later = set(viewer.movies[when >= end_of(day)].tolist())
    hits = sum(film.movie in later for film in expected.films)
    assert f"**{hits}** {'was' if hits == 1 else 'were'} rated later" in texts(app)


def test_a_visitor_needs_dates(visit: Open, data: MovieData, model: TrainedModel) -> None:
    app = visit(who="Me")
    healthy(app)
    assert "You have rated no film" in texts(app)
    best = np.sort(np.argsort(-data.movie_degree)[:6]).tolist()
    app.session_state[f"my_stars_{data.fingerprint}"] = dict.fromkeys(best, 4.0)
    app.run()
    assert "None of your 6 ratings has a date" in texts(app)
    days = {movie: f"20{10 + place}-03-04" for place, movie in enumerate(best[:5])}
    app.session_state[f"rated_on_{data.fingerprint}"] = days
    app.run()
    healthy(app)
    assert "**5 ratings** in 5 periods, from 4 March 2010 to 4 March 2014" in texts(app)
    assert "1 rating without a date stays out of it." in texts(app)
    viewer = fold_in(data, model, dict.fromkeys(best[:5], 4.0))
    when = [datetime.fromisoformat(days[m]).replace(tzinfo=UTC).timestamp() for m in best[:5]]
    most = max(taste_over_time(data, viewer, np.array(when))[1:], key=lambda each: each.moved)
    assert f"turned most during **{most.name}**, by {most.moved:.0f}°" in texts(app)
