"""The README says what is so: its commands, tables, files and names exist."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.run import load_results
from model_training import CHECKPOINT_NAME, PRESETS
from prediction import DEFAULT_TAG_WEIGHT
from scripts.update_readme import fill
from tabs.links import TABS

PROJECT = Path(__file__).resolve().parent.parent
README = (PROJECT / "README.md").read_text()


def test_the_tables_are_those_of_the_benchmark() -> None:
    assert "<!-- benchmark:quality -->" in README
    assert fill(README, load_results()) == README


def test_the_two_commands_stand_on_the_first_screen_and_exist() -> None:
    first_screen = "\n".join(README.splitlines()[:30])
    targets = re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    for command in ("run", "test"):
        assert f"make {command}" in first_screen
        assert command in targets
    for line in ("python -m venv", "pip install -r requirements.txt", "streamlit run app.py"):
        assert line in first_screen


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert "make test" in (PROJECT / ".ci" / "run").read_text()


def test_local_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (PROJECT / target).exists(), target


def test_names_and_numbers_of_the_code_are_right() -> None:
    for tab in TABS:
        assert f"**{tab}**" in README
    assert CHECKPOINT_NAME in README
    assert f"the weight {DEFAULT_TAG_WEIGHT} was chosen" in README
    for preset in re.findall(r"preset\s+`(\w+)`", README):
        assert preset in PRESETS


def test_only_the_app_and_its_tabs_know_streamlit() -> None:
    modules = [*PROJECT.glob("*.py"), *(PROJECT / "benchmarks").glob("*.py")]
    for module in modules:
        imports = re.search(r"^\s*(import|from) streamlit", module.read_text(), re.MULTILINE)
        assert not imports or module.name == "app.py", module.name


def test_no_movielens_file_is_tracked() -> None:
    tracked = (PROJECT / ".gitignore").read_text()
    assert "ml-latest-small/*" in tracked
