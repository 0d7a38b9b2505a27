"""How long until a visitor has films, and what that transfers: `python benchmarks/run.py opening`.

The server is that of `make run`. Seconds are from asking for the page to the end of the run that
shows ten cards, over a WebSocket as a browser speaks it; the server's processor time stands beside
them, because other work on the machine lengthens the seconds and not that. Bytes are what Chromium
received on a first visit with an empty cache.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.costs import load as load_data
from benchmarks.costs import movielens_folder
from lookup.ratings_import import TitleIndex, read_ratings_file
from tests.browser import running_app, running_chromium, settle
from tests.server import Server, running_server
from tests.session import Session, key_of

CARDS = 10
RATINGS = 5
IMPORTED = 2_000
_USER = "7"
_PATIENCE = 300.0

Row = dict[str, Any]


def measure() -> list[Row]:
    """One row per step: what, seconds (or bytes), and the server's processor seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows: list[Row] = []
        with _started(folder, rows) as server:
            rows.append(_timed("no model: start to ten cards", server, user=_USER))
            rows.append(_timed("with a model: another visitor to ten cards", server, user=_USER))
            rows += asyncio.run(_rate(server))
        with _started(folder) as server:
            rows.append(_timed("with a model: start to ten cards", server, user=_USER))
        rows.append(_import())
        rows.append(_transferred(folder))
    return rows


@contextmanager
def _started(folder: Path, rows: list[Row] | None = None) -> Iterator[Server]:
    """Page and API as `make run` serves them; `rows` get what the start itself takes."""
    begun = time.perf_counter()
    places = (movielens_folder(), folder / "model.pth", folder / "server.log")
    with running_server(*places, start=("serve.py",)) as server:
        if rows is not None:
            rows.append(
                {
                    "what": "`make run` to a server that answers",
                    "seconds": time.perf_counter() - begun,
                    "processor": server.processor_seconds(),
                }
            )
        yield server


def _timed(what: str, server: Server, **query: str) -> Row:
    begun, used = time.perf_counter(), server.processor_seconds()
    asyncio.run(_open(server, **query))
    return {
        "what": what,
        "seconds": time.perf_counter() - begun,
        "processor": server.processor_seconds() - used,
    }


async def _open(server: Server, **query: str) -> None:
    session = Session(server.url)
    await session.open(tab="Recommendations", **query)
    await session.wait_for(lambda: len(_why(session)) >= CARDS, _PATIENCE)
    await session.close()


def _why(session: Session) -> list[str]:
    return [key_of(b) for b in session.elements("button") if key_of(b).startswith("why_")]


async def _rate(server: Server) -> list[Row]:
    """A visitor clicks films; each click to the new list."""
    session = Session(server.url)
    await session.open(tab="Recommendations", who="Me")
    seconds, used = [], server.processor_seconds()
    for number in range(RATINGS):
        offered = [key_of(b) for b in session.elements("button")]
        films = [key for key in offered if key.startswith("my_film_")]
        begun = time.perf_counter()
        await session.press(films[number])
        await session.wait_for(lambda: len(_why(session)) >= CARDS, _PATIENCE)
        seconds.append(time.perf_counter() - begun)
    used = server.processor_seconds() - used
    await session.close()
    return [
        {
            "what": f"a rating to the new list, median of {RATINGS}",
            "seconds": median(seconds),
            "processor": used / RATINGS,
        }
    ]


def _import() -> Row:
    """The lines of a Letterboxd file, half of them of films that the catalogue does not have."""
    data = load_data()
    index = TitleIndex.of(data)
    lines = ["Date,Name,Year,Letterboxd URI,Rating"]
    for movie in range(IMPORTED):
        name, year = data.movies["name"].iloc[movie % data.n_movies], 1990 + movie % 20
        if movie % 2:
            known = data.movies["year"].iloc[movie % data.n_movies]
            year = year if known is None or known != known else int(known)
        quoted = name.replace('"', '""')
        lines.append(f'2024-01-01,"{quoted}",{year},https://boxd.it/x,4')
    content = "\n".join(lines).encode()
    begun, used = time.perf_counter(), time.process_time()
    read_ratings_file(content, index)
    return {
        "what": f"reading {IMPORTED:,} lines of a Letterboxd file",
        "seconds": time.perf_counter() - begun,
        "processor": time.process_time() - used,
    }


def _transferred(folder: Path) -> Row:
    """Bytes that a first visit to the recommendations receives: files, and messages of the page."""
    received = 0

    def files(event: dict[str, Any]) -> None:
        nonlocal received
        received += int(event["encodedDataLength"])

    def messages(event: dict[str, Any]) -> None:
        nonlocal received
        payload = event["response"]["payloadData"]
        binary = event["response"]["opcode"] == 2
        received += len(payload) * 3 // 4 if binary else len(payload)  # binary comes as base64

    with running_app(movielens_folder(), folder) as app, running_chromium() as chromium:
        page = chromium.new_page(viewport={"width": 390, "height": 844})
        browser = page.context.new_cdp_session(page)
        browser.send("Network.enable")
        browser.on("Network.loadingFinished", files)
        browser.on("Network.webSocketFrameReceived", messages)
        page.goto(f"{app.url}/?tab=Recommendations&user={_USER}")
        page.get_by_role("button", name="Why?").first.wait_for(timeout=_PATIENCE * 1000)
        settle(page)
    return {"what": "bytes that a first visit receives", "bytes": received}
