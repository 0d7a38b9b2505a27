"""LightGCN's propagation, on the paper's graph and on the hybrid one.

Paper (He et al. 2020, arXiv:2002.02126): users and films are nodes, all with learned rows of E(0);
E(k+1) = Ê E(k) with Ê = D^-½ A D^-½; the final embeddings are F = mean of E(0) … E(K); the score of
user u and film i is f_u·f_i.

Hybrid (`model.hybrid_graph`): films have learned rows of E(0), every other node starts at zero and
gets its vector from the films. So films hold something at hops 0, 2, 4 …, all others at 1, 3, 5 ….
With Ĝ = YᵀY over its first eigenvalue, X the profile weights (`model.profiles`) and the means over
the hops up to K:

    sent  m_j = d_j^-b · mean over h ≤ (K−1)/2 of (Ĝ^h E(0))_j
    met   v_i = s_i    · mean over h ≤ K/2     of (Ĝ^h E(0))_i
    f_u = Σ_j x_uj m_j,   score = f_u·v_i

K = 1 reads the film vectors as they are, which is what the closed form fits; K = 2 smooths the
films that are met over their neighbours, K = 3 those that are sent too. K = 0 would leave people
without a vector. s_i = d_i^(b+c)/(1 − e_i·e_i) takes out what a film would vote for itself
(`met_scale`).

Everything is linear in E(0), so a gradient by the final vectors goes back through the same
products.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from data_preparation import normalised_adjacency
from model.attention import Attention, attended_profile
from model.config import TrainingConfig
from model.devices import scores_on, to_torch
from model.evaluation import Scorer
from model.fitted_start import Spectrum, first_eigenvalue
from model.hybrid_graph import SEEN, TASTE, HybridGraph, film_degree, overall_mean
from model.processes import ALONE, Processes
from model.profiles import profile_weights

_MAX_SELF_VOTE = 0.95  # a film that is all of a node's edges would else divide by zero


def with_values(matrix: Tensor, values: Tensor) -> Tensor:
    """The same sparse CSR pattern with other values, float [nnz]."""
    return torch.sparse_csr_tensor(
        matrix.crow_indices(),
        matrix.col_indices(),
        values,
        size=matrix.shape,
        check_invariants=False,  # they are those of the checked matrix
    )


def layer_mean(adjacency: Tensor, e0: Tensor, layers: int) -> Tensor:
    """Final embeddings F = 1/(K+1) Σ_k Ê^k E(0) (LightGCN eq. 4, 8), by Horner's rule.

    Ê is symmetric, so dL/dE(0) is the same function of dL/dF.

    Args:
        adjacency: Ê, sparse CSR float [n_nodes, n_nodes], symmetric.
        e0: float [n_nodes, dim].
        layers: K; 0 gives plain matrix factorisation.

    Returns:
        float [n_nodes, dim].
    """
    return layer_sum(adjacency, e0, layers) / (layers + 1)


def layer_sum(adjacency: Tensor, e0: Tensor, layers: int) -> Tensor:
    """Σ_k Ê^k E(0) for k = 0 … K; arguments and result as of `layer_mean`."""
    total = e0
    for _ in range(layers):
        total = torch.addmm(e0, adjacency, total)  # E + Ê·total  [n_nodes, dim]
    return total


class Propagation(Protocol):
    """From E(0) to the vectors that are multiplied, and back."""

    def forward(self, e0: Tensor) -> tuple[Tensor, Tensor]:
        """f_u [n_users, dim] and v_i [n_movies, dim]."""

    def backward(self, by_users: Tensor, by_films: Tensor) -> Tensor:
        """dL/dE(0) from dL/df [n_users, dim] and dL/dv [n_movies, dim]."""

    def without(self, ratings: Tensor) -> Propagation:
        """The same with weight 0 on these ratings (their numbers in the CSR, int64 [any])."""


@dataclass(frozen=True, eq=False)
class PaperPropagation:
    """Over users and films, E(0) [n_users + n_movies, dim].

    Attributes:
        adjacency: Ê, sparse CSR float.
        rating_of_entry: which rating each stored entry of Ê is, int64 [2 · n_ratings].
    """

    adjacency: Tensor
    rating_of_entry: Tensor
    layers: int
    n_users: int

    @classmethod
    def of(
        cls, interactions: sparse.csr_array, layers: int, device: str = "cpu"
    ) -> PaperPropagation:
        users, movies = interactions.nonzero()
        # First the users' rows, then the films' rows.
        entries = np.concatenate([np.arange(len(users)), np.lexsort((users, movies))])
        adjacency = to_torch(normalised_adjacency(interactions), device)
        rating = torch.from_numpy(entries).to(device)
        return cls(adjacency, rating, layers, interactions.shape[0])

    def forward(self, e0: Tensor) -> tuple[Tensor, Tensor]:
        final = layer_mean(self.adjacency, e0, self.layers)
        return final[: self.n_users], final[self.n_users :]

    def backward(self, by_users: Tensor, by_films: Tensor) -> Tensor:
        return layer_mean(self.adjacency, torch.cat([by_users, by_films]), self.layers)

    def without(self, ratings: Tensor) -> PaperPropagation:
        kept = torch.ones(len(self.rating_of_entry) // 2, device=ratings.device)
        kept[ratings] = 0.0
        values = self.adjacency.values() * kept[self.rating_of_entry]
        return replace(self, adjacency=with_values(self.adjacency, values))


@dataclass(frozen=True, eq=False)
class People:
    """What people receive from films and send back.

    Attributes:
        profiles: X, sparse CSR float [n_users, n_movies]; `received` is Xᵀ.
        by_film: which rating each stored entry of Xᵀ is, int64 [n_ratings].
    """

    profiles: Tensor
    received: Tensor
    by_film: Tensor

    @classmethod
    def of(
        cls, ratings: sparse.csr_array, strength: float, overall: float, device: str = "cpu"
    ) -> People:
        profiles = profile_weights(ratings, strength, overall)
        return cls(
            to_torch(profiles, device),
            to_torch(profiles.T.tocsr(), device),
            torch.from_numpy(_by_film(ratings)).to(device),
        )

    def weighed(self, kept: Tensor) -> People:
        """The same with every rating's weight times this one, float [n_ratings]."""
        return replace(
            self,
            profiles=with_values(self.profiles, self.profiles.values() * kept),
            received=with_values(self.received, self.received.values() * kept[self.by_film]),
        )


@dataclass(frozen=True, eq=False)
class HybridPropagation:
    """Over the hybrid graph, E(0) [n_movies, dim], with tensors on the device of the processes.

    Attributes:
        sent, met: d_j^-b and s_i, float [n_movies, 1].
        degree: ratings of each film, int64 [n_movies].
        people: of this process; None where only the films' vectors are wanted.
        edges: Y over the square root of YᵀY's first eigenvalue, sparse CSR [n_nodes, n_movies];
            `back` its transpose. None where K = 1 needs neither.
        rating_of_edge, rating_of_back: which rating each of their entries is, −1 for none.
        processes: those that share the people.
    """

    sent: Tensor
    met: Tensor
    degree: NDArray[np.int64]
    layers: int
    people: People | None = None
    edges: Tensor | None = None
    back: Tensor | None = None
    rating_of_edge: Tensor | None = None
    rating_of_back: Tensor | None = None
    processes: Processes = ALONE

    @classmethod
    def of(
        cls,
        ratings: sparse.csr_array,
        graph: HybridGraph | None,
        config: TrainingConfig,
        processes: Processes = ALONE,
        people: bool = True,
    ) -> HybridPropagation:
        """With s_i = 1; `with_scale` sets it. People have the profile "watch": BPR learns from all
        their ratings.

        Args:
            ratings: csr [n_users, n_movies], stars.
            graph: of these ratings; needed from K = 2.
            processes: those that share the people; `ratings` are of this one's.
            people: what they receive is wanted too, for learning.
        """
        degree, device = film_degree(ratings, processes), processes.device
        plain = cls(
            sent=torch.from_numpy(_power(degree, -config.film_exponent)).to(device)[:, None],
            met=torch.ones(ratings.shape[1], 1, device=device),
            degree=degree,
            layers=config.layers,
            processes=processes,
        )
        if people:
            overall = overall_mean(ratings, processes)
            plain = replace(plain, people=People.of(ratings, config.watch, overall, device))
        if config.layers == 1:
            return plain
        assert graph is not None
        first = np.float32(first_eigenvalue(graph.edges, processes))
        edges = graph.edges / np.sqrt(first)
        rating = np.full(edges.nnz, -1)
        for kind in (SEEN, TASTE):
            if kind in graph.kinds:
                rows = graph.rows_of(kind)
                begin, end = edges.indptr[rows.start], edges.indptr[rows.stop]
                rating[begin:end] = np.arange(end - begin)
        return replace(
            plain,
            edges=to_torch(edges, device),
            back=to_torch(edges.T.tocsr(), device),
            rating_of_edge=torch.from_numpy(rating).to(device),
            rating_of_back=torch.from_numpy(rating[_by_film(edges)]).to(device),
        )

    def film_vectors(self, e0: Tensor) -> tuple[Tensor, Tensor]:
        """What each film sends, and where it is met: m and v, float [n_movies, dim] each."""
        sent = self.sent * self._smoothed(e0, (self.layers - 1) // 2)
        return sent, self.met * self._smoothed(e0, self.layers // 2)

    def forward(self, e0: Tensor) -> tuple[Tensor, Tensor]:
        assert self.people is not None
        sent, met = self.film_vectors(e0)
        return self.people.profiles @ sent, met

    def backward(self, by_users: Tensor, by_films: Tensor) -> Tensor:
        assert self.people is not None
        by_sent = self.sent * self.processes.total(self.people.received @ by_users)
        by_met = self.met * self.processes.total(by_films)
        return self._smoothed(by_sent, (self.layers - 1) // 2) + self._smoothed(
            by_met, self.layers // 2
        )

    def without(self, ratings: Tensor) -> HybridPropagation:
        assert self.people is not None
        # The last one stands for "no rating", −1.
        kept = torch.ones(len(self.people.by_film) + 1, device=ratings.device)
        kept[ratings] = 0.0
        changed = replace(self, people=self.people.weighed(kept[:-1]))
        if self.edges is None or self.back is None:
            return changed
        return replace(
            changed,
            edges=with_values(self.edges, self.edges.values() * kept[self.rating_of_edge]),
            back=with_values(self.back, self.back.values() * kept[self.rating_of_back]),
        )

    def _smoothed(self, films: Tensor, hops: int) -> Tensor:
        """The mean of Ĝ^0 … Ĝ^hops times these rows, [n_movies, dim]; symmetric in Ĝ."""
        if not hops:
            return films
        total = films
        for _ in range(hops):
            assert self.edges is not None and self.back is not None
            total = films + self.processes.total(self.back @ (self.edges @ total))
        return total / (hops + 1)


def met_scale(
    propagation: HybridPropagation, e0: Tensor, config: TrainingConfig
) -> NDArray[np.float32]:
    """s_i = d_i^(b+c)/(1 − B_ii), float32 [n_movies], for a propagation with s_i = 1.

    B_ii is what film i would vote for itself if someone rated it. A random start has learned no
    such vote: there it counts as 0.
    """
    power = _power(propagation.degree, config.film_exponent + config.met_exponent)
    if not config.fitted:
        return power
    sent, met = propagation.film_vectors(e0)
    self_vote = (sent / propagation.sent * met).sum(1).clamp(max=_MAX_SELF_VOTE)
    return power / (1 - self_vote).cpu().numpy()


def fitted_vectors(
    ratings: sparse.csr_array,
    found: Spectrum,
    config: TrainingConfig,
    processes: Processes = ALONE,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """m and v of a fitted start read at K = 1, float32 [n_movies, dim] each.

    Args:
        ratings: csr [n_users, n_movies], the ratings of the graph.
        found: its eigenpairs.
        processes: those that share the people; `ratings` are of this one's.
    """
    e0 = torch.from_numpy(found.filtered(config.ridge)).to(processes.device)
    propagation = HybridPropagation.of(
        ratings, None, replace(config, layers=1), processes, people=False
    )
    scale = met_scale(propagation, e0, config)
    return (propagation.sent * e0).cpu().numpy(), scale[:, None] * e0.cpu().numpy()


def _power(degree: NDArray[np.int64], exponent: float) -> NDArray[np.float32]:
    """d_i^exponent, 1 for a film without ratings."""
    return (np.maximum(degree, 1).astype(float) ** exponent).astype(np.float32)


def _by_film(matrix: sparse.csr_array) -> NDArray[np.int64]:
    """The stored entries in the order in which the transposed matrix stores them."""
    return np.argsort(matrix.indices, kind="stable")


def profile_scorer(
    ratings: sparse.csr_array,
    sent: NDArray[np.float32],
    met: NDArray[np.float32],
    strength: float,
    processes: Processes = ALONE,
    attention: Attention | None = None,
) -> Scorer:
    """Inner users [batch] → Σ_j x_uj m_j·v_i for all movies, float32 [batch, n_movies].

    Args:
        ratings: csr [n_users, n_movies], the ratings that make the profiles.
        sent, met: m and v, float32 [n_movies, dim].
        strength: δ of the profile.
        processes: those that share the people; `ratings` are of this one's.
        attention: that multiplies x, if any.
    """
    overall, scores = overall_mean(ratings, processes), scores_on(met, processes.device)

    def scorer(users: NDArray[np.int64]) -> NDArray[np.float32]:
        own = ratings[users]
        return scores(attended_profile(own, sent, strength, overall, attention) @ sent)

    return scorer


def factor_scorer(
    user_factors: NDArray[np.float32], movie_factors: NDArray[np.float32], device: str = "cpu"
) -> Scorer:
    """Inner users [batch] → f_u·v_i for all movies, float32 [batch, n_movies]."""
    scores = scores_on(movie_factors, device)
    return lambda users: scores(user_factors[users])
