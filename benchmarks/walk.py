"""Every page and every control on any data: `python -m benchmarks.walk FOLDER CHECKPOINT`.

A visitor (`tests/session.py`) opens each page twice, in two browsers, and then uses whatever is on
it: presses, opens, chooses, moves, types. What took more than a second is done once more. It says
for each page what the first look, the second and the slowest click cost, at first and once warm,
how much was sent at once, and what went wrong. Seconds are of the server's processor with one
thread, so that other work on the machine does not count; what the page does in the background
meanwhile does. What trains or fits a model is not pressed, except for the duel.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.run import ONE_THREAD
from tabs.links import CHAPTERS, FOR_SERVING, PLAYGROUND, SECTIONS, TABS, WHO
from tests.server import Server, running_server
from tests.session import PageError, Session, key_of

FIRST = "the first page of the server"
PAGES: dict[str, dict[str, str]] = {
    FIRST: {"tab": TABS[0], "chapter": CHAPTERS[-1]},
    **{f"Insights: {name}": {"tab": TABS[3], "section": name} for name in SECTIONS},
    **{f"Recommendations: {who}": {"tab": TABS[1], "who": who} for who in WHO},
    **{
        f"Train Model: {part}": {"tab": TABS[2], "training": part}
        for part in (FOR_SERVING, PLAYGROUND)
    },
    **{f"Start Here: {name}": {"tab": TABS[0], "chapter": name} for name in CHAPTERS},
}
_CONTROLS = (
    *("button", "menu_button", "button_group", "selectbox", "multiselect", "radio", "slider"),
    *("checkbox", "number_input", "date_input", "text_input", "expandable"),
)
# They lead to other pages, or train.
_LEFT_ALONE = re.compile(
    r"(tab|section|chapter|training|data|turn_.*|open_duel|train|measure_users|promote_.*|title_.*)|"
    r"(Fit the model again.*|Show the list of that day|Train .*|Rate films|Remove all my ratings)|"
    r"(Download .*)"
)
_PATIENCE = 900.0  # seconds; a first look at large data may take minutes
_MOST_CLICKS = 150  # on a page
_SLOW = 1.0  # seconds


@dataclass
class Cost:
    """Of one answer of the server: processor seconds, and bytes to the browser."""

    what: str
    seconds: float
    sent: int


@dataclass
class Found:
    """What was seen of a page.

    Attributes:
        clicks: all of them; `warm`: without those that were slow and then done once more.
        longest: list of options that was sent.
        problems: exceptions and red sentences that the page showed.
    """

    page: str
    looks: list[Cost] = field(default_factory=list)
    clicks: list[Cost] = field(default_factory=list)
    warm: list[Cost] = field(default_factory=list)
    longest: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def most_sent(self) -> int:
        return max((cost.sent for cost in (*self.looks, *self.clicks)), default=0)


# --- what there is to use -------------------------------------------------------------------------


def _name(element: Any) -> str:
    """The key of a widget, or its label where it has none."""
    key = key_of(element)
    return element.label if key == "None" else key


def _kind_of(kind: str, element: Any) -> str:
    """Alike for widgets that do the same with another film."""
    return f"{kind} {re.sub(r'[0-9a-f]{16,}|[0-9]+', '#', _name(element))}"


def _values(kind: str, element: Any, user: int) -> Iterator[Any]:
    """What to set a widget to, one after the other; its present value comes last where it can.

    Args:
        user: whose number is typed where one is asked for.
    """
    if kind == "button":
        yield True
    elif kind in ("checkbox", "expandable"):
        now = element.default if kind == "checkbox" else element.expanded
        yield from (not now, now) if kind == "checkbox" else (True,)
    elif kind == "button_group":
        options = [option.content for option in element.options]
        default = [options[place] for place in element.default]
        present = list(element.raw_values) if element.set_value else default
        yield from ([option] for option in options if [option] != present)
        yield present
    elif kind in ("selectbox", "radio"):
        options = list(element.options)
        yield from options[-2:]
        yield from options[:1]
    elif kind == "menu_button":
        yield from list(element.options)[:1]
    elif kind == "multiselect":
        yield list(element.options)[:1]
        yield []
    elif kind == "slider":
        yield from _positions(element)
    elif kind == "number_input":
        yield element.default + 1
    elif kind == "date_input":
        yield [element.min]
    elif _name(element).endswith("typed"):
        yield str(user) if _name(element) == "user_typed" else f"1, {user}"
    else:
        yield from ("man", "teh xorrid", "")


def _positions(element: Any) -> Iterator[list[Any]]:
    """One end, the other end, and as it was."""
    present = list(element.default)
    if element.options:
        options = list(element.options)
        ends: tuple[Any, Any] = (options[0], options[-1])
        present = [options[int(place)] for place in present]
    else:
        ends = (element.min, element.max)
    for end in ends:
        yield [end] * len(present)
    yield present


# --- the walk -------------------------------------------------------------------------------------


@dataclass
class Walk:
    """A visitor of this server; `user` is the one of the data whom they look up."""

    server: Server
    user: int

    async def see(self, page: str) -> Found:
        """Two looks, then all that can be clicked."""
        found = Found(page)
        session = None
        for _ in range(2):
            session = Session(self.server.url, patience=_PATIENCE)
            await self._measured(found, found.looks, "look", session, session.open(**PAGES[page]))
        assert session is not None
        if page != FIRST:
            await self._use_all(found, session)
        await session.close()
        return found

    async def _use_all(self, found: Found, session: Session) -> None:
        """Each kind of control once, those that appear on the way included."""
        used: set[str] = set()
        while len(found.clicks) < _MOST_CLICKS:
            await self._wait(session)
            new = next(self._unused(session, used), None)
            if new is None:
                return
            used.add(_kind_of(*new))
            await self._use(found, session, *new)

    async def _use(self, found: Found, session: Session, kind: str, element: Any) -> None:
        """One control, and again where it was slow."""
        name, costs = _name(element), list[Cost]()
        for _ in range(2):
            costs = []
            for value in list(_values(kind, element, self.user)):
                try:
                    session.find(name, kind)
                except PageError:  # it went away with the last click
                    break
                shown = "" if value is True else f" → {_short(value)}"
                what = f"{kind} {_short(element.label or name)}{shown}"
                entered = session.enter(name, value, kind)
                await self._measured(found, costs, what, session, entered)
            found.clicks += costs
            if all(cost.seconds <= _SLOW for cost in costs):
                break
        found.warm += costs

    def _unused(self, session: Session, used: set[str]) -> Iterator[tuple[str, Any]]:
        for kind in _CONTROLS:
            for element in session.elements(kind):
                name = _name(element)
                if not getattr(element, "id", "") or getattr(element, "disabled", False):
                    continue
                if _LEFT_ALONE.fullmatch(name) or _LEFT_ALONE.fullmatch(element.label):
                    continue
                if _kind_of(kind, element) not in used:
                    yield kind, element

    async def _wait(self, session: Session) -> None:
        """Until nothing is prepared in the background any more."""
        if session.elements("progress"):
            await session.wait_for(lambda: not session.elements("progress"), _PATIENCE)

    async def _measured(
        self, found: Found, costs: list[Cost], what: str, session: Session, doing: Any
    ) -> None:
        used, received = self.server.processor_seconds(), session.received
        try:
            await doing
        except (PageError, TimeoutError, OSError) as error:
            found.problems.append(f"{what}: {type(error).__name__}: {error}"[:400])
        seconds = self.server.processor_seconds() - used
        costs.append(Cost(what, seconds, session.received - received))
        lists = [len(e.options) for e in session.elements("selectbox", "multiselect", "radio")]
        found.longest = max(found.longest, *lists, 0)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def as_table(pages: list[Found]) -> str:
    lines = [
        "| page | first look | second look | clicks | slowest click | once warm | sent at once |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for found in pages:
        first, second = (f"{look.seconds:.2f}" for look in found.looks)
        slowest, warm = (
            f"{max(cost.seconds for cost in costs):.2f}" if costs else "–"
            for costs in (found.clicks, found.warm)
        )
        lines.append(
            f"| {found.page} | {first} | {second} | {len(found.clicks)} | {slowest} | {warm} | "
            f"{found.most_sent / 1e6:.2f} MB |"
        )
    return "\n".join(lines)


async def walk(server: Server, pages: list[str], user: int) -> list[Found]:
    results = []
    for page in pages:
        results.append(await Walk(server, user).see(page))
        _tell(results[-1], server)
    return results


def _tell(found: Found, server: Server) -> None:
    looks = ", ".join(f"{look.seconds:.2f}" for look in found.looks)
    slowest = (
        "; ".join(f"{c.seconds:.2f} {c.what}" for c in sorted(costs, key=lambda c: -c.seconds)[:4])
        for costs in (found.clicks, found.warm)
    )
    print(
        f"{found.page}: looks {looks} s; {len(found.clicks)} clicks; slowest "
        f"{'; once warm '.join(slowest)}; most sent {found.most_sent / 1e6:.2f} MB; "
        f"longest list {found.longest}; "
        f"memory {server.memory():,.0f} MiB, peak {server.peak_memory():,.0f}",
        *found.problems,
        sep="\n  ",
        file=sys.stderr,
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("folder", type=Path, help="data in MovieLens format")
    parser.add_argument("checkpoint", type=Path, help="a model of them")
    parser.add_argument(
        "--user", type=int, default=1, help="whom to look up (default: %(default)s)"
    )
    parser.add_argument("--only", nargs="+", default=[""], help="pages whose name has one of these")
    asked = parser.parse_args()
    pages = [page for page in PAGES if page == FIRST or any(part in page for part in asked.only)]
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "server.log"
        places = (asked.folder.resolve(), asked.checkpoint.resolve(), log)
        with running_server(*places, environment=ONE_THREAD) as server:
            found = asyncio.run(walk(server, pages, asked.user))
            peak = server.peak_memory()
        logged = [line for line in log.read_text(encoding="utf-8").splitlines() if "Error" in line]
    print(as_table(found))
    longest = max(each.longest for each in found)
    print(f"\nThe server's peak: {peak / 1024:.2f} GiB. The longest list sent: {longest:,}.")
    problems = [f"{each.page}: {problem}" for each in found for problem in each.problems]
    print("\n".join([*problems, *logged]) or "Nothing went wrong.")


if __name__ == "__main__":
    main()
