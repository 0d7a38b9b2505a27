"""Any ratings: what is read, what is held out, data at the edge, and the command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from benchmarks.synthetic import Shape, communities, held_out
from data_preparation import MovieData
from model import interactions
from model.baselines import popularity
from model.config import TrainingConfig
from model.evaluation import evaluate
from model.interactions import (
    InteractionsError,
    Measurement,
    fit,
    measure,
    read_interactions,
    recommender,
)
from model.splits import PROTOCOLS, Split
from model.viewers import user_vectors
from model_training import train
from tests.conftest import assert_one_sentence

GIVEN = TrainingConfig(dim=64)  # no search
SEARCHED = TrainingConfig(dim=64, search_seconds=0.5)


def write(folder: Path, text: str, name: str = "ratings.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def table(folder: Path, text: str, **options: Any) -> np.ndarray:
    read, _ = read_interactions(write(folder, text), **options)
    return read.ratings.toarray()


def all_finite(found: Measurement) -> bool:
    values = [value for report in found.reports.values() for value in report.mean().values()]
    return bool(np.isfinite([*values, found.sent.sum(), found.met.sum()]).all())


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "user,item,rating,time\nanna,x,4,10\nbo,y,2.5,20\n",
        "anna,x,4,10\nbo,y,2.5,20\n",
        "time;rating;item;user\n10;4;x;anna\n20;2.5;y;bo\n",
        "userId\tmovieId\trating\ttimestamp\nanna\tx\t4\t10\nbo\ty\t2.5\t20\n",
        '"user","item","stars","timestamp"\n"anna","x","4","10"\n"bo","y","2.5","20"\n',
    ],
    ids=["names", "no names", "other order, semicolons", "MovieLens, tabs", "quoted"],
)
def test_the_same_table_is_read_from_its_many_spellings(tmp_path: Path, text: str) -> None:
    read, test = read_interactions(write(tmp_path, text))
    assert test is None
    assert read.users.tolist() == ["anna", "bo"] and read.items.tolist() == ["x", "y"]
    assert read.ratings.toarray().tolist() == [[4, 0], [0, 2.5]]
    assert read.timestamps.tolist() == [10, 20]
    assert read.starred and read.timed and not read.notes


def test_without_ratings_every_line_weighs_one(tmp_path: Path) -> None:
    assert table(tmp_path, "user,item\n7,3\n7,5\n").tolist() == [[1, 1]]
    assert table(tmp_path, "7,3,5\n7,5,2\n", stars=False).tolist() == [[1, 1]]


def test_a_third_column_without_name_is_a_time_when_it_is_large(tmp_path: Path) -> None:
    read, _ = read_interactions(write(tmp_path, "a,x,1600000000\na,y,1500000000\n"))
    assert read.timed and not read.starred
    assert read.timestamps.tolist() == [1600000000, 1500000000]


def test_dates_are_times(tmp_path: Path) -> None:
    read, _ = read_interactions(write(tmp_path, "user,item,date\na,x,1970-01-02\n"))
    assert read.timestamps.tolist() == [86400]


def test_of_lines_that_repeat_a_pair_the_latest_counts(tmp_path: Path) -> None:
    read, _ = read_interactions(write(tmp_path, "a,x,2,30\na,x,5,20\na,y,1,1\n"))
    assert read.ratings.toarray().tolist() == [[2, 1]]
    assert read.ratings.nnz == 2
    assert "1 lines repeat" in read.notes[0]
    assert table(tmp_path, "a,x,2\na,x,5\na,y,1\n").tolist() == [[5, 1]]  # the last line


def test_another_scale_is_stretched_as_a_whole(tmp_path: Path) -> None:
    read, _ = read_interactions(write(tmp_path, "a,x,1\na,y,10\nb,x,5.5\n"))
    assert read.ratings.toarray().tolist() == [[0.5, 5], [2.75, 0]]
    assert_one_sentence(read.notes[0])


def test_a_lowest_rating_of_0_is_still_a_rating(tmp_path: Path) -> None:
    read, _ = read_interactions(write(tmp_path, "a,x,0\na,y,1\n"))
    assert read.ratings.toarray().tolist() == [[0.5, 5]]


def test_train_and_test_files_share_their_numbers(tmp_path: Path) -> None:
    one = write(tmp_path, "u,i\nzoe,10\nadam,9\n", "train.csv")
    two = write(tmp_path, "u,i\nzoe,8\nnew,10\n", "test.csv")
    known, wanted = read_interactions(one, two)
    assert wanted is not None
    assert known.users.tolist() == wanted.users.tolist() == ["adam", "new", "zoe"]
    assert known.items.tolist() == ["10", "8", "9"]
    assert known.ratings.toarray().tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert wanted.ratings.toarray().tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("only one column\n", "user,item"),
        ("a,x,good\n", "“good”"),
        ("a,x,3\n,y,3\n", "names no user in line 2"),
        ("user,item,rating\na,x,nan\n", "not a number"),
        ("user,item,rating\na,x,inf\n", "not a number"),
    ],
)
def test_what_is_no_such_table_is_refused_in_a_sentence(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(InteractionsError, match=says) as caught:
        read_interactions(write(tmp_path, text))
    assert_one_sentence(str(caught.value))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InteractionsError, match="cannot be read"):
        read_interactions(tmp_path / "nowhere.csv")


# --- measuring ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> tuple[sparse.csr_array, sparse.csr_array]:
    """400 users x 2,000 items in communities; train and test."""
    return held_out(communities(Shape(400, 2000, 20, fewest=8, towns=12, quarters=2)))


def test_made_up_communities_have_the_shape_asked_for_and_power_laws() -> None:
    shape = Shape(2000, 1500, 20)
    made = communities(shape)
    assert made.shape == (2000, 1500) and (made.data == 1).all()
    degree = np.diff(made.indptr)
    assert made.nnz / 2000 == pytest.approx(20, rel=0.15)
    assert np.quantile(degree, 0.01) >= 8
    popular = np.sort(np.bincount(made.indices, minlength=1500))[::-1]
    assert popular[:150].sum() > 0.3 * made.nnz
    train_part, test_part = held_out(made)
    assert (train_part + test_part != made).nnz == 0
    assert test_part.nnz / made.nnz == pytest.approx(0.2, abs=0.02)


def test_the_final_model_is_fitted_to_the_whole_of_the_given_train(
    small: tuple[sparse.csr_array, sparse.csr_array],
) -> None:
    known, wanted = small
    found = measure(known, wanted, config=GIVEN)
    sent, met = fit(known, GIVEN)
    np.testing.assert_array_equal(found.sent, sent)
    np.testing.assert_array_equal(found.met, met)
    users = np.arange(5)
    np.testing.assert_allclose(
        recommender(known, found)(users), known[users].toarray() @ sent @ met.T, atol=1e-6
    )
    everything = Split("given", known, sparse.csr_array(known.shape, dtype=np.float32), wanted)
    expected = evaluate(recommender(known, found), everything, "test", (20,))
    assert found.reports["watch"].mean() == expected.mean()


def test_it_finds_the_communities_and_the_search_does_not_lose_them(
    small: tuple[sparse.csr_array, sparse.csr_array],
) -> None:
    known, wanted = small
    everything = Split("given", known, sparse.csr_array(known.shape, dtype=np.float32), wanted)
    dull = evaluate(popularity(known), everything, "test", (20,)).mean()
    plain = measure(known, wanted, config=GIVEN).reports["watch"].mean()
    found = measure(known, wanted, config=replace(GIVEN, search_seconds=5))
    chosen = found.reports["watch"].mean()
    assert plain["NDCG@20"] > 1.1 * dull["NDCG@20"]
    assert chosen["NDCG@20"] > 0.95 * plain["NDCG@20"]
    assert len(found.trials) > 5 and found.config.search_seconds == 0
    assert set(found.reports) == {"watch"}  # without stars there is nothing to like


def test_validation_is_cut_from_train_and_test_is_never_looked_at_to_choose(
    small: tuple[sparse.csr_array, sparse.csr_array],
) -> None:
    known, wanted = small
    other = sparse.csr_array(wanted[:, ::-1])
    other = sparse.csr_array(other - other.multiply(known.astype(bool)))
    other.eliminate_zeros()
    one, two = (
        measure(known, each, config=replace(GIVEN, search_seconds=60)) for each in (wanted, other)
    )
    assert one.config == two.config
    assert [trial.score for trial in one.trials] == [trial.score for trial in two.trials]


def test_ratings_of_test_that_are_in_train_do_not_count() -> None:
    known = sparse.csr_array(np.array([[1, 1, 0, 0], [0, 1, 1, 0]], np.float32))
    wanted = sparse.csr_array(np.array([[0, 1, 1, 0], [0, 0, 0, 1]], np.float32))
    found = measure(known, wanted, config=GIVEN)
    assert "1 ratings of test are in train too" in found.notes[0]
    assert found.reports["watch"].per_user["Recall@20"].tolist() == [1, 1]


def test_costs_and_memory_are_told(small: tuple[sparse.csr_array, sparse.csr_array]) -> None:
    found = measure(*small, config=SEARCHED)
    assert set(found.costs) == {"search", "fit", "measuring"}
    assert all(cost.cpu >= 0 and cost.wall > 0 for cost in found.costs.values())
    assert found.peak_mib > 50


@pytest.mark.parametrize(
    ("known", "wanted", "says"),
    [
        ([[0, 0]], [[1, 0]], "nothing to learn"),
        ([[1, 0]], [[1, 0]], "nothing to measure"),
        ([[1, 0]], [[1, 0, 0]], "number the same"),
    ],
)
def test_train_and_test_that_do_not_fit_are_refused(
    known: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]], says: str
) -> None:
    matrices = [sparse.csr_array(np.array(each, np.float32)) for each in (known, wanted)]
    with pytest.raises(InteractionsError, match=says) as caught:
        measure(*matrices, config=GIVEN)
    assert_one_sentence(str(caught.value))


def test_the_last_rating_needs_times() -> None:
    full = sparse.csr_array(np.ones((3, 8), np.float32))
    with pytest.raises(InteractionsError, match="without times") as caught:
        measure(full, protocol="temporal_leave_one_out", config=GIVEN)
    assert_one_sentence(str(caught.value))


# --- data at the edge -----------------------------------------------------------------------------


def nearly_everything(n_users: int = 4, n_items: int = 5000) -> np.ndarray:
    rated = np.ones((n_users, n_items), np.float32)
    rated[np.arange(n_users), np.arange(n_users)] = 0
    return rated


def ragged() -> np.ndarray:
    """A user and an item without ratings among others."""
    stars = np.random.default_rng(0).integers(0, 11, (9, 30)) / 2
    stars[3], stars[:, 5] = 0, 0
    return stars.astype(np.float32)


EDGES: dict[str, np.ndarray] = {
    "two friends, ten ratings each": np.kron(np.eye(2), np.ones(10)).astype(np.float32) * 4,
    "a single user": np.arange(1, 61, dtype=np.float32)[None, :] % 5 + 0.5,
    "a single item": np.ones((12, 1), np.float32) * 3,
    "everyone rated everything": np.ones((6, 30), np.float32) * 2,
    "everyone rated everything, other stars": 1 + np.arange(180.0).reshape(6, 30) % 5,
    "all but one of 5,000": nearly_everything(),
    "a user and an item without ratings": ragged(),
}


@pytest.mark.parametrize("config", [GIVEN, SEARCHED], ids=["given", "searched"])
@pytest.mark.parametrize("name", EDGES)
def test_data_at_the_edge_give_a_finite_model_or_a_sentence(
    name: str, config: TrainingConfig
) -> None:
    ratings = sparse.csr_array(EDGES[name].astype(np.float32))
    try:
        assert all_finite(measure(ratings, config=config))
    except InteractionsError as error:
        assert name == "a single item"  # nobody has a second one to hold out
        assert_one_sentence(str(error))


@pytest.mark.parametrize("name", EDGES)
def test_data_at_the_edge_with_a_given_test(name: str) -> None:
    ratings = sparse.csr_array(EDGES[name].astype(np.float32))
    known, wanted = held_out(ratings, share=0.2)
    if not wanted.nnz:
        known, wanted = ratings[:, :0], ratings[:, :0]
        with pytest.raises(InteractionsError):
            measure(known, wanted, config=SEARCHED)
        return
    assert all_finite(measure(known, wanted, config=SEARCHED))


def test_one_rating_per_user_is_refused_by_protocol_and_fitted_with_a_test() -> None:
    known = sparse.csr_array(np.eye(20, dtype=np.float32) + np.eye(20, k=-20))
    with pytest.raises(InteractionsError, match="five ratings or more would help") as caught:
        measure(known, config=SEARCHED)
    assert_one_sentence(str(caught.value))
    wanted = sparse.csr_array(np.roll(np.eye(20, dtype=np.float32), 1, axis=1))
    found = measure(known, wanted, config=SEARCHED)
    assert all_finite(found)
    assert "no settings could be chosen" in found.notes[0] and not found.trials


def rated_by(users: int, each: int, films: int) -> list[tuple]:
    """So many people, each with so many of the films (1 to `films`) at random."""
    rng = np.random.default_rng(users)
    return [
        (user, film, float(rng.integers(1, 11)) / 2, 1_600_000_000 + 86_400 * place)
        for user in range(1, users + 1)
        for place, film in enumerate(sorted(rng.choice(films, each, replace=False) + 1))
    ]


FOLDERS = {
    "two friends": (rated_by(2, 10, 1000), 1000),
    "a single user": (rated_by(1, 60, 200), 200),
    "one rating each": (rated_by(79, 1, 30), 30),
    "everyone rated everything": (rated_by(8, 12, 12), 12),
    "two of 500 left": (rated_by(3, 498, 500), 500),
    "equal stars": ([(u, f, 3.0, t) for u, f, _, t in rated_by(9, 12, 40)], 40),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("case", FOLDERS)
def test_movielens_folders_at_the_edge_train_or_say_why_not(
    case: str, protocol: str, load: Callable[..., MovieData]
) -> None:
    ratings, n_films = FOLDERS[case]
    films = [(film, f"Film {film} (2000)", "Drama") for film in range(1, n_films + 1)]
    data = load(ratings=ratings, movies=films, tags=None, links=None)
    for config in (GIVEN, SEARCHED):
        if case == "one rating each":
            with pytest.raises(ValueError, match="holds no rating") as caught:
                train(data, PROTOCOLS[protocol](data), config)
            assert_one_sentence(str(caught.value))
            assert "again" not in str(caught.value)  # it would end the same way
            continue
        model = train(data, PROTOCOLS[protocol](data), config)
        learned = [
            model.movie_factors,
            model.movie_messages,
            user_vectors(data, model, slice(None)),
        ]
        assert all(np.isfinite(array).all() for array in learned)
        assert np.isfinite(list(model.test_metrics.values())).all()


# --- the command ----------------------------------------------------------------------------------


def test_the_command_prints_quality_settings_and_costs(
    tmp_path: Path,
    small: tuple[sparse.csr_array, sparse.csr_array],
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = []
    for name, matrix in zip(("train", "test"), small, strict=True):
        lines = [f"u{user},i{item}" for user, item in zip(*matrix.nonzero(), strict=True)]
        paths.append(write(tmp_path, "user,item\n" + "\n".join(lines) + "\n", f"{name}.csv"))
    status = interactions.main(
        [
            str(paths[0]),
            "--test",
            str(paths[1]),
            "--search-seconds",
            "0.3",
            "--rank",
            "32",
            "-k",
            "5",
            "20",
        ]
    )
    printed = capsys.readouterr().out
    assert status == 0
    for part in ("Recall@20", "NDCG@5", "Hit@20", "95 %:", "user_exponent", "s CPU", "MiB"):
        assert part in printed


def test_the_command_says_in_a_sentence_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert interactions.main([str(write(tmp_path, "a,x\nb,y\n"))]) == 1
    told = capsys.readouterr()
    assert_one_sentence(told.err.strip())
