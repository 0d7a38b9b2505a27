"""MovieLens files → one validated, frozen `MovieData`, and the normalised graph made from it.

Raw ids are the ids in the files; inner ids are row and column numbers (0, 1, 2 …) in ascending
order of the raw ids. Every array outside this module speaks inner ids unless its name says `raw`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sklearn.preprocessing import normalize

from sources import delimited, movielens_files, tag_cleaning
from sources.kept_tables import content_key, keep, kept
from sources.movielens_files import data_files
from sources.tag_cleaning import clean_tags, count_tags, tfidf

NO_GENRES = "(no genres listed)"
# At the end of a title; also "(1975-1979)", "(2007-)", "(2009– )", "(1995) (V)" and "(1983))".
_YEAR = re.compile(r"\(([0-9]{4})(?: ?[–-] ?(?:[0-9]{4})?)?\)(?:\)| \((?:TV|V)\))?\s*$")
_ARTICLES = (
    "The|A|An|Le|La|Les|L'|Un|Une|El|Los|Las|Il|Lo|I|Gli|Der|Die|Das|Ein|Eine|Den|Det|De|O|Os"
)
_TRAILING_ARTICLE = re.compile(rf"^(.*), ({_ARTICLES})$")

_Array = TypeVar("_Array", NDArray, sparse.csr_array)


class UnknownIdError(LookupError):
    """A raw id that the data do not hold; the message is one sentence to show to the user."""


@dataclass(frozen=True, eq=False)
class MovieData:
    """Everything that was read, in inner ids; arrays are read-only, so sessions can share it.

    Attributes:
        directory: the folder that the files came from.
        ratings: csr float32 [n_users, n_movies], stars 0.5–5; one stored entry per rating.
        timestamps: int64 [n_ratings], Unix seconds, in the order of `ratings.data`.
        movies: one row per inner movie id: movie_id, title (as in the file), name (without year,
            article in front), year (Int64, may be missing), genres (tuple), imdb_id, tmdb_id
            (strings, "" when unknown).
        tags: one row per row of tags.csv: user_id (raw), movie (inner), raw, timestamp (Unix
            seconds), tag (cleaned), status ("kept", "noise", "rare" or "empty").
        tag_names: the kept tags, alphabetical; the columns of `tag_counts`.
        tag_counts: csr float32 [n_movies, n_tags], how many people gave the film the tag.
        user_ids, movie_ids: int64, ascending; raw id of each inner id.
        fingerprint: SHA-256 of ratings, films and tags; keys caches and guards checkpoints.
        user_names: what the pages call a user (inner id) by another name than the number.
    """

    directory: Path
    ratings: sparse.csr_array
    timestamps: NDArray[np.int64]
    movies: pd.DataFrame
    tags: pd.DataFrame
    tag_names: tuple[str, ...]
    tag_counts: sparse.csr_array
    user_ids: NDArray[np.int64]
    movie_ids: NDArray[np.int64]
    fingerprint: str
    user_names: Mapping[int, str] = field(default_factory=dict)

    @property
    def n_users(self) -> int:
        return self.ratings.shape[0]

    @property
    def n_movies(self) -> int:
        return self.ratings.shape[1]

    @property
    def n_ratings(self) -> int:
        return self.ratings.nnz

    @cached_property
    def user_degree(self) -> NDArray[np.int64]:
        """Films rated by each user, int64 [n_users]."""
        return _frozen(np.diff(self.ratings.indptr).astype(np.int64))

    @cached_property
    def movie_degree(self) -> NDArray[np.int64]:
        """Ratings of each film, int64 [n_movies]."""
        return _frozen(np.bincount(self.ratings.indices, minlength=self.n_movies))

    @cached_property
    def mean_stars(self) -> NDArray[np.float64]:
        """Mean stars of each film, float64 [n_movies]; NaN without ratings."""
        with np.errstate(invalid="ignore"):
            return _frozen(np.asarray(self.ratings.sum(axis=0)) / self.movie_degree)

    @cached_property
    def popularity(self) -> NDArray[np.float64]:
        """log(1 + ratings) on a scale from 0 to 1, float64 [n_movies]."""
        degree = self.movie_degree
        return _frozen(np.log1p(degree) / np.log1p(max(degree.max(), 1)))

    @cached_property
    def years(self) -> NDArray[np.float64]:
        """Of each film, float64 [n_movies]; NaN without one."""
        return _frozen(self.movies["year"].to_numpy(np.float64, na_value=np.nan, copy=True))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Display title with year of every film, by inner id: `The Matrix (1999)`."""
        years = ["" if pd.isna(year) else f" ({year})" for year in self.movies["year"]]
        names = zip(self.movies["name"], years, strict=True)
        return tuple(f"{name}{year}" for name, year in names)

    def user_name(self, user: int) -> str:
        """What the pages call an (inner) user: `User 7`, by the id of the file, or a name."""
        return self.user_names.get(user) or f"User {self.user_ids[user]}"

    @cached_property
    def canonical(self) -> NDArray[np.int64]:
        """For each film the copy of it that counts: the one with the most ratings, then lowest id.

        Two films are copies where title and year agree ("Emma (1996)", which MovieLens lists twice)
        or the TMDB or IMDb id does. A title without a year is none but its own.

        Int64 [n_movies], inner id → inner id.
        """
        movies = self.movies
        dated = movies["title"].str.casefold().where(movies["year"].notna())
        keys = (dated, _known_id(movies["tmdb_id"]), _known_id(movies["imdb_id"]))
        pairs = np.concatenate([_same(key) for key in keys])  # [n_pairs, 2]
        linked = sparse.coo_array(
            (np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (self.n_movies,) * 2
        )
        n_films, film = connected_components(linked, directed=False)
        best_last = np.lexsort((np.arange(self.n_movies), -self.movie_degree))[::-1]
        best = np.empty(n_films, np.int64)
        best[film[best_last]] = best_last  # the last that is written stays
        return _frozen(best[film])

    @cached_property
    def is_canonical(self) -> NDArray[np.bool_]:
        """Which films are the copy that counts (`canonical`), bool [n_movies]."""
        return _frozen(self.canonical == np.arange(self.n_movies))

    @cached_property
    def genre_names(self) -> tuple[str, ...]:
        return tuple(sorted({genre for genres in self.movies["genres"] for genre in genres}))

    @cached_property
    def tag_features(self) -> sparse.csr_array:
        """TF-IDF of the kept tags, rows of length 1; a film without tags has an empty row.

        csr float32 [n_movies, n_tags].
        """
        return _frozen(tfidf(self.tag_counts))

    @cached_property
    def has_genre(self) -> NDArray[np.bool_]:
        """Which films have which genre, bool [n_movies, n_genres]."""
        column = {genre: i for i, genre in enumerate(self.genre_names)}
        pairs = self.movies["genres"].explode().dropna()
        has = np.zeros((self.n_movies, len(column)), bool)
        has[pairs.index, pairs.map(column).to_numpy(np.int64)] = True
        return _frozen(has)

    @cached_property
    def genre_features(self) -> sparse.csr_array:
        """TF-IDF of the genres, rows of length 1, csr float32 [n_movies, n_genres]."""
        return _frozen(tfidf(sparse.csr_array(self.has_genre.astype(np.float32))))

    @cached_property
    def content_features(self) -> sparse.csr_array:
        """Tags and genres side by side, so that films without tags have a content as well.

        csr float32 [n_movies, n_tags + n_genres], rows of length 1; an empty row without both.
        """
        both = sparse.hstack([self.tag_features, self.genre_features], format="csr")
        if both.shape[1] == 0:
            return both
        return _frozen(sparse.csr_array(normalize(both), dtype=np.float32))

    @cached_property
    def content_names(self) -> tuple[str, ...]:
        """What the columns of `content_features` stand for."""
        return (*self.tag_names, *(f"genre {genre}" for genre in self.genre_names))

    def inner_user(self, raw_user_id: int) -> int:
        """Inner id of a raw user id; raises `UnknownIdError`."""
        return self._inner(self.user_ids, raw_user_id, "user")

    def inner_movie(self, raw_movie_id: int) -> int:
        """Inner id of a raw movie id; raises `UnknownIdError`."""
        return self._inner(self.movie_ids, raw_movie_id, "movie")

    @staticmethod
    def _inner(ids: NDArray[np.int64], raw_id: int, what: str) -> int:
        position = int(np.searchsorted(ids, raw_id))
        if position == len(ids) or ids[position] != raw_id:
            raise UnknownIdError(
                f"There is no {what} {raw_id} in these data; "
                f"{what} ids run from {ids[0]} to {ids[-1]}."
            )
        return position

    def rated_by(self, user: int) -> NDArray[np.int32]:
        """Inner ids of the films that the (inner) user rated, ascending."""
        return self.ratings.indices[self.ratings.indptr[user] : self.ratings.indptr[user + 1]]

    def stars_of(self, user: int) -> NDArray[np.float32]:
        """The user's stars, in the order of `rated_by`."""
        return self.ratings.data[self.ratings.indptr[user] : self.ratings.indptr[user + 1]]

    def times_of(self, user: int) -> NDArray[np.int64]:
        """When the user rated each film, Unix seconds, in the order of `rated_by`."""
        return self.timestamps[self.ratings.indptr[user] : self.ratings.indptr[user + 1]]

    def edge_weights(self, user: int) -> NDArray[np.float64]:
        """1/√(d_u·d_j) for the films j that the user rated, in the order of `rated_by`."""
        degrees = self.movie_degree[self.rated_by(user)].astype(np.float64)
        return 1.0 / np.sqrt(self.user_degree[user] * degrees)


_WORTH_A_COPY = 16 * 2**20  # bytes of the files: smaller ones are read in less than a second


def load_movie_data(directory: Path, copies: Path | None = None) -> MovieData:
    """Read and validate a folder that holds a MovieLens release, in any of its formats.

    Ratings and films are needed; tags and links may be absent.

    Args:
        copies: a folder for binary copies of what was read, by which large data are there at once
            the next time. A copy belongs to the contents of the files, and to the code that read
            them.

    Raises:
        DataError: a file is missing, unreadable, empty or holds an invalid value.
    """
    files = data_files(directory)
    if copies is None or sum(size for _, size, _ in _state(files)) < _WORTH_A_COPY:
        return _read(directory)
    before = _state(files)
    try:
        key = content_key(files, _CODE)
    except OSError:  # which reading will tell
        return _read(directory)
    found = kept(copies, key)
    if found:
        return _from_tables(directory, found)
    data = _read(directory)
    if _state(files) == before:
        keep(copies, key, _to_tables(data))
    return data


_CODE = tuple(
    Path(file).resolve()
    for file in (__file__, delimited.__file__, movielens_files.__file__, tag_cleaning.__file__)
)


def _state(files: tuple[Path, ...]) -> list[tuple[str, int, int]]:
    """Name, size and time of change of each file that may be looked at."""
    found = []
    for path in files:
        with suppress(OSError):
            status = path.stat()
            found.append((path.name, status.st_size, status.st_mtime_ns))
    return found


def _read(directory: Path) -> MovieData:
    tables = movielens_files.read_tables(directory)
    movies = _tidy_movies(tables.movies, tables.links)
    ratings = tables.ratings  # in the order of a canonical CSR
    movie_ids = movies["movie_id"].to_numpy(np.int64)
    user_ids = np.sort(ratings["userId"].unique())
    per_user = np.bincount(_places(user_ids, ratings["userId"].to_numpy()))
    stars = ratings["rating"].to_numpy(np.float32, copy=True)
    rated = _places(movie_ids, ratings["movieId"].to_numpy())
    timestamps = ratings["timestamp"].to_numpy(np.int64, copy=True)
    tags = clean_tags(tables.tags, movie_ids)
    return _assemble(directory, user_ids, per_user, (stars, rated, timestamps), movies, tags)


def _assemble(
    directory: Path,
    user_ids: NDArray[np.int64],
    per_user: NDArray[np.int64],
    ratings: tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]],
    movies: pd.DataFrame,
    tags: pd.DataFrame,
    fingerprint: str | None = None,
) -> MovieData:
    """Args:
    ratings: stars, inner movie ids and timestamps, in the order of users, then films.
    """
    stars, rated, timestamps = ratings
    begins = np.concatenate([[0], per_user.cumsum()]).astype(np.int32)
    matrix = sparse.csr_array((stars, rated, begins), shape=(len(user_ids), len(movies)))
    tag_names, tag_counts = count_tags(tags, len(movies))
    return MovieData(
        directory=directory,
        ratings=_frozen(matrix),
        timestamps=_frozen(timestamps),
        movies=movies,
        tags=tags,
        tag_names=tag_names,
        tag_counts=_frozen(tag_counts),
        user_ids=_frozen(user_ids),
        movie_ids=_frozen(movies["movie_id"].to_numpy(np.int64, copy=True)),
        fingerprint=fingerprint or _fingerprint(matrix, timestamps, user_ids, movies, tags),
    )


def _to_tables(data: MovieData) -> dict[str, pa.Table]:
    """What `_from_tables` makes the same data of."""
    ratings = {
        "stars": data.ratings.data,
        "movie": data.ratings.indices,
        "timestamp": data.timestamps,
    }
    return {
        "ratings": pa.table(ratings, metadata={"fingerprint": data.fingerprint}),
        "users": pa.table({"id": data.user_ids, "ratings": data.user_degree}),
        "movies": pa.Table.from_pandas(data.movies),
        "tags": pa.Table.from_pandas(data.tags),
    }


def _from_tables(directory: Path, tables: dict[str, pa.Table]) -> MovieData:
    ratings, users = tables["ratings"], tables["users"]
    movies = tables["movies"].to_pandas()
    movies["genres"] = [tuple(genres) for genres in movies["genres"]]
    return _assemble(
        directory,
        users.column("id").to_numpy(),
        users.column("ratings").to_numpy(),
        tuple(ratings.column(name).to_numpy() for name in ("stars", "movie", "timestamp")),
        movies,
        tables["tags"].to_pandas(),
        ratings.schema.metadata[b"fingerprint"].decode(),
    )


def normalised_adjacency(interactions: sparse.csr_array) -> sparse.csr_array:
    """Ê = D^-½ A D^-½ of the bipartite graph, users first, then movies.

    The edge user u – movie i weighs 1/√(d_u·d_i); stars play no part (He et al. 2020, eq. 3 and 8).
    A node without edges has an empty row.

    Args:
        interactions: csr [n_users, n_movies]; every stored entry is an edge.

    Returns:
        csr float32, int32 indices, symmetric [n_users + n_movies, n_users + n_movies].
    """
    n_users, n_movies = interactions.shape
    degree = np.diff(interactions.indptr)
    movie_degree = np.bincount(interactions.indices, minlength=n_movies).astype(np.float64)
    weights = 1.0 / np.sqrt(np.repeat(degree, degree) * movie_degree[interactions.indices])
    to_movies = sparse.csr_array(
        (weights.astype(np.float32), interactions.indices, interactions.indptr), interactions.shape
    )
    if not to_movies.has_sorted_indices:
        to_movies = to_movies.sorted_indices()
    to_users = to_movies.T.tocsr()
    # By hand: `block_array` goes by way of coordinates, which takes three times as long.
    parts = (
        np.concatenate([to_movies.data, to_users.data]),
        np.concatenate([to_movies.indices + n_users, to_users.indices]).astype(np.int32),
        np.concatenate([to_movies.indptr, to_movies.nnz + to_users.indptr[1:]]).astype(np.int32),
    )
    return sparse.csr_array(parts, shape=(n_users + n_movies,) * 2)


def display_name(title: str) -> str:
    """`Matrix, The (1999)` → `The Matrix`; other titles in brackets are left out."""
    name = _YEAR.sub("", title).strip()
    main = name.split(" (")[0].strip() or name or title.strip()
    match = _TRAILING_ARTICLE.match(main)
    if not match:
        return main
    space = "" if match[2].endswith("'") else " "
    return f"{match[2]}{space}{match[1]}"


def _tidy_movies(movies: pd.DataFrame, links: pd.DataFrame) -> pd.DataFrame:
    movies = movies.sort_values("movieId").merge(links, on="movieId", how="left")
    title = movies["title"].str.strip()
    genres = movies["genres"].replace(NO_GENRES, "")
    return pd.DataFrame(
        {
            "movie_id": movies["movieId"],
            "title": title,
            "name": title.map(display_name),
            "year": title.str.extract(_YEAR, expand=False).astype("Int64"),
            "genres": [tuple(g for g in text.split("|") if g) for text in genres],
            "imdb_id": movies["imdbId"].fillna("").astype(str),
            "tmdb_id": movies["tmdbId"].fillna("").astype(str),
        }
    )


def _known_id(ids: pd.Series) -> pd.Series:
    numbers = ids.str.lstrip("0")
    return numbers.where(numbers != "")


def _same(keys: pd.Series) -> NDArray[np.int64]:
    """[n, 2]: each film that has a key of several, and the first film that has it."""
    several = keys[keys.notna() & keys.duplicated(keep=False)]
    first = several.index.to_series().groupby(several).transform("min")
    return np.column_stack([several.index.to_numpy(np.int64), first.to_numpy(np.int64)])


def _places(ids: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int32]:
    """Where each value stands in ascending ids: through a table, unless that were the larger."""
    if ids[-1] >= len(values):
        return np.searchsorted(ids, values).astype(np.int32)
    place = np.zeros(ids[-1] + 1, np.int32)
    place[ids] = np.arange(len(ids), dtype=np.int32)
    return place[values]


def _frozen(array: _Array) -> _Array:
    """The same array, made read-only: it is shared between sessions."""
    parts = (array,) if isinstance(array, np.ndarray) else (array.data, array.indices, array.indptr)
    for part in parts:
        part.flags.writeable = False
    return array


def _fingerprint(
    ratings: sparse.csr_array,
    timestamps: NDArray[np.int64],
    user_ids: NDArray[np.int64],
    movies: pd.DataFrame,
    tags: pd.DataFrame,
) -> str:
    digest = hashlib.sha256()
    for array in (ratings.data, ratings.indices, ratings.indptr, timestamps, user_ids):
        digest.update(np.ascontiguousarray(array).data)
    for table in (movies, tags.drop(columns="timestamp")):
        rows = pd.util.hash_pandas_object(table.astype(str), index=False).to_numpy()
        digest.update(np.sort(rows).tobytes())  # the order of the lines means nothing
    return digest.hexdigest()
