"""What is computed once from the data or the model in use, for page and API alike.

It lives as long as the data or the model that it was made from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from data_preparation import MovieData
from lookup.title_search import TitleSearch
from model.explanation import Walks
from model.stars import StarModel, fit_stars
from model.trained import TrainedModel, fitted_graph
from serving.audience import Audience

_Value = TypeVar("_Value")

_made: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
_lock = threading.RLock()


def _once(owner: MovieData | TrainedModel, name: str, make: Callable[[], _Value]) -> _Value:
    """What was made of the owner under this name before, or `make()`; others wait meanwhile."""
    with _lock:
        values = _made.setdefault(owner, {})
        if name not in values:
            values[name] = make()
        return values[name]


def title_search(data: MovieData) -> TitleSearch:
    """The titles made ready to search."""
    return _once(data, "titles", lambda: TitleSearch.of(data))


def audience(data: MovieData, model: TrainedModel) -> Audience:
    """What is known of the users of the data."""
    return _once(model, "audience", lambda: Audience(star_model(data, model)))


def star_model(data: MovieData, model: TrainedModel) -> StarModel:
    """What predicts stars, along the leading directions of the model."""
    return _once(model, "stars", lambda: fit_stars(data.ratings, model.movie_factors))


def walks(data: MovieData, model: TrainedModel) -> Walks:
    """What *through what?* is answered with; for a hybrid."""
    return _once(model, "walks", lambda: Walks.of(fitted_graph(data, model), model))
