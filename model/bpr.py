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
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from model.attention import Attention
from model.config import TrainingConfig
from model.evaluation import Scorer
from model.fitted_start import Spectrum, spectrum
from model.hybrid_graph import Content, build_graph
from model.lightgcn import (
    HybridPropagation,
    PaperPropagation,
    Propagation,
    factor_scorer,
    met_scale,
    profile_scorer,
)
from model.processes import ALONE, Processes
from model.profiles import Profile, strength

RANDOM_STD = 0.1  # of a random E(0), as in the authors' code
# Of a fitted start: rated films score so much above random ones in the loss, the scale on which
# BPR still has something to say.
MARGIN = 9.0
ONE_PROCESS = (
    "The paper's model has a vector of each person, which several processes do not share; train it "
    "in one process, or take the hybrid."
)


# Steps of an epoch. More ratings make larger batches, not more steps, so that an epoch costs in
# proportion to the ratings and not to their square.
MOST_STEPS = 100


def batch_size(config: TrainingConfig, n_ratings: int) -> int:
    """Ratings per step: so many that an epoch has at most `MOST_STEPS`, each of which is a product
    with all ratings."""
    return max(config.batch_size, -(-n_ratings // MOST_STEPS))


class StopTraining(Exception):  # noqa: N818 – a request, not an error
    """Raised by `before_step` to end a training early; the best weights so far are kept."""


def bpr_loss(positive: Tensor, negative: Tensor, of: int | None = None) -> tuple[Tensor, Tensor]:
    """Mean of −log σ(s_ui − s_uj) = softplus(s_uj − s_ui), and its slope by each s_uj.

    Args:
        positive: s_ui, float [batch].
        negative: s_uj, float [batch, n_negatives].
        of: how many ratings the mean is over, if these are not all.

    Returns:
        The loss, and float [batch, n_negatives]; the slope by s_ui is minus its sum over a row.
    """
    difference = negative - positive[:, None]
    count = (len(positive) if of is None else of) * negative.shape[1]
    return functional.softplus(difference).sum() / count, difference.sigmoid() / count


class NegativeSampler:
    """Uniform films that the user did not rate in train; never a training positive.

    They are drawn on the processor, so that a seed gives the same on every device, and looked up on
    the device of the processes.
    """

    def __init__(
        self,
        interactions: sparse.csr_array,
        generator: torch.Generator,
        processes: Processes = ALONE,
    ) -> None:
        self.n_movies = interactions.shape[1]
        self.generator, self.processes = generator, processes
        users, movies = interactions.nonzero()
        keys = users.astype(np.int64) * self.n_movies + movies
        # A bit per pair where they fit (half a gigabyte), else a search among the sorted keys.
        self.bits: Tensor | None = None
        size = max(interactions.shape[0], 1) * self.n_movies
        if size <= 2**32:
            bits = np.zeros(size // 8 + 1, np.uint8)
            np.bitwise_or.at(bits, keys >> 3, (1 << (keys & 7)).astype(np.uint8))
            self.bits = torch.from_numpy(bits).to(processes.device)
        self.positive_keys = torch.from_numpy(keys).to(processes.device)  # ascending, as the rows

    def sample(self, users: Tensor, count: int) -> Tensor:
        """Inner movie ids int64 [batch, count] for inner user ids int64 [batch] on the device.

        Every user must have a film left that they did not rate. Several processes draw the same
        for the whole batch, in which −1 stands for a user of another one.
        """
        negatives = self._drawn(len(users), count)  # [batch, count]
        row_key = users[:, None] * self.n_movies
        while (taken := self._taken(row_key, negatives)).any():
            negatives[taken] = self._drawn(int(taken.sum()))
        return negatives

    def _drawn(self, *shape: int) -> Tensor:
        films = torch.randint(self.n_movies, shape, generator=self.generator)
        return films.to(self.processes.device)

    def _taken(self, row_key: Tensor, movies: Tensor) -> Tensor:
        """Which of them their user rated, as whoever holds the user knows."""
        found = self._is_positive(row_key.clamp(min=0) + movies) & (row_key >= 0)
        return self.processes.any(found)

    def _is_positive(self, keys: Tensor) -> Tensor:
        if self.bits is not None:
            return (self.bits[keys >> 3] >> (keys & 7).to(torch.uint8)) & 1 > 0
        place = torch.searchsorted(self.positive_keys, keys)
        return self.positive_keys[place.clamp(max=len(self.positive_keys) - 1)] == keys


class Learner:
    """E(0) and what changes it, over one graph.

    Args:
        ratings: csr [n_users, n_movies], the training ratings.
        content: what else the hybrid graph holds.
        before_step: called before every gradient step; may block or raise `StopTraining`.
        processes: those that share the people; `ratings` are of this one's. All tensors lie on
            their device; what leaves (`weights`, `state`, `scorer`) is on the processor.
        fitted: the eigenpairs of the graph, where they are known already.

    Attributes:
        e0: float32 [n_movies, dim] in the hybrid, [n_users + n_movies, dim] in the paper's model.
        scale: s_i of the hybrid, float32 [n_movies].
        fitted: the eigenpairs of a fitted start; None else.
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
        processes: Processes = ALONE,
        fitted: Spectrum | None = None,
    ) -> None:
        self.config, self.ratings, self.processes = config, ratings, processes
        self.device = processes.device
        self.before_step, self.start, self.waited = before_step, time.monotonic(), 0.0
        self.generator = torch.Generator().manual_seed(config.seed)
        self.values = np.zeros(0)
        self.fitted = fitted
        self.scale = np.zeros(0, np.float32)
        self.propagation: Propagation
        if config.model == "paper":
            if processes.size > 1:
                raise ValueError(ONE_PROCESS)
            self.e0 = self._random(sum(ratings.shape))
            self.propagation = PaperPropagation.of(ratings, config.layers, self.device)
        else:
            self._prepare_hybrid(content)
        self.optimizer: torch.optim.Optimizer | None = None
        if config.epochs:
            self._prepare_learning()

    def _prepare_hybrid(self, content: Content) -> None:
        config, processes, graph = self.config, self.processes, None
        if (config.fitted and self.fitted is None) or config.layers > 1:
            graph = build_graph(self.ratings, content, config, processes)
        if config.fitted:
            if self.fitted is None:
                assert graph is not None
                self.fitted = spectrum(graph, config.dim, config.seed)
            self.e0 = self._there(self.fitted.filtered(config.ridge))
            self.values = self.fitted.values
        else:
            self.e0 = self._random(self.ratings.shape[1])
        learns = config.epochs > 0
        unscaled = HybridPropagation.of(self.ratings, graph, config, processes, people=learns)
        self.e0[self._there(unscaled.degree == 0)] = 0.0  # no edge, no evidence
        self.scale = met_scale(unscaled, self.e0, config)
        self.propagation = replace(unscaled, met=self._there(self.scale)[:, None])

    def _there(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _random(self, rows: int) -> Tensor:
        drawn = torch.randn(rows, self.config.dim, generator=self.generator)
        return RANDOM_STD * drawn.to(self.device)

    def _prepare_learning(self) -> None:
        ratings, config = self.ratings, self.config
        self.sampler = NegativeSampler(ratings, self.generator, self.processes)
        users, movies = ratings.nonzero()
        self.users = self._there(users.astype(np.int64))  # [n_ratings]
        self.movies = self._there(movies.astype(np.int64))  # [n_ratings]
        # Someone who rated every film has no negative, so teaches BPR nothing.
        has_negative = np.diff(ratings.indptr)[users] < ratings.shape[1]
        self.usable = self._there(np.flatnonzero(has_negative))
        if not self.processes.total_of(len(self.usable)):
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
        everybodys = self.processes.everybodys(len(self.users))
        n_ratings, begin = sum(everybodys), sum(everybodys[: self.processes.rank])
        drawn = rng.choice(n_ratings, min(n_ratings, 20_000), False) - begin
        users, films = self.propagation.forward(self.e0)
        random_films = rng.integers(len(films), size=len(drawn))
        own = (drawn >= 0) & (drawn < len(self.users))
        chosen, other = self._there(drawn[own]), self._there(random_films[own])
        margin = (users[self.users[chosen]] * (films[self.movies[chosen]] - films[other])).sum(1)
        mean = self.processes.total_of(float(margin.sum())) / len(drawn)
        return MARGIN / max(mean, 1e-6)

    def run_epoch(self) -> float:
        """One pass over everybody's training ratings, an Adam step per batch; the mean loss."""
        assert self.optimizer is not None
        total = 0.0
        # All processes shuffle the ratings of all, which are numbered on from one to the next.
        everybodys = self.processes.everybodys(len(self.usable))
        n_usable, begin = sum(everybodys), sum(everybodys[: self.processes.rank])
        shuffled = torch.randperm(n_usable, generator=self.generator)
        for batch in shuffled.split(batch_size(self.config, n_usable)):
            self._wait()
            place = batch.to(self.device) - begin
            own = (place >= 0) & (place < len(self.usable))
            chosen = torch.where(own, self.usable[place.clamp(0, len(self.usable) - 1)], -1)
            loss, self.e0.grad = self.loss_and_gradient(chosen)
            self.optimizer.step()
            total += loss * len(chosen)
        return total / n_usable

    @torch.no_grad()
    def loss_and_gradient(self, batch: Tensor) -> tuple[float, Tensor]:
        """BPR plus L2 for the ratings with these numbers, int64 [batch], and the gradient by E(0).

        L2: ½‖E(0) rows of the batch‖² per rating, every row as often as the batch uses it.

        Args:
            batch: −1 stands for a rating that another process holds.
        """
        own = batch >= 0
        chosen = batch[own]
        users, movies = self.users[chosen], self.movies[chosen]
        asked = torch.full_like(batch, -1)
        asked[own] = users
        negatives = self.sampler.sample(asked, self.config.negatives)[own]
        films = torch.cat([movies[:, None], negatives], dim=1)  # [own, 1 + n_negatives]
        users, order = users.sort(stable=True)  # as `_through_scores` needs them
        films = films[order]
        hide = self.config.hide_batch
        propagation = self.propagation.without(chosen) if hide else self.propagation
        of_users, of_films = propagation.forward(self.e0)
        scores = self.sharpness * torch.einsum(
            "bd,bnd->bn", of_users[users], of_films[films.flatten()].view(*films.shape, -1)
        )  # [own, 1 + n_negatives]
        loss, by_negative = bpr_loss(scores[:, 0], scores[:, 1:], len(batch))
        slopes = torch.cat([-by_negative.sum(1, keepdim=True), by_negative], dim=1)
        by_users, by_films = self._through_scores(users, films, slopes, of_users, of_films)
        gradient = propagation.backward(by_users, by_films)
        times = self.processes.total(self._uses(users, films)) / len(batch)  # [rows of E(0)]
        penalty = 0.5 * float((self.e0.square().sum(1) * times).sum())
        gradient += self.config.l2 * times[:, None] * self.e0
        return self.processes.total_of(float(loss)) + self.config.l2 * penalty, gradient

    def _through_scores(
        self, users: Tensor, films: Tensor, slopes: Tensor, of_users: Tensor, of_films: Tensor
    ) -> tuple[Tensor, Tensor]:
        """dL/df and dL/dv: with the slopes as a matrix W [n_users, n_movies], W v and Wᵀ f.

        Args:
            users: ascending, so that the slopes are W by rows already.
        """
        slope = (self.sharpness * slopes).flatten()  # [own · (1 + n_negatives)]
        row, column = users.repeat_interleave(films.shape[1]), films.flatten()
        by_users = _by_rows(row, column, slope, len(of_users), len(of_films)) @ of_films
        column, order = column.sort(stable=True)
        back = _by_rows(column, row[order], slope[order], len(of_films), len(of_users))
        return by_users, back @ of_users

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
        return self.e0.detach().to("cpu", copy=True)

    def state(self) -> dict[str, Any]:
        """All that the steps so far have changed, as tensors; the same for all processes."""
        kept: dict[str, Any] = {"e0": self.weights(), "generator": self.generator.get_state()}
        if self.optimizer is not None:
            moments = self.optimizer.state_dict()["state"]
            kept["adam"] = {
                number: {name: value.to("cpu", copy=True) for name, value in each.items()}
                for number, each in moments.items()
            }
        return kept

    def restore(self, state: dict[str, Any], seconds: float) -> None:
        """Go on from a `state` of the same training, which had taken so long."""
        self.start = time.monotonic() - self.waited - seconds
        with torch.no_grad():
            self.e0.copy_(state["e0"])
        self.generator.set_state(state["generator"])
        if self.optimizer is not None:
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": state["adam"], "param_groups": groups})

    def is_finite(self, loss: float = 0.0) -> bool:
        return math.isfinite(loss) and bool(torch.isfinite(self.e0).all())

    def scorer(
        self, profile: Profile, e0: Tensor | None = None, attention: Attention | None = None
    ) -> Scorer:
        """Scores over this graph, of the present E(0) or of the one given."""
        e0 = self.e0.detach() if e0 is None else e0.to(self.device)
        if isinstance(self.propagation, HybridPropagation):
            sent, met = self.propagation.film_vectors(e0)
            delta = strength(self.config, profile)
            return profile_scorer(
                *(self.ratings, sent.cpu().numpy(), met.cpu().numpy()),
                *(delta, self.processes, attention),
            )
        users, films = self.propagation.forward(e0)
        return factor_scorer(users.cpu().numpy(), films.cpu().numpy(), self.device)


def _by_rows(row: Tensor, column: Tensor, values: Tensor, n_rows: int, n_columns: int) -> Tensor:
    """The sparse CSR matrix [n_rows, n_columns] of these entries, whose rows ascend. An entry may
    come twice: a product adds them."""
    begins = torch.searchsorted(row, torch.arange(n_rows + 1, device=row.device))
    return torch.sparse_csr_tensor(
        begins.int(), column.int(), values, size=(n_rows, n_columns), check_invariants=False
    )
