"""The history of training runs: one JSON file per run, written atomically, checked when read."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from model.config import TrainingConfig
from model.splits import PROTOCOLS
from model.trained import EpochRecord

log = logging.getLogger(__name__)

FORMAT = 3
_KINDS: dict[str, Any] = {  # of the fields of a run that are not checked otherwise
    **dict.fromkeys(("data_name", "fingerprint"), str),
    **dict.fromkeys(("stop_reason", "problem"), str | None),
    **dict.fromkeys(("refit", "refitted"), bool),
    "versions": dict,
}
OURS, POPULARITY, EASE, PREVIOUS = "LightGCN", "popularity", "EASE", "previous model"


class RunError(RuntimeError):
    """A run cannot be written down; the message is one sentence to show to the user."""


class _OtherFormatError(ValueError):
    """A run that another version of this program wrote down."""


@dataclass(frozen=True)
class Run:
    """A training run, over or not, without its weights.

    Attributes:
        id: names the file; sorts by time.
        started: UTC, ISO 8601.
        data_name: the folder of the data; `fingerprint` is what identifies them.
        refit: the model for serving was to be refitted on all ratings.
        to_beat: popularity on validation, by metric name.
        test: by model (`OURS`, `POPULARITY`, `EASE`, `PREVIOUS`), by metric name; empty before
            the end, and without the previous model where that was measured on other ratings.
        intervals: 95 % bootstrap interval of each test metric of `OURS`.
        best_epoch: the epoch that was kept; None before the end.
        stop_reason: why the training ended, a sentence; None before the end.
        problem: why the run failed or what went wrong after the training, a sentence, or None.
        refitted: the model in use was refitted on all ratings.
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


@dataclass(frozen=True)
class RunHistory:
    """Runs, newest first, and a sentence for every file that could not be read."""

    runs: tuple[Run, ...]
    problems: tuple[str, ...]


def new_run_id(now: datetime | None = None) -> str:
    """Sorts by time; unique even when two processes start within the same second."""
    now = now or datetime.now(UTC)
    return f"{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"


def save_run(run: Run, folder: Path) -> None:
    """Write the run as `folder`/id.json; a crash leaves no half file under that name.

    Raises:
        RunError: the folder cannot be written.
    """
    content = {"format": FORMAT, **_without_nan(asdict(run))}
    temporary = folder / f".{run.id}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(content, file, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, folder / f"{run.id}.json")
    except OSError as error:
        with contextlib.suppress(OSError):  # the first fault is the one to report
            temporary.unlink(missing_ok=True)
        raise RunError(f"The run cannot be written to the history ({error}).") from None


def load_runs(folder: Path) -> RunHistory:
    """All runs in the folder; what is damaged is named and left alone."""
    runs, problems = [], []
    for path in sorted(folder.glob("*.json"), reverse=True):
        try:
            runs.append(_read(path))
        except _OtherFormatError as error:
            problems.append(f"{_shown(path)} in the history of runs {error}.")
        except (
            *(OSError, ValueError, TypeError, KeyError, AttributeError),
            *(RecursionError, OverflowError),
        ) as error:
            log.warning("run %s skipped: %s", path, error)
            problems.append(f"{_shown(path)} in the history of runs is damaged, so it is left out.")
    return RunHistory(tuple(runs), tuple(problems))


def _shown(path: Path) -> str:
    return path.name.encode(errors="replace").decode()  # a name need not be text


def run_label(run: Run) -> str:
    """Short and unique enough for a legend: `23 Nov 16:50:12 · d 256 · K 2 · warm`."""
    config, started = run.config, datetime.fromisoformat(run.started)
    start = "warm" if config.fitted else "random"
    return f"{started:%d %b %H:%M:%S} · d {config.dim} · K {config.layers} · {start}"


def runs_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run: times, every setting, the test metrics; for the screen and for CSV."""
    rows = []
    for run in runs:
        row: dict[str, Any] = {
            "run": run.id,
            "started (UTC)": run.started,
            "data": run.data_name,
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
    """The run in a file; raises many types for what is none."""
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair cannot be shown
    if content["id"] != path.stem:
        raise ValueError("a file of another run")
    written = content.pop("format")
    if type(written) is int and 0 < written < FORMAT:
        raise _OtherFormatError(
            f"has format {written} of an older version, whose settings mean something else, so it "
            "is left out: train again to compare, or delete the file"
        )
    if written != FORMAT:
        raise ValueError("another format")
    history = tuple(_record(record) for record in content["history"])
    if [record.epoch for record in history] != list(range(len(history))):
        raise ValueError("the history is not complete")
    intervals = {
        name: (_number(low), _number(high)) for name, (low, high) in content["intervals"].items()
    }
    parts = {
        "config": TrainingConfig(**content["config"]),
        "history": history,
        "intervals": intervals,
        "to_beat": _numbers(content["to_beat"]),
        "test": {str(model): _numbers(values) for model, values in content["test"].items()},
    }
    run = Run(**content | parts)
    datetime.fromisoformat(run.started)
    if run.protocol not in PROTOCOLS or _number(run.seconds) < 0:
        raise ValueError("an unknown protocol or no duration")
    for name, kind in _KINDS.items():
        if not isinstance(getattr(run, name), kind):
            raise TypeError(f"{name} is of another kind")
    if not all(isinstance(version, str) for version in run.versions.values()):
        raise TypeError("a version is no text")
    for values in (run.to_beat, *run.test.values(), *(record.metrics for record in history)):
        if not all(0 <= value <= 1 for value in values.values()):
            raise ValueError("a metric is out of range")
    best = run.best_epoch
    if best is not None and (type(best) is not int or best not in range(len(history))):
        raise ValueError("the kept epoch is not in the history")
    return run


def _record(content: Mapping[str, Any]) -> EpochRecord:
    loss = math.nan if content["loss"] is None else _number(content["loss"])
    if type(content["epoch"]) is not int:
        raise TypeError("an epoch has no number")
    metrics = _numbers(content["metrics"])
    return EpochRecord(content["epoch"], loss, _number(content["seconds"]), metrics)


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): _number(value) for name, value in values.items()}


def _number(value: Any) -> float:
    """The finite number, and no text or truth value that Python would take for one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.50} is no number")
    if not math.isfinite(value):
        raise ValueError("a number is not finite")
    return float(value)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _without_nan(value: Any) -> Any:
    """JSON knows no NaN: None takes its place."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
