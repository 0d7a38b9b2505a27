"""Made-up interactions of a real shape: who took what, without stars, in communities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


@dataclass(frozen=True)
class Shape:
    """Of interactions to be made up.

    Attributes:
        n_users, n_items: all of them.
        per_user: mean interactions of a user.
        fewest: of a user.
        towns: large communities, log-normal in size; each falls into `quarters` small ones.
    """

    n_users: int
    n_items: int
    per_user: float
    fewest: int = 10
    towns: int = 120
    quarters: int = 6


# The check-ins of the LightGCN paper: 1,027,370 in all, 810,128 of them in train.
CHECK_INS = Shape(n_users=29_858, n_items=40_981, per_user=35.2)

# How likely someone takes something from …
_HOME_QUARTER, _HOME_TOWN, _OTHER_QUARTER = 0.25, 0.25, 0.15  # … and from anywhere for the rest


def communities(shape: Shape, seed: int = 0) -> sparse.csr_array:
    """Interactions with power-law degrees on both sides and a structure to be found.

    Everyone has a home quarter in a town and knows one other quarter; what is popular within a
    quarter, a town or everywhere follows Zipf's law.

    Returns:
        csr float32 of ones [n_users, n_items].
    """
    rng = np.random.default_rng(seed)
    town_size = rng.lognormal(sigma=1.2, size=shape.towns)
    quarter_size = (
        town_size[:, None] * rng.dirichlet(np.ones(shape.quarters), shape.towns)
    ).ravel()
    share = quarter_size / quarter_size.sum()
    quarter = np.sort(rng.choice(len(share), shape.n_items, p=share))  # of each item
    popularity = np.minimum(rng.pareto(1.1, shape.n_items) + 0.4, 100.0)
    draw = Draw(quarter, popularity)

    degree = shape.fewest + (shape.per_user - shape.fewest) * 0.6 * rng.pareto(1.6, shape.n_users)
    degree = np.minimum(degree, shape.n_items // 50)
    degree = np.maximum(degree * (shape.per_user / degree.mean()), shape.fewest).astype(int)
    home, other = (rng.choice(quarter, shape.n_users) for _ in range(2))
    home_town = home // shape.quarters * shape.quarters
    keys = np.empty(0, np.int64)
    missing = degree
    for _ in range(6):  # those that were drawn twice are drawn again
        users = np.repeat(np.arange(shape.n_users), missing)
        where = rng.random(len(users))
        limits = np.cumsum([_HOME_QUARTER, _HOME_TOWN, _OTHER_QUARTER])
        first = np.select(
            [where < limits[0], where < limits[1], where < limits[2]],
            [home[users], home_town[users], other[users]],
            0,
        )
        last = np.select(
            [where < limits[0], where < limits[1], where < limits[2]],
            [home[users], home_town[users] + shape.quarters - 1, other[users]],
            len(share) - 1,
        )
        items = draw.between(first, last, rng)
        keys = np.unique(np.concatenate([keys, users * shape.n_items + items]))
        have = np.bincount(keys // shape.n_items, minlength=shape.n_users)
        missing = np.maximum(degree - have, 0)
    rows, columns = np.divmod(keys, shape.n_items)
    ones = np.ones(len(keys), np.float32)
    order = rng.permutation(shape.n_items)  # an id says nothing
    return sparse.coo_array((ones, (rows, order[columns])), (shape.n_users, shape.n_items)).tocsr()


class Draw:
    """Items by popularity, from a range of quarters; the items of a quarter lie together."""

    def __init__(self, quarter: NDArray[np.int64], popularity: NDArray[np.float64]) -> None:
        self.total = np.concatenate([[0.0], popularity.cumsum()])
        n_quarters = int(quarter.max()) + 1
        self.begins = np.searchsorted(quarter, np.arange(n_quarters + 1))

    def between(
        self, first: NDArray[np.int64], last: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        low = self.total[self.begins[first]]
        high = self.total[self.begins[np.minimum(last, len(self.begins) - 2) + 1]]
        at = low + rng.random(len(first)) * (high - low)
        return np.clip(np.searchsorted(self.total, at, side="right") - 1, 0, len(self.total) - 2)


def held_out(
    interactions: sparse.csr_array, share: float = 0.2, seed: int = 0
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Train and test, a random share of each user's."""
    rng = np.random.default_rng(seed)
    counts = np.diff(interactions.indptr)
    users = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((rng.random(len(users)), users))
    place = np.empty(len(users), np.int64)
    place[order] = np.arange(len(users)) - np.repeat(interactions.indptr[:-1], counts)
    test = place < np.repeat(np.round(share * counts), counts)

    def part(chosen: NDArray[np.bool_]) -> sparse.csr_array:
        return sparse.coo_array(
            (interactions.data[chosen], (users[chosen], interactions.indices[chosen])),
            interactions.shape,
        ).tocsr()

    return part(~test), part(test)
