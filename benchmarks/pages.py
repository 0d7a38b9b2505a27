"""How long a page takes to change in a real browser: `python benchmarks/run.py pages`.

From the click to the moment when the server has finished, the new content and its charts are on the
page, nothing is stale and two frames have been drawn. MovieLens, the model 'best', Chromium and the
server on the same machine.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from benchmarks.costs import movielens_folder
from settings import PROJECT_DIR
from tests.browser import Page, running_app, running_chromium, settle, visit

ROUNDS = 7
USERS = {7: 152, 50: 310, 599: 2478}  # raw id: ratings
_BETWEEN_MS = 700  # for what a page does after it has been drawn
# section of Insights: its last heading, charts on the page
_SECTIONS = {
    "Tags": ("Do the film vectors alone tell the tags?", 5),
    "Tag suggestions": ("How often are they right?", 0),
    "Model health": ("Which users does it serve badly?", 5),
    "Data at a glance": ("The ratings at a glance", 5),
    "Map of films": ("Map of the films", 1),
}
_OPENED = "Data at a glance"  # the section that the page begins with
# chapter of Start Here: what it says of a user
_CHAPTERS = {
    "Messages": "{ratings:,} neighbours of User {user} send",
    "Neighbourhood": "User {user} has {ratings:,} edges in all",
    "What if": "User {user}'s own level goes from",
}
_DRAWN = """([text, charts]) => {
  const app = document.querySelector('[data-testid=stApp]');
  const drawn = '[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg';
  return app.getAttribute('data-test-script-state') === 'notRunning'
    && app.textContent.includes(text)
    && document.querySelectorAll(drawn).length >= charts
    && !document.querySelector('[data-stale=true]');
}"""
_TWO_FRAMES = "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"


def measure() -> list[dict[str, Any]]:
    """One row per kind of change: what, how often, the median and the slowest in seconds."""
    data = movielens_folder()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [sys.executable, "model_training.py", "--output", str(folder / "model.pth")],
            cwd=PROJECT_DIR,
            env=os.environ | {"MOVIELENS_DIR": str(data)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        with running_app(data, folder) as app, running_chromium() as chromium:
            with visit(chromium, app, "tab=Start+Here&user=7") as page:
                rows = _start_here(page)
            with visit(chromium, app, f"tab=Insights&section={quote_plus(_OPENED)}") as page:
                rows += _insights(page)
    return rows


def _start_here(page: Page) -> list[dict[str, Any]]:
    seconds: dict[str, list[float]] = {}
    for chapter, says in _CHAPTERS.items():
        page.get_by_role("radio", name=chapter, exact=True).click()
        settle(page)
        for _ in range(ROUNDS + 1):
            for user, ratings in USERS.items():
                text = says.format(user=user, ratings=ratings)
                found = _timed(page, _choose_user(page, user), text)
                what = f"Start Here, {chapter}: to user {user} ({ratings:,} ratings)"
                seconds.setdefault(what, []).append(found)
    page.get_by_role("radio", name="Messages", exact=True).click()
    settle(page)
    for _ in range(ROUNDS + 1):
        for layer in (1, 0):
            step = page.get_by_role("radio", name=f"layer {layer} → {layer + 1}", exact=True)
            found = _timed(page, step.click, f"send their layer-{layer} embedding")
            seconds.setdefault("Start Here, Messages: another layer", []).append(found)
    return _rows(seconds)


def _insights(page: Page) -> list[dict[str, Any]]:
    seconds: dict[str, list[float]] = {}
    for _ in range(ROUNDS + 1):
        for section, (heading, charts) in _SECTIONS.items():
            button = page.get_by_role("radio", name=section, exact=True)
            found = _timed(page, button.click, heading, charts)
            seconds.setdefault(f"Insights: {section}", []).append(found)
    return [row for row in _rows(seconds) if row["what"] != f"Insights: {_OPENED}, first time"]


def _rows(seconds: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Median and slowest of the first time and of all others."""
    return [
        {
            "what": f"{what}, {kind}",
            "rounds": len(found),
            "median": statistics.median(found),
            "slowest": max(found),
        }
        for what, every in seconds.items()
        for kind, found in (("first time", every[:1]), ("again", every[1:]))
    ]


def _choose_user(page: Page, user: int) -> Callable[[], None]:
    def act() -> None:
        page.keyboard.press("Enter")

    box = page.get_by_role("combobox", name="User", exact=True)
    box.fill(f"User {user} ·")  # typing is not in the time
    page.wait_for_timeout(_BETWEEN_MS)
    return act


def _timed(page: Page, act: Callable[[], None], text: str, charts: int = 0) -> float:
    page.wait_for_timeout(_BETWEEN_MS)
    start = time.perf_counter()
    act()
    page.wait_for_function(_DRAWN, arg=[text, charts], polling="raf")
    page.evaluate(_TWO_FRAMES)
    return time.perf_counter() - start
