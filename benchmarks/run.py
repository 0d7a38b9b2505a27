"""Measure the project's whole comparison: `python benchmarks/run.py [SECTION]`.

Every measurement runs in a process of its own with one thread (`benchmarks/measure.py`); the
results go to `benchmarks/results.json`, section by section, and as tables to
`benchmarks/RESULTS.md`. `python benchmarks/run.py render` only writes the tables again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script from anywhere

from benchmarks.report import FOLDER, MODELS, RESULTS_JSON, Results, load_results, render

RESULTS_MD = FOLDER / "RESULTS.md"
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

BEST_SEEDS = (0, 1, 2)
TEMPORAL = ("popularity", "item_knn", "ease", "best")
SCALES = (1, 4, 16, 64)


# --- measuring ------------------------------------------------------------------------------------


def measured(*job: str) -> Any:
    """What `python -m benchmarks.measure JOB …` prints, from a process of its own."""
    print(" ".join(job), file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.measure", *job],
        cwd=FOLDER.parent,
        env=os.environ | ONE_THREAD,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def _quality() -> Results:
    return {
        "temporal": [measured("rank", name, "temporal_leave_one_out") for name in TEMPORAL],
        "groups": measured("groups"),
        "quality": [
            measured("rank", name, "random_80_10_10", str(seed))
            for name in MODELS
            for seed in (BEST_SEEDS if name == "best" else (0,))
        ],
    }


MEASURES: dict[str, Callable[[], Results]] = {
    "latency": lambda: {"latency": measured("latency")},
    "hybrid": lambda: {
        "hybrid": [
            measured("hybrid", protocol)
            for protocol in ("random_80_10_10", "temporal_leave_one_out")
        ]
    },
    "growth": lambda: {"growth": [measured("growth", str(scale)) for scale in SCALES]},
    "ablation": lambda: {"ablation": measured("ablation")},
    "quality": _quality,
    "faithfulness": lambda: {"faithfulness": measured("faithfulness")},
    "load": lambda: {"load": measured("load")},
    "pages": lambda: {"pages": measured("pages")},
}


def measure_section(name: str) -> None:
    """Measure one section and merge it, with the facts of this machine, into results.json."""
    start = time.monotonic()
    tables = MEASURES[name]()
    facts = machine() | {"seconds": round(time.monotonic() - start)}
    results = load_results()
    for table, value in tables.items():
        results[table] = {"machine": facts, "values": value}
    RESULTS_JSON.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def machine() -> Results:
    """What the numbers depend on, besides the code."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "date": date.today().isoformat(),
        "threads": 1,
        "load": round(os.getloadavg()[1], 1),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    choices = (*MEASURES, "all", "render")
    parser.add_argument("section", nargs="?", default="all", choices=choices)
    chosen = parser.parse_args().section
    for name in MEASURES:
        if chosen in (name, "all"):
            measure_section(name)
    text = render(load_results())
    RESULTS_MD.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
