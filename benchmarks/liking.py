"""What stars do: predicted stars, and lists that turn when a rating does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.costs import GIVEN, Row, load
from benchmarks.ranking import SEEDS, paired
from data_preparation import MovieData
from model import stars as star_model
from model.bpr import Learner
from model.hybrid_graph import Content, visible_content
from model.splits import Part, Split, random_80_10_10
from model.stars import StarErrors, fit_stars, measure_stars
from model.trained import TrainedModel
from model.viewers import fold_in
from model_training import train
from prediction import often_and_well_rated, recommend, score_all, similar_movies

STAR_GRID: dict[str, Sequence[Any]] = {
    "directions": (32, 64, 96, 128),
    "ridge": (1.0, 3.0, 10.0),
    "film_ridge": (0.3, 1.0, 3.0),
}
PROFILES_TURNED = 60
FILMS_OF_A_PROFILE = 5
NEAREST = 50
LIST = 20


# --- predicted stars ------------------------------------------------------------------------------


def stars(part: Part, seeds: Sequence[int] = SEEDS) -> Row:
    """RMSE and MAE against film and person biases, paired over users, and how often the predicted
    uncertainty holds; before that, what validation says of other constants (first seed)."""
    data = load()
    grid = _star_grid(data, seeds[0])
    found = [_star_errors(data, random_80_10_10(data, seed), part) for seed in seeds]
    tables = [_by_user(each) for each in found]
    pooled = pd.concat(tables).groupby(level=0).mean()
    error = np.concatenate([each.error for each in found])
    of_biases = np.concatenate([each.of_biases for each in found])
    return {
        "grid": grid,
        "chosen": {
            "directions": star_model.DIRECTIONS,
            "ridge": star_model.RIDGE,
            "film_ridge": star_model.FILM_RIDGE,
        },
        "ratings": len(error),
        "rows": [
            {"name": name, "rmse": float(np.sqrt(np.mean(e**2))), "mae": float(np.abs(e).mean())}
            for name, e in (("biases", of_biases), ("biases and directions", error))
        ],
        # Per user: the mean squared (absolute) error of the model less that of the biases.
        "squared": paired(pooled["squared"]),
        "absolute": paired(pooled["absolute"]),
        "coverage": {
            str(times): float(np.mean([each.coverage(times) for each in found])) for times in (1, 2)
        },
    }


def _star_errors(data: MovieData, split: Split, part: Part) -> StarErrors:
    known = split.known(part)
    content = visible_content(data, split.hidden())
    vectors = film_vectors(known, content, star_model.FILM_RIDGE)
    return measure_stars(fit_stars(known, vectors), known, split.held_out(part))


def film_vectors(
    known: sparse.csr_array, content: Content, film_ridge: float
) -> NDArray[np.float32]:
    """The directions for `fit_stars`, of a fit to these ratings and contents."""
    config = replace(GIVEN, dim=star_model.FILM_DIRECTIONS, ridge=film_ridge)
    return Learner(known, content, config).weights().numpy()


def _star_grid(data: MovieData, seed: int) -> list[Row]:
    """Validation RMSE of every combination of constants."""
    split = random_80_10_10(data, seed)
    rows = []
    content = visible_content(data, split.hidden())
    vectors = {r: film_vectors(split.train, content, r) for r in STAR_GRID["film_ridge"]}
    for directions, ridge, film_ridge in product(*STAR_GRID.values()):
        model = fit_stars(split.train, vectors[film_ridge], directions, ridge)
        error = measure_stars(model, split.train, split.validation).error
        rmse = float(np.sqrt(np.mean(error**2)))
        rows.append(
            {"directions": directions, "ridge": ridge, "film_ridge": film_ridge, "rmse": rmse}
        )
    return rows


def _by_user(found: StarErrors) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "squared": found.error**2 - found.of_biases**2,
            "absolute": np.abs(found.error) - np.abs(found.of_biases),
        }
    )
    return table.groupby(found.user).mean()


# --- a rating turned round ------------------------------------------------------------------------


def flips(seed: int = 0) -> Row:
    """Profiles of five films with 5 stars: what one turned to half a star does to its neighbours,
    and what five times half a star brings. Looks at no held-out rating."""
    data = load()
    model = train(data, random_80_10_10(data), GIVEN)
    rng = np.random.default_rng(seed)
    known = np.flatnonzero(data.movie_degree >= 10)
    rows = [
        turned(data, model, rng.choice(known, FILMS_OF_A_PROFILE, replace=False).tolist())
        for _ in range(PROFILES_TURNED)
    ]
    fell = [row["places"] for row in rows]
    return {
        "profiles": len(rows),
        "fell": float(np.mean([places > 0 for places in fell])),
        "places": float(np.median(fell)),
        "near_the_disliked": int(sum(row["near"] for row in rows)),
        "not_often_and_well_rated": int(sum(row["other"] for row in rows)),
        "shortest_list": int(min(row["listed"] for row in rows)),
    }


def turned(data: MovieData, model: TrainedModel, films: list[int]) -> Row:
    """The profile with its first film turned from 5 stars to half a star, and with all of them.

    Returns:
        places: how many places the 50 films nearest to the first one fall on average.
        near, other: films listed for five disliked ones that are among the 50 nearest of any of
            them, that are not rated often and well.
        listed: length of that list.
    """
    liked = dict.fromkeys(films, 5.0)
    before, after = (_places(data, model, profile) for profile in (liked, liked | {films[0]: 0.5}))
    nearest = [set(similar_movies(model, film, NEAREST)[0].tolist()) for film in films]
    moved = sorted(nearest[0] - set(films))
    viewer = fold_in(data, model, dict.fromkeys(films, 0.5))
    listed = [item.movie for item in recommend(model, score_all(data, model, viewer), LIST)]
    good = often_and_well_rated(data)
    return {
        "places": float((after[moved] - before[moved]).mean()) if moved else 0.0,
        "near": len(set.union(*nearest) & set(listed)),
        "other": int((~good[listed]).sum()),
        "listed": len(listed),
    }


def _places(data: MovieData, model: TrainedModel, stars: dict[int, float]) -> NDArray[np.int64]:
    """The place of every film by graph score, int64 [n_movies]; 0 is the best."""
    scores = score_all(data, model, fold_in(data, model, stars), tag_weight=0.0).graph
    places = np.empty(len(scores), np.int64)
    places[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    return places
