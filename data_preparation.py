"""MovieLens files → one validated, frozen `MovieData`, and the normalised graph made from it.

Raw ids are the ids in the files; inner ids are row and column numbers (0, 1, 2 …) in ascending
order of the raw ids. Every array outside this module speaks inner ids unless its name says `raw`.
"""

from __future__ import annotations

import csv
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

MIN_STARS, MAX_STARS = 0.5, 5.0
MIN_FILMS_PER_TAG = 2  # a tag on a single film cannot say that two films are alike
NO_GENRES = "(no genres listed)"

# Tags about the viewer's shelf or to-do list rather than about the film, in cleaned form.
NOISE_TAGS = frozenset(
    {"in netflix queue", "netflix", "not available from netflix", "netflix finland", "library"}
    | {"seen", "not seen", "unseen", "seen more than once", "seen at the cinema", "watched"}
    | {"to see", "to watch", "want to see", "want to see again", "must see", "rewatch", "todo"}
    | {"watchlist", "watch list", "own", "owned", "own it", "dvd", "dvds", "on dvd", "bd r"}
    | {"dvd r", "dvd ram", "vhs", "blu ray", "tivo", "my dvds", "my movies", "erlends dvds"}
    | {"favorite", "favorites", "my favorite", "my favorites", "favourite", "favourites"}
    | {"my favourite", "my favourites", "imdb top 250", "less than 300 ratings"}
    | {"tag", "test", "movie", "movies", "film", "films"}
)

_SQUEEZED_NOISE = frozenset(tag.replace(" ", "") for tag in NOISE_TAGS)

_RATINGS = {"userId": "int64", "movieId": "int64", "rating": "float64", "timestamp": "int64"}
_MOVIES = {"movieId": "int64", "title": "str", "genres": "str"}
_TAGS = {"userId": "int64", "movieId": "int64", "tag": "str", "timestamp": "int64"}
_LINKS = {"movieId": "int64", "imdbId": "str", "tmdbId": "str"}

_YEAR = re.compile(r"\(([0-9]{4})(?:[–-][0-9]{4})?\)\s*$")
_ARTICLES = (
    "The|A|An|Le|La|Les|L'|Un|Une|El|Los|Las|Il|Lo|I|Gli|Der|Die|Das|Ein|Eine|Den|Det|De|O|Os"
)
_TRAILING_ARTICLE = re.compile(rf"^(.*), ({_ARTICLES})$")


_Array = TypeVar("_Array", NDArray, sparse.csr_array)


class DataError(ValueError):
    """The files cannot be used; the message is one sentence to show to the user."""


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
        tags: one row per row of tags.csv: user_id (raw), movie (inner), raw, tag (cleaned), status
            ("kept", "noise", "rare" or "empty").
        tag_names: the kept tags, alphabetical; the columns of `tag_counts`.
        tag_counts: csr float32 [n_movies, n_tags], how many people gave the film the tag.
        user_ids, movie_ids: int64, ascending; raw id of each inner id.
        fingerprint: SHA-256 of ratings, films and tags; keys caches and guards checkpoints.
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
    def labels(self) -> tuple[str, ...]:
        """Display title with year of every film, by inner id: `The Matrix (1999)`."""
        years = ["" if pd.isna(year) else f" ({year})" for year in self.movies["year"]]
        names = zip(self.movies["name"], years, strict=True)
        return tuple(f"{name}{year}" for name, year in names)

    @cached_property
    def genre_names(self) -> tuple[str, ...]:
        return tuple(sorted({genre for genres in self.movies["genres"] for genre in genres}))

    @cached_property
    def tag_features(self) -> sparse.csr_array:
        """TF-IDF of the kept tags, rows of length 1; a film without tags has an empty row.

        csr float32 [n_movies, n_tags].
        """
        return tfidf(self.tag_counts)

    @cached_property
    def genre_features(self) -> sparse.csr_array:
        """TF-IDF of the genres, rows of length 1, csr float32 [n_movies, n_genres]."""
        column = {genre: i for i, genre in enumerate(self.genre_names)}
        pairs = self.movies["genres"].explode().dropna()
        membership = sparse.coo_array(
            (np.ones(len(pairs), np.float32), (pairs.index, pairs.map(column))),
            shape=(self.n_movies, len(column)),
        )
        return tfidf(membership.tocsr())

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

    def edge_weights(self, user: int) -> NDArray[np.float64]:
        """1/√(d_u·d_j) for the films j that the user rated, in the order of `rated_by`."""
        degrees = self.movie_degree[self.rated_by(user)].astype(np.float64)
        return 1.0 / np.sqrt(self.user_degree[user] * degrees)


def load_movie_data(directory: Path) -> MovieData:
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

    movies = _tidy_movies(movies, links)
    movie_ids = movies["movie_id"].to_numpy(np.int64, copy=True)
    user_ids = np.unique(ratings["userId"].to_numpy())
    ratings = ratings.sort_values(["userId", "movieId"])  # the order of a canonical CSR
    rows = np.searchsorted(user_ids, ratings["userId"])
    matrix = sparse.csr_array(
        (
            ratings["rating"].to_numpy(np.float32, copy=True),
            np.searchsorted(movie_ids, ratings["movieId"]).astype(np.int32),
            np.concatenate([[0], np.bincount(rows).cumsum()]).astype(np.int32),
        ),
        shape=(len(user_ids), len(movie_ids)),
    )
    timestamps = ratings["timestamp"].to_numpy(np.int64, copy=True)
    tags = clean_tags(tags, movie_ids)
    tag_names, tag_counts = _count_tags(tags, len(movie_ids))
    return MovieData(
        directory=directory,
        ratings=_frozen(matrix),
        timestamps=_frozen(timestamps),
        movies=movies,
        tags=tags,
        tag_names=tag_names,
        tag_counts=_frozen(tag_counts),
        user_ids=_frozen(user_ids),
        movie_ids=_frozen(movie_ids),
        fingerprint=_fingerprint(matrix, timestamps, user_ids, movies, tags),
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
    edges = interactions.tocoo()
    users, movies = edges.row, edges.col
    user_degree = np.bincount(users, minlength=interactions.shape[0])
    movie_degree = np.bincount(movies, minlength=interactions.shape[1])
    weights = 1.0 / np.sqrt(user_degree[users] * movie_degree[movies].astype(np.float64))
    block = sparse.coo_array((weights.astype(np.float32), (users, movies)), interactions.shape)
    adjacency = sparse.block_array([[None, block], [block.T, None]], format="csr")
    adjacency.sort_indices()
    adjacency.indices = adjacency.indices.astype(np.int32)
    adjacency.indptr = adjacency.indptr.astype(np.int32)
    return adjacency


def tfidf(counts: sparse.csr_array) -> sparse.csr_array:
    """TF-IDF with 1 + log tf, rows scaled to length 1 (empty rows stay empty); csr float32."""
    if counts.shape[1] == 0:
        return counts
    features = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    return _frozen(sparse.csr_array(features, dtype=np.float32))


# --- tags -----------------------------------------------------------------------------------------


def normalise_tag(raw: str) -> str:
    """Fold case, accents' encoding, punctuation and spacing: " Sci-Fi! " → "sci fi".

    Words stay together, so "time travel" is one tag. Apostrophes vanish ("tumey's" → "tumeys").
    """
    text = re.sub(r"['’`´]", "", raw)  # before NFKC, which turns ´ into a space
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text)
    return " ".join("".join(kept).split())


def clean_tags(tags: pd.DataFrame, movie_ids: NDArray[np.int64]) -> pd.DataFrame:
    """Clean tag assignments and say of each what became of it.

    Spellings that differ only in spacing ("sci fi", "scifi") become their most frequent form.

    Args:
        tags: columns userId, movieId, tag, as read.
        movie_ids: int64 [n_movies], ascending raw ids.

    Returns:
        user_id (raw), movie (inner), raw, tag (cleaned), status: "kept", "noise" (about the viewer,
        `NOISE_TAGS`), "rare" (on fewer than `MIN_FILMS_PER_TAG` films) or "empty" (no letters).
    """
    raw = tags["tag"].astype(str)
    normal = raw.map({text: normalise_tag(text) for text in raw.unique()}).astype(str)
    squeezed = normal.str.replace(" ", "", regex=False)
    forms = pd.DataFrame({"squeezed": squeezed, "normal": normal}).value_counts().reset_index()
    forms = forms.sort_values(["count", "normal"], ascending=[False, True])
    usual_form = forms.drop_duplicates("squeezed").set_index("squeezed")["normal"]
    tag = squeezed.map(usual_form).astype(str)
    movie = np.searchsorted(movie_ids, tags["movieId"])
    films_with = pd.Series(movie).groupby(tag.to_numpy()).transform("nunique").to_numpy()
    status = np.select(
        [tag == "", squeezed.isin(_SQUEEZED_NOISE), films_with < MIN_FILMS_PER_TAG],
        ["empty", "noise", "rare"],
        default="kept",
    )
    return pd.DataFrame(
        {
            "user_id": tags["userId"].to_numpy(),
            "movie": movie,
            "raw": raw.to_numpy(),
            "tag": tag.to_numpy(),
            "status": status,
        }
    )


def _count_tags(tags: pd.DataFrame, n_movies: int) -> tuple[tuple[str, ...], sparse.csr_array]:
    """Kept tag names and the csr float32 [n_movies, n_tags] of how many people gave each."""
    kept = tags.loc[tags["status"] == "kept", ["user_id", "movie", "tag"]].drop_duplicates()
    names = tuple(sorted(kept["tag"].unique()))
    columns = kept["tag"].map({name: i for i, name in enumerate(names)})
    counts = sparse.coo_array(
        (np.ones(len(kept), np.float32), (kept["movie"], columns.astype(np.int64))),
        shape=(n_movies, len(names)),
    )
    return names, counts.tocsr()


# --- films ----------------------------------------------------------------------------------------


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


# --- reading and checking -------------------------------------------------------------------------


def _read_optional(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    if path.exists():
        return _read_table(path, columns)
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


def _read_table(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    """Read the named columns with their types; every fault becomes a one-sentence `DataError`.

    The index counts the lines after the header from 0, blank lines included.
    """
    options = {"encoding": "utf-8-sig", "keep_default_na": False, "skip_blank_lines": False}
    try:
        header = list(pd.read_csv(path, nrows=0, **options).columns)
        missing = [name for name in columns if name not in header]
        if missing:
            raise DataError(
                f"{path.name} lacks the column {missing[0]!r}; its columns are "
                f"{', '.join(map(repr, header))}, and {', '.join(columns)} are needed."
            )
        try:
            table = pd.read_csv(path, dtype=columns, **options)
            usable = not table[list(columns)].isna().any(axis=None) and _is_regular(table, path)
        except (ValueError, OverflowError) as error:
            if isinstance(error, UnicodeDecodeError | pd.errors.ParserError):
                raise
            usable = False
        if not usable:  # a slower second look, to name the line or to drop blank ones
            table = _checked(path, header, columns)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(
            f"{path.name} is missing from {path.parent}; put the MovieLens files there."
        ) from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{path.name} is empty; restore the original file.") from None
    except pd.errors.ParserError as error:
        raise DataError(_parser_sentence(path.name, str(error))) from None
    except csv.Error:
        raise DataError(_parser_sentence(path.name, "")) from None
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not UTF-8 text; restore the original file.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    return table[list(columns)]


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
    "int64": (r"\s*[+-]?[0-9]{1,18}\s*", "a whole number"),
    "float64": (r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*", "a number"),
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


def _frozen(array: _Array) -> _Array:
    """The same array, made read-only: it is shared between sessions."""
    parts = (array.data, array.indices, array.indptr) if sparse.issparse(array) else (array,)
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
        digest.update(np.ascontiguousarray(array).tobytes())
    for table in (movies, tags):
        rows = pd.util.hash_pandas_object(table.astype(str), index=False).to_numpy()
        digest.update(np.sort(rows).tobytes())  # the order of the lines means nothing
    return digest.hexdigest()
