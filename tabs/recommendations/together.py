"""*Watch together*: films for the visitor, users of the data and whoever's ratings are uploaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import streamlit as st

from analysis.reasons import named_places
from analysis.together import SHRINK, films_for_all, likeness
from data_preparation import MovieData
from lookup.ratings_import import MAX_BYTES, RatingsFileError, read_ratings_file
from model.explanation import explain_all
from model.viewers import fold_in, user_viewer
from tabs.recommendations.listing import Listing, ordinal, stars_text
from tabs.recommendations.upload import FILE_TYPES, title_index
from tabs.recommendations.words import film_with_stars
from tabs.shared import count, escape, kept, my_stars, pick_users

_MOST_PEOPLE = 6
_SHOWN = 10
_LEAST = (2.5, 3.0, 3.5, 4.0, 4.5)
_USUAL_LEAST = 3.5


@dataclass(frozen=True)
class _Person:
    name: str
    listing: Listing


def watch_together(listing: Listing) -> None:
    """Below the list; nothing of it is computed while it is closed.

    Args:
        listing: whose settings hold for everyone.
    """
    place = st.expander(
        "Watch together: films for two or more",
        icon=":material/group:",
        key="together",
        on_change="rerun",
    )
    if not place.open:
        return
    with place:
        people = _people(listing)
        if len(people) < 2:
            st.caption("Choose at least two people.")
            return
        if len(people) > _MOST_PEOPLE:
            st.caption(f"The first {_MOST_PEOPLE} count.")
            people = people[:_MOST_PEOPLE]
        _films(listing.data, people)
        _alike(listing.data, people)


# --- who ------------------------------------------------------------------------------------------


def _people(listing: Listing) -> list[_Person]:
    data, mine = listing.data, my_stars(listing.data)
    people = []
    if st.checkbox(f"Me ({count(len(mine), 'rating')})", bool(mine), disabled=not mine) and mine:
        people.append(_visitor(listing, "Me", mine))
    worked = listing.viewer.user
    at_first = [] if worked is None else [data.user_ids[worked].item()]
    users = pick_users(data, "together_users", at_first, _MOST_PEOPLE)
    for raw in users:
        viewer = user_viewer(data, listing.model, data.inner_user(raw), listing.viewer.profile)
        people.append(_Person(f"User {raw}", replace(listing, viewer=viewer)))
    files = st.file_uploader(
        "Ratings files of others",
        FILE_TYPES,
        accept_multiple_files=True,
        max_upload_size=MAX_BYTES // 2**20,
        key="together_files",
        help="The same files as for your own ratings; read in this session and not stored.",
    )
    for file in files[:_MOST_PEOPLE]:
        found = _read(data, file.getvalue())
        name = escape(file.name)
        if isinstance(found, str):
            st.error(f"{name}: {escape(found)}")
        elif not found:
            st.error(f"{name}: none of its films is in the catalogue.")
        else:
            st.caption(f"{name}: {count(len(found), 'rating')} of films of the catalogue.")
            people.append(_visitor(listing, name, found))
    return people


def _visitor(listing: Listing, name: str, stars: Mapping[int, float]) -> _Person:
    viewer = fold_in(listing.data, listing.model, stars, listing.viewer.profile)
    return _Person(name, replace(listing, viewer=viewer))


def _read(data: MovieData, content: bytes) -> dict[int, float] | str:
    """Stars by film, or the sentence why there are none; read once."""
    read = kept("together_files", data)
    key = hashlib.sha256(content).hexdigest()
    if key not in read:
        while len(read) >= 2 * _MOST_PEOPLE:
            del read[next(iter(read))]
        try:
            index = title_index(data, data.fingerprint)
            read[key] = read_ratings_file(content, index).stars
        except RatingsFileError as error:
            read[key] = str(error)
    return read[key]


# --- what suits them all --------------------------------------------------------------------------


def _films(data: MovieData, people: list[_Person]) -> None:
    least = st.select_slider(
        "Stars for each, at least",
        _LEAST,
        _USUAL_LEAST,
        format_func=lambda stars: f"{stars:g} ★",
        key="together_least",
    )
    scores = np.stack([person.listing.scores.final for person in people])
    # [person, film, expected and unsure]
    stars = np.stack([person.listing.predicted() for person in people])
    allowed = np.logical_and.reduce([person.listing.listed for person in people])
    found = films_for_all(scores, stars[:, :, 0], allowed, least)
    if not len(found.movies):
        if np.isnan(found.highest):
            st.info("No film is left that none of you has rated and the filters let through.")
        else:
            st.info(
                f"No film has {least:g} predicted stars for each of you; the most that one has for "
                f"each is {found.highest:.1f}."
            )
        return
    st.caption(
        f"{count(len(found.movies), 'film')} that none of you has rated: each of you is predicted "
        f"to give at least {least:g} stars. Everyone puts them in the order of their own list; a "
        "film stands as high as the one who places it lowest says, then by the mean place."
    )
    shown = found.movies[:_SHOWN].tolist()
    reasons = [_reasons(person.listing, shown) for person in people]  # [person][film]
    for place, movie in enumerate(shown):
        with st.container(border=True, gap="xsmall"):
            st.markdown(f"**{place + 1}. {escape(data.labels[movie])}**")
            lines = [
                f"- **{person.name}**: {stars_text(*stars[who, movie])}, "
                f"{ordinal(int(found.places[who, place]))} of {len(found.movies):,}, score "
                f"{scores[who, movie]:.2f}{reasons[who][place]}"
                for who, person in enumerate(people)
            ]
            st.markdown("\n".join(lines))


def _reasons(listing: Listing, movies: list[int]) -> list[str]:
    """Of each film the rated one that speaks most for it."""
    data, viewer = listing.data, listing.viewer
    named = [
        named_places(reasons, 1) for reasons in explain_all(data, listing.model, viewer, movies)
    ]
    return [
        f"; most for it speaks {film_with_stars(data, viewer, places[0])}" if places else ""
        for places in named
    ]


def _alike(data: MovieData, people: list[_Person]) -> None:
    st.markdown("**How alike are your tastes?**")
    lines = []
    for one, other in combinations(people, 2):
        found = likeness(_rated(one), _rated(other), data.canonical)
        names = f"- **{one.name}** and **{other.name}**"
        if found.apart is None:
            lines.append(f"{names}: no film in common, so nothing is known.")
        else:
            lines.append(
                f"{names}: {count(found.common, 'film')} in common, {found.apart:.1f} stars apart "
                f"on average; agreement {found.agreement:+.2f}, counted as {found.shrunk:+.2f}."
            )
    st.markdown("\n".join(lines))
    st.caption(
        "Agreement is from −1 (what one prefers the other does not) to +1, on the films that both "
        "rated: r = Σ a·b / √(Σ a² · Σ b²), where a and b are stars less one's own mean. It counts "
        f"n / (n + {SHRINK}) for n films in common, because few films say little."
    )


def _rated(person: _Person) -> tuple[np.ndarray, np.ndarray]:
    viewer = person.listing.viewer
    return viewer.movies, viewer.stars
