"""Start Here: the two-minute tour, and the glossary."""

from __future__ import annotations

import numpy as np
import streamlit as st

import tabs.lesson as shared
from explanation import explain
from plots_teaching import strip_chart
from tabs.lesson import Lesson, go_to

_GLOSSARY = {
    "Adjacency matrix (A)": (
        "a table with one row and one column per person and film; 1 where they are linked.",
        r"$A_{ui} = A_{iu} = 1$ if $u$ rated $i$; square, symmetric, sparse.",
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
        "degree 0; the tag part still scores the film.",
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
        r"a row of $E \in \mathbb{R}^{(n + m) \times d}$.",
    ),
    "Fold-in": (
        "recommending for someone new without training again.",
        "their films' messages, mapped by ridge regression.",
    ),
    "Hop": ("one step along an edge.", r"$\hat{E}^k$ reaches $k$ hops."),
    "Layer": (
        "how often messages were passed.",
        r"$E^{(k)} = \hat{E}^k E^{(0)}$; the final $F$ is their mean.",
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
        "after too many steps everybody has the same profile.",
        r"$\hat{E}^k E^{(0)}$ tends to the leading eigenvector.",
    ),
}


def tour(lesson: Lesson) -> None:
    """Chapter: the whole model in five short stops, for someone in a hurry."""
    _graph_in_numbers(lesson)
    _stop(1, "Ratings are lines in a graph", _first_stop(lesson), "Rows to graph")
    _stop(2, "Rare films speak louder", _second_stop(lesson), "Neighbourhood")
    _stop(3, "Neighbours send messages", _third_stop(lesson), "Messages")
    if lesson.model:
        final = lesson.model.user_factors[lesson.user]
        st.altair_chart(
            strip_chart({lesson.name: final}),
            alt=f"The final embedding of {lesson.name} as a strip of colours",
        )
        st.caption(
            f"{lesson.name}, as the model sees them: {len(final)} numbers, orange above zero, blue "
            "below. Films have such a strip too; the more alike, the higher the score."
        )
    _stop(4, "Training compares pairs", _fourth_stop(lesson), "Learning")
    _stop(5, "The best matches are recommended", _fifth_stop(lesson), "Recommendation")


def _graph_in_numbers(lesson: Lesson) -> None:
    data = lesson.data
    rated = int((data.movie_degree > 0).sum())
    density = data.n_ratings / (data.n_users * rated)
    figures = {
        "Users": (f"{data.n_users:,}", "one kind of node"),
        "Films with ratings": (f"{rated:,}", "the other kind of node"),
        "Ratings": (f"{data.n_ratings:,}", "the edges, always between a user and a film"),
        "Density": (f"{density:.1%}", "share of all possible user–film pairs that are rated"),
    }
    row = st.container(horizontal=True)  # wraps on a phone
    for name, (value, help_text) in figures.items():
        row.metric(name, value, help=help_text, border=True, width=160)


def _stop(number: int, title: str, text: str, chapter: str) -> None:
    with st.container(border=True):
        words, way = st.columns([5, 1], vertical_alignment="center")
        words.markdown(f"**{number} · {title}.** {text}")
        way.button(
            "See it",
            key=f"stop_{number}",
            help=f"Open the chapter “{chapter}”",
            width="stretch",
            on_click=go_to,
            args=(chapter,),
        )


def _first_stop(lesson: Lesson) -> str:
    data = lesson.data
    movies, stars = data.rated_by(lesson.user), data.stars_of(lesson.user)
    best = movies[np.lexsort((-data.movie_degree[movies], -stars))[:3]]
    films = ", ".join(f"*{lesson.film(film)}*" for film in best)
    return (
        f"{lesson.name} rated {len(movies):,} films, {films} among the best. Each rating is a "
        f"line between a person and a film; there are {data.n_ratings:,} of them."
    )


def _second_stop(lesson: Lesson) -> str:
    data = lesson.data
    movies, weights = data.rated_by(lesson.user), data.edge_weights(lesson.user)
    rare, common = movies[weights.argmax()], movies[weights.argmin()]
    return (
        f"A line weighs 1/√(d_u · d_i), d counting ratings. For {lesson.name} that is "
        f"1/√({len(movies)} · {data.movie_degree[rare]}) = **{weights.max():.4f}** for "
        f"*{lesson.film(rare)}* and 1/√({len(movies)} · {data.movie_degree[common]}) = "
        f"**{weights.min():.4f}** for *{lesson.film(common)}*."
    )


def _third_stop(lesson: Lesson) -> str:
    found = shared.reach(lesson)
    text = (
        "Everyone holds a list of numbers, an embedding, and adds up the neighbours' lists, times "
        f"the weights. One step brings news from {found[1].films:,} films, two from "
        f"{found[2].users:,} users, three from {found[3].films:,} films."
    )
    if lesson.model:
        size, k = lesson.model.config.dim, lesson.model.config.layers
        text += f" This model has {size} numbers per list and {k} steps; the mean counts."
    return text


def _fourth_stop(lesson: Lesson) -> str:
    text = "A rated film should score above one that was not rated; each mistake moves the numbers."
    if lesson.model is None:
        return f"{text} The figures appear as soon as a model is trained."
    _, scores, _ = shared.served(lesson)
    rated = lesson.data.rated_by(lesson.user)
    good, other = scores.graph[rated].mean(), scores.graph[~scores.rated]
    if not len(other):
        return text
    return (
        f"{text} Now the films that {lesson.name} rated score **{good:.2f}** on average, all "
        f"others **{other.mean():.2f}**."
    )


def _fifth_stop(lesson: Lesson) -> str:
    if lesson.model is None:
        return "The list appears as soon as a model is trained."
    viewer, _, best = shared.served(lesson)
    if not best:
        return "This user rated every film."
    reasons = explain(lesson.data, lesson.model, viewer, best[0].movie)
    because = reasons.rated[reasons.contributions.argmax()]
    films = ", ".join(f"*{lesson.film(item.movie)}*" for item in best[:3])
    return (
        f"For {lesson.name}: {films}. The first one has the score **{best[0].score:.2f}**, most of "
        f"all because of *{lesson.film(because)}*, and that reason is exact arithmetic."
    )


def glossary(lesson: Lesson) -> None:
    """Chapter: the words, in the reader's language."""
    st.subheader("Glossary")
    wanted = st.text_input("Search", key="glossary", placeholder="layer, cosine, BPR …").casefold()
    entries = [
        f"**{word}:** {text[lesson.formulas]}"
        for word, text in _GLOSSARY.items()
        if wanted in f"{word} {text[0]}".casefold()
    ]
    st.markdown("\n\n".join(entries) or "No such word here.")
    st.caption(
        "Read on: He et al. 2020, *LightGCN* (arXiv:2002.02126); Rendle et al. 2009, *BPR*; "
        "Harper & Konstan 2015, *The MovieLens Datasets*."
    )
