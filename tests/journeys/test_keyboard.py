"""Without a mouse: choose a tab, pick another user, open the reasons, and never get stuck."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import TABS, open_tab, settle
from tests.journeys.audits import focus_stops
from tests.journeys.conftest import Visit
from tests.server import Server

pytestmark = pytest.mark.browser

# A table is a canvas that draws the frame around its cell itself; its cells are for readers.
_IN_A_TABLE = ("canvas", "gridcell", "columnheader")


def press_until(page: Page, selector: str, key: str = "Tab", most: int = 60) -> None:
    """Press a key until the focus is on what the CSS selector describes."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{most} times {key} did not reach {selector}")


def test_from_a_tab_to_the_reasons_for_another_user(app: Server, visiting: Visit) -> None:
    with visiting(app) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
        press_until(page, "[role=tab]")
        page.keyboard.press("ArrowRight")
        recommendations = page.get_by_role("tab", name="Recommendations")
        expect(recommendations).to_be_focused()
        page.keyboard.press("Enter")
        expect(recommendations).to_have_attribute("aria-selected", "true")
        page.get_by_role("button", name="Why?").first.wait_for()
        settle(page)

        press_until(page, "input[role=combobox]")
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("User 7 ")
        expect(page.get_by_role("option").first).to_have_text(re.compile("^User 7 ·"))
        settle(page)
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(r"user=7\b"))
        settle(page)

        press_until(page, "[data-testid=stPopoverButton]")
        page.keyboard.press("Enter")
        expect(page.get_by_role("combobox", name="Only these genres")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("combobox", name="Only these genres")).to_be_hidden()

        press_until(page, ".st-key-cards [class*=st-key-why] button")
        page.keyboard.press("Enter")
        reasons = page.get_by_role("dialog", name="Why this film?")
        expect(reasons).to_contain_text("These lines add up to the graph score")
        settle(page)
        press_until(page, "[role=dialog] [role=tab]")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")  # past the ranks without them
        page.keyboard.press("Enter")
        expect(reasons.get_by_text("add up to the tag similarity")).to_be_visible()
        for _ in range(15):  # the page behind is out of reach as long as the reasons are open
            page.keyboard.press("Tab")
            assert page.evaluate("!!document.activeElement.closest('[role=dialog]')")
        page.keyboard.press("Escape")
        expect(reasons).to_be_hidden()
        expect(page.get_by_role("button", name="Why?").first).to_be_focused()


def test_tab_goes_through_the_whole_page_and_shows_where(app: Server, visiting: Visit) -> None:
    with visiting(app) as page:
        for tab in TABS:
            open_tab(page, tab)
            stops = focus_stops(page)
            assert len(stops) > 15 and stops[-1].name, tab
            hidden = [stop for stop in stops if not stop.visible and stop.role not in _IN_A_TABLE]
            assert not hidden, (tab, hidden)
