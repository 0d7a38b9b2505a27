"""Made-up data of MovieLens's shapes: `python -m benchmarks.large_data 25m FOLDER`.

Films belong to tastes and are popular by a power law; everyone has three tastes and rates films of
them, so that there is something to learn. People are made a block at a time and written as they
come: 25 million ratings need half a gigabyte of memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from benchmarks.synthetic import Draw


@dataclass(frozen=True)
class Shape:
    """Of a release.

    Attributes:
        per_user: mean ratings of a user; nobody has fewer than 20.
        tags: how often one was given.
        tag_names: distinct ones.
    """

    n_users: int
    n_movies: int
    per_user: float
    tags: int
    tag_names: int


SHAPES = {
    "1m": Shape(6_040, 3_883, 165.6, 20_000, 4_000),
    "10m": Shape(69_878, 10_681, 143.1, 95_580, 16_529),
    "25m": Shape(162_541, 62_423, 153.8, 1_093_360, 73_051),
    "32m": Shape(200_948, 87_585, 159.2, 2_000_072, 153_951),
}
TASTES = 40
_OWN = np.array([0.5, 0.78, 0.93])  # of the draws from 1, 2, 3 tastes; any film else
_FEWEST, _MOST = 20, 0.4  # ratings of a user; of all films
_TURNS = 6  # of drawing anew what was drawn twice
_BLOCK = 4_096  # people at a time
_GENRES = (
    *("Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
_FIRST = np.array(
    [
        "Silent",
        "Golden",
        "Broken",
        "Last",
        "Hidden",
        "Lost",
        "Dark",
        "Bright",
        "Quiet",
        "Secret",
        "Crimson",
    ]
)
_SECOND = np.array(
    [
        "River",
        "City",
        "House",
        "Garden",
        "Night",
        "Summer",
        "Road",
        "Island",
        "Letter",
        "Mirror",
        "Dream",
    ]
)
_SYLLABLES = np.array(
    [
        "ka",
        "lo",
        "mi",
        "ra",
        "te",
        "su",
        "no",
        "vi",
        "pe",
        "da",
        "zo",
        "fi",
        "gu",
        "re",
        "sha",
        "tri",
        "mon",
        "lar",
        "bel",
        "cor",
    ]
)


@dataclass(frozen=True, eq=False)
class _Films:
    """Films by taste, [n_movies] each; ids ascend in another order, so that an id says nothing."""

    ids: NDArray[np.int64]
    taste: NDArray[np.int64]
    quality: NDArray[np.float64]
    draw: Draw


def make(shape: Shape, folder: Path, seed: int = 0) -> None:
    """Write ratings.csv, movies.csv, links.csv and tags.csv; the same seed gives the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    films = _films(shape, rng)
    _write_movies(shape, films, folder, rng)
    _write_tags(shape, films, folder, rng)
    kinds = {"userId": pa.int64(), "movieId": pa.int64(), "rating": pa.float64()}
    schema = pa.schema({**kinds, "timestamp": pa.int64()})
    plain = csv.WriteOptions(quoting_style="none")
    with csv.CSVWriter(folder / "ratings.csv", schema, write_options=plain) as file:
        for block in _ratings(shape, films, rng):
            file.write_table(pa.table(block, schema))


def _films(shape: Shape, rng: np.random.Generator) -> _Films:
    n = shape.n_movies
    taste = np.sort(rng.integers(TASTES, size=n))
    popularity = (rng.permutation(n) + min(430.0, n / 9)) ** -2.3
    return _Films(
        ids=rng.permutation(rng.choice(4 * n, n, replace=False) + 1),
        taste=taste,
        quality=rng.normal(0.1, 0.45, n),
        draw=Draw(taste, popularity.astype(np.float64)),
    )


def _ratings(shape: Shape, films: _Films, rng: np.random.Generator) -> Iterator[dict[str, NDArray]]:
    """Columns of ratings.csv, a block of users at a time, ascending by user and film."""
    extra = rng.lognormal(0.0, 1.4, shape.n_users)
    for _ in range(10):  # what the most diligent may not rate, the others do
        extra *= (shape.per_user - _FEWEST) / extra.mean()
        extra = np.minimum(extra, shape.n_movies * _MOST)
    wanted = _FEWEST + extra.round().astype(np.int64)
    for first in range(0, shape.n_users, _BLOCK):
        count = wanted[first : first + _BLOCK]
        tastes = rng.integers(TASTES, size=(len(count), 3))
        user, film = _taken(count, tastes, films, rng)
        own = (tastes[user, :2] == films.taste[film, None]) @ np.array([0.4, 0.2])
        bias, begin = (
            rng.normal(0, 0.35, len(count)),
            rng.integers(800_000_000, 1_500_000_000, len(count)),
        )
        stars = 3.3 + bias[user] + films.quality[film] + own + rng.normal(0, 0.8, len(user))
        columns = {
            "userId": first + user + 1,
            "movieId": films.ids[film],
            "rating": np.clip(np.round(stars * 2) / 2, 0.5, 5.0),
            "timestamp": begin[user] + rng.exponential(3e6, len(user)).astype(np.int64),
        }
        order = np.lexsort((columns["movieId"], user))
        yield {name: column[order] for name, column in columns.items()}


def _taken(
    count: NDArray[np.int64], tastes: NDArray[np.int64], films: _Films, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Who takes which film: `count` films of each person, none of them twice.

    A few less where someone's tastes are exhausted.
    """
    n_movies = len(films.ids)
    taken = np.empty(0, np.int64)  # user · n_movies + film, ascending
    for turn in range(_TURNS):
        missing = count - np.bincount(taken // n_movies, minlength=len(count))
        user = np.repeat(np.arange(len(count)), 2 * missing)
        which = np.searchsorted(_OWN, rng.random(len(user)))
        anything = (which == len(_OWN)) | (turn >= _TURNS - 2)
        taste = tastes[user, np.minimum(which, 2)]
        film = films.draw.between(
            np.where(anything, 0, taste), np.where(anything, TASTES - 1, taste), rng
        )
        new = np.unique(user * n_movies + film)
        if len(taken):
            nearest = np.minimum(np.searchsorted(taken, new), len(taken) - 1)
            new = new[taken[nearest] != new]
        user = new // n_movies
        order = np.argsort(user + rng.random(len(new)))  # at random within each person
        place = np.arange(len(new)) - np.searchsorted(user, user)
        taken = np.sort(np.concatenate([taken, new[order][place < missing[user]]]), kind="stable")
    return taken // n_movies, taken % n_movies


def _write_movies(shape: Shape, films: _Films, folder: Path, rng: np.random.Generator) -> None:
    n = shape.n_movies
    year = np.clip(2019 - rng.exponential(22, n), 1902, 2019).astype(int).astype(str)
    first, second = rng.choice(_FIRST, n), rng.choice(_SECOND, n)
    number = rng.integers(1, 400, n).astype(str)
    titles = np.strings.add(first + " " + second + " ", number + " (" + year + ")")
    genre = np.array(_GENRES)[
        np.stack([films.taste, 7 * films.taste + 3, rng.integers(TASTES, size=n)]) % len(_GENRES)
    ]  # [3, n_movies]
    genres = np.where(rng.random(n) < 0.5, genre[0] + "|" + genre[1], genre[0])
    genres = np.where(
        (genre[2] != genre[0]) & (genre[2] != genre[1]), genres + "|" + genre[2], genres
    )
    genres = np.where(rng.random(n) < 0.03, "(no genres listed)", genres)
    _write(folder / "movies.csv", {"movieId": films.ids, "title": titles, "genres": genres})
    imdb = np.strings.zfill((rng.permutation(n) + 100_000).astype(str), 7)
    links = {"movieId": films.ids, "imdbId": imdb, "tmdbId": rng.permutation(n) + 1}
    _write(folder / "links.csv", links)


def _write_tags(shape: Shape, films: _Films, folder: Path, rng: np.random.Generator) -> None:
    """Seven of ten tags say something of the film's taste."""
    n, names = shape.tags, shape.tag_names
    everything = np.zeros(n, np.int64)
    film = films.draw.between(everything, everything + TASTES - 1, rng)
    usual = np.cumsum((np.arange(names) + 20.0) ** -1.05)
    tag = np.searchsorted(usual, rng.random(n) * usual[-1])
    of_taste = np.minimum(tag // TASTES * TASTES + films.taste[film], names - 1)
    tag = np.where(rng.random(n) < 0.7, of_taste, tag)
    digits = (37 * tag[:, None] + 11) // len(_SYLLABLES) ** np.arange(4) % len(_SYLLABLES)
    parts = np.array(_SYLLABLES)[digits]  # [n, 4]
    text = parts[:, 0] + parts[:, 1] + " " + parts[:, 2] + parts[:, 3]
    taggers = rng.choice(shape.n_users, max(shape.n_users // 11, 1), replace=False) + 1
    columns = {
        "userId": taggers[rng.integers(len(taggers), size=n)],
        "movieId": films.ids[film],
        "tag": np.where(rng.random(n) < 0.15, np.strings.title(text), text),
        "timestamp": rng.integers(1_140_000_000, 1_574_000_000, n),
    }
    _write(folder / "tags.csv", columns)


def _write(path: Path, columns: dict[str, NDArray]) -> None:
    order = np.lexsort((columns["movieId"], columns.get("userId", columns["movieId"])))
    table = {name: pa.array(column[order]) for name, column in columns.items()}
    csv.write_csv(pa.table(table), path, csv.WriteOptions(quoting_style="needed"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Make data of the shape of a MovieLens release.")
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    make(SHAPES[options.shape], options.folder, options.seed)


if __name__ == "__main__":
    main()
