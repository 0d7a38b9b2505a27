"""*Why?* on a phone: the whole score, the ranks without its reasons, tags and similar films."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.browser import keep_picture, settle
from tests.journeys.audits import chart_faults, low_contrast
from tests.journeys.conftest import Visit
from tests.journeys.test_recommend import titles
from tests.server import Server

pytestmark = pytest.mark.browser

_PHONE = ViewportSize(width=390, height=844)


def test_why_on_a_phone_shows_the_whole_score_and_the_ranks_without_its_reasons(
    app: Server, visiting: Visit
) -> None:
    with visiting(app, "tab=Recommendations&user=7&k=3") as page:
        page.set_viewport_size(_PHONE)
        settle(page)
        page.get_by_role("button", name="Why?").nth(1).click()
        reasons = page.get_by_role("dialog", name="Why this film?")
        expect(reasons).to_contain_text(re.compile(r"Because of .+\(\d(\.\d)?\s★\)"))
        expect(reasons).to_contain_text(re.compile(r"these three make up .*\d+ %"))
        settle(page)
        film = titles(page).nth(1).inner_text().removeprefix("2. ")
        expect(reasons.get_by_role("heading", name=film, exact=True)).to_be_visible()
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            settle(page)
            charts, faults = chart_faults(page)
            assert charts >= 2 and not faults, faults
            assert not low_contrast(page)
        terms = reasons.locator("figure[aria-label^='What each rated film adds']")
        said = reasons.get_by_text("These lines add up to the graph score").inner_text()
        score = Decimal(re.search(r"graph score ([\d.]+) exactly", said)[1])
        shown = [Decimal(n.replace("−", "-")) for n in terms.locator(".v").all_inner_texts()]
        assert sum(shown) == score
        keep_picture(page, "phone_why", full_page=False)
        for name in ("Without them", "Tags and genres", "Similar films"):
            tab = reasons.get_by_role("tab", name=name)
            tab.click()  # refused by Playwright where something lies over it
            settle(page)
            assert chart_faults(page)[1] == []
        # Of the last one, the similar films.
        expect(reasons.locator("[role=gridcell]").first).to_have_text(re.compile(r"\(\d{4}\)$"))
        reasons.get_by_role("tab", name="Without them").click()
        ranks = reasons.get_by_role("cell").filter(has_text=re.compile(r"^[\d,]+(st|nd|rd|th)$"))
        expect(ranks.first).to_have_text("2nd")
        expect(ranks).to_have_count(5)  # as it is, without each of three, and without all
        reasons.get_by_role("button", name="Fit the model again without them").click()
        expect(ranks).to_have_count(10)
        keep_picture(page, "phone_without", full_page=False)
        page.keyboard.press("Escape")
        expect(reasons).to_be_hidden()
