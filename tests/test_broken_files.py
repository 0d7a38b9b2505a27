"""Nothing that lies where the app looks blanks a page or stops it; and no page names a path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from lookup.posters import Film, PosterService
from model.checkpoints import save_checkpoint
from model.runs import MAX_BYTES, load_runs, save_run
from model.trained import TrainedModel
from serving import state
from settings import runs_folder
from sources.movielens_files import DataError, read_tables
from tabs.links import TABS
from tests.conftest import REPOSITORY, assert_one_sentence, write_dataset, write_planted
from tests.litter import LITTER, litter
from tests.model.test_runs import RUN

APP = str(REPOSITORY / "app.py")
SECRET = os.fsdecode(b"secret-caf\xe9") if os.name == "posix" else "secret"  # of folders

pytestmark = pytest.mark.skipif(os.name != "posix", reason="makes pipes and odd names")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a name that is no text, for data and model; nothing left from other tests."""
    place = tmp_path / SECRET
    monkeypatch.setenv("MOVIELENS_DIR", str(place / "data"))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(place / "model.pth"))
    monkeypatch.delenv("TMDB_API_KEY", raising=False)
    st.cache_resource.clear()
    monkeypatch.setattr(state, "_server", state.ServerState())
    yield place
    st.cache_resource.clear()


def open_tab(tab: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params["tab"] = tab
    return app.run()


def test_litter_beside_data_models_and_runs_changes_no_page(
    place: Path, hybrid: TrainedModel
) -> None:
    write_planted(place / "data")
    save_checkpoint(hybrid, place / "model.pth")
    save_run(RUN, runs_folder(place / "model.pth"))
    litter(place / "data", ".csv")
    litter(runs_folder(place / "model.pth"), ".json")
    litter(place, ".pth")
    told: list[str] = []
    for tab in TABS:
        app = open_tab(tab)
        assert not app.exception and not app.error, tab
        assert app.header
        told += [each.value for each in app.warning if "history of runs" in each.value]
    assert len(told) == 2  # of the two that are files, but no runs


def test_a_run_too_large_to_be_one_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "damaged" in load_runs(tmp_path).problems[0]


@pytest.mark.parametrize("name", ["ratings", "movies", "tags", "links"])
@pytest.mark.parametrize("kind", [name for name in LITTER if not name.startswith(".")])
def test_what_lies_in_place_of_a_data_file_is_told_at_once(
    place: Path, name: str, kind: str
) -> None:
    folder = write_dataset(place / "data", **{name: None})
    litter(place / "litter", ".csv")
    (place / "litter" / f"{kind}.csv").rename(folder / f"{name}.csv")
    if kind in ("dangling", "loop") and name in ("tags", "links"):
        read_tables(folder)  # no such file, which may be absent
        return
    with pytest.raises(DataError) as refused:
        read_tables(folder)
    assert_one_sentence(str(refused.value))
    assert f"{name}.csv" in str(refused.value) and "secret" not in str(refused.value)


@pytest.mark.parametrize("data", ["nothing", "long", "pipe", "empty ratings"])
def test_a_page_without_usable_data_says_so_without_a_path(
    place: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.mkdir()
    if data == "long":
        monkeypatch.setenv("MOVIELENS_DIR", str(place / ("long" * 99)))
    elif data == "pipe":
        litter(place, ".csv")
        monkeypatch.setenv("MOVIELENS_DIR", str(place / "pipe.csv"))
    elif data == "empty ratings":
        write_dataset(place / "data", ratings="")
    app = open_tab("Start Here")
    assert not app.exception
    (error,) = app.error
    assert "secret" not in error.value and str(place) not in error.value


@pytest.mark.parametrize("kind", [name for name in LITTER if not name.startswith(".")])
def test_a_poster_cache_that_is_no_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    litter(tmp_path, ".x")
    (tmp_path / f"{kind}.x").rename(tmp_path / "posters.sqlite3")
    before = os.lstat(tmp_path / "posters.sqlite3")
    service = PosterService("0" * 32, tmp_path, "http://127.0.0.1:9")
    assert service.urls([Film("Heat")], 2.0) == [None]
    if kind not in ("dangling",):  # there SQLite makes the file
        assert os.lstat(tmp_path / "posters.sqlite3").st_ino == before.st_ino
