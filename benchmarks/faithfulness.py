"""Whether the reasons named are the real ones, measured: `analysis.faithfulness` on MovieLens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from analysis.faithfulness import REMOVED, advantage, faithfulness, summary
from benchmarks.costs import Row, load
from model.config import PRESETS
from model.splits import DEFAULT_PROTOCOL, PROTOCOLS
from model_training import train

TITLE = "Are the reasons the real ones?"
NOTE = (
    "80 users with ten or more ratings; the first film of each list is ranked again after some "
    "ratings were taken out of the profile, without training anything anew. Share of first places "
    "kept and ranks after, with 95 % bootstrap intervals over users; films at random: the mean of "
    "five draws. Reasons no better than random would show here."
)
MEASURED = {
    "hybrid, fitted ('fast')": PRESETS["fast"],
    # Enough for a model with a learned vector per person to rank better than popularity.
    "paper, 30 epochs at 1e-2": replace(PRESETS["published"], epochs=30, learning_rate=1e-2),
}


def measure() -> list[Row]:
    """The first films with and without their reasons, by model."""
    data = load()
    split = PROTOCOLS[DEFAULT_PROTOCOL](data)
    rows: list[Row] = []
    for name, config in MEASURED.items():
        model = train(data, split, config)
        start = time.process_time()
        table = faithfulness(data, model)
        seconds = time.process_time() - start
        rows.append(
            {
                "model": name,
                "users": int(table["user"].nunique()),
                "seconds": seconds,
                "advantage": {str(n): list(advantage(table, n)) for n in REMOVED},
                "rows": summary(table).to_dict("records"),
            }
        )
    return rows


def as_table(values: Sequence[Any]) -> str:
    """`measure` as a Markdown table, with the difference to films at random below."""
    lines = [
        "| model | without | ratings | first places kept | mean rank after | median |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for value in values:
        for row in value["rows"]:
            kept = f"{row['kept']:.0%} ({row['kept_low']:.0%} to {row['kept_high']:.0%})"
            rank = f"{row['rank']:,.1f} ({row['rank_low']:,.1f} to {row['rank_high']:,.1f})"
            cells = (value["model"], row["choice"], str(row["removed"]), kept, rank)
            lines.append(f"| {' | '.join(cells)} | {row['median']:,.1f} |")
    for value in values:
        more = "; ".join(
            f"{n}: {100 * mean:+.0f} ({100 * low:+.0f} to {100 * high:+.0f})"
            for n, (mean, low, high) in value["advantage"].items()
        )
        lines.append(
            f"\n{value['model']}: first places lost without the reasons, less those lost "
            f"without films at random, in points, by number taken out: {more}. "
            f"{value['users']} users in {value['seconds']:.1f} s of processor time."
        )
    return "\n".join(lines)
