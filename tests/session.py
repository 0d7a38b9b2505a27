"""A visitor's browser without a screen.

A `Session` talks to a server (`tests/server.py`) as a browser does: one WebSocket, protobuf
messages, the timers of fragments and the address included.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import pandas as pd
import pyarrow as pa
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

PATIENCE_SECONDS = 120.0

# Of a widget's element: the field of `WidgetState` that holds its value.
_VALUE_FIELDS = {
    "button": "trigger_value",
    "selectbox": "string_value",
    "radio": "string_value",
    "text_input": "string_value",
    "tab_container": "string_value",
    "expandable": "bool_value",
    "dataframe": "string_value",
    "multiselect": "string_array_value",
    "button_group": "string_array_value",
    "slider": "double_array_value",
    "checkbox": "bool_value",
    "number_input": "double_value",
    "date_input": "string_array_value",
    "menu_button": "string_trigger_value",
}
_TRIGGERS = ("trigger_value", "string_trigger_value")  # which hold for one run alone


class PageError(RuntimeError):
    """The page shows an exception or an error, hangs, or lacks what a visitor looks for."""


@dataclass
class Session:
    """One browser tab: keeps what the page shows and the values of its widgets.

    Attributes:
        query: the address' parameters; kept up to date as a browser does.
        latencies: seconds of every interaction so far, timers left out.
        timer_latencies: seconds of every rerun that a fragment's timer asked for.
        id: the server's name for this session.
        config: what the server tells the page of its settings.
        port: where on this machine the server is, where the name of the address does not lead here.
        patience: seconds; a run that takes longer counts as hanging.
        received: bytes of all messages so far, files left out.
    """

    url: str
    query: dict[str, list[str]] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    timer_latencies: list[float] = field(default_factory=list)
    id: str = ""
    config: Any = None
    port: int | None = None
    patience: float = PATIENCE_SECONDS
    received: int = 0
    _socket: ClientConnection | None = None
    _page: dict[tuple[int, ...], Any] = field(default_factory=dict)
    _states: dict[str, WidgetState] = field(default_factory=dict)
    _timers: dict[str, float] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)

    async def open(self, **query: str | Sequence[str]) -> Session:
        """Connect and show the page that the parameters ask for."""
        self.query = {n: [v] if isinstance(v, str) else list(v) for n, v in query.items()}
        parts = urlsplit(self.url)
        self._socket = await connect(
            f"ws://{parts.netloc}{parts.path}/_stcore/stream",
            origin=Origin(f"{parts.scheme}://{parts.netloc}"),
            subprotocols=[Subprotocol("streamlit")],
            max_size=None,
            proxy=None,
            **cast(Any, {"host": "127.0.0.1", "port": self.port} if self.port else {}),
        )
        await self.rerun()
        return self

    async def close(self) -> None:
        if self._socket:
            await self._socket.close()

    # --- what the page shows ----------------------------------------------------------------------

    def elements(self, *kinds: str) -> list[Any]:
        """The protobufs of these kinds, from top to bottom."""
        return [element for kind, element, _ in self._shown() if kind in kinds]

    def labels(self, *kinds: str) -> list[str]:
        return [element.label for element in self.elements(*kinds)]

    def texts(self) -> str:
        return "\n".join(e.body for e in self.elements("markdown", "alert", "heading", "text"))

    def tables(self) -> list[pd.DataFrame]:
        """Every table with its data."""
        frames = []
        for element in self.elements("dataframe"):
            content = element.arrow_data.data or element.lazy_data.data.data
            frames.append(pa.ipc.open_stream(io.BytesIO(content)).read_pandas())
        return frames

    def table(self, *columns: str) -> pd.DataFrame | None:
        """The first table that has all these columns."""
        return next((t for t in self.tables() if set(columns) <= set(t.columns)), None)

    def find(self, wanted: str, kind: str | None = None) -> tuple[str, Any, str]:
        """Kind, protobuf and fragment of the first widget with this key or label."""
        for shown, element, fragment in self._shown():
            if shown not in _VALUE_FIELDS or (kind and shown != kind):
                continue
            if wanted in (key_of(element), getattr(element, "label", None)):
                return shown, element, fragment
        raise PageError(f"nothing is called {wanted!r} among {self.labels('button')}")

    def check(self) -> None:
        """Raises PageError where the page shows an exception or an error."""
        for kind, element, _ in self._shown():
            if kind == "exception":
                raise PageError(f"{element.type}: {element.message}")
            if kind == "alert" and element.format == element.ERROR:
                raise PageError(element.body)

    def _shown(self) -> Iterator[tuple[str, Any, str]]:
        for path in sorted(self._page):
            delta = self._page[path]
            if delta.WhichOneof("type") == "new_element":
                kind = delta.new_element.WhichOneof("type")
                yield kind, getattr(delta.new_element, kind), delta.fragment_id
            else:
                kind = delta.add_block.WhichOneof("type")
                if kind in ("tab_container", "expandable"):
                    yield kind, getattr(delta.add_block, kind), delta.fragment_id

    # --- what a visitor does ----------------------------------------------------------------------

    async def press(self, button: str) -> None:
        """Click the first button with this key or label."""
        await self.enter(button, True, "button")

    async def enter(self, widget: str, value: Any, kind: str | None = None) -> None:
        """Set the first widget with this key or label, and wait for the page."""
        element, fragment = self._put(widget, value, kind)
        parameter = getattr(element, "query_param_key", "")
        if parameter:
            self.query[parameter] = [str(v) for v in _as_list(value)]
        await self.rerun(fragment)

    async def rerun(self, fragment: str = "") -> None:
        """Run the page, or one fragment of it, and check what it shows."""
        begun = time.monotonic()
        await self.send(fragment)
        await self.finish()
        self.latencies.append(time.monotonic() - begun)
        self.check()

    async def linger(self, seconds: float) -> None:
        """Read the page; its timers go on as in a browser."""
        end = time.monotonic() + seconds
        while True:
            due = min(self._due.values(), default=end)
            await asyncio.sleep(max(0.0, min(due, end) - time.monotonic()))
            if due >= end:
                return
            fragment = min(self._due, key=self._due.__getitem__)
            self._due[fragment] = time.monotonic() + self._timers[fragment]
            begun = time.monotonic()
            await self.send(fragment, timer=True)
            await self.finish()
            self.timer_latencies.append(time.monotonic() - begun)
            self.check()

    async def wait_for(self, reached: Callable[[], bool], seconds: float = 60.0) -> None:
        """Linger until the page shows something; raises PageError if it does not come."""
        end = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > end:
                raise PageError(f"not reached within {seconds:.0f} s:\n{self.texts()[:2000]}")
            await self.linger(0.25)

    # --- the protocol -----------------------------------------------------------------------------

    def _put(self, widget: str, value: Any, kind: str | None) -> tuple[Any, str]:
        """Give a widget a value, to be sent with the next message; its protobuf and fragment."""
        kind, element, fragment = self.find(widget, kind)
        state = self._states[element.id] = WidgetState(id=element.id)
        name = _VALUE_FIELDS[kind]
        if kind == "slider" and element.options:  # a select slider holds texts
            name = "string_array_value"
        if name.endswith("_array_value"):
            getattr(state, name).data.extend(_as_list(value))
            getattr(state, name).SetInParent()  # an empty list is a value, too
        elif name == "string_trigger_value":
            state.string_trigger_value.data = value
        else:
            setattr(state, name, value)
        return element, fragment

    @property
    def _connected(self) -> ClientConnection:
        assert self._socket, "open the page first"
        return self._socket

    async def send(self, fragment: str = "", timer: bool = False) -> None:
        """Ask for a run without waiting for it."""
        message = BackMsg()
        client = message.rerun_script
        client.query_string = urlencode(self.query, doseq=True)
        client.fragment_id, client.is_auto_rerun = fragment, timer
        client.widget_states.widgets.extend(self._states.values())
        await self._connected.send(message.SerializeToString())
        self._states = {
            id: state
            for id, state in self._states.items()
            if state.WhichOneof("value") not in _TRIGGERS
        }

    async def finish(self) -> None:
        """Take in messages until the run, and those that it asked for, have ended."""
        fresh: dict[tuple[int, ...], Any] = {}  # what this run has drawn so far
        fragments: set[str] = set()  # which fragments it runs; none: the whole page
        async with asyncio.timeout(self.patience):
            while True:
                content = await self._connected.recv()
                self.received += len(content)
                message = ForwardMsg.FromString(cast(bytes, content))
                kind = message.WhichOneof("type")
                if kind == "new_session":
                    fresh, fragments = {}, set(message.metadata.run.fragment_ids)
                    self._begin(message.new_session, bool(fragments))
                elif kind == "delta":
                    fresh[tuple(message.metadata.delta_path)] = message.delta
                elif kind == "page_info_changed":
                    self.query = parse_qs(message.page_info_changed.query_string)
                elif kind == "auto_rerun":
                    self._start_timer(message.auto_rerun.fragment_id, message.auto_rerun.interval)
                elif kind == "script_finished" and self._ended(message.script_finished):
                    self._replace(fresh, fragments)
                    return

    def _begin(self, new_session: Any, is_fragment: bool) -> None:
        self.id = new_session.initialize.session_id or self.id
        self.config = new_session.config
        if not is_fragment:
            self._timers.clear()
            self._due.clear()

    def _start_timer(self, fragment: str, interval: float) -> None:
        self._timers[fragment] = interval
        self._due[fragment] = time.monotonic() + interval

    @staticmethod
    def _ended(status: int) -> bool:
        if status == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            raise PageError("the script does not compile")
        return status != ForwardMsg.FINISHED_EARLY_FOR_RERUN

    def _replace(self, fresh: dict[tuple[int, ...], Any], fragments: set[str]) -> None:
        """What the run has not drawn again disappears, and with it the values of its widgets."""
        kept = {
            path: d for path, d in self._page.items() if fragments and not _within(d, fragments)
        }
        self._page = kept | fresh
        ids = {getattr(element, "id", "") for _, element, _ in self._shown()}
        self._states = {id: state for id, state in self._states.items() if id in ids}
        for fragment in [f for f in self._timers if f in fragments and not fresh]:
            del self._timers[fragment], self._due[fragment]


def key_of(element: Any) -> str:
    """The key that the app gave a widget."""
    return element.id.split("-", 2)[-1]


def _within(delta: Any, fragments: set[str]) -> bool:
    return delta.fragment_id in fragments


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
