"""Learning by BPR: the loss, the negatives, and a pass over the training ratings.

The loss (Rendle et al. 2009, BPR) is −log σ(f_u·f_i − f_u·f_j) for a film i that u rated and a film
j that u did not; the gradient reaches E(0) through the propagation over the whole graph.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from data_preparation import normalised_adjacency
from model.config import TrainingConfig
from model.evaluation import Scorer
from model.fitted_start import initial_embeddings
from model.lightgcn import layer_mean, to_torch, train_scorer


class StopTraining(Exception):  # noqa: N818 – a request, not an error
    """Raised by `before_step` to end a training early; the best weights so far are kept."""


def bpr_loss(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Mean of −log σ(f_u·f_i − f_u·f_j) = softplus(f_u·f_j − f_u·f_i) (Rendle et al. 2009).

    Args:
        users: float [batch, dim].
        positives: float [batch, dim].
        negatives: float [batch, n_negatives, dim].
    """
    positive = (users * positives).sum(-1, keepdim=True)  # [batch, 1]
    negative = torch.einsum("bd,bnd->bn", users, negatives)  # [batch, n_negatives]
    return functional.softplus(negative - positive).mean()


class NegativeSampler:
    """Uniform films that the user did not rate in train; never a training positive."""

    def __init__(self, interactions: sparse.csr_array, generator: torch.Generator) -> None:
        self.n_movies = interactions.shape[1]
        self.generator = generator
        users, movies = interactions.nonzero()
        keys = users.astype(np.int64) * self.n_movies + movies
        self.positive_keys = torch.from_numpy(np.sort(keys))

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
        place = torch.searchsorted(self.positive_keys, keys)
        return self.positive_keys[place.clamp_(max=len(self.positive_keys) - 1)] == keys


class Learner:
    """E(0), float32 [n_users + n_movies, dim], and what changes it, over one graph.

    Args:
        interactions: csr [n_users, n_movies], the training ratings.
        before_step: as in `train`.

    Raises:
        ValueError: nobody has a film left unrated.
    """

    def __init__(
        self,
        interactions: sparse.csr_array,
        config: TrainingConfig,
        before_step: Callable[[], None] | None = None,
    ) -> None:
        self.config, self.n_users = config, interactions.shape[0]
        self.before_step, self.start, self.waited = before_step, time.monotonic(), 0.0
        self.generator = torch.Generator().manual_seed(config.seed)
        self.sampler = NegativeSampler(interactions, self.generator)
        users, movies = interactions.nonzero()
        self.users = torch.from_numpy(users.astype(np.int64))  # [n_ratings]
        self.movies = torch.from_numpy(movies.astype(np.int64))  # [n_ratings]
        # Which rating each stored entry of Ê is: first the users' rows, then the movies' rows.
        entries = np.concatenate([np.arange(len(users)), np.lexsort((users, movies))])
        self.rating_of_entry = torch.from_numpy(entries)  # [2 · n_ratings]
        # Someone who rated every film has no negative, so teaches BPR nothing.
        has_negative = np.diff(interactions.indptr)[users] < interactions.shape[1]
        self.usable = torch.from_numpy(np.flatnonzero(has_negative))
        if not len(self.usable):
            raise ValueError("Nobody has an unrated film left, so there is nothing to learn.")
        self.adjacency = to_torch(normalised_adjacency(interactions))
        self.e0 = initial_embeddings(interactions, self.adjacency, config).requires_grad_()
        self.optimizer = torch.optim.Adam([self.e0], lr=config.learning_rate)

    def run_epoch(self) -> float:
        """One pass over the training ratings, an Adam step per batch; the mean loss."""
        total = 0.0
        shuffled = self.usable[torch.randperm(len(self.usable), generator=self.generator)]
        for chosen in shuffled.split(self.config.batch_size):
            self._wait()
            loss = self._batch_loss(chosen)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(chosen)
        return total / len(shuffled)

    def _batch_loss(self, chosen: Tensor) -> Tensor:
        """BPR plus L2 for the ratings with these numbers, int64 [batch]."""
        users, batch = self.users[chosen], len(chosen)
        negatives = self.sampler.sample(users, self.config.negatives)
        nodes = torch.cat(
            [users, self.n_users + self.movies[chosen], self.n_users + negatives.flatten()]
        )  # [batch · (2 + n_negatives)]
        adjacency = self._without(chosen) if self.config.hide_batch else self.adjacency
        final = functional.embedding(nodes, layer_mean(adjacency, self.e0, self.config.layers))
        loss = bpr_loss(
            final[:batch],
            final[batch : 2 * batch],
            final[2 * batch :].view(batch, self.config.negatives, -1),
        )
        times = torch.bincount(nodes, minlength=len(self.e0))  # how often the batch uses each node
        penalty = (self.e0.square().sum(1) * times).sum() / (2 * batch)
        return loss + self.config.l2 * penalty

    def _without(self, chosen: Tensor) -> Tensor:
        """Ê with weight 0 on these ratings; the other weights stay as they are."""
        kept = torch.ones(len(self.users))
        kept[chosen] = 0.0
        return torch.sparse_csr_tensor(
            self.adjacency.crow_indices(),
            self.adjacency.col_indices(),
            self.adjacency.values() * kept[self.rating_of_entry],
            size=self.adjacency.shape,
            check_invariants=False,  # they are those of the checked Ê
        )

    def _wait(self) -> None:
        if self.before_step:
            asked = time.monotonic()
            self.before_step()
            self.waited += time.monotonic() - asked

    def seconds(self) -> float:
        """Since the start, without the pauses."""
        return time.monotonic() - self.start - self.waited

    def weights(self) -> Tensor:
        """A copy of E(0), float32 [n_users + n_movies, dim]."""
        return self.e0.detach().clone()

    def is_finite(self, loss: float) -> bool:
        return math.isfinite(loss) and bool(torch.isfinite(self.e0).all())

    def scorer(self, e0: Tensor | None = None) -> Scorer:
        """Scores f_u·f_i over this graph, of the present E(0) or of the one given."""
        e0 = self.e0.detach() if e0 is None else e0
        return train_scorer(self.adjacency, e0, self.config.layers, self.n_users)
