"""What a rating or a hidden film did to the visitor's list: compared with the list before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data_preparation import MovieData
from tabs.shared import count, escape

_NAMED = 2  # films that come in or go out, before the rest is only counted


@dataclass(frozen=True)
class Seen:
    """A list and what the visitor had said when it was made.

    Attributes:
        stars: inner movie id → stars.
        hidden: inner ids of the films that are not wanted.
        listed: inner ids of the films of the list, best first.
    """

    stars: Mapping[int, float]
    hidden: frozenset[int]
    listed: tuple[int, ...]


@dataclass(frozen=True)
class Change:
    """From one list to the next.

    Attributes:
        before: what there was, to go back to.
        movie: the film that was rated or hidden or came back; None if there are several.
        place: where it stood in the list before, from 1; None if it did not.
        moves: how each film of the list moved: "▲ 3", "▼ 1", "new"; those that stayed are left out.
        sentence: what was done and what came of it, as Markdown.
    """

    before: Seen
    movie: int | None
    place: int | None
    moves: Mapping[int, str]
    sentence: str


def compare(data: MovieData, before: Seen, now: Seen) -> Change | None:
    """What the visitor's last act did; None if they did nothing, or only turned the controls."""
    rated = {
        movie
        for movie in before.stars.keys() | now.stars.keys()
        if before.stars.get(movie) != now.stars.get(movie)
    }
    touched = rated | (before.hidden ^ now.hidden)
    if not touched:
        return None
    movie = next(iter(touched)) if len(touched) == 1 else None
    old, new = ({m: place for place, m in enumerate(x.listed, 1)} for x in (before, now))
    moves = {m: _move(old.get(m), place) for m, place in new.items() if old.get(m) != place}
    came = [m for m in now.listed if m not in old and m not in touched]
    left = [m for m in before.listed if m not in new and m not in touched]
    others = sum(m in old and m not in touched for m in moves)
    effects = []
    if movie in new:
        effects.append(f"put it in place {new[movie]}")
    if came and old:
        effects.append(f"brought in {_names(data, came)}")
    if left:
        effects.append(f"moved out {_names(data, left)}")
    if others:
        effects.append(f"moved {count(others, 'other')}")
    if not old:
        effects = ["made a first list"] if new else []
        moves = {}
    said = " and ".join(filter(None, [", ".join(effects[:-1]), *effects[-1:]]))
    done = _done(data, before, now, touched)
    sentence = f"{done} {said or 'changed nothing in this list'}."
    place = None if movie is None else old.get(movie)
    return Change(before, movie, place, moves, sentence)


def _done(data: MovieData, before: Seen, now: Seen, touched: set[int]) -> str:
    """The subject of the sentence."""
    if len(touched) > 1:
        given = [movie for movie in touched if movie in now.stars]
        if len(given) == len(touched):
            return f"Your {count(len(given), 'rating')}"
        return f"These {len(touched)} changes"
    (movie,) = touched
    film = f"**{escape(data.labels[movie])}**"
    if movie in before.hidden ^ now.hidden:
        return f"Hiding {film}" if movie in now.hidden else f"Bringing back {film}"
    if movie not in now.stars:
        return f"Taking back your rating of {film}"
    return f"Your rating of {film}, {now.stars[movie]:g}\N{NO-BREAK SPACE}★,"


def _names(data: MovieData, movies: Sequence[int]) -> str:
    names = [f"*{escape(data.labels[movie])}*" for movie in movies[:_NAMED]]
    if len(movies) > _NAMED:
        names.append(f"{len(movies) - _NAMED} more")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _move(before: int | None, now: int) -> str:
    if before is None:
        return "new"
    return f"▲ {before - now}" if now < before else f"▼ {now - before}"
