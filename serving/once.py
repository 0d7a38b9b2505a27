"""What is made once of some data or a model, and lives in memory as long as they do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from data_preparation import MovieData
from model.trained import TrainedModel

_Value = TypeVar("_Value")


@dataclass(eq=False)
class _Place:
    """Of one value; who asks for it while it is made waits for the lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    made: bool = False
    value: Any = None


_places: WeakKeyDictionary[MovieData | TrainedModel, dict[str, _Place]] = WeakKeyDictionary()
_lock = threading.Lock()


def once(owner: MovieData | TrainedModel, name: str, make: Callable[[], _Value]) -> _Value:
    """What was made of the owner under this name before, or `make()`; others wait meanwhile."""
    with _lock:
        place = _places.setdefault(owner, {}).setdefault(name, _Place())
    with place.lock:
        if not place.made:
            place.value, place.made = make(), True
        value: _Value = place.value
    return value
