"""Make the README's screenshots from the demo data: `make screenshots` (needs Chromium)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from data_download import DEMO_DIR  # noqa: E402
from tests.browser import open_page, running_app  # noqa: E402

TARGET = PROJECT / "docs"


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        server = running_app(DEMO_DIR, folder / "model.pth", folder / "server.log")
        with server as url, open_page(width=1280, height=1420) as page:
            page.goto(f"{url}/?tab=Recommendations&k=6")
            page.get_by_text("Where the scores come from").wait_for()
            page.wait_for_timeout(2000)
            page.screenshot(path=TARGET / "recommendations.png")


if __name__ == "__main__":
    main()
