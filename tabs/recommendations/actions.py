"""What a visitor can do with a film on its card: rate it, hide it, put it on the shortlist.

All of it is kept in the session (`tabs.shared.kept`): "my_stars", "rated_on", "not_interested" and
"shortlist", each by inner movie id.
"""

from __future__ import annotations

from datetime import date

import streamlit as st

from data_preparation import MovieData
from prediction import Recommendation
from sources.movielens_files import MAX_STARS, MIN_STARS
from tabs.recommendations.changes import Change, Seen, compare
from tabs.shared import escape, kept, my_stars

SHORTLIST_HOLDS = 3
_RATINGS = [half / 2 for half in range(int(MAX_STARS * 2), int(MIN_STARS * 2) - 1, -1)]
_FULL = f"The shortlist holds {SHORTLIST_HOLDS}: take one off first."
# The full names, for who hears the page: ten cards have the same short words.
_RATE_HELP = "Seen it: rate it here. It leaves the list, and the rest is ranked anew."
_HIDE_HELP = "Not interested: it leaves the list and stays away; you can bring it back."


def not_interested(data: MovieData) -> dict[int, str]:
    """Films that stay away from the visitor's list: inner movie id → day, "2026-01-31"."""
    return kept("not_interested", data)


def shortlist(data: MovieData) -> dict[int, str]:
    """At most `SHORTLIST_HOLDS` films, oldest first: inner movie id → day."""
    return kept("shortlist", data)


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
        args=(movie, _today()),
    )


def toggle_shortlist(data: MovieData, movie: int) -> None:
    """Put a film on the shortlist where there is room, or take it off."""
    films = shortlist(data)
    if films.pop(movie, None) is None and len(films) < SHORTLIST_HOLDS:
        films[movie] = _today()


def _rate(data: MovieData, movie: int, stars: float) -> None:
    my_stars(data)[movie] = stars
    kept("rated_on", data)[movie] = _today()


def _today() -> str:
    return date.today().isoformat()


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
        kept("rated_on", data).pop(movie, None)
    if movie not in before.hidden:
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
                on_click=lambda movie=movie: hidden.pop(movie, None),
            )
