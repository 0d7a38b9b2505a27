"""LightGCN trained with BPR: the loss, the negatives, and the learner that takes the steps.

The loss (Rendle et al. 2009, BPR) is −log σ(s_ui − s_uj) for a film i that u rated and a film j
that u did not, with s_ui = f_u·v_i. Everything before the scores is linear in E(0), so the gradient
is written down instead of recorded: by the scores, through one sparse product per side, and back
through the propagation.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from model.config import TrainingConfig
from model.evaluation import Scorer
from model.fitted_start import spectrum
from model.hybrid_graph import Content, build_graph
from model.lightgcn import (
    HybridPropagation,
    PaperPropagation,
    Propagation,
    factor_scorer,
    met_scale,
    profile_scorer,
)
from model.profiles import Profile, strength

RANDOM_STD = 0.1  # of a random E(0), as in the authors' code
# Of a fitted start: rated films score so much above random ones in the loss, the scale on which
# BPR still has something to say.
MARGIN = 9.0


class StopTraining(Exception):  # noqa: N818 – a request, not an error
    """Raised by `before_step` to end a training early; the best weights so far are kept."""


def bpr_loss(positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of −log σ(s_ui − s_uj) = softplus(s_uj − s_ui), and its slope by each s_uj.

    Args:
        positive: s_ui, float [batch].
        negative: s_uj, float [batch, n_negatives].

    Returns:
        The loss, and float [batch, n_negatives]; the slope by s_ui is minus its sum over a row.
    """
    difference = negative - positive[:, None]
    return functional.softplus(difference).mean(), difference.sigmoid() / difference.numel()


class NegativeSampler:
    """Uniform films that the user did not rate in train; never a training positive."""

    def __init__(self, interactions: sparse.csr_array, generator: torch.Generator) -> None:
        self.n_movies = interactions.shape[1]
        self.generator = generator
        users, movies = interactions.nonzero()
        keys = users.astype(np.int64) * self.n_movies + movies
        # A bit per pair where they fit (half a gigabyte), else a search among the sorted keys.
        self.bits: NDArray[np.uint8] | None = None
        size = interactions.shape[0] * self.n_movies
        if size <= 2**32:
            bits = np.zeros(size // 8 + 1, np.uint8)
            np.bitwise_or.at(bits, keys >> 3, (1 << (keys & 7)).astype(np.uint8))
            self.bits = bits
        self.positive_keys = np.sort(keys)

    def sample(self, users: Tensor, count: int) -> Tensor:
        """Inner movie ids int64 [batch, count] for inner user ids [batch].

        Every user must have a film left that they did not rate.
        """
        negatives = torch.randint(
            self.n_movies, (len(users), count), generator=self.generator
        )  # [batch, count]
        row_key = users[:, None] * self.n_movies
        taken = self._is_positive(row_key + negatives)
        while taken.any():
            fresh = torch.randint(self.n_movies, (int(taken.sum()),), generator=self.generator)
            negatives[taken] = fresh
            taken = self._is_positive(row_key + negatives)
        return negatives

    def _is_positive(self, keys: Tensor) -> Tensor:
        asked = keys.numpy()
        if self.bits is not None:
            return torch.from_numpy((self.bits[asked >> 3] >> (asked & 7).astype(np.uint8)) & 1 > 0)
        place = np.searchsorted(self.positive_keys, asked)
        found = self.positive_keys[np.minimum(place, len(self.positive_keys) - 1)] == asked
        return torch.from_numpy(found)


class Learner:
    """E(0) and what changes it, over one graph.

    Args:
        ratings: csr [n_users, n_movies], the training ratings.
        content: what else the hybrid graph holds.
        before_step: called before every gradient step; may block or raise `StopTraining`.

    Attributes:
        e0: float32 [n_movies, dim] in the hybrid, [n_users + n_movies, dim] in the paper's model.
        scale: s_i of the hybrid, float32 [n_movies].
        values: the eigenvalues behind the columns of a fitted start, float64 [dim]; else empty.

    Raises:
        ValueError: nobody has a film left unrated, and there are epochs to learn.
    """

    def __init__(
        self,
        ratings: sparse.csr_array,
        content: Content,
        config: TrainingConfig,
        before_step: Callable[[], None] | None = None,
    ) -> None:
        self.config, self.ratings = config, ratings
        self.before_step, self.start, self.waited = before_step, time.monotonic(), 0.0
        self.generator = torch.Generator().manual_seed(config.seed)
        self.values = np.zeros(0)
        self.scale = np.zeros(0, np.float32)
        self.propagation: Propagation
        if config.model == "paper":
            self.e0 = self._random(sum(ratings.shape))
            self.propagation = PaperPropagation.of(ratings, config.layers)
        else:
            self._prepare_hybrid(content)
        self.optimizer: torch.optim.Optimizer | None = None
        if config.epochs:
            self._prepare_learning()

    def _prepare_hybrid(self, content: Content) -> None:
        config, graph = self.config, None
        if config.fitted or config.layers > 1:
            graph = build_graph(self.ratings, content, config)
        if config.fitted:
            assert graph is not None
            found = spectrum(graph, config.dim, config.seed)
            self.e0, self.values = torch.from_numpy(found.filtered(config.ridge)), found.values
        else:
            self.e0 = self._random(self.ratings.shape[1])
        rated = np.bincount(self.ratings.indices, minlength=self.ratings.shape[1]) > 0
        self.e0[torch.from_numpy(~rated)] = 0.0  # no edge, no evidence
        unscaled = HybridPropagation.of(self.ratings, graph, config)
        self.scale = met_scale(self.ratings, unscaled, self.e0, config)
        self.propagation = replace(unscaled, met=torch.from_numpy(self.scale)[:, None])

    def _random(self, rows: int) -> Tensor:
        return RANDOM_STD * torch.randn(rows, self.config.dim, generator=self.generator)

    def _prepare_learning(self) -> None:
        ratings, config = self.ratings, self.config
        self.sampler = NegativeSampler(ratings, self.generator)
        users, movies = ratings.nonzero()
        self.users = torch.from_numpy(users.astype(np.int64))  # [n_ratings]
        self.movies = torch.from_numpy(movies.astype(np.int64))  # [n_ratings]
        # Someone who rated every film has no negative, so teaches BPR nothing.
        has_negative = np.diff(ratings.indptr)[users] < ratings.shape[1]
        self.usable = torch.from_numpy(np.flatnonzero(has_negative))
        if not len(self.usable):
            raise ValueError("Nobody has an unrated film left, so there is nothing to learn.")
        # The loss of a fitted start is read on a scale of its own, and Adam's steps are in units of
        # the spread of a random start, so that the settings mean the same for any start.
        self.sharpness = self._sharpness() if config.fitted else 1.0
        spread = float(self.e0.std()) / RANDOM_STD if config.fitted else 1.0
        self.e0.requires_grad_()
        self.optimizer = torch.optim.Adam(
            [self.e0], lr=config.learning_rate * (spread or 1.0), fused=True
        )

    def _sharpness(self) -> float:
        rng = np.random.default_rng(self.config.seed)
        chosen = torch.from_numpy(rng.choice(len(self.users), min(len(self.users), 20_000), False))
        users, films = self.propagation.forward(self.e0)
        other = torch.from_numpy(rng.integers(len(films), size=len(chosen)))
        margin = (users[self.users[chosen]] * (films[self.movies[chosen]] - films[other])).sum(1)
        return float(MARGIN / margin.mean().clamp(min=1e-6))

    def run_epoch(self) -> float:
        """One pass over the training ratings, an Adam step per batch; the mean loss."""
        assert self.optimizer is not None
        total = 0.0
        shuffled = self.usable[torch.randperm(len(self.usable), generator=self.generator)]
        for chosen in shuffled.split(self.config.batch_size):
            self._wait()
            loss, self.e0.grad = self.loss_and_gradient(chosen)
            self.optimizer.step()
            total += loss * len(chosen)
        return total / len(shuffled)

    @torch.no_grad()
    def loss_and_gradient(self, chosen: Tensor) -> tuple[float, Tensor]:
        """BPR plus L2 for the ratings with these numbers, int64 [batch], and the gradient by E(0).

        L2: ½‖E(0) rows of the batch‖² per rating, every row as often as the batch uses it.
        """
        users, movies = self.users[chosen], self.movies[chosen]
        negatives = self.sampler.sample(users, self.config.negatives)
        hide = self.config.hide_batch
        propagation = self.propagation.without(chosen) if hide else self.propagation
        of_users, of_films = propagation.forward(self.e0)
        films = torch.cat([movies[:, None], negatives], dim=1)  # [batch, 1 + n_negatives]
        scores = self.sharpness * torch.einsum(
            "bd,bnd->bn", of_users[users], of_films[films.flatten()].view(*films.shape, -1)
        )  # [batch, 1 + n_negatives]
        loss, by_negative = bpr_loss(scores[:, 0], scores[:, 1:])
        slopes = torch.cat([-by_negative.sum(1, keepdim=True), by_negative], dim=1)
        by_users, by_films = self._through_scores(users, films, slopes, of_users, of_films)
        gradient = propagation.backward(by_users, by_films)
        times = self._uses(users, films) / len(chosen)  # [rows of E(0)]
        penalty = 0.5 * float((self.e0.square().sum(1) * times).sum())
        gradient += self.config.l2 * times[:, None] * self.e0
        return float(loss) + self.config.l2 * penalty, gradient

    def _through_scores(
        self, users: Tensor, films: Tensor, slopes: Tensor, of_users: Tensor, of_films: Tensor
    ) -> tuple[Tensor, Tensor]:
        """dL/df and dL/dv: with the slopes as a matrix W [n_users, n_movies], W v and Wᵀ f."""
        row = users[:, None].expand_as(films).flatten().numpy()
        slope = (self.sharpness * slopes).flatten().numpy()
        matrix = sparse.csr_array(
            (slope, (row, films.flatten().numpy())), shape=(len(of_users), len(of_films))
        )
        by_users = torch.from_numpy(matrix @ of_films.numpy())
        return by_users, torch.from_numpy(matrix.T.tocsr() @ of_users.numpy())

    def _uses(self, users: Tensor, films: Tensor) -> Tensor:
        """How often the batch uses each row of E(0)."""
        if self.config.model == "paper":
            rows = torch.cat([users, self.ratings.shape[0] + films.flatten()])
        else:
            rows = films.flatten()
        return torch.bincount(rows, minlength=len(self.e0))

    def _wait(self) -> None:
        if self.before_step:
            asked = time.monotonic()
            self.before_step()
            self.waited += time.monotonic() - asked

    def seconds(self) -> float:
        """Since the start, without the pauses."""
        return time.monotonic() - self.start - self.waited

    def weights(self) -> Tensor:
        """A copy of E(0)."""
        return self.e0.detach().clone()

    def is_finite(self, loss: float = 0.0) -> bool:
        return math.isfinite(loss) and bool(torch.isfinite(self.e0).all())

    def scorer(self, profile: Profile, e0: Tensor | None = None) -> Scorer:
        """Scores over this graph, of the present E(0) or of the one given."""
        e0 = self.e0.detach() if e0 is None else e0
        if isinstance(self.propagation, HybridPropagation):
            sent, met = self.propagation.film_vectors(e0)
            delta = strength(self.config, profile)
            return profile_scorer(self.ratings, sent.numpy(), met.numpy(), delta)
        users, films = self.propagation.forward(e0)
        return factor_scorer(users.numpy(), films.numpy())
