"""Lists as of a day: those of `prediction`, from nothing later, with bounded work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from api.current import Current, Snapshot
from data_preparation import MovieData, load_movie_data
from model.as_of import data_before, end_of, model_of
from model.trained import TrainedModel
from model.viewers import aged, fold_in, user_viewer
from prediction import recommend, score_all
from serving import refits
from tests.api.conftest import Client, Fixed, answering
from tests.api.test_answers import expected, parts
from tests.conftest import planted_ratings, write_dataset

FIRST = datetime(2005, 1, 1, 12, tzinfo=UTC)  # of a rating each day
DAY = (FIRST + timedelta(days=199)).date()  # when 200 ratings are there
USER = 5
BEFORE = [row for row in planted_ratings() if row[3] < 200]


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is fitted."""
    monkeypatch.setattr(refits, "_board", refits.RefitBoard())


def dated(folder: Path, seed: int = 0) -> MovieData:
    """The planted data, a rating a day; with a seed, all that came after `DAY` is another."""
    rng = np.random.default_rng(seed)
    rows = []
    for user, film, stars, at in planted_ratings():
        if at >= 200 and seed:
            if rng.random() < 0.3:
                continue
            stars, at = rng.integers(1, 11) / 2, rng.integers(200, 4000)
        rows.append((user, film, float(stars), int((FIRST + timedelta(days=int(at))).timestamp())))
    films = [(5 + 7 * n, f"Film {n} ({1990 + n % 9})", "Drama") for n in range(48)]
    early, late = (int((FIRST + timedelta(days=day)).timestamp()) for day in (9, 205))
    tags = [(5, 5, "dark", early), (8, 26, "dark", early), (8, 12, "dark" if seed else "x", late)]
    return load_movie_data(write_dataset(folder, rows, films, tags, None))


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory, hybrid: TrainedModel) -> Snapshot:
    data = dated(tmp_path_factory.mktemp("past"))
    return Snapshot.of(data, replace(model_of(data, hybrid), stop_reason="made"))


@pytest.fixture
def client(past: Snapshot) -> Iterator[Client]:
    with answering(Fixed(past)) as client:
        yield client


def asked(client: Client, path: str, json: Any = None, **query: Any) -> requests.Response:
    """As a client that comes again where it is told to."""
    for _ in range(200):
        told = client.ask("POST" if json else "GET", path, json=json, params=query)
        if told.status_code != 503:
            return told
        assert int(told.headers["Retry-After"]) >= 1
        time.sleep(0.05)
    raise AssertionError("the fit never ended")


def then(past: Snapshot) -> Snapshot:
    """By the functions of the command line."""
    data = data_before(past.data, end_of(DAY))
    assert data.n_ratings == 200
    return Snapshot.of(data, model_of(data, past.model))


@pytest.mark.parametrize(
    "wish",
    [{}, {"k": 4, "setting": "watch", "tag_weight": 0.5, "novelty": 0.3}, {"half_life": 3}],
    ids=str,
)
def test_a_users_list_as_of_a_day_is_that_of_prediction(
    client: Client, past: Snapshot, wish: dict[str, Any]
) -> None:
    told = asked(client, f"/v1/users/{USER}/recommendations", as_of=str(DAY), **wish).json()
    was = then(past)
    user = was.data.inner_user(USER)
    viewer = user_viewer(was.data, was.model, user, wish.get("setting", "like"))
    if "half_life" in wish:
        viewer = aged(viewer, was.data.times_of(user), wish["half_life"])
    assert parts(told["items"]) == expected(was, viewer, wish, was.data.movie_degree > 0)
    assert told["items"] and told["model"] == was.tag != past.tag


def test_a_list_with_reasons_names_films_that_were_rated_by_then(
    client: Client, past: Snapshot
) -> None:
    path = f"/v1/users/{USER}/recommendations"
    told = asked(client, path, as_of=str(DAY), reasons=True).json()["items"]
    named = {film["movie"] for item in told for film in item["reasons"]["films"]}
    assert named and named <= {film for user, film, _, _ in BEFORE if user == USER}


def test_a_visitors_list_and_a_batch_are_those_of_prediction(
    client: Client, past: Snapshot
) -> None:
    was = then(past)
    listed = was.data.movie_degree > 0
    ratings = [
        {"movie": 5, "stars": 4.5, "rated_on": "2001-01-01"},
        {"movie": 26, "stars": 2.0, "rated_on": str(DAY)},
        {"movie": 12, "stars": 5.0, "rated_on": str(DAY + timedelta(days=1))},
    ]
    body = {"ratings": ratings, "as_of": str(DAY)}
    told = asked(client, "/v1/recommendations", body).json()
    stars = {was.data.inner_movie(5): 4.5, was.data.inner_movie(26): 2.0}
    viewer = fold_in(was.data, was.model, stars)
    assert parts(told["items"]) == expected(was, viewer, {}, listed)
    batch = {"users": [USER, 8], "as_of": str(DAY)}
    lists = asked(client, "/v1/recommendations/batch", batch).json()["lists"]
    for user, one in zip((USER, 8), lists, strict=True):
        viewer = user_viewer(was.data, was.model, was.data.inner_user(user))
        assert parts(one["items"]) == expected(was, viewer, {}, listed)


def test_a_list_of_the_past_is_the_same_whatever_came_later(tmp_path: Path, past: Snapshot) -> None:
    def lists(now: Snapshot) -> list[Any]:
        with answering(Fixed(now)) as client:
            query = {"as_of": str(DAY), "reasons": True}
            users = sorted({user for user, *_ in BEFORE})[:5]
            told = [asked(client, f"/v1/users/{u}/recommendations", **query) for u in users]
            assert {answer.status_code for answer in told} == {200}
            return [answer.json()["items"] for answer in told]

    before = lists(past)
    assert sum(map(len, before)) > 20
    for seed in (1, 2):
        data = dated(tmp_path / str(seed), seed)
        assert data.fingerprint != past.data.fingerprint
        assert lists(Snapshot.of(data, model_of(data, past.model))) == before


def test_a_day_after_the_last_rating_is_as_the_last_one(client: Client, past: Snapshot) -> None:
    path = f"/v1/users/{USER}/recommendations"
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    told = asked(client, path, as_of=str(yesterday)).json()
    viewer = user_viewer(past.data, past.model, past.data.inner_user(USER))
    scores = score_all(past.data, past.model, viewer)
    found = recommend(past.model, scores, 10, past.data.movie_degree > 0)
    assert [item["movie"] for item in told["items"]] == [
        past.data.movie_ids[item.movie] for item in found
    ]


@pytest.mark.parametrize(
    ("day", "says"),
    [
        ("2004-12-31", "Nobody had rated a film by 2004-12-31; the first rating of these data is"),
        ("0001-01-01", "Nobody had rated a film by 0001-01-01"),
        ("9999-12-31", "9999-12-31 is yet to come"),
        ("2005-02-30", "day value is outside"),
        ("2005", "A day is written like 2005-06-30."),
        ("86400", "A day is written like"),
        ("", "A day is written like"),
    ],
)
def test_an_impossible_day_is_told_and_nothing_is_fitted(
    client: Client, monkeypatch: pytest.MonkeyPatch, day: str, says: str
) -> None:
    monkeypatch.setattr(Snapshot, "before", lambda *_: pytest.fail("a fit began"))
    for told in (
        client.get(f"/v1/users/{USER}/recommendations", params={"as_of": day}),
        client.post("/v1/recommendations/batch", {"users": [USER], "as_of": day}),
    ):
        assert told.status_code == 422 and says in told.json()["detail"]
        assert told.json()["errors"][0]["where"] in ("query /as_of", "body /as_of")


def test_who_had_rated_nothing_by_then_is_told(client: Client) -> None:
    first = FIRST.date()
    (early,) = [int(user) for user, *_, at in planted_ratings() if at == 0]
    late = next(int(user) for user, *_ in planted_ratings() if user != early)
    told = asked(client, f"/v1/users/{late}/recommendations", as_of=str(first))
    assert told.status_code == 422
    assert told.json()["detail"] == f"User {late} had rated no film by {first}."
    assert asked(client, f"/v1/users/{early}/recommendations", as_of=str(first)).ok
    batch = {"users": [early, late], "as_of": str(first)}
    told = asked(client, "/v1/recommendations/batch", batch)
    assert told.json()["errors"][0]["where"] == "body /users/1"
    rating = {"movie": 5, "stars": 3.0}
    body = {"ratings": [rating], "as_of": str(DAY)}
    told = asked(client, "/v1/recommendations", body)
    assert told.status_code == 422 and "needs the day of every rating" in told.json()["detail"]
    body["ratings"] = [rating | {"rated_on": str(DAY + timedelta(days=1))}]
    told = asked(client, "/v1/recommendations", body)
    assert told.json()["detail"] == f"None of these ratings was given by {DAY}."


def test_what_cannot_be_fitted_again_is_told(
    past: Snapshot, model: TrainedModel, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = {"as_of": str(DAY)}
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")
    told = client.get(f"/v1/users/{USER}/recommendations", params=query)
    assert told.status_code == 409 and "does not train" in told.json()["detail"]
    monkeypatch.delenv("LIGHTGCN_TRAINING")
    paper = Snapshot.of(past.data, replace(model, fingerprint=past.data.fingerprint))
    with answering(Fixed(paper)) as other:
        told = other.get(f"/v1/users/{USER}/recommendations", params=query)
        assert told.status_code == 409 and "step by step" in told.json()["detail"]


def test_one_fit_runs_at_a_time_and_the_last_days_are_kept(
    past: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go, real = [], threading.Event(), Snapshot.before

    def slow(now: Snapshot, second: int) -> Snapshot:
        begun.append(second)
        assert go.wait(30)
        return real(now, second)

    monkeypatch.setattr(Snapshot, "before", slow)
    days = [str(DAY - timedelta(days=n)) for n in range(3)]
    current: Current = Fixed(past)
    with answering(current) as client:
        path = f"/v1/users/{USER}/recommendations"
        for day, says in (
            (days[0], "is being fitted"),
            (days[0], "is being"),
            (days[1], "Another"),
        ):
            told = client.get(path, params={"as_of": day})
            assert told.status_code == 503 and says in told.json()["detail"]
            assert told.headers["Retry-After"]
        assert client.get(path).status_code == 200 and len(begun) == 1  # all else goes on
        go.set()
        for day in (*days, days[2], days[1]):
            assert asked(client, path, as_of=day).status_code == 200
        assert len(begun) == 3
        assert asked(client, path, as_of=days[0]).status_code == 200  # which had given way
        assert len(begun) == 4
