"""Data and model as they would have been on a day of the past: neither knows anything later.

Ratings and tags from that day on are gone, tags are cleaned from what was there, and the film
vectors are fitted again to what is left. What stays from today are the catalogue (titles, years,
genres) and the settings of the fit.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd

from data_preparation import MovieData
from model.bpr import Learner
from model.hybrid_graph import content_edges, overall_mean
from model.splits import chosen
from model.trained import TrainedModel, assemble, with_trend
from sources.tag_cleaning import clean_tags, count_tags

_DAY = 24 * 60 * 60  # seconds


def end_of(day: date) -> int:
    """The Unix second at which the day is over, in UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + _DAY


def end_within(data: MovieData, day: date) -> int:
    """`end_of` a day that the data can be as of; after the last rating or tag, of the day of that.

    Raises:
        ValueError: nobody had rated a film by then, or the day is yet to come.
    """
    tagged = data.tags["timestamp"].max() if len(data.tags) else 0
    first, last = day_of(data.timestamps.min()), day_of(max(data.timestamps.max(), tagged))
    if day < first:
        raise ValueError(
            f"Nobody had rated a film by {day}; the first rating of these data is of {first}."
        )
    if day > max(last, datetime.now(UTC).date()):
        raise ValueError(f"{day} is yet to come, so nobody knows what there will be by then.")
    return end_of(min(day, last))


def day_of(second: int) -> date:
    """The day of a Unix second, in UTC."""
    return datetime.fromtimestamp(int(second), UTC).date()


def data_before(data: MovieData, second: int) -> MovieData:
    """The data with the ratings and tags given before this Unix second; films and users stay."""
    kept = data.timestamps < second
    then = data.tags[data.tags["timestamp"] < second]
    typed = pd.DataFrame(
        {
            "userId": then["user_id"],
            "movieId": data.movie_ids[then["movie"].to_numpy(np.int64)],
            "tag": then["raw"],
            "timestamp": then["timestamp"],
        }
    )
    tags = clean_tags(typed, data.movie_ids)
    names, counts = count_tags(tags, data.n_movies)
    return replace(
        data,
        ratings=chosen(data.ratings, kept),
        timestamps=data.timestamps[kept],
        tags=tags,
        tag_names=names,
        tag_counts=counts,
        fingerprint=f"{data.fingerprint} before {second}",
    )


def can_be_refitted(model: TrainedModel) -> bool:
    """Whether the model is a fit in closed form, which can be made again within seconds."""
    return model.is_hybrid and len(model.values) > 0 and model.best_epoch == 0


def model_of(data: MovieData, model: TrainedModel) -> TrainedModel:
    """A model with the settings of this one, fitted to all ratings of other data.

    Raises:
        ValueError: the model is no fit in closed form, or the data hold no rating.
    """
    if not can_be_refitted(model):
        raise ValueError(
            "This model learned step by step, so it cannot be fitted again to earlier ratings."
        )
    if not data.n_ratings:
        raise ValueError("Nobody had rated a film by then, so there is nothing to fit to.")
    config = replace(model.config, epochs=0)
    learner = Learner(data.ratings, content_edges(data), config)
    fitted = assemble(
        data,
        learner.weights().numpy(),
        learner.scale,
        learner.values,
        mean_stars=overall_mean(data.ratings),
        config=config,
        protocol=model.protocol,
        history=(),
        best_epoch=0,
        test_metrics={},
        stop_reason="Fitted to the ratings of before a day.",
        refitted=True,
        theta=model.theta,
    )
    return with_trend(data, fitted, model.trend_choice)
