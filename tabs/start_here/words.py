"""Start Here: the two-minute tour, and the glossary."""

from __future__ import annotations

import numpy as np
import streamlit as st

from analysis.neighbourhood import subgraph
from charts.basics import GREY, VERMILLION
from charts.html import Bar, Strip, bars, strips
from charts.linked_views import drawing
from model.explanation import explain
from tabs.shared import count
from tabs.start_here import computed
from tabs.start_here.layers import arriving, message_strips
from tabs.start_here.story import Story, go_to

_GLOSSARY = {
    "Adjacency matrix (A)": (
        "a table with one row and one column per person and film; 1 where they are linked.",
        r"$A_{ui} = A_{iu} = 1$ if $u$ rated $i$; square, symmetric, sparse.",
    ),
    "Attention": (
        "how much each rated film is listened to; on average a film counts once.",
        r"$x_{uj} \leftarrow x_{uj}\,a_{uj}$, a softmax over the films of $u$, times their number.",
    ),
    "BPR": (
        "the training game: a film you rated should score above one you did not.",
        r"$-\ln\sigma(f_u \cdot f_i - f_u \cdot f_j)$, averaged over sampled pairs.",
    ),
    "Bipartite": (
        "edges only run between two kinds of node, never within one.",
        "users and films; $R$ holds all of $A$.",
    ),
    "Cold start": (
        "nobody rated the film, or the person rated nothing: the graph has no edge to use.",
        "degree 0, graph score 0; the tag part still scores the film.",
    ),
    "Cosine": (
        "how much two lists of numbers point the same way: 1 the same, 0 unrelated.",
        r"$\cos(a, b) = a \cdot b \,/\, (\lVert a \rVert \lVert b \rVert)$",
    ),
    "Degree (d)": ("how many ratings a person gave or a film got.", "a row sum of $A$."),
    "Dot product": (
        "multiply two lists number by number and add up.",
        r"$f_u \cdot f_i = \sum_n f_{u,n} f_{i,n}$",
    ),
    "Edge": ("one rating, seen as a line.", "a non-zero entry of $R$."),
    "Embedding": (
        "a list of numbers that stands for a taste or for a film.",
        r"a row of $E \in \mathbb{R}^{(n + m) \times d}$; in the hybrid model people have "
        "none that is learned.",
    ),
    "Fold-in": (
        "recommending for someone new without training again.",
        "in the hybrid model the formula of everyone, $f_u = \\sum_j x_{uj} m_j$; in the paper's "
        "their films' messages, mapped by ridge regression.",
    ),
    "Half-life": (
        "so many later films, and a rated film counts half as much.",
        r"$h$ in $x_{uj} \leftarrow x_{uj}\,2^{-\text{age}_{uj}/h}$",
    ),
    "Hybrid graph": (
        "the graph with genres, tags and years as further nodes, and people once for what they saw "
        "and once for what they liked.",
        r"$G = Y^\top Y$, the rows of $Y$ being all nodes but the films.",
    ),
    "Hop": ("one step along an edge.", r"$\hat{E}^k$ reaches $k$ hops."),
    "Layer": (
        "how often messages were passed.",
        r"$E^{(k)} = \hat{E}^k E^{(0)}$; the final $F$ is their mean.",
    ),
    "Level": (
        "someone's usual stars: their mean, drawn towards everybody's where they rated little.",
        r"$\mu_u = (\sum \text{stars} + 20\,\mu)/(n_u + 20)$",
    ),
    "Message": (
        "a neighbour's embedding, turned down or up by the weight of the edge.",
        r"$e_i^{(k)} / \sqrt{d_u d_i}$",
    ),
    "NDCG@20": (
        "how high the held-out films rank among the first 20: 1 is perfect.",
        r"$\sum \mathrm{hit}_r / \log_2(r + 1)$ over the best possible.",
    ),
    "Over-smoothing": (
        "after too many steps all profiles grow alike.",
        r"$\hat{E}^k E^{(0)}$ tends to the leading eigenvector.",
    ),
}


def tour(story: Story) -> None:
    """Chapter: the whole model in five short stops, for someone in a hurry."""
    stops = (
        ("Ratings are lines in a graph", "Rows to graph", _first_stop),
        ("Lines have weights", "Neighbourhood", _second_stop),
        ("Neighbours send messages", "Messages", _third_stop),
        ("Rated films should score high", "Learning", _fourth_stop),
        ("The best matches are recommended", "Recommendation", _fifth_stop),
    )
    for number, (title, chapter, tell) in enumerate(stops, 1):
        text, picture = tell(story)
        with st.container(border=True):
            words, shown = st.columns([2, 3], vertical_alignment="center", gap="medium")
            with words:
                st.markdown(f"**{number} · {title}.** {text}")
                st.button(
                    f"Chapter “{chapter}”",
                    key=f"stop_{number}",
                    icon=":material/arrow_forward:",
                    icon_position="right",
                    type="tertiary",
                    on_click=go_to,
                    args=(chapter,),
                )
            if picture:
                shown.html(picture)


_Stop = tuple[str, str]  # what a stop says, and its picture as HTML, empty where there is none
_WAITS = "The numbers appear as soon as a model is trained."


def _first_stop(story: Story) -> _Stop:
    data = story.data
    rated = int((data.movie_degree > 0).sum())
    text = (
        f"{story.name} rated {count(int(data.user_degree[story.user]), 'film')}; here are some, "
        f"and who else rated them. In all: **{data.n_users:,}** users, **{rated:,}** films, "
        f"**{data.n_ratings:,}** ratings."
    )
    return text, drawing(data, subgraph(data, story.user, 4, 2))


def _second_stop(story: Story) -> _Stop:
    data, degree = story.data, int(story.data.user_degree[story.user])
    movies, weights = data.rated_by(story.user), data.edge_weights(story.user)
    order = np.argsort(-weights, kind="stable")
    chosen = order if len(order) <= 4 else order[[0, 1, -2, -1]]
    picture = bars(
        [
            Bar(
                data.labels[movies[n]],
                weights[n],
                f"{weights[n]:.4f}",
                VERMILLION,
                f"1/√({degree:,} · {data.movie_degree[movies[n]]:,})",
            )
            for n in chosen
        ],
        f"The heaviest and the lightest lines of {story.whom}",
    )
    text = (
        "A line weighs 1 over the root of the person's number of ratings times the film's. Few "
        "viewers, a heavy line; whether its message is loud, the film's own numbers say."
    )
    return text, picture


def _third_stop(story: Story) -> _Stop:
    text = (
        "Everyone holds a list of numbers, an **embedding**. Each neighbour sends theirs along the "
        "line, times its weight; the sum is the next embedding."
    )
    if story.model is None:
        return f"{text} {_WAITS}", ""
    network = computed.network(story)
    k = network.layers
    rows = []
    if k:
        found = arriving(story, ("user", story.user), 0)
        rows = message_strips(found, 0, 3)
        text += f" Here it is done {count(k, 'time')}, and the mean is taken."
    if story.trained.is_hybrid:
        text += " (LightGCN as its paper has it; the model that serves does all steps at once.)"
    final = network.layers_of(("user", story.user)).mean(axis=0)
    rows.append(Strip("final embedding", final, apart=True))
    return text, strips(rows, f"The messages to {story.whom} and their sum", stagger=True)


def _fourth_stop(story: Story) -> _Stop:
    text = "A rated film should score above one that was not rated. " + (
        "The films' numbers are fitted to that all at once."
        if story.model and story.trained.config.fitted and not story.trained.best_epoch
        else "Each mistake moves the numbers."
    )
    if story.model is None:
        return f"{text} {_WAITS}", ""
    _, scores, _ = computed.served(story)
    rated, other = scores.graph[story.data.rated_by(story.user)], scores.graph[~scores.rated]
    if not len(other):
        return text, ""
    picture = bars(
        [
            Bar(f"rated by {story.whom}", rated.mean(), f"{rated.mean():.2f}", VERMILLION),
            Bar("all other films", other.mean(), f"{other.mean():.2f}", GREY),
        ],
        "Mean score of the rated films and of all others",
    )
    return f"{text} The mean scores now:", picture


def _fifth_stop(story: Story) -> _Stop:
    if story.model is None:
        return _WAITS, ""
    viewer, _, best = computed.served(story)
    if not best:
        return "This user rated every film.", ""
    reasons = explain(story.served, story.trained, viewer, best[0].movie)
    place = int(reasons.contributions.argmax())
    term, whole = reasons.contributions[place], reasons.graph_score
    picture = bars(
        [
            Bar(f"{n}. {story.data.labels[item.movie]}", item.score, f"{item.score:.4f}")
            for n, item in enumerate(best[:5], 1)
        ],
        f"The five best films for {story.whom} and their scores",
    )
    text = f"*{story.film(best[0].movie)}* is first. "
    text += (
        f"Of the rated films *{story.film(reasons.rated[place])}* speaks most for it: {term:.4f} "
        f"of its graph score {whole:.4f}, by exact arithmetic."
        if term > 0
        else "No rated film speaks for it."
    )
    return text, picture


def glossary(story: Story) -> None:
    """Chapter: the words, in the reader's language."""
    st.subheader("Glossary")
    wanted = st.text_input("Search", key="glossary", placeholder="layer, cosine, BPR …").casefold()
    entries = [
        f"**{word}:** {text[story.formulas]}"
        for word, text in _GLOSSARY.items()
        if wanted in f"{word} {text[0]}".casefold()
    ]
    st.markdown("\n\n".join(entries) or "No such word here.")
    st.caption(
        "Read on: He et al. 2020, *LightGCN* (arXiv:2002.02126); Rendle et al. 2009, *BPR*; "
        "Harper & Konstan 2015, *The MovieLens Datasets*."
    )
