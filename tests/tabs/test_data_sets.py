"""Several data sets on one server: which one the page shows, and switching between them."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

from data_preparation import MovieData
from tabs import shared
from tests.conftest import REPOSITORY, assert_one_sentence, write_dataset, write_planted


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two data sets, on a server that does not train."""
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(tmp_path / "model.pth"))
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")
    folder = tmp_path / "place"
    write_planted(folder / "ml-planted")
    write_dataset(folder / "ml-toy")
    monkeypatch.setenv("MOVIELENS_DIR", str(folder))
    return folder


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    for name, value in {"tab": "Insights", "section": "Data at a glance", **query}.items():
        app.query_params[name] = value
    return app.run()


def shown(app: AppTest) -> tuple[str, str]:
    """What the page says of the data: the name, and the number of users."""
    assert not app.exception
    return app.caption[0].value.rsplit("Data: ", 1)[1], app.metric[0].value


def test_a_visitor_switches_between_the_data_sets(place: Path) -> None:
    app = opened()
    assert shown(app) == ("ml\\-planted.", "30")
    choice = app.selectbox(key="data")
    assert choice.options == ["ml-planted", "ml-toy"]
    choice.select("ml-toy").run()
    assert shown(app) == ("ml\\-toy.", "5")
    assert "ml-toy" in app.query_params["data"]
    assert shown(opened()) == ("ml\\-planted.", "30")  # of this visitor alone


def test_the_page_begins_with_the_data_that_the_environment_names(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVIELENS_DATASET", "ml-toy")
    app = opened()
    assert shown(app) == ("ml\\-toy.", "5")
    (lack,) = [warning.value for warning in app.warning if "no model" in warning.value]
    assert "`python model_training.py --dataset ml-toy`" in lack
    app.selectbox(key="data").select("ml-planted").run()
    assert shown(app) == ("ml\\-planted.", "30")
    monkeypatch.setenv("MOVIELENS_DATASET", "ml-25m")
    told = opened().error[0].value.replace("\\", "").replace("\u2060", "")  # as it is shown
    assert "python -m sources.download --dataset ml-25m fetches it." in told


def test_a_user_of_other_data_is_forgotten(place: Path) -> None:
    app = opened(tab="Start Here", chapter="Rows to graph", user="5")
    assert app.session_state["user"] == 5
    app.selectbox(key="data").select("ml-toy").run()
    assert not app.exception
    assert app.session_state["user"] in (3, 7, 20, 21, 105)


def test_a_link_names_the_data_set(place: Path) -> None:
    assert shown(opened(data="ml-toy")) == ("ml\\-toy.", "5")


def test_a_link_to_data_that_are_not_here_is_told(place: Path) -> None:
    app = opened(data="ml-32m")
    assert shown(app) == ("ml\\-planted.", "30")
    (warning,) = [w.value for w in app.warning if "32m" in w.value]
    assert_one_sentence(warning.replace("\\", ""))


def test_of_one_data_set_there_is_no_choice(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVIELENS_DIR", str(place / "ml-toy"))
    app = opened()
    assert shown(app) == ("ml\\-toy.", "5")
    assert not [box for box in app.selectbox if box.key == "data"]


# --- users of large data --------------------------------------------------------------------------


@pytest.fixture
def many(place: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page at user 5, as if 30 users were too many to list."""
    monkeypatch.setattr(shared, "_LISTED", 10)
    return opened(tab="Start Here", chapter="Rows to graph", follow="By number", user="5")


def box(app: AppTest) -> TextInput:
    return next(box for box in app.text_input if box.label == "User")


def test_among_many_a_user_is_found_by_number(many: AppTest) -> None:
    assert not [select for select in many.selectbox if select.label == "User"]
    assert box(many).value == "5"
    box(many).set_value(" User 8 ").run()
    assert many.session_state["user"] == 8 and "8" in many.query_params["user"]
    assert box(many).value == "8"
    assert any(caption.value.startswith("User 8 · ") for caption in many.caption)


@pytest.mark.parametrize("typed", ["6", "x", "٨", "-1", "", "9" * 30])
def test_a_number_that_nobody_has_is_told_and_moves_nobody(many: AppTest, typed: str) -> None:
    before = {warning.value for warning in many.warning}
    box(many).set_value(typed).run()
    assert not many.exception and many.session_state["user"] == 5
    (problem,) = {warning.value for warning in many.warning} - before
    assert_one_sentence(problem.replace("\\", ""))
    box(many).set_value("8").run()
    assert {warning.value for warning in many.warning} == before
    assert many.session_state["user"] == 8


def test_several_numbers_are_read_between_commas(
    planted_data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def page() -> None:
        import streamlit as st

        from tabs import shared

        st.session_state["picked"] = shared.pick_users(st.session_state["data"], "some", [5], 3)

    monkeypatch.setattr(shared, "_LISTED", 10)
    app = AppTest.from_function(page)
    app.session_state["data"] = planted_data
    app.run()
    assert app.session_state["picked"] == [5]
    app.text_input[0].set_value("8, 5, 6,, 8, 11, 14").run()
    assert app.session_state["picked"] == [8, 5, 11]
    assert len(app.warning) == 1 and "6" in app.warning[0].value
