"""Measure the project's whole comparison: `python benchmarks/run.py [SECTION]`.

Every measurement runs in a process of its own with one thread (`benchmarks/measure.py`); the
results go to `benchmarks/results.json`, section by section, and as tables to
`benchmarks/RESULTS.md`. `python benchmarks/run.py render` only writes the tables again. With
`--part validation` the sections that measure on test measure on validation instead: for work on the
models, test is looked at once, at the end. What is measured on validation, or on other data
(`--dataset ml-1m`), is shown and goes to `benchmarks/aside.json` alone.
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

from benchmarks.report import FOLDER, RESULTS_JSON, Results, load_results, render
from settings import DATASET_VARIABLE, chosen_data_set
from sources.download import add_dataset_option, find_local_data
from sources.movielens_files import DataError

RESULTS_MD = FOLDER / "RESULTS.md"
ASIDE_JSON = FOLDER / "aside.json"  # not kept: see .gitignore
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

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


# Of the part that is measured, "validation" or "test".
MEASURES: dict[str, Callable[[str], Results]] = {
    "latency": lambda _: {"latency": measured("latency")},
    "growth": lambda _: {"growth": [measured("growth", str(scale)) for scale in SCALES]},
    "batches": lambda _: {"batches": measured("batches")},
    "flips": lambda _: {"flips": measured("flips")},
    "ablation": lambda _: {"ablation": measured("ablation")},
    "attention": lambda _: {"attention": measured("attention")},
    "layers": lambda _: {"layers": measured("layers")},
    "stars": lambda part: {"stars": measured("stars", part)},
    "hybrid": lambda part: {
        "hybrid": [
            measured("hybrid", protocol, part)
            for protocol in ("random_80_10_10", "temporal_leave_one_out")
        ]
    },
    "strangers": lambda part: {
        name: measured(name, part) for name in ("left_out", "last_rating", "groups")
    },
    "time": lambda part: {name: measured(name, part) for name in ("windows", "ageing", "runs")},
    "drift": lambda part: {"drift": measured("drift", part)},
    "trend": lambda part: {"trend": measured("trend", part)},
    "quality": lambda part: {"quality": measured("quality", part)},
    "load": lambda _: {"load": measured("load")},
    "opening": lambda _: {"opening": measured("opening")},
    "pages": lambda _: {"pages": measured("pages")},
    "api": lambda _: {"api": measured("api")},
    "faithfulness": lambda _: {"faithfulness": measured("faithfulness")},
}


def measure_section(name: str, part: str = "test") -> None:
    """Measure one section and merge it, with the facts of this machine, into `results_file`."""
    start = time.monotonic()
    tables = MEASURES[name](part)
    facts = machine() | {"seconds": round(time.monotonic() - start)}
    path = results_file(part)
    results = load_results(path)
    for table, value in tables.items():
        results[table] = {"machine": facts, "values": value}
    path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def results_file(part: str) -> Path:
    """Where the results go: results.json holds those on test of the data that are usual here."""
    return RESULTS_JSON if part == "test" and chosen_data_set() is None else ASIDE_JSON


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
    parser.add_argument("--part", choices=("validation", "test"), default="test")
    add_dataset_option(parser)
    options = parser.parse_args()
    if options.dataset:
        os.environ[DATASET_VARIABLE] = options.dataset  # for the processes that measure
        try:
            find_local_data()
        except DataError as error:
            sys.exit(str(error))
    for name in MEASURES:
        if options.section in (name, "all"):
            measure_section(name, options.part)
    if results_file(options.part) == ASIDE_JSON:
        print(render(load_results(ASIDE_JSON)))
        return
    text = render(load_results())
    RESULTS_MD.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
