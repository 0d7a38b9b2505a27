"""Many visitors at once on a real server: each sees their own things, and memory stays bounded.

No assertion is about time: a shared processor may be slow. `benchmarks/load.py` measures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load import Visitor, keep_training
from settings import DEMO_DIR
from tests.server import Server, running_server
from tests.session import Session

VISITORS = 30  # with --thorough; else a fifth of them
WARM_UP, RERUNS = 30, 80
MAX_GROWTH_MIB = 20.0  # 0.25 MiB for each rerun, less than the messages of one page weigh
SMALL = {"dim": "8", "layers": "1", "epochs": "3"}
LONG = {"preset": "published", "dim": "256", "epochs": "300", "negatives": "32"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app on the demo data; it trains its first model by itself."""
    folder = tmp_path_factory.mktemp("load")
    one_thread = {"OMP_NUM_THREADS": "1"}
    log = folder / "server.log"
    with running_server(DEMO_DIR, folder / "model.pth", log, environment=one_thread) as server:
        yield server


def test_visitors_see_their_own_things_while_one_trains(server: Server, thorough: bool) -> None:
    visitors, runs = asyncio.run(_look_around(server, VISITORS if thorough else VISITORS // 5))
    assert runs >= 1
    assert all(visitor.ratings for visitor in visitors)
    assert any(visitor.listed for visitor in visitors)
    log = server.log.read_text(encoding="utf-8")
    assert "Traceback" not in log and "Error" not in log, log
    said = {film for visitor in visitors for film in visitor.ratings}
    assert not [word for word in (*said, "who=", "k=", "User-Agent") if word in log], log


async def _look_around(server: Server, n: int) -> tuple[list[Visitor], int]:
    """All arrive and act at once, checking their own page; in the end each looks once more."""
    first = await Session(server.url).open(tab="Train Model")
    await first.wait_for(lambda: not first.find("train")[1].disabled)  # the server's own first one
    await first.close()
    visitors = [Visitor(number, Session(server.url)) for number in range(n)]
    stop = asyncio.Event()
    training = asyncio.create_task(keep_training(Session(server.url), stop, **SMALL))

    async def visit(visitor: Visitor) -> None:
        await visitor.arrive()
        steps = (visitor.watch, visitor.filter, visitor.follow_user, visitor.rate)
        await steps[visitor.number % len(steps)]()
        visitor.verify()

    await asyncio.gather(*map(visit, visitors))
    for visitor in visitors:
        await visitor.session.rerun()
        visitor.verify()
    stop.set()
    runs = await training
    for visitor in visitors:
        await visitor.session.close()
    return visitors, runs


def test_the_buttons_of_a_running_training_are_not_in_its_redrawn_fragment(server: Server) -> None:
    """A click in a fragment is lost if another, on a tab, comes while the fragment is drawn."""

    async def fragments() -> set[str]:
        session = Session(server.url)
        await session.open(tab="Train Model", **LONG)
        await session.wait_for(lambda: not session.find("train")[1].disabled)
        await session.press("train")
        found = {session.find(label)[2] for label in ("Pause", "Stop and keep the best")}
        await session.press("Pause")
        found.add(session.find("Resume")[2])
        await session.press("Stop and keep the best")
        await session.wait_for(lambda: not session.find("train")[1].disabled)
        await session.close()
        return found

    assert asyncio.run(fragments()) == {""}


@pytest.mark.thorough
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_many_reruns_do_not_grow_the_memory(server: Server) -> None:
    assert asyncio.run(_growth(server)) < MAX_GROWTH_MIB


async def _growth(server: Server) -> float:
    """MiB that one visitor's reruns add, once all caches are filled."""
    visitor = Visitor(VISITORS, Session(server.url))
    await visitor.arrive()
    before = 0.0
    while len(visitor.session.latencies) < WARM_UP + RERUNS:
        if not before and len(visitor.session.latencies) >= WARM_UP:
            before = server.memory()
        await visitor.act()
    await visitor.session.close()
    return server.memory() - before
