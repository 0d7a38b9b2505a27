"""Insights, model health: popularity bias, norms, similarities, and users served badly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from analysis.model_health import (
    Exposure,
    UserReport,
    gini,
    lorenz,
    norm_groups,
    rank_correlation,
)
from charts.insights import group_chart, lorenz_chart, norm_chart, similarity_chart
from data_preparation import MovieData
from model.estimate import fit_bytes
from model.evaluation import LIKED
from model.memory import too_large
from model.profiles import DEFAULT_PROFILE
from model.runs import OURS
from model.trained import TrainedModel
from serving.tables import COSINES, EXPOSURE, NORMS, USERS
from settings import training_allowed
from tabs.insights import faithfulness
from tabs.insights.shared import Figure, make_figure, show_figure
from tabs.shared import no_model_yet


@dataclass(frozen=True, eq=False)
class _Health:
    """What the section says of any model; `cosines` is None where there are too few films."""

    metrics: tuple[_Metric, ...]
    lorenz: Figure
    norms: Figure
    cosines: Figure | None


@dataclass(frozen=True)
class _Metric:
    name: str
    value: str
    meaning: str | None = None


@dataclass(frozen=True, eq=False)
class _Users:
    """How well users are served: a summary in Markdown, and the charts of groups of them."""

    summary: str
    by_ratings: Figure
    by_taste: Figure


@st.cache_resource(max_entries=2, show_spinner="Recommending to everybody …")
def _health(_data: MovieData, _model: TrainedModel, key: str) -> _Health:
    exposed = EXPOSURE.of(_data, _model)
    return _Health(
        _metrics(exposed, _data.n_users),
        _lorenz(exposed, _data.n_users),
        _norms(NORMS.of(_data, _model)),
        _cosines(COSINES.of(_data, _model)),
    )


@st.cache_resource(max_entries=2, show_spinner="Measuring every user …")
def _users(_data: MovieData, _model: TrainedModel, key: str) -> _Users | str:
    """The quality per user, or the sentence that says why there is none."""
    try:
        report = USERS.of(_data, _model)
    except ValueError as error:
        return str(error)
    return _Users(_summary(report), _by_ratings(report.by_ratings), _by_taste(report.by_taste))


@st.cache_resource
def _retrained() -> set[str]:
    """The refitted models that were trained again on this server to measure their users."""
    return set()


def render(data: MovieData, model: TrainedModel | None) -> None:
    if model is None:
        no_model_yet("Popularity bias, similarities and the quality per user", data)
        return
    st.subheader("Which films does it recommend?")
    health = _health(data, model, model.key)
    for column, metric in zip(st.columns(len(health.metrics)), health.metrics, strict=True):
        column.metric(metric.name, metric.value, border=True, help=metric.meaning)
    show_figure(health.lorenz)
    lengths, cosines = st.columns(2)
    with lengths:
        st.markdown("**Length of a film's vector against its ratings**")
        show_figure(health.norms)
    with cosines:
        st.markdown("**How similar are films?**")
        if health.cosines is None:
            st.info("Fewer than three films have ratings, so there are no pairs to compare.")
        else:
            show_figure(health.cosines)
    st.subheader("How well does it rank?")
    st.markdown(_tested(model))
    faithfulness.render(data, model)
    st.subheader("Which users does it serve badly?")
    if _may_measure(data, model):
        _show_users(_users(data, model, model.key))


def _tested(model: TrainedModel) -> str:
    """The test metrics of the training, each with its profile."""
    reports = [(model.test_metrics, f"with the profile “{DEFAULT_PROFILE}”, which serves")]
    if model.watch_metrics:
        reports.append((model.watch_metrics, "with the profile “watch”"))
    if not model.is_hybrid:
        reports = [(model.test_metrics, "(its films have no weights, so there are no profiles)")]
    says = [
        f"{name}: NDCG@20 **{metrics['NDCG@20']:.4f}** on all test ratings"
        + (
            f", **{metrics[f'{LIKED}NDCG@20']:.4f}** on the liked ones alone"
            if f"{LIKED}NDCG@20" in metrics
            else ""
        )
        for metrics, name in reports
    ]
    before = ", before it was fitted to all ratings" * model.refitted
    return f"As it was measured at the end of its training{before}, {'; '.join(says)}."


def _may_measure(data: MovieData, model: TrainedModel) -> bool:
    """Whether the model has not seen the test ratings, or was trained once more without them."""
    if not model.refitted or model.key in _retrained():
        return True
    if not USERS.is_kept(data, model):
        left_out = too_large(
            "Training without the held-out ratings", fit_bytes(data, model.config), data
        )
        if left_out:
            st.info(left_out, icon=":material/memory_alt:")
            return False
        st.info(
            "This model was fitted to all ratings in the end, the held-out ones included, so they "
            "cannot measure its users. Training it once more without them takes no longer than "
            "the first time.",
            icon=":material/model_training:",
        )
        if not training_allowed() or not st.button(
            "Train without them and measure", key="measure_users"
        ):
            return False
        _users(data, model, model.key)
        _retrained().add(model.key)
        st.rerun()  # without the button
    return True


def _show_users(users: _Users | str) -> None:
    if isinstance(users, str):
        st.info(users, icon=":material/person_off:")
        return
    st.markdown(users.summary)
    by_ratings, by_taste = st.columns(2)
    with by_ratings:
        st.markdown("**By how much they rated**")
        show_figure(users.by_ratings)
    with by_taste:
        st.markdown("**By how mainstream their taste is**")
        show_figure(users.by_taste)


# --- what is computed once per model --------------------------------------------------------------


def _metrics(exposed: Exposure, n_users: int) -> tuple[_Metric, ...]:
    k, films, shown = exposed.k, len(exposed.movies), int((exposed.shown > 0).sum())
    whose = "anybody's" if exposed.users == n_users else f"{exposed.users:,} users'"
    return (
        _Metric(
            f"Films in {whose} top {k}",
            f"{shown / films:.1%}",
            f"Coverage: {shown:,} of {films:,} rated films.",
        ),
        _Metric(
            "Gini of the recommendations",
            f"{gini(exposed.shown):.3f}",
            "0: every film is shown equally often; 1: a single film is shown to all.",
        ),
        _Metric("Gini of the ratings", f"{gini(exposed.ratings):.3f}"),
    )


def _lorenz(exposed: Exposure, n_users: int) -> Figure:
    """Lorenz curves of the lists and of the ratings they were learned from."""
    k = exposed.k
    some = f"the lists of {exposed.users:,} users drawn at random, in each"
    whose = "everybody's" if exposed.users == n_users else some
    curves = {
        "recommendations": lorenz(exposed.shown),
        "recommendations, graph alone": lorenz(exposed.by_graph_alone),
        "ratings in the data": lorenz(exposed.ratings),
    }
    return make_figure(
        lorenz_chart(curves),
        f"Lorenz curves of top {k} recommendations and of ratings",
        f"The further a curve sags below the diagonal, the fewer films share the {k} places in "
        f"{whose} list; below the ratings' own curve, the model favours popular films more than "
        "people do.",
        pd.concat([curve.assign(curve=name) for name, curve in curves.items()]),
    )


def _norms(table: pd.DataFrame) -> Figure:
    correlation = rank_correlation(table["ratings"], table["norm"])
    if math.isnan(correlation):
        how = "all films here have as many ratings, or all the same length."
    else:
        what = "longer" if correlation > 0 else "shorter"
        how = (
            f"films with more ratings have {what} vectors here (rank correlation "
            f"{correlation:+.2f}), so that much popularity is built "
            f"{'into' if correlation > 0 else 'out of'} the score."
        )
    return make_figure(
        norm_chart(norm_groups(table)),
        "Length of each film's vector against its ratings",
        "Each circle is the films with about that many ratings and that length. A graph score is "
        f"the cosine times both lengths: {how}",
        table.drop(columns="movie"),
    )


def _cosines(table: pd.DataFrame) -> Figure | None:
    if table.empty:
        return None
    means = table.groupby("kind", sort=False)["mean"].first()
    random, nearest = means.iloc[0], means.iloc[1]
    return make_figure(
        similarity_chart(table.drop(columns="mean")),
        "Cosines of films at random and of nearest films",
        f"Two films at random should be near 0 (mean {random:.2f}) and a film and its nearest well "
        f"to the right (mean {nearest:.2f}); if the two overlap, neighbours mean little.",
        table,
    )


def _summary(report: UserReport) -> str:
    means = report.mean.iloc[0]
    profile = f", with the profile “{report.profile}”, which serves" if report.profile else ""
    liked = (
        ""
        if math.isnan(means["liked"])
        else f" On the {report.liking:,} users' test films with 4 stars or "
        f"more alone, liked NDCG@20 **{means['liked']:.4f}**, popularity "
        f"{means['popularity_liked']:.4f}."
    )
    of = f"{report.users:,} users drawn at random" if report.drawn else f"{report.users:,} users"
    return (
        f"Measured on the test ratings of {of} ({report.protocol}), which neither "
        f"training nor the choice of settings saw{profile}: mean NDCG@20 "
        f"**{means['model']:.4f}**, popularity {means['popularity']:.4f}.{liked} For "
        f"**{report.missed:.0%}** of the users no test film is among the 20 best."
    )


def _by_ratings(table: pd.DataFrame) -> Figure:
    return _group(table, "training ratings", "number of training ratings")


def _by_taste(table: pd.DataFrame) -> Figure:
    table = table.copy()
    for bound in ("low", "high"):  # from the mean logarithm back to a number of ratings
        table[bound] = 10 ** table[bound]
    return _group(table, "typical ratings of their films", "popularity of their films")


def _group(table: pd.DataFrame, title: str, what: str) -> Figure:
    model = table[table["scorer"] == OURS]
    worst = model.loc[model["ndcg"].idxmin()]
    return make_figure(
        group_chart(table, title),
        f"NDCG@20 of five equal groups of users by {what}",
        "Five groups of equal size; thin lines are one standard error. The group with "
        f"{worst['low']:,.0f} to {worst['high']:,.0f} is served worst (NDCG@20 "
        f"{worst['ndcg']:.3f}); where the blue bar does not clear the orange one, the model adds "
        "nothing to popularity. By all test ratings, liked or not.",
        table,
    )
