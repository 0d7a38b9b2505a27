"""A real server on a loopback port: `streamlit run app.py` or `python serve.py`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from settings import PROJECT_DIR


@dataclass(frozen=True)
class Server:
    """A running app: where it answers, its process, and what it has printed."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def memory(self) -> float:
        """Resident memory in MiB; needs /proc."""
        return memory_of(self.process.pid, "VmRSS")

    def peak_memory(self) -> float:
        """The most resident memory so far in MiB; needs /proc."""
        return memory_of(self.process.pid, "VmHWM")

    def processor_seconds(self) -> float:
        """Processor time so far; needs /proc."""
        numbers = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")")[1]
        user, system = numbers.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def memory_of(process: int, name: str) -> float:
    """MiB of a line of `/proc/…/status`, as VmRSS, what is resident now, and VmHWM, the most."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


@contextmanager
def running_server(
    data: Path,
    checkpoint: Path,
    log: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    project: Path = PROJECT_DIR,
    host: str = "localhost",
    start: Sequence[str] = ("-m", "streamlit", "run", "app.py"),
    port: int | None = None,
) -> Iterator[Server]:
    """Serve the app on a free loopback port, with the project's own config.toml.

    Args:
        checkpoint: where the model lies or will lie.
        log: for what the server prints.
        options: for `streamlit run`.
        environment: on top of this process's.
        host: the name in the address.
        start: what Python is to run; `("serve.py",)` serves the API, too.
        port: the one of a server that was here before, to a browser the same site; by default a
            free one.
    """
    port = port or _free_port()
    command = [
        *(sys.executable, *start, "--server.port", str(port)),
        *("--server.headless", "true", "--server.fileWatcherType", "none", *options),
    ]
    places = {"MOVIELENS_DIR": str(data), "LIGHTGCN_CHECKPOINT": str(checkpoint)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **places, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=project,
        )
    try:
        url = f"http://{host}:{port}"
        _wait_until_healthy(url, process, log)
        yield Server(url, process, log)
    finally:
        process.kill()  # Streamlit's own farewell takes seconds, and there is nothing to save
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the app ended by itself:\n{log.read_text(encoding='utf-8')}")
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the app did not start:\n{log.read_text(encoding='utf-8')}")
