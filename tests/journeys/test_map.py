"""The map of films: search one, see where it lies and what is near it and why, and walk on."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import keep_picture, open_tab, settle
from tests.journeys.conftest import Visit
from tests.server import Server

pytestmark = pytest.mark.browser


def test_search_a_film_on_the_map_and_read_its_neighbours(app: Server, visiting: Visit) -> None:
    with visiting(app, "tab=Insights") as page:
        search = page.get_by_role("searchbox", name="Find a film")
        whole = page.get_by_label(re.compile(r"^Map of \d+ films")).first
        drawn = whole.screenshot()
        search.press_sequentially("matrix", delay=80)
        films = page.locator("[class*=st-key-films_found]")
        film = films.get_by_role("button", name="The Matrix (1999)")
        film.click()
        expect(page.get_by_text("Nearest to The Matrix (1999)")).to_be_visible()
        settle(page)
        zoom = page.get_by_role("radiogroup", name="Zoom to the film")
        expect(zoom.get_by_role("radio", name="×4")).to_be_checked()
        assert whole.screenshot() != drawn  # it flew to the film

        cells = page.get_by_test_id("stDataFrame").last.locator("tbody [role=gridcell]")
        texts = cells.all_inner_texts()
        names = page.get_by_test_id("stDataFrame").last.locator("[role=columnheader]")
        columns = names.all_inner_texts()
        rows = [
            dict(zip(columns, texts[start : start + len(columns)], strict=True))
            for start in range(0, len(texts), len(columns))
        ]
        cosines = [float(row["cosine"]) for row in rows]
        assert len(rows) >= 5 and cosines == sorted(cosines, reverse=True)
        assert all(0 < cosine <= 1 for cosine in cosines)
        assert "The Matrix (1999)" not in [row["film"] for row in rows]
        because = page.get_by_text(re.compile("^Nearest is ")).inner_text()
        assert because.startswith(f"Nearest is {rows[0]['film']}: {rows[0]['shared viewers']} of")

        # A genre apart, and on to the nearest film by the keyboard: the view stays, the lines move.
        drawn = whole.screenshot()
        page.get_by_role("button", name="Sci-Fi").click()
        settle(page)
        lit = whole.screenshot()
        assert lit != drawn
        page.locator(".st-key-nearest_1 button").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"Nearest to {rows[0]['film']}")).to_be_visible()
        settle(page)
        assert whole.screenshot() != lit
        film.click()
        expect(page.get_by_text("Nearest to The Matrix (1999)")).to_be_visible()

        # The film stays chosen in the other sections and after a look at another tab.
        open_tab(page, "Recommendations")
        open_tab(page, "Insights")
        expect(search).to_have_value("matrix")
        expect(page.get_by_text("Nearest to The Matrix (1999)")).to_be_visible()
        page.get_by_text("Show a user's films").click()
        expect(page.get_by_role("combobox", name="User", exact=True)).to_be_visible()
        expect(page.get_by_text("recommended to the user")).to_be_visible()
        settle(page)
        keep_picture(page, "map")
