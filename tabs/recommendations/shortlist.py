"""The shortlist: three films at most, side by side, each with its reasons."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from data_preparation import MovieData
from model.explanation import explain
from tabs.recommendations.actions import SHORTLIST_HOLDS, toggle_shortlist
from tabs.recommendations.listing import Listing, stars_text, sum_of_parts
from tabs.recommendations.why import why_dialog
from tabs.recommendations.words import because
from tabs.shared import count, escape
from tabs.visitor import shortlist

_NAMED = 5  # of the films that wait
_LEAST_PIXELS = 260  # of a film; on a phone they stand one below the other


def show_shortlist(data: MovieData, listing: Listing | None) -> None:
    """Above the list, one tap away; nothing while no film is on it.

    Args:
        listing: of whom the list is for; None while nothing is known about them.
    """
    noted = list(shortlist(data))
    films, waiting = noted[:SHORTLIST_HOLDS], noted[SHORTLIST_HOLDS:]
    if not films:
        return
    names = " · ".join(escape(data.movies["name"].iloc[movie]) for movie in films)
    with st.expander(
        f"**Shortlist** {len(films)} of {SHORTLIST_HOLDS}: {names}",
        icon=":material/bookmark:",
        key="shortlist",
    ):
        if waiting:
            st.caption(_who_waits(data, waiting))
        with st.container(horizontal=True, gap="small", key="shortlisted"):
            for movie in films:
                with st.container(border=True, width=_LEAST_PIXELS, height="stretch"):
                    _film(data, listing, movie)


def _who_waits(data: MovieData, waiting: Sequence[int]) -> str:
    """Of what another tab, a link or a file brought to a full shortlist."""
    named = [escape(data.labels[movie]) for movie in waiting[:_NAMED]]
    if more := len(waiting) - len(named):
        named.append(f"{more:,} more")
    return (
        f"{count(len(waiting), 'more film')} from another tab, a link or a file "
        f"{'comes' if len(waiting) == 1 else 'come'} up as you take others off: {', '.join(named)}."
    )


def _film(data: MovieData, listing: Listing | None, movie: int) -> None:
    st.markdown(f"**{escape(data.labels[movie])}**")
    st.caption(escape(" · ".join(data.movies["genres"].iloc[movie])))
    if listing is not None:
        given = listing.viewer.stars[listing.viewer.movies == movie]
        if len(given):
            st.markdown(f"Rated {given[0]:g} ★.")
        else:
            (predicted,) = listing.stars([movie])
            reasons = explain(data, listing.model, listing.viewer, movie)
            st.markdown(f"{stars_text(*predicted)}  \n{sum_of_parts(listing.item(movie))}")
            st.markdown(because(data, listing.viewer, reasons))
            if st.button("Why?", key=f"shortlist_why_{movie}", width="stretch"):
                why_dialog(listing, movie)
    st.button(
        "Take off",
        key=f"take_off_{movie}",
        icon=":material/bookmark_remove:",
        type="tertiary",
        on_click=toggle_shortlist,
        args=(data, movie),
    )
