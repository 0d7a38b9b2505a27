"""The history of runs on disk: nothing is lost, nothing damaged gets in the way."""

from __future__ import annotations

import io
import json
import math
import os
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_preparation import MovieData
from model import runs
from model.config import TrainingConfig
from model.estimate import estimate
from model.runs import (
    OURS,
    Run,
    RunError,
    curves_table,
    load_runs,
    new_run_id,
    pace,
    run_label,
    runs_table,
    save_run,
)
from model.trained import EpochRecord
from serving.csv_export import to_csv
from tests.conftest import assert_one_sentence, snapshot

RUN = Run(
    id="20260102-030405-abcdef",
    started="2026-01-02T03:04:05+00:00",
    data_name="ml-latest-small",
    fingerprint="f" * 64,
    protocol="random_80_10_10",
    config=TrainingConfig(dim=8, layers=1, epochs=2, learning_rate=0.01, seed=7),
    refit=True,
    history=(
        EpochRecord(0, math.nan, 0.5, {"NDCG@20": 0.1, "Hit@10": 0.2}),
        EpochRecord(1, 0.6931, 1.5, {"NDCG@20": 0.15, "Hit@10": 0.25}),
    ),
    to_beat={"NDCG@20": 0.05},
    test={OURS: {"NDCG@20": 0.14}, "popularity": {"NDCG@20": 0.06}},
    intervals={"NDCG@20": (0.12, 0.16)},
    best_epoch=1,
    stop_reason="It ran all 2 epochs.",
    problem=None,
    refitted=True,
    seconds=3.25,
    versions={"torch": "2"},
)


def test_a_run_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    save_run(RUN, tmp_path / "new" / "folder")
    history = load_runs(tmp_path / "new" / "folder")
    assert history.problems == ()
    (run,) = history.runs
    assert repr(run) == repr(RUN)  # the loss of epoch 0 is NaN, unequal to itself


def test_a_run_that_failed_at_once_comes_back_too(tmp_path: Path) -> None:
    failed = replace(
        RUN, history=(), test={}, intervals={}, best_epoch=None, stop_reason=None, problem="No."
    )
    save_run(failed, tmp_path)
    assert load_runs(tmp_path).runs == (failed,)
    assert runs_table([failed])["end"].tolist() == ["No."]
    assert len(curves_table([failed])) == 0


def test_runs_are_newest_first_and_no_folder_is_no_run(tmp_path: Path) -> None:
    assert load_runs(tmp_path / "none").runs == ()
    ids = ["20260102-030405-b", "20270102-030405-a", "20260102-030406-a"]
    for id in ids:
        save_run(replace(RUN, id=id), tmp_path)
    assert [run.id for run in load_runs(tmp_path).runs] == sorted(ids, reverse=True)


def test_ids_are_unique_within_a_microsecond() -> None:
    now = datetime.now(UTC)
    assert len({new_run_id(now) for _ in range(100)}) == 100


def test_runs_of_one_second_are_newest_first_and_the_estimate_takes_the_last_three(
    tmp_path: Path, planted_data: MovieData
) -> None:
    second = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    moments = [second + timedelta(microseconds=step) for step in (0, 7, 90, 1000, 25_000, 999_999)]
    for number, now in enumerate(moments, 1):
        epochs = (RUN.history[0], replace(RUN.history[1], seconds=0.5 + number))
        changes = {"fingerprint": planted_data.fingerprint, "history": epochs}
        save_run(replace(RUN, id=new_run_id(now), **changes), tmp_path)
    runs = load_runs(tmp_path).runs
    assert [run.history[-1].seconds for run in runs] == [6.5, 5.5, 4.5, 3.5, 2.5, 1.5]
    assert estimate(planted_data, RUN.config, runs).epoch_seconds == pytest.approx(5.0)


def test_every_field_of_a_run_has_a_reader() -> None:
    assert list(runs._READERS) == [field.name for field in fields(Run)]


def test_what_is_used_is_what_was_checked(tmp_path: Path) -> None:
    (tmp_path / f"{RUN.id}.json").write_text(damage(seconds=3, to_beat={"liked NDCG@20": 1}))
    (run,) = load_runs(tmp_path).runs
    assert type(run.seconds) is float and type(run.to_beat["liked NDCG@20"]) is float


def damage(**changes: Any) -> str:
    content = {"format": runs.FORMAT, **runs._without_nan(runs.asdict(RUN))} | changes
    return json.dumps({key: value for key, value in content.items() if value is not ...})


DAMAGED = {
    "empty": "",
    "half": damage()[:200],
    "a list": "[1, 2]",
    "a number": "3",
    "deep": "[" * 100_000,
    "no format": damage(format=...),
    "a format that is none": damage(format="2"),
    "a newer format": damage(format=runs.FORMAT + 1),
    "another id": damage(id="20200101-000000-zzzzzz"),
    "no config": damage(config=...),
    "a setting out of range": damage(config={"dim": 0}),
    "an unknown setting": damage(config={"magic": 1}),
    "an unknown field": damage(magic=1),
    "an unknown protocol": damage(protocol="nonsense"),
    "no time": damage(started="yesterday"),
    "words for metrics": damage(to_beat={"NDCG@20": "high"}),
    "a gap in the history": damage(
        history=[{"epoch": 5, "loss": 1, "seconds": 1, "metrics": {}}], best_epoch=None
    ),
    "a kept epoch beyond the history": damage(best_epoch=9),
    "a duration in words": damage(seconds="long"),
    "a duration longer than the world": damage(seconds=10**30),
    "an epoch that lasts longer than the world": damage(
        history=[{"epoch": 0, "loss": None, "seconds": 10**30, "metrics": {}}], best_epoch=None
    ),
    "a metric beyond one": damage(test={OURS: {"liked NDCG@20": 1.5}}),
    "an interval upside down": damage(intervals={"NDCG@20": [0.2, 0.1]}),
    "an interval of three ends": damage(intervals={"NDCG@20": [0.1, 0.2, 0.3]}),
    "a setting whose name is no text": damage(config={"\ud800": 1}),
}


def test_the_undamaged_text_loads(tmp_path: Path) -> None:
    (tmp_path / f"{RUN.id}.json").write_text(damage())
    assert len(load_runs(tmp_path).runs) == 1


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in DAMAGED.items()])
def test_a_damaged_file_is_named_and_the_others_load(tmp_path: Path, text: str) -> None:
    save_run(replace(RUN, id="20300101-000000-good"), tmp_path)
    path = tmp_path / f"{RUN.id}.json"
    path.write_text(text)
    history = load_runs(tmp_path)
    assert [run.id for run in history.runs] == ["20300101-000000-good"]
    (problem,) = history.problems
    assert path.name in problem
    assert_one_sentence(problem)
    assert path.read_text() == text


def test_a_run_of_the_engine_before_is_left_out_in_a_sentence_that_says_what_to_do(
    tmp_path: Path,
) -> None:
    # Its settings would be read as those of a hybrid.
    old = {"dim": 256, "layers": 1, "epochs": 10, "warm_start": True, "seed": 0}
    save_run(RUN, tmp_path)
    for number, written in enumerate((1, 2)):
        id = f"2026010{number}-030405-old"
        (tmp_path / f"{id}.json").write_text(damage(format=written, id=id, config=old))
    before = snapshot(tmp_path)
    history = load_runs(tmp_path)
    assert [run.id for run in history.runs] == [RUN.id]
    assert len(history.problems) == 2
    for problem in history.problems:
        assert_one_sentence(problem)
        assert "older version" in problem and "train again" in problem and "old.json" in problem
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("change", [{}, {"model": "paper"}, {"ridge": 0.09, "taste": 3.0}])
def test_a_run_carries_every_setting_of_its_kind_of_model(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    run = replace(RUN, config=replace(RUN.config, **change))
    save_run(run, tmp_path)
    (found,) = load_runs(tmp_path).runs
    assert found.config == run.config
    table = runs_table([run]).iloc[0]
    assert all(table[name] == value for name, value in vars(run.config).items())


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00\x80")
    assert len(load_runs(tmp_path).problems) == 1


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError) as refusal:
        save_run(RUN, tmp_path / "file" / "runs")
    assert_one_sentence(str(refusal.value))


def test_a_disk_that_fills_up_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="No space left"):
        save_run(RUN, tmp_path)
    assert snapshot(tmp_path) == {}


def test_the_csv_holds_every_setting_and_metric() -> None:
    back = pd.read_csv(io.BytesIO(to_csv(runs_table([RUN]))), encoding="utf-8-sig")
    row = back.iloc[0]
    assert (row["dim"], row["learning_rate"], row["seed"]) == (8, 0.01, 7)
    assert row["warm_start"] == RUN.config.warm_start
    assert row["test NDCG@20"] == 0.14 and row["seconds"] == 3.2
    curves = pd.read_csv(io.BytesIO(to_csv(curves_table([RUN]))), encoding="utf-8-sig")
    assert curves["NDCG@20"].tolist() == [0.1, 0.15]
    assert curves["epoch"].tolist() == [0, 1]


def after(*durations: float) -> tuple[EpochRecord, ...]:
    """A history whose epochs took so many seconds."""
    ends = np.cumsum([2.0, *durations])
    return tuple(EpochRecord(n, math.nan, float(end), {}) for n, end in enumerate(ends))


def test_one_slow_epoch_says_nothing_of_the_next_ones() -> None:
    assert pace(after(4, 4, 36_000, 4)) == pytest.approx(4)
    assert pace(after(4)) == pytest.approx(4)


def test_the_pace_follows_the_machine() -> None:
    assert pace(after(*[1] * 50, *[5] * 9)) == pytest.approx(5)


def test_the_estimate_of_the_next_run_forgives_one_slow_epoch(planted_data: MovieData) -> None:
    def told(*durations: float) -> float:
        run = replace(RUN, fingerprint=planted_data.fingerprint, history=after(*durations))
        return estimate(planted_data, RUN.config, [run]).epoch_seconds

    assert told(4, 36_000, 4) == pytest.approx(told(4, 4, 4)) == pytest.approx(4)


def test_data_of_the_same_name_are_told_apart() -> None:
    other = replace(RUN, fingerprint="a" * 64)
    third = replace(RUN, fingerprint="b" * 64, data_name="demo_data")
    names = runs_table([RUN, other, third, RUN])["data"].tolist()
    assert names == [
        "ml-latest-small (ffffff)", "ml-latest-small (aaaaaa)", "demo_data",
        "ml-latest-small (ffffff)",
    ]  # fmt: skip
    assert runs_table([RUN])["data"].tolist() == ["ml-latest-small"]


def test_labels_tell_runs_apart() -> None:
    others = [
        replace(RUN, started="2026-01-02T03:04:06+00:00"),
        replace(RUN, config=replace(RUN.config, dim=9)),
        replace(RUN, config=replace(RUN.config, layers=2)),
        replace(RUN, config=replace(RUN.config, warm_start=False)),
    ]
    assert len({run_label(run) for run in [RUN, *others]}) == 5
