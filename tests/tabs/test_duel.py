"""The model duel under AppTest: the lists, the words about them, waiting, and the way there."""

from __future__ import annotations

import html
import re
import threading
import time

import pytest
from streamlit.testing.v1 import AppTest

from analysis.duel import NAMES, OURS, user_duel
from data_preparation import MovieData
from model import memory
from model.trained import TrainedModel
from serving import duels
from serving.duels import DuelBoard, duel_board
from tabs import duel as page_of_duel
from tabs.duel import agreement
from tabs.links import DUEL, WHO


@pytest.fixture(autouse=True)
def board(monkeypatch: pytest.MonkeyPatch) -> DuelBoard:
    monkeypatch.setattr(duels, "_board", DuelBoard())
    return duel_board()


def page() -> None:
    import streamlit as st

    from tabs import duel

    duel.duel_button()
    duel.render(st.session_state["data"], st.session_state["model"])


def open_duel(data: MovieData, model: TrainedModel | None, **state: object) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    for name, value in {"data": data, "model": model, **state}.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception, app.exception
    return app


def wait() -> None:
    for thread in threading.enumerate():
        if thread.name == "duel":
            thread.join(timeout=60)


def pieces(app: AppTest) -> tuple[str, str]:
    """The lists as HTML, and all other words."""
    (shown,) = [e.proto.body for e in app.get("html")]
    kinds = ("markdown", "caption", "info")
    return shown, "\n".join(str(e.value) for kind in kinds for e in app.get(kind))


def test_a_user_sees_four_lists_with_what_each_found(
    planted_data: MovieData, hybrid: TrainedModel, board: DuelBoard
) -> None:
    ready = board.prepare(planted_data, hybrid)
    wait()
    user = int(planted_data.user_ids[4])
    app = open_duel(planted_data, hybrid, user=user)
    shown, words = pieces(app)
    duel = user_duel(hybrid, ready.ours, ready.rivals, 4, 10)
    assert shown.count("<section") == len(NAMES) and shown.count("<li") == 40
    for listing in duel.listings:
        part = shown.split(f"<strong>{listing.name[:1].upper()}{listing.name[1:]}</strong>")[1]
        part = html.unescape(part.split("</section>")[0])
        titles = re.findall(r"<span>\d+\. (.*?)</span>", part)
        assert titles == [planted_data.labels[movie] for movie in listing.movies]
        assert part.count("✓ held out") == listing.found
        assert f"{listing.test['NDCG@20']:.4f}" in part
        assert part.count("only here") == sum(place.lists == 1 for place in listing.places)
    assert agreement(duel) in words and "Fitted on train only" in words
    assert f"user {user}" in words


def test_a_visitor_is_asked_for_ratings_and_then_compared_by_the_models_that_serve(
    planted_data: MovieData, hybrid: TrainedModel, board: DuelBoard
) -> None:
    board.prepare(planted_data, hybrid)
    wait()
    app = open_duel(planted_data, hybrid, who=WHO[1])
    assert not app.get("html") and "Rate a film" in app.info[0].value
    app.button[-1].click().run()
    assert app.session_state["tab"] == "Recommendations"
    mine = {f"my_stars_{planted_data.fingerprint}": {1: 4.5, 4: 4.0}}
    shown, words = pieces(open_duel(planted_data, hybrid, who=WHO[1], **mine))
    assert shown.count("<section") == 4 and "held out" not in shown
    assert "The models that serve" in words and "2 ratings" in words


def test_while_the_baselines_are_fitted_the_page_does_not_wait(
    planted_data: MovieData,
    hybrid: TrainedModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go, fit = threading.Event(), duels.fit_rivals

    def slow(*arguments: object) -> object:
        go.wait(60)
        return fit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(duels, "fit_rivals", slow)
    begun = time.monotonic()
    app = open_duel(planted_data, hybrid)
    assert time.monotonic() - begun < 30 and not app.get("html")
    assert "an estimate" in app.caption[0].value and len(app.get("progress")) == 1
    go.set()
    wait()
    app.run()
    assert len(app.get("html")) == 1


def test_what_takes_much_memory_is_not_begun_without_being_asked_for(
    planted_data: MovieData,
    hybrid: TrainedModel,
    board: DuelBoard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page_of_duel, "_ASK_FROM", 0)
    app = open_duel(planted_data, hybrid)
    assert board.find(planted_data, hybrid) is None and "memory" in app.info[0].value
    app.button[-1].click().run()
    wait()
    assert len(app.run().get("html")) == 1


def test_what_is_left_out_is_said(
    planted_data: MovieData, hybrid: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: 4 * 8 * planted_data.n_movies)
    open_duel(planted_data, hybrid)
    wait()
    shown, words = pieces(open_duel(planted_data, hybrid))
    assert shown.count("<section") == 2
    assert "EASE is left out" in words and "ItemKNN is left out" in words


def test_a_failure_is_said_and_can_be_tried_again(
    planted_data: MovieData, hybrid: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(duels, "fit_rivals", lambda *_: 1 / 0)
        open_duel(planted_data, hybrid)
        wait()
        app = open_duel(planted_data, hybrid)
    assert "could not be fitted" in app.warning[0].value
    app.button[-1].click().run()
    wait()
    assert len(app.run().get("html")) == 1


def test_without_a_model_it_says_what_it_waits_for(planted_data: MovieData) -> None:
    assert "need a trained model" in open_duel(planted_data, None).info[0].value


def test_the_button_leads_to_the_section(planted_data: MovieData) -> None:
    app = open_duel(planted_data, None)
    app.button("open_duel").click().run()
    assert app.session_state["tab"] == "Insights" and app.session_state["section"] == DUEL


def test_the_words_count_what_the_lists_share(
    planted_data: MovieData, hybrid: TrainedModel, board: DuelBoard
) -> None:
    ready = board.prepare(planted_data, hybrid)
    wait()
    duel = user_duel(hybrid, ready.ours, ready.rivals, 9, 10)
    lists = {listing.name: set(listing.movies) for listing in duel.listings}
    everywhere = set.intersection(*lists.values())
    others = set().union(*(films for name, films in lists.items() if name != OURS))
    said = agreement(duel)
    assert said.startswith(f"**{len(everywhere)} film")
    assert f"{len(lists[OURS] & lists['EASE'])} with EASE" in said
    assert f"has **{len(lists[OURS] - others)}** to itself" in said
