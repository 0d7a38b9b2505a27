"""Every path answers with exactly what `prediction` and the explanations say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.counterfactual import ranks_without
from api.current import Snapshot
from data_preparation import MovieData
from model.explanation import explain
from model.splits import Split
from model.stars import predict_stars
from model.trained import TrainedModel, with_trend
from model.trend import TrendChoice
from model.viewers import Viewer, aged, fold_in, user_viewer
from model_training import train
from prediction import film_filter, recommend, score_all, similar_movies, suggest_tags
from serving.prepared import star_model
from tests.api.conftest import Client, Fixed, answering
from tests.small_training import hybrid_config

SETTINGS: list[dict[str, Any]] = [
    {},
    {"k": 3, "setting": "watch", "tag_weight": 0.5},
    {"k": 20, "novelty": 0.7, "diversity": 0.4},
    {"novelty": 1, "diversity": 0.5, "fewest_ratings": 1},
    {"novelty": -1, "min_ratings": 5, "year_from": 1990, "year_to": 2000, "genre": ["Drama"]},
]
USER = 5  # raw


def expected(now: Snapshot, viewer: Viewer, wish: dict[str, Any], allowed: Any = None) -> list:
    """The items by `prediction`: film, every part, predicted stars."""
    scores = score_all(
        *(now.data, now.model, viewer, wish.get("tag_weight", 0.1), wish.get("novelty", 0.0)),
        wish.get("fewest_ratings", 5),
        wish.get("popular_now", 0.0),
    )
    found = recommend(now.model, scores, wish.get("k", 10), allowed, wish.get("diversity", 0.0))
    movies = np.array([item.movie for item in found])
    stars, unsure = predict_stars(
        star_model(now.data, now.model), viewer.movies, viewer.stars, movies
    )
    return [
        {
            "movie": int(now.data.movie_ids[item.movie]),
            "rank": rank,
            "score": item.score,
            "graph_part": item.graph_part,
            "tag_part": item.tag_part,
            "popularity_part": item.popularity_part,
            "trend_part": item.trend_part,
            "graph_score": item.graph_score,
            "tag_similarity": item.tag_similarity,
            "stars": stars[rank - 1],
            "stars_unsure": unsure[rank - 1],
        }
        for rank, item in enumerate(found, 1)
    ]


def parts(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    facts = ("title", "year", "genres", "reasons")
    return [{name: item[name] for name in item if name not in facts} for item in items]


def allowed_by(now: Snapshot, wish: dict[str, Any]) -> Any:
    years = (wish["year_from"], wish["year_to"]) if "year_from" in wish else None
    return film_filter(now.data, wish.get("genre", ()), (), years, wish.get("min_ratings", 0))


@pytest.mark.parametrize("wish", SETTINGS, ids=str)
def test_a_users_list_is_that_of_prediction(
    client: Client, now: Snapshot, wish: dict[str, Any]
) -> None:
    answer = client.get(f"/v1/users/{USER}/recommendations", params=wish)
    viewer = user_viewer(
        now.data, now.model, now.data.inner_user(USER), wish.get("setting", "like")
    )
    told = answer.json()
    assert answer.status_code == 200 and told["user"] == USER
    assert parts(told["items"]) == expected(now, viewer, wish, allowed_by(now, wish))
    for item in told["items"]:
        row = now.data.movies.iloc[now.data.inner_movie(item["movie"])]
        assert (item["title"], item["year"]) == (row["name"], row["year"])
        assert item["genres"] == list(row["genres"]) and item["reasons"] is None


def test_the_papers_model_answers_in_the_same_way(now: Snapshot, model: TrainedModel) -> None:
    paper = Snapshot.of(now.data, model)
    viewer = user_viewer(now.data, model, now.data.inner_user(USER))
    with answering(Fixed(paper)) as client:
        told = client.get(f"/v1/users/{USER}/recommendations").json()
        why = client.get(f"/v1/users/{USER}/recommendations/12/explanation").json()
    assert parts(told["items"]) == expected(paper, viewer, {})
    assert why["through"] == {} and why["own"] != 0


@pytest.mark.parametrize("wish", SETTINGS, ids=str)
def test_a_visitors_list_is_that_of_prediction(
    client: Client, now: Snapshot, wish: dict[str, Any]
) -> None:
    stars = {5: 4.5, 12: 1.0, 33: 3.5}
    body = {"ratings": [{"movie": movie, "stars": given} for movie, given in stars.items()]}
    answer = client.post("/v1/recommendations", body | wish)
    inner = {now.data.inner_movie(movie): given for movie, given in stars.items()}
    viewer = fold_in(now.data, now.model, inner, wish.get("setting", "like"))
    told = answer.json()
    assert told["user"] is None
    assert parts(told["items"]) == expected(now, viewer, wish, allowed_by(now, wish))


def test_what_is_popular_now_counts_where_it_is_asked_for(now: Snapshot) -> None:
    choice = TrendChoice(0.1, {"watch": 0.0, "like": 0.4}, {"watch": (0, 0), "like": (0, 0)}, 9)
    trendy = Snapshot.of(now.data, with_trend(now.data, now.model, choice))
    viewer = user_viewer(now.data, trendy.model, now.data.inner_user(USER))
    path, wish = f"/v1/users/{USER}/recommendations", {"popular_now": 0.5}
    with answering(Fixed(trendy)) as client:
        told = client.get(path, params=wish | {"reasons": "true"}).json()
        movie = told["items"][0]["movie"]
        why = client.get(f"{path}/{movie}/explanation", params=wish).json()
        refused = client.get(path, params=wish | {"setting": "watch"})
        assert client.get("/v1/model").json()["popular_now"] == {"watch": 0.0, "like": 0.4}
        body = {"ratings": [{"movie": 5, "stars": 4.5}]}
        mine = client.post("/v1/recommendations", body | wish).json()
    assert parts(told["items"]) == expected(trendy, viewer, wish)
    assert any(item["trend_part"] for item in told["items"])
    for item in told["items"]:
        assert (item["reasons"]["for_everyone"] is None) == (item["trend_part"] == 0)
    assert why["item"]["trend_part"] == told["items"][0]["trend_part"] and why["item"]["rank"] == 1
    visitor = fold_in(now.data, trendy.model, {now.data.inner_movie(5): 4.5})
    assert parts(mine["items"]) == expected(trendy, visitor, wish)
    assert refused.status_code == 422 and "No gain is proved" in refused.json()["detail"]


def test_without_a_choice_popular_now_is_refused_in_a_sentence(client: Client) -> None:
    answer = client.get(f"/v1/users/{USER}/recommendations?popular_now=1")
    assert answer.status_code == 422 and "training it again" in answer.json()["detail"]
    assert client.get(f"/v1/users/{USER}/recommendations?popular_now=1.1").status_code == 422
    assert client.get("/v1/model").json()["popular_now"] == {}


def test_films_age_for_users_and_for_visitors_with_days(client: Client, now: Snapshot) -> None:
    inner = now.data.inner_user(USER)
    viewer = aged(user_viewer(now.data, now.model, inner), now.data.times_of(inner), 3)
    told = client.get(f"/v1/users/{USER}/recommendations", params={"half_life": 3}).json()
    assert parts(told["items"]) == expected(now, viewer, {})
    movie = told["items"][0]["movie"]
    path = f"/v1/users/{USER}/recommendations/{movie}/explanation"
    terms = client.get(path, params={"half_life": 3}).json()["terms"]
    reasons = explain(now.data, now.model, viewer, now.data.inner_movie(movie))
    cost = dict(zip(now.data.movie_ids[viewer.movies], reasons.age_cost, strict=True))
    assert {term["movie"]: term["age_cost"] for term in terms} == pytest.approx(cost)

    ratings = [
        {"movie": 5, "stars": 4.5, "rated_on": "2003-01-05"},
        {"movie": 33, "stars": 3.5, "rated_on": "1999-01-05"},
        {"movie": 12, "stars": 4.0, "rated_on": "2003-01-05"},
    ]
    told = client.post("/v1/recommendations", {"ratings": ratings, "half_life": 1}).json()
    visitor = fold_in(
        *(now.data, now.model),
        {now.data.inner_movie(rating["movie"]): rating["stars"] for rating in ratings},
    )
    assert parts(told["items"]) == expected(now, aged(visitor, np.array([1, 1, 0]), 1), {})
    del ratings[1]["rated_on"]
    answer = client.post("/v1/recommendations", {"ratings": ratings, "half_life": 1})
    assert answer.status_code == 422 and "33 has none" in answer.json()["detail"]
    assert client.post("/v1/recommendations", {"ratings": ratings}).status_code == 200
    assert client.get(f"/v1/users/{USER}/recommendations?half_life=0").status_code == 422


def test_attention_weighs_alike_for_users_and_visitors_and_can_be_read(
    planted_data: MovieData, split: Split
) -> None:
    now = Snapshot.of(planted_data, train(planted_data, split, hybrid_config(attention=True)))
    inner = planted_data.inner_user(USER)
    viewer = user_viewer(planted_data, now.model, inner)
    rated = zip(planted_data.movie_ids[viewer.movies], viewer.stars, strict=True)
    body = {"ratings": [{"movie": int(raw), "stars": float(given)} for raw, given in rated]}
    with answering(Fixed(now)) as client:
        told = client.get(f"/v1/users/{USER}/recommendations").json()["items"]
        visitor = client.post("/v1/recommendations", body).json()["items"]
        path = f"/v1/users/{USER}/recommendations/{told[0]['movie']}/explanation"
        terms = client.get(path).json()["terms"]
    assert parts(told) == parts(visitor) == expected(now, viewer, {})
    total = sum(term["contribution"] for term in terms)
    assert total == pytest.approx(told[0]["graph_score"], rel=1e-5)
    assert viewer.attention is not None and np.ptp(viewer.attention) > 1e-3
    attention = dict(zip(planted_data.movie_ids[viewer.movies], viewer.attention, strict=True))
    assert {term["movie"]: term["attention"] for term in terms} == pytest.approx(attention)


def test_a_batch_is_the_lists_one_after_the_other(client: Client, now: Snapshot) -> None:
    users = now.data.user_ids[:4].tolist()
    told = client.post("/v1/recommendations/batch", {"users": users, "k": 4}).json()
    alone = [client.get(f"/v1/users/{user}/recommendations?k=4").json() for user in users]
    assert told["lists"] == alone


def test_candidates_and_exclusions_say_what_may_be_listed(client: Client) -> None:
    body = {"ratings": [{"movie": 5, "stars": 5}], "candidates": [12, 19, 26, 5]}
    listed = client.post("/v1/recommendations", body).json()["items"]
    assert sorted(item["movie"] for item in listed) == [12, 19, 26]  # 5 is rated
    body["exclude"] = [19]
    listed = client.post("/v1/recommendations", body).json()["items"]
    assert sorted(item["movie"] for item in listed) == [12, 26]
    first = client.get(f"/v1/users/{USER}/recommendations?k=1").json()["items"][0]["movie"]
    path = f"/v1/users/{USER}/recommendations?k=1&exclude={first}"
    assert client.get(path).json()["items"][0]["movie"] != first


def test_reasons_are_those_of_the_explanation(client: Client, now: Snapshot) -> None:
    answer = client.get(f"/v1/users/{USER}/recommendations?k=3&reasons=true")
    viewer = user_viewer(now.data, now.model, now.data.inner_user(USER))
    for item in answer.json()["items"]:
        reasons = explain(now.data, now.model, viewer, now.data.inner_movie(item["movie"]))
        named = item["reasons"]["films"]
        largest = np.sort(reasons.contributions)[::-1][: len(named)]
        assert [film["contribution"] for film in named] == largest.tolist()
        share = sum(film["contribution"] for film in named) / item["graph_score"]
        assert item["reasons"]["share"] == pytest.approx(share, rel=1e-5)
        assert named[0]["title"] in item["reasons"]["text"]


def test_an_explanation_adds_up_and_says_where_the_film_would_stand(
    client: Client, now: Snapshot
) -> None:
    listed = client.get(f"/v1/users/{USER}/recommendations?k=3").json()["items"][2]
    path = f"/v1/users/{USER}/recommendations/{listed['movie']}/explanation"
    told = client.get(path).json()
    assert parts([told["item"]]) == parts([listed]) and not told["rated"]
    terms = sum(term["contribution"] for term in told["terms"])
    assert terms + told["own"] == pytest.approx(listed["graph_score"], rel=1e-5)
    assert sum(told["through"].values()) == pytest.approx(listed["graph_score"], rel=1e-5)
    shares = sum(tag["share"] for tag in told["tags"])
    assert shares == pytest.approx(listed["tag_similarity"], rel=1e-5)
    viewer = user_viewer(now.data, now.model, now.data.inner_user(USER))
    movie = now.data.inner_movie(listed["movie"])
    cases = [
        (movie, [now.data.inner_movie(raw) for raw in case["movies"]]) for case in told["without"]
    ]
    assert [case["rank"] for case in told["without"]] == ranks_without(
        now.data, now.model, viewer, cases
    ).tolist()
    assert len(cases) == 4


def test_a_visitors_explanation_is_that_of_a_user_with_these_ratings(
    client: Client, now: Snapshot
) -> None:
    """In the hybrid everyone is scored by the same formula."""
    user = now.data.inner_user(USER)
    rated = zip(now.data.rated_by(user).tolist(), now.data.stars_of(user).tolist(), strict=True)
    ratings = [{"movie": int(now.data.movie_ids[m]), "stars": s} for m, s in rated]
    told = client.post("/v1/explanations", {"ratings": ratings, "movie": 12}).json()
    of_user = client.get(f"/v1/users/{USER}/recommendations/12/explanation").json()
    assert told | {"user": USER} == of_user


# --- films ----------------------------------------------------------------------------------------


def test_films_are_found_by_title_and_most_rated_first(client: Client, now: Snapshot) -> None:
    told = client.get("/v1/movies?q=film 17").json()
    assert told["total"] == 1 and told["has_text"]
    assert told["items"][0]["title"] == "Film 17"
    everything = client.get("/v1/movies?limit=100").json()
    degrees = [now.data.movie_degree[now.data.inner_movie(f["movie"])] for f in everything["items"]]
    assert everything["total"] == 48 and degrees == sorted(degrees, reverse=True)
    page = client.get("/v1/movies?limit=5&offset=40").json()
    assert page["items"] == everything["items"][40:45]
    assert client.get("/v1/movies?without=Drama").json()["total"] == 0
    assert client.get("/v1/movies?year_from=2000").json()["total"] == 0
    assert client.get("/v1/movies?year_to=1999").json()["total"] == 48


def test_a_film_its_neighbours_and_tags(client: Client, now: Snapshot) -> None:
    movie = now.data.inner_movie(12)
    told = client.get("/v1/movies/12").json()
    assert told["ratings"] == now.data.movie_degree[movie]
    assert told["mean_stars"] == pytest.approx(now.data.mean_stars[movie])
    assert told["counts_as"] == 12
    nearest, cosine = similar_movies(now.model, movie, 4)
    near = client.get("/v1/movies/12/similar?k=4").json()["items"]
    assert [film["movie"] for film in near] == now.data.movie_ids[nearest].tolist()
    assert [film["similarity"] for film in near] == cosine.tolist()
    suggested = client.get("/v1/movies/12/tag-suggestions").json()["items"]
    assert [s["tag"] for s in suggested] == [
        s.tag for s in suggest_tags(now.data, now.model, movie)
    ]


def test_the_model_in_use_is_told(client: Client, now: Snapshot) -> None:
    told = client.get("/v1/model").json()
    assert told["fingerprint"] == now.data.fingerprint and told["model"] == now.tag
    assert {name: m["value"] for name, m in told["metrics"].items()} == now.model.test_metrics
    for name, (low, high) in now.model.test_intervals.items():
        assert (told["metrics"][name]["low"], told["metrics"][name]["high"]) == (low, high)
    assert told["settings"]["dim"] == now.model.config.dim
    listed = client.get(f"/v1/users/{USER}/recommendations").json()
    assert listed["model"] == told["model"]
