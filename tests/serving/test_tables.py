"""What the pages show is computed once, kept beside the model, and never read out of date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_preparation import MovieData
from model import store as model_store
from model.checkpoints import stored_key
from model.store import ModelStore
from model.trained import TrainedModel
from serving import tables
from serving.tables import EXPOSURE, OF_DATA, OF_MODEL, OVERVIEW, Table, make_ahead
from settings import CHECKPOINT_VARIABLE


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelStore]:
    """Of models and tables, where everything is worth keeping."""
    monkeypatch.setenv(CHECKPOINT_VARIABLE, str(tmp_path / "model.pth"))
    monkeypatch.setattr(tables, "WORTH_KEEPING", 0.0)
    code = tables._code
    code.cache_clear()
    yield ModelStore(tmp_path / "model.pth")
    code.cache_clear()


def kept_files(place: ModelStore, data: MovieData) -> list[Path]:
    return sorted(place.tables(data.fingerprint).glob("*.tables"))


def same(value: Any, other: Any) -> bool:
    """Whether both hold the same, to the last digit."""
    if is_dataclass(value):
        names = [field.name for field in fields(value)]
        return all(same(getattr(value, name), getattr(other, name)) for name in names)
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(value, other, check_exact=True)
        return True
    return bool(np.array_equal(value, other)) and type(value) is type(other)


def never(*_: object) -> Any:
    raise AssertionError("it is computed again")


@pytest.mark.parametrize("which", ["model", "hybrid"])
def test_every_table_comes_back_as_it_was_made(
    which: str, planted_data: MovieData, request: pytest.FixtureRequest
) -> None:
    trained: TrainedModel = request.getfixturevalue(which)
    for table in (*OF_DATA, *OF_MODEL):
        arguments = (planted_data,) if table in OF_DATA else (planted_data, trained)
        made = table.of(*arguments)
        assert made is None or table.is_kept(*arguments), table.name
        if made is not None:
            assert same(made, replace(table, make=never).of(*arguments)), table.name


def test_another_model_and_other_data_have_their_own(
    planted_data: MovieData, toy_data: MovieData, hybrid: TrainedModel, place: ModelStore
) -> None:
    EXPOSURE.of(planted_data, hybrid)
    other = replace(hybrid, e0=hybrid.e0 * 2)
    assert EXPOSURE.is_kept(planted_data, replace(hybrid))  # the same model, loaded again
    assert not EXPOSURE.is_kept(planted_data, other)
    assert not EXPOSURE.is_kept(planted_data, replace(hybrid, refitted=True))
    OVERVIEW.of(planted_data)
    assert OVERVIEW.is_kept(planted_data) and not OVERVIEW.is_kept(toy_data)


def test_other_code_reads_nothing_and_takes_its_place(
    planted_data: MovieData,
    hybrid: TrainedModel,
    place: ModelStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    EXPOSURE.of(planted_data, hybrid)
    (old,) = kept_files(place, planted_data)
    monkeypatch.setattr(tables, "_code", lambda: "0123456789abcdef")
    assert not EXPOSURE.is_kept(planted_data, hybrid)
    EXPOSURE.of(planted_data, hybrid)
    (new,) = kept_files(place, planted_data)
    assert new != old


def test_code_that_changed_since_it_was_loaded_neither_keeps_nor_reads(
    planted_data: MovieData, place: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    OVERVIEW.of(planted_data)
    tables._code.cache_clear()
    monkeypatch.setattr(tables, "_BEGUN", 0)
    assert tables._code() == "" and not OVERVIEW.is_kept(planted_data)
    for file in kept_files(place, planted_data):
        file.unlink()
    OVERVIEW.of(planted_data)
    assert not kept_files(place, planted_data)


def test_what_is_damaged_or_of_something_else_is_made_again(
    planted_data: MovieData, place: ModelStore
) -> None:
    true = OVERVIEW.of(planted_data)
    (file,) = kept_files(place, planted_data)
    whole = file.read_bytes()
    foreign = Table(OVERVIEW.name, pd.DataFrame, lambda _: pd.DataFrame({"a": [1]}))
    for damage in (b"", whole[:-1], whole[:100] + b"?" + whole[101:], b"PK\x03\x04"):
        file.write_bytes(damage)
        assert same(OVERVIEW.of(planted_data), true)
        assert file.read_bytes() == whole
    file.unlink()
    foreign.of(planted_data)
    assert same(OVERVIEW.of(planted_data), true)
    assert file.read_bytes() == whole


def test_where_nothing_can_be_written_it_is_made_all_the_same(
    planted_data: MovieData, place: ModelStore
) -> None:
    folder = place.tables(planted_data.fingerprint)
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    assert len(OVERVIEW.of(planted_data).stars) == 10
    assert folder.is_file() and not OVERVIEW.is_kept(planted_data)


def test_in_a_folder_that_may_only_be_read_it_is_read(
    planted_data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    OVERVIEW.of(planted_data)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("sources.kept_tables.os.utime", refuse)
    assert OVERVIEW.is_kept(planted_data)


def test_what_is_quick_is_not_kept(
    planted_data: MovieData, place: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "WORTH_KEEPING", 1000.0)
    OVERVIEW.of(planted_data)
    assert not place.slot.parent.joinpath(".cache").exists()


def test_tables_go_with_their_model(
    planted_data: MovieData,
    hybrid: TrainedModel,
    place: ModelStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_store, "MAX_UNNAMED", 1)
    monkeypatch.setattr(model_store, "_FRESH_SECONDS", -1.0)
    models = [replace(hybrid, e0=hybrid.e0 * factor) for factor in (1, 2, 3)]
    OVERVIEW.of(planted_data)
    for number, model in enumerate(models):
        EXPOSURE.of(planted_data, model)
        place.keep(model, f"model-{number}")
        if not number:
            assert stored_key(place.path(planted_data.fingerprint, "model-0")) == model.key
            place.promote(planted_data, "model-0")
    there = [EXPOSURE.is_kept(planted_data, model) for model in models]
    assert there == [True, False, True]  # in use, removed, the newest
    assert OVERVIEW.is_kept(planted_data)


def test_a_table_that_fails_keeps_no_other_from_being_made(
    planted_data: MovieData, hybrid: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def noted(data: MovieData, model: TrainedModel | None = None) -> int:
        made.append((data, model))
        return 1

    broken = Table("broken", int, never)
    monkeypatch.setattr(tables, "OF_DATA", (broken,))
    fits_not = Table("large", int, noted, "This", lambda *_: 10**18)
    monkeypatch.setattr(tables, "OF_MODEL", (broken, fits_not, Table("noted", int, noted)))
    make_ahead(planted_data, hybrid)
    assert made == [(planted_data, hybrid)]


def test_the_command_makes_what_the_model_in_use_lacks(
    hybrid: TrainedModel,
    planted_data: MovieData,
    place: ModelStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tables, "OF_DATA", (OVERVIEW,))
    monkeypatch.setattr(tables, "OF_MODEL", (EXPOSURE,))
    monkeypatch.setenv("MOVIELENS_DIR", str(planted_data.directory))
    assert tables.main([]) == 1 and "There is no model" in capsys.readouterr().err
    place.keep(hybrid, "mine")
    assert tables.main([]) == 0 and "The tables of the pages are there" in capsys.readouterr().out
    assert EXPOSURE.is_kept(planted_data, hybrid) and OVERVIEW.is_kept(planted_data)
    assert tables.main(["--dataset", "ml-nowhere"]) == 1
    assert "ml-nowhere" in capsys.readouterr().err
