"""The playground under AppTest: settings and seed of a link, the person, who may train.

What the player does in the browser is in tests/journeys/test_playground.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from analysis.people import YOU, with_visitor
from analysis.replay import crowd
from data_preparation import load_movie_data
from serving import replays
from serving.replays import ReplayBoard, ReplayBusyError
from settings import DEMO_DIR
from tabs import watching
from tabs.train_model import playground

SMALL = {"play_dim": "8", "play_epochs": "10", "play_layers": "1"}


def page() -> None:
    from data_preparation import load_movie_data
    from settings import DEMO_DIR
    from tabs.train_model import playground

    playground.render(load_movie_data(DEMO_DIR))


@pytest.fixture(autouse=True)
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What the player was given, the last thing last; and a server that has no replay yet."""
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(watching, "show_in_browser", lambda _, data, key: given.append(data))
    monkeypatch.setattr(replays, "_board", ReplayBoard())
    monkeypatch.setattr(watching, "session_id", lambda: "visitor")
    yield given
    finish()


def finish() -> None:
    for thread in threading.enumerate():
        if thread.name == "replay":
            thread.join(timeout=60)
            assert not thread.is_alive()


def visit(**query: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return healthy(app.run())


def healthy(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    return app


def test_the_whole_training_is_there_and_another_person_needs_no_other(
    shown: list[dict[str, Any]],
) -> None:
    app = visit(**SMALL, user="7")
    finish()
    healthy(app.run())
    one = shown[-1]
    assert (one["total"], len(one["frames"]), one["running"]) == (11, 11, False)
    assert one["who"] == "User 7" and [len(frame["top"]) for frame in one["frames"]] == [10] * 11
    first, last = one["frames"][0], one["frames"][-1]
    assert last["values"][0][0] < first["values"][0][0]  # the loss on training
    app.selectbox(key="user").set_value(8).run()
    healthy(app)
    other = shown[-1]
    assert other["id"] == one["id"] and other["who"] == "User 8"
    assert other["frames"][-1]["top"] != last["top"]
    assert other["frames"][-1]["places"] == last["places"]
    assert len(replays.replay_board()._replays) == 1


def test_a_visitor_is_one_more_person_with_a_list_of_their_own(
    shown: list[dict[str, Any]],
) -> None:
    data = load_movie_data(DEMO_DIR)
    mine = {movie: 5.0 for movie in data.rated_by(3)[:8].tolist()}
    app = AppTest.from_function(page, default_timeout=60)
    app.session_state[f"my_stars_{data.fingerprint}"] = mine
    for name, value in SMALL.items():
        app.query_params[name] = value
    healthy(app.run()).toggle(key="play_me").set_value(True).run()
    you = shown_after(app, shown)
    assert you["who"] == YOU
    named = {film[0] for film in you["frames"][-1]["top"]}
    split = crowd(with_visitor(data, mine), data.n_users).split
    learned = split.train[[data.n_users]].indices
    assert len(learned) and not named & {data.labels[movie] for movie in learned}


def test_settings_and_seed_come_from_the_link(shown: list[dict[str, Any]]) -> None:
    app = visit(**SMALL, play_rate="0.03", play_seed="12")
    said = shown_after(app, shown)["id"]
    assert "dim=8" in said and "layers=1" in said and "learning_rate=0.03" in said
    assert "seed=12" in said and "epochs=10" in said
    app.number_input(key="play_seed").set_value(13).run()
    assert "seed=13" in shown_after(app, shown)["id"]


def shown_after(app: AppTest, shown: list[dict[str, Any]]) -> dict[str, Any]:
    finish()
    healthy(app.run())
    return shown[-1]


def test_a_server_that_does_not_train_plays_one_training_and_has_nothing_to_set(
    shown: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")
    monkeypatch.setitem(playground.PLAY_DEFAULTS, "epochs", 10)
    monkeypatch.setitem(playground.PLAY_DEFAULTS, "dim", 8)
    app = visit(play_seed="12")
    assert not [*app.select_slider, *app.number_input, *app.get("button_group")]
    assert "one training is played back" in " ".join(each.value for each in app.caption)
    assert "seed=0" in shown_after(app, shown)["id"]


def test_a_busy_server_says_so(
    shown: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise ReplayBusyError("Two others are being made.")

    monkeypatch.setattr(replays.replay_board(), "watch", busy)
    app = visit(**SMALL)
    assert "Two others are being made." in [each.value.replace("\\", "") for each in app.info]
    assert not shown


def test_of_much_data_it_says_how_many_people_it_learns_from(
    shown: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.replay._MOST_RATINGS", 3000)
    app = visit(**SMALL)
    assert "chosen at random" in " ".join(each.value for each in app.caption)
    assert shown_after(app, shown)["frames"]
