"""What the player is given."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis.replay import Frame, crowd
from charts.replay import Curve, Played, player_data
from data_preparation import MovieData

CURVES = (Curve("Loss", (("training", "#000", "loss"), ("other", "#fff", "nothing"))),)


@pytest.fixture
def frame(toy_data: MovieData) -> Frame:
    places = np.linspace(-0.5, 0.5, 2 * toy_data.n_movies).reshape(-1, 2).astype(np.float16)
    return Frame(
        3,
        {"loss": 0.25, "nothing": float("nan")},
        np.array([[0.1, -0.2]], np.float16),
        places,
        np.array([[1, 0, -1]], np.int32),
        np.array([[2.0, 1.0, 0.0]], np.float32),
    )


def played(data: MovieData, held_out: list[int]) -> Played:
    return Played(
        "id", "epoch", 5, True, "Map", CURVES, 0, "User 1", data.rated_by(0), np.array(held_out)
    )


def test_a_frame_is_told_in_names_and_whole_numbers(toy_data: MovieData, frame: Frame) -> None:
    data = player_data(toy_data, crowd(toy_data, 0), [frame], played(toy_data, [0]))
    (told,) = json.loads(json.dumps(data, allow_nan=False))["frames"]
    assert (told["at"], told["me"], told["values"]) == (3, [100, -200], [[0.25, None]])
    films = [[film[0], film[3], film[4]] for film in told["top"]]  # none where no film is left
    assert films == [[toy_data.labels[1], "2.00", False], [toy_data.labels[0], "1.00", True]]
    assert told["top"][0][1:3] == told["places"][2 * shown(data, toy_data, 1) :][:2]
    assert len(told["places"]) == 2 * len(data["shown"])


def shown(data: dict, toy: MovieData, movie: int) -> int:
    """Where on the map's list a film is."""
    return [film[0] for film in data["shown"]].index(toy.labels[movie])


def test_films_have_a_colour_and_those_learned_from_are_marked(
    toy_data: MovieData, frame: Frame
) -> None:
    data = player_data(toy_data, crowd(toy_data, 0), [frame], played(toy_data, []))
    assert all(0 <= colour < len(data["colours"]) for _, colour, _ in data["shown"])
    mine = {name for name, _, own in data["shown"] if own}
    assert mine == {toy_data.labels[movie] for movie in toy_data.rated_by(0).tolist()}


def test_whoever_has_no_vector_yet_has_no_place(toy_data: MovieData, frame: Frame) -> None:
    nowhere = replace(frame, people=np.full((1, 2), np.nan, np.float16))
    data = player_data(toy_data, crowd(toy_data, 0), [nowhere], played(toy_data, []))
    assert data["frames"][0]["me"] == []
