"""On a phone, from a Letterboxd archive to a shortlist of three; nothing leaves the machine."""

from __future__ import annotations

import csv
import io
import re
import zipfile

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.browser import keep_picture, settle
from tests.journeys.audits import accessibility_faults, low_contrast, width_faults
from tests.journeys.conftest import Visit
from tests.journeys.test_recommend import titles
from tests.server import Server

pytestmark = pytest.mark.browser

PHONE = ViewportSize(width=390, height=844)
RATED = (
    *(("The Matrix", 1999, 5), ("Interstellar", 2014, 4.5), ("Alien", 1979, 4.5)),
    *(("Blade Runner", 1982, 5), ("Toy Story", 1995, 3), ("Titanic", 1997, 2)),
    ("A Film of the Next Century", 2101, 4),
)


def letterboxd_zip() -> bytes:
    """What Letterboxd gives: the ratings, and other files with the same names as some of them."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["Date", "Name", "Year", "Letterboxd URI", "Rating"])
    rows.writerows(["2024-05-01", name, year, "https://boxd.it/x", s] for name, year, s in RATED)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("ratings.csv", table.getvalue())
        archive.writestr("deleted/ratings.csv", "nothing")
        archive.writestr("watched.csv", "Date,Name,Year,Letterboxd URI\n")
    return packed.getvalue()


def in_sight(part: Locator) -> bool:
    """Whether all of it is on the screen as it is scrolled now."""
    box = part.bounding_box()
    return box is not None and box["y"] >= 0 and box["y"] + box["height"] <= PHONE["height"]


def faults(page: Page) -> list[str]:
    return [*width_faults(page), *accessibility_faults(page), *low_contrast(page)]


def test_from_a_letterboxd_archive_to_a_shortlist_of_three(app: Server, visiting: Visit) -> None:
    with visiting(app) as page:
        page.set_viewport_size(PHONE)
        page.goto(f"{app.url}/?tab=Recommendations&who=Me")
        settle(page)
        assert not faults(page)
        page.get_by_role("tab", name="Upload my ratings").click()
        archive = {
            "name": "letterboxd-someone.zip",
            "mimeType": "application/zip",
            "buffer": letterboxd_zip(),
        }
        page.locator("input[type=file]").first.set_input_files(archive)  # type: ignore[arg-type]
        expect(
            page.get_by_text(re.compile(r"Matched \d of 7 lines \(Letterboxd\)"))
        ).to_be_visible()
        use = page.get_by_role("button", name=re.compile(r"^Use these \d ratings$"))
        matched = int(re.findall(r"\d+", use.inner_text())[0])
        assert 4 <= matched <= 6
        use.click()
        expect(titles(page)).to_have_count(10)
        settle(page)
        page.locator("summary").filter(has_text="My ratings").click()
        expect(page.get_by_role("tab", name="Upload my ratings")).to_have_count(0)
        settle(page)
        page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
        assert in_sight(page.get_by_alt_text(re.compile("^Cover")).first)
        assert in_sight(titles(page).first)
        keep_picture(page, "phone_first_screen", full_page=False)
        for name in ("Filters", "Surprise me"):
            assert in_sight(page.get_by_role("button", name=name))
        assert not faults(page)
        rated = titles(page).nth(2).inner_text().removeprefix("3. ")
        page.get_by_role("button", name="Seen it").nth(2).click()
        page.get_by_role("menuitem", name="4 ★", exact=True).click()
        told = page.locator(".st-key-change")
        expect(told).to_contain_text(f"Your rating of {rated}, 4 ★,")
        settle(page)
        assert in_sight(told.get_by_role("button", name="Undo"))  # where it was given
        assert not any(rated in title for title in titles(page).all_inner_texts())
        keep_picture(page, "phone_rated", full_page=False)
        chosen = [titles(page).nth(n).inner_text().split(". ", 1)[1] for n in range(3)]
        for n in range(3):
            page.get_by_role("button", name="Shortlist", exact=True).first.click()
            expect(page.get_by_role("button", name="Shortlisted")).to_have_count(n + 1)
        page.locator("summary").filter(has_text="Shortlist 3 of 3").click()
        for film in chosen:
            expect(
                page.locator(".st-key-shortlisted").get_by_text(film, exact=True)
            ).to_be_visible()
        expect(page.get_by_text(re.compile("^Because of "))).to_have_count(3)
        settle(page)
        assert not faults(page)
        keep_picture(page, "phone_shortlist")
