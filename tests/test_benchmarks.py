"""The benchmark report: rendering, agreement with the stored results, and the synthetic graphs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks import costs, measure, ranking, report, run
from data_preparation import MovieData
from model import fitted_start
from model.config import PRESETS
from model.splits import PROTOCOLS

FACTS = {
    "cpu": "Abacus",
    "cores": 2,
    "python": "3.12.0",
    "torch": "2.0.0",
    "date": "2026-01-02",
    "threads": 1,
    "seconds": 7,
    "load": 1.5,
}


def growth_run(scale: int, seconds: float, memory: float) -> report.Results:
    return {
        "scale": scale,
        "users": 10 * scale,
        "films": 20 * scale,
        "ratings": 100 * scale,
        "batch_size": 50 * scale,
        "steps": 2,
        "seconds": seconds,
        "extrapolated": scale == 4,
        "memory": memory,
    }


def quality_run(seed: int, ndcg: float, reached: float | None) -> report.Results:
    metrics = {"NDCG@20": ndcg, "Recall@20": 0.3}
    return {
        "name": "best",
        "seed": seed,
        "validation": metrics,
        "test": metrics,
        "interval": {"NDCG@20": [0.1, 0.2]},
        "coverage": 0.125,
        "popularity": 61.4,
        "seconds": 25.4,
        "reached": reached,
        "memory": 300.0,
    }


TINY: report.Results = {
    "growth": {"machine": FACTS, "values": [growth_run(1, 2.0, 30.0), growth_run(4, 8.0, 60.0)]},
    "quality": {"machine": FACTS, "values": [quality_run(0, 0.25, 2.0), quality_run(1, 0.27, 2.2)]},
}


def test_a_table_has_one_line_per_row_and_numbers_on_the_right() -> None:
    assert report.table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_growth_prints_the_fitted_exponents_and_marks_what_is_extrapolated() -> None:
    lines = report.section(TINY, "growth").splitlines()
    assert "8.0 (from one step)" in lines[3]
    assert "(from one step)" not in lines[2]
    assert "ratings^1.00" in lines[-1]  # 4 times the ratings, 4 times the seconds
    assert "ratings^0.50" in lines[-1]  # … and twice the memory


def test_quality_gives_mean_and_spread_over_seeds() -> None:
    row = report.section(TINY, "quality").splitlines()[2]
    assert "LightGCN 'best', 2 seeds" in row
    assert "0.2600 ± 0.0141" in row
    assert "12.5 %" in row
    assert "| 25 | 2.1 | 300 |" in row


def test_a_quality_bar_that_one_seed_missed_was_never_reached() -> None:
    values = [quality_run(0, 0.25, 2.0), quality_run(1, 0.2, None)]
    assert "| 25 | never | 300 |" in report.section({"quality": {"values": values}}, "quality")


def test_the_report_holds_what_was_measured_and_the_published_table() -> None:
    text = report.render(TINY)
    for name in ("growth", "quality", "published"):
        assert report.section(TINY, name) in text
    assert "Abacus, 2 cores, 1 thread, Python 3.12.0, torch 2.0.0; measured in 7 s" in text
    assert "load average at the end 1.5." in text
    assert "Latency" not in text


def test_the_stored_report_is_the_one_of_the_stored_results() -> None:
    results = report.load_results()
    assert set(report.TABLES) - {"published"} == set(results)
    assert run.RESULTS_MD.read_text(encoding="utf-8") == report.render(results)


def test_the_published_figures_are_those_of_the_anchors() -> None:
    anchors = report.FOLDER.parents[1] / "shared" / "anchors.md"
    if not anchors.exists():
        pytest.skip("shared/anchors.md is not beside this checkout")
    text = anchors.read_text(encoding="utf-8")
    for _, *figures in report.PUBLISHED:
        assert f"| {' | '.join(figures)} |" in text


def test_a_synthetic_graph_has_the_size_asked_for_and_a_heavy_tail() -> None:
    graph = costs.synthetic_graph(300, 500, 6_000, seed=3)
    assert graph.shape == (300, 500)
    assert graph.nnz == 6_000
    assert (graph.data == 1).all()
    popularity = np.sort(np.bincount(graph.indices, minlength=500))[::-1]
    assert popularity[:50].sum() > 0.3 * graph.nnz  # the top tenth; uniform gives little over 0.1


def test_a_synthetic_graph_is_repeatable_and_depends_on_its_seed() -> None:
    first, again, other = (costs.synthetic_graph(40, 60, 500, seed) for seed in (1, 1, 2))
    assert (first != again).nnz == 0
    assert (first != other).nnz > 0


def test_a_graph_that_is_nearly_full_is_refused() -> None:
    with pytest.raises(ValueError, match="half"):
        costs.synthetic_graph(4, 5, 11)


def test_the_content_of_a_film_knows_no_tag_of_a_held_out_pair(toy_data: MovieData) -> None:
    split = PROTOCOLS["random_80_10_10"](toy_data)
    user, film = toy_data.inner_user(3), toy_data.inner_movie(10)  # user 3 tagged film 10 "Sci-Fi"
    only = np.zeros(toy_data.ratings.shape, np.float32)
    only[user, film] = 1
    held_out = type(toy_data.ratings)(only)
    split = dataclasses.replace(
        split,
        train=(toy_data.ratings - toy_data.ratings.multiply(held_out)).tocsr(),
        validation=held_out,
        test=toy_data.ratings.multiply(0).tocsr(),
    )
    split.train.eliminate_zeros()
    split.test.eliminate_zeros()
    seen, dropped = ranking.without_held_out_tags(toy_data, split)
    assert dropped == 1
    assert seen.tag_counts.sum() == toy_data.tag_counts.sum() - 1
    assert (seen.ratings != toy_data.ratings).nnz == 0


def test_floats_are_rounded_all_through_a_result() -> None:
    assert measure.rounded({"a": [1 / 3, (2,)], "b": None}) == {"a": [0.33333, [2]], "b": None}


def test_every_ablation_changes_something_that_exists() -> None:
    for label, changes, constants in ranking.VARIANTS:
        assert (dataclasses.replace(PRESETS["best"], **changes) != PRESETS["best"]) == bool(changes)
        assert set(constants) <= set(vars(fitted_start)), label
        assert bool(changes) + bool(constants) == (label != "best")
