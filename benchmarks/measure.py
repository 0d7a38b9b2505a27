"""One measurement in a process of its own, so that its peak memory is its own.

`python -m benchmarks.measure JOB [ARGUMENT ...]` prints one JSON value; progress goes to stderr.
Everything is computed by the project's own functions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch

from benchmarks import (
    api,
    attention,
    batches,
    costs,
    drift,
    faithfulness,
    liking,
    load,
    opening,
    over_time,
    pages,
    ranking,
)

JOBS: dict[str, Callable[..., Any]] = {
    "quality": ranking.quality,
    "last_rating": ranking.last_rating,
    "left_out": ranking.left_out,
    "windows": ranking.windows,
    "ageing": over_time.ageing,
    "runs": over_time.runs,
    "drift": drift.drift,
    "trend": drift.trend,
    "groups": ranking.groups,
    "ablation": ranking.ablation,
    "attention": attention.attention,
    "layers": attention.layers,
    "hybrid": ranking.hybrid,
    "stars": liking.stars,
    "flips": liking.flips,
    "growth": costs.growth,
    "batches": batches.measure,
    "latency": costs.latency,
    "faithfulness": faithfulness.measure,
    "load": load.measure,
    "opening": opening.measure,
    "pages": pages.measure,
    "api": api.measure,
}


def rounded(value: Any) -> Any:
    """Floats to five significant digits, all through a JSON value."""
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(rounded(JOBS[sys.argv[1]](*sys.argv[2:]))))
