"""Are the reasons named the ones that matter? Take ratings out, and see whether the list changes.

For a sample of users the first film of their list is ranked again (`analysis.counterfactual`)
without the rated films that contribute most to it, the reasons that *Why?* names; and, to compare,
without as many rated films at random, those that contribute least, and those that most people
rated. Reasons that explain nothing would be missed no more than films at random.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.counterfactual import ranks_without
from data_preparation import MovieData
from model.explanation import explain
from model.profiles import DEFAULT_PROFILE, Profile
from model.trained import TrainedModel
from model.viewers import Viewer, user_viewer
from prediction import recommend, score_all

REASONS, RANDOM, POPULAR, LOWEST = CHOICES = (
    "the reasons named",
    "films at random",
    "the most rated films",
    "the lowest films",
)
REMOVED = (1, 3, 5)
TOLD = 3  # reasons: as many as a card names
USERS = 80
_FEWEST = 2 * max(REMOVED)  # ratings of a user: the highest and the lowest must not be the same
_DRAWS = 5  # of films at random, for each number
_RESAMPLES = 2000
_LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """What came out, over all users that were tested.

    Attributes:
        users: so many.
        found: `summary`.
        advantage: `advantage` of the `TOLD` reasons.
    """

    users: int
    found: pd.DataFrame
    advantage: tuple[float, float, float]

    @classmethod
    def of(cls, table: pd.DataFrame) -> Faithfulness:
        """Args:
        table: from `faithfulness`, not empty.
        """
        return cls(table["user"].nunique(), summary(table), advantage(table, TOLD))


def measured_faithfulness(data: MovieData, model: TrainedModel) -> Faithfulness | None:
    """None where nobody has ratings enough to take some away."""
    table = faithfulness(data, model)
    return None if table.empty else Faithfulness.of(table)


def faithfulness(
    data: MovieData,
    model: TrainedModel,
    profile: Profile = DEFAULT_PROFILE,
    n_users: int = USERS,
    seed: int = 0,
) -> pd.DataFrame:
    """What becomes of the first film of a user's list without some of their ratings.

    Args:
        n_users: size of the sample; all who have at least ten ratings, if they are fewer.
        seed: of the sample and of the films at random.

    Returns:
        One row per user, choice of films and number of them: user (inner), choice (of `CHOICES`),
        removed (of `REMOVED`), kept (1 where the film stays first), rank (of the film, from 1).
        With films at random both are means over five draws. Empty where nobody can be tested.
    """
    rng = np.random.default_rng(seed)
    enough = np.flatnonzero(data.user_degree >= _FEWEST)
    users = np.sort(rng.permutation(enough)[:n_users])
    tables = []
    for user in users.tolist():
        viewer = user_viewer(data, model, user, profile)
        first = recommend(model, score_all(data, model, viewer), 1)
        if not first:
            continue  # who has rated everything has no list
        movie = first[0].movie
        chosen = list(_choices(data, model, viewer, movie, rng))
        ranks = ranks_without(data, model, viewer, [(movie, films) for _, _, films in chosen])
        tables.append(
            pd.DataFrame(
                {
                    "user": user,
                    "choice": [choice for choice, _, _ in chosen],
                    "removed": [removed for _, removed, _ in chosen],
                    "kept": (ranks == 1).astype(float),
                    "rank": ranks.astype(float),
                }
            )
        )
    if not tables:
        return pd.DataFrame(columns=["user", "choice", "removed", "kept", "rank"])
    keys = ["user", "choice", "removed"]
    return pd.concat(tables).groupby(keys, sort=False, as_index=False).mean()


def _choices(
    data: MovieData, model: TrainedModel, viewer: Viewer, movie: int, rng: np.random.Generator
) -> Iterator[tuple[str, int, list[int]]]:
    """Which rated films to take out, by choice and number."""
    contributions = explain(data, model, viewer, movie).contributions
    loudest = viewer.movies[np.argsort(-contributions, kind="stable")]
    popular = viewer.movies[np.argsort(-data.movie_degree[viewer.movies], kind="stable")]
    for removed in REMOVED:
        yield REASONS, removed, loudest[:removed].tolist()
        for _ in range(_DRAWS):
            yield RANDOM, removed, rng.choice(viewer.movies, removed, replace=False).tolist()
        yield POPULAR, removed, popular[:removed].tolist()
        yield LOWEST, removed, loudest[-removed:].tolist()


def summary(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Shares and ranks over the users, with 95 % bootstrap intervals (users resampled).

    Args:
        table: from `faithfulness`, not empty.

    Returns:
        choice, removed; kept, rank (means) and median (of the rank), each with _low and _high.
    """
    rows: list[dict[str, object]] = []
    for (choice, removed), group in table.groupby(["choice", "removed"], sort=False):
        row: dict[str, object] = {"choice": choice, "removed": removed}
        for name, column, middle in (
            ("kept", "kept", np.mean),
            ("rank", "rank", np.mean),
            ("median", "rank", np.median),
        ):
            values = group[column].to_numpy()
            row[name] = float(middle(values))
            resampled = middle(values[_resampled(len(values), seed)], axis=1)
            row[f"{name}_low"], row[f"{name}_high"] = _ends(resampled)
        rows.append(row)
    return pd.DataFrame(rows)


def advantage(table: pd.DataFrame, removed: int, seed: int = 0) -> tuple[float, float, float]:
    """How many more first places are lost without the reasons than without films at random.

    The mean over users of the difference of `kept`, and both ends of its 95 % bootstrap interval:
    −1 to 1; above 0 where the reasons matter more.
    """
    kept = table[table["removed"] == removed].pivot(index="user", columns="choice", values="kept")
    values = (kept[RANDOM] - kept[REASONS]).to_numpy()
    low, high = _ends(values[_resampled(len(values), seed)].mean(axis=1))
    return float(values.mean()), low, high


def _resampled(n: int, seed: int) -> NDArray[np.int64]:
    """Places of users drawn with replacement, [resamples, n]; the same for the same n."""
    return np.random.default_rng(seed).integers(n, size=(_RESAMPLES, n))


def _ends(values: NDArray[np.floating]) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return round(float(low), 9), round(float(high), 9)  # a rounded 0 is neither above nor below
