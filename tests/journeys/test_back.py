"""The browser's Back and Forward: one step each, always to be seen, and never off the site."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import open_tab, settle
from tests.journeys.conftest import Visit
from tests.server import Server

pytestmark = pytest.mark.browser


_SHOWS_OTHER_THINGS = """before =>
  document.querySelector('[data-testid=stMain]').innerText !== before"""


def chapter(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).click()
    expect(page).to_have_url(re.compile(f"chapter={name.split()[0]}"))
    settle(page)


def test_back_undoes_a_step_at_a_time_and_forward_takes_it_again(
    app: Server, visiting: Visit
) -> None:
    with visiting(app) as page:
        arrivals = page.evaluate("history.length")
        chapter(page, "Rows to graph")
        chapter(page, "Messages")
        page.get_by_role("button", name="Next", exact=True).click()
        expect(page.get_by_role("radio", name="layer 1 → 2")).to_be_checked()
        expect(page).to_have_url(re.compile("step=1"))
        settle(page)
        open_tab(page, "Insights")
        page.get_by_role("radio", name="Tags", exact=True).click()
        expect(page).to_have_url(re.compile("section=Tags"))
        settle(page)
        assert page.evaluate("history.length") == arrivals + 5  # one for each

        marks = (
            ("radio", "Map of films"),
            ("radio", "layer 1 → 2"),
            ("radio", "layer 0 → 1"),
            ("radio", "Rows to graph"),
            ("radio", "In two minutes"),
        )
        for role, name in marks:
            before = page.get_by_test_id("stMain").inner_text()
            page.go_back()
            expect(page.get_by_role(role, name=name, exact=True)).to_be_checked()
            page.wait_for_function(_SHOWS_OTHER_THINGS, arg=before)
            settle(page)
        expect(page.get_by_role("heading", name="LightGCN Movies")).to_be_visible()

        page.go_forward()
        expect(page.get_by_role("radio", name="Rows to graph", exact=True)).to_be_checked()
        expect(page).to_have_url(re.compile("chapter=Rows"))


def test_settings_are_in_the_address_without_being_steps(app: Server, visiting: Visit) -> None:
    with visiting(app, "tab=Train Model") as page:
        open_tab(page, "Insights")
        open_tab(page, "Train Model")
        steps = page.evaluate("history.length")
        page.get_by_text("fast", exact=True).click()
        expect(page).to_have_url(re.compile("preset=fast"))
        settle(page)
        page.get_by_role("slider", name="Layers K").press("ArrowRight")
        expect(page).to_have_url(re.compile("layers=2"))
        settle(page)
        assert page.evaluate("history.length") == steps
        page.go_back()
        expect(page.get_by_role("heading", name="Map of the films")).to_be_visible()
        page.go_forward()
        expect(page.get_by_role("slider", name="Layers K")).to_have_value("2")
        page.get_by_role("radio", name="Playground").click()
        expect(page).to_have_url(re.compile("training=Playground"))
        settle(page)
        page.go_back()
        expect(page.get_by_role("slider", name="Layers K")).to_have_value("2")
        page.reload()  # the address has all of it
        expect(page.get_by_role("slider", name="Layers K")).to_have_value("2")
        page.get_by_role("slider", name="Layers K").press("ArrowLeft")
        expect(page).not_to_have_url(re.compile("layers="))


def test_back_brings_the_last_person_back(app: Server, visiting: Visit) -> None:
    with visiting(app) as page:
        page.get_by_role("radio", name=re.compile("^Ada")).click()
        expect(page.get_by_text(re.compile("^Ada, user"))).to_be_visible()
        settle(page)
        page.get_by_role("radio", name=re.compile("^Bo")).click()
        expect(page.get_by_text(re.compile("^Bo, user"))).to_be_visible()
        settle(page)
        page.go_back()
        expect(page.get_by_text(re.compile("^Ada, user"))).to_be_visible()
        settle(page)
        page.go_back()
        expect(page.get_by_role("radio", name="By number")).to_be_checked()


def test_the_duel_is_one_step_from_recommendations(app: Server, visiting: Visit) -> None:
    with visiting(app, "tab=Recommendations&user=7") as page:
        page.get_by_role("button", name="Compare with other models").click()
        expect(page.get_by_role("radio", name="Model duel")).to_be_checked()
        expect(page).to_have_url(re.compile("section=Model"))
        settle(page)
        page.go_back()
        expect(page.get_by_role("heading", name="Recommendations", level=2)).to_be_visible()
