"""What a server that runs for weeks keeps small."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Threads come and go, and each frees what it took: as runs of pages do.
_THREADS = """
import sys, threading
from serving.process import settle

if sys.argv[1] == "settled":
    settle()
meet = threading.Barrier(16)

def take_and_free():
    meet.wait()
    taken = [bytes(1000) for _ in range(10_000)]
    meet.wait()

for _ in range(2):
    threads = [threading.Thread(target=take_and_free) for _ in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
with open("/proc/self/maps", encoding="ascii") as maps:
    print(sum(line.split()[1] == "---p" for line in maps))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has arenas")
def test_threads_share_heaps() -> None:
    """Each arena beyond the first reserves 64 MiB of addresses without permissions."""

    def reserved(how: str) -> int:
        command = [sys.executable, "-c", _THREADS, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert reserved("settled") < reserved("as it comes")
