"""The CSV files in MovieLens format, read and checked; every fault is one sentence."""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sources.files import kind, note, reason

MIN_STARS, MAX_STARS = 0.5, 5.0
_LAST_SECOND = 253_402_300_799  # of the year 9999, the last that dates are written in

_RATINGS = {"userId": "int64", "movieId": "int64", "rating": "float64", "timestamp": "int64"}
_MOVIES = {"movieId": "int64", "title": "str", "genres": "str"}
_TAGS = {"userId": "int64", "movieId": "int64", "tag": "str", "timestamp": "int64"}
_LINKS = {"movieId": "int64", "imdbId": "str", "tmdbId": "str"}


class DataError(ValueError):
    """The files cannot be used; the message is one sentence to show to the user."""


@dataclass(frozen=True, eq=False)
class Tables:
    """The files as they are, with raw ids; the index counts the lines after the header from 0.

    Attributes:
        ratings: userId, movieId, rating, timestamp.
        movies: movieId, title, genres.
        tags: userId, movieId, tag, timestamp; empty without the file.
        links: movieId, imdbId, tmdbId; empty without the file.
    """

    ratings: pd.DataFrame
    movies: pd.DataFrame
    tags: pd.DataFrame
    links: pd.DataFrame


def read_tables(directory: Path) -> Tables:
    """Read and validate a folder in MovieLens format.

    ratings.csv and movies.csv are needed; tags.csv and links.csv may be absent.

    Raises:
        DataError: a file is missing, unreadable, empty or holds an invalid value.
    """
    ratings = _read_table(directory / "ratings.csv", _RATINGS)
    movies = _read_table(directory / "movies.csv", _MOVIES)
    tags = _read_optional(directory / "tags.csv", _TAGS)
    links = _read_optional(directory / "links.csv", _LINKS)
    _check_movies(movies)
    _check_ratings(ratings, movies)
    for name, table in (("tags.csv", tags), ("links.csv", links)):
        _check_known_movies(name, table, movies)
    if links["movieId"].duplicated().any():
        raise DataError("links.csv lists a movieId twice; keep one line per film.")
    return Tables(ratings, movies, tags, links)


# --- reading --------------------------------------------------------------------------------------


def _read_optional(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    if os.path.exists(path):  # and not Path.exists, which raises where it may not look
        return _read_table(path, columns)
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


def _read_table(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    """Read the named columns with their types; every fault becomes a one-sentence `DataError`.

    The index counts the lines after the header from 0, blank lines included.
    """
    try:
        other = kind(path)
        if other:  # opening a pipe would wait for a writer
            raise DataError(f"{path.name} is {other}; put the MovieLens file in its place.")
        header = _header(path, columns)
        table = _quickly(path, columns)
        if table is None:  # a slower second look, to name the line or to drop blank ones
            table = _checked(path, header, columns)
        return table[list(columns)]
    except DataError:
        raise
    except FileNotFoundError:
        note(f"{path} is missing")
        raise DataError(
            f"{path.name} is missing from the folder of the data; put the MovieLens files there."
        ) from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{path.name} is empty; restore the original file.") from None
    except pd.errors.ParserError as error:
        raise DataError(_parser_sentence(path.name, str(error))) from None
    except csv.Error:
        raise DataError(_parser_sentence(path.name, "")) from None
    except UnicodeDecodeError:
        raise DataError(
            f"{path.name} is not UTF-8 text; save it as UTF-8 or restore the original file."
        ) from None
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {reason(error)}.") from None


def _header(path: Path, columns: dict[str, str]) -> list[str]:
    """The names in the first line, the needed ones among them; raises as reading a file does."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    if not header:
        raise pd.errors.EmptyDataError
    missing = [name for name in columns if name not in header]
    if missing:
        raise DataError(
            f"{path.name} lacks the column {missing[0]!r}; its columns are "
            f"{', '.join(map(repr, header))}, and {', '.join(columns)} are needed."
        )
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        raise DataError(f"{path.name} has the column {twice[0]!r} twice; keep one of them.")
    return header


def _quickly(path: Path, columns: dict[str, str]) -> pd.DataFrame | None:
    """The table as pandas reads it, if that is beyond doubt; raises as reading a file does."""
    # Whole numbers have no dtype here: pandas would let 1e3 pass, and round by way of floats.
    kinds = {name: kind for name, kind in columns.items() if kind != "int64"}
    options = {"encoding": "utf-8-sig", "keep_default_na": False, "skip_blank_lines": False}
    try:
        table = pd.read_csv(path, dtype=kinds, **options)
    except (ValueError, OverflowError) as error:
        if isinstance(error, UnicodeDecodeError | pd.errors.ParserError):
            raise
        return None
    whole = all(table[name].dtype == "int64" for name in columns if name not in kinds)
    complete = not table[list(columns)].isna().any(axis=None)
    usable = whole and complete and _is_regular(table, path)
    return table if usable and not _has_line_breaks(table, columns) else None


def _has_line_breaks(table: pd.DataFrame, columns: dict[str, str]) -> bool:
    """Whether a text spans lines, so that rows and lines of the file are not counted alike."""
    texts = [name for name, kind in columns.items() if kind == "str"]
    return any(table[name].str.contains("\n", regex=False).any() for name in texts)


def _is_regular(table: pd.DataFrame, path: Path) -> bool:
    """Whether every line has as many fields as the header, where pandas would not complain.

    pandas takes surplus fields of the first line for an index, and fills short lines of text up.
    """
    if not isinstance(table.index, pd.RangeIndex):
        return False
    if all(pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes):
        return True  # a field that is absent is NaN, which the caller sees
    with path.open(encoding="utf-8-sig", newline="") as file:
        return all(len(row) == table.shape[1] for row in csv.reader(file))


def _checked(path: Path, header: list[str], columns: dict[str, str]) -> pd.DataFrame:
    """The table without its blank lines; a `DataError` names the first line that has a fault."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        lines = [(reader.line_num, row) for row in reader]
    for line, row in lines[1:]:
        if row and len(row) != len(header):
            raise DataError(_field_count_sentence(path.name, line, len(row), len(header)))
    full = [(line, row) for line, row in lines[1:] if any(row)]
    index = [line - 2 for line, _ in full]
    text = pd.DataFrame([row for _, row in full], index, columns=header, dtype=str)
    for column in columns:
        if columns[column] not in _NUMBERS:
            continue
        pattern, kind_name = _NUMBERS[columns[column]]
        bad = ~text[column].str.fullmatch(pattern)
        if bad.any():
            raise DataError(
                f"{path.name}, line {_first(bad)}: {text.loc[bad, column].iloc[0]!r} in the column "
                f"{column} is not {kind_name}; correct the line or restore the original file."
            )
    return text[list(columns)].astype(columns)


_NUMBERS = {
    "int64": (r"[ \t]*[+-]?[0-9]{1,18}[ \t]*", "a whole number"),
    "float64": (r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?[ \t]*", "a number"),
}


def _field_count_sentence(name: str, line: int, saw: int, expected: int) -> str:
    return (
        f"{name}, line {line}: it has {saw} fields where the header has {expected}; "
        "correct the line, or restore the original if the file was cut off."
    )


def _parser_sentence(name: str, message: str) -> str:
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if found:
        expected, line, saw = map(int, found.groups())
        return _field_count_sentence(name, line, saw, expected)
    return f"{name} is not a readable CSV file; restore the original file."


# --- checking -------------------------------------------------------------------------------------


def _check_movies(movies: pd.DataFrame) -> None:
    if movies.empty:
        raise DataError("movies.csv lists no film; restore the original file.")
    if (movies["movieId"] < 0).any():
        raise DataError("movies.csv holds a negative movieId; ids are whole numbers from 0 up.")
    if movies["title"].str.strip().eq("").any():
        line = _first(movies["title"].str.strip().eq(""))
        raise DataError(f"movies.csv, line {line}: the title is empty; every film needs one.")
    twice = movies.loc[movies["movieId"].duplicated(), "movieId"]
    if len(twice):
        raise DataError(f"movies.csv lists movieId {twice.iloc[0]} twice; keep one line per film.")


def _check_ratings(ratings: pd.DataFrame, movies: pd.DataFrame) -> None:
    if ratings.empty:
        raise DataError("ratings.csv holds no rating; restore the original file.")
    if (ratings["userId"] < 0).any():
        raise DataError("ratings.csv holds a negative userId; ids are whole numbers from 0 up.")
    stars = ratings["rating"]
    bad = ~(stars.between(MIN_STARS, MAX_STARS) & (stars * 2 % 1 == 0))
    if bad.any():
        value = stars[bad].iloc[0]
        raise DataError(
            f"ratings.csv, line {_first(bad)}: {value:g} is not a star rating; "
            f"ratings go from {MIN_STARS} to {MAX_STARS:g} in halves."
        )
    outside = ~ratings["timestamp"].between(0, _LAST_SECOND)
    if outside.any():
        raise DataError(
            f"ratings.csv, line {_first(outside)}: the timestamp "
            f"{ratings.loc[outside, 'timestamp'].iloc[0]} is no time in seconds since 1970; "
            "correct the line or restore the original file."
        )
    twice = ratings.duplicated(["userId", "movieId"])
    if twice.any():
        user, movie = ratings.loc[twice, ["userId", "movieId"]].iloc[0]
        raise DataError(
            f"ratings.csv, line {_first(twice)}: user {user} rates movie {movie} a second time; "
            "keep one rating per user and film."
        )
    _check_known_movies("ratings.csv", ratings, movies)


def _check_known_movies(name: str, table: pd.DataFrame, movies: pd.DataFrame) -> None:
    unknown = ~table["movieId"].isin(movies["movieId"])
    if unknown.any():
        movie = table.loc[unknown, "movieId"].iloc[0]
        raise DataError(
            f"{name}, line {_first(unknown)}: movieId {movie} is not in movies.csv; "
            "use files from the same MovieLens release."
        )


def _first(fault: pd.Series) -> int:
    """The line in the file of the first True; the header is line 1."""
    return int(fault.index[fault.to_numpy().argmax()]) + 2
