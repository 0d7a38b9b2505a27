"""A visitor's own films in a real browser: over reloads, restarts, two tabs, links and damage."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from data_preparation import load_movie_data
from serving.visitor_book import (
    KINDS,
    MAX_CHARS,
    Entry,
    film_keys,
    merge,
    read_stored,
    store_name,
)
from settings import DEMO_DIR
from tests.browser import TIMEOUT, TRAINING_TIMEOUT, running_app, settle
from tests.conftest import REPOSITORY, write_planted
from tests.journeys.conftest import Visit
from tests.server import Server

pytestmark = pytest.mark.browser

ME = "tab=Recommendations&who=Me"
DEMO = load_movie_data(DEMO_DIR)
STORE = store_name(DEMO)
SCRIPT = (REPOSITORY / "tabs" / "visitor.js").read_text(encoding="utf-8")
INTERSTELLAR, MATRIX = "Interstellar (2014)", "The Matrix (1999)"


def rate(page: Page, title: str) -> None:
    """Click a film that is offered."""
    offered = page.locator(".st-key-films_found_my_film")
    if not offered.is_visible():  # out of the way once there are ratings
        page.get_by_text("My ratings: rate films, upload, change").click()
        settle(page)
    offered.get_by_role("button", name=re.compile(rf"^(✓ )?{re.escape(title)}$")).click()


def rated(page: Page, number: int) -> Locator:
    """The line that tells how many ratings the list is made from."""
    return page.get_by_text(f"{number} rated film{'s' * (number != 1)} behind this list")


def stored(page: Page, kind: str = "my_stars") -> dict[str, object]:
    """Title → value of what the browser keeps."""
    titles = dict(zip(film_keys(DEMO), DEMO.labels, strict=True))
    text = page.evaluate("name => localStorage.getItem(name)", STORE)
    table = json.loads(text or "{}").get(kind, {})
    return {titles[film]: value for film, (value, _) in table.items() if value is not None}


def reload(page: Page) -> None:
    page.reload()
    settle(page)


def test_ratings_outlive_reloads_restarts_and_a_stay_on_other_data(
    app: Server, chromium: Browser, tmp_path: Path, thorough: bool
) -> None:
    port = None
    context = chromium.new_context()
    context.set_default_timeout(TIMEOUT)
    page = context.new_page()
    demo, other = tmp_path / "demo", tmp_path / "other"
    demo.mkdir()
    other.mkdir()
    shutil.copy(app.log.with_name("model.pth"), demo)
    with running_app(DEMO_DIR, demo) as server:
        port = urlsplit(server.url).port
        address = f"{server.url}/?{ME}"
        page.goto(address)
        settle(page)
        rate(page, INTERSTELLAR)
        rated(page, 1).wait_for()
        settle(page)
        reload(page)
        expect(rated(page, 1)).to_be_visible()
        rate(page, MATRIX)
        rated(page, 2).wait_for()
        settle(page)
        assert stored(page) == {INTERSTELLAR: 4.5, MATRIX: 4.5}
    if thorough:  # it trains a model of its own
        with running_app(write_planted(tmp_path / "planted"), other, port):
            page.goto(address)
            expect(page.get_by_text("Rate a film or two")).to_be_visible(timeout=TRAINING_TIMEOUT)
            settle(page)
            expect(page.get_by_text("behind this list")).to_have_count(0)
    with running_app(DEMO_DIR, demo, port) as server:
        page.goto(address)
        expect(rated(page, 2)).to_be_visible()
        settle(page)
        assert "Traceback" not in server.log.read_text(encoding="utf-8")
    context.close()


@pytest.mark.thorough
def test_two_tabs_of_a_browser_do_not_overwrite_each_other(app: Server, visiting: Visit) -> None:
    with visiting(app, ME) as one:
        two = one.context.new_page()
        two.goto(one.url)
        settle(two)
        rate(one, INTERSTELLAR)
        expect(rated(two, 1)).to_be_visible()  # without a reload
        settle(two)
        rate(two, MATRIX)
        expect(rated(one, 2)).to_be_visible()
        settle(one)
        rate(one, INTERSTELLAR)  # which takes it back
        expect(rated(two, 1)).to_be_visible()
        settle(two)
        assert stored(one) == stored(two) == {MATRIX: 4.5}
        reload(one)
        expect(rated(one, 1)).to_be_visible()


BLOCKED = """Object.defineProperty(window, 'localStorage', {
  get() { throw new DOMException('denied', 'SecurityError'); }})"""
FULL = """Storage.prototype.setItem = function (name) {
  if (name.startsWith('lightgcn')) throw new DOMException('full', 'QuotaExceededError'); }"""


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("script", "sentence", "at_once"),
    [(BLOCKED, "keeps nothing for this page", True), (FULL, "storage is full", False)],
    ids=["blocked", "full"],
)
def test_a_browser_that_keeps_nothing_is_said_and_rating_works(
    app: Server, visiting: Visit, script: str, sentence: str, at_once: bool
) -> None:
    with visiting(app, ME, wait=False) as page:
        page.context.add_init_script(script)
        reload(page)
        expect(page.get_by_text(sentence)).to_have_count(int(at_once))
        rate(page, INTERSTELLAR)
        rated(page, 1).wait_for()
        expect(page.get_by_text(sentence)).to_have_count(1)
        settle(page)


DAMAGED = (
    "no JSON",
    "",
    "null",
    "[" * 100_000,
    '{"version":2,"my_stars":{}}',
    '{"version":1,"my_stars":[1]}',
    "x" * (MAX_CHARS + 1),
)


def test_no_text_in_the_storage_is_lost_by_a_change(app: Server, visiting: Visit) -> None:
    data = {"store": "test", "token": "t", "version": 1, "kinds": list(KINDS), "limit": MAX_CHARS}
    data |= {"changes": {"my_stars": {"1.00ff": [4.5, 7]}}, "linkName": "films", "linkLimit": 9}
    with visiting(app, ME) as page:
        results = page.evaluate(
            """async ([script, data, texts]) => {
              const results = [];
              for (const text of texts) {
                localStorage.setItem('test', text);
                const blob = new Blob([script], {type: 'text/javascript'});
                const module = await import(URL.createObjectURL(blob));
                const told = [];
                module.default({data, setTriggerValue: (_, news) => told.push(news)});
                results.push([localStorage.getItem('test.aside'), told]);
              }
              return results;
            }""",
            [SCRIPT, data, DAMAGED],
        )
    for text, (aside, told) in zip(DAMAGED, results, strict=True):
        assert aside == text
        assert [news["trouble"] for news in told] == ["aside"]
        assert read_stored(told[0]["text"]).book["my_stars"] == {"1.00ff": Entry(4.5, 7)}


@pytest.mark.thorough
def test_damaged_storage_costs_one_sentence_and_nothing_else(app: Server, visiting: Visit) -> None:
    key = film_keys(DEMO)[DEMO.labels.index(MATRIX)]
    hostile = {
        "1.0000": ["<img src=x onerror=alert(1)>", 1],
        "__proto__": [5, 1],
        "999999.0000": [4, 1],
        "2.0000": [4.5, 9e99],
        "3.0000": {"value": 4},
    }
    text = json.dumps({"version": 1, "my_stars": {key: [4.5, 1], **hostile}})
    with visiting(app, ME) as page:
        page.evaluate("name => localStorage.setItem(name, 'no JSON')", STORE)
        reload(page)
        expect(page.get_by_text("it was set aside in its storage")).to_have_count(1)
        rate(page, INTERSTELLAR)
        rated(page, 1).wait_for()
        settle(page)
        assert stored(page) == {INTERSTELLAR: 4.5}
        assert page.evaluate("name => localStorage.getItem(name + '.aside')", STORE) == "no JSON"
        page.evaluate("([name, text]) => localStorage.setItem(name, text)", [STORE, text])
        reload(page)
        expect(rated(page, 1)).to_be_visible()
        expect(page.get_by_text("4 stored values of this browser cannot be read")).to_be_visible()
        expect(page.get_by_text("it was set aside in its storage")).to_have_count(0)
        rate(page, INTERSTELLAR)
        rated(page, 2).wait_for()
        settle(page)
        kept = page.evaluate("name => localStorage.getItem(name)", STORE)
        assert hostile.items() <= json.loads(kept)["my_stars"].items()


def test_a_link_carries_films_past_every_log_and_asks(app: Server, visiting: Visit) -> None:
    with visiting(app, ME) as page:
        rate(page, INTERSTELLAR)
        rated(page, 1).wait_for()
        page.get_by_role("tab", name="Keep or move them").click()
        link = page.get_by_test_id("stCode").filter(has_text="#films=").inner_text().strip()
    code = link.partition("#films=")[2]
    assert code and link.startswith(app.url)
    with visiting(app, ME) as page:
        rate(page, MATRIX)
        rated(page, 1).wait_for()
        settle(page)
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url + (request.post_data or "")))
        page.goto("about:blank")
        page.goto(link)
        page.get_by_text("This link holds 1 rating.").wait_for()
        settle(page)
        expect(rated(page, 1)).to_be_visible()  # nothing is taken over unasked
        page.get_by_role("button", name="Add to mine").click()
        rated(page, 2).wait_for()
        settle(page)
        assert "#" not in page.url
        reload(page)
        expect(rated(page, 2)).to_be_visible()
        expect(page.get_by_text("This link holds")).to_have_count(0)
    sent = [request.partition("#")[0] for request in requests]
    assert sent and not [request for request in sent if code in request]
    assert code not in app.log.read_text(encoding="utf-8")


def test_the_script_merges_as_the_server_does(chromium: Browser) -> None:
    rng = np.random.default_rng(0)

    def book() -> dict[str, dict[str, Entry]]:
        values = {"my_stars": [None, 0.5, 3.0, 4.5, 5.0]}
        days = [None, "2024-01-31", "2023-12-01"]
        return {
            kind: {
                f"{film}.00ff": Entry(
                    values.get(kind, days)[rng.integers(len(values.get(kind, days)))],
                    int(rng.integers(4)),
                )
                for film in range(6)
                if rng.random() < 0.6
            }
            for kind in KINDS
        }

    pairs = [(book(), book()) for _ in range(200)]
    page = chromium.new_page()
    merged = page.evaluate(
        """async ([script, pairs]) => {
          const blob = new Blob([script], {type: 'text/javascript'});
          const module = await import(URL.createObjectURL(blob));
          return pairs.map(([kept, changes]) => module.merge(kept, changes));
        }""",
        [SCRIPT, pairs],
    )
    page.close()
    for (one, two), by_script in zip(pairs, merged, strict=True):
        expected = merge(one, two)
        assert by_script == {
            kind: {film: list(entry) for film, entry in table.items()}
            for kind, table in expected.items()
        }
