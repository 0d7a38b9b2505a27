"""Four lists side by side on a desk, two by two on a phone; and the charts on the reasons there."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.browser import DESK, keep_picture, settle
from tests.journeys.audits import width_faults
from tests.journeys.conftest import Visit
from tests.server import Server

pytestmark = pytest.mark.browser

_PHONE = ViewportSize(width=390, height=844)
_COLUMNS = """lists => new Set(
  [...lists.children].map(list => Math.round(list.getBoundingClientRect().left))).size"""
_CUT_OFF = """lists => [...lists.querySelectorAll('*')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && (box.right > window.innerWidth + 1 || e.scrollWidth > e.clientWidth + 1
    && getComputedStyle(e).display !== 'inline');
}).map(e => e.innerText)"""
# The plot itself, not the page's box for it: labels and legends may leave it no room.
_PLOTS = """charts => charts.map(chart => {
  const plot = chart.querySelector('.mark-group.role-frame .background, .mark-group .background');
  return plot.getBoundingClientRect().width;
})"""


def test_the_lists_fit_a_desk_and_a_phone(app: Server, visiting: Visit) -> None:
    with visiting(app, "tab=Insights&section=Model+duel&user=7", wait=False) as page:
        lists = page.locator(".duel")
        lists.wait_for()
        settle(page)
        expect(lists.locator("section")).to_have_count(4)
        expect(lists.locator("li")).to_have_count(40)
        assert lists.evaluate(_COLUMNS) == 4 and not lists.evaluate(_CUT_OFF)
        keep_picture(page, "duel")
        page.set_viewport_size(_PHONE)
        settle(page)
        assert lists.evaluate(_COLUMNS) == 2 and not lists.evaluate(_CUT_OFF)
        assert not width_faults(page)
        page.set_viewport_size(DESK)
        page.get_by_role("radio", name="20", exact=True).check(force=True)
        expect(lists.locator("li")).to_have_count(80)


def test_the_charts_on_the_reasons_keep_their_plots_on_a_phone(
    app: Server, visiting: Visit
) -> None:
    with visiting(app, "tab=Insights&section=Model+health", wait=False) as page:
        page.get_by_text("How often it stays first").wait_for()
        page.set_viewport_size(_PHONE)
        settle(page)
        assert not width_faults(page)
        charts = page.get_by_test_id("stVegaLiteChart").filter(
            has=page.get_by_text(re.compile("first places kept|mean rank after"))
        )
        expect(charts).to_have_count(2)
        widths = charts.evaluate_all(_PLOTS)
        assert all(width > 150 for width in widths), widths
        keep_picture(page, "phone_reasons")
