"""How the cost of a fit grows: `python -m benchmarks.scale FOLDER FOLDER …`, each with ratings.

`python -m benchmarks.large_data 25m FOLDER` makes such data. Every folder is measured in a process
of its own with one thread; the table goes to standard output, the plot to docs/scaling.png.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks.costs import peak_mib
from benchmarks.run import ONE_THREAD
from data_preparation import load_movie_data
from model.config import PRESETS
from model.fitted_start import spectrum
from model.hybrid_graph import build_graph, visible_content
from model.splits import random_80_10_10

Row = dict[str, Any]

RANK = 64  # at which the fits are compared
PLOT = Path(__file__).resolve().parent.parent / "docs" / "scaling.png"
_ALONE = "--alone"  # before the folder: this process measures it itself
_PARTS = ("reading", "splitting", "graph", "eigenpairs")


def fit_costs(folder: str) -> Row:
    """Processor seconds from the files to the eigenpairs at `RANK`, and the peak of memory."""
    ends = [time.process_time()]

    def lap() -> None:
        ends.append(time.process_time())

    data = load_movie_data(Path(folder))
    lap()
    split = random_80_10_10(data)
    lap()
    graph = build_graph(split.train, visible_content(data, split.hidden()), PRESETS["best"])
    lap()
    spectrum(graph, RANK)
    lap()
    seconds = dict(zip(_PARTS, np.diff(ends).tolist(), strict=True))
    return {"ratings": data.n_ratings, "peak_mib": peak_mib(), **seconds}


def fitting(row: Row) -> float:
    """What grows with the ratings once they are read: graph and eigenpairs, CPU s."""
    return float(row["graph"] + row["eigenpairs"])


def exponent(rows: list[Row]) -> float:
    """The slope of fitting over ratings, both as logarithms, by least squares."""
    ratings = np.log([row["ratings"] for row in rows])
    return float(np.polyfit(ratings, np.log([fitting(row) for row in rows]), 1)[0])


def as_table(rows: list[Row]) -> str:
    lines = [
        "| ratings | reading | splitting | graph | eigenpairs | fitting, µs per rating | peak |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        seconds = " | ".join(f"{row[part]:.1f}" for part in _PARTS)
        each = 1e6 * fitting(row) / row["ratings"]
        peak = row["peak_mib"] / 1024
        lines.append(f"| {row['ratings']:,} | {seconds} | {each:.1f} | {peak:.2f} GiB |")
    return "\n".join(lines)


def plot(rows: list[Row], path: Path = PLOT) -> None:
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    ratings = np.array([row["ratings"] for row in rows], float)
    seconds = np.array([fitting(row) for row in rows])
    axes.loglog(ratings, seconds, "o-", color="#2b6cb0", label="graph and eigenpairs")
    axes.loglog(
        ratings, seconds[0] * ratings / ratings[0], "--", color="#888", label="in proportion"
    )
    axes.set_xticks(ratings, [f"{n / 1e6:.0f} million" for n in ratings], minor=False)
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("ratings")
    axes.set_ylabel("CPU seconds, one thread")
    axes.set_title(f"Fitting at rank {RANK}: ratings to the power {exponent(rows):.2f}")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def in_its_own_process(folder: str) -> Row:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", _ALONE, folder],
        cwd=PLOT.parent.parent,
        env=os.environ | ONE_THREAD,
        stdout=subprocess.PIPE,
        check=True,
    )
    row: Row = json.loads(done.stdout)
    return row


def main(folders: list[str]) -> None:
    if folders[:1] == [_ALONE]:
        torch.set_num_threads(1)
        print(json.dumps(fit_costs(folders[1])))
        return
    rows = sorted(map(in_its_own_process, folders), key=lambda row: row["ratings"])
    print(as_table(rows))
    if len(rows) > 1:
        print(f"\nFitting grows with the ratings to the power {exponent(rows):.2f}.")
        plot(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
