"""θ of the attention (`model.attention`), learned from liked films held out of the train part.

By a smooth NDCG (Qin, Liu & Li 2010): the rank of a film is 1 + Σ_k c_k σ((s_k − s_i)/τ) over its
rivals k, the films rated most and a sample of the others, each of which stands for c_k films.
Rivals picked by today's scores, or by popularity alone, would teach θ to undo either.

The folds are fitted in closed form, whatever the model that uses θ learns by. Where ratings are
many, the folds are of some people, drawn at random, and of the films that these rated: so time and
room are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from scipy.special import expit

from model.attention import FEATURES, Attention, Floats
from model.bpr import Learner, StopTraining
from model.config import TrainingConfig
from model.evaluation import LIKED_STARS
from model.fitted_start import spectrum
from model.hybrid_graph import Content, build_graph, film_degree, overall_mean
from model.lightgcn import HybridPropagation
from model.profiles import DEFAULT_PROFILE, profile_weights, strength
from model.splits import cut_validation, drawn_people

FOLDS = (0, 1)  # seeds of what is held out of the train part
MOST_RATINGS = 100_000  # to learn from; of more, those of some people, drawn at random
SHARE = 0.2
FIT_DIM = 512  # of the fits to learn from
_RIVALS, _MOST_LIKED = 300, 10
COLUMNS = 2 * _RIVALS + _MOST_LIKED  # at most, of the terms of each rating
_TEMPERATURE = 0.1  # of the spread of a person's scores
_PENALTY = 1e-3
_MOST_STEPS = 40  # of L-BFGS
_LEARNING_BEGINS = 0.55  # of the whole, after the folds are fitted and their films compared


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


@dataclass(frozen=True)
class Reached:
    """How far the learning of θ has come.

    Attributes:
        share: of all that it may take, 0 to 1.
        doing: what it is at, a few words.
    """

    share: float
    doing: str


def learned_attention(
    train: sparse.csr_array,
    content: Content,
    config: TrainingConfig,
    on_progress: Callable[[Reached], None] | None = None,
    before_step: Callable[[], None] | None = None,
) -> tuple[Attention, bool]:
    """Attention for this train part, from folds of it alone; the same for the same arguments.

    Args:
        on_progress: called whenever there is something to tell.
        before_step: called several times a second; may block or raise `StopTraining`, which ends
            the learning with the θ of the last step, at worst 0, and so does Ctrl-C.

    Returns:
        The attention, and whether it was stopped.

    Raises:
        ValueError: nobody liked a film that could be held out.
    """
    tell, wait = on_progress or _no_report, before_step or _no_wait
    attention = Attention.of(np.zeros(len(FEATURES)), film_degree(train), content["tag"])
    reached, stopped = [attention.theta], True
    with suppress(StopTraining, KeyboardInterrupt):
        lessons, scale = _lessons_of_folds(train, content, config, attention, tell, wait)
        if not lessons:
            raise ValueError(
                "Attention needs people who liked more than one film; train without it on these "
                "data."
            )

        def after_step(theta: NDArray[np.float64], value: float) -> None:
            step, most = len(reached), _MOST_STEPS
            reached.append(theta / scale)
            said = f"step {step} of at most {most}, NDCG {1 - value:.4f} on folds of train"
            tell(Reached(_LEARNING_BEGINS + (1 - _LEARNING_BEGINS) * step / most, said))

        learn(lessons, after_step, wait)
        stopped = False
    return replace(attention, theta=reached[-1]), stopped


def _lessons_of_folds(
    train: sparse.csr_array,
    content: Content,
    config: TrainingConfig,
    attention: Attention,
    tell: Callable[[Reached], None],
    wait: Callable[[], None],
) -> tuple[list[Lesson], NDArray[np.float64]]:
    """What the folds teach, each feature with a spread of 1, and the spreads [n_features]."""
    some, films = _some_people(train, config.seed)
    if len(films) < train.shape[1]:
        attention, content = attention.only(films), _of_films(content, films)
    fit = replace(
        config,
        dim=min(config.dim, FIT_DIM),
        layers=1,
        epochs=0,
        warm_start=True,
        search_seconds=0.0,
    )
    folds = []
    for number, seed in enumerate(FOLDS):
        done = _LEARNING_BEGINS * number / (len(FOLDS) + 1)
        tell(Reached(done, f"fitting fold {number + 1} of {len(FOLDS)}"))
        known, held_out = cut_validation(some, seed, SHARE)
        vectors = film_vectors(known, content, fit, wait)
        z = attention.features(known, vectors[0], overall_mean(known))
        folds.append((known, held_out, vectors, z))
    tell(Reached(_LEARNING_BEGINS * len(FOLDS) / (len(FOLDS) + 1), "comparing films"))
    scale = np.concatenate([fold[3] for fold in folds]).std(axis=0)
    scale[scale < 1e-9] = 1.0  # what is the same for all edges drops out of the softmax
    delta, lessons = strength(config, DEFAULT_PROFILE), []
    for known, held_out, vectors, z in folds:
        for lesson in lessons_of(known, held_out, vectors, z / scale, delta):
            wait()
            lessons.append(lesson)
    return lessons, scale


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


def learn(
    lessons: Sequence[Lesson],
    after_step: Callable[[NDArray[np.float64], float], None] | None = None,
    before_look: Callable[[], None] | None = None,
) -> NDArray[np.float64]:
    """θ of the least loss, by L-BFGS from 0.

    Args:
        after_step: called with θ and its loss after every step.
        before_look: called before the loss is computed.
    """

    def look(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        if before_look:
            before_look()
        return loss(theta, lessons)

    def callback(intermediate_result: optimize.OptimizeResult) -> None:  # a name that scipy reads
        if after_step:
            after_step(intermediate_result.x.copy(), float(intermediate_result.fun))

    found = optimize.minimize(
        look,
        np.zeros(lessons[0].features.shape[1]),
        jac=True,
        method="L-BFGS-B",
        callback=callback,
        options={"maxiter": _MOST_STEPS},
    )
    return np.asarray(found.x, np.float64)


def film_vectors(
    ratings: sparse.csr_array,
    content: Content,
    config: TrainingConfig,
    before_product: Callable[[], None] | None = None,
) -> tuple[Floats, Floats]:
    """m and v of a fit to these ratings; what is called may stop it (`spectrum`)."""
    graph = build_graph(ratings, content, config)
    found = spectrum(graph, config.dim, config.seed, before_product=before_product)
    learner = Learner(ratings, content, config, fitted=found)
    assert isinstance(learner.propagation, HybridPropagation)
    sent, met = learner.propagation.film_vectors(learner.weights())
    return sent.numpy(), met.numpy()


def lessons_of(
    known: sparse.csr_array,
    held_out: sparse.csr_array,
    films: tuple[Floats, Floats],
    features: NDArray[np.float64],
    delta: float,
) -> Iterator[Lesson]:
    """One for each person with liked held-out films that have rivals."""
    sent, met = films
    x = profile_weights(known, delta, overall_mean(known))
    for rivalry in rivalries(known, held_out):
        part, columns = rivalry.part, rivalry.columns
        terms = (x.data[part, None] * sent[known.indices[part]]) @ met[columns].T
        spread = float(terms.sum(axis=0).std())
        if spread > 0:
            terms /= np.float32(spread)
            yield Lesson(features[part], terms, rivalry.stands, rivalry.n_liked)


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
    known: sparse.csr_array, held_out: sparse.csr_array, most: int = _RIVALS, seed: int = 0
) -> Iterator[Rivalry]:
    """One for each person with two known films and a liked held-out one that has rivals.

    Args:
        most: so many films rated most are rivals, and as many of the others, drawn at random.
    """
    rng = np.random.default_rng(seed)
    degree = film_degree(known)
    often = np.argsort(-degree, kind="stable")[: np.count_nonzero(degree)]
    for user in range(known.shape[0]):
        part = slice(known.indptr[user], known.indptr[user + 1])
        later = slice(held_out.indptr[user], held_out.indptr[user + 1])
        rated, held = known.indices[part], held_out.indices[later]
        liked = rng.permutation(held[held_out.data[later] >= LIKED_STARS])[:_MOST_LIKED]
        rivals = often[~np.isin(often, np.concatenate([rated, held]))]
        rivals, rest = rivals[:most], rivals[most:]
        sampled = rng.permutation(rest)[:most]
        if len(rated) < 2 or not len(liked) or not len(rivals):
            continue
        stands = np.repeat(
            [0.0, 1.0, len(rest) / max(len(sampled), 1)], [len(liked), len(rivals), len(sampled)]
        )
        columns = np.concatenate([liked, rivals, sampled])
        yield Rivalry(user, part, columns, stands, len(liked))


def _some_people(
    train: sparse.csr_array, seed: int
) -> tuple[sparse.csr_array, NDArray[np.integer]]:
    """The rows of so many people, drawn at random, that they have `MOST_RATINGS` or just more, and
    the films that one of them rated, which are the columns; as it is, where there are no more."""
    if train.nnz <= MOST_RATINGS:
        return train, np.arange(train.shape[1])
    some = train[drawn_people(np.diff(train.indptr), MOST_RATINGS, seed)]
    films = np.unique(some.indices)
    return some[:, films], films


def _of_films(content: Content, films: NDArray[np.integer]) -> Content:
    """The content of these films alone, without nodes that none of them has."""
    own = {kind: edges[:, films] for kind, edges in content.items()}
    return {kind: edges[np.diff(edges.indptr) > 0] for kind, edges in own.items()}


def _no_report(_: Reached) -> None:
    """Nobody wants to know."""


def _no_wait() -> None:
    """Nobody stops it."""
