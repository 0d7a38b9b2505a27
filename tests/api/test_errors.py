"""Whatever is wrong gives a problem document with one sentence; nothing gives a traceback."""

from __future__ import annotations

import json
import logging
import random
import re
import socket
from typing import Any

import pytest
import requests

from api import answers
from api.current import Snapshot
from api.gates import MOST_BODY
from api.problems import MEDIA_TYPE
from tests.api.conftest import KEY, Client, Fixed, answering
from tests.conftest import assert_one_sentence
from tests.fuzzing import damaged

ONE = [{"movie": 5, "stars": 4.0}]
MANY = [{"movie": n, "stars": 4.0} for n in range(10_000)]

GETS = {
    "/v1/users/9999/recommendations": (404, None),
    "/v1/users/1.5/recommendations": (422, "path /user_id"),
    "/v1/users/-1/recommendations": (422, "path /user_id"),
    "/v1/users/99999999999999999999999/recommendations": (422, "path /user_id"),
    "/v1/users/5/recommendations?k=0": (422, "query /k"),
    "/v1/users/5/recommendations?k=101": (422, "query /k"),
    "/v1/users/5/recommendations?k=many": (422, "query /k"),
    "/v1/users/5/recommendations?novelty=nan": (422, "query /novelty"),
    "/v1/users/5/recommendations?novelty=1.01": (422, "query /novelty"),
    "/v1/users/5/recommendations?tag_weight=-0.1": (422, "query /tag_weight"),
    "/v1/users/5/recommendations?diversity=inf": (422, "query /diversity"),
    "/v1/users/5/recommendations?setting=love": (422, "query /setting"),
    "/v1/users/5/recommendations?genre=Opera": (422, "query /genre/0"),
    "/v1/users/5/recommendations?exclude=5&exclude=1": (422, "query /exclude/1"),
    "/v1/users/5/recommendations?year_from=2000&year_to=1990": (422, "query /year_from"),
    "/v1/users/5/recommendations?speed=1": (422, "query /speed"),
    "/v1/users/5/recommendations/1/explanation": (404, None),
    "/v1/movies/1": (404, None),
    "/v1/movies/x/similar": (422, "path /movie_id"),
    "/v1/movies?limit=0": (422, "query /limit"),
    "/v1/movies?q=" + "x" * 101: (422, "query /q"),
    "/v2/movies": (404, None),
    "/": (404, None),
}

POSTS: dict[str, tuple[str, Any, int, str | None]] = {
    "stars above 5": ("", {"ratings": [{"movie": 5, "stars": 5.5}]}, 422, "body /ratings/0/stars"),
    "stars below": ("", {"ratings": [{"movie": 5, "stars": 0}]}, 422, "body /ratings/0/stars"),
    "unknown film": ("", {"ratings": [*ONE, {"movie": 6, "stars": 1}]}, 422, "body /ratings/1"),
    "rated twice": ("", {"ratings": ONE * 2}, 422, "body /ratings/1/movie"),
    "none": ("", {"ratings": []}, 422, "body /ratings"),
    "10,000 films": ("", {"ratings": MANY}, 422, "body /ratings"),
    "unknown field": ("", {"ratings": ONE, "rating": 1}, 422, "body /rating"),
    "k = 0": ("", {"ratings": ONE, "k": 0}, 422, "body /k"),
    "unknown candidate": ("", {"ratings": ONE, "candidates": [7]}, 422, "body /candidates/0"),
    "no candidate": ("", {"ratings": ONE, "candidates": []}, 422, "body /candidates"),
    "a list": ("", [], 422, "body"),
    "101 users": ("/batch", {"users": [2] * 101}, 422, "body /users"),
    "unknown user": ("/batch", {"users": [2, 3]}, 422, "body /users/1"),
}


def problem(answer: requests.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    told = answer.json()
    assert told["status"] == status and told["type"] == "about:blank" and told["title"]
    assert told["request"] == answer.headers["X-Request-ID"]
    assert_one_sentence(told["detail"])
    assert "Traceback" not in answer.text
    return told


@pytest.mark.parametrize("path", GETS)
def test_a_wrong_question_is_told_what_is_wrong_and_where(client: Client, path: str) -> None:
    status, where = GETS[path]
    told = problem(client.get(path), status)
    assert where is None or told["errors"][0]["where"] == where


@pytest.mark.parametrize("case", POSTS)
def test_a_wrong_body_is_told_what_is_wrong_and_where(client: Client, case: str) -> None:
    path, body, status, where = POSTS[case]
    told = problem(client.post(f"/v1/recommendations{path}", body), status)
    assert told["errors"][0]["where"] == where


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"null", b"[" * 100_000, b'{"ratings": [{"movie": 5, "st'],
    ids=repr,
)
def test_a_body_that_is_no_json_is_refused(client: Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.ask("POST", "/v1/recommendations", data=body, headers=headers)
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"4"x'])
def test_stars_that_are_no_number_are_refused(client: Client, number: str) -> None:
    body = f'{{"ratings": [{{"movie": 5, "stars": {number}}}]}}'
    headers = {"Content-Type": "application/json"}
    answer = client.ask("POST", "/v1/recommendations", data=body, headers=headers)
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code)


def test_a_method_that_a_path_does_not_take(client: Client) -> None:
    answer = client.ask("DELETE", "/v1/movies")
    problem(answer, 405)
    assert answer.headers["Allow"] == "GET"


def test_damaged_bodies_never_fail_the_server(client: Client, thorough: bool) -> None:
    body = {
        "ratings": [{"movie": 5, "stars": 4.5}, {"movie": 12, "stars": 1}],
        "k": 3,
        "genre": ["Drama"],
        "exclude": [19],
        "setting": "like",
    }
    sound = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    statuses = []
    for seed in range(1000 if thorough else 200):
        broken = damaged(sound, random.Random(seed))
        answer = client.ask("POST", "/v1/recommendations", data=broken, headers=headers)
        statuses.append(answer.status_code)
        if answer.status_code != 200:
            problem(answer, answer.status_code)
    assert set(statuses) <= {200, 400, 422} and statuses.count(200) < len(statuses) / 2


# --- limits ---------------------------------------------------------------------------------------


def test_a_body_may_not_be_too_large_whatever_it_says(client: Client) -> None:
    problem(client.ask("POST", "/v1/recommendations", data=b" " * (MOST_BODY + 1)), 413)
    pieces = (b" " * 2**16 for _ in range(MOST_BODY // 2**16 + 1))  # chunked: no length is told
    problem(client.ask("POST", "/v1/recommendations", data=pieces), 413)


def test_a_client_that_asks_too_often_is_told_when_to_come_back(now: Snapshot) -> None:
    with answering(Fixed(now), rate=0.5) as client:  # a burst of two
        statuses = [client.get("/v1/movies/5").status_code for _ in range(2)]
        answer = client.get("/v1/movies/5")
        assert statuses == [200, 200]
        problem(answer, 429)
        assert 1 <= int(answer.headers["Retry-After"]) <= 2
        assert client.get("/health/live").status_code == 200  # probes are not counted


def test_another_address_in_a_header_is_not_believed(now: Snapshot) -> None:
    with answering(Fixed(now), rate=0.5) as client:
        statuses = [
            client.get("/v1/movies/5", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code
            for n in range(3)
        ]
    assert statuses == [200, 200, 429]


# --- who may ask ----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.1.2.3", "a b"])
def test_a_foreign_host_is_refused(client: Client, host: str) -> None:
    answer = client.get("/v1/movies/5", headers={"Host": host})
    assert answer.status_code == 421
    assert "LIGHTGCN_HOSTS" in answer.json()["detail"]


def test_hosts_that_are_named_are_answered(now: Snapshot) -> None:
    with answering(Fixed(now), hosts=("films.example.org", "*.example.net")) as client:
        for host in ("films.example.org", "FILMS.example.org:8443", "a.b.example.net", "[::1]:80"):
            assert client.get("/v1/movies/5", headers={"Host": host}).status_code == 200
        for host in ("example.net", "films.example.org.evil.example"):
            assert client.get("/v1/movies/5", headers={"Host": host}).status_code == 421


def test_other_sites_may_only_read_where_they_are_named(now: Snapshot) -> None:
    shop = {"Origin": "https://shop.example.org"}
    with answering(Fixed(now)) as closed:
        assert "Access-Control-Allow-Origin" not in closed.get("/v1/movies/5", headers=shop).headers
    with answering(Fixed(now), origins=("https://shop.example.org",)) as client:
        allowed = client.get("/v1/movies/5", headers=shop).headers
        assert allowed["Access-Control-Allow-Origin"] == "https://shop.example.org"
        other = client.get("/v1/movies/5", headers={"Origin": "https://evil.example"}).headers
        assert "Access-Control-Allow-Origin" not in other


def test_counters_are_for_this_machine_and_for_who_has_the_key(client: Client) -> None:
    client.get("/v1/users/5/recommendations?k=1")
    text = client.get("/metrics").text
    counted = 'method="GET",path="/v1/users/{user_id}/recommendations",status="200"'
    assert counted in text and "lightgcn_ready 1.0" in text
    assert "lightgcn_request_seconds_bucket" in text
    through_a_proxy = {"X-Forwarded-For": "192.0.2.1"}
    problem(client.get("/metrics", headers=through_a_proxy), 401)
    with_key = through_a_proxy | {"Authorization": f"Bearer {KEY}"}
    assert client.get("/metrics", headers=with_key).status_code == 200


# --- when something fails -------------------------------------------------------------------------


def test_a_fault_of_the_server_tells_nothing_but_its_id(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("/a/secret/path")

    monkeypatch.setattr(answers, "film_page", broken)
    answer = client.get("/v1/movies", headers={"X-Request-ID": "my-own.id"})
    told = problem(answer, 500)
    assert told["request"] == "my-own.id" and "secret" not in answer.text
    assert "my-own.id" in caplog.text and "/a/secret/path" in caplog.text  # for the operator


def test_without_a_model_it_says_so_and_when_to_ask_again() -> None:
    with answering(Fixed(None)) as client:
        for path in ("/health/ready", "/v1/model", "/v1/users/5/recommendations"):
            answer = client.get(path)
            problem(answer, 503)
            assert int(answer.headers["Retry-After"]) > 0
        assert client.get("/health/live").json() == {"status": "live"}


def test_the_log_has_ids_but_neither_keys_nor_ratings_nor_questions(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": "Bearer wrong-secret-key"}
    client.post("/v1/recommendations", {"ratings": [{"movie": 33, "stars": 1.25}]})
    client.post("/v1/recommendations", {"ratings": [{"movie": 33, "stars": 61.25}]})
    client.post("/v1/trainings", {}, headers=headers)
    asked = client.get("/v1/movies?q=sesame")
    lines = "\n".join(
        r.getMessage() for r in caplog.records if r.name.startswith(("api", "uvicorn.error"))
    )
    assert asked.headers["X-Request-ID"] in lines and "POST /v1/recommendations 422" in lines
    assert not re.search("1.25|wrong-secret|sesame", lines)


def test_a_forged_line_of_the_log_stays_one_line(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    address, port = client.url.removeprefix("http://").split(":")
    with socket.create_connection((address, int(port))) as raw:
        raw.sendall(
            b"GET /a%0aGET%20/forged HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        while raw.recv(4096):
            pass
    (line,) = (r.getMessage() for r in caplog.records if r.name == "api.gates")
    assert "\n" not in line


# --- ETags ----------------------------------------------------------------------------------------


def test_an_answer_that_is_known_is_not_sent_again(client: Client) -> None:
    path = "/v1/users/5/recommendations?k=3"
    tag = client.get(path).headers["ETag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert again.status_code == 304 and not again.content and again.headers["ETag"] == tag
    assert client.get(path + "0", headers={"If-None-Match": tag}).status_code == 200
    missing = client.get("/v1/users/9999/recommendations", headers={"If-None-Match": "*"})
    assert missing.status_code == 404
