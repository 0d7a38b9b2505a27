"""The README says what is so: its commands, tables, files and names exist."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.report import load_results
from benchmarks.run import MEASURES
from data_preparation import load_movie_data
from model.config import PRESETS, TrainingConfig
from model.evaluation import evaluate
from model.splits import random_80_10_10
from prediction import DEFAULT_TAG_WEIGHT
from scripts.update_readme import PAGES as FILLED
from scripts.update_readme import fill
from settings import CHECKPOINT_NAME, DEMO_DIR
from sources.download import MEMBERS
from tabs.links import TABS
from tests.conftest import REPOSITORY
from tests.test_layers import CODE_FOLDERS, MODULES

README = (REPOSITORY / "README.md").read_text()
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])


def test_the_tables_are_those_of_the_benchmark() -> None:
    assert "<!-- benchmark:quality -->" in README
    for page in FILLED:
        assert fill(page.read_text(), load_results()) == page.read_text(), page.name


def test_the_two_commands_stand_on_the_first_screen_and_exist() -> None:
    first_screen = "\n".join(README.splitlines()[:30])
    targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    for command in ("run", "test"):
        assert f"make {command}" in first_screen
        assert command in targets
    for line in ("python -m venv", "pip install -r requirements.txt", "streamlit run app.py"):
        assert line in first_screen


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert "make test" in (REPOSITORY / ".ci" / "run").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_the_pages_exist(page: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    commands = "\n".join(
        block or inline
        for block, inline in re.findall(
            r"```sh\n(.*?)```|`([^`\n]+)`", page.read_text(encoding="utf-8"), re.DOTALL
        )
    )
    for target in re.findall(r"^make (\w+)", commands, re.MULTILINE):
        assert target in targets, target
    for script in re.findall(r"python (?!-)(\S+\.py)", commands):
        assert (REPOSITORY / script).exists(), script
    for module in re.findall(r"python -m ((?!venv|pip|streamlit|pytest)[\w.]+)", commands):
        path = REPOSITORY / f"{module.replace('.', '/')}.py"
        assert module in MODULES or path.exists(), module
    for section in re.findall(r"benchmarks/run\.py (\w+)", commands):
        assert section in {*MEASURES, "all", "render"}, section
    for option in re.findall(r"model_training\.py.*?--([\w-]+)", commands):
        assert option == "help" or option in option_names(), option


def option_names() -> set[str]:
    fixed = {"dataset", "preset", "protocol", "output", "refit"}
    return fixed | {field.name.replace("_", "-") for field in fields(TrainingConfig)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_of_the_code_in_the_pages_exist(page: Path) -> None:
    places = {*CODE_FOLDERS, *(module.split(".")[0] for module in MODULES)}
    for dotted in re.findall(r"`([a-z_]+(?:\.\w+)+)`", page.read_text(encoding="utf-8")):
        if dotted.split(".")[0] in places and not dotted.endswith((".py", ".pth")):
            assert is_a_name(dotted), dotted
    for path in re.findall(r"`([\w/]+\.py)`", page.read_text(encoding="utf-8")):
        assert (REPOSITORY / path).exists() or path == "tabs/my_tab.py", path


def is_a_name(dotted: str) -> bool:
    """Whether there is such a module, or such a name in a module."""
    module, _, name = dotted.rpartition(".")
    return dotted in MODULES or (
        module in MODULES and hasattr(importlib.import_module(module), name)
    )


def test_contributing_says_of_every_place_what_it_holds() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    (table,) = re.findall(r"\| where \| what \|\n\|[-| ]+\|\n((?:\|.*\n)+)", text)
    told = [place for line in table.splitlines() for place in re.findall(r"`([^`]+)`", line[:40])]
    modules = {path.name for path in REPOSITORY.glob("*.py")}
    folders = {f"{path.relative_to(REPOSITORY).parts[0]}/" for path in tracked_code()}
    assert sorted(told) == sorted(modules | folders)


def tracked_code() -> list[Path]:
    """Python files that lie in a folder of the project."""
    return [
        path
        for path in REPOSITORY.glob("*/**/*.py")
        if not path.relative_to(REPOSITORY).parts[0].startswith(".")
    ]


def test_the_baseline_of_the_page_runs_and_beats_chance() -> None:
    text = (REPOSITORY / "docs" / "extending.md").read_text()
    baseline = next(b for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def " in b)
    names: dict[str, Any] = {}
    exec(baseline, names)
    split = random_80_10_10(load_movie_data(DEMO_DIR))
    walk = evaluate(names["three_step_walk"](split.train), split, "validation").mean()
    chance = evaluate(
        lambda users: np.zeros((len(users), split.train.shape[1]), np.float32), split, "validation"
    ).mean()
    assert walk["NDCG@20"] > 2 * chance["NDCG@20"]


def test_the_version_is_the_newest_of_the_changelog() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    newest = re.search(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest and newest[1] == project["version"]


def test_names_and_numbers_of_the_code_are_right() -> None:
    for tab in TABS:
        assert f"**{tab}**" in README
    assert CHECKPOINT_NAME in README
    assert f"the weight {DEFAULT_TAG_WEIGHT} was chosen" in README
    for preset in re.findall(r"preset\s+`(\w+)`", README):
        assert preset in PRESETS


def test_no_movielens_file_is_tracked() -> None:
    git = shutil.which("git")
    if not git or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run([git, "ls-files"], cwd=REPOSITORY, capture_output=True, text=True)
    tracked = [Path(line) for line in listed.stdout.splitlines()]
    assert Path("app.py") in tracked
    made_up = [path for path in tracked if path.is_relative_to("tests/data")]
    assert all((REPOSITORY / path).stat().st_size < 2000 for path in made_up)
    others = set(tracked) - set(made_up)
    tables = [path for path in others if path.name in MEMBERS and path.suffix == ".csv"]
    assert {path.parent.name for path in tables} == {"demo_data"}
    assert not [path for path in others if path.suffix in (".pth", ".zip")]
