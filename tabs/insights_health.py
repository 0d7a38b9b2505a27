"""Insights, model health: popularity bias, norms, similarities, and users served badly."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from data_preparation import MovieData
from model_health import (
    Exposure,
    UserQuality,
    by_group,
    exposure,
    gini,
    lorenz,
    norms,
    rank_correlation,
    similarities,
    user_quality,
    without_held_out,
)
from model_training import TrainedModel
from plots_insights import group_chart, lorenz_chart, norm_chart, similarity_chart
from tabs.insights_shared import show
from tabs.shared import no_model_yet


@st.cache_resource(max_entries=2, show_spinner="Recommending to everybody …")
def _exposure(_data: MovieData, _model: TrainedModel, key: str) -> Exposure:
    return exposure(_data, _model)


@st.cache_data(max_entries=2, show_spinner=False)
def _similarities(_model: TrainedModel, key: str) -> pd.DataFrame:
    return similarities(_model)


@st.cache_resource(max_entries=2, show_spinner="Measuring every user …")
def _quality(_data: MovieData, _model: TrainedModel, key: str) -> UserQuality | str:
    """The quality, or the sentence that says why there is none."""
    try:
        return user_quality(_data, _model)
    except ValueError as error:
        return str(error)


@st.cache_resource(max_entries=2, show_spinner="Training without the held-out ratings …")
def _measurable(_data: MovieData, _model: TrainedModel, key: str) -> TrainedModel:
    return without_held_out(_data, _model)


@st.cache_resource
def _retrained() -> set[str]:
    """The models that were trained again on this server to measure their users."""
    return set()


def render(data: MovieData, model: TrainedModel | None) -> None:
    if model is None:
        no_model_yet("Popularity bias, similarities and the quality per user")
        return
    key = model.key
    st.subheader("Which films does it recommend?")
    _popularity(_exposure(data, model, key))
    lengths, cosines = st.columns(2)
    with lengths:
        _norms(data, model)
    with cosines:
        _cosines(model, key)
    st.subheader("Which users does it serve badly?")
    if model.refitted and key not in _retrained():
        st.info(
            "This model was fitted to all ratings in the end, the held-out ones included, so they "
            "cannot measure it. Training it once more without them takes as long as the first "
            "time.",
            icon=":material/model_training:",
        )
        if not st.button("Train without them and measure", key="measure_users"):
            return
        _measurable(data, model, key)
        _retrained().add(key)
        st.rerun()  # without the button
    if model.refitted:
        model = _measurable(data, model, key)
    _users(_quality(data, model, model.key))


def _popularity(exposed: Exposure) -> None:
    """Lorenz curves of the lists and of the ratings they were learned from."""
    k, films = exposed.k, len(exposed.movies)
    first, second, third = st.columns(3)
    first.metric(
        f"Films in anybody's top {k}",
        f"{(exposed.shown > 0).mean():.1%}",
        border=True,
        help=f"Coverage: {(exposed.shown > 0).sum():,} of {films:,} rated films.",
    )
    second.metric(
        "Gini of the recommendations",
        f"{gini(exposed.shown):.3f}",
        border=True,
        help="0: every film is shown equally often; 1: a single film is shown to all.",
    )
    third.metric("Gini of the ratings", f"{gini(exposed.ratings):.3f}", border=True)
    curves = {
        "recommendations": lorenz(exposed.shown),
        "recommendations, graph alone": lorenz(exposed.by_graph_alone),
        "ratings in the data": lorenz(exposed.ratings),
    }
    table = pd.concat([curve.assign(curve=name) for name, curve in curves.items()])
    show(
        lorenz_chart(curves),
        f"Lorenz curves of top {k} recommendations and of ratings",
        f"The further a curve sags below the diagonal, the fewer films share the {k} places in "
        "everybody's list; below the ratings' own curve, the model favours popular films more than "
        "people do.",
        table,
    )


def _norms(data: MovieData, model: TrainedModel) -> None:
    st.markdown("**Length of the embedding against ratings**")
    table = norms(data, model)
    names = data.labels
    table.insert(0, "name", [names[movie] for movie in table.pop("movie")])
    correlation = rank_correlation(table["ratings"], table["norm"])
    how = "" if math.isnan(correlation) else f" (rank correlation {correlation:+.2f})"
    show(
        norm_chart(table),
        "Length of each film's embedding against its ratings",
        f"A score is the cosine times both lengths, so a rise{how} is popularity built "
        "into the score; a film far above the trend is pushed, one far below is held back.",
        table,
    )


def _cosines(model: TrainedModel, key: str) -> None:
    st.markdown("**How similar are films?**")
    table = _similarities(model, key)
    if table.empty:
        st.info("Fewer than three films have ratings, so there are no pairs to compare.")
        return
    means = table.groupby("kind", sort=False)["mean"].first()
    random, nearest = means.iloc[0], means.iloc[1]
    show(
        similarity_chart(table.drop(columns="mean")),
        "Cosines of films at random and of nearest films",
        f"Two films at random should be near 0 (mean {random:.2f}) and a film and its nearest well "
        f"to the right (mean {nearest:.2f}); if the two overlap, neighbours mean little.",
        table,
    )


def _users(quality: UserQuality | str) -> None:
    if isinstance(quality, str):
        st.info(quality, icon=":material/person_off:")
        return
    users = quality.per_user
    missed = float((users["model"] == 0).mean())
    st.markdown(
        f"Measured on the {len(users):,} users' test ratings ({quality.protocol}), which neither "
        f"training nor the choice of the epoch saw: mean NDCG@20 **{users['model'].mean():.4f}**, "
        f"popularity {users['popularity'].mean():.4f}. For **{missed:.0%}** of the users no test "
        "film is among the 20 best."
    )
    by_ratings, by_taste = st.columns(2)
    with by_ratings:
        st.markdown("**By how much they rated**")
        _group(
            by_group(quality, "ratings"), "training ratings", ",.0f", "number of training ratings"
        )
    with by_taste:
        st.markdown("**By how mainstream their taste is**")
        mainstream = by_group(quality, "mainstream")
        for bound in ("low", "high"):  # from the mean logarithm back to a number of ratings
            mainstream[bound] = 10 ** mainstream[bound]
        _group(mainstream, "typical ratings of their films", ",.0f", "popularity of their films")


def _group(table: pd.DataFrame, title: str, value_format: str, what: str) -> None:
    model = table[table["scorer"] == "LightGCN"]
    worst = model.loc[model["ndcg"].idxmin()]
    low, high = f"{worst['low']:{value_format}}", f"{worst['high']:{value_format}}"
    show(
        group_chart(table, title, value_format),
        f"NDCG@20 of five equal groups of users by {what}",
        f"Five groups of equal size; thin lines are one standard error. The group with {low} to "
        f"{high} is served worst (NDCG@20 {worst['ndcg']:.3f}); where the blue bar does not clear "
        "the orange one, the model adds nothing to popularity.",
        table,
    )
