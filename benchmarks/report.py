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
    "ease": "EASE",
    "popularity": "Popularity",
    "item_knn": "ItemKNN",
    "pure_svd": "PureSVD",
    "best": "'best', settings found by the search",
    "given": "'best', the given settings",
    "fast": "'fast'",
    "published": "'published' (He et al. 2020)",
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


def load_results(path: Path = RESULTS_JSON) -> Results:
    """What has been measured, by section; empty before the first measurement."""
    if not path.exists():
        return {}
    return json.loads(path.read_text(encoding="utf-8"))


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


def _label(name: str) -> str:
    """`best, watch` → what the table calls it."""
    model, _, profile = name.partition(", ")
    return MODELS.get(model, model) + (f", *{profile}*" if profile else "")


def _of(row: Results, metric: str) -> str:
    value = row["metrics"].get(metric)
    return "" if value is None else _four(value)


def _gain(row: Results, metric: str) -> str:
    found = row.get("difference", {}).get(metric)
    return "" if found is None else _change(found)


def _share(value: float) -> str:
    return "" if value != value else f"{100 * value:.1f} %"  # NaN: no hit at all


def _compared(rows: list[Results], k: int = 20) -> str:
    """Models side by side, each less EASE on the same users."""
    cells = [
        [
            _label(row["name"]) + (f" ({row['splits']} seed)" if row["splits"] == 1 < most else ""),
            *(_of(row, f"{name}@{k}") for name in ("Hit", "Recall", "NDCG")),
            _gain(row, "NDCG@20"),
            _of(row, "liked NDCG@20"),
            _gain(row, "liked NDCG@20"),
            f"{row['stars']:.2f}",
            _share(row["low"]),
        ]
        for most in [max(row["splits"] for row in rows)]
        for row in rows
    ]
    headers = ["model, profile", f"Hit@{k}", f"Recall@{k}", f"NDCG@{k}", "NDCG@20 less EASE"]
    headers += ["liked NDCG@20", "less EASE", "mean stars of the hits", "hits below 3★"]
    return table(headers, cells)


def _quality_table(rows: list[Results]) -> str:
    ease = next((row["fit"] for row in rows if row["name"] == "ease"), None)
    costs = [
        [
            _label(row["name"]),
            *(_of(row, f"{name}@10") for name in ("Hit", "Recall", "NDCG")),
            _seconds(row["fit"]),
            "" if not ease else f"{row['fit'] / ease:.1f}",
            _seconds(row["chosen"]) if row["chosen"] else "",
        ]
        for row in rows
    ]
    headers = ["model, profile", "Hit@10", "Recall@10", "NDCG@10", "fit, CPU s", "times EASE"]
    second = table([*headers, "choosing on validation, CPU s"], costs)
    return f"{_compared(rows)}\n\n{second}"


def _windows_table(values: Results) -> str:
    return _compared(values["rows"])


def _ageing_table(values: list[Results]) -> str:
    """Validation by half-life, then what the chosen one gains."""
    halves = ["always" if h is None else f"{h:g}" for h in values[0]["half_lives"]]
    looked = [
        [
            f"{row['protocol']}, {row['judged_by']}, *{profile}*",
            *(
                f"**{_four(value)}**" if value == max(by_half_life) else _four(value)
                for value in by_half_life
            ),
        ]
        for row in values
        for profile, by_half_life in row["validation"].items()
    ]
    cells = []
    for protocol in values:
        for row in protocol["rows"]:
            name = row["name"].removesuffix(", aged")
            ages = row["name"] != name
            half_life = protocol["chosen"][name.rpartition(", ")[2]] if ages else None
            old = f", half after {half_life:g} films" if half_life else ", chosen: always" * ages
            metrics = ("NDCG@10", "NDCG@20", "liked NDCG@20")
            judged = protocol["judged_by"]
            cells.append(
                [
                    f"{protocol['protocol']}: {_label(name)}{old}",
                    *(_four(row["metrics"][metric]) for metric in metrics),
                    "" if row["name"] == "ease" else _change(row["less_ease"][judged]),
                    _change(row["less_always"][judged]) if ages else "",
                ]
            )
    headers = ["model, profile", "NDCG@10", "NDCG@20", "liked NDCG@20", "less EASE", "less always"]
    return (
        f"{table(['validation by half-life, later films', *halves], looked)}\n\n"
        f"{table(headers, cells)}"
    )


def _runs_table(values: Results) -> str:
    rows = [
        [
            row["protocol"],
            str(row["users"]),
            _four(row["without"]),
            _four(row["with"]),
            _change(row["difference"]),
        ]
        for row in values["rows"]
    ]
    return table(["NDCG@20, *watch*", "people", "without runs", "with runs", "difference"], rows)


def _attention_table(values: Results) -> str:
    rows = []
    for row in values["rows"]:
        profile = row["name"].rpartition(", ")[2]
        for metric in ("NDCG@20", "liked NDCG@20"):
            cells = [_four(row["without"][metric]), _of(row, metric), _gain(row, metric)]
            rows.append([f"*{profile}*, {metric}", *cells])
    learned = [
        [name, f"{value:+.3f}"]
        for name, value in zip(values["features"], values["theta"], strict=True)
    ]
    return (
        f"{table(['validation', 'without', 'with attention', 'difference'], rows)}\n\n"
        f"{table(['feature of the edge', 'θ, mean over the seeds'], learned)}\n\n"
        f"Learned in {values['seconds']:.0f} s of the processor."
    )


def _layers_table(values: Results) -> str:
    rows = []
    for row in values["rows"]:
        name, _, profile = row["name"].partition(", ")
        plain = name == "K = 1"
        cells = [
            cell
            for metric in ("NDCG@20", "liked NDCG@20")
            for cell in (_of(row, metric), "" if plain else _gain(row, metric))
        ]
        rows.append([f"*{profile}*, {name}", *cells])
    weights = [
        [f"walks of length {walk}", f"{weight:.3f}"]
        for walk, weight in zip(values["walks"], values["weights"], strict=True)
    ]
    headers = ["validation", "NDCG@20", "less K = 1", "liked NDCG@20", "less K = 1"]
    return (
        f"{table(headers, rows)}\n\n"
        f"{table(['layer', 'learned weight, mean over the seeds'], weights)}\n\n"
        f"Learned in {values['seconds']:.0f} s of the processor."
    )


def _drift_table(values: list[Results]) -> str:
    rows = [
        [
            f"{part['protocol']}: {row['name']}{', ' * bool(row['chosen'])}{row['chosen']}",
            _four(part["without"]),
            _four(row["rmse"]),
            _change(row["squared"]),
            _change(row["on_validation"]),
        ]
        for part in values
        for row in part["rows"]
    ]
    headers = ["term of time", "RMSE without", "with", "squared, per person"]
    return table([*headers, "the same on validation"], rows)


def _trend_table(values: Results) -> str:
    """What it gained and cost, then what each window had chosen."""
    rows = [
        [
            f"{where}: *{row['name']}*, {row['metric']}",
            str(row["users"]),
            _four(row["without"]),
            _four(row["with"]),
            _change(row["difference"]),
        ]
        for where, part in (("windows", "rows"), ("random_80_10_10", "random"))
        for row in values[part]
    ]
    chosen = [
        [
            str(number),
            str(choice["people"]),
            f"{100 * choice['share']:g} %",
            *(
                f"{choice['strengths'][row['name']]:g} ({_four(before)} to {_four(after)})"
                for row in values["rows"]
                for before, after in [choice["quality"][row["name"]]]
            ),
        ]
        for number, choice in enumerate(values["chosen"], 1)
    ]
    profiles = [f"γ of *{row['name']}* (validation)" for row in values["rows"]]
    return (
        f"{table(['profile', 'people', 'without', 'with', 'difference'], rows)}\n\n"
        f"{table(['up to window', 'people', 'latest', *profiles], chosen)}"
    )


def _stars_table(values: Results) -> str:
    rows = [[row["name"], f"{row['rmse']:.4f}", f"{row['mae']:.4f}"] for row in values["rows"]]
    better = [
        "difference per person",
        f"{_change(values['squared'])} squared",
        _change(values["absolute"]),
    ]
    within = [
        [f"± {times} standard deviation{'s' * (times != '1')}", f"{expected} %", _share(share)]
        for (times, share), expected in zip(
            values["coverage"].items(), ("68.3", "95.4"), strict=True
        )
    ]
    grid = sorted(values["grid"], key=lambda row: row["rmse"])[:5]
    tried = [
        [str(row["directions"]), f"{row['ridge']:g}", f"{row['film_ridge']:g}", _four(row["rmse"])]
        for row in grid
    ]
    return "\n\n".join(
        (
            table(["predicted stars", "RMSE", "MAE"], [*rows, better]),
            table(["held-out stars within", "expected", "measured"], within),
            table(["directions", "ridge", "film ridge", "validation RMSE (best five)"], tried),
        )
    )


def _flips_table(values: Results) -> str:
    often = "films listed that are not rated often and well"
    rows = [
        ["profiles whose 50 nearest fall on average", _share(values["fell"])],
        ["places that they fall, median", f"{values['places']:,.0f}"],
        ["five times 0.5★: films listed that are among their 50 nearest", ""],
        [f"five times 0.5★: {often}", str(values["not_often_and_well_rated"])],
    ]
    rows[2][1] = str(values["near_the_disliked"])
    return table([f"{values['profiles']} profiles of five films", ""], rows)


def _published_table(_: None) -> str:
    headers = ["model (measured earlier)", "test Recall@20", "test NDCG@20", "valid NDCG@20"]
    return table([*headers, "training, s", "peak MiB"], PUBLISHED)


def _groups_table(values: Results) -> str:
    names = values["names"]
    rows = [
        [row["group"], row["metric"], str(row["users"]), *(_four(row[name]) for name in names)]
        for row in values["rows"]
    ]
    return table(["by group", "metric", "users", *map(_label, names)], rows)


def _ablation_table(values: Results) -> str:
    def cells(rows: list[Results]) -> list[list[str]]:
        return [
            [
                row["name"],
                _of(row, "NDCG@20"),
                _gain(row, "NDCG@20"),
                _of(row, "liked NDCG@20"),
                _gain(row, "liked NDCG@20"),
            ]
            for row in rows
        ]

    headers = ["NDCG@20, *watch*", "difference", "liked NDCG@20, *like*", "difference"]
    first = table(["changed", *headers], cells(values["rows"]))
    second = table(["learned with BPR (one seed)", *headers], cells(values["learned"]))
    return f"{first}\n\n{second}"


def _hybrid_table(protocols: list[Results]) -> str:
    validation = [
        [f"{part['protocol']}: {row['features']}", *map(_four, row["validation"])]
        for part in protocols
        for row in part["rows"]
    ]
    measured = [
        [
            f"{part['protocol']}: {row['features']}",
            str(row["users"]),
            f"{row['chosen']:g}",
            *(
                cell
                for metric in ("liked NDCG@20", "NDCG@20")
                for cell in (
                    *(_four(row[how][metric]) for how in ("alone", "blended")),
                    _change(row["difference"][metric]),
                )
            ),
            _four(row["in_app"]["liked NDCG@20"]),
        ]
        for part in protocols
        for row in part["rows"]
    ]
    weights = [f"{weight:g}" for weight in protocols[0]["weights"]]
    headers = ["content", "users", "chosen weight"]
    headers += ["liked NDCG@20, graph alone", "blended", "difference"]
    headers += ["NDCG@20, graph alone", "blended", "difference"]
    headers.append(f"liked NDCG@20 at the app's {protocols[0]['app_weight']:g}")
    first = table(["validation liked NDCG@20 by weight of the content", *weights], validation)
    return f"{first}\n\n{table(headers, measured)}"


def exponent(runs: list[Results], what: str) -> float:
    """The power p of `what` ~ ratings^p, by least squares on the logarithms."""
    sizes, costs = [log(run["ratings"]) for run in runs], [log(run[what]) for run in runs]
    return statistics.linear_regression(sizes, costs).slope


def _growth_table(runs: list[Results]) -> str:
    rows = [
        [
            f"{run['scale']}×",
            *(f"{run[key]:,}" for key in ("ratings", "users", "films", "batch_size", "steps")),
            _seconds(run["fit"]),
            _seconds(run["seconds"]) + " (from one step)" * run["extrapolated"],
            f"{1e6 * run['seconds'] / run['ratings']:.1f}",
            f"{run['memory']:,.0f}",
        ]
        for run in runs
    ]
    powers = [f"ratings^{exponent(runs, what):.2f}" for what in ("seconds", "memory")]
    rows.append(["grows as", "", "", "", "", "", "", powers[0], "", powers[1]])
    headers = ["size", "ratings", "users", "films", "batch", "steps per epoch"]
    return table([*headers, "fit, s", "s per epoch", "µs per rating", "peak MiB"], rows)


def _batches_table(rows: list[Results]) -> str:
    cells = [
        [
            f"{row['batch']:,}",
            f"{row['rate']:.4f}",
            str(row["steps"]),
            str(row["epochs"]),
            f"{row['ndcg']:.4f}",
            str(row["epoch"]),
            f"{row['seconds']:.0f}",
        ]
        for row in rows
    ]
    headers = ["batch", "learning rate", "steps of an epoch", "epochs", "best validation NDCG@20"]
    return table([*headers, "at epoch", "after CPU s"], cells)


def _latency_table(values: Results) -> str:
    def pair(times: Results) -> list[str]:
        return [f"{times['median']:.1f}", f"{times['p95']:.1f}"]

    everyone = f"20 films for all {values['users']} users at once"
    rows = [
        ["10 films for one user, every one explained", *pair(values["explained_ms"])],
        [
            "the same, with what each reason goes through and the ranks without it",
            *pair(values["reasoned_ms"]),
        ],
        ["10 films for a new visitor who rated 10 (folded in)", *pair(values["visitor_ms"])],
        [everyone, f"{values['everyone_ms']:.0f}", ""],
    ]
    times = table(["request", "median ms", "95th percentile ms"], rows)
    fidelity = [
        [label, f"{100 * values[key]:.0f} %"]
        for label, key in (("every user folded in from their own films", "overlap"),)
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
    before, after = (values["memory"][f"all have {what}"] for what in ("arrived", "looked around"))
    each = (after - before) / values["phases"]["all"]["visitors"]
    memory.append(["each visitor who looks around after the first did", f"{each:.1f}"])
    memory.append(["peak", f"{values['peak']:,.0f}"])
    headers = ["phase", "interactions", "errors", "p50, s", "p95, s", "max, s", "processor"]
    return f"{table(headers, rows)}\n\n{table(['server memory', 'MiB'], memory)}"


_ASKED = {
    "nothing": "nothing (`/health/live`)",
    "first version": "ten films, as one writes it first",
    "a list": "ten films for a user",
    "a visitor's list": "ten films for a visitor",
}


def api_table(rows: list[Results]) -> str:
    """What the API answers per second, and what that takes."""
    rates = {(row["model"], row["what"]): row["rate"] for row in rows}
    headers = (
        *("model", "asked for", "requests/s", "of the first version", "of nothing"),
        *("p50, ms", "p99, ms", "processor, ms", "memory, MiB"),
    )
    return table(
        headers,
        [
            [
                MODELS[row["model"]],
                _ASKED[row["what"]],
                f"{row['rate']:,.0f}",
                f"{row['rate'] / rates[row['model'], 'first version']:.1f} times",
                f"{row['rate'] / rates[row['model'], 'nothing']:.0%}",
                *(f"{row[name]:.1f}" for name in ("p50", "p99")),
                f"{row['processor']:.2f}",
                f"{row['memory']:,.0f}",
            ]
            for row in rows
        ],
    )


def pages_table(rows: list[Results]) -> str:
    """Seconds until a page has changed."""
    cells = [
        [row["what"], str(row["rounds"]), f"{row['median']:.2f}", f"{row['slowest']:.2f}"]
        for row in rows
    ]
    return table(["change", "times", "median s", "slowest s"], cells)


def opening_table(rows: list[Results]) -> str:
    """Seconds and processor seconds of each step, or what it transfers."""
    cells = []
    for row in rows:
        if "bytes" in row:
            cells.append([row["what"], f"{row['bytes'] / 2**20:.1f} MiB", ""])
        else:
            cells.append([row["what"], f"{row['seconds']:.2f} s", f"{row['processor']:.2f} s"])
    return table(["step", "measured", "of the processor"], cells)


# name → title, what to know, renderer
TABLES: dict[str, tuple[str, str, Callable[[Any], str]]] = {
    "quality": (
        "Ranking quality (random_80_10_10, split seeds 42, 1, 2, 3, 4)",
        "Fitted on train only, all settings (EASE's λ, the search) chosen on validation of the "
        "same seed, every rated film ranked, rarely rated ones included. *watch* and *like* are "
        "two profiles over one fit. The content nodes are information that EASE does not see. "
        "Differences are paired: a person's values are averaged over the seeds, then people are "
        "resampled (95 % bootstrap interval).",
        _quality_table,
    ),
    "published": (
        "Other implementations on the same split",
        "Not measured by this program: measured earlier, on another occasion, on the same split "
        "(seed 42) with one thread. Compare the quality; the seconds only in their order of "
        "magnitude.",
        _published_table,
    ),
    "left_out": (
        "People who were never in the graph (random_80_10_10, four folds, the same seeds)",
        "A quarter of the people at a time is taken out of the graph with their tags; their "
        "lists come from their training ratings alone. Given settings.",
        _compared,
    ),
    "windows": (
        "Later times (six rolling windows)",
        "Fitted to everything before a window, later ratings and tags unseen; people and films "
        "known before it. Given settings, EASE's λ chosen on the last tenth before each window.",
        _windows_table,
    ),
    "last_rating": (
        "Each user's last rating (temporal_leave_one_out)",
        "One held-out film for each user is too little to tell close models apart, as the "
        "intervals show. Given settings.",
        _compared,
    ),
    "ageing": (
        "Films that age",
        "A rated film counts half after so many later ones of the same person; the half-life is "
        "chosen on validation of each protocol by the metric named, which the differences are in, "
        "too (paired, 95 % bootstrap interval). Given settings.",
        _ageing_table,
    ),
    "runs": (
        "A trap: runs of films as nodes",
        "A node for every run of films that someone rated one after another in one sitting, beside "
        "the nodes of the given settings (films with 3 ratings or more); its weight is chosen on "
        "validation of random splits. A gain there, where held-out films lie in the same runs, is "
        "worth what the later windows say of it. The model has no such nodes.",
        _runs_table,
    ),
    "groups": (
        "Who and what it works for (random_80_10_10, seed 42)",
        "For films, only the held-out films of the group count, while all films compete.",
        _groups_table,
    ),
    "ablation": (
        "What each part contributes (validation, random_80_10_10)",
        "One thing changed at a time from the given settings; differences are paired over "
        "users, with their 95 % bootstrap intervals. One that holds 0 is no evidence of a "
        "difference. With BPR the best epoch that it makes itself counts, even if the start is "
        "better.",
        _ablation_table,
    ),
    "attention": (
        "Attention (validation, random_80_10_10, seeds 42, 1, 2)",
        "The weight of a rated film times a softmax over five features of its edge, each with a "
        "spread of 1, learned by a smooth NDCG of liked films on folds of train. A difference "
        "whose interval holds 0 is no evidence. It is a switch (`--attention`), off by default: no "
        "gain of *like*, which serves, is proved.",
        _attention_table,
    ),
    "layers": (
        "Learned weights of the layers (validation, random_80_10_10, seeds 42, 1, 2)",
        "What people and films hold after up to three hops meets in walks of length 1, 3 and 5; "
        "their weights, from 0 and with the sum 1, are learned by a smooth NDCG of liked films on "
        "folds of train, beside K = 1, which serves, and the plain mean. The model has no such "
        "weights.",
        _layers_table,
    ),
    "hybrid": (
        "Graph and content together (profile *like*, which serves)",
        "The weight is chosen on validation and then measured. A tag of a user on a film gives "
        "that interaction away, so the tags on held-out pairs do not count. The difference is "
        "paired over users, with its 95 % bootstrap interval; one that holds 0 is no evidence.",
        _hybrid_table,
    ),
    "stars": (
        "Predicted stars (random_80_10_10, the same seeds)",
        "From what each person rated before; the constants are chosen on validation of seed 42.",
        _stars_table,
    ),
    "drift": (
        "Time in the stars",
        "Terms of time beside the biases, constants chosen on validation of each protocol. On "
        "random splits a rating is predicted as of its own time, among ratings of the same days; "
        "on last ratings and windows as of now, from earlier ones, like a list for tonight. "
        "Differences of squared errors are paired over people (95 % bootstrap interval). The model "
        "has no such terms.",
        _drift_table,
    ),
    "trend": (
        "Popular now (six rolling windows)",
        "γ times the logarithm of a film's latest ratings over those expected of its share of all "
        "is added to a score whose best candidate has 1. Which ratings are the latest, and γ, each "
        "window has from the tenth before it and before the windows before it (fits with 128 "
        "directions); then measured with the given settings. On a random split, with what all six "
        "chose, it only costs. It is a control, off by default, where the mean gain of the six "
        "windows of the data at hand is above 0 (95 % interval, Student's t).",
        _trend_table,
    ),
    "flips": (
        "A rating turned round",
        "Random profiles of five films with at least ten ratings each, all with 5★; one is "
        "turned to 0.5★, then all of them.",
        _flips_table,
    ),
    "growth": (
        "How training grows",
        "Synthetic graphs with log-normal activity and popularity, users and films growing with "
        "the ratings; dim 64, K = 1, random start, one thread; the fit has 256 directions. The "
        "batch grows too, so an epoch keeps its number of steps; evaluation and the making of "
        "the graph are not in the time (median of three epochs up to 16×, one beyond).",
        _growth_table,
    ),
    "batches": (
        "The batch of BPR (validation, made-up data of the shape of MovieLens 1M)",
        "From a random start, dim 64, K = 1; every row has the same seconds of the processor, with "
        "the learning rate of the first and with one that grows with the root of the batch. 8,192 "
        "is what `model.bpr.batch_size` takes for a million ratings.",
        _batches_table,
    ),
    "latency": (
        "Latency and folding in",
        "Processor time in Python without the web page, 'best' with the given settings, one "
        "thread. A "
        "visitor is scored by the same formula as a user of the data, so both get the same "
        "list.",
        _latency_table,
    ),
    "faithfulness": (faithfulness.TITLE, faithfulness.NOTE, faithfulness.as_table),
    "load": (
        "Many visitors at once",
        "Real WebSocket sessions on one server with the model 'fast' that its first visit "
        "trains (the one who trains later makes 'best'), who act every 2 to 8 seconds and check "
        "that they see their own ratings, shortlist and filters; from sending an interaction to "
        "the end of its run, without the drawing in the browser.",
        load_tables,
    ),
    "opening": (
        "From the address to ten films",
        "From asking for the page to the end of the run that shows ten cards, on a server that was "
        "just started and answers, or that others use; beside it the server's processor time, "
        "which other work on the machine does not lengthen. Bytes: what Chromium receives on a "
        "first visit.",
        opening_table,
    ),
    "pages": (
        "Pages in the browser",
        "From a click to the end of the server's run, with the new content and its charts "
        "drawn, in headless Chromium on the same two cores as the server.",
        pages_table,
    ),
    "api": (
        "The API",
        "Asked by wrk over 16 connections, one worker, one thread for the matrices; no answer "
        "comes from a cache. A list is for another user of the data each time, whose scores before "
        "weights and filters are kept and made ahead (`serving/audience.py`), or for a visitor "
        "with 20 ratings that nobody sent before, of whom nothing is known. The servers run side "
        "by side and are asked in turns; medians of the rounds. The first version is "
        "`benchmarks/first_api.py`, over the same functions.",
        api_table,
    ),
}


def section(results: Results, name: str) -> str:
    """The table `name` as Markdown; a sentence where it has not been measured yet."""
    if name != "published" and name not in results:
        return "Not measured yet."
    return TABLES[name][2](results.get(name, {}).get("values"))


def findings(results: Results, name: str) -> str:
    """What a table says in one sentence, in its own numbers; "" for most."""
    if name == "hybrid":
        part = results[name]["values"][0]
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
