"""Imports go one way, from the settings to the page; inside a folder they do not go in circles."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

# What lies in one line knows what lies in the lines above it, and no other of its own line.
PLACES = (
    ("settings",),
    ("sources",),
    ("data_preparation",),
    ("model",),
    ("model_training",),
    ("prediction",),
    ("lookup", "analysis"),
    ("charts",),
    ("serving",),
    ("tabs", "api"),
    ("tabs.start_here", "tabs.recommendations", "tabs.train_model", "tabs.insights"),
    ("app",),
    ("serve",),
)
LEVEL = {place: level for level, line in enumerate(PLACES) for place in line}
CODE_FOLDERS = tuple(place for place in LEVEL if (REPOSITORY / place).is_dir())
KNOW_STREAMLIT = ("tabs", "app", "serve")


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)


MODULES = {
    _dotted(path): path
    for folder in (REPOSITORY, *(REPOSITORY / name for name in CODE_FOLDERS))
    for path in (folder.glob("*.py") if folder == REPOSITORY else folder.rglob("*.py"))
    if path.stem != "__init__"
}


def place_of(module: str) -> str:
    """The longest place that the module lies in; "" where it has none."""
    parts = module.split(".")
    names = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((name for name in names if name in LEVEL), "")


def imported(path: Path) -> set[str]:
    """The dotted names that a file imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports by a relative name"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def modules_imported(module: str) -> set[str]:
    """Those of `imported` that are modules of the program."""
    return imported(MODULES[module]) & set(MODULES)


def test_every_module_has_its_place() -> None:
    assert not [module for module in MODULES if not place_of(module)]
    assert {place_of(module) for module in MODULES} == set(LEVEL)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    place = place_of(module)
    for other in modules_imported(module):
        same = place_of(other) == place
        assert same or LEVEL[place_of(other)] < LEVEL[place], f"{module} imports {other}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: modules_imported(module) for module in MODULES}
    assert set(TopologicalSorter(graph).static_order()) == set(MODULES)  # CycleError names it


@pytest.mark.parametrize("module", MODULES)
def test_only_the_app_and_its_tabs_know_streamlit(module: str) -> None:
    names = {name.split(".")[0] for name in imported(MODULES[module])}
    assert "streamlit" not in names or module.split(".")[0] in KNOW_STREAMLIT


def test_imports_inside_functions_count(tmp_path: Path) -> None:
    file = tmp_path / "late.py"
    file.write_text("def late():\n    from model.runs import Run\n")
    assert imported(file) == {"model.runs", "model.runs.Run"}


def test_folders_hold_one_sentence_and_no_code() -> None:
    for folder in LEVEL:
        init = REPOSITORY / folder.replace(".", "/") / "__init__.py"
        if init.parent.is_dir():
            (only,) = ast.parse(init.read_text()).body
            assert isinstance(only, ast.Expr) and len(init.read_text().splitlines()) == 1, folder
