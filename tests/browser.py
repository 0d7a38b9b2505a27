"""Start the app as a user would, visit it in headless Chromium, and notice whatever goes wrong."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from settings import PROJECT_DIR
from tests.server import Server, running_server

ARTIFACTS = PROJECT_DIR / "artifacts"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DESK = ViewportSize(width=1280, height=1000)
INSTALL_CHROMIUM = "apt-get install -y chromium"
TABS = ("Start Here", "Recommendations", "Train Model", "Insights")
TIMEOUT = 60_000  # ms, for a busy machine
TRAINING_TIMEOUT = 240_000

expect.set_options(timeout=TIMEOUT)

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing leaves the machine, whatever the page asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
]


@contextmanager
def running_app(data: Path, folder: Path, port: int | None = None) -> Iterator[Server]:
    """Serve the app to a browser.

    Args:
        data: folder of the dataset.
        folder: for what the server writes: `model.pth` and `server.log`.
        port: as in `running_server`.
    """
    host = "127.0.0.1"
    # Without a key for posters: the same pictures everywhere.
    options = ("--server.address", host, "--secrets.files", str(folder / "no_secrets.toml"))
    checkpoint, log = folder / "model.pth", folder / "server.log"
    no_key = {"TMDB_API_KEY": ""}
    with running_server(
        data, checkpoint, log, *options, environment=no_key, host=host, port=port
    ) as server:
        yield server


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A headless Chromium that reaches this machine only."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield chromium
        chromium.close()


@contextmanager
def visit(
    chromium: Browser,
    app: Server,
    query: str = "",
    *,
    name: str = "visit",
    wait: bool = True,
) -> Iterator[Page]:
    """A new visitor's page as on a desk, open and settled; nothing may have gone wrong by the end.

    Args:
        query: of the address, as in `tab=Insights`.
        name: of the files in artifacts/ that a failure leaves.
        wait: until the page has settled.

    Raises:
        AssertionError: the page or the server complained while the visit lasted.
    """
    context = chromium.new_context(viewport=DESK, color_scheme="light", reduced_motion="reduce")
    context.set_default_timeout(TIMEOUT)
    faults = _watch(context)
    page = context.new_page()
    logged = app.log.stat().st_size
    try:
        page.goto(f"{app.url}/?{query}")
        if wait:
            settle(page)
        yield page
        faults += _complaints(page, app, logged)
        assert not faults, "\n".join(faults)
    except BaseException:
        _keep_evidence(page, name, [*faults, app.log.read_text()[logged:]])
        raise
    finally:
        context.close()


def _watch(context: BrowserContext) -> list[str]:
    """Fills while the context lives: errors in the console, of scripts, requests to elsewhere."""
    faults: list[str] = []

    def on_request(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.hostname not in ("127.0.0.1", "::1"):
            faults.append(f"a request left the machine: {url[:200]}")

    context.on("request", lambda request: on_request(request.url))
    context.on("weberror", lambda error: faults.append(f"error in a script: {error.error}"))
    context.on(
        "console",
        lambda message: (
            faults.append(f"error in the console: {message.text}")
            if message.type == "error"
            else None
        ),
    )
    return faults


def _complaints(page: Page, app: Server, logged: int) -> list[str]:
    """Tracebacks on the page and in the server's log since it was `logged` bytes long."""
    complaints = [
        f"an exception on the page: {text}"
        for text in page.get_by_test_id("stException").all_inner_texts()
    ]
    log = app.log.read_text()[logged:]
    return complaints + ([f"the server logged:\n{log}"] if "Traceback" in log else [])


def _keep_evidence(page: Page, name: str, notes: list[str]) -> None:
    """artifacts/failed_NAME.png and .txt: the page as it looks, its text, and what was noted."""
    ARTIFACTS.mkdir(exist_ok=True)
    base = ARTIFACTS / f"failed_{re.sub(r'[^0-9A-Za-z]+', '_', name)}"
    try:
        page.screenshot(path=base.with_suffix(".png"), full_page=True, timeout=10_000)
        text = page.locator("body").inner_text(timeout=10_000)
    except Exception as error:  # the browser may be the very thing that broke
        text = f"no picture and no text: {error}"
    base.with_suffix(".txt").write_text("\n\n".join([page.url, text, *notes]))


# --- on a page ------------------------------------------------------------------------------------

_SETTLED = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const main = document.querySelector('[data-testid=stMain]');
  const busy = '[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]';
  const charts = [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].filter(
    chart => chart.checkVisibility());
  const looks = app && main && [  // compared as one text
    app.dataset.testScriptState, app.dataset.testConnectionState,
    document.querySelectorAll(busy).length,
    charts.every(chart => chart.querySelector('svg, canvas')),
    main.scrollWidth, main.scrollHeight, main.querySelectorAll('*').length].join();
  if (looks !== window.__looks) {
    window.__looks = looks;
    window.__since = performance.now();
  }
  return looks && looks.startsWith('notRunning,CONNECTED,0,true')
    && performance.now() - window.__since > 250;
}"""


def settle(page: Page) -> None:
    """Wait until no script runs, every chart is drawn, and nothing moves any more."""
    try:
        page.wait_for_function(_SETTLED, polling=50)
    except PlaywrightTimeoutError:
        raise AssertionError(f"never at rest: {page.evaluate('window.__looks')}") from None


def open_tab(page: Page, name: str) -> None:
    """Click one of the four tabs and wait for what is in it."""
    page.get_by_role("tab", name=name, exact=True).click()
    page.get_by_role("tabpanel", name=name).get_by_role("heading", level=2).first.wait_for()
    settle(page)


def keep_picture(page: Page, name: str, full_page: bool = True) -> None:
    """A screenshot for people, in artifacts/."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=full_page)
