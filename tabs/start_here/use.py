"""Start Here: from embeddings to a recommendation, and what one rating changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

import tabs.start_here.chapter as shared
from analysis.layers import WhatIf
from charts.basics import BLUE, VERMILLION, label
from charts.html import Bar, Strip, bars, strips
from model.explanation import Explanation, explain
from prediction import DEFAULT_TAG_WEIGHT, Recommendation, Scores, recommend
from tabs.start_here.chapter import Lesson, needs_model, quiz_once

_TERMS = 6
_OPTIONS = 400  # films on offer to add: the most rated ones


def recommendation(lesson: Lesson) -> None:
    """Chapter: the dot product, the tag part, the blend, and the reasons."""
    st.subheader("From embeddings to a recommendation")
    lesson.say(
        "A film's score says how well its embedding points the same way as the person's: multiply "
        "number by number and add up. A little comes from shared tags and genres. The films with "
        "the highest sum are the recommendations.",
        r"$s_{ui} = (1 - w)\,\frac{f_u \cdot f_i}{\max_j f_u \cdot f_j} + w\,"
        r"\frac{\cos(t_u, t_i)}{\max_j \cos(t_u, t_j)}$, the maxima over unrated films $j$, "
        f"$w = {DEFAULT_TAG_WEIGHT}$ chosen on validation.",
    )
    if needs_model(lesson):
        return
    viewer, scores, best = shared.served(lesson)
    if not best:
        st.info(f"{lesson.name} rated every film: nothing is left to recommend.")
        return
    rank = st.selectbox(
        "Follow one of the ten best films",
        range(len(best)),
        format_func=lambda n: f"{n + 1}. {label(lesson.data, best[n].movie)}",
        key=f"followed_{lesson.user}",
    )
    item = best[rank]
    _dot_product(lesson, item)
    _blend(item, scores)
    _because(lesson, item, explain(lesson.data, lesson.trained, viewer, item.movie))
    opened = st.button(
        "Open the Recommendations tab: Why? on every card",
        icon=":material/arrow_forward:",
        on_click=_open_recommendations,
    )
    if opened:
        st.rerun()  # the tabs are outside of this fragment


def _open_recommendations() -> None:
    st.session_state["tab"] = "Recommendations"


def _dot_product(lesson: Lesson, item: Recommendation) -> None:
    model = lesson.trained
    user, film = model.user_factors[lesson.user], model.movie_factors[item.movie]
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


def _because(lesson: Lesson, item: Recommendation, reasons: Explanation) -> None:
    order = np.argsort(-reasons.contributions, kind="stable")
    speaking = [i for i in order[:3] if reasons.contributions[i] > 0]
    films = ", ".join(f"*{lesson.film(reasons.rated[i])}*" for i in speaking)
    st.markdown(
        "**4 · Because you rated …** The embedding is a sum over rated films, so the score splits "
        f"into one term per film. *{lesson.film(item.movie)}* is here because of "
        f"{films or 'no single film'}."
    )
    shown = order[:_TERMS]
    terms = [(label(lesson.data, reasons.rated[i]), reasons.contributions[i]) for i in shown]
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


# --- what if --------------------------------------------------------------------------------------


def what_if(lesson: Lesson) -> None:
    """Chapter: one rating more or less, and what moves."""
    st.subheader("What if one rating were different?")
    lesson.say(
        "Take one rating away, or add one, and watch the messages travel again through the real "
        "graph. What was learned (layer 0) stays; only the edge changes.",
        r"$A$ changes in one entry and its transpose, $d_u$ and $d_i$ by one, so every weight of "
        r"$u$ and of $i$ changes; $E^{(0)}$ is held fixed and propagated anew over all nodes.",
    )
    if needs_model(lesson):
        return
    choice = _choose_change(lesson)
    if choice is None:
        return
    movie, stars = choice
    result = shared.what_if(lesson, movie, stars)
    _weights_moved(lesson, movie, result)
    _embedding_moved(lesson, result)
    _list_moved(lesson, movie, result)


def _choose_change(lesson: Lesson) -> tuple[int, float | None] | None:
    """The film, and the stars to add or None to remove."""
    data = lesson.data
    way, which, stars = st.columns([2, 4, 2], vertical_alignment="bottom")
    remove = (
        way.segmented_control(
            "Change",
            ["remove", "add"],
            default="remove",
            required=True,
            key="change",
            persist_state="session",
        )
        == "remove"
    )
    films = _removable(lesson) if remove else _addable(lesson)
    if not films:
        st.info("There is no film to choose from.")
        return None
    movie = which.selectbox(
        "Film to remove (strongest reason of the list first)" if remove else "Film to add",
        films,
        format_func=lambda m: f"{label(data, m)} · {data.movie_degree[m]:,} ratings",
        key=f"change_{'remove' if remove else 'add'}_{lesson.user}",
    )
    given = stars.slider("Stars", 0.5, 5.0, 5.0, 0.5, key="change_stars", disabled=remove)
    return movie, None if remove else given


def _removable(lesson: Lesson) -> list[int]:
    """The rated films, the ones that speak most for the ten best first."""
    viewer, _, best = shared.served(lesson)
    wanted = lesson.trained.movie_factors[[item.movie for item in best]].sum(axis=0)
    strength = viewer.weights * (viewer.messages @ wanted)
    return viewer.movies[np.argsort(-strength, kind="stable")].tolist()


def _addable(lesson: Lesson) -> list[int]:
    """Unrated films, most rated first."""
    free = np.flatnonzero(~shared.served(lesson)[1].rated)
    return free[np.argsort(-lesson.data.movie_degree[free], kind="stable")][:_OPTIONS].tolist()


def _weights_moved(lesson: Lesson, movie: int, result: WhatIf) -> None:
    before, after = lesson.data, result.data
    du, di = before.user_degree[lesson.user], before.movie_degree[movie]
    new_du, new_di = after.user_degree[lesson.user], after.movie_degree[movie]
    st.markdown(
        f"**Degrees:** d_u {du:,} → {new_du:,}; *{lesson.film(movie)}* {di:,} → {new_di:,}. "
        + (
            f"All other weights of {lesson.name} {'grow' if new_du < du else 'shrink'} "
            f"by the factor √({du}/{new_du}) = **{(du / new_du) ** 0.5:.4f}**."
            if new_du
            else f"{lesson.name} has no rating left, so no message arrives."
        )
    )
    opened = st.expander(
        "Every weight of this user, before and after", key="weights_moved", on_change="rerun"
    )
    if opened.open:
        with opened:
            _weights_table(lesson, result)


def _weights_table(lesson: Lesson, result: WhatIf) -> None:
    before, after = lesson.data, result.data
    union = np.union1d(before.rated_by(lesson.user), after.rated_by(lesson.user))
    old = dict(zip(before.rated_by(lesson.user), before.edge_weights(lesson.user), strict=True))
    new = dict(zip(after.rated_by(lesson.user), after.edge_weights(lesson.user), strict=True))
    table = pd.DataFrame(
        {
            "film": [label(before, film) for film in union],
            "weight before": [old.get(film, 0.0) for film in union],
            "weight after": [new.get(film, 0.0) for film in union],
        }
    )
    table["change"] = table["weight after"] - table["weight before"]
    st.dataframe(
        table.sort_values("change", key=abs, ascending=False),
        hide_index=True,
        column_config=dict.fromkeys(list(table)[1:], st.column_config.NumberColumn(format="%.4f")),
        alt="The user's edge weights before and after the change",
    )


def _embedding_moved(lesson: Lesson, result: WhatIf) -> None:
    before, after = lesson.trained.user_factors[lesson.user], result.viewer.factor
    size = float(np.linalg.norm(before) * np.linalg.norm(after)) or 1.0
    turned = float(before.astype(float) @ after) / size
    st.html(
        strips(
            [
                Strip("before", before),
                Strip("after", after),
                Strip("difference", after - before, total=True),
            ],
            "The user's final embedding before and after, and the difference",
        )
    )
    st.caption(
        f"The final embedding of {lesson.name}: cosine before and after {turned:.5f}, length "
        f"{np.linalg.norm(before):.3f} → {np.linalg.norm(after):.3f}. The fewer ratings a person "
        "has, the more one of them moves: try another user."
    )


def _list_moved(lesson: Lesson, movie: int, result: WhatIf) -> None:
    """The guess, asked once per session, and the new list."""
    best = shared.served(lesson)[2]
    new = recommend(result.model, result.scores, 10)
    before, after = {r.movie for r in best}, {r.movie for r in new}
    moved = len(after - before)
    gone = [lesson.film(r.movie) for r in best if r.movie not in after]
    words = f"{moved} of {len(new)} are new" + (f"; gone: {', '.join(gone)}." if gone else ".")
    asked = quiz_once(
        "change",
        f"quiz_moved_{lesson.user}_{movie}",
        "How many films of the top ten are new after the change?",
        ["0 or 1", "2 to 4", "5 or more"],
        0 if moved <= 1 else 1 if moved <= 4 else 2,
        words,
    )
    if asked:
        _new_list(lesson, result, new)


def _new_list(lesson: Lesson, result: WhatIf, new: list[Recommendation]) -> None:
    data, scores = lesson.data, shared.served(lesson)[1]
    was = _ranks(scores)
    table = pd.DataFrame(
        {
            "now": range(1, len(new) + 1),
            "was": [str(was[r.movie] or "rated") for r in new],
            "film": [label(data, r.movie) for r in new],
            "graph score before": [f"{scores.graph[r.movie]:.4f}" for r in new],
            "graph score now": [f"{r.graph_score:.4f}" for r in new],
            "final score now": [f"{r.score:.4f}" for r in new],
        }
    )
    st.table(
        table,
        hide_index=True,
        alt="The ten best films after the change, with their rank before",
    )
    st.caption(
        "*was* is the rank before; a film that was rated was no candidate. When a rating is taken "
        "away, its film becomes one, and often comes straight back: the rest still speaks for it."
    )


def _ranks(scores: Scores) -> NDArray[np.int64]:
    """Rank of each film from 1; 0 for the rated ones."""
    free = np.flatnonzero(~scores.rated)
    ranks = np.zeros(len(scores.rated), np.int64)
    ranks[free[np.argsort(-scores.final[free], kind="stable")]] = np.arange(1, len(free) + 1)
    return ranks
