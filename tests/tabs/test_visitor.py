"""What a session and a browser tell each other of a visitor's films; the browser is a dict here.

The real one, and what `tabs/visitor.js` does in it, is in tests/journeys/test_visitor.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from data_preparation import MovieData, load_movie_data
from serving.visitor_book import Book, Entry, as_text, film_keys, merge, read_stored, store_name
from serving.visitor_link import encode
from settings import DEMO_DIR
from tabs import visitor
from tests.conftest import write_planted


def page() -> None:
    """Own ratings as the app shows them, and what keeps them."""
    import os
    from pathlib import Path

    from serving.state import server_state
    from tabs.recommendations.copies import show_arrivals
    from tabs.recommendations.my_ratings import edit_my_ratings
    from tabs.recommendations.shortlist import show_shortlist
    from tabs.visitor import keep_in_browser

    data = server_state().data(Path(os.environ["MOVIELENS_DIR"]))
    keep_in_browser(data)
    show_arrivals(data)
    edit_my_ratings(data)
    show_shortlist(data, None)


@dataclass
class Browser:
    """A browser with a storage; tells what it holds when a session asks for the first time."""

    storage: dict[str, str] = field(default_factory=dict)
    trouble: str = ""
    link: str = ""
    answers: bool = True
    told: Any = None
    _tokens: set[str] = field(default_factory=set)

    def __call__(self, script: str, data: dict[str, Any], **_: Any) -> SimpleNamespace:
        """The script, as the page runs it."""
        assert script == "visitor"
        if not self.answers:
            return SimpleNamespace(told=None)
        name, first = data["store"], data["token"] not in self._tokens
        self._tokens.add(data["token"])
        if not self.trouble:
            changes: Book = {
                kind: {film: Entry(*entry) for film, entry in films.items()}
                for kind, films in data["changes"].items()
            }
            merged = merge(read_stored(self.storage.get(name, "")).book, changes)
            if any(merged.values()):
                self.storage[name] = as_text(merged)
        news = {"token": data["token"], "text": self.storage.get(name, "")}
        news |= {"trouble": self.trouble, "link": self.link}
        self.link = ""
        told, self.told = self.told, None
        return SimpleNamespace(told=told or (news if first else None))

    def stored(self, data: MovieData, kind: str = "my_stars") -> dict[str, Any]:
        """Title → value of what is there."""
        titles = dict(zip(film_keys(data), data.labels, strict=True))
        table = read_stored(self.storage.get(store_name(data), "")).book.get(kind, {})
        return {titles[f]: entry.value for f, entry in table.items() if entry.value is not None}


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    browser = Browser()
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    monkeypatch.setattr(visitor, "run_in_browser", browser)
    return browser


def open_page() -> AppTest:
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    return app


def press(app: AppTest, key_or_label: str) -> AppTest:
    next(b for b in app.button if key_or_label in (b.key, b.label)).click().run()
    assert not app.exception
    return app


def rate(app: AppTest, data: MovieData, title: str) -> AppTest:
    """Click one of the films that are offered; 4.5 stars."""
    return press(app, f"my_film_{data.labels.index(title)}").run()


def mine(app: AppTest, data: MovieData, kind: str = "my_stars") -> dict[str, Any]:
    values = app.session_state[f"{kind}_{data.fingerprint}"]
    return {data.labels[movie]: value for movie, value in values.items()}


def texts(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.warning, *app.error]
    return "\n".join(element.value for element in shown).replace("\\", "")


MATRIX, ALIEN, INCEPTION = "The Matrix (1999)", "Interstellar (2014)", "Inception (2010)"


def test_without_a_browser_the_page_works(monkeypatch: pytest.MonkeyPatch, data: MovieData) -> None:
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    app = rate(open_page(), data, MATRIX)
    assert mine(app, data) == {MATRIX: 4.5}
    assert not app.warning


def test_ratings_outlive_the_session(browser: Browser, data: MovieData) -> None:
    rate(rate(open_page(), data, MATRIX), data, ALIEN)
    assert browser.stored(data) == {MATRIX: 4.5, ALIEN: 4.5}
    app = open_page()
    assert mine(app, data) == {MATRIX: 4.5, ALIEN: 4.5}
    press(app, "Remove all my ratings")
    app.run()
    assert browser.stored(data) == {} and mine(open_page(), data) == {}
    press(app, "undo_removal").run()
    assert mine(open_page(), data) == {MATRIX: 4.5, ALIEN: 4.5}


def test_removed_ratings_come_back_after_reruns_and_keep_what_was_rated_since(
    browser: Browser, data: MovieData
) -> None:
    app = rate(open_page(), data, MATRIX)
    assert mine(app, data, "rated_on") == {MATRIX: date.today().isoformat()}
    app.session_state[f"rated_on_{data.fingerprint}"][data.labels.index(MATRIX)] = "2024-01-31"
    press(app, "Remove all my ratings").run()
    rate(app, data, ALIEN).run()
    press(app, "undo_removal").run()
    assert mine(app, data) == {MATRIX: 4.5, ALIEN: 4.5}
    dates = {MATRIX: "2024-01-31", ALIEN: date.today().isoformat()}
    assert mine(app, data, "rated_on") == dates == browser.stored(data, "rated_on")


def test_a_rating_given_before_the_browser_answers_is_kept(
    browser: Browser, data: MovieData
) -> None:
    rate(rate(open_page(), data, MATRIX), data, ALIEN)
    browser.answers = False
    app = rate(open_page(), data, INCEPTION)
    app.select_slider(key="stars_to_give").set_value(2.0).run()
    rate(app, data, MATRIX)
    assert mine(app, data) == {INCEPTION: 4.5, MATRIX: 2.0}
    browser.answers = True
    app.run()
    everything = {MATRIX: 2.0, ALIEN: 4.5, INCEPTION: 4.5}
    assert mine(app, data) == everything
    assert browser.stored(data) == everything


def test_two_tabs_of_a_browser_add_to_each_other(browser: Browser, data: MovieData) -> None:
    one, two = open_page(), open_page()
    rate(one, data, MATRIX)
    rate(two, data, ALIEN)
    assert browser.stored(data) == {MATRIX: 4.5, ALIEN: 4.5}
    rate(one, data, MATRIX)  # which takes it back
    assert browser.stored(data) == {ALIEN: 4.5}
    rate(two, data, INCEPTION)
    assert browser.stored(data) == {ALIEN: 4.5, INCEPTION: 4.5}


def test_what_another_tab_changed_comes_in(browser: Browser, data: MovieData) -> None:
    one, two = open_page(), open_page()
    rate(one, data, MATRIX)
    token = two.session_state[f"visitor_{data.fingerprint}"].token
    browser.told = {"token": token, "text": browser.storage[store_name(data)], "trouble": ""}
    assert mine(two.run(), data) == {MATRIX: 4.5}
    rate(one, data, MATRIX)
    browser.told = {"token": token, "text": browser.storage[store_name(data)], "trouble": ""}
    assert mine(two.run(), data) == {}


def test_lists_and_dates_are_kept_oldest_first(browser: Browser, data: MovieData) -> None:
    app = open_page()
    for kind in ("shortlist", "not_interested"):
        for movie in (70, 5, 31):
            app.session_state[f"{kind}_{data.fingerprint}"][movie] = "2024-01-31"
            app.run()
    again = open_page()
    for kind in ("shortlist", "not_interested"):
        assert list(again.session_state[f"{kind}_{data.fingerprint}"]) == [70, 5, 31]
    for movie in (70, 5, 31):
        press(again, f"take_off_{movie}").run()
    assert browser.stored(data, "shortlist") == {}
    assert len(browser.stored(data, "not_interested")) == 3


def test_other_data_show_nothing_of_it_and_it_comes_back(
    browser: Browser, data: MovieData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = rate(open_page(), data, MATRIX)
    folder = write_planted(tmp_path / "planted")
    other = load_movie_data(folder)
    monkeypatch.setenv("MOVIELENS_DIR", str(folder))
    app.run()
    assert mine(app, other) == {} == browser.stored(other)
    rate(app, other, other.labels[int(other.movie_degree.argmax())])
    assert len(browser.stored(other)) == 1
    assert browser.stored(data) == {MATRIX: 4.5}
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    assert mine(app.run(), data) == {MATRIX: 4.5} == mine(open_page(), data)


def test_a_film_that_left_the_catalogue_stays_in_the_storage(
    browser: Browser, data: MovieData
) -> None:
    gone = {"my_stars": {"999999.0000": Entry(4.0, 1)}}
    browser.storage[store_name(data)] = as_text(gone)
    app = rate(open_page(), data, MATRIX)
    assert mine(app, data) == {MATRIX: 4.5}
    assert "1 film kept here is not in this catalogue and stays kept." in texts(app)
    assert "999999.0000" in browser.storage[store_name(data)]


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ("blocked", "keeps nothing for this page"),
        ("full", "storage is full"),
        ("aside", "it was set aside"),
    ],
)
def test_trouble_is_said_once_and_the_page_goes_on(
    browser: Browser, data: MovieData, trouble: str, sentence: str
) -> None:
    browser.trouble = trouble
    app = rate(open_page(), data, MATRIX)
    assert mine(app, data) == {MATRIX: 4.5}
    assert [sentence in warning.value for warning in app.warning] == [True]


@pytest.mark.parametrize(
    "told",
    [
        {},
        [],
        "text",
        {"text": None},
        {"text": 7, "trouble": 7, "link": 7},
        {"text": "{}", "trouble": {}, "link": []},
        {"text": "[" * 100_000},
        {"text": json.dumps({"version": 1, "my_stars": {"1.0000": [9, 9]}}), "trouble": "nonsense"},
    ],
)
def test_nothing_that_a_browser_tells_breaks_the_page(
    browser: Browser, data: MovieData, told: Any
) -> None:
    app = rate(open_page(), data, MATRIX)
    token = app.session_state[f"visitor_{data.fingerprint}"].token
    browser.told = told | {"token": token} if isinstance(told, dict) else told
    app.run()
    assert not app.exception
    assert mine(app, data) == {MATRIX: 4.5}


def test_entries_that_cannot_be_read_are_counted(browser: Browser, data: MovieData) -> None:
    table = {"1.0000": ["five", 1], "no film": [5, 1]}
    browser.storage[store_name(data)] = json.dumps({"version": 1, "my_stars": table})
    (warning,) = open_page().warning
    assert warning.value.startswith("2 stored values of this browser cannot be read")


def test_a_link_asks_before_it_adds(browser: Browser, data: MovieData) -> None:
    rate(open_page(), data, MATRIX)
    of = data.labels.index
    browser.link = encode(data, {of(MATRIX): 2.0, of(ALIEN): 3.0}, [of(INCEPTION)], [])
    app = open_page()
    assert "This link holds 2 ratings, 1 film to watch." in texts(app)
    assert "You rated 1 film of them otherwise" in texts(app)
    assert mine(app, data) == {MATRIX: 4.5}
    press(app, "take_link").run()
    assert mine(app, data) == {MATRIX: 4.5, ALIEN: 3.0}
    assert list(mine(app, data, "shortlist")) == [INCEPTION]
    assert "This link" not in texts(app)
    assert browser.stored(data) == {MATRIX: 4.5, ALIEN: 3.0}


@pytest.mark.parametrize(
    ("answer", "stars"),
    [
        ("take_link_stars", {MATRIX: 2.0}),
        ("take_link", {MATRIX: 4.5}),
        ("decline_link", {MATRIX: 4.5}),
    ],
)
def test_a_link_changes_ratings_only_if_told_to(
    browser: Browser, data: MovieData, answer: str, stars: dict[str, float]
) -> None:
    rate(open_page(), data, MATRIX)
    browser.link = encode(data, {data.labels.index(MATRIX): 2.0}, [], [])
    assert mine(press(open_page(), answer).run(), data) == stars


def test_a_damaged_link_is_one_sentence(browser: Browser, data: MovieData) -> None:
    browser.link = "nonsense"
    app = open_page()
    assert [w.value for w in app.warning] == [
        "The films of this link are damaged or cut short; copy the whole link\\."
    ]
    assert not press(app, "decline_link").warning


def test_it_says_where_ratings_are_kept_and_offers_copies(
    browser: Browser, data: MovieData
) -> None:
    app = open_page()
    assert "Kept in this browser, without an account" in texts(app)
    rate(app, data, MATRIX)
    code = encode(data, {data.labels.index(MATRIX): 4.5}, [], [])
    assert app.code[0].value.endswith(f"/?tab=Recommendations&who=Me#films={code}")
    assert "Whoever has the link can read your films" in texts(app)
    assert "Download my films (CSV)" in [d.label for d in app.get("download_button")]
    for kind, value in (("my_stars", 3.0), ("shortlist", "2024-01-31")):
        every = dict.fromkeys(range(data.n_movies), value)
        app.session_state[f"{kind}_{data.fingerprint}"].update(every)
    app.run()
    assert "too many films for one" in texts(app)
    assert not [c for c in app.code if "#films=" in c.value]
