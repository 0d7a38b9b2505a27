"""The playground: a training that plays while it learns, steps, and is replayed by a scrubber."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import settle
from tests.journeys.audits import low_contrast, width_faults
from tests.journeys.conftest import Visit
from tests.server import Server

pytestmark = pytest.mark.browser

_QUERY = "tab=Train Model&training=Playground&user=7&play_dim=16&play_epochs=10&play_rate=0.03"
_PLACES = """player => [...player.querySelectorAll('.map > svg > circle')].map(
  dot => dot.style.transform).join()"""
_OTHER_PLACES = f"""known => {{
  const find = root => root.querySelector('.player') ?? [...root.querySelectorAll('*')]
    .map(each => each.shadowRoot && find(each.shadowRoot)).find(Boolean);
  const player = find(document);
  return player && !known.includes(({_PLACES})(player));
}}"""
# How long one step takes in the browser, all that it changes laid out; ms.
_STEP = """async player => {
  const button = player.querySelector('[aria-label="Step back"]');
  const begun = performance.now();
  button.click();
  player.getBoundingClientRect();
  await new Promise(requestAnimationFrame);
  return performance.now() - begun;
}"""


def seen(page: Page) -> tuple[str, str, str]:
    """The list, the places of the films, and the numbers beside the curves, as they are shown."""
    player = page.locator(".player")
    return (
        player.locator("ol").inner_text(),
        player.evaluate(_PLACES),
        " ".join(player.locator(".curve p").all_inner_texts()),
    )


def test_it_plays_steps_and_replays_and_the_link_has_its_seed(app: Server, visiting: Visit) -> None:
    with visiting(app, _QUERY, wait=False) as page:
        said = page.locator(".player .said")
        page.get_by_label("Speed").select_option("4 ×")
        expect(said).to_have_text("Epoch 10 of 10")  # it played to the end by itself
        end = seen(page)
        scrub = page.get_by_role("slider", name="Epoch", exact=True)
        scrub.fill("0")
        expect(said).to_have_text("Epoch 0 of 10")
        start = seen(page)
        assert all(one != other for one, other in zip(start, end, strict=True))
        expect(page.get_by_role("button", name="Step back")).to_be_disabled()
        page.get_by_role("button", name="Step on").click()
        expect(said).to_have_text("Epoch 1 of 10")
        assert all(one != other for one, other in zip(seen(page), start, strict=True))
        page.get_by_role("button", name="Play", exact=True).click()
        expect(said).to_have_text("Epoch 10 of 10")
        assert seen(page) == end
        assert page.locator(".player").evaluate(_STEP) < 300

        page.get_by_label("Seed", exact=True).fill("5")
        page.get_by_label("Seed", exact=True).press("Enter")
        expect(page).to_have_url(re.compile(r"play_seed=5\b"))
        page.wait_for_function(_OTHER_PLACES, arg=[start[1], end[1]])

        page.set_viewport_size({"width": 390, "height": 844})
        settle(page)
        assert not width_faults(page) and not low_contrast(page)
        for part in page.locator(".player svg").all():
            assert part.bounding_box()["width"] > 300  # type: ignore[index]
