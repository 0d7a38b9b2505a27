"""Is attention worth its while? The weight of a rated film, learned from features of the edge.

The weight x_uj of the profile (`model.profiles`) is multiplied by a softmax over a person's films,

    a_uj = n_u · exp(θ·z_uj) / Σ_k exp(θ·z_uk),    score_ui = Σ_j x_uj a_uj (m_j·v_i),

so on average a film counts as without it, and θ = 0 changes nothing. z_uj holds `FEATURES` of the
edge between a person and a film that they rated, and none of the film that is scored: the score
would stay f_u·v_i, a sum of one term per rated film. What is the same for all films of a person
drops out of a softmax, so the number of their ratings acts through another feature alone. (Graph
attention, Veličković et al. 2018, arXiv:1710.10903, has a learned vector in place of θ and features
of both ends in place of z.)

θ is learned from liked films that were held out of the train part, by a smooth NDCG (Qin, Liu & Li
2010): the rank of a film is 1 + Σ_k c_k σ((s_k − s_i)/τ) over its rivals k, the films rated most
and a sample of the others, each of which stands for c_k films. Rivals picked by today's scores, or
by popularity alone, would teach θ to undo either.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from scipy.special import expit

from benchmarks.costs import GIVEN, Row, load
from benchmarks.over_time import times_in
from benchmarks.ranking import ABLATION_SEEDS, LIKED_NDCG, NDCG, Pool
from data_preparation import MovieData
from model.ageing import ages
from model.bpr import Learner
from model.evaluation import LIKED_STARS, evaluate
from model.hybrid_graph import Content, build_graph, mean_stars, overall_mean, visible_content
from model.lightgcn import HybridPropagation, factor_scorer
from model.profiles import profile_weights
from model.splits import cut_validation, random_80_10_10

FEATURES: dict[str, str] = {
    "stars": "stars above the person's own level",
    "age": "films rated later, logarithm",
    "popularity": "ratings of the film, logarithm",
    "tagged": "the film has a tag",
    "typical": "how alike the film is to the others that the person rated, cosine",
    "typical of many": "the same, times the logarithm of the number of the person's ratings",
}
FOLDS = (0, 1)  # seeds of what is held out of the train part
_SHARE = 0.2
_DIM = 512  # of the fits to learn from
_RIVALS, _MOST_LIKED = 600, 10
_TEMPERATURE = 0.1  # of the spread of a person's scores
_PENALTY = 1e-3
_MOST_FOR_ITSELF = 0.95  # of a film's votes, as in `model.lightgcn.met_scale`

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one person teaches.

    Attributes:
        features: z, float64 [n_rated, n_features].
        terms: x_j (m_j·v_i) over the spread of the scores, float32 [n_rated, n_liked + n_rivals].
        stands: c, for how many films each column stands; 0 for the liked ones, which are no rivals
            of each other; [n_liked + n_rivals].
        n_liked: how many of the columns are held-out liked films, at most `_MOST_LIKED`.
    """

    features: NDArray[np.float64]
    terms: Floats
    stands: NDArray[np.float64]
    n_liked: int


def edge_features(
    ratings: sparse.csr_array, when: NDArray[np.number], sent: Floats, tagged: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """z of every rating before it is scaled, float64 [n_ratings, n_features].

    Args:
        ratings: csr [n_users, n_movies], stars.
        when: grows with the time of each rating, [n_ratings].
        sent: m_j, float32 [n_movies, dim].
        tagged: bool [n_movies].
    """
    counts = np.diff(ratings.indptr)
    user = np.repeat(np.arange(len(counts)), counts)
    degree = np.bincount(ratings.indices, minlength=ratings.shape[1])
    seen = ratings.astype(np.float32)
    seen.data[:] = 1
    together = seen @ sent  # [n_users, dim]
    typical = np.empty(ratings.nnz)
    for begin in range(0, ratings.nnz, 1 << 15):
        part = slice(begin, begin + (1 << 15))
        own = sent[ratings.indices[part]]
        others = together[user[part]] - own  # a film is not typical because it is itself
        lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(own, axis=1)
        typical[part] = np.einsum("ij,ij->i", others, own) / np.maximum(lengths, 1e-12)
    return np.column_stack(
        [
            ratings.data - mean_stars(ratings, overall_mean(ratings))[user],
            np.log1p(ages(ratings, when)),
            np.log1p(degree[ratings.indices]),
            tagged[ratings.indices],
            typical,
            typical * np.log(np.maximum(counts, 1))[user],
        ]
    )


def attend(ratings: sparse.csr_array, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """a_uj, float64 [n_ratings]: a softmax over each person's films, times their number."""
    counts = np.diff(ratings.indptr)
    user = np.repeat(np.arange(len(counts)), counts)
    most = np.full(len(counts), -np.inf)
    np.maximum.at(most, user, logits)
    weights = np.exp(logits - most[user])
    total = np.bincount(user, weights, minlength=len(counts))
    return weights * (counts / np.maximum(total, 1e-300))[user]


def loss(
    theta: NDArray[np.float64], lessons: Sequence[Lesson]
) -> tuple[float, NDArray[np.float64]]:
    """1 less the mean smooth NDCG, with a penalty on ‖θ‖²; and its gradient by θ."""
    total, slope = 1 + _PENALTY * float(theta @ theta), 2 * _PENALTY * theta
    for lesson in lessons:
        logits = lesson.features @ theta
        share = np.exp(logits - logits.max())
        share /= share.sum()
        weights = len(share) * share
        scores = weights @ lesson.terms  # [n_liked + n_rivals]
        n = lesson.n_liked
        above = expit((scores[None, :] - scores[:n, None]) / _TEMPERATURE)  # [n_liked, columns]
        rank = 1 + above @ lesson.stands
        ideal = len(lessons) * n
        total -= float((1 / np.log2(1 + rank)).sum()) / ideal
        by_rank = 1 / (np.log2(1 + rank) ** 2 * (1 + rank) * np.log(2)) / ideal
        pull = by_rank[:, None] * (above * (1 - above) * lesson.stands) / _TEMPERATURE
        by_score = pull.sum(axis=0)
        by_score[:n] -= pull.sum(axis=1)
        by_logit = weights * (lesson.terms @ by_score)
        by_logit -= share * by_logit.sum()  # the softmax keeps the sum
        slope = slope + by_logit @ lesson.features
    return total, slope


def learn(lessons: Sequence[Lesson]) -> NDArray[np.float64]:
    """θ of the least loss, by L-BFGS from 0."""
    start = np.zeros(lessons[0].features.shape[1])
    found = optimize.minimize(
        loss, start, (lessons,), jac=True, method="L-BFGS-B", options={"maxiter": 40}
    )
    return np.asarray(found.x, np.float64)


# --- measuring ------------------------------------------------------------------------------------


def attention(seeds: Sequence[int] = ABLATION_SEEDS) -> Row:
    """With and without, on validation: profile *like*, and *watch* with the same θ."""
    data, pool = load(), Pool()
    learned, seconds = [], []
    for seed in seeds:
        split = random_80_10_10(data, seed)
        content = visible_content(data, split.hidden())
        begun = time.process_time()
        theta, scale = _learned(data, split.train, content)
        seconds.append(time.process_time() - begun)
        learned.append(theta.tolist())
        sent, met = film_vectors(split.train, content, GIVEN.dim)
        z = edge_features(split.train, times_in(data, split.train), sent, tagged(content))
        a = attend(split.train, z @ (theta / scale))
        for profile, delta in (("watch", GIVEN.watch), ("like", GIVEN.like)):
            weights = profile_weights(split.train, delta, overall_mean(split.train))
            heard = weights.copy()
            heard.data = weights.data * a.astype(np.float32)
            for name, x in (("without", weights), ("with", heard)):
                scorer = factor_scorer((x @ sent).astype(np.float32), met)
                report = evaluate(scorer, split, "validation", (20,))
                pool.add(f"{name}, {profile}", report)
                _say(f"  seed {seed}, {name}, {profile}: {report.mean()[LIKED_NDCG]:.4f}")
    return {
        "features": list(FEATURES),
        "theta": np.mean(learned, axis=0).tolist(),
        "seconds": float(np.mean(seconds)),
        "rows": [
            pool.row(f"with, {profile}", f"without, {profile}", (NDCG,))
            | {
                "without": {
                    m: float(pool.per_user(f"without, {profile}")[m].mean())
                    for m in (NDCG, LIKED_NDCG)
                }
            }
            for profile in ("watch", "like")
        ],
    }


def tagged(content: Content) -> NDArray[np.bool_]:
    """The films that a tag node of these contents touches, bool [n_movies]."""
    return np.diff(content["tag"].tocsc().indptr) > 0


def film_vectors(train: sparse.csr_array, content: Content, dim: int) -> tuple[Floats, Floats]:
    """m and v of a fit to these ratings."""
    learner = Learner(train, content, replace(GIVEN, dim=dim))
    parts = learner.propagation.film_vectors(learner.weights())  # type: ignore[attr-defined]
    return parts[0].numpy(), parts[1].numpy()


def _learned(
    data: MovieData, train: sparse.csr_array, content: Content
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """θ for features with a spread of 1, and their spreads, from folds of the train part."""
    folds = []
    for seed in FOLDS:
        known, held_out = cut_validation(train, seed, _SHARE)
        films = film_vectors(known, content, _DIM)
        z = edge_features(known, times_in(data, known), films[0], tagged(content))
        folds.append((known, held_out, films, z))
    scale = np.concatenate([fold[3] for fold in folds]).std(axis=0) + 1e-12
    lessons = [
        lesson
        for known, held_out, films, z in folds
        for lesson in lessons_of(known, held_out, films, z / scale)
    ]
    return learn(lessons), scale


def lessons_of(
    known: sparse.csr_array,
    held_out: sparse.csr_array,
    films: tuple[Floats, Floats],
    features: NDArray[np.float64],
) -> list[Lesson]:
    """One for each person with liked held-out films that have rivals."""
    sent, met = films
    x = profile_weights(known, GIVEN.like, overall_mean(known))
    lessons = []
    for rivalry in rivalries(known, held_out):
        part, columns = rivalry.part, rivalry.columns
        terms = (x.data[part, None] * sent[known.indices[part]]) @ met[columns].T
        spread = float(terms.sum(axis=0).std())
        if spread > 0:
            terms /= np.float32(spread)
            lessons.append(Lesson(features[part], terms, rivalry.stands, rivalry.n_liked))
    return lessons


@dataclass(frozen=True, eq=False)
class Rivalry:
    """The films that one person's lesson is about.

    Attributes:
        part: where the person's ratings lie among the known ones.
        columns: liked held-out films, then their rivals, inner ids [n_liked + n_rivals].
        stands, n_liked: as of `Lesson`.
    """

    user: int
    part: slice
    columns: NDArray[np.integer]
    stands: NDArray[np.float64]
    n_liked: int


def rivalries(
    known: sparse.csr_array, held_out: sparse.csr_array, seed: int = 0
) -> Iterator[Rivalry]:
    """One for each person with two known films and a liked held-out one that has rivals."""
    rng = np.random.default_rng(seed)
    degree = np.bincount(known.indices, minlength=known.shape[1])
    often = np.argsort(-degree, kind="stable")[: np.count_nonzero(degree)]
    for user in range(known.shape[0]):
        part = slice(known.indptr[user], known.indptr[user + 1])
        later = slice(held_out.indptr[user], held_out.indptr[user + 1])
        rated, held = known.indices[part], held_out.indices[later]
        liked = rng.permutation(held[held_out.data[later] >= LIKED_STARS])[:_MOST_LIKED]
        rivals = often[~np.isin(often, np.concatenate([rated, held]))]
        rivals, rest = rivals[:_RIVALS], rivals[_RIVALS:]
        sampled = rng.permutation(rest)[:_RIVALS]
        if len(rated) < 2 or not len(liked) or not len(rivals):
            continue
        stands = np.repeat(
            [0.0, 1.0, len(rest) / max(len(sampled), 1)], [len(liked), len(rivals), len(sampled)]
        )
        columns = np.concatenate([liked, rivals, sampled])
        yield Rivalry(user, part, columns, stands, len(liked))


# --- layers ---------------------------------------------------------------------------------------

_SHARPNESS = 10.0  # so that the penalty on θ leaves a free to be nearly all of one walk
# Hops that the people's side and the films' side take before they meet: the walks of K = 3.
WALKS = {"1": (0, 0), "3, on the film's side": (0, 1), "3, on the person's": (1, 0), "5": (1, 1)}


def layers(seeds: Sequence[int] = ABLATION_SEEDS) -> Row:
    """Learned weights of the layers up to K = 3, beside K = 1 and their mean, on validation.

    score_ui = Σ_w a_w · s_ui,w over the lengths of walks through the graph, a on the simplex, each
    person's scores s_w with a spread of 1. a is a softmax that learns as θ does: its lessons have
    a walk in the place of a rated film.
    """
    data, pool, learned, seconds = load(), Pool(), [], []
    for seed in seeds:
        split = random_80_10_10(data, seed)
        content = visible_content(data, split.hidden())
        begun = time.process_time()
        a = learn_layers(split.train, content)
        seconds.append(time.process_time() - begun)
        learned.append(a.tolist())
        for profile, delta in (("watch", GIVEN.watch), ("like", GIVEN.like)):
            scores = walk_scores(split.train, content, GIVEN.dim, delta)
            mixes = {"K = 1": np.eye(len(a))[0], "mean": np.full(len(a), 1 / len(a)), "learned": a}
            for name, mix in mixes.items():
                total = np.tensordot(mix.astype(np.float32), scores, 1)
                report = evaluate(total.__getitem__, split, "validation", (20,))
                pool.add(f"{name}, {profile}", report)
                _say(f"  seed {seed}, {name}, {profile}: {report.mean()[LIKED_NDCG]:.4f}")
    return {
        "walks": list(WALKS),
        "weights": np.mean(learned, axis=0).tolist(),
        "seconds": float(np.mean(seconds)),
        "rows": [
            pool.row(f"{name}, {profile}", f"K = 1, {profile}", (NDCG,))
            for profile in ("watch", "like")
            for name in ("K = 1", "mean", "learned")
        ],
    }


def learn_layers(train: sparse.csr_array, content: Content) -> NDArray[np.float64]:
    """a from folds of the train part, float64 [n_walks], sums to 1."""
    lessons = []
    for seed in FOLDS:
        known, held_out = cut_validation(train, seed, _SHARE)
        scores = walk_scores(known, content, _DIM, GIVEN.like)
        for rivalry in rivalries(known, held_out):
            terms = scores[:, rivalry.user, rivalry.columns] / np.float32(len(WALKS))
            one_each = _SHARPNESS * np.eye(len(WALKS))
            lessons.append(Lesson(one_each, terms, rivalry.stands, rivalry.n_liked))
    weights = np.exp(_SHARPNESS * learn(lessons))
    return weights / weights.sum()


def walk_scores(train: sparse.csr_array, content: Content, dim: int, delta: float) -> Floats:
    """Scores by each walk of `WALKS`, without what a film says for itself; float32
    [n_walks, n_users, n_movies], a spread of 1 for each walk of each person."""
    config = replace(GIVEN, dim=dim)
    e0 = Learner(train, content, config).weights()
    graph = build_graph(train, content, config)
    hop = HybridPropagation.of(train, graph, replace(config, layers=2), people=False)
    assert hop.edges is not None and hop.back is not None
    films = (e0, hop.back @ (hop.edges @ e0))
    x = profile_weights(train, delta, overall_mean(train))
    power = np.maximum(hop.degree, 1) ** (config.film_exponent + config.met_exponent)
    scores = np.empty((len(WALKS), *train.shape), np.float32)
    for at, (by_person, by_film) in enumerate(WALKS.values()):
        sent, met = films[by_person], films[by_film]
        own = (sent * met).sum(1).clamp(max=_MOST_FOR_ITSELF).numpy()
        scale = (power / (1 - own)).astype(np.float32)
        scores[at] = (x @ (hop.sent * sent).numpy()) @ (scale[:, None] * met.numpy()).T
    spread = scores.std(axis=2, keepdims=True)
    return (scores / np.where(spread > 0, spread, 1)).astype(np.float32)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
