"""Every section of every tab, in light and dark, on a desk and on a phone, seen and heard."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser import TABS, App, keep_picture, open_tab, settle
from tests.journeys.audits import accessibility_faults, brightness, low_contrast, width_faults
from tests.journeys.conftest import Visit

pytestmark = pytest.mark.browser

_SECTIONS = re.compile("^(Chapter|Section|For whom)$")
_AT_LEAST = 15  # sections; if their groups were renamed, most would go unseen

# Contrasts under the limit, each with its reason; the first numbers are left out on purpose.
_KNOWN = (
    # Streamlit's own, which no setting of ours changes:
    r"rgb\(128, 132, 149\) in stVegaLiteChart",  # tick labels of charts, light: 3.7
)


def sections(page: Page) -> Iterator[str]:
    """Open one after the other: the sections of the four tabs."""
    for tab in TABS:
        open_tab(page, tab)
        group = page.get_by_role("radiogroup", name=_SECTIONS)
        if not group.count():
            yield tab
            continue
        for radio in group.first.get_by_role("radio").all():
            if not radio.is_checked():
                shown = page.evaluate(_SHOWN)
                radio.check(force=True)
                page.wait_for_function(f"shown => ({_SHOWN})() !== shown", arg=shown)
                settle(page)
            yield f"{tab} / {radio.evaluate(_LABEL)}"


_SHOWN = "() => document.querySelector('[role=tabpanel]:has(h2)').innerText"
_LABEL = "radio => radio.ariaLabel ?? radio.closest('label')?.innerText ?? radio.innerText"


def _check_all(page: Page, faults: Iterator[tuple[str, list[str]]]) -> None:
    found = dict(faults)
    assert len(found) >= _AT_LEAST, list(found)
    wrong = {name: these for name, these in found.items() if these}
    assert not wrong, "\n".join(f"{name}: {fault}" for name in wrong for fault in wrong[name])


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everything_has_a_name_and_can_be_read(app: App, visiting: Visit, dark: bool) -> None:
    with visiting(app, dark=dark) as page:

        def audit() -> Iterator[tuple[str, list[str]]]:
            for name in sections(page):
                faults = [
                    fault
                    for fault in low_contrast(page)
                    if not any(re.search(known, fault) for known in _KNOWN)
                ]
                if dark:
                    faults += _white_boxes(page)
                    keep_picture(page, f"dark_{_slug(name)}", full_page=False)
                else:
                    faults += accessibility_faults(page)
                yield name, faults

        _check_all(page, audit())


def _white_boxes(page: Page) -> list[str]:
    """Charts and tables that are light in the dark theme."""
    parts = page.get_by_test_id(re.compile("^(stVegaLiteChart|stDataFrame)$"))
    looks = [brightness(part) for part in parts.filter(visible=True).all()]
    return [f"chart or table {i} is a white box" for i, look in enumerate(looks) if look > 0.4]


def test_nothing_is_wider_than_a_phone(app: App, visiting: Visit) -> None:
    with visiting(app, width=390, height=844) as page:

        def audit() -> Iterator[tuple[str, list[str]]]:
            for name in sections(page):
                keep_picture(page, f"phone_{_slug(name)}")
                yield name, width_faults(page)

        _check_all(page, audit())


def _slug(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", name.lower())
