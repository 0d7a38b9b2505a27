"""Later times: the page says what the benchmark's file says, and its sentences follow it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.later_times import NAMES, LaterTimes, later_times
from settings import BENCHMARK_RESULTS
from tabs.insights.later_times import _aged, _in_words, _runs, _trend
from tabs.links import LATER
from tests.test_app import healthy, open_app, texts


def found(tmp_path: Path, change: Callable[[dict[str, Any]], None] = lambda _: None) -> LaterTimes:
    """The results as they are, or as changed."""
    content = copy.deepcopy(json.loads(BENCHMARK_RESULTS.read_text(encoding="utf-8")))
    change(content)
    (tmp_path / "results.json").write_text(json.dumps(content), encoding="utf-8")
    read = later_times(tmp_path / "results.json")
    assert read is not None
    return read


def test_the_page_shows_what_was_measured_whatever_data_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(tmp_path / "none.pth"))
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")
    app = open_app("Insights", section=LATER)
    healthy(app)
    read = found(tmp_path)
    assert f"on {read.measured} by `python benchmarks/run.py time`" in texts(app).replace("\\", "")
    assert read.trend is not None
    for said in (_in_words(read.models), _aged(read), _trend(read.trend), _runs(read.runs)):
        assert said in texts(app)


def test_every_model_has_a_quality_in_every_window(tmp_path: Path) -> None:
    read = found(tmp_path)
    assert set(read.windows["model"]) == set(NAMES.values())
    assert (read.windows.groupby("model")["window"].count() == read.windows["window"].max()).all()
    for model, rows in read.windows.groupby("model"):
        mean = (rows["quality"] * rows["people"]).sum() / rows["people"].sum()
        whole = read.models.set_index("model").loc[model, "quality"]
        assert mean == pytest.approx(whole, abs=2e-4)  # rounded numbers


def test_sentences_follow_the_numbers(tmp_path: Path) -> None:
    def worse(content: dict[str, Any]) -> None:
        for row in content["windows"]["values"]["rows"]:
            if row["name"].startswith("given"):
                row["difference"]["NDCG@20"]["interval"][0] = -0.001
        random, later = content["runs"]["values"]["rows"]
        random["difference"]["mean"], later["difference"]["mean"] = 0.02, 0.01

    read = found(tmp_path, worse)
    assert "not surely above EASE" in _in_words(read.models)
    assert "only the later windows tell" in _runs(read.runs)

    def turned(content: dict[str, Any]) -> None:
        random, later = content["runs"]["values"]["rows"]
        random["difference"]["mean"], later["difference"]["mean"] = 0.02, -0.01

    assert "is none later" in _runs(found(tmp_path, turned).runs)

    def ease_wins(content: dict[str, Any]) -> None:
        content["windows"]["values"]["rows"][0]["metrics"]["NDCG@20"] = 0.9

    assert "**EASE** finds most" in _in_words(found(tmp_path, ease_wins).models)


def test_what_is_popular_now_is_a_gain_only_where_the_numbers_say_so(tmp_path: Path) -> None:
    def ends(low: float, high: float) -> Callable[[dict[str, Any]], None]:
        def change(content: dict[str, Any]) -> None:
            for part in ("rows", "random"):
                for row in content["trend"]["values"][part]:
                    row["difference"]["interval"] = [low, high]

        return change

    for (low, high), word in {
        (0.01, 0.02): "a gain",
        (-0.02, -0.01): "a loss",
        (-0.01, 0.01): "no sure change",
    }.items():
        trend = found(tmp_path, ends(low, high)).trend
        assert trend is not None
        said = _trend(trend)
        assert f"{word} for *watch*, {word} for *like*" in said
        assert f"of all years, {word}." in said
        assert f"({low:+.4f} to {high:+.4f})" in said
    assert found(tmp_path, lambda content: content.pop("trend")).trend is None


def test_without_the_file_or_a_part_of_it_nothing_was_measured(tmp_path: Path) -> None:
    assert later_times(tmp_path / "nothing.json") is None
    (tmp_path / "part.json").write_text('{"windows": {}}', encoding="utf-8")
    assert later_times(tmp_path / "part.json") is None
