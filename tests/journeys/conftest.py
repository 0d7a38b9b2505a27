"""One Chromium and one trained app for all journeys; a new visitor, with empty pockets, for each.

No journey changes what the shared app serves to others: those that train have a server of their
own. A failure leaves artifacts/failed_*.png and .txt.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from settings import DEMO_DIR
from tests.browser import (
    CHROMIUM,
    INSTALL_CHROMIUM,
    TRAINING_TIMEOUT,
    running_app,
    running_chromium,
    visit,
)
from tests.server import Server

Visit = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Chromium for all journeys, each of which has its own cookies and storage."""
    if CHROMIUM is None:
        pytest.skip(f"Chromium is not installed; to install it: {INSTALL_CHROMIUM}")
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def app(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An app on the demo data that has a model. Nobody may change it."""
    with running_app(DEMO_DIR, tmp_path_factory.mktemp("shared")) as server:
        with visit(chromium, server, "tab=Recommendations", name="first model") as page:
            # It trains by itself.
            page.get_by_role("button", name="Why?").first.wait_for(timeout=TRAINING_TIMEOUT)
        yield server


@pytest.fixture
def new_app(chromium: Browser, tmp_path: Path) -> Iterator[Server]:
    """An app on the demo data that nobody has visited yet, without a model."""
    with running_app(DEMO_DIR, tmp_path) as server:
        yield server


@pytest.fixture
def own_app(app: Server, tmp_path: Path) -> Iterator[Server]:
    """An app that starts with the shared one's model, and may be changed."""
    shutil.copy(app.log.with_name("model.pth"), tmp_path)
    with running_app(DEMO_DIR, tmp_path) as server:
        yield server


@pytest.fixture
def visiting(chromium: Browser, request: pytest.FixtureRequest) -> Visit:
    """`visit` in the shared Chromium, its evidence named after the test."""
    return partial(visit, chromium, name=request.node.name)
