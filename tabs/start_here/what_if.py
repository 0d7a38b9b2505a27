"""Start Here: what one rating changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from analysis.what_if import WhatIf, own_level
from charts.basics import label
from charts.html import Strip, strips
from model.viewers import Viewer
from prediction import Recommendation, Scores, recommend
from tabs.shared import count, shown_first
from tabs.start_here import computed
from tabs.start_here.story import Story, needs_model, quiz_once

_OPTIONS = 400  # films on offer to add: the most rated ones
_SHOWN = 64  # numbers of a vector that are drawn
REMOVE, CHANGE, ADD = "remove", "other stars", "add"


def what_if(story: Story) -> None:
    """Chapter: one rating more or less, and what moves."""
    st.subheader("What if one rating were different?")
    if needs_model(story):
        return
    if story.trained.is_hybrid:
        story.say(
            "Take one rating away, add one, or give other stars. The person's own level, and with "
            "it the weight of every film that they rated, is worked out again. **Held fixed:** the "
            "films' own numbers, as if the model had not heard of the change yet.",
            r"$\mu_u$ and every $x_{uj}$ are computed anew, so $f_u = \sum_j x_{uj} m_j$ is exact; "
            r"**held fixed** are $m_j$ and $v_i$, which were fitted with the rating as it was.",
        )
    elif story.followed.visitor:
        story.say(
            "Take one rating away, or add one: the messages of your films are added up again with "
            "their new weights. **Held fixed:** everything else in the graph, since nobody has "
            "learned from your ratings.",
            r"$n$ changes by one, and with it every weight $1/\sqrt{n\,(d_i + 1)}$ of your films; "
            r"**held fixed** are all $E^{(k)}$, so your vector is folded in anew.",
        )
    else:
        story.say(
            "Take one rating away, or add one, and watch the messages travel again through the "
            "real graph. **Held fixed:** what was learned (layer 0); only the line changes.",
            r"$A$ changes in one entry and its transpose, $d_u$ and $d_i$ by one, so every weight "
            r"of $u$ and of $i$ changes; **held fixed** is $E^{(0)}$, which is propagated anew "
            "over all nodes.",
        )
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
    way, which, stars = st.columns([2.4, 4, 2], vertical_alignment="bottom")
    # Stars play no part in the graph of the paper's model.
    ways = [REMOVE, CHANGE, ADD] if story.trained.is_hybrid else [REMOVE, ADD]
    if st.session_state.get("change") not in ways:  # left from another model
        st.session_state.pop("change", None)
    chosen = way.segmented_control(
        "What to do",
        ways,
        default=REMOVE,
        required=True,
        key="change",
        persist_state="session",
    )
    movies = _addable(story) if chosen == ADD else _removable(story)
    films = shown_first(movies, "rated films, the strongest reasons first").tolist()
    if not films:
        st.info("There is no film to choose from.")
        return None
    movie = which.selectbox(
        "Film to add" if chosen == ADD else "Film (strongest reason of the list first)",
        films,
        format_func=lambda m: f"{data.labels[m]} · {_about(story, m)}",
        key=f"change_{chosen.split()[0]}_{story.user}",
    )
    given = stars.slider(
        "Stars", 0.5, 5.0, 0.5 if chosen == CHANGE else 5.0, 0.5,
        key=f"stars_{chosen.split()[0]}", disabled=chosen == REMOVE,
    )  # fmt: skip
    return movie, None if chosen == REMOVE else given


def _about(story: Story, movie: int) -> str:
    """The person's stars, or how many rated it."""
    given = float(story.data.ratings[story.user, movie])
    return f"{given:g} ★" if given else count(int(story.data.movie_degree[movie]), "rating")


def _removable(story: Story) -> NDArray[np.integer]:
    """The rated films, the ones that speak most for the ten best first."""
    viewer, _, best = computed.served(story)
    wanted = story.trained.movie_factors[[item.movie for item in best]].sum(axis=0)
    strength = viewer.weights * (viewer.messages @ wanted)
    return viewer.movies[np.argsort(-strength, kind="stable")]


def _addable(story: Story) -> NDArray[np.integer]:
    """Unrated films, most rated first."""
    free = np.flatnonzero(~computed.served(story)[1].rated)
    return free[np.argsort(-story.data.movie_degree[free], kind="stable")][:_OPTIONS]


def _weights_moved(story: Story, movie: int, result: WhatIf) -> None:
    before = computed.served(story)[0]
    if story.trained.is_hybrid:
        st.markdown(_levels_in_words(story, before, result.viewer))
    else:
        st.markdown(_degrees_in_words(story, movie, len(result.viewer.movies)))
    opened = st.expander(
        "Every weight of this user, before and after", key="weights_moved", on_change="rerun"
    )
    if opened.open:
        with opened:
            _weights_table(story, result)


def _levels_in_words(story: Story, before: Viewer, after: Viewer) -> str:
    """What happens to the person's level and to the weights that it makes."""
    if not len(after.movies):
        has = story.verb("has", "have")
        return f"{story.name} {has} no rating left, so no film speaks for any other."
    old, new = own_level(story.trained, before), own_level(story.trained, after)
    kept = np.isin(before.movies, after.movies)
    moved = after.weights[np.isin(after.movies, before.movies)] - before.weights[kept]
    says = (
        f"{story.possessive} own level goes from **{old:.3f} ★** to **{new:.3f} ★**; the weights "
        f"of the films rated before and after move by up to {np.abs(moved).max(initial=0.0):.4f}."
    )
    if after.only_averse:
        says += " No film speaks in favour now, so each speaks against what is like it instead."
    return says


def _degrees_in_words(story: Story, movie: int, n_now: int) -> str:
    """What happens to the numbers of ratings and to the weights that they make."""
    n_before, of_film = int(story.data.user_degree[story.user]), story.data.movie_degree[movie]
    says = (
        f"Ratings by {story.whom}: {n_before:,} → {n_now:,}; of *{story.film(movie)}*: "
        f"{of_film:,} → {of_film + n_now - n_before:,}. "
    )
    if not n_now:
        return (
            f"{says}{story.name} {story.verb('has', 'have')} no rating left, so no message arrives."
        )
    return (
        f"{says}All other weights of {story.whom} {'grow' if n_now < n_before else 'shrink'} by "
        f"the factor √({n_before}/{n_now}) = **{(n_before / n_now) ** 0.5:.4f}**."
    )


def _weights_table(story: Story, result: WhatIf) -> None:
    before, after = computed.served(story)[0], result.viewer
    films = np.union1d(before.movies, after.movies)
    old, new = (_spread(viewer.weights, viewer.movies, films) for viewer in (before, after))
    change = new - old
    places = shown_first(np.argsort(-np.abs(change), kind="stable"), "films, the most moved first")
    table = pd.DataFrame(
        {
            "film": [story.data.labels[film] for film in films[places]],
            "weight before": old[places],
            "weight after": new[places],
            "change": change[places],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config=dict.fromkeys(list(table)[1:], st.column_config.NumberColumn(format="%.4f")),
        alt="The weights of the user's films before and after the change",
    )


def _spread(
    weights: NDArray[np.float64], movies: NDArray[np.integer], films: NDArray[np.integer]
) -> NDArray[np.float64]:
    """The weights of these movies among more films, 0 for the others; [n_films]."""
    spread = np.zeros(len(films))
    spread[np.searchsorted(films, movies)] = weights
    return spread


def _embedding_moved(story: Story, result: WhatIf) -> None:
    before, after = computed.served(story)[0].factor, result.viewer.factor
    size = float(np.linalg.norm(before) * np.linalg.norm(after)) or 1.0
    turned = float(before.astype(float) @ after) / size
    st.html(
        strips(
            [
                Strip("before", before[:_SHOWN]),
                Strip("after", after[:_SHOWN]),
                Strip("difference", (after - before)[:_SHOWN], total=True),
            ],
            "The user's final embedding before and after, and the difference",
        )
    )
    st.caption(
        f"The final embedding of {story.whom}: cosine before and after {turned:.5f}, length "
        f"{np.linalg.norm(before):.3f} → {np.linalg.norm(after):.3f}"
        + (f", over all {len(before):,} numbers" if len(before) > _SHOWN else "")
        + ". Try it with someone of few ratings, and with someone of many."
    )


def _list_moved(story: Story, movie: int, result: WhatIf) -> None:
    """The guess, asked once per session, and the new list."""
    best = computed.served(story)[2]
    new = recommend(result.model, result.scores, 10)
    before, after = {r.movie for r in best}, {r.movie for r in new}
    moved = len(after - before)
    gone = [story.film(r.movie) for r in best if r.movie not in after]
    words = f"{moved} of {len(new)} {'is' if moved == 1 else 'are'} new" + (
        f"; gone: {', '.join(gone)}." if gone else "."
    )
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
            "now": [str(rank) for rank in range(1, len(new) + 1)],
            "was": [str(was[r.movie] or "–") for r in new],
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
        "*was* is the rank before. The film of the change does not compete: left out, it would "
        "come back because of its own absence."
    )


def _ranks(scores: Scores) -> NDArray[np.int64]:
    """Rank of each film from 1; 0 for those that cannot be listed."""
    free = np.flatnonzero(scores.candidates)
    ranks = np.zeros(len(scores.rated), np.int64)
    ranks[free[np.argsort(-scores.final[free], kind="stable")]] = np.arange(1, len(free) + 1)
    return ranks
