"""The first visit, recommendations, a visitor's own ratings, links."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import TRAINING_TIMEOUT, keep_picture, open_tab, settle
from tests.journeys.conftest import Visit
from tests.server import Server

pytestmark = pytest.mark.browser


def titles(page: Page) -> Locator:
    """The rank and title on each card."""
    return page.locator(".st-key-cards strong").filter(has_text=re.compile(r"^\d+\. "))


def test_from_the_first_visit_to_a_recommendation(new_app: Server, visiting: Visit) -> None:
    with visiting(new_app, wait=False) as page:
        page.get_by_role("heading", level=1, name="LightGCN Movies").wait_for()
        page.get_by_text("Demo data:").wait_for()
        page.get_by_role("tab", name="Recommendations").click()
        # No checkpoint yet: the app trains by itself, and the page fills in when it is ready.
        expect(titles(page)).to_have_count(10, timeout=TRAINING_TIMEOUT)
        settle(page)
        assert [text.split(".")[0] for text in titles(page).all_inner_texts()] == [
            str(rank) for rank in range(1, 11)
        ]
        expect(page).to_have_url(re.compile("tab=Recommendations"))
        expect(page.get_by_text("Training a first model")).to_have_count(0)
        keep_picture(page, "recommendations")


def test_a_visitor_rates_films_and_sees_the_list_change(app: Server, visiting: Visit) -> None:
    with visiting(app, "tab=Recommendations&who=Me") as page:
        expect(titles(page)).to_have_count(0)  # nothing is known about the visitor
        page.get_by_role("button", name="Interstellar (2014)").click()
        expect(titles(page)).to_have_count(10)
        settle(page)
        first = titles(page).all_inner_texts()
        assert not any("Interstellar (2014)" in title for title in first)
        page.get_by_role("searchbox", name="Find a film").press_sequentially("matirx", delay=60)
        expect(page.get_by_text("No title has “matirx”. These are similar:")).to_be_visible()
        page.get_by_role("button", name="The Matrix (1999)", exact=True).click()
        expect(page.get_by_text("My 2 ratings: change or delete")).to_be_visible()
        expect(page.locator(".st-key-cards")).to_contain_text(re.compile("▲|▼|new"))
        settle(page)
        assert titles(page).all_inner_texts() != first
        page.get_by_role("button", name="Shortlist", exact=True).first.click()
        expect(page.get_by_role("button", name="Shortlisted")).to_be_visible()
        keep_picture(page, "my_ratings")
        # The next visitor finds none of it.
        with visiting(app, "tab=Recommendations&who=Me") as other:
            expect(titles(other)).to_have_count(0)
            expect(other.get_by_text("My 2 ratings: change or delete")).to_have_count(0)


def test_the_link_reproduces_user_and_k(app: Server, visiting: Visit) -> None:
    with visiting(app, "tab=Recommendations&user=7&k=3") as page:
        expect(titles(page)).to_have_count(3)
        user = page.get_by_role("combobox", name="User", exact=True)
        expect(user).to_have_value(re.compile(r"User 7 · \d+ ratings"))
        expect(page).to_have_url(re.compile(r"(?=.*user=7\b)(?=.*k=3\b)"))
        shown = titles(page).all_inner_texts()
        open_tab(page, "Insights")
        expect(page).to_have_url(re.compile(r"(?=.*k=3\b)(?=.*tab=Insights)"))
        page.reload()  # which loses no setting of a tab that is closed
        settle(page)
        open_tab(page, "Recommendations")
        assert titles(page).all_inner_texts() == shown
        with visiting(app, page.url.split("?")[1]) as other:
            assert titles(other).all_inner_texts() == shown
