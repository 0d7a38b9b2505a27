"""Many visitors at once: `python benchmarks/run.py load`.

Twenty visitors (`tests/session.py`) look around in a real server, on the model that its first visit
trains, first by themselves, then while one more trains the best. Each has ratings, a shortlist and
filters of its own, and after every step checks that the page shows these and no one else's. Then
one visitor reruns the page a thousand times.

Latency is from sending an interaction to the message that its run has ended: everything but the
network and the drawing in the browser.
"""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from benchmarks.costs import movielens_folder
from tests.server import Server, running_server
from tests.session import PageError, Session, key_of

VISITORS = 20
THINK_SECONDS = (2.0, 8.0)  # between two interactions of a visitor, uniformly
PHASE_SECONDS = 60.0
RERUNS = 1000
WARM_UP_RERUNS = 200  # fills the caches, which are bounded
MAX_RATINGS = 8
TABS = ("Start Here", "Recommendations", "Train Model", "Insights")

Values = dict[str, Any]


class CrossTalkError(PageError):
    """The page shows what another visitor did."""


@dataclass
class Visitor:
    """Someone who looks around, and knows what the page must show.

    Attributes:
        number: which one; chooses the films, the genre and the length of the list, so that no two
            visitors see the same.
        ratings: film → stars that this visitor gave.
        listed: numbers of the films on this visitor's shortlist, oldest first.
    """

    number: int
    session: Session
    ratings: dict[str, float] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)
    genre: str | None = None
    users: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.chance = random.Random(self.number)
        self.k = 5 + self.number

    async def arrive(self) -> None:
        """Open a link to the own recommendations, and wait for the first model."""
        session = self.session
        await session.open(tab="Recommendations", who="Me", k=str(self.k))
        await session.wait_for(lambda: "Rate a film or two" in session.texts(), 120)
        await self.rate()

    # --- what they do -----------------------------------------------------------------------------

    async def act(self) -> None:
        """Do one thing by chance, and check what the page then shows."""
        actions: list[Callable[[], Awaitable[None]]] = [
            *(self.rate, self.watch, self.filter, self.follow_user),
            *(self.read_a_chapter, self.look_at_insights, self.look_at_training),
        ]
        await self.chance.choice(actions)()
        self.verify()

    async def rate(self) -> None:
        """Rate one more film; from time to time start anew."""
        await self._be("Me")
        session = self.session
        if not session.find("own_ratings")[1].expanded:
            await session.enter("own_ratings", True)
        if len(self.ratings) >= MAX_RATINGS:
            await session.press("Remove all my ratings")
            self.ratings.clear()
        stars = self.chance.choice((3.5, 4.0, 4.5, 5.0))
        await session.enter("stars_to_give", f"{stars:g} ★")
        await session.enter("my_film_text", ascii_lowercase[self.number % 26])  # others, others
        found = {key_of(b): _plain(b.label) for b in session.elements("button")}
        films = [key for key in found if re.fullmatch(r"my_film_\d+", key)]
        key = self.chance.choice([key for key in films if found[key] not in self.ratings])
        await session.press(key)
        self.ratings[found[key]] = stars

    async def watch(self) -> None:
        """Put a film on the shortlist or take it off."""
        await self._be("Me")
        films = self._films()
        if films is None:
            return
        keys = [key_of(b) for b in self.session.elements("button") if not b.disabled]
        shown = [key for key in keys if re.fullmatch(r"shortlist_\d+", key)]
        key = self.chance.choice(shown or [f"take_off_{film}" for film in self.listed])
        await self.session.press(key)
        film = key.rsplit("_", 1)[1]
        if film in self.listed:
            self.listed.remove(film)
        else:
            self.listed.append(film)

    async def filter(self) -> None:
        await self._be("Me")
        genres = list(self.session.find("genres")[1].options)
        self.genre = None if self.genre else genres[self.number % len(genres)]
        await self.session.enter("genres", [self.genre] if self.genre else [])

    async def follow_user(self) -> None:
        await self._be("A user of the data")
        self.users = self.users or list(self.session.find("user")[1].options)
        await self.session.enter("user", self.chance.choice(self.users))

    async def read_a_chapter(self) -> None:
        await self._go_to("Start Here")
        await self._choose("chapter")

    async def look_at_insights(self) -> None:
        await self._go_to("Insights")
        await self._choose("section")

    async def look_at_training(self) -> None:
        await self._go_to("Train Model")

    async def _choose(self, buttons: str) -> None:
        options = [option.content for option in self.session.find(buttons)[1].options]
        await self.session.enter(buttons, self.chance.choice(options))

    async def _go_to(self, tab: str) -> None:
        if self.session.query.get("tab", TABS[:1]) != [tab]:
            await self.session.enter("tab", tab)

    async def _be(self, who: str) -> None:
        await self._go_to("Recommendations")
        if self.session.query.get("who", ["A user of the data"]) != [who]:
            await self.session.enter("who", who)

    # --- what they must see -----------------------------------------------------------------------

    def verify(self) -> None:
        """Raises CrossTalkError unless the page shows this visitor's own things."""
        if self.session.query.get("tab") != ["Recommendations"]:
            return
        if self.session.query.get("who") == ["Me"]:
            self._same("ratings", self._shown_ratings(), self.ratings)
        keys = [key_of(button) for button in self.session.elements("button")]
        off = [key.removeprefix("take_off_") for key in keys if key.startswith("take_off_")]
        self._same("shortlist", off, self.listed)
        films = self._films()
        if films is not None:
            expected = self.k if self.genre is None else min(self.k, len(films))
            self._same("number of films", len(films), expected)
            fits = [self.genre is None or self.genre in genres for genres in films["genres"]]
            self._same(f"filter by {self.genre}", all(fits), True)

    def _films(self) -> Any:
        """The table of recommended films; None where the page says that there are none."""
        return self.session.table("film", "genres", "final score")

    def _shown_ratings(self) -> dict[str, float]:
        table = self.session.table("film", "stars", "ratings")
        return {} if table is None else dict(zip(table["film"], table["stars"], strict=True))

    def _same(self, what: str, shown: object, expected: object) -> None:
        if shown != expected:
            raise CrossTalkError(f"visitor {self.number}, {what}: {shown} instead of {expected}")


def _plain(text: str) -> str:
    """The title that a button in Markdown shows."""
    return text.removeprefix("✓ ").replace("\\", "").replace("\u2060", "")


async def keep_training(session: Session, stop: asyncio.Event, **settings: str) -> int:
    """Train, watch, and train again until `stop`; how many runs were started."""
    runs = 0
    await session.open(tab="Train Model", **settings)
    while True:
        await session.wait_for(lambda: not session.find("train")[1].disabled, 600)
        if stop.is_set():
            return runs
        await session.press("train")
        runs += 1
        await session.wait_for(lambda: _has_ended(session, stop), 600)


def _has_ended(session: Session, stop: asyncio.Event) -> bool:
    return stop.is_set() or not session.find("train")[1].disabled


# --- measuring ------------------------------------------------------------------------------------


async def browse(visitors: Sequence[Visitor], seconds: float, think: tuple[float, float]) -> Values:
    """Let all look around for a while; latencies, errors and the like."""
    errors: list[str] = []
    end = time.monotonic() + seconds
    for visitor in visitors:
        visitor.session.latencies.clear()
        visitor.session.timer_latencies.clear()

    async def look_around(visitor: Visitor) -> None:
        await visitor.session.linger(visitor.chance.uniform(0, think[1]))
        while time.monotonic() < end:
            try:
                await visitor.act()
            except (PageError, TimeoutError, OSError) as error:
                errors.append(f"{type(error).__name__}: {error}"[:300])
                return
            await visitor.session.linger(visitor.chance.uniform(*think))

    await asyncio.gather(*map(look_around, visitors))
    latencies = [s for visitor in visitors for s in visitor.session.latencies]
    timers = sum(len(visitor.session.timer_latencies) for visitor in visitors)
    return {"visitors": len(visitors), "errors": errors, "timers": timers} | summary(latencies)


def summary(latencies: Sequence[float]) -> Values:
    cuts = statistics.quantiles(latencies, n=20, method="inclusive")
    return {
        "reruns": len(latencies),
        "p50": statistics.median(latencies),
        "p95": cuts[-1],
        "max": max(latencies),
    }


async def rerun_often(visitor: Visitor, server: Server, reruns: int) -> list[tuple[int, float]]:
    """(Reruns so far, server memory in MiB) while one visitor goes on without a pause."""
    latencies = visitor.session.latencies
    samples: list[tuple[int, float]] = []
    latencies.clear()
    while len(latencies) < reruns:
        await visitor.act()
        if len(latencies) >= len(samples) * reruns // 10:
            samples.append((len(latencies), server.memory()))
            _tell(samples[-1])
    return [*samples, (len(latencies), server.memory())]


async def measure_on(server: Server) -> Values:
    """All phases, one after the other."""
    values: Values = {"memory": {"started": server.memory()}, "phases": {}}
    visitors = [Visitor(n, Session(server.url)) for n in range(VISITORS)]
    await visitors[0].arrive()
    values["memory"]["one visitor"] = server.memory()
    _tell(values["memory"])
    values["phases"]["one visitor"] = await browse(visitors[:1], PHASE_SECONDS, (0.5, 1.0))
    await asyncio.gather(*(visitor.arrive() for visitor in visitors[1:]))
    values["memory"]["all have arrived"] = server.memory()
    values["phases"]["all"] = await _timed(server, visitors)
    values["memory"]["all have looked around"] = server.memory()

    stop = asyncio.Event()
    training = asyncio.create_task(keep_training(Session(server.url), stop))
    values["phases"]["all, one trains"] = await _timed(server, visitors)
    values["memory"]["while one trains"] = server.memory()
    stop.set()
    values["trainings"] = await training
    values["memory"]["after the training"] = server.memory()

    for visitor in visitors[1:]:
        await visitor.session.close()
    await rerun_often(visitors[0], server, WARM_UP_RERUNS)
    values["growth"] = await rerun_often(visitors[0], server, RERUNS)
    values["peak"] = server.peak_memory()
    await visitors[0].session.close()
    return values


async def _timed(server: Server, visitors: Sequence[Visitor]) -> Values:
    """`browse` and the share of a processor that the server used meanwhile."""
    begun, used = time.monotonic(), server.processor_seconds()
    found = await browse(visitors, PHASE_SECONDS, THINK_SECONDS)
    _tell(found)
    spent = server.processor_seconds() - used
    return found | {"processor": spent / (time.monotonic() - begun)}


def _tell(news: object) -> None:
    print(news, file=sys.stderr, flush=True)


def measure() -> Values:
    """Start a server on MovieLens and put it under load; its first visitor makes it train."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        with running_server(movielens_folder(), Path(folder) / "model.pth", log) as server:
            values = asyncio.run(measure_on(server))
        text = log.read_text(encoding="utf-8")
    return values | {"log_errors": [line for line in text.splitlines() if "Error" in line][:9]}
