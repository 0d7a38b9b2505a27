"""The binary copy of large data: the same data at once, and never others."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import data_preparation
from data_preparation import MovieData, load_movie_data
from sources import movielens_files
from tests.conftest import TOY_RATINGS, snapshot, write_dataset


@pytest.fixture(autouse=True)
def small_data_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_preparation, "_WORTH_A_COPY", 0)


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose text was read."""
    seen: list[Path] = []
    read = movielens_files.read_tables
    monkeypatch.setattr(
        movielens_files, "read_tables", lambda folder: seen.append(folder) or read(folder)
    )
    return seen


def assert_same(found: MovieData, wanted: MovieData) -> None:
    assert found.fingerprint == wanted.fingerprint
    assert found.tag_names == wanted.tag_names
    for name in ("user_ids", "movie_ids", "timestamps"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
        assert getattr(found, name).dtype == getattr(wanted, name).dtype
        assert not getattr(found, name).flags.writeable
    for name in ("ratings", "tag_counts"):
        here, there = getattr(found, name), getattr(wanted, name)
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(here, part), getattr(there, part))
            assert getattr(here, part).dtype == getattr(there, part).dtype
    pd.testing.assert_frame_equal(found.movies, wanted.movies)
    pd.testing.assert_frame_equal(found.tags, wanted.tags)


def test_the_second_reading_is_of_the_copy_and_gives_the_same(
    tmp_path: Path, readings: list[Path]
) -> None:
    folder, copies = write_dataset(tmp_path / "data"), tmp_path / "copies"
    first = load_movie_data(folder, copies)
    second = load_movie_data(folder, copies)
    assert readings == [folder]
    assert_same(second, first)
    moved = folder.rename(tmp_path / "moved")  # by content, not by place
    third = load_movie_data(moved, copies)
    assert readings == [folder] and third.directory == moved


def test_other_contents_of_the_same_size_and_time_are_read_anew(
    tmp_path: Path, readings: list[Path]
) -> None:
    folder, copies = write_dataset(tmp_path / "data"), tmp_path / "copies"
    first = load_movie_data(folder, copies)
    ratings = folder / "ratings.csv"
    times = ratings.stat()
    ratings.write_bytes(ratings.read_bytes().replace(b"4.5", b"3.5", 1))
    os.utime(ratings, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert load_movie_data(folder, copies).fingerprint != first.fingerprint
    assert len(readings) == 2


def test_other_code_reads_anew(
    tmp_path: Path, readings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, copies = write_dataset(tmp_path / "data"), tmp_path / "copies"
    load_movie_data(folder, copies)
    changed = tmp_path / "data_preparation.py"
    changed.write_text("# other rules")
    monkeypatch.setattr(data_preparation, "_CODE", (changed,))
    load_movie_data(folder, copies)
    assert len(readings) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "a folder"])
def test_a_damaged_copy_is_made_anew_without_a_word(
    tmp_path: Path, readings: list[Path], damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder, copies = write_dataset(tmp_path / "data"), tmp_path / "copies"
    wanted = load_movie_data(folder, copies)
    (copy,) = copies.iterdir()
    content = copy.read_bytes()
    if damage == "a folder":
        copy.unlink()
        copy.mkdir()
    elif damage == "flipped":
        place = len(content) // 2
        copy.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    else:
        copy.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    with caplog.at_level(logging.CRITICAL):
        assert_same(load_movie_data(folder, copies), wanted)
    assert len(readings) == 2
    if damage != "a folder":
        assert copy.read_bytes() == content


def test_where_no_copy_can_be_written_the_data_are_read_all_the_same(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data")
    (tmp_path / "copies").write_text("a file where the folder should be")
    before = snapshot(tmp_path)
    assert load_movie_data(folder, tmp_path / "copies").n_ratings == len(TOY_RATINGS)
    assert snapshot(tmp_path) == before


def test_only_the_copies_used_last_are_kept(tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    for number in range(6):
        ratings = [*TOY_RATINGS, (200 + number, 10, 3.0, 1)]
        load_movie_data(write_dataset(tmp_path / str(number), ratings), copies)
    assert len(list(copies.iterdir())) == 4


def test_small_data_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_preparation, "_WORTH_A_COPY", 2**24)
    load_movie_data(write_dataset(tmp_path / "data"), tmp_path / "copies")
    assert not (tmp_path / "copies").exists()
