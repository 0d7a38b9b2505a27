"""Messages that no page of ours would send: whatever they claim, nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState

from model.checkpoints import save_checkpoint
from model.runs import save_run
from model.trained import TrainedModel
from settings import runs_folder
from tabs.links import TABS
from tests.conftest import REPOSITORY, snapshot, write_planted
from tests.model.test_runs import RUN
from tests.server import Server, running_server
from tests.session import _VALUE_FIELDS, PageError, Session


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, hybrid: TrainedModel) -> Path:
    folder = tmp_path_factory.mktemp("forged")
    write_planted(folder / "data")
    save_checkpoint(hybrid, folder / "model.pth")
    save_checkpoint(hybrid, folder / "model.pth")  # and one to bring back
    save_run(RUN, runs_folder(folder / "model.pth"))
    return folder


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    off = {"LIGHTGCN_TRAINING": "off"}
    with running_server(folder / "data", folder / "model.pth", log, environment=off) as server:
        yield server


TEXTS = ["", "\0", "x" * 10_000, "__proto__", "../../etc/passwd", "-1", "NaN", "Me"]
ABSURD: dict[str, list[Any]] = {  # by field of the message
    "trigger_value": [True],
    "bool_value": [True, False],
    "int_value": [2**62, -7, 0],
    "double_value": [math.nan, math.inf, -1.0],
    "string_value": [*TEXTS, "\ufffd" * 99],
    "json_value": [
        '{"selection": {"rows": [-1, 99999999], "columns": ["x"]}}',
        '{"edited_rows": {"9999": {"stars": 1e99}}, "deleted_rows": [9999], "added_rows": [{}]}',
        '{"selection": {"points": [{"movie": 10e99}]}}',
        "[]",
        "{",
    ],
    "double_array_value": [[math.inf, -1e308], [math.nan], [1e9], [-5.0, 3.0], []],
    "int_array_value": [[-1, 2**40, 0], []],
    "string_array_value": [TEXTS, TEXTS[:1], []],
    "string_trigger_value": TEXTS,
}


def forge(state: WidgetState, field: str | None, number: int) -> None:
    """An absurd value in the field that the widget has, or in any."""
    field = field or list(ABSURD)[number % len(ABSURD)]
    value = ABSURD[field][number % len(ABSURD[field])]
    if isinstance(value, list):
        getattr(state, field).data.extend(value)
        getattr(state, field).SetInParent()
    elif field == "string_trigger_value":
        state.string_trigger_value.data = value
    else:
        setattr(state, field, value)


def names() -> list[str]:
    """Of widgets that this server does not show."""
    widgets = ("train", "stop", "pause", "promote", "restore", "refit", "preset", "dim_best")
    return [f"$$ID-{'0' * 32}-{name}" for name in widgets]


async def attack(server: Server, tab: str) -> None:
    """Send forgeries, each from a page of its own: in all fields, and in those of one kind alone,
    as Streamlit refuses the whole message for one value that it cannot read."""
    for field in (None, *dict.fromkeys(_VALUE_FIELDS.values())):
        session = await Session(server.url).open(tab=tab)
        shown = [
            element.id
            for kind, element, _ in session._shown()
            if kind in _VALUE_FIELDS and element.id and field in (None, _VALUE_FIELDS[kind])
        ]
        for place, name in enumerate([*shown, *names()]):
            state = session._states[name] = WidgetState(id=name)
            forge(state, field, TABS.index(tab) + place)
        with contextlib.suppress(PageError):  # their own page may be an error
            await session.rerun()
        await session.close()


def faults_of_ours(log: str) -> list[str]:
    """Where tracebacks end that end in this project's code, and not in Streamlit's checks."""
    found = []
    for traceback in log.split("Traceback (most recent call last):")[1:]:
        files = re.findall(r'File "([^"]+)", line (\d+)', traceback)
        if files and str(REPOSITORY) in files[-1][0] and ".venv" not in files[-1][0]:
            found.append(f"{files[-1]}: {traceback.strip().splitlines()[-1][:200]}")
    return found


@pytest.mark.parametrize("tab", TABS)
def test_forged_messages_change_nothing_for_anybody_else(
    server: Server, folder: Path, tab: str
) -> None:
    async def play() -> tuple[set[str], set[str]]:
        def words(session: Session) -> set[str]:
            return set(session.texts().splitlines())

        honest = await Session(server.url).open(tab=tab)
        before = words(honest)
        await attack(server, tab)
        await honest.rerun()  # an error on its page would raise
        after = words(honest)
        await honest.close()
        newcomer = await Session(server.url).open(tab=tab)
        await newcomer.close()
        return before, after

    files = snapshot(folder)
    before, after = asyncio.run(play())
    assert after == before
    assert snapshot(folder) == files
    assert faults_of_ours(server.log.read_text(encoding="utf-8")) == []
