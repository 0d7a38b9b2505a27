"""The first screen of a server that was just started, on any data.

`python -m benchmarks.first_page FOLDER CHECKPOINT` starts `serve.py` anew for each screen and says
how long it took until the server answered and until the screen was complete, in seconds and in
seconds of the processor, and how much memory it took by then. Without the file CHECKPOINT there is
no model; none is trained. A start that is not counted comes before: it makes the binary copy that
large data get beside CHECKPOINT, where it is not there yet.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from settings import TRAINING_VARIABLE
from tabs.links import TABS, WHO
from tests.server import Server, running_server
from tests.session import Session, key_of

_PATIENCE = 900.0  # seconds


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock and of the processor."""

    seconds: float
    processor: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} ({self.processor:.1f})"


@dataclass(frozen=True)
class Row:
    """What a screen took: to a server that answers, from there to the whole screen; MiB then."""

    screen: str
    start: Cost
    page: Cost
    memory: float


async def _start_here(session: Session) -> None:
    await session.open(tab=TABS[0])


async def _for_a_user(session: Session) -> None:
    await session.open(tab=TABS[1], who=WHO[0])


async def _for_a_visitor(session: Session) -> None:
    """With the first film rated, so that there is a list."""
    await session.open(tab=TABS[1], who=WHO[1])
    offered = [key_of(button) for button in session.elements("button")]
    films = [key for key in offered if key.startswith("my_film_")]
    if films:  # else there is no model
        await session.press(films[0])


_SCREENS: dict[str, Callable[[Session], Awaitable[None]]] = {
    "Start Here": _start_here,
    "Recommendations for a user": _for_a_user,
    "Recommendations for a visitor": _for_a_visitor,
}


def measure(folder: Path, checkpoint: Path) -> list[Row]:
    """One row per screen."""
    _measured(next(iter(_SCREENS)), folder, checkpoint)
    return [_measured(name, folder, checkpoint) for name in _SCREENS]


def _measured(screen: str, folder: Path, checkpoint: Path) -> Row:
    with tempfile.TemporaryDirectory() as place:
        log, begun = Path(place) / "server.log", time.perf_counter()
        off = {TRAINING_VARIABLE: "off"}
        with running_server(
            folder, checkpoint, log, start=("serve.py",), environment=off
        ) as server:
            start = Cost(time.perf_counter() - begun, server.processor_seconds())
            page = asyncio.run(_shown(server, screen))
            return Row(screen, start, page, server.memory())


async def _shown(server: Server, screen: str) -> Cost:
    begun, used = time.perf_counter(), server.processor_seconds()
    session = Session(server.url, patience=_PATIENCE)
    await _SCREENS[screen](session)
    cost = Cost(time.perf_counter() - begun, server.processor_seconds() - used)
    await session.close()
    return cost


def as_table(rows: list[Row]) -> str:
    """In Markdown."""
    lines = [
        "| first screen | server answers, s (processor) | screen complete, s (processor) | MiB |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {row.screen} | {row.start} | {row.page} | {row.memory:,.0f} |" for row in rows),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="data in MovieLens format")
    parser.add_argument("checkpoint", type=Path, help="a model of them, or where none is")
    asked = parser.parse_args()
    print(as_table(measure(asked.folder.resolve(), asked.checkpoint.resolve())))


if __name__ == "__main__":
    main()
