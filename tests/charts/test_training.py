"""Runs overlaid: a colour for each, and a plot that no legend takes room from."""

from __future__ import annotations

import math
from dataclasses import replace

from charts.basics import PALETTE
from charts.training import MAX_OVERLAID, run_colours, runs_chart
from model.config import TrainingConfig
from model.runs import Run, run_label
from model.trained import EpochRecord

HISTORY = (
    EpochRecord(0, math.nan, 1.0, {"NDCG@20": 0.1}),
    EpochRecord(1, 0.6, 2.0, {"NDCG@20": 0.2}),
)
RUN = Run(
    "20260102-030405-abcdef", "2026-01-02T03:04:05+00:00", "data", "f" * 64, "random_80_10_10",
    TrainingConfig(dim=8), False, HISTORY, {}, {}, {}, None, None, None, False, 1.0, {},
)  # fmt: skip
RUNS = [replace(RUN, started=f"2026-01-02T03:04:{n:02}+00:00") for n in range(MAX_OVERLAID)]


def test_the_plot_is_as_large_for_many_runs_as_for_one() -> None:
    one, many = (runs_chart(runs, "NDCG@20", "NDCG@20").to_dict() for runs in (RUNS[:1], RUNS))
    assert one["height"] == many["height"] > 250
    assert many["encoding"]["color"]["legend"] is None


def test_every_run_has_a_colour_of_its_own_the_same_in_legend_and_chart() -> None:
    colours = run_colours(RUNS)
    assert list(colours) == [run_label(run) for run in RUNS]
    assert sorted(colours.values()) == sorted(PALETTE)
    scale = runs_chart(RUNS, "NDCG@20", "NDCG@20").to_dict()["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == colours
