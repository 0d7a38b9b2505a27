"""The memory of the machine, of containers and of Windows; what is left out where it is short."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from data_preparation import MovieData
from model import memory
from model.memory import in_words, machine_memory, physical_memory, too_large
from tests.conftest import assert_one_sentence

MIB = 2**20


@pytest.fixture(autouse=True)
def eight_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "physical_memory", lambda: 8192 * MIB)


def system(root: Path, groups: str, limits: dict[str, str]) -> Path:
    """The files of a system with these control groups."""
    files = {"proc/self/cgroup": groups}
    files |= {f"sys/fs/cgroup/{name}": text for name, text in limits.items()}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


CASES = {
    "no groups": ("", {}, 8192),
    "2, no limit": ("0::/\n", {"memory.max": "max\n"}, 8192),
    "2, at the top of a container": ("0::/\n", {"memory.max": f"{512 * MIB}\n"}, 512),
    "2, own group": ("0::/a/b\n", {"a/b/memory.max": f"{700 * MIB}\n"}, 700),
    "2, the outer group has less": (
        "0::/a/b/c\n",
        {"a/b/c/memory.max": "max\n", "a/b/memory.max": f"{900 * MIB}\n", "a/memory.max": f"{MIB}"},
        1,
    ),
    "2, seen from inside": ("0::/../../x\n", {"memory.max": f"{300 * MIB}\n"}, 300),
    "1": (
        "5:cpu,cpuacct:/x\n4:memory:/docker/7\n1:name=systemd:/x\n",
        {"memory/docker/7/memory.limit_in_bytes": f"{256 * MIB}\n"},
        256,
    ),
    "1, paths of the host": (
        "4:memory:/docker/7\n",
        {"memory/memory.limit_in_bytes": f"{128 * MIB}\n"},
        128,
    ),
    "1, no limit": (
        "4:memory:/\n",
        {"memory/memory.limit_in_bytes": "9223372036854771712\n"},
        8192,
    ),
    "1, a limit on something else": ("4:cpu:/\n", {"memory.limit_in_bytes": "1\n"}, 8192),
    "both": (
        "4:memory:/a\n0::/a\n",
        {"memory/a/memory.limit_in_bytes": f"{200 * MIB}\n", "a/memory.max": f"{100 * MIB}\n"},
        100,
    ),
    "damaged": ("0::\nnonsense\n::\n\0", {"memory.max": "a lot\n"}, 8192),
    "more than there is": ("0::/\n", {"memory.max": f"{99_999 * MIB}\n"}, 8192),
}


@pytest.mark.parametrize("name", CASES)
def test_a_container_has_what_it_is_given(tmp_path: Path, name: str) -> None:
    groups, limits, expected = CASES[name]
    assert machine_memory(system(tmp_path, groups, limits)) == expected * MIB


def test_a_system_that_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "physical_memory", lambda: None)
    assert machine_memory(tmp_path) is None
    assert machine_memory(system(tmp_path, "0::/\n", {"memory.max": f"{MIB}"})) == MIB
    monkeypatch.setattr(memory, "machine_memory", lambda: None)
    assert memory.allowance() == 2 * 2**30  # of eight GiB


def test_the_memory_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    told = physical_memory()
    if hasattr(os, "sysconf"):
        assert told == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert (machine_memory() or 0) <= (told or 0)


def test_windows_tells_by_its_own_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    sizes = []

    def global_memory_status(pointer: object) -> int:
        status = pointer._obj  # type: ignore[attr-defined]
        sizes.append(status.length)
        status.total_physical = 16 * 2**30
        return answer

    kernel = SimpleNamespace(GlobalMemoryStatusEx=global_memory_status)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    answer = 1
    assert physical_memory() == 16 * 2**30
    assert sizes == [64]  # what Windows asks for in dwLength
    answer = 0
    assert physical_memory() is None


def test_too_large_is_said_in_the_sizes_of_the_data(
    planted_data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: 4_000_000_000)
    assert too_large("The map", 1_000_000_000, planted_data) is None
    told = too_large("The map", 1_000_000_001, planted_data) or ""
    assert_one_sentence(told)
    assert "The map is left out: for 30 users and 48 films" in told and "1.0 GB" in told


def test_sizes_in_words() -> None:
    assert [in_words(n) for n in (10, 95_400_000, 84e9)] == ["1 MB", "95 MB", "84.0 GB"]
