"""The walk through all pages: it uses what is there, and says what goes wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks import walk
from data_preparation import load_movie_data
from model.checkpoints import save_checkpoint
from model.splits import random_80_10_10
from model_training import train
from settings import DEMO_DIR
from tabs.links import LATER, TASTE, WHO
from tests.server import Server, running_server
from tests.session import PageError, Session
from tests.small_training import hybrid_config

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="processor time is read from /proc"
)


def test_a_page_is_looked_at_twice_and_all_of_it_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_movie_data(DEMO_DIR)
    model = train(data, random_80_10_10(data), hybrid_config())
    save_checkpoint(model, tmp_path / "model.pth")
    log = tmp_path / "server.log"
    pages = [walk.FIRST, f"Insights: {TASTE}", f"Insights: {LATER}"]
    with running_server(DEMO_DIR, tmp_path / "model.pth", log, environment=walk.ONE_THREAD) as app:
        user = int(data.user_ids[0])
        first, taste, later = asyncio.run(walk.walk(app, pages, user))
        fault = asyncio.run(_with_a_fault(app, monkeypatch))
    for found in (first, taste, later):
        assert len(found.looks) == 2 and not found.problems, found.problems
    assert not later.clicks
    used = [cost.what for cost in taste.clicks]
    assert used[:2] == ["button_group For whom → ['Me']", f"button_group For whom → ['{WHO[0]}']"]
    assert any(what.startswith("date_input As of the end of") for what in used)
    assert 10_000 < taste.most_sent < 1_000_000 and max(cost.seconds for cost in taste.warm) > 0
    assert fault.problems == ["look: PageError: a sentence"] * 2
    table = walk.as_table([first, taste, later]).splitlines()
    assert len(table) == 5 and table[3].startswith("| Insights: Taste over time | ")
    assert table[2].split("|")[5].strip() == "–"


async def _with_a_fault(app: Server, monkeypatch: pytest.MonkeyPatch) -> walk.Found:
    def fail(session: Session) -> None:
        raise PageError("a sentence")

    monkeypatch.setattr(Session, "check", fail)
    return await walk.Walk(app, 1).see(walk.FIRST)
