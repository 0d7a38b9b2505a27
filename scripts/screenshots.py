"""Make the README's pictures from the demo data: `make screenshots` (needs Chromium)."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from PIL import Image

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from playwright.sync_api import Locator, Page, expect  # noqa: E402

from settings import DEMO_DIR  # noqa: E402
from tests.browser import (  # noqa: E402
    DESK,
    TRAINING_TIMEOUT,
    open_tab,
    running_app,
    running_chromium,
    settle,
    visit,
)

TARGET = PROJECT / "docs"
MAX_BYTES = 200_000
_WIDTH = DESK["width"]
_MOST_PIXELS = 1700  # high


def main() -> None:
    """Write docs/recommendations.png, start_here.png, insights.png and train_model.png."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_app(DEMO_DIR, Path(scratch)) as app,
        running_chromium() as chromium,
        visit(chromium, app, "tab=Recommendations&user=152&k=6") as page,
    ):
        page.get_by_role("button", name="Why?").first.wait_for(timeout=TRAINING_TIMEOUT)
        settle(page)
        _take(page, "recommendations", page.get_by_text("The graph score is the dot product"))
        open_tab(page, "Start Here")
        _take(page, "start_here", page.get_by_role("tabpanel", name="Start Here"))
        open_tab(page, "Insights")
        _take(page, "insights", page.get_by_text(re.compile("^Nearest is ")))
        open_tab(page, "Train Model")
        _train_for_a_while(page)
        _take(page, "train_model", page.get_by_test_id("stVegaLiteChart").nth(3))


def _train_for_a_while(page: Page) -> None:
    """Watch the published recipe, whose curves climb, and pause it halfway up."""
    page.get_by_text("published recipe", exact=True).click()
    expect(page).to_have_url(re.compile("preset=published"))
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text(re.compile(r"^Epoch [3-9]\d of")).wait_for(timeout=TRAINING_TIMEOUT)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()
    page.mouse.move(0, 0)
    settle(page)


def _take(page: Page, name: str, last: Locator) -> None:
    """docs/NAME.png: from the top of the page to the end of its part `last`."""
    page.set_viewport_size({"width": _WIDTH, "height": _MOST_PIXELS})
    settle(page)
    box = last.bounding_box()
    assert box, "the end of the picture is not on the page"
    bottom = min(_MOST_PIXELS, int(box["y"] + box["height"]) + 24)
    file = TARGET / f"{name}.png"
    page.screenshot(path=file, clip={"x": 0, "y": 0, "width": _WIDTH, "height": bottom})
    picture = Image.open(file).convert("RGB")
    picture.save(file, optimize=True)
    if file.stat().st_size > MAX_BYTES:  # 256 colours do for a page, if need be
        picture.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
    size = file.stat().st_size
    print(f"{file.relative_to(PROJECT)}: {_WIDTH} x {bottom}, {size / 1000:.0f} kB")
    if size > MAX_BYTES:
        raise SystemExit(f"{file.name} is larger than {MAX_BYTES / 1000:.0f} kB")


if __name__ == "__main__":
    main()
