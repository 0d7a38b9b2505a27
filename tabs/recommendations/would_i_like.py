"""*Would I like it?*: any film of the catalogue, its rank, predicted stars and reasons."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from analysis.counterfactual import viewer_without
from tabs.film_search import search_film
from tabs.recommendations.listing import Listing, ordinal, stars_text, sum_of_parts
from tabs.recommendations.why import why_dialog
from tabs.shared import escape

_KEY = "asked_movie"


def would_i_like(listing: Listing) -> None:
    """Look up a film and say how it does for this person."""
    st.subheader("Would I like it?")
    st.caption("Any film of the catalogue, whether the list has it or not.")
    data = listing.data
    state = f"{_KEY}_{data.fingerprint}"

    def click(movie: int) -> None:
        again = st.session_state.get(state) == movie
        st.session_state[state] = None if again else movie

    def is_chosen(movie: int) -> bool:
        return st.session_state.get(state) == movie

    search_film(data, is_chosen, click, key="asked_film", label="Film to ask about")
    movie = st.session_state.get(state)
    if movie is not None:
        _answer(listing, movie)


def _answer(listing: Listing, movie: int) -> None:
    data, viewer = listing.data, listing.viewer
    given = dict(zip(viewer.movies.tolist(), viewer.stars.tolist(), strict=True)).get(movie)
    if given is not None:
        if len(viewer.movies) == 1:
            st.info("It is the only film rated, so nothing is left to tell by.")
            return
        without = viewer_without(data, listing.model, viewer, [movie])
        listing = replace(listing, viewer=without)
    # What passes the filters is no question here.
    listing = replace(listing, allowed=listing.allowed | True)
    with st.container(border=True):
        ((expected, unsure),) = listing.stars([movie])
        st.markdown(f"**{escape(data.labels[movie])}**  \n{_verdict(listing, movie, given)}")
        st.markdown(f"{stars_text(expected, unsure)} · {sum_of_parts(listing.item(movie))}")
        if not data.movie_degree[movie]:
            st.caption("Nobody has rated it, so all of this rests on its tags and genres.")
        if st.button("Why?", key="why_asked"):
            why_dialog(listing, movie)


def _verdict(listing: Listing, movie: int, given: float | None) -> str:
    rank = ordinal(listing.rank(movie))
    of = f"{int(listing.listed.sum()):,} films"
    if given is not None:
        return f"Rated {given:g} ★. Had it not been rated, it would come {rank} of {of}."
    if not listing.scores.candidates[movie]:
        return f"It is not among the {of} that may be listed; by its score it would come {rank}."
    return f"It comes {rank} of {of} that are not rated yet."
