"""The benchmark report: rendering, agreement with the stored results, comparisons, synthetic
graphs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from benchmarks import attention, costs, drift, liking, measure, over_time, ranking, report, run
from data_preparation import MovieData
from model import trend_choice
from model.ageing import ALWAYS
from model.config import SETTINGS
from model.evaluation import RankingReport, evaluate
from model.splits import Split, people_folds, random_80_10_10, times_in
from model.trained import TrainedModel
from settings import DATASET_VARIABLE

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
        "fit": 0.5,
        "seconds": seconds,
        "extrapolated": scale == 4,
        "memory": memory,
    }


def compared_row(name: str, ndcg: float, splits: int = 5) -> report.Results:
    change = {"mean": 0.02, "interval": [0.01, 0.03]}
    return {
        "name": name,
        "splits": splits,
        "users": 610,
        "metrics": dict.fromkeys(ranking.METRICS, 0.3) | {"NDCG@20": ndcg, "liked NDCG@20": 0.2},
        "stars": 3.94,
        "low": 0.069,
        "fit": 3.0 if name != "ease" else 0.5,
        "chosen": 0.0,
        "settings": [{}],
        **({} if name == "ease" else {"difference": {"NDCG@20": change}}),
    }


TINY: report.Results = {
    "growth": {"machine": FACTS, "values": [growth_run(1, 2.0, 30.0), growth_run(4, 8.0, 60.0)]},
    "quality": {
        "machine": FACTS,
        "values": [
            compared_row("ease", 0.28),
            compared_row("best, watch", 0.31),
            compared_row("published", 0.22, splits=1),
        ],
    },
}


def test_a_table_has_one_line_per_row_and_numbers_on_the_right() -> None:
    assert report.table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_growth_prints_the_fitted_exponents_and_marks_what_is_extrapolated() -> None:
    lines = report.section(TINY, "growth").splitlines()
    assert "8.0 (from one step)" in lines[3]
    assert "(from one step)" not in lines[2]
    assert "ratings^1.00" in lines[-1]  # 4 times the ratings, 4 times the seconds
    assert "ratings^0.50" in lines[-1]  # … and twice the memory


def test_quality_names_the_profile_and_the_gain_over_ease() -> None:
    text = report.section(TINY, "quality")
    (row,) = [line for line in text.splitlines() if "*watch*" in line and "0.3100" in line]
    assert "+0.0200 (+0.0100 to +0.0300)" in row and "3.94" in row and "6.9 %" in row
    assert "He et al. 2020) (1 seed)" in text
    (costs_row,) = [line for line in text.splitlines() if "*watch*" in line and "| 6.0 |" in line]
    assert "| 3.0 |" in costs_row  # CPU seconds, 6 times those of EASE


def test_the_report_holds_what_was_measured_and_the_published_table() -> None:
    text = report.render(TINY)
    for name in ("growth", "quality", "published"):
        assert report.section(TINY, name) in text
    assert "Abacus, 2 cores, 1 thread, Python 3.12.0, torch 2.0.0; measured in 7 s" in text
    assert "load average at the end 1.5." in text
    assert "Latency" not in text


def test_the_stored_report_is_the_one_of_the_stored_results() -> None:
    results = report.load_results()
    assert set(results) <= set(report.TABLES)
    assert run.RESULTS_MD.read_text(encoding="utf-8") == report.render(results)


def test_what_was_not_measured_says_so() -> None:
    assert report.section({}, "quality") == "Not measured yet."


def test_every_section_has_a_table_and_every_job_a_function() -> None:
    jobs: list[tuple[str, ...]] = []

    def remember(*job: str) -> str:
        jobs.append(job)
        return "value"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "measured", remember)
        tables = {name for section in run.MEASURES.values() for name in section("validation")}
    assert tables | {"published"} == set(report.TABLES)
    assert {job[0] for job in jobs} == set(measure.JOBS)
    assert not any("test" in job for job in jobs)


@pytest.mark.parametrize(("part", "dataset"), [("validation", ""), ("test", "ml-1m")])
def test_on_validation_or_other_data_nothing_that_counts_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, part: str, dataset: str
) -> None:
    target = tmp_path / "aside.json"
    monkeypatch.setattr(run, "ASIDE_JSON", target)
    monkeypatch.setattr(run, "measured", lambda *job: list(job))
    monkeypatch.setenv(DATASET_VARIABLE, dataset)
    before = report.RESULTS_JSON.read_bytes()
    run.measure_section("quality", part)
    assert report.load_results(target)["quality"]["values"] == ["quality", part]
    assert report.RESULTS_JSON.read_bytes() == before


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


def test_floats_are_rounded_all_through_a_result() -> None:
    assert measure.rounded({"a": [1 / 3, (2,)], "b": None}) == {"a": [0.33333, [2]], "b": None}


# --- comparing ------------------------------------------------------------------------------------


def made_report(ndcg: dict[int, float]) -> RankingReport:
    values = pd.DataFrame({"NDCG@20": ndcg, "liked NDCG@20": ndcg, "Recall@20": ndcg})
    nothing = np.zeros((len(ndcg), 20))
    return RankingReport(
        "made", "test", values, nothing.astype(np.int32), nothing.astype(np.float32)
    )


def test_a_pool_averages_each_users_splits_before_it_compares_users() -> None:
    pool = ranking.Pool()
    for ours, theirs in (({0: 0.5, 1: 0.2}, {0: 0.3, 1: 0.2}), ({0: 0.7}, {0: 0.5})):
        pool.add("ours", made_report(ours))
        pool.add("theirs", made_report(theirs))
    row = pool.row("ours", "theirs")
    assert row["splits"] == 2 and row["users"] == 2
    assert row["metrics"]["NDCG@20"] == pytest.approx((0.6 + 0.2) / 2)
    found = row["difference"]["NDCG@20"]
    assert found["mean"] == pytest.approx((0.2 + 0.0) / 2)
    assert found["interval"] == pytest.approx([0.0, 0.2])  # two users: one or the other, or both


def test_fewer_splits_are_compared_with_the_same_ones() -> None:
    pool = ranking.Pool()
    pool.add("slow", made_report({0: 0.4}))
    for value in (0.3, 0.9):
        pool.add("theirs", made_report({0: value}))
    assert pool.row("slow", "theirs")["difference"]["NDCG@20"]["mean"] == pytest.approx(0.1)


def test_an_interval_of_equal_differences_is_a_point() -> None:
    found = ranking.paired(pd.Series([0.1, 0.1, np.nan, 0.1]))
    assert found["mean"] == pytest.approx(0.1) and found["interval"] == pytest.approx([0.1, 0.1])


def test_the_bootstrap_interval_is_about_two_standard_errors_wide() -> None:
    values = pd.Series(np.random.default_rng(0).standard_normal(400))
    low, high = ranking.paired(values)["interval"]
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


# --- the models on small data ---------------------------------------------------------------------


@pytest.fixture
def small(planted_data: MovieData, monkeypatch: pytest.MonkeyPatch) -> MovieData:
    """The planted data in the place of MovieLens."""
    for module in (ranking, liking, over_time, attention, drift):
        monkeypatch.setattr(module, "load", lambda: planted_data)
    return planted_data


def names_of(rows: list[report.Results]) -> list[str]:
    return [row["name"] for row in rows]


def test_every_model_but_the_slow_one_is_in_the_quality_table(small: MovieData) -> None:
    names = (ranking.EASE, *ranking.BASELINES, "given", "fast")
    rows = ranking.quality("validation", (42, 1), names)
    assert names_of(rows) == [
        *(ranking.EASE, *ranking.BASELINES),
        *("given, watch", "given, like", "fast, watch", "fast, like"),
    ]
    assert all(row["splits"] == 2 and row["fit"] >= 0 for row in rows)
    assert "difference" not in rows[0] and "NDCG@20" in rows[1]["difference"]
    report.section({"quality": {"values": rows}}, "quality")


def test_nobody_left_out_is_in_the_graph_that_scores_them(
    small: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[sparse.csr_array] = []
    known_rows: list[sparse.csr_array] = []
    strangers = ranking._strangers

    def watched(others, known, content, l2):  # type: ignore[no-untyped-def]
        seen.append(others)
        known_rows.append(known)
        return strangers(others, known, content, l2)

    monkeypatch.setattr(ranking, "_strangers", watched)
    rows = ranking.left_out("validation", (42,))
    assert names_of(rows) == [ranking.EASE, "popularity", "given, watch", "given, like"]
    fold = people_folds(small.n_users)
    for number, (others, known) in enumerate(zip(seen, known_rows, strict=True)):
        assert not np.diff(others.indptr)[fold == number].any()
        assert not np.diff(known.indptr)[fold != number].any()
    split = random_80_10_10(small)
    assert (sum(known_rows[1:], known_rows[0]) != split.train).nnz == 0
    held = np.flatnonzero(np.diff(split.validation.indptr))
    assert rows[0]["users"] == len(held)  # everyone is measured, once


def test_windows_last_rating_and_groups_name_every_model(small: MovieData) -> None:
    found = ranking.windows("test", n=3)
    assert names_of(found["rows"])[-2:] == ["given, watch", "given, like"]
    users = [window["users"] for window in found["windows"]]
    assert sum(users) == found["rows"][0]["users"]
    for row in found["rows"]:  # what the picture shows, window by window, adds up to the table
        each = [window["quality"][row["name"]]["NDCG@20"] for window in found["windows"]]
        assert np.average(each, weights=users) == pytest.approx(row["metrics"]["NDCG@20"])
    assert ranking.EASE in names_of(ranking.last_rating("validation"))
    grouped = ranking.groups("validation")
    for name, values in (("windows", found), ("groups", grouped)):
        report.section({name: {"values": values}}, name)


def test_a_half_life_is_chosen_on_validation_and_measured_beside_always(
    small: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_time, "HALF_LIVES", (ALWAYS, 3.0))
    found = over_time.ageing("test", ("temporal_leave_one_out", "rolling_windows"))
    for row in found:
        names = ["ease", "given, watch", "given, watch, aged", "given, like", "given, like, aged"]
        assert names_of(row["rows"]) == names
        for profile, values in row["validation"].items():
            best = row["half_lives"][int(np.argmax(values))]
            assert row["chosen"][profile] == best
            always, aged = (
                next(r for r in row["rows"] if r["name"] == f"given, {profile}{end}")
                for end in ("", ", aged")
            )
            gain = aged["less_always"]["NDCG@20"]["mean"]
            assert gain == pytest.approx(aged["metrics"]["NDCG@20"] - always["metrics"]["NDCG@20"])
            assert best is not None or gain == 0
    report.section({"ageing": {"values": found}}, "ageing")


def test_aged_scores_are_those_of_the_pages(small: MovieData) -> None:
    case = next(over_time.cases(small, "random_80_10_10", "test"))
    train = case.split.train
    when = times_in(small, train)
    for user in (0, 3):
        films = train.indices[train.indptr[user] : train.indptr[user + 1]]
        rated = small.rated_by(user)
        expected = small.times_of(user)[np.searchsorted(rated, films)]
        np.testing.assert_array_equal(when[train.indptr[user] : train.indptr[user + 1]], expected)
    scorers = over_time.aged_scorers(small, case)
    plain = ranking.fit_hybrid(train, case.known, ranking.GIVEN).scorers["like"](np.arange(3))
    np.testing.assert_allclose(scorers("like", ALWAYS)(np.arange(3)), plain, atol=1e-4)
    assert not np.allclose(scorers("like", 1.0)(np.arange(3)), plain, atol=1e-2)


def test_runs_are_films_rated_one_after_another_in_one_sitting(
    small: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_time, "RUN", 4)
    ratings = sparse.csr_array(np.array([[1.0] * 6 + [0.0], [0.0] * 4 + [2.0, 2.0, 0.0]]))
    # One person: films 5 to 2 within minutes, then the next day 0 and 1; the other: a day between.
    when = np.array([100_000, 100_060, 240, 180, 120, 60, 10, 100_000])
    edges = over_time.run_edges(ratings, when).toarray()
    assert [np.flatnonzero(row).tolist() for row in edges] == [[2, 3, 4, 5], [2, 3], [0, 1]]
    found = over_time.runs("validation", (42,))
    assert [row["protocol"] for row in found["rows"]] == ["random_80_10_10", "rolling_windows"]
    report.section({"runs": {"values": found}}, "runs")


def test_content_beside_the_graph_is_chosen_on_validation(small: MovieData) -> None:
    for part in ("validation", "test"):
        found = ranking.hybrid("random_80_10_10", part)
        row = found["rows"][0]
        assert row["chosen"] == found["weights"][int(np.argmax(row["validation"]))]
        report.section({"hybrid": {"values": [found]}}, "hybrid")


def test_every_ablation_changes_a_setting_that_exists() -> None:
    for label, changes in (ranking.VARIANTS | ranking.LEARNED_VARIANTS).items():
        assert set(changes) <= set(SETTINGS), label
        changed = dataclasses.replace(ranking.GIVEN, **changes)
        assert (changed != ranking.GIVEN) == (label != "as it is"), label


def test_an_ablation_compares_with_the_model_as_it_is(
    small: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = {"a little BPR": {"dim": 8, "epochs": 1}}
    monkeypatch.setattr(ranking, "LEARNED_VARIANTS", short)
    monkeypatch.setattr(
        ranking, "VARIANTS", {name: ranking.VARIANTS[name] for name in ("as it is", "K = 2")}
    )
    found = ranking.ablation((42,))
    assert names_of(found["rows"]) == ["as it is", "K = 2", ranking.NO_RULE]
    assert "difference" not in found["rows"][0]
    assert names_of(found["learned"])[1] == "a little BPR (epoch 1)"
    report.section({"ablation": {"values": found}}, "ablation")


def test_attention_is_compared_with_the_model_without_it(small: MovieData) -> None:
    found = attention.attention((42,))
    assert [row["name"] for row in found["rows"]] == ["with, watch", "with, like"]
    for row in found["rows"]:
        for metric in ("NDCG@20", "liked NDCG@20"):
            gain = row["metrics"][metric] - row["without"][metric]
            assert row["difference"][metric]["mean"] == pytest.approx(gain)
    assert len(found["theta"]) == len(found["features"]) == len(attention.FEATURES)
    report.section({"attention": {"values": found}}, "attention")


def test_learned_layers_are_compared_with_one_layer(small: MovieData) -> None:
    found = attention.layers((42,))
    assert len(found["rows"]) == 6 and len(found["walks"]) == len(found["weights"])
    assert sum(found["weights"]) == pytest.approx(1) and min(found["weights"]) >= 0
    one, mean, _ = found["rows"][:3]
    gain = mean["metrics"]["NDCG@20"] - one["metrics"]["NDCG@20"]
    assert mean["difference"]["NDCG@20"]["mean"] == pytest.approx(gain)
    report.section({"layers": {"values": found}}, "layers")


def test_terms_of_time_are_compared_with_stars_without_them(
    small: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {kind: dict(list(tried.items())[-1:]) for kind, tried in drift.KINDS.items()}
    monkeypatch.setattr(drift, "KINDS", few)
    found = drift.drift("validation", (42,))
    assert [row["protocol"] for row in found] == list(drift.PROTOCOLS)
    for part in found:
        assert names_of(part["rows"]) == [*few, drift.TOGETHER]
        for row in part["rows"]:
            assert row["rmse"] == pytest.approx(part["without"], abs=0.1)
            assert row["squared"] == row["on_validation"]  # the same part, the same seed
    report.section({"drift": {"values": found}}, "drift")


def test_a_window_has_the_trend_that_it_and_those_before_it_chose(
    small: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, few in (("SHARES", (0.3,)), ("STRENGTHS", (0.0, 0.4))):
        monkeypatch.setattr(trend_choice, name, few)
    found = drift.trend("validation")
    people = [choice["people"] for choice in found["chosen"]]
    assert people == sorted(people) and all(each["share"] == 0.3 for each in found["chosen"])
    for row in (*found["rows"], *found["random"]):
        assert row["with"] - row["without"] == pytest.approx(row["difference"]["mean"])
    for row in found["rows"]:
        values = {each["key"][2]: each["value"] for each in found["validation"]}
        assert set(values) == {0.0, 0.4}
        strengths = {choice["strengths"][row["name"]] for choice in found["chosen"]}
        if strengths == {0.0}:
            assert row["with"] == row["without"]
    report.section({"trend": {"values": found}}, "trend")


def test_stars_are_compared_with_biases_and_their_doubt_is_checked(small: MovieData) -> None:
    found = liking.stars("validation", (42,))
    assert found["ratings"] == random_80_10_10(small).validation.nnz
    assert len(found["grid"]) == 36 and set(found["coverage"]) == {"1", "2"}
    assert 0 < found["rows"][1]["mae"] < found["rows"][1]["rmse"] < 3
    report.section({"stars": {"values": found}}, "stars")


def test_a_profile_turned_round_moves_what_is_like_it(real_data: MovieData) -> None:
    from model_training import train  # a model of real data, where films have many neighbours

    config = dataclasses.replace(ranking.GIVEN, dim=128)
    model: TrainedModel = train(real_data, random_80_10_10(real_data), config)
    films = np.argsort(-real_data.movie_degree)[[3, 40, 90, 200, 400]].tolist()
    found = liking.turned(real_data, model, films)
    assert found["places"] > 0
    assert found["near"] == 0 and found["other"] == 0 and found["listed"] > 0


def test_rare_films_among_themselves_are_listed_alone(split: Split) -> None:
    rare = ranking.rare_films(split)
    rare[:5] = True
    scorer = ranking.BASELINES["popularity"](split.train)
    found = evaluate(ranking.only(rare, scorer), split, "validation", (5,))
    assert np.isin(found.top[found.top >= 0], np.flatnonzero(rare)).mean() > 0.9
