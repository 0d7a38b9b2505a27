"""Start Here: what changes in the sum when some rated films are listened to more than others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from analysis.attended import GAINS, steps
from model.attention import FEATURES, Attention
from model.explanation import explain
from model.trained import attention_in_words
from model.viewers import Viewer, edge_features
from prediction import Recommendation
from tabs.shared import count
from tabs.start_here import computed
from tabs.start_here.lists import news, side_by_side
from tabs.start_here.story import Story, needs_model

_LISTED = 10
_ENDS = 4  # films that are listened to most, and least
_TERMS = 3  # that are largest, with attention and without
_AS_LEARNED = "as learned"
_FACTORS = {"÷ 4": 0.25, "÷ 2": 0.5, "× 1": 1.0, "× 2": 2.0, "× 4": 4.0}


def attention(story: Story) -> None:
    """Chapter: the same sum with weights that follow from features of each rated film."""
    st.subheader("Which films are listened to")
    story.say(
        "Not every film that somebody rated tells as much about them. **Attention** learns how "
        "much to listen to each: five things that are known of the film and the person give it a "
        "share, and on average a film still counts once. Nothing of the film that is scored is "
        "among the five, so the score is still one term for each rated film. How old a rating is "
        "belongs to the chapter *Time*.",
        r"$x_{uj} \leftarrow x_{uj}\,a_{uj}$ with the softmax over the $n_u$ films of a person "
        r"$a_{uj} = n_u\,\exp(\theta \cdot z_{uj}) / \sum_k \exp(\theta \cdot z_{uk})$, so "
        r"$\sum_j a_{uj} = n_u$. $z_{uj}$ are five features of the edge, none of the film $i$ that "
        r"is scored: $f_u = \sum_j x_{uj} m_j$ and $s_{ui} = f_u \cdot v_i$ as before.",
    )
    if needs_model(story):
        return
    if not story.trained.is_hybrid:
        st.info(
            "The model in use is the paper's: its weights are 1 over the root of two numbers of "
            "ratings, so there is nothing to learn about them. Train the hybrid graph to see "
            "attention.",
            icon=":material/hearing_disabled:",
        )
        return
    if len(computed.served(story)[0].movies) < 2:
        st.info(
            f"{story.name} {story.verb('has', 'have')} fewer than two rated films, so there is "
            "nothing to share out: follow somebody else.",
            icon=":material/hearing_disabled:",
        )
        return
    own = story.trained.attention
    learned = own or computed.measured_attention(story)
    before, after = (
        computed.served_with(story, chosen) for chosen in (None, _choose(story, learned))
    )
    _films(story, learned, after.viewer)
    if before.best and after.best:
        _lists(story, before, after)
        _terms(story, before, after)
    _worth(story)


def _choose(story: Story, learned: Attention) -> Attention:
    """What was learned, as a table, and the same with another number for one feature."""
    n_rated = len(computed.served(story)[0].movies)
    pictured = steps(n_rated)
    factors = [
        float(np.exp(theta * pictured[name].size))
        for name, theta in zip(FEATURES, learned.theta, strict=True)
    ]
    story.say(
        "This model has learned it. "
        if story.trained.attention
        else "The model in use does without, so here is what three trainings on MovieLens small "
        "learned on average, for films that differ as these do:",
        "This model's own $\\theta$:"
        if story.trained.attention
        else r"The model in use has $\theta = 0$, so here is the mean of three $\theta$ learned on "
        "MovieLens small, in units of the spread that each feature has in these data:",
    )
    table = pd.DataFrame(
        {
            "what is looked at": list(FEATURES.values()),
            "one step more": [pictured[name].words for name in FEATURES],
            "weight ×": [f"{factor:.3f}" for factor in factors],
        }
    )
    if story.formulas:
        table["θ"] = [f"{theta:+.4f}" for theta in learned.theta]
    st.table(table, hide_index=True, alt="The five features and what a step of each does")
    left, right = st.columns(2, vertical_alignment="bottom")
    feature = left.selectbox("Change one of them", list(FEATURES), key="attention_feature")
    place = list(FEATURES).index(feature)
    options = sorted([*_FACTORS, _AS_LEARNED], key=lambda name: _FACTORS.get(name, factors[place]))
    chosen = right.select_slider(
        f"{pictured[feature].words.capitalize()}: weight",
        options,
        _AS_LEARNED,
        format_func=lambda name: (
            f"× {factors[place]:.2f} ({name})" if name == _AS_LEARNED else name
        ),
        key=f"attention_{feature}",
    )
    theta = learned.theta.copy()
    if chosen != _AS_LEARNED:
        theta[place] = np.log(_FACTORS[chosen]) / pictured[feature].size
    return replace(learned, theta=theta)


def _films(story: Story, learned: Attention, viewer: Viewer) -> None:
    """The films that are listened to most and least, with what the features are made of."""
    assert viewer.attention is not None
    movies, given = viewer.movies, viewer.attention
    order = np.argsort(-given, kind="stable")
    shown = order if len(order) <= 2 * _ENDS else np.r_[order[:_ENDS], order[-_ENDS:]]
    z = edge_features(story.trained, viewer, learned)  # [n_rated, n_features]
    alike = z[:, list(FEATURES).index("typical")]
    most, least = movies[order[0]], movies[order[-1]]
    st.markdown(
        f"Of {count(len(movies), 'film')} of {story.whom}, *{story.film(most)}* is listened to "
        f"most (× {given.max():.2f}) and *{story.film(least)}* least (× {given.min():.2f})"
        + (f"; the first {_ENDS} and the last:" if len(order) > len(shown) else ":")
    )
    table = pd.DataFrame(
        {
            "film": [story.data.labels[movies[j]] for j in shown],
            "stars": [f"{viewer.stars[j]:g}" for j in shown],
            "ratings": [f"{story.served.movie_degree[movies[j]]:,}" for j in shown],
            "tag": ["yes" if learned.tagged[movies[j]] else "no" for j in shown],
            "alike": [f"{alike[j]:.3f}" for j in shown],
            "× attention": [f"{given[j]:.3f}" for j in shown],
        }
    )
    st.table(table, hide_index=True, alt="Films with their features and the attention to them")
    st.caption(
        f"The {len(given):,} numbers of the last column add up to {given.sum():,.2f}. *alike* is "
        "the cosine of the film and the sum of the others that were rated."
    )


def _lists(story: Story, before: computed.Served, after: computed.Served) -> None:
    without, with_it = ([item.movie for item in each.best] for each in (before, after))
    st.markdown(f"With attention, {news(story, without, with_it)}")
    side_by_side(
        story,
        {"without": without, "with attention": with_it},
        "The first films without attention and with it",
    )


def _terms(story: Story, before: computed.Served, after: computed.Served) -> None:
    """The sum of one film of the new list, with attention and without."""
    films = [item.movie for item in after.best]
    movie = st.selectbox(
        "The sum of",
        films,
        format_func=lambda film: f"{films.index(film) + 1}. {story.data.labels[film]}",
        key=f"attended_{story.user}",
    )
    plain, attended = (
        explain(story.served, each.model, each.viewer, movie) for each in (before, after)
    )
    alike = before.viewer.messages.astype(np.float64) @ story.trained.movie_factors[movie]
    order = _largest(attended.contributions, plain.contributions)
    table = pd.DataFrame(
        {
            "film": [story.data.labels[plain.rated[j]] for j in order],
            "weight": [f"{plain.weights[j]:.3f}" for j in order],
            "× attention": [f"{attended.attention[j]:.3f}" for j in order],
            "× alike": [f"{alike[j]:.4f}" for j in order],
            "= term": [f"{attended.contributions[j]:.4f}" for j in order],
            "without": [f"{plain.contributions[j]:.4f}" for j in order],
        }
    )
    st.table(table, hide_index=True, alt="The largest terms with attention and without")
    ranks = [_rank(each.best, movie) for each in (before, after)]
    st.caption(
        f"All {len(plain.rated):,} terms add up to the graph score {attended.graph_score:.4f} with "
        f"attention and to {plain.graph_score:.4f} without; rank {ranks[0]} → {ranks[1]}. *alike* "
        "is how alike the two films are to the model."
    )


def _largest(*terms: NDArray[np.float64]) -> list[int]:
    """Places of the largest of each, without those that come twice."""
    orders = (np.argsort(-np.abs(each), kind="stable")[:_TERMS].tolist() for each in terms)
    return list(dict.fromkeys(place for order in orders for place in order))


def _rank(best: list[Recommendation], movie: int) -> str:
    """From 1, as far as it is listed."""
    return next(
        (str(n) for n, item in enumerate(best, 1) if item.movie == movie), f"beyond {_LISTED}"
    )


def _worth(story: Story) -> None:
    """What was measured, and how this differs from a graph attention network."""
    said = [
        f"{name} {gain:+.4f} ({low:+.4f} to {high:+.4f}: {_verdict(low, high)})"
        for name, (gain, low, high) in GAINS.items()
    ]
    st.markdown(
        "**Is it worth it?** Measured on MovieLens small, on validation over three splits, for the "
        f"profile that serves: {'; '.join(said)}. So it is a switch that is off at first: tab "
        "Train Model, *Advanced settings*."
    )
    if own := attention_in_words(story.trained):
        st.caption(f"The model in use. {own}")
    story.say(
        "**And a graph attention network (GAT)?** It shares out by a softmax over the lines of a "
        "node, too. But there the shares come from the embeddings of both ends, by learned tables "
        "of numbers and anew in every layer, and the embeddings are learned through them. Here "
        "they come from five things that can be read, once, in the person's sum alone, and the "
        "films' embeddings are fitted without.",
        "**And GAT?** [Veličković et al. 2018](https://arxiv.org/abs/1710.10903): "
        r"$\alpha_{ij} = \text{softmax}_j\,\text{LeakyReLU}(a^\top [W h_i \,\|\, W h_j])$ in every "
        r"layer and head, $a$ and $W$ learned with the embeddings, $\sum_j \alpha_{ij} = 1$. Here "
        r"$\theta \in \mathbb{R}^5$ is all that is learned, once, in $f_u$ alone, after $m_j$ and "
        r"$v_i$ were fitted without, and $s_{ui}$ stays linear in the rated films.",
    )


def _verdict(low: float, high: float) -> str:
    if low > 0:
        return "a gain"
    return "a loss" if high < 0 else "it holds 0, so nothing is proved"
