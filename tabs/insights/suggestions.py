"""Insights, tag suggestions: what a film's neighbours are tagged with, and how often that holds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from analysis.tag_evaluation import N_NEIGHBOURS, SuggestionReport
from data_preparation import MovieData
from model.trained import TrainedModel
from prediction import TagSuggestion, suggest_tags, tagged_neighbours
from serving.tables import SUGGESTED_TAGS
from tabs.insights.shared import (
    csv_button,
    pick_movie,
    without_tags_in_words,
)
from tabs.shared import escape, no_model_yet

_NAMED = 5  # neighbours named as evidence; the count says how many more there are


@st.cache_data(max_entries=4, show_spinner="Hiding tags and asking for them …")
def _report(_data: MovieData, _model: TrainedModel, key: str) -> SuggestionReport | None:
    return SUGGESTED_TAGS.of(_data, _model)


@st.fragment  # typing a title need not run the other tabs
def render(data: MovieData, model: TrainedModel | None) -> None:
    st.subheader("Tags that a film's neighbours suggest")
    if not data.tag_names:
        st.info(
            "These data hold no tag on two films or more, so no neighbour can pass one on.",
            icon=":material/label_off:",
        )
        return
    if model is None:
        no_model_yet("Tag suggestions", data)
        return
    movie = pick_movie(data)
    _suggestions(data, model, movie)
    st.subheader("How often are they right?")
    left_out = SUGGESTED_TAGS.left_out(data, model)
    if left_out:
        st.info(left_out, icon=":material/memory_alt:")
        return
    _quality(_report(data, model, model.key), without_tags_in_words(data, model))


def _suggestions(data: MovieData, model: TrainedModel, movie: int) -> None:
    names = data.labels
    own = [data.tag_names[tag] for tag in data.tag_counts[[movie]].indices]
    st.markdown(
        f"**{escape(names[movie])}** has the "
        f"{'tag' if len(own) == 1 else 'tags'} {escape(', '.join(own))}."
        if own
        else f"Nobody has given **{escape(names[movie])}** a tag that cleaning keeps."
    )
    if not model.directions[movie].any():
        st.info(
            "Nobody whose ratings the model was fitted to rated this film, so it has no "
            "neighbours to suggest a tag.",
            icon=":material/location_off:",
        )
        return
    nearest, cosine = tagged_neighbours(data, model, movie, N_NEIGHBOURS)
    suggestions = suggest_tags(data, model, movie, n_neighbours=N_NEIGHBOURS)
    if not suggestions:
        reason = (
            "Its nearest tagged films carry no tag that it does not have already"
            if len(nearest)
            else "No other rated film carries a tag"
        )
        st.info(f"{reason}, so there is nothing to suggest.", icon=":material/label_off:")
        return
    similarity = dict(zip(nearest.tolist(), cosine.tolist(), strict=True))
    _show_suggestions(suggestions, similarity, names)


def _show_suggestions(
    suggestions: list[TagSuggestion], similarity: dict[int, float], names: Sequence[str]
) -> None:
    """Each suggestion with its evidence.

    Args:
        similarity: cosine of each of the nearest tagged films, by inner id, nearest first.
    """
    cosines = list(similarity.values())
    table = pd.DataFrame(
        {
            "tag": [s.tag for s in suggestions],
            "score": [s.score for s in suggestions],
            "carried by": [f"{len(s.neighbours)} of {len(cosines)}" for s in suggestions],
            "nearest that carry it (cosine)": [
                _evidence(s, similarity, names) for s in suggestions
            ],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "score": st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1)
        },
        alt="Suggested tags with score and the neighbours that carry them",
    )
    st.caption(
        f"From the {len(cosines)} nearest films that are tagged, with cosines from "
        f"{cosines[0]:.2f} down to {cosines[-1]:.2f}. The score is the share of their squared "
        "cosines that carries the tag: 1 if all of them do. One neighbour is weak evidence, "
        "several near ones are better."
    )
    csv_button(table, "Suggested tags")


def _evidence(suggestion: TagSuggestion, similarity: dict[int, float], names: Sequence[str]) -> str:
    """`Heat (0.61), Ronin (0.55) and 3 more`."""
    named = [f"{names[m]} ({similarity[m]:.2f})" for m in suggestion.neighbours[:_NAMED]]
    more = len(suggestion.neighbours) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _quality(report: SuggestionReport | None, measured: str) -> None:
    if report is None:
        st.info("These data hold too few tags on rated films to hide some and ask for them.")
        return
    k = report.k
    first, second, third = st.columns(3)
    first.metric(f"Precision@{k} of the suggestions", f"{report.precision:.3f}", border=True)
    second.metric(f"The {k} most common tags", f"{report.baseline:.3f}", border=True)
    third.metric("Best possible", f"{report.ceiling:.3f}", border=True)
    of = (
        f" of {report.asked:,} films, drawn from the {report.tagged:,} that are tagged,"
        if report.asked < report.tagged
        else ""
    )
    st.markdown(
        f"{measured}Each of {report.hidden:,} pairs of film and tag{of} was hidden once, a fifth "
        f"of them at a time and for everybody who gave it. Of {k} suggestions, "
        f"**{report.precision:.1%}** were hidden tags of the film; always naming the {k} most "
        f"common tags gets {report.baseline:.1%}. More than {report.ceiling:.1%} is "
        "impossible, because films hide too few tags. The suggestions find "
        f"**{report.recall:.1%}** of the hidden tags, the common tags {report.baseline_recall:.1%}."
    )
    nothing = f" For {report.without:.1%} of the films nothing is suggested." * (report.without > 0)
    st.caption(
        "Read it as a lower bound: a suggestion counts as wrong unless somebody happened to type "
        f"it.{nothing}"
    )
