"""What was written down of a training, read again: history and metrics, in runs and checkpoints.

Each reader takes a value as JSON or torch gives it and returns the checked value, or raises
`RecordError`. What it returns is what is to be used; the value itself is not looked at again.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Container, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from model.config import TrainingConfig
from model.profiles import PROFILES
from model.search import Trial
from model.trained import EpochRecord
from model.trend import TrendChoice

Reader = Callable[[Any], Any]

MAX_SECONDS = 1e9  # thirty years: no training takes longer


class RecordError(ValueError):
    """A value is not what it should be; the message is for the log."""


# --- single values --------------------------------------------------------------------------------


def number(value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number from `low` to `high`; a text or a truth value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecordError(f"{value!r:.50} is no number")
    # A whole number may be too large for a float, and NaN is at no place at all.
    if not (low <= value <= high and abs(value) <= sys.float_info.max):
        raise RecordError(f"{value!r:.50} is not from {low} to {high}, or not finite")
    return float(value)


def whole(value: Any) -> int:
    """A whole number; 1.0 and True are none."""
    if type(value) is not int:
        raise RecordError(f"{value!r:.50} is no whole number")
    return value


def text(value: Any) -> str:
    """A text that can be shown, which half a surrogate pair cannot."""
    if not isinstance(value, str) or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise RecordError(f"{value!r:.50} is no text")
    return value


def switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise RecordError(f"{value!r:.50} is neither true nor false")
    return value


def moment(value: Any) -> str:
    """A time as ISO 8601 writes it."""
    try:
        datetime.fromisoformat(text(value))
    except ValueError as error:
        raise RecordError(str(error)) from None
    return value


def seconds(value: Any) -> float:
    """A duration."""
    return number(value, 0.0, MAX_SECONDS)


def metric(value: Any) -> float:
    """Any of those that the evaluation gives: all are shares."""
    return number(value, 0.0, 1.0)


# --- values made of others ------------------------------------------------------------------------


def optional(read: Reader) -> Reader:
    """None, or what `read` reads."""
    return lambda value: None if value is None else read(value)


def one_of(names: Container[str]) -> Reader:
    """One of these texts."""

    def read(value: Any) -> str:
        if text(value) not in names:
            raise RecordError(f"{value!r:.50} is unknown")
        return value

    return read


def by_name(read: Reader) -> Reader:
    """A dict from any text to what `read` reads."""

    def read_all(value: Any) -> dict[str, Any]:
        return {text(name): read(item) for name, item in _mapping(value).items()}

    return read_all


def fields(value: Any, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """A dict with exactly these names, each value read by its own reader."""
    if _mapping(value).keys() != readers.keys():
        raise RecordError(f"other fields: {value.keys() ^ readers.keys()!r:.200}")
    return {name: read(value[name]) for name, read in readers.items()}


def _mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise RecordError(f"{value!r:.50} is no dict")
    return value


def _sequence(value: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise RecordError(f"{value!r:.50} is no list")
    return value


# --- of a training --------------------------------------------------------------------------------

metrics = by_name(metric)
"""Values of an evaluation by name, as "NDCG@20", all from 0 to 1."""


def interval(value: Any) -> tuple[float, float]:
    """The ends of a metric's interval, the lower one first."""
    if len(_sequence(value)) != 2 or not metric(value[0]) <= metric(value[1]):
        raise RecordError(f"{value!r:.50} is no interval")
    return metric(value[0]), metric(value[1])


intervals = by_name(interval)


def config(value: Any) -> TrainingConfig:
    """The settings of a training; those that are missing have their defaults."""
    try:
        return TrainingConfig(**{text(name): item for name, item in _mapping(value).items()})
    except (TypeError, ValueError) as error:
        raise RecordError(str(error)) from None


def _loss(value: Any) -> float:
    """NaN where there is none, which JSON writes as null."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return math.nan
    return number(value)


_EPOCH: dict[str, Reader] = {"epoch": whole, "loss": _loss, "seconds": seconds, "metrics": metrics}


def history(value: Any) -> tuple[EpochRecord, ...]:
    """The records of all epochs from 0 on, none missing, their times in order."""
    records = tuple(EpochRecord(**fields(item, _EPOCH)) for item in _sequence(value))
    if [record.epoch for record in records] != list(range(len(records))):
        raise RecordError("an epoch is missing")
    if any(before.seconds > after.seconds for before, after in pairwise(records)):
        raise RecordError("an epoch ended before the one before it")
    return records


def kept_epoch(value: Any, records: tuple[EpochRecord, ...]) -> int:
    """The number of an epoch of this history."""
    if whole(value) not in range(len(records)):
        raise RecordError(f"the epoch {value} is not in the history")
    return value


_TRIAL: dict[str, Reader] = {
    "changed": text,
    "value": optional(number),
    "score": number,
    "better": switch,
    "seconds": seconds,
}


def trials(value: Any) -> tuple[Trial, ...]:
    """What a search looked at."""
    return tuple(Trial(**fields(item, _TRIAL)) for item in _sequence(value))


def _by_profile(read: Reader) -> Reader:
    """A value for each profile."""
    return lambda value: fields(value, dict.fromkeys(PROFILES, read))


def _pair(value: Any) -> tuple[float, float]:
    """A metric without and with something."""
    without, with_it = _sequence(value)
    return metric(without), metric(with_it)


_TREND: dict[str, Reader] = {
    "share": lambda value: number(value, 0.0, 1.0),
    "strengths": _by_profile(lambda value: number(value, 0.0)),
    "quality": _by_profile(_pair),
    "people": whole,
}


def trend(value: Any) -> TrendChoice:
    """How much what is popular now should count."""
    return TrendChoice(**fields(value, _TREND))
