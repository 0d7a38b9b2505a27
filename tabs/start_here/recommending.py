"""Start Here: from embeddings to a recommendation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from charts.basics import BLUE, VERMILLION, label
from charts.html import Bar, Strip, bars, strips
from model.explanation import Explanation, explain
from prediction import DEFAULT_TAG_WEIGHT, Recommendation, Scores
from tabs.start_here import computed
from tabs.start_here.story import Story, needs_model

_TERMS = 6


def recommendation(story: Story) -> None:
    """Chapter: the dot product, the tag part, the blend, and the reasons."""
    st.subheader("From embeddings to a recommendation")
    story.say(
        "A film's score says how well its embedding points the same way as the person's: multiply "
        "number by number and add up. A little comes from shared tags and genres. The films with "
        "the highest sum are the recommendations.",
        r"$s_{ui} = (1 - w)\,\frac{f_u \cdot f_i}{\max_j f_u \cdot f_j} + w\,"
        r"\frac{\cos(t_u, t_i)}{\max_j \cos(t_u, t_j)}$, the maxima over unrated films $j$, "
        f"$w = {DEFAULT_TAG_WEIGHT}$ chosen on validation.",
    )
    if needs_model(story):
        return
    viewer, scores, best = computed.served(story)
    if not best:
        st.info(f"{story.name} rated every film: nothing is left to recommend.")
        return
    rank = st.selectbox(
        "Follow one of the ten best films",
        range(len(best)),
        format_func=lambda n: f"{n + 1}. {label(story.data, best[n].movie)}",
        key=f"followed_{story.user}",
    )
    item = best[rank]
    _dot_product(story, item)
    _blend(item, scores)
    _because(story, item, explain(story.data, story.trained, viewer, item.movie))
    opened = st.button(
        "Open the Recommendations tab: Why? on every card",
        icon=":material/arrow_forward:",
        on_click=_open_recommendations,
    )
    if opened:
        st.rerun()  # the tabs are outside of this fragment


def _open_recommendations() -> None:
    st.session_state["tab"] = "Recommendations"


def _dot_product(story: Story, item: Recommendation) -> None:
    model = story.trained
    user, film = model.user_factors[story.user], model.movie_factors[item.movie]
    terms = user.astype(float) * film
    largest = np.argsort(-np.abs(terms), kind="stable")[:3]
    lines = [rf"{_signed(user[n])} \cdot {_signed(film[n])} \quad [{n}]" for n in largest]
    rest = float(np.delete(terms, largest).sum())
    st.markdown("**1 · The graph score** is a dot product, here with its three largest terms:")
    more = len(terms) - len(largest)
    if more:
        lines.append(rf"{_signed(rest)} \quad\text{{({more} more)}}")
    st.latex(
        r"\begin{aligned} f_u \cdot f_i = \; & "
        + r" \\ & + ".join(lines)
        + rf" \\ = \; & \mathbf{{{item.graph_score:.4f}}} \end{{aligned}}"
    )
    st.html(
        strips(
            [
                Strip("user f_u", user, apart=True),
                Strip("film f_i", film, apart=True),
                Strip("product", terms, total=True, apart=True),
            ],
            "The user's and the film's embedding and their product, dimension by dimension",
        )
    )
    st.caption(
        "Each row on its own scale. Where user and film have the same colour the product is "
        "orange and the score grows."
    )


def _signed(value: float) -> str:
    return f"({value:.3f})" if value < 0 else f"{value:.3f}"


def _blend(item: Recommendation, scores: Scores) -> None:
    free = ~scores.rated
    graph_max = max(float(scores.graph[free].max()), 0.0)
    tags_max = max(float(scores.tags[free].max()), 0.0)
    st.markdown(
        f"**2 · The tag part.** The cosine between the film's tags and genres and those of the "
        f"films rated above 2.5 stars is **{item.tag_similarity:.4f}**.\n\n"
        "**3 · The blend.** Each is divided by the best unrated film's, so both run up to 1:"
    )
    rows = [
        ("graph", item.graph_score, graph_max, 1 - DEFAULT_TAG_WEIGHT, item.graph_part),
        ("tags and genres", item.tag_similarity, tags_max, DEFAULT_TAG_WEIGHT, item.tag_part),
    ]
    table = pd.DataFrame(rows, columns=["part", "score", "÷ best", "× weight", "= part"])
    st.table(
        table.set_index("part").map("{:.4f}".format),
        alt="Graph part and tag part with their arithmetic",
    )
    st.markdown(
        f"Final score = {item.graph_part:.4f} + {item.tag_part:.4f} = **{item.score:.4f}**."
    )


def _because(story: Story, item: Recommendation, reasons: Explanation) -> None:
    order = np.argsort(-reasons.contributions, kind="stable")
    speaking = [i for i in order[:3] if reasons.contributions[i] > 0]
    films = ", ".join(f"*{story.film(reasons.rated[i])}*" for i in speaking)
    st.markdown(
        "**4 · Because you rated …** The embedding is a sum over rated films, so the score splits "
        f"into one term per film. *{story.film(item.movie)}* is here because of "
        f"{films or 'no single film'}."
    )
    shown = order[:_TERMS]
    terms = [(label(story.data, reasons.rated[i]), reasons.contributions[i]) for i in shown]
    if len(order) > len(shown):
        rest = reasons.contributions[order[_TERMS:]].sum()
        terms.append((f"{len(order) - len(shown):,} more", rest))
    terms.append(("learned about this user", reasons.self_term))
    st.html(
        bars(
            [
                Bar(name, value, f"{value:.4f}", BLUE if value >= 0 else VERMILLION)
                for name, value in terms
            ],
            "Contribution of each rated film to the graph score",
        )
    )
    st.caption(f"The bars add up to the graph score {reasons.graph_score:.4f}, exactly.")
