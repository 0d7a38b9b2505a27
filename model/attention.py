"""Attention: the weight of a rated film, learned from features of the edge to its person.

The weight x_uj of the profile (`model.profiles`) is multiplied by a softmax over a person's films,

    a_uj = n_u · exp(θ·z_uj) / Σ_k exp(θ·z_uk),    score_ui = Σ_j x_uj a_uj (m_j·v_i),

so on average a film counts as without it, and θ = 0 changes nothing. z_uj holds `FEATURES` of the
edge between a person and a film that they rated, and none of the film that is scored: the score
stays f_u·v_i, a sum of one term per rated film. What is the same for all films of a person drops
out of a softmax, so the number of their ratings acts through another feature alone. The time of a
rating is none of the features: a visitor's films need not have one, and `model.ageing` has its
own control. (Graph attention, Veličković et al. 2018, arXiv:1710.10903, has a learned vector in
place of θ and features of both ends in place of z.)

`model.attention_learning` learns θ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from model.hybrid_graph import mean_stars
from model.profiles import profile_weights

FEATURES: dict[str, str] = {
    "stars": "stars above the person's own level",
    "popularity": "ratings of the film, logarithm",
    "tagged": "the film has a tag",
    "typical": "how alike the film is to the others that the person rated, cosine",
    "typical of many": "the same, times the logarithm of the number of the person's ratings",
}
_NUMBERS_AT_ONCE = 1 << 23  # of film vectors that are gathered, one for each rating

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Attention:
    """θ, with what the features need of the films beside their vectors.

    Attributes:
        theta: θ, float64 [n_features], in the order of `FEATURES`.
        popularity: float64 [n_movies].
        tagged: bool [n_movies].
    """

    theta: NDArray[np.float64]
    popularity: NDArray[np.float64]
    tagged: NDArray[np.bool_]

    @classmethod
    def of(
        cls, theta: NDArray[np.float64], degree: NDArray[np.integer], tags: sparse.csr_array
    ) -> Attention:
        """
        Args:
            degree: ratings of each film, [n_movies].
            tags: tags of each film, csr [n_tags, n_movies].
        """
        return cls(theta, np.log1p(degree), np.diff(tags.tocsc().indptr) > 0)

    def only(self, movies: NDArray[np.integer]) -> Attention:
        """For tables whose columns are these films alone."""
        return replace(self, popularity=self.popularity[movies], tagged=self.tagged[movies])

    def features(
        self, ratings: sparse.csr_array, sent: Floats, overall: float
    ) -> NDArray[np.float64]:
        """z of every rating, float64 [n_ratings, n_features].

        Args:
            ratings: csr [n_users, n_movies], stars.
            sent: m_j, float32 [n_movies, dim].
            overall: the mean of all ratings, to which each person's own level is shrunk.
        """
        counts = np.diff(ratings.indptr)
        user = np.repeat(np.arange(len(counts)), counts)
        film, typical = ratings.indices, _typical(ratings, sent)
        return np.column_stack(
            [
                ratings.data - mean_stars(ratings, overall)[user],
                self.popularity[film],
                self.tagged[film],
                typical,
                typical * np.log(np.maximum(counts, 1))[user],
            ]
        )

    def weights(
        self, ratings: sparse.csr_array, sent: Floats, overall: float
    ) -> NDArray[np.float64]:
        """a of every rating, float64 [n_ratings], above 0; arguments as of `features`."""
        return attend(ratings, self.features(ratings, sent, overall) @ self.theta)


def attended_profile(
    ratings: sparse.csr_array,
    sent: Floats,
    strength: float,
    overall: float,
    attention: Attention | None,
) -> sparse.csr_array:
    """x_uj a_uj of all ratings, csr float32 [n_users, n_movies]; x_uj alone without attention."""
    weights = profile_weights(ratings, strength, overall)
    if attention is not None:
        weights.data = weights.data * attention.weights(ratings, sent, overall).astype(np.float32)
    return weights


def attend(ratings: sparse.csr_array, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """A softmax over each person's films, times their number, float64 [n_ratings]."""
    counts = np.diff(ratings.indptr)
    user = np.repeat(np.arange(len(counts)), counts)
    most = np.full(len(counts), -np.inf)
    np.maximum.at(most, user, logits)
    weights = np.exp(logits - most[user])
    total = np.bincount(user, weights, minlength=len(counts))
    return weights * (counts / np.maximum(total, 1e-300))[user]


def _typical(ratings: sparse.csr_array, sent: Floats) -> NDArray[np.float64]:
    """The cosine of each rated film and the sum of the person's others, float64 [n_ratings]."""
    user = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    seen = ratings.astype(np.float32)
    seen.data[:] = 1
    together = seen @ sent  # [n_users, dim]
    typical = np.empty(ratings.nnz)
    size = max(_NUMBERS_AT_ONCE // max(sent.shape[1], 1), 1)
    for begin in range(0, ratings.nnz, size):
        part = slice(begin, begin + size)
        own = sent[ratings.indices[part]]
        others = together[user[part]] - own  # a film is not typical because it is itself
        lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(own, axis=1)
        typical[part] = np.einsum("ij,ij->i", others, own) / np.maximum(lengths, 1e-12)
    return typical


def in_words(theta: NDArray[np.float64]) -> str:
    """What the learned features weigh, a sentence: each of `FEATURES` with its θ."""
    shown = ", ".join(f"{name} {value:+.3f}" for name, value in zip(FEATURES, theta, strict=True))
    return (
        "Attention: what one more of each feature adds to the logarithm of a rated film's weight: "
        f"{shown}."
    )
