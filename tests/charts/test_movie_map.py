"""What the map of films is drawn from: names that never touch, dots by zoom, density, genres."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import pytest

from charts.basics import GREY, PALETTE
from charts.movie_map import (
    CHOSEN,
    FAR_OUT,
    MAP_COLOURS,
    NEAREST,
    colouring,
    density,
    dots,
    legend_values,
    lines_between,
    map_view,
    names,
    zoom_of_names,
)

GENRES = [f"Genre {letter}" for letter in "abcdefghijkl"]  # more than there are colours


def films(n: int = 3000, seed: int = 0) -> pd.DataFrame:
    """Films on a heap, the best known first, as `analysis.movie_map` describes them."""
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(n, 2)) * rng.random((n, 1))
    genres = [tuple(rng.choice(GENRES, rng.integers(0, 4), replace=False)) for _ in range(n)]
    return pd.DataFrame(
        {
            "movie": rng.permutation(n),
            "x": places[:, 0],
            "y": places[:, 1],
            "name": [f"Film {'x' * rng.integers(0, 40)}" for _ in range(n)],
            "label": [f"Film {i} (1999)" for i in range(n)],
            "decade": rng.choice(["1980s", "1990s", "unknown"], n),
            "genres": genres,
            "genre": [of_film[0] if of_film else "none" for of_film in genres],
            "mean_stars": rng.uniform(1, 5, n),
            "ratings": np.sort(rng.integers(1, 300, n))[::-1],
            "cluster": rng.choice(["1 Drama & War", "2 Comedy"], n),
        }
    )


def test_no_two_names_overlap_on_any_level_of_zoom_and_all_stay_once_they_came() -> None:
    rng = np.random.default_rng(1)
    places, widths = rng.normal(size=(300, 2)) * (200, 120), rng.uniform(20, 150, 300)
    places[7] = places[3]  # two films in one place
    zooms = zoom_of_names(places, widths)
    assert zooms[0] == 0 and zooms[7] == np.inf
    counts = []
    for zoom in (1.0, 2.0, 3.7, 10.0, 60.0):
        shown = np.flatnonzero(zooms <= zoom)
        away = np.abs(places[shown, None] - places[shown]) * zoom
        beside = away[..., 0] >= (widths[shown, None] + widths[shown]) / 2
        apart = beside | (away[..., 1] >= 12)
        np.fill_diagonal(apart, True)
        assert apart.all()
        counts.append(len(shown))
    assert counts[0] > 5 and np.all(np.diff(counts) > 0)


def test_the_films_that_are_pointed_out_have_their_names_first() -> None:
    points = films()
    marks = points.iloc[[40, 2000, 100, 7]][["movie", "x", "y", "name"]].assign(
        kind=["rated by you", NEAREST, CHOSEN, "recommended to you"]
    )
    table = names(points, marks)
    assert table["marked"].tolist()[:3] == [True, True, True] and table["marked"].sum() == 3
    first = points.iloc[100]
    assert (table.iloc[0]["x"], table.iloc[0]["wide"]) == (first["x"], 0)  # the chosen film
    assert table["name"].str.len().max() <= 26
    # A wide drawing has room for more.
    assert (table["wide"] <= 1).sum() > (table["narrow"] <= 1).sum() > 3
    assert table["x"].is_unique


def test_lines_lead_from_the_chosen_film_to_the_nearest_ones() -> None:
    marks = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [5.0, 6.0, 7.0]})
    with_film = lines_between(marks.assign(kind=[NEAREST, NEAREST, CHOSEN]))
    assert with_film.to_numpy().tolist() == [[3, 7, 1, 5], [3, 7, 2, 6]]
    assert lines_between(marks.assign(kind=NEAREST)).empty  # the film has no place
    assert lines_between(marks.assign(kind=CHOSEN)).empty


def test_density_counts_every_film_in_its_cell() -> None:
    points = films(FAR_OUT + 500)
    table = density(points)
    cells = (table["share"] / table["share"].min()) ** 2
    np.testing.assert_allclose(cells.sum(), len(points))  # the least full cell holds one
    assert table["share"].max() == 1
    heap = points.assign(x=1.0, y=2.0)
    assert len(density(heap)) == 1
    assert density(points.head(FAR_OUT)).empty  # all are dots


def test_the_best_known_films_are_seen_far_out_and_lie_on_top() -> None:
    points = films(5000)
    table = dots(points, colouring(points, "Genre"))
    far_out = table[table["seen_from"] <= 1]
    assert set(far_out["movie"]) == set(points["movie"].head(FAR_OUT))
    assert (table["seen_from"] <= 1.5).sum() == 2.25 * FAR_OUT
    assert table["movie"].iloc[-1] == points["movie"].iloc[0]
    row = points.iloc[10]
    drawn = table.set_index("movie").loc[row["movie"]]
    assert drawn["label"] == row["label"] and drawn["ratings"] == row["ratings"]
    assert drawn["genres"] == (", ".join(row["genres"]) or "no genre")
    assert drawn["stars"] == pytest.approx(row["mean_stars"], rel=1e-6)


@pytest.mark.parametrize("only", [("Genre a",), ("Genre k", "Genre l"), tuple(GENRES)])
def test_lit_genres_have_a_colour_each_as_long_as_there_are_some(only: Collection[str]) -> None:
    points = films(400)
    colours = colouring(points, "Genre", only)
    has_one = np.array([bool(set(only) & set(genres)) for genres in points["genres"]])
    np.testing.assert_array_equal(colours.lit, has_one)
    used = {genre: colours.colours[genre] for genre in only if genre in colours.colours}
    assert set(used) == set(only)
    assert len(set(used.values())) == min(len(only), len(PALETTE))
    assert set(colours.hexes[~has_one]) <= {GREY}
    table = dots(points, colours)
    assert table["lit"].is_monotonic_increasing and (table["seen_from"][table["lit"]] == 0).all()


@pytest.mark.parametrize("colour_by", ["Decade", "Cluster"])
def test_other_values_can_be_lit_too(colour_by: str) -> None:
    points = films(100)
    value = next(iter(legend_values(points, colour_by)))
    lit = colouring(points, colour_by, (value,)).lit
    np.testing.assert_array_equal(lit, points[MAP_COLOURS[colour_by]] == value)
    # A value of other data lights nothing in particular.
    assert colouring(points, colour_by, ("1890s",)).lit.all()


def test_numbers_go_through_the_colours_from_the_lowest_to_the_highest() -> None:
    points = films(200)
    hexes = colouring(points, "Mean stars").hexes
    ends = [hexes[points["mean_stars"].argmin()], hexes[points["mean_stars"].argmax()]]
    assert ends[0] != ends[1] and len(set(hexes)) > 50
    same = points.assign(mean_stars=3.0)
    assert len(set(colouring(same, "Mean stars").hexes)) == 1
    assert legend_values(points, "Mean stars") == {}


def test_a_piece_of_the_map_has_the_place_in_its_middle() -> None:
    points = films(50)
    whole, piece = map_view(points), map_view(points, (0.5, -1.0), 16)
    assert sum(piece.x) / 2 == pytest.approx(0.5) and sum(piece.y) / 2 == pytest.approx(-1.0)
    assert piece.x[1] - piece.x[0] == pytest.approx((whole.x[1] - whole.x[0]) / 16)
