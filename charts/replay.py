"""Frames of a training or of layers → what the player in the browser (`tabs/player.js`) draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.replay import TOP, Crowd, Frame
from charts.basics import GREY, PALETTE
from data_preparation import MovieData

_GENRES = 6  # with a colour of their own; the rest share grey
_UNITS = 1000  # of a place on the map: whole numbers are short to send
_OTHER = "other"


@dataclass(frozen=True)
class Curve:
    """One plot of the player.

    Attributes:
        lines: what each line is called, its colour, and the measure of the frames that it shows.
    """

    title: str
    lines: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, eq=False)
class Played:
    """What is played, and for whom.

    Attributes:
        id: changes where the frames are other ones, so that playing begins anew.
        unit: what a frame is, one word.
        total: frames that there will be.
        user: whose list it is, a row of the frames' `top`; `who` is what to call them.
        known: of the films, those that the list leaves out because they were learned from;
            `held_out`, those of the list that the person rated though nothing learned it;
            columns of the crowd, int.
    """

    id: str
    unit: str
    total: int
    running: bool
    title: str
    curves: tuple[Curve, ...]
    user: int
    who: str
    known: NDArray[np.integer]
    held_out: NDArray[np.integer]


def player_data(
    data: MovieData, people: Crowd, frames: Sequence[Frame], played: Played
) -> dict[str, Any]:
    """What the player is given, as JSON has it; `frames` are not empty."""
    shown = people.best_known()
    genres = [_genre(data, int(movie)) for movie in people.movies[shown]]
    frequent = [name for name, _ in Counter(genres).most_common(_GENRES)]
    colours = [*zip(frequent, PALETTE[1:], strict=False), (_OTHER, GREY)]
    place = {name: number for number, name in enumerate(frequent)}
    mine = np.isin(shown, played.known)
    return {
        "id": played.id,
        "unit": played.unit,
        "total": played.total,
        "running": played.running,
        "title": played.title,
        "who": played.who,
        "top": min(TOP, frames[0].top.shape[1]),
        "listTitle": f"First {TOP} for {played.who}",
        "listNote": "✓ they rated it, and the training does not know; bold: new in this list.",
        "heldOut": "held out, so the training does not know that they rated it",
        "digits": 3,
        "colours": colours,
        "shown": [
            [data.labels[movie], place.get(genre, len(frequent)), bool(own)]
            for movie, genre, own in zip(
                people.movies[shown].tolist(), genres, mine.tolist(), strict=True
            )
        ],
        "curves": [
            {
                "title": curve.title,
                "lines": [{"name": name, "colour": colour} for name, colour, _ in curve.lines],
            }
            for curve in played.curves
        ],
        "frames": [_frame(data, people, frame, played, shown) for frame in frames],
    }


def _frame(
    data: MovieData, people: Crowd, frame: Frame, played: Played, shown: NDArray[np.int64]
) -> dict[str, Any]:
    top = frame.top[played.user]
    listed = [
        [
            data.labels[people.movies[film]],
            *(_units(frame.films[film]) or (0, 0)),
            f"{score:.2f}",
            found,
        ]
        for film, score, found in zip(
            top.tolist(), frame.scores[played.user], np.isin(top, played.held_out).tolist(),
            strict=True,
        )
        if film >= 0
    ]  # fmt: skip
    return {
        "at": frame.number,
        "places": _units(frame.films[shown]),
        "me": _units(frame.people[played.user]),
        "top": listed,
        "values": [
            [_number(frame.measures[measure]) for _, _, measure in curve.lines]
            for curve in played.curves
        ],
    }


def _units(places: NDArray[np.float16]) -> list[int]:
    """x, y, x, y, … as whole numbers; nothing for a single place that there is not."""
    if np.isnan(places).any():
        return [] if places.ndim == 1 else _units(np.nan_to_num(places))
    return np.rint(places.astype(np.float32).ravel() * _UNITS).astype(int).tolist()


def _number(value: float) -> float | None:
    """JSON knows no NaN: what there was nothing to measure for is null."""
    return None if np.isnan(value) else round(value, 5)


def _genre(data: MovieData, movie: int) -> str:
    genres = data.movies["genres"].iloc[movie]
    return genres[0] if genres else _OTHER
