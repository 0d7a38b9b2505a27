"""What the benchmark found on later windows of time, read from the file that it wrote.

Measuring it takes minutes and MovieLens small, whatever data the page shows; so the page tells what
`python benchmarks/run.py time` measured, and when.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from settings import BENCHMARK_RESULTS

METRIC = "NDCG@20"
COMMAND = "python benchmarks/run.py time"
NAMES = {
    "given, like": "LightGCN, like",
    "given, watch": "LightGCN, watch",
    "ease": "EASE",
    "item_knn": "ItemKNN",
    "pure_svd": "PureSVD",
    "popularity": "Popularity",
}


@dataclass(frozen=True, eq=False)
class LaterTimes:
    """The tables behind the page.

    Attributes:
        measured: ISO day.
        windows: model, window (1, 2 …), months ("6/2005 – 8/2007"), people, quality (NDCG@20).
        models: model, quality, and the paired difference from EASE with its 95 % interval (less,
            low, high; NaN for EASE itself); over all windows.
        ageing: protocol, profile, half_life (later films; inf: always), quality on validation.
        aged: protocol, profile, half_life (the chosen one), always, quality, less_always, low, high
            and metric: on test.
        runs: protocol, without, with, difference, low, high, people.
        trend: protocol, profile, metric, without, with, difference, low, high, people: what is
            popular now, as chosen; None where it was not measured.
    """

    measured: str
    windows: pd.DataFrame
    models: pd.DataFrame
    ageing: pd.DataFrame
    aged: pd.DataFrame
    runs: pd.DataFrame
    trend: pd.DataFrame | None = None


def later_times(path: Path = BENCHMARK_RESULTS) -> LaterTimes | None:
    """What was measured; None where there is no file of it, or one that lacks a part."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        windows = found["windows"]
        return LaterTimes(
            windows["machine"]["date"],
            _windows(windows["values"]),
            _models(windows["values"]),
            _ageing(found["ageing"]["values"]),
            _aged(found["ageing"]["values"]),
            _runs(found["runs"]["values"]),
            _trend(found["trend"]["values"]) if "trend" in found else None,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _windows(values: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "model": NAMES[name],
                "window": number,
                "months": f"{_month(window['begin'])} – {_month(window['end'])}",
                "people": window["users"],
                "quality": window["quality"][name][METRIC],
            }
            for number, window in enumerate(values["windows"], 1)
            for name in NAMES
        ]
    )


def _month(second: int) -> str:
    moment = datetime.fromtimestamp(second, UTC)
    return f"{moment.month}/{moment.year}"


def _models(values: dict[str, Any]) -> pd.DataFrame:
    rows = {row["name"]: row for row in values["rows"]}
    return pd.DataFrame(
        [
            {
                "model": NAMES[name],
                "quality": rows[name]["metrics"][METRIC],
                "people": rows[name]["users"],
            }
            | _difference(rows[name].get("difference", {}).get(METRIC), "less")
            for name in NAMES
        ]
    )


def _ageing(values: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "protocol": row["protocol"],
                "profile": profile,
                "half_life": float("inf") if half_life is None else half_life,
                "quality": quality,
            }
            for row in values
            for profile, by_half_life in row["validation"].items()
            for half_life, quality in zip(row["half_lives"], by_half_life, strict=True)
        ]
    )


def _aged(values: list[dict[str, Any]]) -> pd.DataFrame:
    rows = []
    for protocol in values:
        measured, metric = {row["name"]: row for row in protocol["rows"]}, protocol["judged_by"]
        for profile, half_life in protocol["chosen"].items():
            aged = measured[f"given, {profile}, aged"]
            rows.append(
                {
                    "protocol": protocol["protocol"],
                    "profile": profile,
                    "metric": metric,
                    "half_life": float("inf") if half_life is None else half_life,
                    "ease": measured["ease"]["metrics"][metric],
                    "always": measured[f"given, {profile}"]["metrics"][metric],
                    "quality": aged["metrics"][metric],
                }
                | _difference(aged["less_always"][metric], "less_always")
            )
    return pd.DataFrame(rows)


def _runs(values: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "protocol": row["protocol"],
                "people": row["users"],
                "without": row["without"],
                "with": row["with"],
            }
            | _difference(row["difference"], "difference")
            for row in values["rows"]
        ]
    )


def _trend(values: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "protocol": protocol,
                "profile": row["name"],
                "metric": row["metric"],
                "people": row["users"],
                "without": row["without"],
                "with": row["with"],
            }
            | _difference(row["difference"], "difference")
            for protocol, part in (("rolling_windows", "rows"), ("random_80_10_10", "random"))
            for row in values[part]
        ]
    )


def _difference(found: dict[str, Any] | None, name: str) -> dict[str, float]:
    """The mean under this name, and both ends of the interval."""
    nan = float("nan")
    if found is None:
        return {name: nan, "low": nan, "high": nan}
    low, high = found["interval"]
    return {name: found["mean"], "low": low, "high": high}
