"""Where a visitor's films are kept, and what takes them elsewhere: a file, a link."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import streamlit as st

from data_preparation import MovieData
from serving.visitor_csv import own_films_csv
from serving.visitor_link import LINK_NAME, MAX_CODE, LinkedFilms, LinkError, encode
from tabs.links import WHO
from tabs.shared import count, escape, my_stars
from tabs.visitor import (
    answer_link,
    linked_films,
    not_interested,
    rated_on,
    shortlist,
    storage_notes,
    today,
    unused,
)

_LONG = 400  # characters of a link, before they scroll

WHERE_KEPT = (
    "Kept in this browser, without an account, until you remove them here or clear its site data. "
    "The server knows them while this page is open, to compute your list, and writes them nowhere."
)


def offer_copies(data: MovieData) -> None:
    """A file and a link with everything that the visitor said of films."""
    stars, listed, unwanted = my_stars(data), shortlist(data), not_interested(data)
    if not (stars or listed or unwanted):
        st.caption("Rate a film, and you can take your ratings along as a file or as a link.")
        return
    st.caption(
        "**File**: ratings with their dates, shortlist and what does not interest you; *Upload my "
        "ratings* reads it back, in any browser."
    )
    st.download_button(
        "Download my films (CSV)",
        own_films_csv(data, stars, rated_on(data), listed, unwanted),
        "my_films.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    code = encode(data, stars, listed, unwanted)
    if len(code) > MAX_CODE:
        st.caption(
            f"**Link**: too many films for one, which holds {MAX_CODE:,} characters and would need "
            f"{len(code):,}."
        )
    else:
        st.caption(
            "**Link**: the same without dates. Whoever has the link can read your films. They "
            "stand behind its #, which browsers keep to themselves: no server logs them on the "
            "way; this one sees them when the page is open, to compute the list."
        )
        link = _link(code)
        st.code(link, None, wrap_lines=True, height=160 if len(link) > _LONG else "content")
    if away := unused(data):
        is_not, stays = ("is not", "stays") if away == 1 else ("are not", "stay")
        st.caption(f"{count(away, 'film')} kept here {is_not} in this catalogue and {stays} kept.")


def _link(code: str) -> str:
    here = re.split("[?#]", st.context.url or "")[0].rstrip("/")
    return f"{here}/?{urlencode({'tab': 'Recommendations', 'who': WHO[1]})}#{LINK_NAME}={code}"


def show_arrivals(data: MovieData) -> None:
    """What came with the page: trouble with the browser's storage, and films of a link."""
    for note in storage_notes(data):
        st.warning(note, icon=":material/save:")
    try:
        found = linked_films(data)
    except LinkError as error:
        st.warning(escape(str(error)), icon=":material/link_off:")
        st.button("Close", key="decline_link", on_click=answer_link, args=(data,))
    else:
        if found:
            _offer(data, found)


def _offer(data: MovieData, found: LinkedFilms) -> None:
    """What a link holds, and one click to take it over or not."""
    mine = my_stars(data)
    differ = sum(mine.get(movie, value) != value for movie, value in found.stars.items())
    with st.container(border=True, key="linked_films"):
        st.markdown(f":material/link: **{_contents(found)}**")
        if differ:
            st.caption(
                f"You rated {count(differ, 'film')} of them otherwise; your stars stay unless you "
                "choose the link's."
            )
        with st.container(horizontal=True, gap="small"):
            if found.size:
                st.button(
                    "Add to mine",
                    type="primary",
                    key="take_link",
                    on_click=_take,
                    args=(data, found, False),
                )
            if differ:
                st.button(
                    "Add, with the link's stars",
                    key="take_link_stars",
                    on_click=_take,
                    args=(data, found, True),
                )
            leave = "Do not add" if found.size else "Close"
            st.button(leave, key="decline_link", on_click=answer_link, args=(data,))


def _contents(found: LinkedFilms) -> str:
    """`This link holds 12 ratings and 2 films to watch.`"""
    parts = [
        count(len(found.stars), "rating") if found.stars else "",
        f"{count(len(found.shortlist), 'film')} to watch" if found.shortlist else "",
        f"{count(len(found.not_interested), 'film')} of no interest"
        if found.not_interested
        else "",
    ]
    held = ", ".join(filter(None, parts)) or "no film of this catalogue"
    others = f"; {count(found.elsewhere, 'film')} not in this catalogue" if found.elsewhere else ""
    return f"This link holds {held}{others}."


def _take(data: MovieData, found: LinkedFilms, stars_too: bool) -> None:
    mine = my_stars(data)
    for movie, value in found.stars.items():
        if movie not in mine or (stars_too and mine[movie] != value):
            mine[movie] = value
            rated_on(data).pop(movie, None)
    for listed, movies in (
        (shortlist(data), found.shortlist),
        (not_interested(data), found.not_interested),
    ):
        for movie in movies:
            listed.setdefault(movie, today())
    answer_link(data)
