"""What the project needs, said several times for several tools, is said in the same way."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.no_package import SENTENCE
from tests.conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PINNED = re.compile(
    r"^([\w.-]+)==([\w.]+)( ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)"
)


def needed() -> list[str]:
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def constraints() -> str:
    return (REPOSITORY / "constraints.txt").read_text()


def test_pyproject_and_requirements_say_the_same() -> None:
    assert PROJECT["project"]["dependencies"] == needed()
    assert "torch==2.13.0" in needed()


def test_the_constraints_are_names_versions_and_hashes_and_nothing_else() -> None:
    rest = re.sub(r"^#.*\n", "", constraints(), flags=re.MULTILINE)
    while match := PINNED.match(rest):
        rest = rest[match.end() :]
    assert not rest, rest[:200]
    assert "://" not in constraints()


def test_the_constraints_pin_what_the_requirements_allow() -> None:
    pinned: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", constraints(), re.MULTILINE):
        pinned.setdefault(canonicalize_name(name), []).append(version)
    for line in needed():
        requirement = Requirement(line)
        versions = pinned[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions), line


def test_the_command_for_the_constraints_is_told() -> None:
    (command,) = re.findall(r"^#\s+(uv pip compile .*)$", constraints(), re.MULTILINE)
    told = (REPOSITORY / "CONTRIBUTING.md").read_text().replace("\\\n", "")
    assert command.split() == re.search(r"uv pip compile .*", told)[0].split()


@pytest.mark.skipif(not importlib.util.find_spec("pip"), reason="there is no pip here")
def test_who_builds_a_package_is_told_that_it_is_an_application(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    for name in ("pyproject.toml", "scripts/__init__.py", "scripts/no_package.py"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-index", "--wheel-dir", "wheels"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and SENTENCE in done.stdout + done.stderr
    assert not list(tmp_path.rglob("*.whl"))
    assert PROJECT["tool"]["uv"] == {"package": False}


def test_the_citation_names_the_version_and_the_licence() -> None:
    citation = (REPOSITORY / "CITATION.cff").read_text()
    for name in ("version", "license"):
        assert f"\n{name}: {PROJECT['project'][name]}\n" in citation


def test_github_runs_the_same_tests() -> None:
    assert "make test" in (REPOSITORY / ".github" / "workflows" / "test.yml").read_text()
