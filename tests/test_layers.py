"""Imports go one way: data → graph → model → scores → explanation → screen."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

# A module may import those of the lines above its own, never of its own line or below.
LAYERS = (
    "movielens_files tag_cleaning training_config export posters plots_spec",
    "data_preparation",
    "data_download data_overview ratings_import tag_analysis evaluation title_search",
    "lightgcn",
    "warm_start checkpoints runs prediction",
    "model_training explanation tag_evaluation insights training_estimate",
    "model_health teaching training_job",
    "training_command plots",
    "linked_views plots_html plots_insights plots_map plots_teaching plots_training",
    "tabs.shared",
    "tabs.train_links tabs.film_search tabs.lesson",
    "tabs.my_ratings tabs.insights_shared",
    "tabs.train_settings tabs.lessons_graph tabs.lessons_layers tabs.lessons_learning "
    "tabs.lessons_use tabs.insights_data tabs.insights_health tabs.insights_map "
    "tabs.insights_suggestions tabs.insights_tags",
    "tabs.train_progress tabs.lessons_words tabs.insights",
    "tabs.train_runs tabs.start_here tabs.links",
    "tabs.train_model tabs.recommendations",
    "app",
)
LEVEL = {module: level for level, line in enumerate(LAYERS) for module in line.split()}
FILES = {
    f"{prefix}{path.stem}": path
    for prefix, folder in (("", REPOSITORY), ("tabs.", REPOSITORY / "tabs"))
    for path in folder.glob("*.py")
    if path.stem != "__init__"
}


def imports(path: Path) -> set[str]:
    """What is imported when the module is; imports inside functions do not count."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_every_module_has_its_layer() -> None:
    assert set(FILES) == set(LEVEL)


@pytest.mark.parametrize("module", FILES)
def test_imports_go_down_the_layers(module: str) -> None:
    for other in imports(FILES[module]) & set(LEVEL):
        assert LEVEL[other] < LEVEL[module], f"{module} imports {other}"


@pytest.mark.parametrize("module", FILES)
def test_only_the_app_and_its_tabs_know_streamlit(module: str) -> None:
    names = {name.split(".")[0] for name in imports(FILES[module])}
    assert "streamlit" not in names or module == "app" or module.startswith("tabs.")
