"""LightGCN trained with BPR: the loss, the negatives, the training loop; the training command.

The loss (Rendle et al. 2009, BPR) is −log σ(f_u·f_i − f_u·f_j) for a film i that u rated and a film
j that u did not; the gradient reaches E(0) through the propagation over the whole graph.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from data_preparation import MovieData, normalised_adjacency
from evaluation import Scorer, Split, evaluate
from lightgcn import EpochRecord, TrainedModel, assemble, layer_mean, to_torch, train_scorer
from training_config import TrainingConfig
from warm_start import initial_embeddings


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


def train(
    data: MovieData,
    split: Split,
    config: TrainingConfig,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    before_step: Callable[[], None] | None = None,
    ks: Sequence[int] = (10, 20),
) -> TrainedModel:
    """Train on the train part, choose the epoch on validation, measure it once on test.

    The same data, split, config and thread count give the same model. Ctrl-C, `StopTraining`
    and a loss that is not finite end the training early; the best weights so far are kept.

    Args:
        on_epoch: called after every epoch, in this thread, and once before the first (epoch 0).
        before_step: called before every gradient step; may block (a pause, which does not count
            as training time) or raise `StopTraining`.
        ks: cut-offs of the metrics; 20 must be among them, because NDCG@20 chooses the epoch.

    Raises:
        ValueError: the split does not belong to the data, or nobody has a film left unrated.
    """
    if split.train.shape != data.ratings.shape:
        raise ValueError("The split belongs to other data: its users or movies differ in number.")
    learner = Learner(split.train, config, before_step)
    history: list[EpochRecord] = []
    best, best_epoch, best_ndcg = learner.weights(), 0, -1.0
    stop_reason = f"It ran all {config.epochs} epochs."
    try:
        for epoch in range(config.epochs + 1):
            loss = learner.run_epoch() if epoch else math.nan
            if epoch and not learner.is_finite(loss):
                stop_reason = f"The loss was not finite in epoch {epoch}: lower the learning rate."
                break
            metrics = evaluate(learner.scorer(), split, "validation", ks).mean()
            history.append(EpochRecord(epoch, loss, learner.seconds(), metrics))
            if metrics["NDCG@20"] > best_ndcg:
                best, best_epoch, best_ndcg = learner.weights(), epoch, metrics["NDCG@20"]
            if on_epoch:
                on_epoch(history[-1])
            if epoch - best_epoch >= config.patience:
                stop_reason = f"No better validation NDCG@20 for {config.patience} epochs."
                break
    except KeyboardInterrupt:
        stop_reason = f"Interrupted after epoch {len(history) - 1}."
    except StopTraining:
        stop_reason = f"Stopped on request after epoch {len(history) - 1}."
    report = evaluate(learner.scorer(best), split, "test", ks)
    return assemble(
        data,
        best.numpy(),
        config=config,
        protocol=split.protocol,
        history=tuple(history),
        best_epoch=best_epoch,
        test_metrics=report.mean(),
        test_intervals={name: report.interval(name) for name in report.per_user},
        stop_reason=stop_reason,
    )


def refit(
    data: MovieData,
    model: TrainedModel,
    on_epoch: Callable[[int], None] | None = None,
    before_step: Callable[[], None] | None = None,
) -> TrainedModel:
    """Learn E(0) again on all ratings, with the epochs that validation chose; for serving.

    The metrics stay those of `model`: nothing is held out that could measure the new E(0).

    Args:
        on_epoch: called after every epoch with its number.
        before_step: as in `train`; `StopTraining` passes through.

    Raises:
        ValueError: the model is of other data, nobody has a film left unrated, or the weights
            came out not finite.
    """
    if model.fingerprint != data.fingerprint:
        raise ValueError("The model belongs to other data, so it cannot be refitted on these.")
    learner, loss = Learner(data.ratings, model.config, before_step), 0.0
    for epoch in range(1, model.best_epoch + 1):
        loss = learner.run_epoch()
        if on_epoch:
            on_epoch(epoch)
    if not learner.is_finite(loss):
        raise ValueError("Refitting on all ratings gave a loss that is not finite.")
    kept = ("config", "protocol", "history", "best_epoch", "test_metrics", "test_intervals")
    rest = {name: getattr(model, name) for name in (*kept, "stop_reason")}
    return assemble(data, learner.weights().numpy(), refitted=True, **rest)


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


def main(arguments: list[str] | None = None) -> int:
    """The command `python model_training.py`; the exit status."""
    from training_command import main as command  # it imports this module

    return command(arguments)


if __name__ == "__main__":
    sys.exit(main())
