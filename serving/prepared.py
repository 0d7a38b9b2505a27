"""What is computed once from the data or the model in use, for page and API alike.

It lives as long as the data or the model that it was made from.
"""

from __future__ import annotations

import threading

from data_preparation import MovieData
from lookup.title_search import TitleSearch
from model.explanation import Walks
from model.stars import StarModel
from model.trained import TrainedModel, fitted_graph
from serving.audience import Audience
from serving.once import once
from serving.tables import STARS

_AT_ONCE = 2_000_000  # ratings: the graph of more is made beside the pages


def title_search(data: MovieData) -> TitleSearch:
    """The titles made ready to search."""
    return once(data, "titles", lambda: TitleSearch.of(data))


def audience(data: MovieData, model: TrainedModel) -> Audience:
    """What is known of the users of the data."""
    return once(model, "audience", lambda: Audience(star_model(data, model)))


def star_model(data: MovieData, model: TrainedModel) -> StarModel:
    """What predicts stars, along the leading directions of the model."""
    return once(model, "stars", lambda: STARS.of(data, model))


def walks(data: MovieData, model: TrainedModel) -> Walks:
    """What *through what?* is answered with; for a hybrid."""
    return once(model, "walks", lambda: Walks.of(fitted_graph(data, model), model))


def walks_by_and_by(data: MovieData, model: TrainedModel) -> Walks | None:
    """`walks`; of large data None until a thread has made them, so that no page waits."""
    if data.n_ratings <= _AT_ONCE:
        return walks(data, model)

    def begun() -> threading.Thread:
        thread = threading.Thread(target=walks, args=(data, model), name="walks", daemon=True)
        thread.start()
        return thread

    return None if once(model, "walks in the making", begun).is_alive() else walks(data, model)
