"""What a visitor can do with a film on its card: rate it, hide it, put it on the shortlist.

`tabs/visitor.py` keeps all of it in the browser.
"""

from __future__ import annotations

import streamlit as st

from data_preparation import MovieData
from prediction import Recommendation
from sources.movielens_files import MAX_STARS, MIN_STARS
from tabs.recommendations.changes import Change, Seen, compare
from tabs.shared import escape, kept, my_stars
from tabs.visitor import not_interested, rated_on, shortlist, today

SHORTLIST_HOLDS = 3
_RATINGS = [half / 2 for half in range(int(MAX_STARS * 2), int(MIN_STARS * 2) - 1, -1)]
_FULL = f"The shortlist holds {SHORTLIST_HOLDS}: take one off first."
# The full names, for who hears the page: ten cards have the same short words.
_RATE_HELP = "Seen it: rate it here. It leaves the list, and the rest is ranked anew."
_HIDE_HELP = "Not interested: it leaves the list and stays away; you can bring it back."


def show_actions(data: MovieData, movie: int, mine: bool, key: str) -> None:
    """The buttons of a card.

    Args:
        mine: whether it is the visitor's own list; in someone else's nothing can be rated.
        key: what the keys of the buttons begin with.
    """
    listed = movie in shortlist(data)
    full = not listed and len(shortlist(data)) >= SHORTLIST_HOLDS
    st.button(
        "Shortlisted" if listed else "Shortlist",
        key=f"{key}shortlist_{movie}",
        icon=":material/bookmark_added:" if listed else ":material/bookmark_add:",
        help=_FULL if full else None,
        disabled=full,
        type="tertiary",
        on_click=toggle_shortlist,
        args=(data, movie),
    )
    if not mine:
        return
    seen = f"{key}seen_{movie}"
    st.menu_button(
        "Seen it",
        _RATINGS,
        format_func=lambda stars: f"{stars:g} ★",
        key=seen,
        icon=":material/visibility:",
        help=_RATE_HELP,
        type="tertiary",
        on_click=lambda: _rate(data, movie, st.session_state[seen]),
    )
    st.button(
        "Not for me",
        key=f"{key}hide_{movie}",
        icon=":material/block:",
        help=_HIDE_HELP,
        type="tertiary",
        on_click=not_interested(data).__setitem__,
        args=(movie, today()),
    )


def toggle_shortlist(data: MovieData, movie: int) -> None:
    """Put a film on the shortlist where there is room, or take it off."""
    films = shortlist(data)
    if films.pop(movie, None) is None and len(films) < SHORTLIST_HOLDS:
        films[movie] = today()


def _rate(data: MovieData, movie: int, stars: float | None) -> None:
    if stars in _RATINGS:  # no forged message
        my_stars(data)[movie] = stars
        rated_on(data)[movie] = today()


# --- what came of it ------------------------------------------------------------------------------


def last_change(data: MovieData, recommendations: list[Recommendation]) -> Change | None:
    """What the visitor's last act did to their list; called with each list that is shown."""
    memory = kept("my_list", data)
    now = Seen(
        dict(my_stars(data)),
        frozenset(not_interested(data)),
        tuple(item.movie for item in recommendations),
    )
    before = memory.get("seen")
    if before is not None and before != now:
        memory["change"] = compare(data, before, now)
    memory["seen"] = now
    return memory.get("change")


def tell_once(data: MovieData, change: Change) -> None:
    """Over the page, where the visitor looks: on a phone the list may be out of sight."""
    memory = kept("my_list", data)
    if memory.get("told") is not change:
        memory["told"] = change
        st.toast(change.sentence, icon=":material/star:", duration="long")


def forget_last_change(data: MovieData) -> None:
    """The next list is not compared: what it comes from is no act of this visit."""
    kept("my_list", data).clear()


def undo_button(data: MovieData, change: Change) -> None:
    """Take back the last act, which was about one film."""
    st.button("Undo", icon=":material/undo:", key="undo_act", on_click=_undo, args=(data, change))


def _undo(data: MovieData, change: Change) -> None:
    """The film of the change as it was before."""
    movie, before = change.movie, change.before
    if movie is None:
        return
    if movie in before.stars:
        my_stars(data)[movie] = before.stars[movie]
    else:
        my_stars(data).pop(movie, None)
        rated_on(data).pop(movie, None)
    if movie not in before.hidden:
        not_interested(data).pop(movie, None)


def _bring_back(data: MovieData, movie: int) -> None:
    not_interested(data).pop(movie, None)


def show_hidden(data: MovieData) -> None:
    """The films that stay away; each comes back by a click."""
    hidden = not_interested(data)
    if not hidden:
        return
    with (
        st.expander(f"Not interested: {len(hidden):,}", icon=":material/block:", key="hidden"),
        st.container(horizontal=True, gap="xsmall"),
    ):
        for movie in list(hidden):
            st.button(
                f"Bring back {escape(data.labels[movie])}",
                key=f"bring_back_{movie}",
                icon=":material/undo:",
                on_click=_bring_back,
                args=(data, movie),
            )
