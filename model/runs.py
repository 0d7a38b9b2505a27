"""The history of training runs: one JSON file per run, written atomically, checked when read."""

from __future__ import annotations

import json
import logging
import math
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model import records
from model.config import TrainingConfig
from model.records import RecordError
from model.splits import PROTOCOLS
from model.trained import EpochRecord
from sources.atomic import replacing
from sources.files import printable, reason, regular_files

log = logging.getLogger(__name__)

FORMAT = 3
MAX_BYTES = 8 * 2**20  # of a file; a run of 300 epochs has some 200 KB
_RECENT_EPOCHS = 9
OURS, POPULARITY, EASE, IN_USE = "LightGCN", "popularity", "EASE", "model in use"


class RunError(RuntimeError):
    """A run cannot be written down; the message is one sentence to show to the user."""


class _OtherFormatError(ValueError):
    """A run that another version of this program wrote down."""


@dataclass(frozen=True)
class Run:
    """A training run, over or not, without its weights.

    Attributes:
        id: names the file, and that of the model (`model.store`); sorts by time.
        started: UTC, ISO 8601.
        data_name: the folder of the data; `fingerprint` is what identifies them.
        refit: the model for serving was to be refitted on all ratings.
        to_beat: popularity on validation, by metric name.
        test: by model (`OURS`, `POPULARITY`, `EASE`, `IN_USE`), by metric name; empty before the
            end, and without the model that was in use where that was measured on other ratings.
        intervals: 95 % bootstrap interval of each test metric of `OURS`.
        best_epoch: the epoch that was kept; None before the end.
        stop_reason: why the training ended, a sentence; None before the end.
        problem: why the run failed or what went wrong after the training, a sentence, or None.
        refitted: the model was refitted on all ratings.
        seconds: from the start to the end, without pauses.
        versions: of Python and the libraries.
    """

    id: str
    started: str
    data_name: str
    fingerprint: str
    protocol: str
    config: TrainingConfig
    refit: bool
    history: tuple[EpochRecord, ...]
    to_beat: dict[str, float]
    test: dict[str, dict[str, float]]
    intervals: dict[str, tuple[float, float]]
    best_epoch: int | None
    stop_reason: str | None
    problem: str | None
    refitted: bool
    seconds: float
    versions: dict[str, str]


_READERS: dict[str, records.Reader] = {  # of every field of a run
    "id": records.text,
    "started": records.moment,
    "data_name": records.text,
    "fingerprint": records.text,
    "protocol": records.one_of(PROTOCOLS),
    "config": records.config,
    "refit": records.switch,
    "history": records.history,
    "to_beat": records.metrics,
    "test": records.by_name(records.metrics),
    "intervals": records.intervals,
    "best_epoch": records.optional(records.whole),
    "stop_reason": records.optional(records.text),
    "problem": records.optional(records.text),
    "refitted": records.switch,
    "seconds": records.seconds,
    "versions": records.by_name(records.text),
}


@dataclass(frozen=True)
class RunHistory:
    """Runs, newest first, and a sentence for every file that could not be read."""

    runs: tuple[Run, ...]
    problems: tuple[str, ...]


def new_run_id(now: datetime | None = None) -> str:
    """Sorts by time, to the microsecond; unique even when two processes start within the same."""
    now = now or datetime.now(UTC)
    return f"{now:%Y%m%d-%H%M%S-%f}-{uuid.uuid4().hex[:6]}"


def save_run(run: Run, folder: Path) -> None:
    """Write the run as `folder`/id.json; a crash leaves no half file under that name.

    Raises:
        RunError: the folder cannot be written.
    """
    content = {"format": FORMAT, **_without_nan(asdict(run))}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / f"{run.id}.json") as file:
            file.write(json.dumps(content, allow_nan=False).encode())
    except OSError as error:
        raise RunError(f"The run cannot be written to the history ({reason(error)}).") from None


def load_runs(folder: Path) -> RunHistory:
    """All runs in the folder; what is damaged is named and left alone."""
    runs, problems = [], []
    for path in reversed(regular_files(folder, ".json")):
        name = printable(path.name)
        try:
            runs.append(_read(path))
        except _OtherFormatError as error:
            problems.append(f"{name} in the history of runs {error}.")
        except (OSError, ValueError, RecursionError) as error:
            log.warning("run %s skipped: %s", name, error)
            problems.append(f"{name} in the history of runs is damaged, so it is left out.")
    return RunHistory(tuple(runs), tuple(problems))


def run_label(run: Run) -> str:
    """Short and unique enough for a legend: `23 Nov 16:50:12 · d 256 · K 2 · warm`."""
    config, started = run.config, datetime.fromisoformat(run.started)
    start = "warm" if config.fitted else "random"
    return f"{started:%d %b %H:%M:%S} · d {config.dim} · K {config.layers} · {start}"


def epoch_durations(history: Sequence[EpochRecord]) -> NDArray[np.float64]:
    """Seconds of each epoch from the first on, with its measurement; [len(history) − 1], or [0]."""
    return np.diff([record.seconds for record in history])


def pace(history: Sequence[EpochRecord]) -> float:
    """Seconds that an epoch takes now: the median of the last few, of which there is one at least.

    A median, because a machine that slept or swapped through one epoch says nothing of the next
    ones; of the last few, because it may have become busier or idler since the first.
    """
    return float(np.median(epoch_durations(history)[-_RECENT_EPOCHS:]))


def data_names(runs: Sequence[Run]) -> dict[str, str]:
    """What to call each data set of the runs, by fingerprint: its folder, told apart where needed.

    Two data sets may lie in folders of the same name; then the fingerprint begins behind it.
    """
    names = {run.fingerprint: run.data_name for run in runs}
    shared = Counter(names.values())
    return {
        fingerprint: f"{name} ({fingerprint[:6]})" if shared[name] > 1 else name
        for fingerprint, name in names.items()
    }


def runs_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run: times, every setting, the test metrics; for the screen and for CSV."""
    rows, names = [], data_names(runs)
    for run in runs:
        row: dict[str, Any] = {
            "run": run.id,
            "started (UTC)": run.started,
            "data": names[run.fingerprint],
            "fingerprint": run.fingerprint,
            "held out": run.protocol,
            **asdict(run.config),
            "refitted": run.refitted,
            "seconds": round(run.seconds, 1),
            "epochs run": max(len(run.history) - 1, 0),
            "kept epoch": run.best_epoch,
            "end": run.problem or run.stop_reason or "",
        }
        row |= {f"test {name}": value for name, value in run.test.get(OURS, {}).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def curves_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run and epoch: loss and validation metrics."""
    return pd.DataFrame(
        [
            {"run": run.id, "label": run_label(run), "epoch": record.epoch, "loss": record.loss}
            | {"seconds": round(record.seconds, 2)}
            | record.metrics
            for run in runs
            for record in run.history
        ]
    )


def _read(path: Path) -> Run:
    """The run in a file; raises OSError, ValueError or RecursionError for what is none."""
    if path.stat().st_size > MAX_BYTES:
        raise RecordError("the file is too large for a run")
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    written = content.get("format") if isinstance(content, dict) else None
    if type(written) is int and 0 < written < FORMAT:
        raise _OtherFormatError(
            f"has format {written} of an older version, whose settings mean something else, so it "
            "is left out: train again to compare, or delete the file"
        )
    values = records.fields(content, {"format": _format, **_READERS})
    del values["format"]
    run = Run(**values)
    if run.id != path.stem:
        raise RecordError("the file is of another run")
    if run.best_epoch is not None:
        records.kept_epoch(run.best_epoch, run.history)
    return run


def _format(value: Any) -> None:
    if value != FORMAT:
        raise RecordError(f"the format is {value!r:.50}")


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _without_nan(value: Any) -> Any:
    """JSON knows no NaN: None takes its place."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
