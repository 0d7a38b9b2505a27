"""Start Here: whom the story follows: the visitor, a person with a taste, or a number."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from analysis.people import YOU, Persona, personas, with_names, with_visitor
from charts.portrait import portrait
from data_preparation import MovieData
from serving.once import once
from tabs.links import BY_NUMBER, FOLLOWED
from tabs.shared import count, escape, my_stars, pick_user, worked_user
from tabs.steps import arrive, asked, leave

_LINK = "follow"  # `?follow=You`; "" for the persona that the user of the link may be


@dataclass(frozen=True, eq=False)
class Followed:
    """Whose story is told.

    Attributes:
        data: with the personas by their names and, where the visitor is followed, with the visitor
            as the last user.
        user: inner id in `data`.
        visitor: whether it is the visitor.
    """

    data: MovieData
    user: int
    visitor: bool


def choose(data: MovieData) -> str:
    """The names to follow; the one that is chosen."""
    people = _personas(data)
    options = [*([YOU] if my_stars(data) else []), *(p.name for p in people), BY_NUMBER]
    arrive(_LINK, asked(_LINK, FOLLOWED, ""))
    st.session_state["followed"] = now = _now(options, people, worked_user(data))
    taste = {person.name: f"{person.name} · {person.taste}" for person in people}
    st.pills(
        "Follow",
        options,
        format_func=lambda name: taste.get(name, name),
        key="followed",
        required=True,
        wrap=False,
        on_change=_follow,
        args=({person.name: int(data.user_ids[person.user]) for person in people},),
    )
    leave(user=st.session_state["user"], follow=st.session_state[_LINK])
    return now


def introduce(data: MovieData, name: str) -> Followed:
    """Says who the one of this name is, or lets the reader choose a number."""
    people = _personas(data)
    named = _named(data)
    if name == YOU:
        stars = my_stars(data)
        _show(len(people), _about_you(data, stars))
        return Followed(_with_visitor(named, _key(data, stars), stars), data.n_users, True)
    for number, person in enumerate(people):
        if person.name == name:
            _show(number, _about(data, person))
            return Followed(named, person.user, False)
    return Followed(named, pick_user(data), False)


def _now(options: list[str], people: list[Persona], user: int) -> str:
    """Who is followed: the visitor if wished, whoever else the worked user is."""
    wished = st.session_state[_LINK]
    if wished in FOLLOWED and wished in options:
        return wished
    return next((person.name for person in people if person.user == user), BY_NUMBER)


def _follow(users: dict[str, int]) -> None:
    """A callback: the one that was clicked; `users` are the raw ids of the personas."""
    name = st.session_state["followed"]
    st.session_state[_LINK] = "" if name in users else name
    if name in users:
        st.session_state["user"] = users[name]


def _show(number: int, text: str) -> None:
    with st.container(key="introduced", horizontal=True, vertical_alignment="center", gap="small"):
        st.image(portrait(number), width=48)
        st.markdown(text, width="stretch")


def _about(data: MovieData, person: Persona) -> str:
    """Number and taste in a sentence."""
    kind = escape(person.taste)
    films = f"from {kind}" if kind.startswith("the ") else kind
    loves = " and ".join(f"*{escape(data.labels[movie])}*" for movie in person.favourites)
    more = f", and gives these {person.above:.1f} ★ more than the mean" * (person.above >= 0.05)
    return (
        f"**{person.name}**, user {data.user_ids[person.user]} of the data, rated "
        f"{count(person.films, 'film')}: {person.share:.0%} are {films}, against "
        f"{person.usual:.0%} of all ratings{more}. Favourites: {loves}."
    )


def _about_you(data: MovieData, stars: dict[int, float]) -> str:
    return (
        f"**You** rated {count(len(stars), 'film')}. Your ratings are in no file; here you stand "
        f"in the graph as user {data.user_ids[-1] + 1}, one after the last."
    )


def _key(data: MovieData, stars: dict[int, float]) -> str:
    return f"{data.fingerprint} {sorted(stars.items())}"


def _personas(data: MovieData) -> list[Persona]:
    return once(data, "personas", lambda: personas(data))


def _named(data: MovieData) -> MovieData:
    return once(data, "named", lambda: with_names(data, _personas(data)))


@st.cache_resource(max_entries=1, show_spinner=False)  # it holds all ratings once more
def _with_visitor(_data: MovieData, key: str, _stars: dict[int, float]) -> MovieData:
    return with_visitor(_data, _stars)
