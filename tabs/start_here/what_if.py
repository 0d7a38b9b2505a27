"""Start Here: what one rating changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from analysis.what_if import WhatIf
from charts.basics import label
from charts.html import Strip, strips
from prediction import Recommendation, Scores, recommend
from tabs.start_here import computed
from tabs.start_here.story import Story, needs_model, quiz_once

_OPTIONS = 400  # films on offer to add: the most rated ones


def what_if(story: Story) -> None:
    """Chapter: one rating more or less, and what moves."""
    st.subheader("What if one rating were different?")
    story.say(
        "Take one rating away, or add one, and watch the messages travel again through the real "
        "graph. What was learned (layer 0) stays; only the edge changes.",
        r"$A$ changes in one entry and its transpose, $d_u$ and $d_i$ by one, so every weight of "
        r"$u$ and of $i$ changes; $E^{(0)}$ is held fixed and propagated anew over all nodes.",
    )
    if needs_model(story):
        return
    choice = _choose_change(story)
    if choice is None:
        return
    movie, stars = choice
    result = computed.what_if(story, movie, stars)
    _weights_moved(story, movie, result)
    _embedding_moved(story, result)
    _list_moved(story, movie, result)


def _choose_change(story: Story) -> tuple[int, float | None] | None:
    """The film, and the stars to add or None to remove."""
    data = story.data
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
    films = _removable(story) if remove else _addable(story)
    if not films:
        st.info("There is no film to choose from.")
        return None
    movie = which.selectbox(
        "Film to remove (strongest reason of the list first)" if remove else "Film to add",
        films,
        format_func=lambda m: f"{label(data, m)} · {data.movie_degree[m]:,} ratings",
        key=f"change_{'remove' if remove else 'add'}_{story.user}",
    )
    given = stars.slider("Stars", 0.5, 5.0, 5.0, 0.5, key="change_stars", disabled=remove)
    return movie, None if remove else given


def _removable(story: Story) -> list[int]:
    """The rated films, the ones that speak most for the ten best first."""
    viewer, _, best = computed.served(story)
    wanted = story.trained.movie_factors[[item.movie for item in best]].sum(axis=0)
    strength = viewer.weights * (viewer.messages @ wanted)
    return viewer.movies[np.argsort(-strength, kind="stable")].tolist()


def _addable(story: Story) -> list[int]:
    """Unrated films, most rated first."""
    free = np.flatnonzero(~computed.served(story)[1].rated)
    return free[np.argsort(-story.data.movie_degree[free], kind="stable")][:_OPTIONS].tolist()


def _weights_moved(story: Story, movie: int, result: WhatIf) -> None:
    before, after = story.data, result.data
    du, di = before.user_degree[story.user], before.movie_degree[movie]
    new_du, new_di = after.user_degree[story.user], after.movie_degree[movie]
    st.markdown(
        f"**Degrees:** d_u {du:,} → {new_du:,}; *{story.film(movie)}* {di:,} → {new_di:,}. "
        + (
            f"All other weights of {story.name} {'grow' if new_du < du else 'shrink'} "
            f"by the factor √({du}/{new_du}) = **{(du / new_du) ** 0.5:.4f}**."
            if new_du
            else f"{story.name} has no rating left, so no message arrives."
        )
    )
    opened = st.expander(
        "Every weight of this user, before and after", key="weights_moved", on_change="rerun"
    )
    if opened.open:
        with opened:
            _weights_table(story, result)


def _weights_table(story: Story, result: WhatIf) -> None:
    before, after = story.data, result.data
    union = np.union1d(before.rated_by(story.user), after.rated_by(story.user))
    old = dict(zip(before.rated_by(story.user), before.edge_weights(story.user), strict=True))
    new = dict(zip(after.rated_by(story.user), after.edge_weights(story.user), strict=True))
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


def _embedding_moved(story: Story, result: WhatIf) -> None:
    before, after = story.trained.user_factors[story.user], result.viewer.factor
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
        f"The final embedding of {story.name}: cosine before and after {turned:.5f}, length "
        f"{np.linalg.norm(before):.3f} → {np.linalg.norm(after):.3f}. The fewer ratings a person "
        "has, the more one of them moves: try another user."
    )


def _list_moved(story: Story, movie: int, result: WhatIf) -> None:
    """The guess, asked once per session, and the new list."""
    best = computed.served(story)[2]
    new = recommend(result.model, result.scores, 10)
    before, after = {r.movie for r in best}, {r.movie for r in new}
    moved = len(after - before)
    gone = [story.film(r.movie) for r in best if r.movie not in after]
    words = f"{moved} of {len(new)} are new" + (f"; gone: {', '.join(gone)}." if gone else ".")
    asked = quiz_once(
        "change",
        f"quiz_moved_{story.user}_{movie}",
        "How many films of the top ten are new after the change?",
        ["0 or 1", "2 to 4", "5 or more"],
        0 if moved <= 1 else 1 if moved <= 4 else 2,
        words,
    )
    if asked:
        _new_list(story, result, new)


def _new_list(story: Story, result: WhatIf, new: list[Recommendation]) -> None:
    data, scores = story.data, computed.served(story)[1]
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
