"""Recommendations: top-K for a user or for the visitor, each score with its parts and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from charts.reasons import DECIMALS, score_bars
from data_preparation import MovieData
from model.profiles import DEFAULT_PROFILE, Profile, strength
from model.rounding import rounded_parts
from model.trained import TrainedModel
from model.viewers import Viewer, fold_in, user_viewer
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
from tabs.links import MAX_K, MAX_MIN_RATINGS, WHO, year_range
from tabs.recommendations.cards import show_cards
from tabs.recommendations.listing import Listing
from tabs.recommendations.my_ratings import edit_my_ratings, rank_changes, show_watchlist
from tabs.recommendations.share import asked_for
from tabs.recommendations.why import why_dialog
from tabs.recommendations.words import percent
from tabs.recommendations.would_i_like import would_i_like
from tabs.shared import count, my_stars, no_model_yet, pick_profile, pick_user

_ABOUT: dict[Profile, str] = {
    "like": "Films that {person} will rate high if seen.",
    "watch": "Films that {person} will watch and rate, however high.",
}


def render(data: MovieData, model: TrainedModel | None) -> None:
    st.header("Recommendations")
    if model is None:
        no_model_yet("Recommendations", data)
        return
    who = st.segmented_control(
        "For whom", WHO, default=WHO[0], required=True, key="who", bind="query-params"
    )
    me = who == WHO[1]
    viewer = _viewer(data, model, me)
    listing, recommendations, marks = _choose(data, model, viewer)
    if me and not len(viewer.movies):
        st.info(
            "Rate a film or two, or upload your ratings, and your own recommendations appear here. "
            "Nothing is retrained and nothing leaves this session.",
            icon=":material/star:",
        )
    else:
        if viewer.only_averse:
            _say_what_competes(listing)
        if recommendations:
            moves = rank_changes(recommendations, my_stars(data)) if me else {}
            notes = {
                movie: " ".join(filter(None, (marks.get(movie), moves.get(movie))))
                for movie in marks | moves
            }
            show_cards(listing, recommendations, notes)
        else:
            _say_why_empty(listing)
        if recommendations:
            _breakdown(data, recommendations)
        duel_button()
        would_i_like(listing)
        movie = asked_for(listing)
        if movie is not None:
            why_dialog(listing, movie)
    show_watchlist(data)
    _rated(data, viewer)


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
        text = "No film matches: loosen the filters (genres, years, ratings, mean stars)."
        icon = "filter_alt_off"
    st.info(text, icon=f":material/{icon}:")


# --- whom for, and what is allowed ----------------------------------------------------------------


def _viewer(data: MovieData, model: TrainedModel, me: bool) -> Viewer:
    """Who is chosen, with the profile that is asked for."""
    if me:
        edit_my_ratings(data)
        return fold_in(data, model, my_stars(data), _profile(model, "you"))
    user = pick_user(data)
    return user_viewer(data, model, user, _profile(model, "the user"))


def _profile(model: TrainedModel, person: str) -> Profile:
    """What the list is for; a model that does not look at the stars has no such choice."""
    if not model.is_hybrid:
        return DEFAULT_PROFILE
    profile = pick_profile(model)
    weight = strength(model.config, profile)
    aim = _ABOUT[profile].format(person=person)
    st.caption(
        f"{aim} One star more than a person's own level makes a film count {percent(weight)} more; "
        "what is rated clearly below that level never counts in favour."
    )
    return profile


def _choose(
    data: MovieData, model: TrainedModel, viewer: Viewer
) -> tuple[Listing, list[Recommendation], dict[int, str]]:
    """The controls, the list that they give, and what of it novelty or diversity brought."""
    many, blend = st.columns(2)
    k = many.slider("Number of films (K)", 1, MAX_K, 10, key="k", bind="query-params")
    tag_weight = blend.slider(
        "Weight of tags and genres",
        0.0,
        1.0,
        DEFAULT_TAG_WEIGHT,
        0.05,
        key="tag_weight",
        bind="query-params",
        help="0 ranks by the graph alone, 1 by tags and genres alone. The default was chosen on "
        "held-out validation ratings.",
    )
    with st.expander("Filters, novelty and diversity", icon=":material/tune:"):
        allowed, novelty, diversity = _filters(data)
    listing = Listing(data, model, viewer, tag_weight, novelty, allowed)
    found = recommend(model, listing.scores, k, allowed, diversity)
    marks = _brought(listing, found, k, diversity)
    if 0 < len(found) < k:
        few = count(len(found), "film")
        all_there_is = listing.scores.candidates.sum() == len(found)
        st.caption(f"Only {few} {'are left to list' if all_there_is else 'match the filters'}.")
    return listing, found, marks


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
    st.caption(
        f"Brought into this list and marked ◆: {' and '.join(changed)}. None has fewer than "
        f"{FEWEST_RATINGS} ratings."
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
    whole = year_range(data)
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
    st.html(score_bars(data, recommendations))
    st.caption(
        "The graph score is the dot product of the LightGCN embeddings; the tag similarity is a "
        "cosine from 0 to 1 over tags and genres. Before they are added, each is divided by the "
        "best unrated film's and multiplied by its weight, so the final score runs up to 1."
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
        [[r.graph_part, r.tag_part, r.popularity_part] for r in recommendations], DECIMALS
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
            "ratings": [int(data.movie_degree[r.movie]) for r in recommendations],
            "mean stars": [float(data.mean_stars[r.movie]) for r in recommendations],
        }
    )


def _rated(data: MovieData, viewer: Viewer) -> None:
    if not len(viewer.movies):
        return
    order = np.argsort(-viewer.stars, kind="stable")
    with st.expander(f"{count(len(order), 'rated film')} behind this list"):
        st.dataframe(
            pd.DataFrame(
                {
                    "film": [data.labels[movie] for movie in viewer.movies[order]],
                    "stars": viewer.stars[order],
                    "ratings": data.movie_degree[viewer.movies[order]],
                }
            ),
            hide_index=True,
            alt="Films rated by the viewer",
        )
