"""The tags of the films: counts, spellings, pairs, components."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from analysis.tag_evaluation import (
    measure_suggestions,
    tag_predictability,
)
from analysis.tags import (
    co_occurrence,
    component_ends,
    raw_frequencies,
    removed_tags,
    tag_frequencies,
    tag_pairs,
)
from data_preparation import MovieData
from model.config import TrainingConfig
from model.splits import temporal_leave_one_out
from model_training import train
from tests.conftest import TOY_TAGS

# --- counting -------------------------------------------------------------------------------------


def test_raw_frequencies_count_films_with_exactly_that_text(toy_data: MovieData) -> None:
    table = raw_frequencies(toy_data).set_index("raw")
    assert table["films"].to_dict() == {
        "time travel": 2, "Sci-Fi": 1, "sci fi": 1, "Time Travel!": 1, "!!!": 1, "bleak": 1,
        "in netflix queue": 1,
    }  # fmt: skip
    assert table.index[0] == "time travel"
    assert table.loc["Time Travel!", "tag"] == "time travel"
    assert table.loc["bleak", "status"] == "rare"


def test_tag_frequencies_count_films_and_list_spellings(toy_data: MovieData) -> None:
    table = tag_frequencies(toy_data).set_index("tag")
    assert table.loc["time travel", ["films", "usual_films", "uses"]].tolist() == [3, 2, 3]
    assert table.loc["sci fi", ["films", "usual_films", "uses"]].tolist() == [2, 1, 2]
    assert set(table.loc["sci fi", "spellings"].split(", ")) == {"Sci-Fi", "sci fi"}


def test_removed_tags_say_why(toy_data: MovieData) -> None:
    table = removed_tags(toy_data).set_index("status")
    assert table["examples"].to_dict() == {
        "rare": "bleak", "noise": "in netflix queue", "empty": "!!!",
    }  # fmt: skip
    assert table["assignments"].tolist() == [1, 1, 1]


def test_every_assignment_is_either_kept_or_removed(toy_data: MovieData) -> None:
    removed = removed_tags(toy_data)["assignments"].sum()
    assert removed + tag_frequencies(toy_data)["uses"].sum() == len(TOY_TAGS)


def test_tag_pairs_count_the_films_with_both(toy_data: MovieData) -> None:
    pairs = tag_pairs(toy_data, min_films=1)  # sci fi + time travel on The Matrix and Alien
    assert pairs[["first", "second", "films"]].to_numpy().tolist() == [["sci fi", "time travel", 2]]
    assert pairs["lift"][0] == pytest.approx(2 * 3 / (2 * 3))
    assert tag_pairs(toy_data, min_films=3).empty


def test_co_occurrence_holds_both_orders_of_each_pair_with_dense_counts(tagged: MovieData) -> None:
    table = co_occurrence(tagged)
    carries = tagged.tag_counts.toarray() > 0
    names = list(tagged.tag_names)
    assert len(table) == len(names) * (len(names) - 1)
    tagged_films = carries.any(axis=1).sum()
    for row in table.itertuples():
        first, second = carries[:, names.index(row.first)], carries[:, names.index(row.second)]
        assert row.films == (first & second).sum()
        by_chance = first.sum() * second.sum() / tagged_films
        assert row.lift == pytest.approx(row.films / by_chance)
    order = table["first"].unique().tolist()
    for group in range(3):  # the two tags of a group stand side by side
        places = [order.index(f"{kind} of group {group}") for kind in ("colour", "sound")]
        assert abs(places[0] - places[1]) == 1


def test_data_without_tags_give_empty_tables(load: Callable[..., MovieData]) -> None:
    data = load(tags=None)
    assert raw_frequencies(data).empty and tag_frequencies(data).empty
    assert removed_tags(data).empty and tag_pairs(data).empty and co_occurrence(data).empty
    model = train(data, temporal_leave_one_out(data), TrainingConfig(dim=4, epochs=1))
    assert measure_suggestions(data, model) is None
    assert tag_predictability(data, model).empty


# --- directions -----------------------------------------------------------------------------------


def test_component_ends_are_the_outermost_means(toy_data: MovieData) -> None:
    movies = np.array([0, 1, 2, 3, 4, 5, 6])
    place = np.array([[3.0], [1.0], [0.0], [0.0], [0.0], [-4.0], [2.0]])
    table = component_ends(toy_data, movies, place, n=2, min_films=2)
    scores = (place[:, 0] - place.mean()) / place.std()
    expected = {  # inner ids: Matrix 0, Heat 1, Jumanji 2, Postman 3, Up 4, Seven 5, Alien 6
        "Action": scores[[0, 1]].mean(),
        "Adventure": scores[[2, 4]].mean(),
        "Crime": scores[[1, 5]].mean(),
        "Sci-Fi": scores[[0, 6]].mean(),
        "sci fi": scores[[0, 6]].mean(),
        "time travel": scores[[0, 2, 6]].mean(),
    }
    low = table[table["end"] == "low"]
    assert low["name"].tolist() == ["Crime", "Adventure"]
    high = table[table["end"] == "high"]
    assert high["name"].tolist() == ["Sci-Fi", "sci fi"]
    assert high["kind"].tolist() == ["genre", "tag"]
    assert table["films"].tolist() == [2, 2, 2, 2]
    for row in table.itertuples():
        assert row.mean == pytest.approx(expected[row.name])
