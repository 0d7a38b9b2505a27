"""Tags: how often, what cleaning did, which go together, and where they lie in the space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse
from scipy.cluster.hierarchy import leaves_list, linkage
from sklearn.preprocessing import normalize

from data_preparation import MovieData
from sources.tag_cleaning import MIN_FILMS_PER_TAG

LEAST_FILMS = 8  # with a tag or genre: fewer are too few to say where it lies, or to measure it on
PAIRED_TAGS = 1000  # of which pairs are counted: those on most films

# Why cleaning dropped a tag, by its status.
REASONS = {
    "rare": f"on fewer than {MIN_FILMS_PER_TAG} films: it cannot say that two films are alike",
    "noise": "about the viewer's shelf or plans, not about the film",
    "empty": "no letter or digit in it",
}


@dataclass(frozen=True, eq=False)
class TagTables:
    """What the tags are without any model, from the functions of this module.

    Attributes:
        raw: `raw_frequencies`.
        cleaned: `tag_frequencies`.
        removed: `removed_tags`.
        together: `co_occurrence`.
        best_pair: the first row of `tag_pairs`, of pairs on any number of films; empty where no
            two tags meet.
    """

    raw: pd.DataFrame
    cleaned: pd.DataFrame
    removed: pd.DataFrame
    together: pd.DataFrame
    best_pair: pd.DataFrame


def tag_tables(data: MovieData) -> TagTables:
    return TagTables(
        raw_frequencies(data),
        tag_frequencies(data),
        removed_tags(data),
        co_occurrence(data),
        tag_pairs(data, min_films=1).head(1),
    )


# --- frequencies and cleaning ---------------------------------------------------------------------


def raw_frequencies(data: MovieData) -> pd.DataFrame:
    """Tags as typed, by number of films: raw, films, tag (cleaned), status."""
    table = data.tags.groupby("raw", sort=False).agg(
        films=("movie", "nunique"), tag=("tag", "first"), status=("status", "first")
    )
    return table.reset_index().sort_values(
        ["films", "raw"], ascending=[False, True], ignore_index=True
    )


def tag_frequencies(data: MovieData) -> pd.DataFrame:
    """Kept tags by number of films: tag, films, usual_films, uses, spellings; most films first.

    `usual_films` are the films with the most used spelling alone, so `films` less that is what
    merging the spellings added. `spellings` lists the raw forms, most used first.
    """
    kept = data.tags[data.tags["status"] == "kept"].rename_axis("position").reset_index()
    if kept.empty:
        return pd.DataFrame(columns=["tag", "films", "usual_films", "uses", "spellings"])
    spellings = kept.groupby(["tag", "raw"], sort=False, as_index=False).agg(
        films=("movie", "nunique"), uses=("movie", "size"), first=("position", "min")
    )
    spellings = spellings.sort_values(["tag", "uses", "first"], ascending=[True, False, True])
    by_tag = spellings.groupby("tag")
    table = kept.groupby("tag").agg(films=("movie", "nunique"), uses=("movie", "size"))
    table.insert(1, "usual_films", by_tag["films"].max())
    ends = np.concatenate([[0], by_tag.size().to_numpy().cumsum()]).astype(np.int32)
    lists = pa.ListArray.from_arrays(ends, pa.array(spellings["raw"], pa.string()))
    table["spellings"] = pc.binary_join(lists, ", ").to_pandas().to_numpy()
    return table.reset_index().sort_values(
        ["films", "tag"], ascending=[False, True], ignore_index=True
    )


def removed_tags(data: MovieData, examples: int = 5) -> pd.DataFrame:
    """What cleaning dropped: status, why, assignments, distinct, examples (most used first)."""
    rows = []
    for status, why in REASONS.items():
        tags = data.tags.loc[data.tags["status"] == status, "raw"]
        frequent = tags.value_counts().index
        if len(tags):
            rows.append((status, why, len(tags), len(frequent), ", ".join(frequent[:examples])))
    return pd.DataFrame(rows, columns=["status", "why", "assignments", "distinct", "examples"])


# --- co-occurrence --------------------------------------------------------------------------------


def tag_pairs(data: MovieData, min_films: int = 3) -> pd.DataFrame:
    """Tags that describe the same films: first, second, films (with both), lift.

    Lift is how many times more often the two meet than if they were independent; pairs that meet
    on fewer than `min_films` films are left out as chance. Only `frequent_tags` are looked at.
    """
    tags = frequent_tags(data)
    together = sparse.triu(_meetings(data, tags), k=1).tocoo()
    enough = together.data >= min_films
    first, second = tags[together.row[enough]], tags[together.col[enough]]
    table = _pairs(data, first, second, together.data[enough])
    return table.sort_values(["films", "lift"], ascending=False, ignore_index=True)


def co_occurrence(data: MovieData, n_tags: int = 20) -> pd.DataFrame:
    """The tags that meet others most, every ordered pair of them: first, second, films, lift.

    The rows come in an order that puts tags of the same films side by side (average linkage of
    the cosines between the tags' films). Empty when no two tags meet. Only `frequent_tags` are
    looked at.
    """
    tags = frequent_tags(data)
    meetings = _meetings(data, tags)
    meetings.setdiag(0)
    total = np.asarray(meetings.sum(axis=0)).ravel()
    chosen = np.argsort(-total, kind="stable")[:n_tags]
    chosen = chosen[total[chosen] > 0]
    if not len(chosen):
        return pd.DataFrame(columns=["first", "second", "films", "lift"])
    carries = normalize(movie_tags(data)[:, tags[chosen]].T).toarray()  # [n_chosen, n_movies]
    chosen = chosen[leaves_list(linkage(carries, "average"))]
    first, second = (grid.ravel() for grid in np.meshgrid(chosen, chosen, indexing="ij"))
    films = meetings[chosen][:, chosen].toarray().ravel()
    table = _pairs(data, tags[first], tags[second], films)
    return table[first != second].reset_index(drop=True)


def frequent_tags(data: MovieData) -> NDArray[np.int64]:
    """The tags on most films, at most `PAIRED_TAGS`, ascending: all pairs of more have no room."""
    films_with = np.asarray(movie_tags(data).sum(axis=0)).ravel()
    return np.sort(np.argsort(-films_with, kind="stable")[:PAIRED_TAGS])


def _pairs(
    data: MovieData, first: NDArray[np.int64], second: NDArray[np.int64], films: NDArray
) -> pd.DataFrame:
    """One row per pair of tags (columns of `tag_counts`): first, second, films, lift."""
    names = np.array(data.tag_names, dtype=object)
    lift = _lift(data, first, second, films)
    columns = {"first": names[first], "second": names[second], "films": films, "lift": lift}
    return pd.DataFrame(columns)


def movie_tags(data: MovieData) -> sparse.csr_array:
    """1 where the film has the tag, csr int64 [n_movies, n_tags]."""
    return (data.tag_counts > 0).astype(np.int64).tocsr()


def _meetings(data: MovieData, tags: NDArray[np.int64]) -> sparse.csr_array:
    """Films that carry both of these tags, csr int64 [n, n]."""
    carries = movie_tags(data)[:, tags]
    return (carries.T @ carries).tocsr()


def _lift(
    data: MovieData, first: NDArray[np.int64], second: NDArray[np.int64], films: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Meetings over what independence gives among the tagged films, for pairs of tag numbers."""
    carries = movie_tags(data)
    films_with = np.asarray(carries.sum(axis=0)).ravel()
    n_tagged = int((np.diff(carries.indptr) > 0).sum())
    return films * n_tagged / (films_with[first] * films_with[second])


# --- directions of the space ----------------------------------------------------------------------


def component_ends(
    data: MovieData,
    movies: NDArray[np.int64],
    components: NDArray[np.float64],
    n: int = 8,
    min_films: int = LEAST_FILMS,
) -> pd.DataFrame:
    """The tags and genres that lie furthest out along each component.

    Args:
        movies: inner ids of the rows of `components`.
        components: float [n_rated, n_components].
        n: so many at either end.
        min_films: fewer films than that are no evidence of a direction.

    Returns:
        component (from 1), end ("low" or "high"), kind ("tag" or "genre"), name, films, mean (of
        its films, in standard deviations of all films); ascending by component and mean.
    """
    spread = components.std(axis=0)
    standard = (components - components.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    tags, genres = data.tag_counts[movies], data.genre_features[movies]
    carries = sparse.hstack([tags, genres], format="csr") > 0  # [n_rated, n_tags + n_genres]
    films = np.asarray(carries.astype(np.int64).sum(axis=0)).ravel()
    enough = np.flatnonzero(films >= min_films)
    means = (carries.astype(np.float64).T @ standard)[enough] / films[enough, None]
    names = np.array([*data.tag_names, *data.genre_names], dtype=object)[enough]
    kinds = np.where(enough < len(data.tag_names), "tag", "genre")
    tables = []
    for number, mean in enumerate(means.T, 1):
        table = pd.DataFrame(
            {"kind": kinds, "name": names, "films": films[enough], "mean": mean}
        ).sort_values(["mean", "name"])
        low, high = table[table["mean"] < 0].head(n), table[table["mean"] > 0].tail(n)
        both = pd.concat([low.assign(end="low"), high.assign(end="high")])
        tables.append(both.assign(component=number))
    columns = ["component", "end", "kind", "name", "films", "mean"]
    return pd.concat(tables, ignore_index=True)[columns]
