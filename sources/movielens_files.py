"""The files of a MovieLens release, in any of its formats, read and checked.

Every fault is one sentence. What the formats are: the README of each release,
https://grouplens.org/datasets/movielens/.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sources.delimited import CSV, DataError, Dialect, first_line, read_optional, read_table

MIN_STARS, MAX_STARS = 0.5, 5.0
_LAST_SECOND = 253_402_300_799  # of the year 9999, the last that dates are written in

_RATINGS = {"userId": "int64", "movieId": "int64", "rating": "float64", "timestamp": "int64"}
_MOVIES = {"movieId": "int64", "title": "str", "genres": "str"}
_TAGS = {"userId": "int64", "movieId": "int64", "tag": "str", "timestamp": "int64"}
_LINKS = {"movieId": "int64", "imdbId": "str", "tmdbId": "str"}
# The flags at the end of each line of u.item, in their order; "unknown" is none.
_FLAGS = (
    *("unknown", "Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary"),
    *("Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi"),
    *("Thriller", "War", "Western"),
)


@dataclass(frozen=True, eq=False)
class Tables:
    """The files as they are, with raw ids; the index holds the line of each row in its file.

    Attributes:
        ratings: userId, movieId, rating, timestamp; ascending by userId, then movieId.
        movies: movieId, title, genres.
        tags: userId, movieId, tag, timestamp; empty without the file.
        links: movieId, imdbId, tmdbId; empty without the file.
    """

    ratings: pd.DataFrame
    movies: pd.DataFrame
    tags: pd.DataFrame
    links: pd.DataFrame


@dataclass(frozen=True)
class Layout:
    """What the files of a release are called and how they are written.

    Attributes:
        ratings, movies: without them there are no data.
        tags, links: may be absent.
        separator: between fields where no header names the columns.
    """

    ratings: str
    movies: str
    tags: str
    links: str
    separator: str | None = None

    def dialect(self, columns: dict[str, str]) -> Dialect:
        return CSV if self.separator is None else Dialect(self.separator, tuple(columns))

    def lies_in(self, folder: Path) -> bool:
        # And not Path.is_file, which raises where it may not look.
        return all(os.path.isfile(folder / name) for name in (self.ratings, self.movies))

    @property
    def files(self) -> tuple[str, ...]:
        return self.ratings, self.movies, self.tags, self.links


CSV_LAYOUT = Layout("ratings.csv", "movies.csv", "tags.csv", "links.csv")
_DAT_LAYOUT = Layout("ratings.dat", "movies.dat", "tags.dat", "links.dat", "::")  # 1M, 10M
_U_LAYOUT = Layout("u.data", "u.item", "u.tags", "u.links", "\t")  # 100K
_LAYOUTS = (CSV_LAYOUT, _DAT_LAYOUT, _U_LAYOUT)


def layout_of(folder: Path) -> Layout | None:
    """How the release in a folder is written; None where none lies there."""
    return next((layout for layout in _LAYOUTS if layout.lies_in(folder)), None)


def data_files(folder: Path) -> tuple[Path, ...]:
    """The files that the release in a folder is read from, those that are there."""
    layout = layout_of(folder) or CSV_LAYOUT
    return tuple(folder / name for name in layout.files if os.path.isfile(folder / name))


def read_tables(directory: Path) -> Tables:
    """Read and validate a folder that holds a MovieLens release.

    Ratings and films are needed; tags and links may be absent.

    Raises:
        DataError: a file is missing, unreadable, empty or holds an invalid value.
    """
    layout = layout_of(directory) or CSV_LAYOUT
    ratings_file, movies_file, tags_file, links_file = (directory / n for n in layout.files)
    ratings = read_table(ratings_file, _RATINGS, layout.dialect(_RATINGS))
    movies = _read_movies(movies_file, layout)
    tags = read_optional(tags_file, _TAGS, layout.dialect(_TAGS))
    links = read_optional(links_file, _LINKS, layout.dialect(_LINKS))
    _check_movies(layout.movies, movies)
    ordered = _in_order(ratings)  # then no line can be there twice
    _check_ratings(layout, ratings, movies, ordered)
    if not ordered:
        ratings = ratings.sort_values(["userId", "movieId"])
    for name, table in ((layout.tags, tags), (layout.links, links)):
        _check_known_movies(name, table, movies, layout.movies)
    if links["movieId"].duplicated().any():
        raise DataError(f"{layout.links} lists a movieId twice; keep one line per film.")
    return Tables(ratings, movies, tags, links)


def _read_movies(path: Path, layout: Layout) -> pd.DataFrame:
    if layout is not _U_LAYOUT:
        return read_table(path, _MOVIES, layout.dialect(_MOVIES))
    names = ("movieId", "title", "released", "on video", "address", *_FLAGS)
    table = read_table(
        path,
        {"movieId": "int64", "title": "str", **dict.fromkeys(_FLAGS, "int64")},
        Dialect("|", names),
    )
    flags = table[list(_FLAGS[1:])].to_numpy() != 0  # [n_movies, n_genres]
    genres = ["|".join(np.array(_FLAGS[1:])[row]) for row in flags]
    return table[["movieId", "title"]].assign(genres=pd.Series(genres, table.index, dtype=str))


# --- checking -------------------------------------------------------------------------------------


def _check_movies(name: str, movies: pd.DataFrame) -> None:
    if movies.empty:
        raise DataError(f"{name} lists no film; restore the original file.")
    if (movies["movieId"] < 0).any():
        raise DataError(f"{name} holds a negative movieId; ids are whole numbers from 0 up.")
    if movies["title"].str.strip().eq("").any():
        line = first_line(movies["title"].str.strip().eq(""))
        raise DataError(f"{name}, line {line}: the title is empty; every film needs one.")
    twice = movies.loc[movies["movieId"].duplicated(), "movieId"]
    if len(twice):
        raise DataError(f"{name} lists movieId {twice.iloc[0]} twice; keep one line per film.")


def _check_ratings(
    layout: Layout, ratings: pd.DataFrame, movies: pd.DataFrame, ordered: bool
) -> None:
    name = layout.ratings
    if ratings.empty:
        raise DataError(f"{name} holds no rating; restore the original file.")
    if (ratings["userId"] < 0).any():
        raise DataError(f"{name} holds a negative userId; ids are whole numbers from 0 up.")
    stars = ratings["rating"]
    bad = ~(stars.between(MIN_STARS, MAX_STARS) & (np.rint(stars * 2) == stars * 2))
    if bad.any():
        value = stars[bad].iloc[0]
        raise DataError(
            f"{name}, line {first_line(bad)}: {value:g} is not a star rating; "
            f"ratings go from {MIN_STARS} to {MAX_STARS:g} in halves."
        )
    outside = ~ratings["timestamp"].between(0, _LAST_SECOND)
    if outside.any():
        raise DataError(
            f"{name}, line {first_line(outside)}: the timestamp "
            f"{ratings.loc[outside, 'timestamp'].iloc[0]} is no time in seconds since 1970; "
            "correct the line or restore the original file."
        )
    if not ordered:
        twice = ratings.duplicated(["userId", "movieId"])
        if twice.any():
            user, movie = ratings.loc[twice, ["userId", "movieId"]].iloc[0]
            raise DataError(
                f"{name}, line {first_line(twice)}: user {user} rates movie {movie} a second "
                "time; keep one rating per user and film."
            )
    _check_known_movies(name, ratings, movies, layout.movies)


def _in_order(ratings: pd.DataFrame) -> bool:
    """Whether the rows ascend by userId, then movieId, and no pair is there twice."""
    users, movies = ratings["userId"].to_numpy(), ratings["movieId"].to_numpy()
    later = users[1:] > users[:-1]
    later |= (users[1:] == users[:-1]) & (movies[1:] > movies[:-1])
    return bool(later.all())


def _check_known_movies(
    name: str, table: pd.DataFrame, movies: pd.DataFrame, movies_name: str
) -> None:
    known = np.isin(table["movieId"].to_numpy(), movies["movieId"].to_numpy())
    if not known.all():
        unknown = pd.Series(~known, table.index)
        movie = table.loc[unknown, "movieId"].iloc[0]
        raise DataError(
            f"{name}, line {first_line(unknown)}: movieId {movie} is not in {movies_name}; "
            "use files from the same MovieLens release."
        )
