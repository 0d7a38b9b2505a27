"""Journeys in headless Chromium, as a visitor makes them, on the demo data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from data_download import DEMO_DIR
from tests.browser import CHROMIUM, PROJECT, open_page, running_app

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app that starts on the demo data, without a checkpoint."""
    folder = tmp_path_factory.mktemp("server")
    with running_app(DEMO_DIR, folder / "model.pth", folder / "server.log") as address:
        yield address


@pytest.fixture(scope="module")
def artifacts() -> Path:
    folder = PROJECT / "artifacts"
    folder.mkdir(exist_ok=True)
    return folder


def test_from_the_first_visit_to_a_recommendation_and_its_reasons(
    url: str, artifacts: Path
) -> None:
    with open_page() as page:
        page.goto(url)
        page.get_by_role("heading", name="How a graph neural network recommends films").wait_for()
        page.get_by_text("Demo data:").wait_for()
        page.get_by_role("tab", name="Recommendations").click()
        # No checkpoint yet: the app trains by itself, and the page fills in when it is ready.
        expect(page.locator(".st-key-cards img")).to_have_count(10, timeout=60_000)
        first_card = page.locator(".st-key-cards strong").first.inner_text()
        assert first_card.startswith("1. ")
        assert "tab=Recommendations" in page.url
        page.get_by_role("button", name="Why?").first.click()
        reasons = page.get_by_role("dialog")
        expect(reasons).to_contain_text("Because of")
        expect(reasons).to_contain_text("The bars add up to the graph score")
        page.screenshot(path=artifacts / "why.png")
        page.keyboard.press("Escape")
        expect(reasons).to_be_hidden()
        page.screenshot(path=artifacts / "recommendations.png", full_page=True)
        assert page.locator("[data-testid=stException]").count() == 0


def test_a_visitor_rates_films_and_sees_the_list_change(url: str, artifacts: Path) -> None:
    with open_page() as page:
        page.goto(f"{url}/?tab=Recommendations&who=Me")
        titles = page.locator(".st-key-cards strong")
        page.get_by_role("button", name="Interstellar (2014)").click()
        expect(titles.first).to_be_visible(timeout=60_000)
        first = titles.all_inner_texts()
        quick = page.get_by_test_id("stButtonGroup").last.get_by_role("button")
        quick.nth(5).click()
        expect(page.get_by_text("My 2 ratings: change or delete")).to_be_visible()
        expect(page.locator(".st-key-cards")).to_contain_text(re.compile("▲|▼|new"))
        assert titles.all_inner_texts() != first
        page.get_by_role("button", name="+ Watchlist").first.click()
        expect(page.get_by_role("button", name="✓ Watchlist")).to_be_visible()
        page.screenshot(path=artifacts / "my_ratings.png", full_page=True)
        assert page.locator("[data-testid=stException]").count() == 0


def test_the_link_reproduces_user_and_k(url: str) -> None:
    with open_page() as page:
        page.goto(f"{url}/?tab=Recommendations&user=7&k=3")
        expect(page.locator(".st-key-cards img")).to_have_count(3)
        user = page.get_by_role("combobox", name="User", exact=True)
        expect(user).to_have_value(re.compile(r"User 7 · \d+ ratings"))
        assert "user=7" in page.url and "k=3" in page.url


def test_no_tab_is_wider_than_a_phone(url: str, artifacts: Path) -> None:
    with open_page(width=390, height=844) as page:
        for tab in ("Start Here", "Recommendations", "Train Model", "Insights"):
            page.goto(f"{url}/?tab={tab.replace(' ', '+')}")
            page.locator("h2").first.wait_for()
            page.wait_for_timeout(1500)  # charts settle their width
            overflow = page.evaluate(
                "document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth"
            )
            assert overflow <= 0, tab
            page.screenshot(path=artifacts / f"phone_{tab.replace(' ', '_').lower()}.png")
