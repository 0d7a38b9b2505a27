"""The API over small models, on a real server of this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn

from api.app import Limits, create_app
from api.current import Current, Snapshot
from data_preparation import MovieData
from model.trained import TrainedModel
from serving.state import ServerState

KEY = "a-key-that-is-long-enough"


class Fixed(Current):
    """Always the same model, unless a test puts another one in its place."""

    def __init__(self, now: Snapshot | None, state: ServerState | None = None) -> None:
        super().__init__(state or ServerState(), fetch=_no_download)
        self._now = now

    def put(self, now: Snapshot | None) -> None:
        self._now = now

    def start(self) -> None:
        """Looks for nothing."""


def limits(**changes: Any) -> Limits:
    """Those that suit most tests, with changes."""
    usual: dict[str, Any] = {"key": KEY, "rate": 1e6, "origins": (), "hosts": ()}
    return Limits(**usual | changes)


def _no_download() -> Path:
    raise AssertionError("a test must not download")


class Client:
    """`requests` to one server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> requests.Response:
        return self.ask("POST", path, json=json, **options)

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._session.request(method, self.url + path, timeout=30, **options)


@contextmanager
def answering(current: Current, **changes: Any) -> Iterator[Client]:
    """A server with the API; `changes` of the limits that suit most tests."""
    app = create_app(current, limits(**changes))
    options = uvicorn.Config(app, log_config=None, proxy_headers=False, access_log=False)
    server = uvicorn.Server(options)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield Client(f"http://localhost:{listening.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture(scope="session")
def now(planted_data: MovieData, hybrid: TrainedModel) -> Snapshot:
    return Snapshot.of(planted_data, hybrid)


@pytest.fixture(scope="module")
def client(now: Snapshot) -> Iterator[Client]:
    with answering(Fixed(now)) as client:
        yield client
