"""Start Here: what changes in the sum when films age, and when what is popular now counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from model.explanation import explain
from model.rounding import rounded_parts
from model.trained import no_trend_in_words, trend_strength
from model.viewers import Viewer, aged
from prediction import Recommendation, recommend, score_all
from tabs.links import ALWAYS_COUNTS, RECENT
from tabs.shared import count
from tabs.start_here import computed
from tabs.start_here.lists import news, side_by_side
from tabs.start_here.story import Story, needs_model
from tabs.visitor import rated_when

_LISTED = 10
_TERMS = 3


def time(story: Story) -> None:
    """Chapter: the same sum with films that count less the older they are."""
    st.subheader("What somebody watches these days")
    story.say(
        "Tastes turn. So the films that were rated last can count more: a film counts half as much "
        "once so many later ones have been rated, a quarter after twice as many. Nothing else "
        "changes: the score is still one term for each rated film.",
        r"$x_{uj} \leftarrow x_{uj}\,2^{-\text{age}_{uj}/h}$, the age of a film being the number "
        r"of films that $u$ rated later and $h$ the half-life; $f_u = \sum_j x_{uj} m_j$ and "
        r"$s_{ui} = f_u \cdot v_i$ as before. $h = \infty$ is *Always*.",
    )
    if needs_model(story):
        return
    always, _, before = computed.served(story)
    when = _when(story, always)
    if before and len(np.unique(when)) > 1:
        _films_that_age(story, always, when, before)
    else:
        st.info(
            f"All ratings of {story.whom} have the same date, or none, so none is older than "
            "another: follow somebody else to see films age.",
            icon=":material/event_busy:",
        )
    if before:
        _popular_now(story, always, before)


def _films_that_age(
    story: Story, always: Viewer, when: NDArray[np.float64], before: list[Recommendation]
) -> None:
    """Both lists, and the terms of the first film."""
    choices = [name for name in RECENT if name != ALWAYS_COUNTS]
    chosen = st.select_slider("How fast films age", choices, choices[-1], key="chapter_recent")
    half_life = RECENT[chosen]
    viewer = aged(always, when, half_life)
    scores = score_all(story.served, story.trained, viewer)
    after = recommend(story.trained, scores, _LISTED)
    _lists(story, half_life, [item.movie for item in before], [item.movie for item in after])
    _terms(story, viewer, after[0].movie)


def _when(story: Story, viewer: Viewer) -> NDArray[np.float64]:
    """A number that grows with the time of each rating; a visitor's are the dates of a file."""
    if story.followed.visitor:
        return rated_when(story.served, viewer.movies)[0]
    return story.served.times_of(story.user).astype(np.float64)


def _lists(story: Story, half_life: float, before: list[int], after: list[int]) -> None:
    st.markdown(f"With half after {half_life:g} later films, {news(story, before, after)}")
    side_by_side(
        story,
        {"Always": before, f"half after {half_life:g}": after},
        "The first films with films that do not age and with films that do",
    )


def _terms(story: Story, viewer: Viewer, movie: int) -> None:
    """The largest terms of the first film, with what their age left of them."""
    reasons = explain(story.served, story.trained, viewer, movie)
    whole = reasons.contributions + reasons.age_cost
    by_term, by_whole = (
        np.argsort(-np.abs(values), kind="stable").tolist()
        for values in (reasons.contributions, whole)
    )
    order = list(dict.fromkeys([*by_term[:_TERMS], *by_whole[:_TERMS]]))
    st.markdown(f"The largest terms of the first one, *{story.film(movie)}*, with age and without:")
    table = pd.DataFrame(
        {
            "film": [story.data.labels[reasons.rated[i]] for i in order],
            "rated just now": [f"{whole[i]:.4f}" for i in order],
            "× left by age": [f"{viewer.share_left[i]:.3f}" for i in order],
            "= term": [f"{reasons.contributions[i]:.4f}" for i in order],
        }
    )
    st.table(table, hide_index=True, alt="The largest terms and what their age left of them")
    st.caption(
        f"All {len(whole):,} terms add up to the graph score {reasons.graph_score:.4f}; had no "
        f"film aged, to {reasons.graph_score + reasons.age_cost.sum():.4f}. In the tab "
        "Recommendations the control is under *Filters*; what it is good for was measured: tab "
        "Insights, *Later times*."
    )


def _popular_now(story: Story, viewer: Viewer, before: list[Recommendation]) -> None:
    """The other thing that time tells: a number of the film's own, beside the sum."""
    model, profile = story.trained, viewer.profile
    st.markdown("**What everybody watches these days**")
    missing = no_trend_in_words(model, profile)
    if missing or model.trend is None or model.trend_choice is None:
        st.caption(missing)
        return
    story.say(
        f"Films come and go, too. A film with more of the latest {model.trend_choice.share:.0%} of "
        "all ratings than its share of all of them gains, one with fewer loses. This is the same "
        "number for everybody: no film of yours or anybody's explains it.",
        r"$\text{trend}_i = \ln\frac{\text{lately}_i + 1}{\text{expected}_i + 1}$, the same for "
        rf"every $u$, and $\gamma$ = {trend_strength(model, profile):g} times as much is added at "
        "most; it was chosen on later ratings of these data.",
    )
    scores = score_all(story.served, model, viewer, popular_now=1.0)
    found = recommend(model, scores, _LISTED)
    there = {item.movie for item in before}
    new = sum(item.movie not in there for item in found)
    st.markdown(
        f"With *popular now* in full, **{count(new, 'film')}** of the first {len(found)} "
        f"{'is' if new == 1 else 'are'} not among those without. The list begins:"
    )
    parts = rounded_parts(
        [[item.graph_part, item.tag_part, item.trend_part] for item in found[:_TERMS]], 3
    )  # [film, part]
    movies = [item.movie for item in found[:_TERMS]]
    table = pd.DataFrame(
        {
            "film": [story.data.labels[movie] for movie in movies],
            "rated lately": [f"{model.trend.lately[movie]:,.0f}" for movie in movies],
            "its share": [f"{model.trend.expected[movie]:,.1f}" for movie in movies],
            "graph": [f"{part:.3f}" for part in parts[:, 0]],
            "tags": [f"{part:.3f}" for part in parts[:, 1]],
            "popular now": [f"{part:.3f}" for part in parts[:, 2]],
            "= score": [f"{whole:.3f}" for whole in parts.sum(axis=1)],
        }
    )
    st.table(table, hide_index=True, alt="The first films with what their popularity now adds")
