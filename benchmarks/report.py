"""The results of the benchmarks as Markdown tables: `benchmarks/RESULTS.md` and the README."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from math import log
from pathlib import Path
from typing import Any

from benchmarks import faithfulness

Results = dict[str, Any]
Rows = Sequence[Sequence[str]]

FOLDER = Path(__file__).resolve().parent
RESULTS_JSON = FOLDER / "results.json"
MODELS = {
    "popularity": "Popularity",
    "item_knn": "ItemKNN",
    "pure_svd": "PureSVD",
    "ease": "EASE",
    "fast": "LightGCN 'fast'",
    "best": "LightGCN 'best'",
    "published": "LightGCN 'published' (He et al. 2020)",
}

# test Recall@20, test NDCG@20, validation NDCG@20, training, peak MiB: copied from
# shared/anchors.md, where they were measured on the same split.
PUBLISHED = (
    ("iALS (`implicit`)", "0.2788", "0.2764", "0.2314", "2.5", "105"),
    ("GF-CF", "0.2554", "0.2501", "0.2121", "1.5", "395"),
    ("LightGCN-PyTorch, lr 1e-2", "0.2529", "0.2329", "0.2031", "89 to its best", "696"),
    ("LightGCN-PyTorch, default", "0.2294", "0.2148", "0.1889", "304, still rising", "688"),
    ("RecBole LightGCN, default", "0.1990", "0.2055", "0.1773", "181, still rising", "693"),
    ("PyG LightGCN", "0.1905", "0.1793", "0.1629", "122", "620"),
)


def load_results() -> Results:
    """What has been measured, by section; empty before the first measurement."""
    if not RESULTS_JSON.exists():
        return {}
    return json.loads(RESULTS_JSON.read_text(encoding="utf-8"))


def table(headers: Sequence[str], rows: Rows) -> str:
    """A Markdown table; the first column is text, the others are numbers, on the right."""
    rule = ["---"] + ["---:"] * (len(headers) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (headers, rule, *rows))


def _four(value: float) -> str:
    return f"{value:.4f}"


def _between(interval: Sequence[float], sign: str = "") -> str:
    return f"{interval[0]:{sign}.4f} to {interval[1]:{sign}.4f}"


def _change(paired: Results) -> str:
    return f"{paired['mean']:+.4f} ({_between(paired['interval'], '+')})"


def _seconds(value: float | None) -> str:
    if value is None:
        return "never"
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"


def _mean_sd(values: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return _four(statistics.mean(values)) + spread


def _quality_table(runs: list[Results]) -> str:
    rows = []
    for name, label in MODELS.items():
        same = [run for run in runs if run["name"] == name]
        if not same:
            continue
        first, seeds = same[0], f", {len(same)} seeds" if len(same) > 1 else ""
        reached = [run["reached"] for run in same]
        times = [statistics.median(run["seconds"] for run in same)]
        times.append(None if None in reached else statistics.median(reached))
        rows.append(
            [
                label + seeds,
                _mean_sd([run["validation"]["NDCG@20"] for run in same]),
                _mean_sd([run["test"]["NDCG@20"] for run in same]),
                _between(first["interval"]["NDCG@20"]),
                _mean_sd([run["test"]["Recall@20"] for run in same]),
                f"{100 * first['coverage']:.1f} %",
                f"{first['popularity']:.0f}",
                *map(_seconds, times),
                f"{statistics.median(run['memory'] for run in same):.0f}",
            ]
        )
    headers = ["model", "valid NDCG@20", "test NDCG@20", "95 % interval", "test Recall@20"]
    headers += ["coverage@20", "mean ratings of the top 20", "training, s"]
    return table([*headers, "s to test NDCG@20 ≥ 0.233", "peak MiB"], rows)


def _published_table(_: None) -> str:
    headers = ["model (measured earlier)", "test Recall@20", "test NDCG@20", "valid NDCG@20"]
    return table([*headers, "training, s", "peak MiB"], PUBLISHED)


def _temporal_table(runs: list[Results]) -> str:
    metrics = ("Hit@10", "NDCG@10")
    rows = [
        [MODELS[run["name"]]]
        + [cell for m in metrics for cell in (_four(run["test"][m]), _between(run["interval"][m]))]
        for run in runs
    ]
    headers = [cell for metric in metrics for cell in (f"test {metric}", "95 % interval")]
    return table(["model", *headers], rows)


def _groups_table(values: Results) -> str:
    names = ("best", "ease", "popularity")
    rows = [
        [row["group"], row["metric"], str(row["users"]), *(_four(row[name]) for name in names)]
        for row in values["rows"]
    ]
    return table(["test, by group", "metric", "users", *(MODELS[name] for name in names)], rows)


def _ablation_table(variants: list[Results]) -> str:
    rows = [
        [
            row["variant"],
            _four(row["start"]),
            _four(row["validation"]),
            str(row["best_epoch"]),
            "" if row["variant"] == "best" else _change(row["difference"]),
        ]
        for row in variants
    ]
    headers = ["variant", "before BPR", "valid NDCG@20", "best epoch", "difference from 'best'"]
    return table(headers, rows)


def _hybrid_table(protocols: list[Results]) -> str:
    validation = [
        [f"{part['protocol']}: {row['features']}", *map(_four, row["validation"])]
        for part in protocols
        for row in part["rows"]
    ]
    kinds = {
        "test": "",
        "rare": ", films with ≤ 5 training ratings",
        "rare_among_themselves": ", these films among themselves",
    }
    test = [
        [
            f"{part['protocol']}: {row['features']}{kind}",
            str(row[key]["users"]),
            f"{row['chosen']:g}",
            *(_four(row[key][how]) for how in ("alone", "blended")),
            _change(row[key]["difference"]),
            _four(row[key]["in_app"]),
        ]
        for part in protocols
        for row in part["rows"]
        for key, kind in kinds.items()
    ]
    weights = [f"{weight:g}" for weight in protocols[0]["weights"]]
    headers = ["test NDCG@20", "users", "chosen weight", "graph alone", "blended", "difference"]
    headers.append(f"at the app's {protocols[0]['app_weight']:g}")
    first = table(["validation NDCG@20 by weight of the content", *weights], validation)
    return f"{first}\n\n{table(headers, test)}"


def exponent(runs: list[Results], what: str) -> float:
    """The power p of `what` ~ ratings^p, by least squares on the logarithms."""
    sizes, costs = [log(run["ratings"]) for run in runs], [log(run[what]) for run in runs]
    return statistics.linear_regression(sizes, costs).slope


def _growth_table(runs: list[Results]) -> str:
    rows = [
        [
            f"{run['scale']}×",
            *(f"{run[key]:,}" for key in ("ratings", "users", "films", "batch_size", "steps")),
            _seconds(run["seconds"]) + " (from one step)" * run["extrapolated"],
            f"{1e6 * run['seconds'] / run['ratings']:.1f}",
            f"{run['memory']:,.0f}",
        ]
        for run in runs
    ]
    powers = [f"ratings^{exponent(runs, what):.2f}" for what in ("seconds", "memory")]
    rows.append(["grows as", "", "", "", "", "", powers[0], "", powers[1]])
    headers = ["size", "ratings", "users", "films", "batch", "steps per epoch"]
    return table([*headers, "s per epoch", "µs per rating", "peak MiB"], rows)


def _latency_table(values: Results) -> str:
    def pair(times: Results) -> list[str]:
        return [f"{times['median']:.1f}", f"{times['p95']:.1f}"]

    everyone = f"20 films for all {values['users']} users at once"
    rows = [
        ["10 films for one user, every one explained", *pair(values["explained_ms"])],
        ["10 films for a new visitor who rated 10 (folded in)", *pair(values["visitor_ms"])],
        [everyone, f"{values['everyone_ms']:.0f}", ""],
    ]
    times = table(["request", "median ms", "95th percentile ms"], rows)
    fidelity = [
        [label, f"{100 * values[key]:.0f} %"]
        for label, key in (
            ("every user folded in from their own films", "overlap"),
            ("the same, map fitted without the user (5 folds)", "overlap_cross_validated"),
        )
    ]
    return f"{times}\n\n{table(['fold-in', 'top 20 shared with the trained list'], fidelity)}"


_PHASES = {
    "one visitor": "one visitor",
    "all": "20 visitors",
    "all, one trains": "20 visitors while one more trains",
}


_MEMORY = (
    "one visitor",
    "all have arrived",
    "all have looked around",
    "while one trains",
    "after the training",
)


def load_tables(values: Results) -> str:
    """The load test: latencies by phase, and the memory of the server."""
    rows = [
        [
            _PHASES[name],
            f"{phase['reruns']:,}",
            str(len(phase["errors"])),
            *(f"{phase[key]:.2f}" for key in ("p50", "p95", "max")),
            f"{phase['processor']:.0%}" if "processor" in phase else "",
        ]
        for name in _PHASES
        for phase in [values["phases"][name]]
    ]
    memory = [[when, f"{values['memory'][when]:,.0f}"] for when in _MEMORY]
    growth = values["growth"]
    memory += [
        [f"one visitor, after {reruns:,} more reruns", f"{mib:,.0f}"]
        for reruns, mib in (growth[0], growth[len(growth) // 2 - 1], growth[-1])
    ]
    memory.append(["peak", f"{values['peak']:,.0f}"])
    headers = ["phase", "interactions", "errors", "p50, s", "p95, s", "max, s", "processor"]
    return f"{table(headers, rows)}\n\n{table(['server memory', 'MiB'], memory)}"


def pages_table(rows: list[Results]) -> str:
    """Seconds until a page has changed."""
    cells = [
        [row["what"], str(row["rounds"]), f"{row['median']:.2f}", f"{row['slowest']:.2f}"]
        for row in rows
    ]
    return table(["change", "times", "median s", "slowest s"], cells)


# name → title, what to know, renderer
TABLES: dict[str, tuple[str, str, Callable[[Any], str]]] = {
    "quality": (
        "Ranking quality (random_80_10_10)",
        "Fitted on train only, the epoch chosen on validation, every rated film ranked; one "
        "process per row, one thread. The interval: bootstrap over users (first seed); ±: the "
        "standard deviation over seeds. Peak memory is what came on top of the imported libraries, "
        "reading the data and ranking included. Training seconds include the validation after "
        "every epoch; the clock stands while test is looked at to time the 0.233, the best test "
        "NDCG@20 of LightGCN-PyTorch.",
        _quality_table,
    ),
    "published": (
        "Other implementations on the same split",
        "Not measured by this program: measured earlier, on another occasion, on the same split "
        "with one thread. Compare the quality; the seconds only in their order of magnitude.",
        _published_table,
    ),
    "temporal": (
        "Ranking quality (temporal_leave_one_out)",
        "Reported, not tuned on: one held-out film for each user is too little to tell close "
        "models apart, as the intervals show. One seed.",
        _temporal_table,
    ),
    "groups": (
        "Who and what it works for (random_80_10_10, test)",
        "For films, only the held-out films of the group count, while all films compete.",
        _groups_table,
    ),
    "ablation": (
        "What each component contributes (validation, random_80_10_10)",
        "One component of 'best' changed at a time, one seed (0), each at its best epoch on "
        "validation; the difference is paired over users, with its 95 % bootstrap interval. "
        "One that holds 0 is no evidence of a difference.",
        _ablation_table,
    ),
    "hybrid": (
        "Graph and content together",
        "The weight is chosen on validation and then measured on test. A tag of a user on a film "
        "gives that interaction away, so the tags on held-out pairs do not count. The difference "
        "is paired over users, with its 95 % bootstrap interval; one that holds 0 is no evidence. "
        "No rare film reaches a top 20 against all others, hence the rows among themselves.",
        _hybrid_table,
    ),
    "growth": (
        "How training grows",
        "Synthetic graphs with log-normal activity and popularity, users and films growing with "
        "the ratings; dim 64, 2 layers, random start, one thread. The batch grows "
        "too, so an epoch keeps its number of steps; evaluation and the making of the graph are "
        "not in the time (median of three epochs up to 16×, one beyond).",
        _growth_table,
    ),
    "latency": (
        "Latency and folding in",
        "Time in Python without the web page, 'best' preset, one thread. A visitor's embedding is "
        "computed without retraining; the shared share of the top 20 says how close that comes to "
        "having been trained.",
        _latency_table,
    ),
    "faithfulness": (faithfulness.TITLE, faithfulness.NOTE, faithfulness.as_table),
    "load": (
        "Many visitors at once",
        "Real WebSocket sessions on one server with the model 'fast' that its first visit trains "
        "(the one who trains later makes 'best'), who act every 2 to 8 "
        "seconds and check that they see their own ratings, watchlist and filters; from sending "
        "an interaction to the end of its run, without the drawing in the browser.",
        load_tables,
    ),
    "pages": (
        "Pages in the browser",
        "From a click to the end of the server's run, with the new content and its charts drawn, "
        "in headless Chromium on the same two cores as the server.",
        pages_table,
    ),
}


def section(results: Results, name: str) -> str:
    """The table `name` as Markdown."""
    return TABLES[name][2](results.get(name, {}).get("values"))


def findings(results: Results, name: str) -> str:
    """What a table says in one sentence, in its own numbers; "" for most."""
    values: Any = results.get(name, {}).get("values")
    if name == "groups":
        return f"LightGCN 'best' less EASE, NDCG@20: {_change(values['best_minus_ease'])}.\n\n"
    if name == "ablation":
        by_name = {row["variant"]: row["validation"] for row in values}
        alone, best = by_name["no BPR: the warm start alone"], by_name["best"]
        random_start = by_name["random start, same epochs"]
        return (
            f"The warm start carries most of the quality: it alone reaches {alone:.4f}, BPR lifts "
            f"that by {best - alone:.4f} to {best:.4f}; from a random start the same epochs reach "
            f"{random_start:.4f}.\n\n"
        )
    if name == "hybrid":
        part = values[0]
        every = part["tags_dropped"] + part["tags_kept"]
        return f"Tags dropped on {part['protocol']}: {part['tags_dropped']} of {every}.\n\n"
    return ""


def render(results: Results) -> str:
    """The whole of RESULTS.md."""
    parts = ["# Benchmark results\n\nWritten by `python benchmarks/run.py`; do not edit.\n"]
    for name, (title, note, _) in TABLES.items():
        if name != "published" and name not in results:
            continue
        text = f"## {title}\n\n{note}\n\n{section(results, name)}\n\n{findings(results, name)}"
        if name in results:
            facts = results[name]["machine"]
            text += (
                f"*{facts['date']}, {facts['cpu']}, {facts['cores']} cores, {facts['threads']} "
                f"thread, Python {facts['python']}, torch {facts['torch']}; "
                f"measured in {facts['seconds']} s, load average at the end "
                f"{facts['load'] or 'not recorded'}.*\n"
            )
        parts.append(text.rstrip("\n") + "\n")
    return "\n".join(parts)
