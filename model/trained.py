"""What a training leaves behind: a model that is ready to score, whatever its kind."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from data_preparation import MovieData, normalised_adjacency
from model.attention import Attention, in_words
from model.config import TrainingConfig
from model.devices import to_torch
from model.evaluation import Scorer
from model.hybrid_graph import (
    HybridGraph,
    build_graph,
    content_edges,
    film_degree,
    visible_content,
)
from model.lightgcn import (
    HybridPropagation,
    PaperPropagation,
    factor_scorer,
    layer_sum,
    profile_scorer,
)
from model.profiles import DEFAULT_PROFILE, Profile, strength
from model.search import Trial
from model.splits import PROTOCOLS, Split
from model.trend import Trend, TrendChoice

FOLD_IN_RIDGE = 0.1  # of the mean squared message; chosen on validation, users left out in turn

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class EpochRecord:
    """What is known after an epoch; epoch 0 is the state before the first step.

    Attributes:
        loss: mean training loss of the epoch (NaN for epoch 0).
        seconds: since the start of the training.
        metrics: on the held-out validation ratings, by name, with the profile that serves.
    """

    epoch: int
    loss: float
    seconds: float
    metrics: dict[str, float]


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model, ready to score: f_u·v_i with f_u = own_u + Σ_j x_uj m_j.

    E(0) was learned on the train part of the split, or on all ratings if `refitted`; serving uses
    it with all ratings of each person. The metrics always are those of the E(0) learned on the
    train part.

    Attributes:
        config: with the settings that the search chose, if there was one.
        e0: what was learned: float32 [n_movies, dim] in the hybrid, whose other nodes start at
            zero; [n_users + n_movies, dim], users first, in the paper's model.
        scale: s_i of the hybrid, float32 [n_movies] (`lightgcn.met_scale`); empty else.
        values: the eigenvalue behind each column of a fitted start, float64 [dim]; empty else.
        user_factors: f_u of the users in the paper's model, float32 [n_users, dim]; none are kept
            in the hybrid, [0, dim], where each is a sum over someone's films
            (`model.viewers.user_vectors`).
        movie_factors: v_i, float32 [n_movies, dim]; zero for films without ratings. In memory
            column by column: a list is a product with all of it, and takes half the time that way.
        movie_messages: m_j, float32 [n_movies, dim].
        fold_in_map: of the paper's model, float32 [dim, dim]; maps the summed messages of someone's
            films to their embedding, by ridge regression over all users. Empty in the hybrid, where
            a visitor is scored as everyone else.
        mean_stars: of the ratings that the model was fitted to; everyone's level is shrunk to it.
        history: one record per epoch, on validation.
        best_epoch: the epoch whose E(0) was kept.
        test_metrics: by name, with "NDCG@20", "liked NDCG@20" etc.; in the hybrid of the profile
            "like", which serves.
        watch_metrics: the same of the profile "watch"; empty in the paper's model.
        test_intervals: 95 % bootstrap interval of each of `test_metrics`.
        trials: what the search looked at, in order; empty without a search.
        stop_reason: why the training ended, a sentence.
        refitted: E(0) was learned again on all ratings (`refit`).
        theta: what the attention learned (`model.attention`); empty without attention.
        without_attention: on validation, the metrics of the kept epoch without attention; empty
            where there is none.
        attention: θ with what it needs of the films that serve; None without.
        trend_choice: how much what is popular now counts where that is asked for
            (`model.trend_choice`); None where it was not looked at.
        trend: what is popular now in the data that serve; None without a choice.
    """

    config: TrainingConfig
    protocol: str
    fingerprint: str
    e0: Floats
    scale: Floats
    values: NDArray[np.float64]
    user_factors: Floats
    movie_factors: Floats
    movie_messages: Floats
    fold_in_map: Floats
    mean_stars: float
    history: tuple[EpochRecord, ...]
    best_epoch: int
    test_metrics: dict[str, float]
    stop_reason: str
    watch_metrics: dict[str, float] = field(default_factory=dict)
    test_intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    refitted: bool = False
    theta: tuple[float, ...] = ()
    without_attention: dict[str, float] = field(default_factory=dict)
    attention: Attention | None = None
    trend_choice: TrendChoice | None = None
    trend: Trend | None = None

    @property
    def is_hybrid(self) -> bool:
        """Whether a score is a sum over the rated films with nothing left over."""
        return self.config.model == "hybrid"

    @property
    def dim(self) -> int:
        """Numbers per film: at most `config.dim`, fewer where the graph has fewer directions."""
        return self.movie_factors.shape[1]

    @cached_property
    def own_factors(self) -> Floats:
        """What was learned about each user beyond their films: e(0)_u/(K+1) in the paper's model,
        nothing in the hybrid; float32, as `user_factors`."""
        if self.is_hybrid:
            return np.zeros_like(self.user_factors)
        return self.e0[: len(self.user_factors)] / np.float32(self.config.layers + 1)

    @cached_property
    def directions(self) -> Floats:
        """`movie_factors` scaled to length 1, float32 [n_movies, dim]; zero without ratings."""
        directions = normalize(self.movie_factors)
        directions.flags.writeable = False
        return directions

    @cached_property
    def has_direction(self) -> NDArray[np.bool_]:
        """Which films the model says anything of, bool [n_movies]."""
        known = np.asarray(self.directions.any(axis=1))
        known.flags.writeable = False
        return known

    @cached_property
    def key(self) -> str:
        """What results computed from the model are cached by (`model_key`)."""
        return model_key(
            self.fingerprint, self.protocol, self.config, self.refitted, self.theta, self.e0
        )


def model_key(
    fingerprint: str,
    protocol: str,
    config: TrainingConfig,
    refitted: bool,
    theta: tuple[float, ...],
    e0: Floats,
) -> str:
    """SHA-256, in hexadecimal, of all that a model's scores come from: data, settings, learned
    numbers."""
    learned = hashlib.sha256(np.ascontiguousarray(e0).data).hexdigest()
    whole = f"{fingerprint} {protocol} {config} {refitted} {theta} {learned}"
    return hashlib.sha256(whole.encode()).hexdigest()


def with_trend(data: MovieData, model: TrainedModel, choice: TrendChoice | None) -> TrainedModel:
    """The model with this choice, and with what is popular now in these data."""
    trend = None
    if choice is not None and data.n_ratings:
        trend = Trend.of(data.ratings.indices, data.timestamps, data.n_movies, choice.share)
    return replace(model, trend_choice=choice, trend=trend)


def trend_strength(model: TrainedModel, profile: Profile) -> float:
    """γ: how much of a film's trend at most is added for a profile; 0 where nothing is."""
    choice, trend = model.trend_choice, model.trend
    return choice.strengths[profile] if choice and trend and trend.log_ratio.any() else 0.0


def trend_in_words(model: TrainedModel) -> str:
    """What the choice on later ratings found; "" where it was not made, or on nobody."""
    choice = model.trend_choice
    if choice is None or not choice.people:
        return ""
    found = [
        f"{profile} {before:.4f} to {after:.4f}"
        if choice.strengths[profile]
        else f"{profile} no proved gain"
        for profile, (before, after) in choice.quality.items()
    ]
    return (
        f"What is popular now (the latest {choice.share:.0%} of the ratings), on later ratings by "
        f"{choice.people:,} people, NDCG@20: {'; '.join(found)}. It counts only where it is asked "
        "for."
    )


def no_trend_in_words(model: TrainedModel, profile: Profile) -> str:
    """Why what is popular now does not count with this model, a sentence; "" where it does."""
    if trend_strength(model, profile):
        return ""
    if not model.is_hybrid:
        return "What is popular now counts with hybrid models alone, and this is the paper's."
    if model.trend_choice is None:
        return (
            "How much what is popular now should count was not looked at when this model was "
            "trained; training it again does."
        )
    if model.trend is None or not model.trend.log_ratio.any():
        return "No rating of these data is later than others, so no film is more popular now."
    return (
        "No gain is proved, on later ratings of these data, by letting what is popular now count "
        f"in lists of what people will {profile}."
    )


def kept_epoch(model: TrainedModel) -> str:
    """Which epoch was kept, in words; epoch 0 means that BPR did not improve on the start."""
    if model.best_epoch:
        return f"epoch {model.best_epoch}"
    if not model.config.epochs:
        return "the fitted start"
    start = "fitted" if model.config.fitted else "random"
    return f"epoch 0 (the {start} start itself: no epoch was better)"


def attention_in_words(model: TrainedModel) -> str:
    """What the attention learned and what it changed on validation; "" without attention."""
    if model.attention is None:
        return ""
    said = in_words(model.attention.theta)
    name = "liked NDCG@20"
    if not model.history or name not in model.without_attention:
        return said
    with_it = model.history[model.best_epoch].metrics[name]
    return (
        f"{said} On validation {name} is {with_it:.4f} with it and "
        f"{model.without_attention[name]:.4f} without."
    )


def assemble(
    data: MovieData, e0: Floats, scale: Floats, values: NDArray[np.float64], **rest: Any
) -> TrainedModel:
    """The model that serves: E(0) with all ratings, every array read-only.

    Args:
        e0, scale, values: as in `TrainedModel`.
        rest: the fields of `TrainedModel` that are not computed from data and E(0).
    """
    config: TrainingConfig = rest["config"]
    attention = None
    if theta := rest.get("theta"):
        attention = Attention.of(np.array(theta), data.movie_degree, data.tag_features.T)
    hybrid = config.model == "hybrid"
    arrays = _hybrid_arrays(data, e0, scale, config) if hybrid else _paper_arrays(data, e0, config)
    arrays["movie_factors"] = np.asfortranarray(arrays["movie_factors"])
    learned: dict[str, Any] = {"e0": e0, "scale": scale, "values": values}
    for array in (*arrays.values(), *learned.values()):
        array.flags.writeable = False
    return TrainedModel(
        fingerprint=data.fingerprint, attention=attention, **arrays, **learned, **rest
    )


def _hybrid_arrays(
    data: MovieData,
    e0: Floats,
    scale: Floats,
    config: TrainingConfig,
) -> dict[str, Any]:
    graph = None
    if config.layers > 1:
        graph = build_graph(data.ratings, content_edges(data), config)
    propagation = HybridPropagation.of(data.ratings, graph, config, people=False)
    sent, met = propagation.film_vectors(torch.from_numpy(e0))
    movie_factors = met.numpy() * scale[:, None]  # [n_movies, dim]
    movie_factors[data.movie_degree == 0] = 0.0  # no edge, no evidence
    return {
        "user_factors": np.zeros((0, e0.shape[1]), np.float32),
        "movie_factors": movie_factors,
        "movie_messages": sent.numpy(),
        "fold_in_map": np.zeros((0, 0), np.float32),
    }


def _paper_arrays(data: MovieData, e0: Floats, config: TrainingConfig) -> dict[str, Any]:
    layers, start = config.layers, torch.from_numpy(e0)
    adjacency = to_torch(normalised_adjacency(data.ratings))
    # `layer_mean` in two steps: the sum before the last layer is wanted, too.
    below_last = layer_sum(adjacency, start, layers - 1) if layers else torch.zeros_like(start)
    final = (torch.addmm(start, adjacency, below_last) / (layers + 1)).numpy()
    users, films = final[: data.n_users].copy(), final[data.n_users :].copy()
    films[data.movie_degree == 0] = 0.0  # without an edge the graph knows nothing about a film
    below = (below_last / max(layers, 1)).numpy()[data.n_users :]  # Σ_{k<K} e(k)/K
    messages = below * np.float32(layers / (layers + 1))
    return {
        "user_factors": users,
        "movie_factors": films,
        "movie_messages": messages,
        "fold_in_map": fold_in_map(users, e0[: data.n_users] / np.float32(layers + 1)),
    }


def fold_in_map(user_factors: Floats, own: Floats) -> Floats:
    """Ridge regression from a user's summed messages (f_u less the own part) to f_u.

    Args:
        user_factors: f_u, float32 [n_users, dim].
        own: e(0)_u/(K+1), float32 [n_users, dim].

    Returns:
        float32 [dim, dim].
    """
    received = (user_factors - own).astype(np.float64)  # [n_users, dim]
    gram = received.T @ received
    ridge = FOLD_IN_RIDGE * np.trace(gram) / len(gram) + 1e-12  # without layers nothing is sent
    regularised = gram + ridge * np.eye(len(gram))
    return np.linalg.solve(regularised, received.T @ user_factors).astype(np.float32)


# --- the model as it was measured -----------------------------------------------------------------


def fitted_graph(data: MovieData, model: TrainedModel) -> HybridGraph:
    """The hybrid graph that the model's E(0) was fitted to."""
    if model.refitted:
        return build_graph(data.ratings, content_edges(data), model.config)
    split = PROTOCOLS[model.protocol](data)
    return build_graph(split.train, visible_content(data, split.hidden()), model.config)


def measured_scorer(
    data: MovieData, model: TrainedModel, split: Split, profile: Profile = DEFAULT_PROFILE
) -> Scorer:
    """The model with only the train part of its split as graph and profiles, as it is measured.

    Only for a model that was not refitted: that one has seen everything.
    """
    e0, train = torch.tensor(model.e0), split.train
    if not model.is_hybrid:
        users, films = PaperPropagation.of(train, model.config.layers).forward(e0)
        return factor_scorer(users.numpy(), films.numpy())
    graph = fitted_graph(data, model) if model.config.layers > 1 else None
    sent, met = HybridPropagation.of(train, graph, model.config, people=False).film_vectors(e0)
    delta, attention = strength(model.config, profile), None
    if model.attention is not None:
        tags = visible_content(data, split.hidden())["tag"]
        attention = Attention.of(model.attention.theta, film_degree(train), tags)
    scaled = met.numpy() * model.scale[:, None]
    return profile_scorer(train, sent.numpy(), scaled, delta, attention=attention)
