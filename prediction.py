"""Hybrid scores and what follows from them: top-K, new viewers, similar films, tag suggestions.

Scales. The graph score is the dot product f_u·v_i, 0 meaning "no evidence". The tag similarity is
the cosine between the viewer's profile and the film's tags and genres (TF-IDF), 0 to 1. To blend
them, each is divided by its largest value among the viewer's candidates, so the best has 1:

    score = (1 − w) · graph / graph_max + w · tags / tags_max + t · γ · trend − c · popularity

with w the tag weight (0 to 1), t how much what is popular now is to count (0 to 1; `model.trend`),
and popularity = log(1 + ratings) on a scale from 0 to 1. Every part keeps its zero, so each can be
split exactly into reasons. Where no candidate scores above 0, the largest size takes the place of
the largest value.

What novelty (−1 to 1) and diversity (0 to 1) do does not depend on how far a person's scores lie
apart: a novelty of ν takes the least c that replaces the share |ν| of the first ten films, as far
as so many can be replaced, and diversity takes its weight in the same way. Neither brings a film
with fewer than `FEWEST_RATINGS` ratings up, unless that is asked for (`fewest`).

Someone who liked nothing yet (`Viewer.only_averse`) gets the films that are least like what they
disliked, among those that are rated often and well: in the upper tenth by number of ratings, and
with a mean (shrunk by ten ratings at the overall mean) not below the overall mean. The 50 nearest
films of each disliked one are left out.

The command `python prediction.py --user 7 -k 10` prints such a list with its parts and reasons.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow.parquet import ParquetFile, ParquetWriter
from scipy import sparse

from data_preparation import MovieData, UnknownIdError
from model.ageing import ALWAYS
from model.as_of import data_before, end_within, model_of
from model.evaluation import top_k
from model.explanation import Explanation, explain
from model.processes import (
    ALONE,
    LostProcessError,
    Processes,
    check_everybody,
    joined_processes,
    share_of,
)
from model.profiles import DEFAULT_PROFILE, PROFILES, Profile
from model.rounding import rounded_parts
from model.store import served
from model.trained import TrainedModel, no_trend_in_words, trend_strength
from model.viewers import (
    Viewer,
    aged,
    only_averse,
    tag_profile,
    tag_profiles,
    user_vectors,
    user_viewer,
)
from settings import checkpoint_path
from sources.atomic import replacing
from sources.download import add_dataset_option
from sources.movielens_files import DataError

DEFAULT_TAG_WEIGHT = 0.1  # chosen on validation: benchmarks/run.py hybrid
_OFTEN, _QUALITY_SHRINKAGE = 0.9, 10.0  # of `often_and_well_rated`
_NEAREST_LEFT_OUT = 50  # of each disliked film, for someone who liked nothing yet
FEWEST_RATINGS = 5  # of a film that novelty or diversity may bring, unless asked for fewer
_FIRST = 10  # films that both are measured by
_WEAKEST, _STRONGEST, _HALVINGS = 1e-4, 1e4, 40  # of a popularity's weight
_SCORES_AT_ONCE = 5_000_000  # users × films of a batch: three tables of 20 MB
_LISTS = pa.schema(
    [
        ("user_id", pa.int64()),
        ("place", pa.int32()),
        ("movie_id", pa.int64()),
        ("title", pa.string()),
        *((name, pa.float32()) for name in ("score", "graph_part", "tag_part")),
    ]
)
_BEYOND = 1.001  # a little further than where two films change places: rounding must not decide
_BLOCK = 64  # films of which the best one is looked at first
_MMR_POOL = 50  # diversity picks among so many of the best films, or twice the list


@dataclass(frozen=True)
class Recommendation:
    """One film for one viewer; `score` is derived, so the parts always add up to it.

    Attributes:
        movie: inner movie id.
        graph_score: f_u·v_i.
        tag_similarity: cosine, 0 to 1.
        graph_part: (1 − w) · graph_score / graph_max.
        tag_part: w · tag_similarity / tags_max.
        popularity_part: −c · popularity.
        trend_part: t · γ · trend, what the film's popularity now adds, the same for everybody.
    """

    movie: int
    graph_score: float
    tag_similarity: float
    graph_part: float
    tag_part: float
    popularity_part: float = 0.0
    trend_part: float = 0.0

    @property
    def score(self) -> float:
        return self.graph_part + self.tag_part + self.popularity_part + self.trend_part


@dataclass(frozen=True, eq=False)
class Scores:
    """Every film's scores for one viewer, float32 [n_movies] each.

    Attributes:
        rated: bool [n_movies], the films that the viewer rated.
        candidates: bool [n_movies], the films that may be listed: not rated (`unseen`), and for
            someone who liked nothing yet only those that are rated often and well.
        known: bool [n_movies], the films that novelty and diversity may bring.
    """

    graph: NDArray[np.float32]
    tags: NDArray[np.float32]
    graph_part: NDArray[np.float32]
    tag_part: NDArray[np.float32]
    popularity_part: NDArray[np.float32]
    trend_part: NDArray[np.float32]
    rated: NDArray[np.bool_]
    candidates: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @property
    def final(self) -> NDArray[np.float32]:
        return self.graph_part + self.tag_part + self.popularity_part + self.trend_part

    def item(self, movie: int) -> Recommendation:
        """The scores of one film, listed or not."""
        return Recommendation(
            movie=movie,
            graph_score=float(self.graph[movie]),
            tag_similarity=float(self.tags[movie]),
            graph_part=float(self.graph_part[movie]),
            tag_part=float(self.tag_part[movie]),
            popularity_part=float(self.popularity_part[movie]),
            trend_part=float(self.trend_part[movie]),
        )


@dataclass(frozen=True, eq=False)
class Evidence:
    """What someone's ratings say of every film, before anything is weighed.

    Attributes:
        graph: f_u·v_i, float32 [n_movies].
        tags: cosine of the person's and the film's tags and genres, float32 [n_movies].
        rated, candidates: bool [n_movies], as in `Scores`.
    """

    graph: NDArray[np.float32]
    tags: NDArray[np.float32]
    rated: NDArray[np.bool_]
    candidates: NDArray[np.bool_]


@dataclass(frozen=True)
class TagSuggestion:
    """A tag that the film's neighbours carry and the film does not.

    Attributes:
        score: share of the neighbours' squared similarity that carries the tag, 0 to 1.
        neighbours: inner ids of the neighbours that carry it, nearest first.
    """

    tag: str
    score: float
    neighbours: tuple[int, ...]


def blend(
    graph: NDArray[np.float32],
    tags: NDArray[np.float32],
    candidates: NDArray[np.bool_],
    tag_weight: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The graph part and the tag part of the final score, on the scales of the module's docstring.

    Args:
        graph, tags: float [..., n_movies].
        candidates: bool [..., n_movies], the films that set the scale.
        tag_weight: 0 to 1.

    Raises:
        ValueError: the weight is out of range.
    """
    if not 0 <= tag_weight <= 1:
        raise ValueError(f"The tag weight must be from 0 to 1; got {tag_weight}.")

    def scaled(scores: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
        listed = np.where(candidates, scores, 0)
        unit = listed.max(axis=-1, keepdims=True, initial=0.0)
        if not unit.all():
            largest = np.abs(listed).max(axis=-1, keepdims=True, initial=0.0)
            unit = np.where(unit > 0, unit, largest)
        return scores * np.divide(weight, unit, out=np.zeros_like(unit), where=unit > 0)

    return scaled(graph, 1 - tag_weight), scaled(tags, tag_weight)


def score_all(
    data: MovieData,
    model: TrainedModel,
    viewer: Viewer,
    tag_weight: float = DEFAULT_TAG_WEIGHT,
    novelty: float = 0.0,
    fewest: int = FEWEST_RATINGS,
    popular_now: float = 0.0,
) -> Scores:
    """All films' scores for a viewer.

    Args:
        fewest: ratings of a film that novelty or diversity may bring.
        popular_now: 0 to 1, how much what is popular now counts.

    Raises:
        ValueError: a weight is out of range, or what is popular now cannot count with this model.
    """
    trend = trend_part(model, viewer.profile, popular_now)
    return weigh(data, evidence(data, model, viewer), tag_weight, novelty, fewest, trend)


def trend_part(
    model: TrainedModel, profile: Profile, popular_now: float
) -> NDArray[np.float32] | None:
    """t · γ · trend on the scale of the module's docstring, float32 [n_movies]; None for t = 0.

    Raises:
        ValueError: t is out of range, or the model has no γ for this profile.
    """
    if not 0 <= popular_now <= 1:
        raise ValueError(f"Popular now must be from 0 to 1; got {popular_now}.")
    if not popular_now:
        return None
    missing = no_trend_in_words(model, profile)
    if missing or model.trend is None:
        raise ValueError(missing)
    return np.float32(popular_now * trend_strength(model, profile)) * model.trend.log_ratio


def evidence(data: MovieData, model: TrainedModel, viewer: Viewer) -> Evidence:
    """What a viewer's ratings say of every film: the part of `score_all` that takes the time."""
    rated = np.zeros(data.n_movies, bool)
    rated[viewer.movies] = True
    return Evidence(
        graph=model.movie_factors @ viewer.factor,
        tags=data.content_features @ tag_profile(viewer, data.content_features),
        rated=rated,
        candidates=candidates(data, model, viewer.movies, viewer.only_averse),
    )


def weigh(
    data: MovieData,
    found: Evidence,
    tag_weight: float,
    novelty: float,
    fewest: int = FEWEST_RATINGS,
    trend: NDArray[np.float32] | None = None,
) -> Scores:
    """All films' scores of what was found: the rest of `score_all`.

    Args:
        trend: of `trend_part`.

    Raises:
        ValueError: the tag weight or the novelty is out of range.
    """
    if not -1 <= novelty <= 1:
        raise ValueError(f"The novelty must be from -1 to 1; got {novelty}.")
    graph_part, tag_part = blend(found.graph, found.tags, found.candidates, tag_weight)
    trend = np.zeros(data.n_movies, np.float32) if trend is None else trend
    plain = graph_part + tag_part + trend
    return Scores(
        found.graph,
        found.tags,
        graph_part,
        tag_part,
        novelty_part(data, plain, found.candidates, novelty, fewest),
        trend,
        found.rated,
        found.candidates,
        data.movie_degree >= fewest,
    )


def novelty_part(
    data: MovieData,
    scores: NDArray[np.floating],
    listed: NDArray[np.bool_],
    novelty: float,
    fewest: int = FEWEST_RATINGS,
) -> NDArray[np.float32]:
    """−c · popularity on the scale of the module's docstring, float32 [n_movies].

    Where novelty is sought, films with fewer ratings than `fewest` count as the most popular ones.

    Args:
        scores: without this part, [n_movies].
        listed: bool [n_movies], who competes.
    """
    if not novelty or not listed.any():
        return np.zeros(data.n_movies, np.float32)
    popularity = data.popularity
    if novelty > 0:
        popularity = np.where(data.movie_degree < fewest, 1.0, popularity)
    towards = -np.sign(novelty) * popularity
    base, gain = scores[listed].astype(np.float64), towards[listed]
    before = frozenset(_first(base))

    def replaced(weight: float) -> int:
        return len(before.difference(_first(base + weight * gain)))

    wanted = abs(novelty) * replaced(_STRONGEST)
    return (_least(replaced, wanted, _WEAKEST, _STRONGEST) * towards).astype(np.float32)


def _first(scores: NDArray[np.floating]) -> list[int]:
    """Places of the first `_FIRST` by score, in no order."""
    n = min(_FIRST, len(scores))
    return np.argpartition(-scores, n - 1)[:n].tolist()


def _least(replaced: Callable[[float], int], wanted: float, low: float, high: float) -> float:
    """The least weight from `low` to `high` that replaces so many films, by halving (in logs)."""
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        if replaced(middle) >= wanted - 1e-9:
            high = middle
        else:
            low = middle
    return high * _BEYOND


def candidates(
    data: MovieData, model: TrainedModel, rated: NDArray[np.integer], only_averse: bool
) -> NDArray[np.bool_]:
    """The films that may be listed for someone with these rated movies, bool [n_movies].

    Args:
        only_averse: none of them speaks in favour of anything (`Viewer.only_averse`).
    """
    films = unseen(data, rated)
    return films & often_and_well_rated(data) & ~_near(model, rated) if only_averse else films


def unseen(data: MovieData, rated: NDArray[np.integer]) -> NDArray[np.bool_]:
    """The films that someone with these rated movies may be shown, bool [n_movies].

    Of a film that the catalogue lists twice only the copy that counts, and not even that where the
    other was rated.
    """
    films = data.is_canonical.copy()
    films[data.canonical[rated]] = False
    return films


def unseen_by(data: MovieData, ratings: sparse.csr_array) -> NDArray[np.bool_]:
    """`unseen` of the rows' users, bool [n, n_movies]."""
    row, movie = ratings.nonzero()
    seen = np.zeros(ratings.shape, bool)
    seen[row, data.canonical[movie]] = True
    return ~seen & data.is_canonical


def often_and_well_rated(data: MovieData) -> NDArray[np.bool_]:
    """The upper tenth of the rated films by number of ratings, with a mean (shrunk by ten ratings
    at the overall mean) not below the overall mean; bool [n_movies]."""
    degree, overall = data.movie_degree, float(data.ratings.data.mean(dtype=np.float64))
    often = degree >= max(np.quantile(degree[degree > 0], _OFTEN), 1)
    excess = np.nan_to_num(data.mean_stars - overall) * degree / (degree + _QUALITY_SHRINKAGE)
    return often & (excess >= 0)


def _near(model: TrainedModel, movies: NDArray[np.integer]) -> NDArray[np.bool_]:
    """The films that are among the nearest of any of these, bool [n_movies]."""
    near = np.zeros(len(model.directions), bool)
    n = min(_NEAREST_LEFT_OUT, len(near) // 20)  # of few films, no more than a twentieth
    for movie in movies.tolist():
        near[similar_movies(model, movie, n)[0]] = True
    return near


def recommend(
    model: TrainedModel,
    scores: Scores,
    k: int,
    allowed: NDArray[np.bool_] | None = None,
    diversity: float = 0.0,
) -> list[Recommendation]:
    """The K candidates with the highest final score, best first; fewer if fewer qualify.

    Args:
        k: at least 1.
        allowed: bool [n_movies]; only these films may appear. None allows all.
        diversity: 0 to 1; above 0 the films are picked one by one by maximal marginal relevance
            (Carbonell & Goldstein 1998): score − weight · highest cosine to a film already picked,
            with the least weight that replaces this share of the first ten.

    Raises:
        ValueError: K is below 1, or the diversity out of range.
    """
    if k < 1:
        raise ValueError(f"K must be at least 1; got {k}.")
    if not 0 <= diversity <= 1:
        raise ValueError(f"The diversity must be from 0 to 1; got {diversity}.")
    eligible = scores.candidates if allowed is None else scores.candidates & allowed
    candidates = np.flatnonzero(eligible)
    pool = _best(scores.final, candidates, _pool_size(k) if diversity else k)
    best = _diverse(model, scores, pool, k, diversity) if diversity else pool.tolist()
    return [scores.item(movie) for movie in best]


def _best(final: NDArray[np.float32], candidates: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The n candidates with the highest score, best first, equals in the order of their ids."""
    score = final[candidates]
    # To sort them all would take longer than all else. The n-th highest of the blocks' best is no
    # higher than the n-th highest of all.
    blocks = np.arange(0, len(score), _BLOCK)
    if n < len(blocks):
        bound = np.partition(np.maximum.reduceat(score, blocks), -n)[-n]
        kept = score >= bound
        candidates, score = candidates[kept], score[kept]
    return candidates[np.argsort(-score, kind="stable")][:n]


@dataclass(frozen=True, eq=False)
class Lists:
    """The first K films of several users, [n_users, K] each; −1 and 0 where a list is shorter.

    Attributes:
        movies: inner ids, int32.
        graph_part, tag_part: as in `Recommendation`, float32.
    """

    movies: NDArray[np.int32]
    graph_part: NDArray[np.float32]
    tag_part: NDArray[np.float32]


def recommend_many(
    data: MovieData,
    model: TrainedModel,
    users: slice,
    k: int,
    profile: Profile = DEFAULT_PROFILE,
    tag_weight: float = DEFAULT_TAG_WEIGHT,
) -> Lists:
    """What `recommend` lists for consecutive (inner) users, for as many as fit in memory at once:
    three tables of users × films.

    Raises:
        ValueError: K is below 1, or the tag weight out of range.
    """
    if k < 1:
        raise ValueError(f"K must be at least 1; got {k}.")
    ratings, features = data.ratings[users], data.content_features
    listed = unseen_by(data, ratings)  # [users, n_movies]
    graph = user_vectors(data, model, users, profile) @ model.movie_factors.T  # [users, n_movies]
    tags = (features @ tag_profiles(ratings, features).T.toarray()).T  # [users, n_movies]
    graph_part, tag_part = blend(graph, tags, listed, tag_weight)
    every, by_id = np.ones(data.n_movies, bool), np.arange(data.n_movies)
    movies = top_k(graph_part + tag_part, ~listed, every, min(k, data.n_movies), by_id)
    found, place = movies >= 0, np.maximum(movies, 0)
    parts = [
        np.where(found, np.take_along_axis(part, place, axis=1), 0).astype(np.float32)
        for part in (graph_part, tag_part)
    ]
    lists = Lists(movies, *parts)
    for row in np.flatnonzero(only_averse(ratings, model, profile)).tolist():
        viewer = user_viewer(data, model, users.start + row, profile)
        best = recommend(model, score_all(data, model, viewer, tag_weight), k)
        lists.movies[row], lists.graph_part[row], lists.tag_part[row] = -1, 0, 0
        lists.movies[row, : len(best)] = [item.movie for item in best]
        lists.graph_part[row, : len(best)] = [item.graph_part for item in best]
        lists.tag_part[row, : len(best)] = [item.tag_part for item in best]
    return lists


def write_lists(
    data: MovieData,
    model: TrainedModel,
    k: int,
    path: Path,
    processes: Processes = ALONE,
    profile: Profile = DEFAULT_PROFILE,
    tag_weight: float = DEFAULT_TAG_WEIGHT,
) -> int:
    """The first K films of every user as Parquet: user_id, place (from 1), movie_id, title, score,
    graph_part, tag_part; whole or not at all. How many rows were written.

    Each process ranks for its share of the users into a file of its own beside the path, and the
    first one joins them.

    Raises:
        OSError: a file cannot be written.
        ValueError: as `recommend_many`, or a user is held by no process.
    """
    own = share_of(data.user_degree, processes)
    check_everybody(data.user_ids, processes.everybodys((own.start, own.stop)))
    size = max(_SCORES_AT_ONCE // data.n_movies, 1)
    titles = pa.array(data.labels, pa.string())
    parts = [path.with_name(f"{path.name}.{rank}.part") for rank in range(processes.size)]
    with replacing(parts[processes.rank]) as file, ParquetWriter(file, _LISTS) as writer:
        for begin in range(own.start, own.stop, size):
            users = slice(begin, min(begin + size, own.stop))
            lists = recommend_many(data, model, users, k, profile, tag_weight)
            row, place = np.nonzero(lists.movies >= 0)
            movies = lists.movies[row, place]
            graph, tags = lists.graph_part[row, place], lists.tag_part[row, place]
            columns = [
                data.user_ids[users][row],
                (place + 1).astype(np.int32),
                data.movie_ids[movies],
                titles.take(pa.array(movies)),
                *(graph + tags, graph, tags),
            ]
            writer.write_table(pa.table(columns, schema=_LISTS))
    processes.everybodys(None)  # all have written theirs
    written = 0
    if processes.first:
        with replacing(path) as file, ParquetWriter(file, _LISTS) as writer:
            for part in parts:
                for batch in ParquetFile(part).iter_batches():
                    writer.write_batch(batch)
                    written += len(batch)
        for part in parts:
            part.unlink()
    return written


def _pool_size(k: int) -> int:
    """Of how many films diversity chooses K."""
    return max(_MMR_POOL, 2 * k)


def _diverse(
    model: TrainedModel, scores: Scores, pool: NDArray[np.int64], k: int, diversity: float
) -> list[int]:
    """K films of the pool (best first) by maximal marginal relevance, as `recommend` says."""
    pool = pool[scores.known[pool] | (np.arange(len(pool)) < k)]  # what it brings is known
    directions, final = model.directions[pool], scores.final[pool]
    cosine = directions @ directions.T  # [pool, pool]

    def picked(weight: float, n: int) -> list[int]:
        closest = np.zeros(len(pool), np.float32)  # highest cosine to a picked film
        left, picks = final.astype(np.float64), []
        for _ in range(min(n, len(pool))):
            choice = int((left - weight * closest).argmax())
            left[choice] = -np.inf
            picks.append(choice)
            closest = np.maximum(closest, cosine[choice])
        return picks

    before = frozenset(picked(0.0, _FIRST))

    def replaced(weight: float) -> int:
        return len(before.difference(picked(weight, _FIRST)))

    wanted = diversity * replaced(_STRONGEST)
    weight = _least(replaced, wanted, _WEAKEST, _STRONGEST)
    return pool[picked(weight, k)].tolist()


def film_filter(
    data: MovieData,
    include: Collection[str] = (),
    exclude: Collection[str] = (),
    years: tuple[int, int] | None = None,
    min_ratings: int = 0,
    min_stars: float = 0.0,
) -> NDArray[np.bool_]:
    """The films with any included genre, no excluded one, in the years, with enough ratings.

    Args:
        include, exclude: genre names; nothing included means every genre.
        years: first and last year; films without a year only pass when None.
        min_stars: mean stars at least; above 0, films without ratings do not pass.

    Returns:
        bool [n_movies].
    """
    allowed = data.movie_degree >= min_ratings
    if min_stars > 0:
        allowed &= np.nan_to_num(data.mean_stars) >= min_stars
    if include:
        allowed &= _of_any(data, include)
    if exclude:
        allowed &= ~_of_any(data, exclude)
    if years:
        allowed &= (data.years >= years[0]) & (data.years <= years[1])
    return allowed


def _of_any(data: MovieData, genres: Collection[str]) -> NDArray[np.bool_]:
    """The films of any of these genres, bool [n_movies]."""
    columns = [place for place, name in enumerate(data.genre_names) if name in genres]
    return np.asarray(data.has_genre[:, columns].any(axis=1))


def similar_movies(
    model: TrainedModel, movie: int, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The K nearest films by cosine of the final embeddings, nearest first.

    Returns:
        Inner ids int64 [≤ K] and cosines float32 [≤ K]; both empty if the film has no ratings.
    """
    if not model.has_direction[movie]:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    cosine = model.directions @ model.directions[movie]
    others = np.flatnonzero(model.has_direction)
    nearest = _best(cosine, others[others != movie], k)
    return nearest, cosine[nearest]


def suggest_tags(
    data: MovieData, model: TrainedModel, movie: int, k: int = 10, n_neighbours: int = 30
) -> list[TagSuggestion]:
    """Tags that the nearest tagged films in embedding space carry, and this film does not (yet).

    A tag scores the share of the neighbours that carries it, each weighing the square of its
    cosine. The list is empty when the film has no ratings or no other film is tagged.
    """
    nearest, cosine = tagged_neighbours(data, model, movie, n_neighbours)
    carries = data.tag_counts[nearest].toarray() > 0  # [≤ n_neighbours, n_tags]
    weight = np.maximum(cosine, 0) ** 2
    if not weight.any():
        return []
    scores = weight @ carries / weight.sum()  # [n_tags]
    scores[data.tag_counts[[movie]].indices] = 0
    best = np.argsort(-scores, kind="stable")[:k]
    return [
        TagSuggestion(
            data.tag_names[tag], float(scores[tag]), tuple(map(int, nearest[carries[:, tag]]))
        )
        for tag in best
        if scores[tag] > 0
    ]


def tagged_neighbours(
    data: MovieData, model: TrainedModel, movie: int, n: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The n nearest films that carry a tag: as `similar_movies`."""
    nearest, cosine = similar_movies(model, movie, data.n_movies)
    tagged = np.diff(data.tag_counts.indptr)[nearest] > 0
    return nearest[tagged][:n], cosine[tagged][:n]


# --- the command line -----------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Print a list with its parts and reasons, or write everybody's; the exit status."""
    options = _parse(arguments)
    if not options.all:
        return _main(options, ALONE)
    with joined_processes() as processes:
        return _main(options, processes)


def _main(options: argparse.Namespace, processes: Processes) -> int:
    try:
        found = served(options.checkpoint, options.dataset)
        for sentence in found.said if processes.first else ():  # all of them found it
            print(sentence, file=sys.stderr)
        if (model := found.model) is None:
            return 1
        data = found.data
        if options.all:
            return _list_everybody(data, model, options, processes)
        known = None  # all films
        user = data.inner_user(options.user)
        if options.as_of is not None:
            data = data_before(data, end_within(data, options.as_of))
            model = model_of(data, model)
            known = data.movie_degree > 0
        viewer = user_viewer(data, model, user, options.profile)
        viewer = aged(viewer, data.times_of(user), options.half_life)
        scores = score_all(data, model, viewer, options.tag_weight, popular_now=options.popular_now)
        chosen = recommend(model, scores, options.k, known)
    except (DataError, UnknownIdError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    then = "" if options.as_of is None else f" by {options.as_of}"
    if then and not len(viewer.movies):
        print(f"User {options.user} had rated no film{then}.", file=sys.stderr)
        return 1
    print(
        f"User {options.user} rated {len(viewer.movies):,} films{then}; "
        f"profile “{options.profile}”, tag weight {options.tag_weight:g}{ageing_in_words(viewer)}."
    )
    if not chosen and viewer.only_averse and not scores.rated.all():
        print("Nothing speaks for any film, and no other is rated often and well enough.")
    elif not chosen:
        print("Every film is rated already, so there is nothing to recommend.")
    for place, item in enumerate(chosen, 1):
        print(f"{place:>3}. {data.labels[item.movie]}: {_parts_in_words(item)}")
        print(f"     {why_in_words(data, viewer, explain(data, model, viewer, item.movie))}")
        if now := trend_of_film_in_words(model, item):
            print(f"     {now}")
    return 0


def _list_everybody(
    data: MovieData, model: TrainedModel, options: argparse.Namespace, processes: Processes
) -> int:
    """The lists of all users into a file; the exit status."""
    if options.as_of is not None or options.half_life != ALWAYS or options.popular_now:
        raise ValueError("With --all no --as-of, --half-life or --popular-now can be given.")
    try:
        written = write_lists(
            *(data, model, options.k, options.out, processes),
            *(options.profile, options.tag_weight),
        )
    except (OSError, LostProcessError) as error:
        why = error.strerror or error if isinstance(error, OSError) else error
        if processes.first_to_notice():
            print(f"The lists cannot be written to {options.out} ({why}).", file=sys.stderr)
        return 1
    if processes.first:
        print(f"{written:,} rows for {data.n_users:,} users: {options.out}")
    return 0


def _parts_in_words(item: Recommendation) -> str:
    """`0.661 = 0.600 graph + 0.061 tags`, and what popularity now adds or takes, if anything."""
    parts = [item.graph_part, item.tag_part, *([item.trend_part] if item.trend_part else [])]
    graph, tags, *now = rounded_parts(parts, 3).tolist()
    text = f"{graph + tags + sum(now):.3f} = {graph:.3f} graph + {tags:.3f} tags"
    return text + "".join(f" {'+' if part >= 0 else '-'} {abs(part):.3f} now" for part in now)


def trend_of_film_in_words(model: TrainedModel, item: Recommendation, decimals: int = 3) -> str:
    """What the film's popularity now adds to its score and why, a sentence; "" where nothing."""
    if not item.trend_part or model.trend is None or model.trend_choice is None:
        return ""
    trend, share = model.trend, model.trend_choice.share
    lately, expected = int(trend.lately[item.movie]), float(trend.expected[item.movie])
    does = "adds" if item.trend_part > 0 else "takes away"
    return (
        f"How popular it is now {does} {abs(item.trend_part):.{decimals}f}, for everyone and not "
        f"because of these ratings: it has {lately:,} of the latest {share:.0%} of all ratings, "
        f"where {expected:.1f} would be its share."
    )


def why_in_words(data: MovieData, viewer: Viewer, reasons: Explanation) -> str:
    """The films that speak loudest for it, with the share of the graph score that they carry."""
    loudest = np.argsort(-reasons.contributions, kind="stable")[:3]
    named = [i for i in loudest.tolist() if reasons.contributions[i] > 0]
    if not named:
        return "No rated film speaks for it."
    films = ", ".join(
        f"{data.labels[reasons.rated[i]]} ({viewer.stars[i]:g} ★{age_in_words(viewer, i)})"
        for i in named
    )
    if reasons.graph_score <= 0:  # of which nothing is a share
        return f"A graph score of {reasons.graph_score:.3f}; for it speaks {films}"
    share = reasons.contributions[named].sum() / reasons.graph_score
    return f"{share:.0%} of the graph score through {films}"


def age_in_words(viewer: Viewer, place: int) -> str:
    """`, 29% less for its age` of a rated film; nothing where it lost nothing worth naming."""
    lost = 1 - viewer.share_left[place]
    return f", {lost:.0%} less for its age" if lost >= 0.005 else ""


def ageing_in_words(viewer: Viewer) -> str:
    """`; a film counts half after 5 later ones`; nothing where films do not age."""
    if viewer.when is None:
        return ""
    return f"; a film counts half after {viewer.half_life:g} later ones"


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="prediction.py",
        description="Recommend films to a user of the data, with the parts of each score and its "
        "reasons.",
    )
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--user", type=int, help="raw user id, as in ratings.csv")
    whom.add_argument(
        "--all", action="store_true", help="every user, into a Parquet file; torchrun shares them"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("recommendations.parquet"),
        help="of --all (default: %(default)s)",
    )
    parser.add_argument("-k", type=int, default=10, help="how many films (default: 10)")
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        default=DEFAULT_PROFILE,
        help="what they will watch, or what they will like (default: %(default)s)",
    )
    parser.add_argument(
        "--tag-weight", type=float, default=DEFAULT_TAG_WEIGHT, help="0 to 1 (default: %(default)s)"
    )
    parser.add_argument(
        "--half-life",
        type=float,
        default=ALWAYS,
        metavar="FILMS",
        help="a film counts half after so many later ones: what they watch these days (default: "
        "always)",
    )
    parser.add_argument(
        "--popular-now",
        type=float,
        default=0.0,
        metavar="T",
        help="0 to 1: how much it counts that a film was rated lately more than ever; 1 is what "
        "was best on later ratings (default: %(default)s)",
    )
    parser.add_argument(
        "--as-of",
        type=date.fromisoformat,
        metavar="DAY",
        help="the list as of the end of a day, 2005-06-30: the model is fitted again to the "
        "ratings and tags until then (default: now)",
    )
    add_dataset_option(parser)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=checkpoint_path(),
        help="file of the model in use; where it does not fit the data, the one of these data that "
        "is kept beside it serves (default: %(default)s)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
