"""Every section of every tab, in light and dark, on a desk and on a phone, seen and heard."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, ViewportSize

from tests.browser import DESK, TABS, keep_picture, open_tab, settle
from tests.journeys.audits import (
    accessibility_faults,
    brightness,
    chart_faults,
    low_contrast,
    width_faults,
)
from tests.journeys.conftest import Visit
from tests.server import Server

pytestmark = pytest.mark.browser

_SECTIONS = re.compile("^(Chapter|Section|For whom)$")
_AT_LEAST = 15  # sections; if their groups were renamed, most would go unseen


def sections(page: Page) -> Iterator[str]:
    """Open one after the other: the sections of the four tabs."""
    for tab in TABS:
        yield from sections_of(page, tab)


def sections_of(page: Page, tab: str) -> Iterator[str]:
    """Open one after the other: the sections of a tab."""
    open_tab(page, tab)
    group = page.get_by_role("radiogroup", name=_SECTIONS)
    if not group.count():
        yield tab
        return
    for radio in group.first.get_by_role("radio").all():
        if not radio.is_checked():
            shown = page.evaluate(_SHOWN)
            radio.check(force=True)
            page.wait_for_function(f"shown => ({_SHOWN})() !== shown", arg=shown)
            settle(page)
        yield f"{tab} / {radio.evaluate(_LABEL)}"


_SHOWN = "() => document.querySelector('[role=tabpanel]:has(h2)').innerText"
_LABEL = "radio => radio.ariaLabel ?? radio.closest('label')?.innerText ?? radio.innerText"


def test_every_section_can_be_read_in_both_themes_and_on_a_phone(
    app: Server, visiting: Visit
) -> None:
    """One walk through all sections; in each, the theme and then the width change.

    On a phone every chart keeps its plot, its legend and its titles.
    """
    found: dict[str, list[str]] = {}
    charts = 0
    with visiting(app) as page:
        for name in sections(page):
            found[name] = [*low_contrast(page), *accessibility_faults(page)]
            page.emulate_media(color_scheme="dark")
            page.wait_for_function(_IS_DARK)
            page.evaluate(_TRANSITIONS)  # from one theme's colours to the other's
            settle(page)
            found[name] += [*low_contrast(page), *_white_boxes(page)]
            keep_picture(page, f"dark_{_slug(name)}", full_page=False)
            page.set_viewport_size(_PHONE)
            settle(page)
            found[name] += chart_faults(page)[1]
            page.emulate_media(color_scheme="light")
            settle(page)
            seen, lost = chart_faults(page)
            charts += seen
            found[name] += [*lost, *width_faults(page)]
            keep_picture(page, f"phone_{_slug(name)}")
            page.set_viewport_size(DESK)  # settled once the next section is open
    assert len(found) >= _AT_LEAST, list(found)
    assert charts >= 2 * len(TABS)
    wrong = {name: these for name, these in found.items() if these}
    assert not wrong, "\n".join(f"{name}: {fault}" for name in wrong for fault in wrong[name])


# One that never ends, on a part that is not drawn, must not be waited for.
_TRANSITIONS = """() => Promise.race([
  new Promise(resolve => setTimeout(resolve, 1000)),
  Promise.allSettled(document.getAnimations().filter(
    one => one instanceof CSSTransition).map(one => one.finished))]).then(() => null)"""
_PHONE = ViewportSize(width=390, height=844)
_IS_DARK = """() => getComputedStyle(document.querySelector('[data-testid=stApp]'))
  .backgroundColor.match(/\\d+/g).slice(0, 3).every(value => value < 64)"""


def _white_boxes(page: Page) -> list[str]:
    """Charts and tables that are light in the dark theme."""
    parts = page.get_by_test_id(re.compile("^(stVegaLiteChart|stDataFrame)$"))
    looks = [brightness(part) for part in parts.filter(visible=True).all()]
    return [f"chart or table {i} is a white box" for i, look in enumerate(looks) if look > 0.4]


def _slug(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", name.lower())
