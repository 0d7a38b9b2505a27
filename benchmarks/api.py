"""Requests per second of the API, by wrk: `python benchmarks/run.py api`.

Four things are asked of servers that run at the same time, in turns, so that all see the same
machine: nothing (`/health/live`), a list of ten films for another user each time, the same of what
one would write first (`benchmarks/first_api.py`), and a list for a visitor with ratings that nobody
sent before. No answer comes from a cache. What the ratings of the users of the data say of every
film is made ahead, once anyone was asked for (`serving.audience`), so the users are asked for once
before anything is measured; nothing is known of the visitors. One worker each, one thread for the
matrices.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.costs import GIVEN, movielens_folder
from data_preparation import MovieData, load_movie_data
from model.checkpoints import save_checkpoint
from model.config import PRESETS
from model.splits import DEFAULT_PROTOCOL, PROTOCOLS
from model_training import train
from settings import PROJECT_DIR
from tests.server import Server

MODELS = {"fast": PRESETS["fast"], "given": replace(GIVEN, epochs=0)}
CONNECTIONS = 16
ROUNDS = 4
SECONDS = 3
LIST = "/v1/users/{}/recommendations?k=10"
RATINGS = 20  # of a visitor
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

Row = dict[str, Any]


def measure() -> list[Row]:
    """One row per model and question: requests/s, ms, processor ms, memory; medians of rounds."""
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not here; install it with `apt-get install wrk`.")
    folder = movielens_folder()
    data = load_movie_data(folder)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for model, settings in MODELS.items():
            checkpoint = Path(name) / model / "model.pth"
            checkpoint.parent.mkdir()
            trained = train(data, PROTOCOLS[DEFAULT_PROTOCOL](data), settings)
            save_checkpoint(trained, checkpoint)
            rows += [{"model": model} | row for row in _of_model(folder, checkpoint, data)]
    return rows


def _of_model(folder: Path, checkpoint: Path, data: MovieData) -> list[Row]:
    users, visitors = (checkpoint.with_name(f"{who}.lua") for who in ("users", "visitors"))
    ids = ",".join(map(str, data.user_ids.tolist()))
    users.write_text(_USERS.format(ids=ids, path=LIST), encoding="utf-8")
    films = ",".join(map(str, data.movie_ids.tolist()))
    visitors.write_text(_VISITORS.format(films=films, ratings=RATINGS), encoding="utf-8")
    with ExitStack() as stack:
        api, first = (
            stack.enter_context(_running(module, folder, checkpoint))
            for module in ("api.server", "benchmarks.first_api")
        )
        asked = {
            "nothing": (api, f"{api.url}/health/live", ()),
            "first version": (first, first.url, ("-s", str(users))),
            "a list": (api, api.url, ("-s", str(users))),
            "a visitor's list": (api, api.url, ("-s", str(visitors))),
        }
        for server, url, options in asked.values():  # whatever is made once
            _wrk(server, url, options)
        _wait_until_idle(api)
        found: dict[str, list[Row]] = {what: [] for what in asked}
        for _ in range(ROUNDS):
            for what, (server, url, options) in asked.items():
                found[what].append(_wrk(server, url, options))
        memory = {what: server.memory() for what, (server, _, _) in asked.items()}
    return [
        {"what": what, "memory": memory[what]}
        | {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}
        for what, rounds in found.items()
    ]


# What a user is asked for changes with every request, so that no cache of the processor helps.
_USERS = """
local ids, n = {{{ids}}}, 0
request = function()
  n = n % #ids + 1
  local path = string.gsub("{path}", "{{}}", ids[n])
  return wrk.format("GET", path)
end
"""

_VISITORS = """
local films = {{{films}}}
local headers = {{["Content-Type"] = "application/json"}}
request = function()
  local at, step, given = math.random(#films), math.random(math.floor(#films / {ratings}) - 1), {{}}
  for n = 1, {ratings} do
    local film, stars = films[(at + n * step) % #films + 1], math.random(10) / 2
    given[n] = string.format('{{"movie": %d, "stars": %.1f}}', film, stars)
  end
  local body = '{{"k": 10, "ratings": [' .. table.concat(given, ",") .. "]}}"
  return wrk.format("POST", "/v1/recommendations", headers, body)
end
"""


def _wrk(server: Server, url: str, options: Sequence[str]) -> Row:
    """Requests/s, p50 and p99 in ms, and the server's processor time per request in ms."""
    used = server.processor_seconds()
    client = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", *options, url]
    text = subprocess.run(client, check=True, capture_output=True, text=True).stdout
    used = server.processor_seconds() - used
    failed = re.search(r"Non-2xx.*: (\d+)", text)
    if failed:
        raise RuntimeError(f"{failed[1]} answers of {url} were no success:\n{text}")
    number = int(re.findall(r"(\d+) requests in", text)[0])
    print(url, text.splitlines()[-2], file=sys.stderr, flush=True)
    return {
        "rate": float(re.findall(r"Requests/sec: +([\d.]+)", text)[0]),
        "p50": _milliseconds(text, 50),
        "p99": _milliseconds(text, 99),
        "processor": used / number * 1000,
    }


def _milliseconds(text: str, percent: int) -> float:
    value, unit = re.findall(rf"{percent}% +([\d.]+)(us|ms|s)", text)[0]
    return float(value) * _UNITS[unit] * 1000


@contextmanager
def _running(module: str, folder: Path, checkpoint: Path) -> Iterator[Server]:
    """One of the two servers, ready."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    places = {"MOVIELENS_DIR": str(folder), "LIGHTGCN_CHECKPOINT": str(checkpoint)}
    log = checkpoint.with_suffix(f".{module}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--port", str(port)],
            cwd=PROJECT_DIR,
            env=os.environ | _ONE_THREAD | places | {"LIGHTGCN_API_RATE": "1e9"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        server = Server(f"http://127.0.0.1:{port}", process, log)
        _wait_until_ready(server)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait_until_idle(server: Server) -> None:
    """Until a second passes in which it does next to nothing."""
    before = server.processor_seconds()
    for _ in range(60):
        time.sleep(1.0)
        now = server.processor_seconds()
        if now - before < 0.1:
            return
        before = now
    raise RuntimeError("the server is busy though nobody asks for anything")


def _wait_until_ready(server: Server) -> None:
    for _ in range(600):
        if server.process.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{server.url}/health/ready", timeout=5)
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(
        f"the server did not start:\n{server.log.read_text(encoding='utf-8')[-2000:]}"
    )
