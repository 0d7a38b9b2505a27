"""Recommendations: top-K for a user or for the visitor, each score with its parts and reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from charts.reasons import DECIMALS, score_bars
from data_preparation import MovieData
from model.ageing import ALWAYS
from model.as_of import day_of
from model.profiles import DEFAULT_PROFILE, Profile, strength
from model.rounding import rounded_parts
from model.trained import TrainedModel, no_trend_in_words, trend_strength
from model.viewers import Viewer, aged, fold_in, user_viewer
from prediction import (
    DEFAULT_TAG_WEIGHT,
    FEWEST_RATINGS,
    Recommendation,
    film_filter,
    often_and_well_rated,
    recommend,
)
from serving.csv_export import to_csv
from sources.movielens_files import MAX_STARS
from tabs.duel import duel_button
from tabs.links import ALWAYS_COUNTS, MAX_K, MAX_MIN_RATINGS, RECENT, WHO, year_range
from tabs.recommendations.actions import (
    forget_last_change,
    last_change,
    show_hidden,
    tell_once,
)
from tabs.recommendations.cards import show_cards
from tabs.recommendations.copies import show_arrivals
from tabs.recommendations.listing import Listing
from tabs.recommendations.my_list import ask_for_list, tell_of_list
from tabs.recommendations.my_ratings import edit_my_ratings
from tabs.recommendations.share import asked_for
from tabs.recommendations.shortlist import show_shortlist
from tabs.recommendations.surprise import DRAWN_FROM, show_surprise, surprise_button
from tabs.recommendations.together import watch_together
from tabs.recommendations.why import why_dialog
from tabs.recommendations.words import percent
from tabs.recommendations.would_i_like import would_i_like
from tabs.shared import count, my_stars, no_model_yet, pick_profile, pick_user, shown_first
from tabs.visitor import came_from_browser, not_interested, rated_when

_ABOUT: dict[Profile, str] = {
    "like": "Films that will be rated high if seen.",
    "watch": "Films that will be watched and rated, however high.",
}


def render(data: MovieData, model: TrainedModel | None) -> None:
    st.header("Recommendations")
    if model is None:
        no_model_yet("Recommendations", data)
        return
    who = st.segmented_control(
        "For whom",
        WHO,
        default=WHO[0],
        required=True,
        key="who",
        label_visibility="collapsed",
        bind="query-params",
    )
    me = who == WHO[1]
    effect = _own_ratings(data) if me else None
    user = None if me else pick_user(data)
    with st.container(horizontal=True, gap="small"):
        asked = _settings(data, model)
        surprise_button()
    viewer = (
        fold_in(data, model, my_stars(data), asked.profile)
        if user is None
        else user_viewer(data, model, user, asked.profile)
    )
    viewer = _aged(data, viewer, asked.half_life)
    allowed = asked.allowed.copy()
    if me:
        allowed[list(not_interested(data))] = False
    weights = (asked.tag_weight, asked.novelty, allowed, asked.fewest, asked.popular_now)
    listing = Listing(data, model, viewer, *weights)
    if me and not len(viewer.movies):
        last_change(data, [])
        show_shortlist(data, None)
        st.info(
            "Rate a film or two, or upload your ratings, and your own recommendations appear here. "
            "Nothing is retrained.",
            icon=":material/star:",
        )
    else:
        _show_list(listing, asked, me, effect)
    if me:
        show_hidden(data)
    _rated(data, viewer)


def _show_list(listing: Listing, asked: Settings, me: bool, effect: DeltaGenerator | None) -> None:
    """The list with all that belongs to it.

    Args:
        effect: where the visitor rates films, if that is open.
    """
    data, most = listing.data, max(asked.k, DRAWN_FROM)
    best = recommend(listing.model, listing.scores, most, listing.allowed, asked.diversity)
    recommendations = best[: asked.k]
    change = last_change(data, recommendations) if me else None
    if change and effect:
        effect.markdown(change.sentence)
        tell_once(data, change)
    tell_of_list(data, listing.scores.candidates)
    if listing.viewer.only_averse:
        _say_what_competes(listing)
    if 0 < len(recommendations) < asked.k:
        few = count(len(recommendations), "film")
        all_there_is = listing.scores.candidates.sum() == len(recommendations)
        st.caption(f"Only {few} {'are left to list' if all_there_is else 'match the filters'}.")
    show_shortlist(data, listing)
    if recommendations:
        show_surprise(listing, best[:DRAWN_FROM], mine=me)
        if change and change.moves and not (change.place or effect):
            st.markdown(change.sentence)
        marks = _brought(listing, recommendations, asked.k, asked.diversity)
        show_cards(listing, recommendations, change, marks, mine=me)
        _breakdown(data, recommendations)
    else:
        _say_why_empty(listing)
    duel_button()
    watch_together(listing)
    would_i_like(listing)
    movie = asked_for(listing)
    if movie is not None:
        why_dialog(listing, movie)


def _say_what_competes(listing: Listing) -> None:
    """Of someone who liked nothing yet."""
    data = listing.data
    rivals = often_and_well_rated(data)
    fewest = int(data.movie_degree[rivals].min()) if rivals.any() else 0
    st.info(
        f"None of the {count(len(listing.viewer.movies), 'rating')} is high enough to speak in "
        "favour of anything, so the list holds what is least like these films, among the "
        f"{count(int(rivals.sum()), 'film')} that are rated often ({fewest:,} times or more) and "
        "well (above the mean of all ratings).",
        icon=":material/thumb_down:",
    )


def _say_why_empty(listing: Listing) -> None:
    if listing.scores.rated.all():
        text, icon = "Every film of the data is rated, so nothing is left to recommend.", "done_all"
    elif not listing.scores.candidates.any():
        text, icon = "Every film that may be listed is rated already.", "done_all"
    else:
        text = (
            "No film matches: loosen the filters (genres, years, ratings, mean stars, your list)."
        )
        icon = "filter_alt_off"
    st.info(text, icon=f":material/{icon}:")


# --- whom for, and what is allowed ----------------------------------------------------------------


def _own_ratings(data: MovieData) -> DeltaGenerator | None:
    """Where the visitor rates films, out of the way once there are some; None while it is closed.

    Returns:
        The place for what a rating did.
    """
    show_arrivals(data)
    # Open until there are ratings, and then as the visitor leaves it; another label would reset it.
    st.session_state.setdefault("own_ratings", not my_stars(data))
    if came_from_browser(data):
        st.session_state["own_ratings"] = False
        forget_last_change(data)
    place = st.expander(
        "My ratings: rate films, upload, change",
        icon=":material/star:",
        key="own_ratings",
        on_change="rerun",
    )
    if not place.open:
        return None
    with place:
        return edit_my_ratings(data)


@dataclass(frozen=True)
class Settings:
    """What the controls ask for.

    Attributes:
        k: how many films.
        allowed: bool [n_movies], the films that may appear.
        fewest: ratings of a film that novelty or diversity may bring.
        half_life: later films after which a rated one counts half.
        popular_now: 0 to 1, how much what is popular now counts.
    """

    profile: Profile
    k: int
    tag_weight: float
    allowed: NDArray[np.bool_]
    novelty: float
    diversity: float
    fewest: int
    half_life: float
    popular_now: float


def _settings(data: MovieData, model: TrainedModel) -> Settings:
    """The controls, one tap away."""
    with st.popover("Filters", icon=":material/tune:", key="filters"):
        profile = _profile(model)
        half_life = _half_life()
        popular_now = _popular_now(model, profile)
        k = st.slider("Number of films (K)", 1, MAX_K, 10, key="k", bind="query-params")
        allowed, novelty, diversity = _filters(data)
        little_known = st.toggle(
            f"Novelty and diversity may bring films with fewer than {FEWEST_RATINGS} ratings",
            key="little_known",
            bind="query-params",
        )
        tag_weight = st.slider(
            "Weight of tags and genres",
            0.0,
            1.0,
            DEFAULT_TAG_WEIGHT,
            0.05,
            key="tag_weight",
            bind="query-params",
            help="0 ranks by the graph alone, 1 by tags and genres alone. The default was chosen "
            "on held-out validation ratings.",
        )
        allowed &= ask_for_list(data)
    fewest = 1 if little_known else FEWEST_RATINGS
    return Settings(
        *(profile, k, tag_weight, allowed, novelty, diversity, fewest, half_life, popular_now)
    )


def _half_life() -> float:
    """How fast a film's weight falls with its age."""
    chosen = st.select_slider(
        "Always ↔ these days",
        list(RECENT),
        ALWAYS_COUNTS,
        key="recent",
        bind="query-params",
        help="Right of *Always*, what was rated last counts more than what was rated long ago.",
    )
    half_life = RECENT[chosen]
    if half_life != ALWAYS:
        st.caption(
            f"A film counts half once {half_life:g} later ones are rated, a quarter after "
            f"{2 * half_life:g}. The tags and genres count as always."
        )
    return half_life


def _popular_now(model: TrainedModel, profile: Profile) -> float:
    """How much what is popular now counts, 0 to 1; where it cannot, a sentence says why."""
    missing = no_trend_in_words(model, profile)
    if missing or model.trend is None:
        st.caption(missing)
        return 0.0
    chosen = st.slider(
        "Popular ever ↔ popular now",
        0.0,
        1.0,
        0.0,
        0.1,
        key="popular_now",
        bind="query-params",
        help="Right of 0, films that were rated lately more than their share of all ratings come "
        "up, for everyone alike. 1 is what found most of what people rated later.",
    )
    if chosen:
        since, until = day_of(model.trend.since), day_of(model.trend.until)
        twice = chosen * trend_strength(model, profile) * math.log(2)
        st.caption(
            f"*Now* is {since} to {until}, the latest {count(model.trend.ratings, 'rating')} of "
            f"these data. A film rated twice as often as its share of all ratings lets one expect "
            f"gains up to {twice:.2f}."
        )
    return chosen


def _aged(data: MovieData, viewer: Viewer, half_life: float) -> Viewer:
    """The viewer with films that age, where it is known when they were rated."""
    if half_life == ALWAYS or not len(viewer.movies):
        return viewer
    if viewer.user is not None:
        return aged(viewer, data.times_of(viewer.user), half_life)
    when, undated = rated_when(data, viewer.movies)
    ratings = count(undated, "rating")
    if undated == len(when):
        st.info(
            f"None of your {ratings} has a date, so all of them count alike, whatever *Always ↔ "
            "these days* says. Films that you rate here get one, and so do those of a file with "
            "dates.",
            icon=":material/event_busy:",
        )
        return viewer
    if undated:
        has, count_as = ("has", "counts as") if undated == 1 else ("have", "count as")
        st.caption(f"{ratings} of yours {has} no date, and {count_as} older than all others.")
    return aged(viewer, when, half_life)


def _profile(model: TrainedModel) -> Profile:
    """What the list is for; a model that does not look at the stars has no such choice."""
    if not model.is_hybrid:
        return DEFAULT_PROFILE
    profile = pick_profile(model)
    weight = strength(model.config, profile)
    st.caption(
        f"{_ABOUT[profile]} One star more than a person's own level makes a film count "
        f"{percent(weight)} more; what is rated clearly below that level never counts in favour."
    )
    return profile


def _brought(
    listing: Listing, found: Sequence[Recommendation], k: int, diversity: float
) -> dict[int, str]:
    """Says what novelty and diversity changed; a mark for each film that they brought."""
    if not (listing.novelty or diversity):
        return {}
    plain = replace(listing, novelty=0.0)
    before = {item.movie for item in recommend(listing.model, plain.scores, k, listing.allowed)}
    by_score = {item.movie for item in recommend(listing.model, listing.scores, k, listing.allowed)}
    novel = "novel" if listing.novelty > 0 else "popular"
    marks = {
        item.movie: f"◆ {novel if item.movie in by_score else 'diverse'}"
        for item in found
        if item.movie not in before
    }
    changed = [
        f"{count(sum(mark == f'◆ {word}' for mark in marks.values()), 'film')} by {name}"
        for word, name, used in (
            (novel, "novelty" if listing.novelty > 0 else "popularity", listing.novelty),
            ("diverse", "diversity", diversity),
        )
        if used
    ]
    degree = listing.data.movie_degree
    few = [movie for movie in marks if degree[movie] < FEWEST_RATINGS]
    for movie in few:
        marks[movie] += f", {count(int(degree[movie]), 'rating')}"
    how_many = f"{len(few)} of them" if few else "None"
    has = "have" if len(few) > 1 else "has"
    st.caption(
        f"Brought into this list and marked ◆: {' and '.join(changed)}. {how_many} {has} fewer "
        f"than {FEWEST_RATINGS} ratings."
    )
    return marks


def _filters(data: MovieData) -> tuple[np.ndarray, float, float]:
    """Which films may appear (bool [n_movies]), novelty and diversity."""
    first, second = st.columns(2)
    include = first.multiselect(
        "Only these genres", data.genre_names, key="genres", bind="query-params"
    )
    exclude = second.multiselect(
        "Without these genres", data.genre_names, key="without", bind="query-params"
    )
    whole = years = year_range(data)
    if whole[0] < whole[1]:  # else there is nothing to choose
        years = first.slider("Years", *whole, whole, key="years", bind="query-params")
    min_ratings = second.slider(
        "Ratings at least",
        0,
        MAX_MIN_RATINGS,
        0,
        key="min_ratings",
        bind="query-params",
        help="Leaves out films that few people have rated.",
    )
    novelty = first.slider(
        "Popular ↔ novel",
        -1.0,
        1.0,
        0.0,
        0.1,
        key="novelty",
        bind="query-params",
        help="0.3 replaces three of the first ten films: by less popular ones right of 0, by more "
        "popular ones left of it.",
    )
    diversity = second.slider(
        "Diversity",
        0.0,
        1.0,
        0.0,
        0.1,
        key="diversity",
        bind="query-params",
        help="0.3 replaces three of the first ten films: those close to one above them step back "
        "(maximal marginal relevance).",
    )
    min_stars = first.slider(
        "Mean stars at least", 0.0, MAX_STARS, 0.0, 0.1, key="min_stars", bind="query-params"
    )
    allowed = film_filter(
        data, include, exclude, None if years == whole else years, min_ratings, min_stars
    )
    return allowed, novelty, diversity


# --- tables ---------------------------------------------------------------------------------------


def _breakdown(data: MovieData, recommendations: Sequence[Recommendation]) -> None:
    st.subheader("Where the scores come from")
    popularity = any(item.popularity_part or item.trend_part for item in recommendations)
    st.html(score_bars(data, recommendations))
    st.caption(
        "The graph score is the dot product of the LightGCN embeddings; the tag similarity is a "
        "cosine from 0 to 1 over tags and genres. Before they are added, each is divided by the "
        "best unrated film's and multiplied by its weight, so the two together run up to 1"
        + ("; what the film's popularity adds or takes comes on top." if popularity else ".")
    )
    table = _score_table(data, recommendations)
    number = st.column_config.NumberColumn(format=f"%.{DECIMALS}f")
    scores = [name for name in table if name.endswith(("score", "similarity", "part"))]
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            **dict.fromkeys(scores, number),
            "mean stars": st.column_config.NumberColumn(format="%.2f ★"),
        },
        alt="Scores of the recommended films",
    )
    st.download_button(
        "Download as CSV", to_csv(table), "recommendations.csv", "text/csv", on_click="ignore"
    )


def _score_table(data: MovieData, recommendations: Sequence[Recommendation]) -> pd.DataFrame:
    """The parts are rounded so that they add up to the final score, here and in the CSV file."""
    parts = rounded_parts(
        [[r.graph_part, r.tag_part, r.popularity_part, r.trend_part] for r in recommendations],
        DECIMALS,
    )  # [film, part]
    return pd.DataFrame(
        {
            "film": [data.labels[r.movie] for r in recommendations],
            "genres": [", ".join(data.movies["genres"].iloc[r.movie]) for r in recommendations],
            "final score": np.round(parts.sum(axis=1), DECIMALS),
            "graph score": [r.graph_score for r in recommendations],
            "tag similarity": [r.tag_similarity for r in recommendations],
            "graph part": parts[:, 0],
            "tag part": parts[:, 1],
            "popularity part": parts[:, 2],
            "popular now part": parts[:, 3],
            "ratings": [int(data.movie_degree[r.movie]) for r in recommendations],
            "mean stars": [float(data.mean_stars[r.movie]) for r in recommendations],
        }
    )


def _rated(data: MovieData, viewer: Viewer) -> None:
    if not len(viewer.movies):
        return
    order = np.argsort(-viewer.stars, kind="stable")
    with st.expander(f"{count(len(order), 'rated film')} behind this list"):
        places = shown_first(order, "films, most stars first")
        movies = viewer.movies[places]
        st.dataframe(
            pd.DataFrame(
                {
                    "film": [data.labels[movie] for movie in movies],
                    "stars": viewer.stars[places],
                    "ratings": data.movie_degree[movies],
                }
            ),
            hide_index=True,
            alt="Films rated by the viewer",
        )
