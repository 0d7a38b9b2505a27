"""Train, look at the other tabs meanwhile, come back, and use the new model."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.browser import DESK, TRAINING_TIMEOUT, keep_picture, open_tab, settle
from tests.journeys.audits import chart_faults
from tests.journeys.conftest import Visit
from tests.server import Server

pytestmark = pytest.mark.browser

_IN_USE = re.compile(r"Now in use: the hybrid graph, embedding size \d+, K = (\d)")
_TRIED = re.compile(r"Now tried: the hybrid graph, embedding size \d+, K = (\d)")


_PHONE = ViewportSize(width=390, height=844)
# Long enough that it cannot end before somebody pauses it.
_QUERY = "tab=Recommendations&k=5&preset=fast&layers=2&epochs=300&patience=2000"


def test_train_leave_come_back_and_use_the_new_model(own_app: Server, visiting: Visit) -> None:
    with visiting(own_app, _QUERY) as page:
        cards = page.locator(".st-key-cards")
        before = cards.inner_text()

        open_tab(page, "Train Model")
        expect(page.get_by_text(_IN_USE)).to_contain_text("K = 1")
        expect(page.get_by_role("slider", name="Layers K")).to_have_value("2")
        page.get_by_role("button", name="Train", exact=True).click()

        page.get_by_role("button", name="Pause").click(timeout=TRAINING_TIMEOUT)
        expect(page.get_by_text("Paused ·")).to_be_visible()
        expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()
        open_tab(page, "Recommendations")
        assert cards.inner_text() == before  # served by the old model while the new one learns

        open_tab(page, "Train Model")
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_text(re.compile(r"^Epoch [1-9]\d* of 300"))).to_be_visible()
        keep_picture(page, "training")
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("Paused ·")).to_be_visible()
        page.set_viewport_size(_PHONE)
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            settle(page)
            charts, faults = chart_faults(page)
            assert charts >= 4 and not faults, faults  # the loss and three metrics
        page.set_viewport_size(DESK)
        page.get_by_role("button", name="Stop and keep the best").click()
        expect(page.get_by_text(_TRIED)).to_contain_text("K = 2", timeout=TRAINING_TIMEOUT)
        expect(page.get_by_role("button", name="Train", exact=True)).to_be_enabled()
        settle(page)
        keep_picture(page, "trained")

        open_tab(page, "Recommendations")
        after = cards.inner_text()
        assert after != before
        # Another visitor has the model in use, until the new one is put in use for everybody.
        with visiting(own_app, "tab=Recommendations&k=5") as other:
            assert other.locator(".st-key-cards").inner_text() == before
            page.get_by_role("button", name="Use it for everybody").first.click()
            expect(page.get_by_text("only you see")).to_have_count(0)
            expect(other.locator(".st-key-cards")).to_have_text(after, use_inner_text=True)
        open_tab(page, "Train Model")
        expect(page.get_by_text(_IN_USE)).to_contain_text("K = 2")
