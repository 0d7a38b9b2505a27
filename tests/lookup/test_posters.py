"""Posters against a loopback server that plays TMDB: good, absent, refusing, slow and broken."""

from __future__ import annotations

import gzip
import json
import logging
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from lookup import posters
from lookup.posters import Film, PosterService
from tests.conftest import REPOSITORY, assert_one_sentence, snapshot

V3 = "0123456789abcdef0123456789ABCDEF"
V4 = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ0ZXN0In0.c2lnbmF0dXJl-_"
TOY = Film("Toy Story", 1995, "0114709", "862")
DAY = timedelta(days=1).total_seconds()


# --- the server -----------------------------------------------------------------------------------


@dataclass
class Reply:
    """What the server answers; a body that is not bytes is sent as JSON."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


@dataclass(frozen=True)
class Asked:
    path: str
    query: dict[str, str]
    authorization: str | None
    at: float


def poster(path: str | None = "/toy.jpg", **more: Any) -> dict[str, Any]:
    return {"id": 1, "poster_path": path, **more}


class FakeTmdb:
    """Answers by path; several replies are used up in turn, the last one stays. Else 404."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.peak = 0  # of requests being answered at once
        self._active = 0
        self._replies: dict[str, list[Reply]] = {}
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet, else the client acknowledges late

            def do_GET(self) -> None:
                fake._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 64
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # clients that hang up are part of the play

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/3"

    def on(self, path: str, *replies: Reply) -> None:
        self._replies[path] = list(replies)

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        path = parts.path.removeprefix("/3")
        with self._lock:
            query = dict(parse_qsl(parts.query))
            authorization = handler.headers["Authorization"]
            self.asked.append(Asked(path, query, authorization, time.monotonic()))
            replies = self._replies.get(path) or self._replies.get("*") or [Reply(404)]
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
            self._active += 1
            self.peak = max(self.peak, self._active)
        time.sleep(reply.delay)
        with self._lock:
            self._active -= 1
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        for name, value in {"Content-Length": str(len(body)), **reply.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
        if "Content-Length" in reply.headers:  # a false one: hang up in the middle of the body
            handler.close_connection = True


@pytest.fixture
def tmdb() -> Iterator[FakeTmdb]:
    fake = FakeTmdb()
    thread = threading.Thread(target=fake.server.serve_forever, args=(0.005,), daemon=True)
    thread.start()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short back-offs, no proxy, and failures forgotten at once; tests may set them back."""
    monkeypatch.setattr(posters, "BACKOFF_SECONDS", 0.02)
    monkeypatch.setattr(posters, "RETEST_SECONDS", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


Make = Callable[..., PosterService]


@pytest.fixture
def make(tmdb: FakeTmdb, tmp_path: Path) -> Make:
    """A service that asks the loopback server; all share one cache folder."""

    def service(token: str | None = V4, **options: Any) -> PosterService:
        options = {"cache_dir": tmp_path / "cache", "api_url": tmdb.url, **options}
        return PosterService(token, image_url="https://images.test/t/p", **options)

    return service


def url(path: str = "/toy.jpg") -> str:
    return f"https://images.test/t/p/w342{path}"


def numbered(n: int) -> list[Film]:
    return [Film(f"Film {i}", 1999, tmdb_id=str(i)) for i in range(1, n + 1)]


# --- which film is asked for, and how -------------------------------------------------------------


def test_the_public_addresses_are_those_of_tmdb(tmp_path: Path) -> None:
    service = PosterService(V4, tmp_path)
    assert service._api_url == "https://api.themoviedb.org/3"
    assert service._image_url == "https://image.tmdb.org/t/p/w342"
    assert snapshot(tmp_path) == {}


def test_the_tmdb_id_comes_first(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("/movie/862", Reply(body=poster()))
    assert make().urls([TOY]) == [url()]
    assert tmdb.paths() == ["/movie/862"]


@pytest.mark.parametrize(
    ("stored", "sent"),
    [("0114709", "tt0114709"), ("417", "tt0000417"), ("10872600", "tt10872600")],
)
@pytest.mark.parametrize("tmdb_id", ["", "862"])
def test_the_imdb_id_comes_second_padded_to_seven_digits(
    tmdb: FakeTmdb, make: Make, stored: str, sent: str, tmdb_id: str
) -> None:
    found = {"movie_results": [poster(), poster("/other.jpg")], "tv_results": []}
    tmdb.on(f"/find/{sent}", Reply(body=found))
    assert make().urls([Film("Any", 1995, stored, tmdb_id)]) == [url()]
    assert tmdb.paths() == ["/movie/862"] * bool(tmdb_id) + [f"/find/{sent}"]
    assert tmdb.asked[-1].query == {"external_source": "imdb_id"}


def test_a_series_is_found_by_its_imdb_id(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("/find/tt0185906", Reply(body={"movie_results": [], "tv_results": [poster()]}))
    assert make().urls([Film("Band of Brothers", 2001, "0185906")]) == [url()]


@pytest.mark.parametrize(
    ("released", "fits"),
    [(date, True) for date in ("1995-12-31", "1994-01-01", "1996-06-06")]
    + [(date, False) for date in ("1993-12-31", "1997-01-01", "", None, "soon")],
)
def test_the_title_comes_last_and_the_year_must_fit(
    tmdb: FakeTmdb, make: Make, released: str | None, fits: bool
) -> None:
    tmdb.on("/find/tt0114709", Reply(body={"movie_results": [], "tv_results": []}))
    results = [
        poster("/much-later.jpg", release_date="2015-02-02"),
        poster(release_date=released),
        poster("/second.jpg", release_date="1995-01-01"),
    ]
    tmdb.on("/search/movie", Reply(body={"results": results}))
    assert make().urls([TOY]) == [url() if fits else url("/second.jpg")]
    assert tmdb.paths() == ["/movie/862", "/find/tt0114709", "/search/movie"]
    assert tmdb.asked[-1].query == {"query": "Toy Story", "year": "1995"}


def test_a_title_of_another_time_is_no_match(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("/search/movie", Reply(body={"results": [poster(release_date="2015-01-01")]}))
    assert make().urls([Film("Heat", 1995)]) == [None]


def test_a_title_without_a_year_takes_the_first_match(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("/search/movie", Reply(body={"results": [poster(), poster("/other.jpg")]}))
    assert make().urls([Film("Amélie & Co? #1")]) == [url()]
    assert tmdb.asked[0].query == {"query": "Amélie & Co? #1"}


@pytest.mark.parametrize("odd", ["../account", "862.0", "8 62", "tt862", "²", "-1", "9" * 99])
def test_what_is_no_id_never_becomes_part_of_a_url(tmdb: FakeTmdb, make: Make, odd: str) -> None:
    tmdb.on("/search/movie", Reply(body={"results": [poster(release_date="1995-01-01")]}))
    assert make().urls([Film("Heat", 1995, odd, odd)]) == [url()]
    assert tmdb.paths() == ["/search/movie"]


def test_a_film_without_a_poster_is_not_mistaken_for_another(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("/movie/862", Reply(body=poster(None)))
    assert make().urls([TOY]) == [None]
    assert tmdb.paths() == ["/movie/862"]


def test_the_order_of_the_films_is_kept(tmdb: FakeTmdb, make: Make) -> None:
    films = numbered(6)
    for film in films:
        i = int(film.tmdb_id)
        tmdb.on(f"/movie/{i}", Reply(body=poster(f"/{i}.png"), delay=0.05 * (6 - i)))
    tmdb.on("/movie/4", Reply(body=poster(None)))
    expected = [url(f"/{i}.png") if i != 4 else None for i in range(1, 7)]
    assert make().urls([*films, films[0]]) == [*expected, expected[0]]
    assert make().urls([]) == []


# --- the token ------------------------------------------------------------------------------------


@pytest.mark.parametrize("around", ["{}", " {}\n"])
def test_a_v4_token_goes_into_the_header_alone(tmdb: FakeTmdb, make: Make, around: str) -> None:
    make(around.format(V4)).urls([TOY])
    assert {asked.authorization for asked in tmdb.asked} == {f"Bearer {V4}"}
    assert len(tmdb.asked) == 3 and not any(V4 in str(asked.query) for asked in tmdb.asked)


def test_a_v3_key_goes_into_the_query_alone(tmdb: FakeTmdb, make: Make) -> None:
    make(V3).urls([TOY])
    assert [asked.query for asked in tmdb.asked] == [
        {"api_key": V3},
        {"external_source": "imdb_id", "api_key": V3},
        {"query": "Toy Story", "year": "1995", "api_key": V3},
    ]
    assert {asked.authorization for asked in tmdb.asked} == {None}


@pytest.mark.parametrize(("token", "expected"), [(V4, f"Bearer {V4}"), (V3, None)])
def test_a_netrc_does_not_take_the_place_of_the_token(
    tmdb: FakeTmdb,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    expected: str | None,
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    make(token).urls([TOY])
    assert tmdb.asked[0].authorization == expected


@pytest.mark.parametrize("token", [None, "", " \n"])
def test_no_token_means_no_posters_and_no_fuss(
    tmdb: FakeTmdb, make: Make, token: str | None
) -> None:
    service = make(token)
    assert service.urls([TOY, TOY]) == [None, None]
    assert (service.enabled, service.notice, tmdb.asked) == (False, None, [])


@pytest.mark.parametrize(
    "token", [V3[:-1], V3 + "0", "g" + V3[1:], V4.replace(".", ""), V4 + ".x", V4 + "\r\nX: y", "?"]
)
def test_a_malformed_token_is_refused_in_one_sentence(
    tmdb: FakeTmdb, make: Make, token: str
) -> None:
    service = make(token)
    assert service.urls([TOY]) == [None]
    assert not service.enabled and tmdb.asked == []
    assert_one_sentence(service.notice)
    assert len(token) == 1 or token not in service.notice


@pytest.mark.parametrize("token", [V3, V4])
def test_the_token_is_neither_logged_nor_shown_nor_stored(
    tmdb: FakeTmdb,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    token: str,
) -> None:
    monkeypatch.setattr(posters, "RETRIES", 0)
    caplog.set_level(logging.DEBUG)
    tmdb.on("/movie/1", Reply(body=poster()))
    tmdb.on("/movie/2", Reply(500))
    tmdb.on("/movie/3", Reply(body=b"<html>"))
    tmdb.on("/movie/4", Reply(302, headers={"Location": "/3/movie/1?api_key=" + V3}))
    tmdb.on("/movie/5", Reply(headers={"Content-Length": "9999"}))
    tmdb.on("/movie/6", Reply(delay=1.0))
    service = make(token, timeout=0.2)
    films = numbered(6)
    assert service.urls(films) == [url()] + [None] * 5
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert make(token, api_url=address).urls(numbered(7)[6:]) == [None]
    tmdb.on("*", Reply(401))
    service.urls(numbered(8))

    assert "/3/movie/2" in caplog.text  # urllib3 did log the requests
    assert "ConnectionError" in caplog.text and "ReadTimeout" in caplog.text
    stored = b"".join(content or b"" for content in snapshot(tmp_path / "cache").values())
    assert b"/toy.jpg" in stored and token.encode() not in stored
    shown = caplog.text + repr(service) + repr(vars(service)) + str(service.notice)
    shown += "".join(repr(vars(record)) for record in caplog.records)
    assert token not in shown


# --- the cache ------------------------------------------------------------------------------------


@pytest.fixture
def days_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the wall clock to so many days from now."""
    real = time.time

    def move(days: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + days * DAY)

    return move


@pytest.mark.parametrize(("path", "days"), [("/toy.jpg", 180), (None, 7)])
def test_answers_are_cached_and_expire(
    tmdb: FakeTmdb,
    make: Make,
    days_later: Callable[[float], None],
    path: str | None,
    days: int,
) -> None:
    tmdb.on("/movie/862", Reply(body=poster(path)), Reply(body=poster("/new.jpg")))
    old = url(path) if path else None
    assert make().urls([TOY]) == [old]
    days_later(days - 0.1)
    assert make(V3).urls([TOY]) == [old]  # another service, another token
    assert len(tmdb.asked) == 1
    days_later(days + 0.1)
    assert make().urls([TOY]) == [url("/new.jpg")]
    assert len(tmdb.asked) == 2


def test_nothing_known_anywhere_is_cached_too(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("/search/movie", Reply(body={"results": []}))
    assert make().urls([TOY]) == make().urls([TOY]) == [None]
    assert tmdb.paths() == ["/movie/862", "/find/tt0114709", "/search/movie"]


def test_better_ids_are_looked_up_anew(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("/movie/862", Reply(body=poster()))
    assert make().urls([Film("Toy Story", 1995)]) == [None]
    assert make().urls([Film("Toy Story", 1995, tmdb_id="862")]) == [url()]


def rows(folder: Path) -> list[tuple[str, str | None, float]]:
    with closing(sqlite3.connect(folder / "posters.sqlite3")) as db:
        return db.execute("SELECT * FROM posters").fetchall()


def test_what_has_expired_is_deleted(
    tmdb: FakeTmdb, make: Make, tmp_path: Path, days_later: Callable[[float], None]
) -> None:
    tmdb.on("*", Reply(body=poster()))
    old, new = numbered(2)
    make().urls([old])
    days_later(181)
    make().urls([new])
    assert [film for film, *_ in rows(tmp_path / "cache")] == [repr(new)]


def test_what_a_wrong_clock_wrote_is_not_kept_for_years(
    tmdb: FakeTmdb, make: Make, days_later: Callable[[float], None]
) -> None:
    tmdb.on("/movie/862", Reply(body=poster("/old.jpg")), Reply(body=poster()))
    days_later(5000)
    make().urls([TOY])
    days_later(0)
    assert make().urls([TOY]) == [url()]


def test_clocks_that_differ_a_little_do_not_cost_an_answer(
    tmdb: FakeTmdb, make: Make, days_later: Callable[[float], None]
) -> None:
    tmdb.on("*", Reply(body=poster()))
    first, second = numbered(2)
    days_later(60 / DAY)
    make().urls([first])
    days_later(0)
    make().urls([second])
    assert make().urls([first, second]) == [url()] * 2
    assert len(tmdb.asked) == 2


FAILURES = {
    "500": Reply(500),
    "400": Reply(400),
    "403": Reply(403),
    "429": Reply(429),
    "redirect": Reply(302, headers={"Location": "/3/movie/1"}),
    "slow": Reply(body=poster("/slow.jpg"), delay=0.3),
    "cut off": Reply(headers={"Content-Length": "9999"}),
    "bad gzip": Reply(body=b"no gzip", headers={"Content-Encoding": "gzip"}),
    "HTML": Reply(body=b"<!doctype html><title>Sign in</title>"),
    "empty": Reply(body=b""),
    "half JSON": Reply(body=b'{"poster_path": "/toy'),
    "deep JSON": Reply(body=b"[" * 100_000),
    "not UTF-8": Reply(body=b'{"poster_path": "\xff.jpg"}'),
    "list": Reply(body=[poster()]),
    "null": Reply(body=b"null"),
    "no path": Reply(body={"success": False}),
    "number": Reply(body=poster(5)),
    "empty path": Reply(body=poster("")),
    "other host": Reply(body=poster("//evil.example/x.jpg")),
    "climbing": Reply(body=poster("/../x.jpg")),
    "markup": Reply(body=poster('/x".jpg')),
    "other type": Reply(body=poster("/x.svg")),
    "line break": Reply(body=poster("/x.jpg\n")),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_and_garbage_give_no_poster_and_are_not_cached(
    tmdb: FakeTmdb, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    tmdb.on("*", FAILURES[name])
    service = make(timeout=0.1)
    assert service.urls([TOY]) == [None]
    assert set(tmdb.paths()) == {"/movie/862"}  # and no guess by title
    assert not (tmp_path / "cache").exists() or rows(tmp_path / "cache") == []
    assert service.enabled and len(caplog.records) <= 1  # foreseen: a word to the operator
    tmdb.on("*", Reply(body=poster()))
    assert make().urls([TOY]) == [url()]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/find/tt0114709", body) for body in ({}, {"movie_results": 1, "tv_results": []})]
    + [("/find/tt0114709", {"movie_results": [], "tv_results": "no"})]
    + [("/search/movie", body) for body in ({}, {"results": None}, {"results": [1]})]
    + [("/search/movie", {"results": [{"release_date": "1995-01-01"}]})],
)
def test_garbage_in_lists_is_not_taken_for_no_poster(
    tmdb: FakeTmdb, make: Make, caplog: pytest.LogCaptureFixture, path: str, body: dict
) -> None:
    tmdb.on(path, Reply(body=body))
    assert make().urls([TOY]) == [None]
    assert tmdb.paths()[-1] == path and caplog.text == ""
    tmdb.on("/movie/862", Reply(body=poster()))
    assert make().urls([TOY]) == [url()]


@pytest.mark.parametrize("how", ["overwritten", "cut short", "scribbled in"])
def test_a_damaged_cache_is_thrown_away(
    tmdb: FakeTmdb, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    tmdb.on("*", Reply(body=poster()))
    films = numbered(40)  # more than one page of the file
    assert make().urls(films) == [url()] * 40
    file = tmp_path / "cache" / "posters.sqlite3"
    content = file.read_bytes()
    damaged = {
        "overwritten": b"this is no database\n" * 100,
        "cut short": content[: len(content) // 2 - 100],
        "scribbled in": content[:4096] + b"\xa5" * (len(content) - 4096),
    }
    file.write_bytes(damaged[how])
    for _ in range(2):  # the damage may show only in reading, or only in writing
        assert make().urls(films) == [url()] * 40
    assert "damaged" in caplog.text
    assert len(rows(tmp_path / "cache")) > 0
    before = len(tmdb.asked)
    assert make().urls(films) == [url()] * 40
    assert len(tmdb.asked) == before


def test_without_a_writable_folder_there_is_no_cache_but_posters(
    tmdb: FakeTmdb, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    tmdb.on("*", Reply(body=poster()))
    service = make(cache_dir=tmp_path / "file" / "cache")
    assert service.urls([TOY]) == service.urls([TOY]) == [url()]
    assert len(tmdb.asked) == 2
    assert caplog.text.count("cannot be used") == 1


def test_a_forged_path_in_the_cache_does_not_reach_the_page(
    tmdb: FakeTmdb, make: Make, tmp_path: Path
) -> None:
    tmdb.on("*", Reply(body=poster()))
    make().urls([TOY])
    with closing(sqlite3.connect(tmp_path / "cache" / "posters.sqlite3")) as db, db:
        assert db.execute("UPDATE posters SET path = '/../evil.jpg'").rowcount == 1
    assert make().urls([TOY]) == [url()]


def test_a_cache_locked_by_another_process_holds_nobody_up(
    tmdb: FakeTmdb, make: Make, tmp_path: Path
) -> None:
    tmdb.on("*", Reply(body=poster()))
    make().urls([TOY])
    with closing(sqlite3.connect(tmp_path / "cache" / "posters.sqlite3")) as db:
        db.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        assert make().urls([TOY]) == [url()]
        assert time.monotonic() - started < 3
        db.rollback()
    assert len(tmdb.asked) == 2
    assert make().urls([TOY]) == [url()]
    assert len(tmdb.asked) == 2


def test_several_services_share_one_cache_at_the_same_time(
    tmdb: FakeTmdb, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmdb.on("*", Reply(body=poster()))
    films = numbered(40)
    threads = [
        threading.Thread(target=make().urls, args=(films[start : start + 20], 10.0))
        for start in (0, 10, 20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(film for film, *_ in rows(tmp_path / "cache")) == sorted(map(repr, films))
    assert caplog.text == ""


# --- trying again ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
def test_two_failures_are_forgiven(tmdb: FakeTmdb, make: Make, status: int) -> None:
    tmdb.on("/movie/862", Reply(status), Reply(status), Reply(body=poster()))
    assert make().urls([TOY]) == [url()]


@pytest.mark.parametrize(("status", "times"), [(429, 3), (500, 3), (400, 1), (403, 1), (302, 1)])
def test_how_often_a_failing_request_is_sent(
    tmdb: FakeTmdb, make: Make, status: int, times: int
) -> None:
    tmdb.on("/movie/862", Reply(status))
    assert make().urls([TOY]) == [None]
    assert tmdb.paths() == ["/movie/862"] * times


def test_the_waits_between_tries_grow(
    tmdb: FakeTmdb, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posters, "BACKOFF_SECONDS", 0.2)
    monkeypatch.setattr(posters.random, "uniform", lambda low, _: low)  # the shortest there are
    tmdb.on("/movie/862", Reply(500))
    make().urls([TOY])
    first, second, third = (asked.at for asked in tmdb.asked)
    assert second - first >= 0.09 and third - second >= 0.19


def test_retry_after_is_obeyed_by_every_lookup(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("/movie/1", Reply(429, headers={"Retry-After": "1"}), Reply(body=poster()))
    tmdb.on("/movie/2", Reply(body=poster("/2.jpg")))
    service = make()
    first, second = numbered(2)
    assert service.urls([first], deadline_seconds=0.5) == [None]
    assert service.urls([first, second]) == [url(), url("/2.jpg")]
    refused, *later = (asked.at for asked in tmdb.asked)
    assert len(later) == 2 and min(later) - refused >= 0.95


@pytest.mark.parametrize("seconds", ["60", "999999999999"])
def test_a_long_retry_after_is_not_waited_for(tmdb: FakeTmdb, make: Make, seconds: str) -> None:
    tmdb.on("*", Reply(429, headers={"Retry-After": seconds}))
    service = make()
    started = time.monotonic()
    assert service.urls([TOY]) == [None]
    assert service.urls(numbered(20)) == [None] * 20
    assert time.monotonic() - started < 2
    assert tmdb.paths() == ["/movie/862"]
    assert service._paused_until - time.monotonic() <= 600


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e9", "9" * 50])
def test_an_unreadable_retry_after_leaves_it_to_the_back_off(
    tmdb: FakeTmdb, make: Make, value: str
) -> None:
    tmdb.on("/movie/862", Reply(503, headers={"Retry-After": value}), Reply(body=poster()))
    assert make().urls([TOY]) == [url()]


def test_a_film_that_just_failed_is_left_alone_for_a_while(
    tmdb: FakeTmdb, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posters, "RETEST_SECONDS", 60.0)
    tmdb.on("/movie/862", Reply(400), Reply(body=poster()))
    service = make()
    assert service.urls([TOY]) == service.urls([TOY]) == [None]
    assert len(tmdb.asked) == 1
    service._failed_until[TOY] -= posters.RETEST_SECONDS  # as if so much time had passed
    assert service.urls([TOY]) == [url()]


# --- a service that fails -------------------------------------------------------------------------


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are remembered; silence is noticed at once."""
    monkeypatch.setattr(posters, "RETEST_SECONDS", 60.0)
    monkeypatch.setattr(posters, "SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(posters, "RETRIES", 0)


OUTAGES = {
    "refused": (None, "cannot be reached"),
    "silent": (Reply(delay=0.6), "does not answer"),
    "forbidden": (Reply(403), "does not let this server in"),
    "block page": (Reply(body=b"<!doctype html><title>Blocked</title>"), "web page"),
    "block page, 403": (Reply(403, b" <html>"), "web page"),
    "block page, 404": (Reply(404, b"<html>"), "web page"),
    "block page, 401": (Reply(401, b"<html>"), "web page"),
    "sign-in": (Reply(302, b"", {"Location": "/login"}), "web page"),
    "down": (Reply(503, b"<html>"), "a fault of its own"),
    "busy": (Reply(429), "asks this server to wait"),
    "garbage": (Reply(body=b"\0\1"), "no answer that can be read"),
    "cut off": (Reply(headers={"Content-Length": "9999"}), "cannot be reached"),
    "packed": (Reply(body=b"", headers={"Content-Encoding": "gzip"}), "no answer that can be"),
}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("name", OUTAGES)
def test_a_service_that_fails_is_asked_by_one_page_only_and_the_page_says_why(
    tmdb: FakeTmdb, make: Make, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply, why = OUTAGES[name]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        address = {"api_url": f"http://127.0.0.1:{nobody.getsockname()[1]}"} if not reply else {}
        tmdb.on("*", *[reply] if reply else [])
        service, films = make(**address), numbered(30)
        for begin in range(0, 30, 10):  # three pages of other films, and the first one again
            assert service.urls(films[begin : begin + 10], 0.2) == [None] * 10
        assert service.urls(films[:10], 0.2) == [None] * 10
    assert len(tmdb.asked) <= 10  # by the first page alone
    assert service.enabled and service.notice
    assert_one_sentence(service.notice)
    assert why in service.notice
    assert len(caplog.records) == 1 and "Film" not in caplog.text  # nor what people look at


@pytest.mark.usefixtures("patient")
def test_a_film_that_fails_alone_stops_no_other(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("*", Reply(body=poster()))
    tmdb.on("/movie/1", Reply(500, delay=0.1))
    service = make()
    assert service.urls(numbered(4)) == [None, *[url()] * 3]
    assert service.notice is None
    assert service.urls(numbered(5)) == [None, *[url()] * 4]


@pytest.mark.usefixtures("patient")
def test_after_a_while_one_page_tries_again_and_success_ends_it(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("*", Reply(403))
    service, films = make(), numbered(9)
    waits = []
    for number in range(3):
        asked = len(tmdb.asked)
        service.urls(films[number : number + 1])
        assert len(tmdb.asked) == asked + 1
        waits.append(service._down_until - time.monotonic())
        service._down_until = 0.0  # as if so much time had passed
    assert waits == pytest.approx([60, 120, 240], abs=2)  # longer each time
    tmdb.on("*", Reply(body=poster(), delay=0.3))
    first = threading.Thread(target=service.urls, args=(films[3:5],))
    first.start()
    while len(tmdb.asked) < 4:
        time.sleep(0.005)
    assert service.urls(films[5:7]) == [None, None]  # does not wait with the one that tries
    first.join()
    assert service.notice is None
    assert service.urls(films[3:]) == [url()] * 6


@pytest.mark.usefixtures("patient")
def test_an_answer_that_comes_late_ends_the_outage(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("*", Reply(body=poster(), delay=0.5))
    service, films = make(), numbered(2)
    assert service.urls(films[:1], 0.2) == [None]
    assert "does not answer" in (service.notice or "")
    (job,) = service._running.values()
    job.path.result(timeout=10)
    assert service.notice is None
    assert service.urls(films) == [url()] * 2


# --- bounded --------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ENDLESS = b"x" * 65536
BOMB = gzip.compress(b"[" * 20_000_000)


def drip(rest: bytes) -> Iterator[bytes]:
    for byte in rest:
        yield bytes([byte])
        time.sleep(0.05)


def chunked() -> Iterator[bytes]:
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"10000\r\n" + ENDLESS + b"\r\n"


def after(head: bytes, rest: bytes) -> Callable[[], Iterator[bytes]]:
    def play() -> Iterator[bytes]:
        yield head
        while True:
            yield rest

    return play


HOSTILE: dict[str, Callable[[], Iterator[bytes]]] = {
    "dripping head": lambda: drip(HEAD * 99),
    "dripping body": lambda: (
        piece for part in (iter([HEAD + b"\r\n"]), drip(ENDLESS)) for piece in part
    ),
    "dripping chunk size": lambda: (
        piece
        for part in (iter([HEAD + b"Transfer-Encoding: chunked\r\n\r\n"]), drip(b"0" * 999))
        for piece in part
    ),
    "endless body": after(HEAD + b"\r\n", ENDLESS),
    "endless body of a redirect": after(b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", ENDLESS),
    "endless body of an error": after(b"HTTP/1.1 500 Oh\r\n\r\n", ENDLESS),
    "endless chunks": chunked,
    "endless line": after(b"HTTP/1.1 ", ENDLESS),
    "endless heads": after(HEAD, b"X-More: 1\r\n" * 1000),
    "endless 100": after(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "bomb": lambda: iter([HEAD + b"Content-Encoding: gzip\r\n\r\n", BOMB]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_answer_costs_more_than_its_share_of_time_and_memory(
    make: Make, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(posters, "ANSWER_SECONDS", 0.4)
    monkeypatch.setattr(posters, "RETRIES", 0)
    monkeypatch.setattr(posters, "RETEST_SECONDS", 60.0)
    sent, ended = [0], threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        connection.settimeout(10)
        with connection, suppress(OSError):
            connection.recv(65536)
            for piece in HOSTILE[name]():
                connection.sendall(piece)
                sent[0] += len(piece)
            if name == "bomb":
                connection.recv(1)  # until the other side hangs up
        ended.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        service = make(api_url=f"http://127.0.0.1:{listener.getsockname()[1]}/3")
        tracemalloc.start()
        assert service.urls([TOY], 20.0) == [None]  # far less than 20 s: the look-up has ended
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert ended.wait(10)  # the connection is closed
    assert service._running == {} and service.notice
    assert peak < 12 * 2**20  # http.client takes a hundred lines of 64 KiB for a head
    assert sent[0] < 64 * 2**20  # what sockets hold, and no more


# --- a refused token ------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [V3, V4])
def test_a_refused_token_switches_posters_off_with_one_notice(
    tmdb: FakeTmdb, make: Make, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    tmdb.on("*", Reply(body=poster()), Reply(401, delay=0.1))
    service, films = make(token), numbered(40)
    assert service.urls(films[:1]) == [url()]
    assert (service.enabled, service.notice) == (True, None)
    assert service.urls(films) == [None] * 40
    assert not service.enabled
    assert_one_sentence(service.notice)
    assert [record.getMessage() for record in caplog.records] == [service.notice]

    before = len(tmdb.asked)
    assert service.urls(films) == [None] * 40
    assert len(tmdb.asked) == before <= 1 + posters.CONCURRENT  # only those that were on their way
    tmdb.on("*", Reply(body=poster()))
    assert make(V4).urls(films) == [url()] * 40  # and nothing of it was cached


def test_a_refused_token_wakes_those_who_wait_for_another_try(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("/movie/1", Reply(429, headers={"Retry-After": "3"}, delay=0.2))
    tmdb.on("/movie/2", Reply(401, delay=0.4))
    started = time.monotonic()
    assert make().urls(numbered(2), deadline_seconds=9) == [None, None]
    assert time.monotonic() - started < 2.5
    assert sorted(tmdb.paths()) == ["/movie/1", "/movie/2"]


# --- side by side, in time ------------------------------------------------------------------------


def test_the_lookups_of_a_page_run_side_by_side(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("*", Reply(body=poster(), delay=0.4))
    started = time.monotonic()
    assert make().urls(numbered(10)) == [url()] * 10
    assert time.monotonic() - started < 2.5  # one after the other: 4 s
    assert tmdb.peak == 10


def test_there_is_a_limit_to_how_many_run_at_once(tmdb: FakeTmdb, make: Make) -> None:
    tmdb.on("*", Reply(body=poster(), delay=0.1))
    assert make().urls(numbered(40), deadline_seconds=10) == [url()] * 40
    assert 10 <= tmdb.peak <= posters.CONCURRENT


def test_the_page_does_not_wait_and_the_late_answer_is_there_next_time(
    tmdb: FakeTmdb, make: Make
) -> None:
    tmdb.on("/movie/1", Reply(body=poster(), delay=0.8))
    tmdb.on("/movie/2", Reply(body=poster("/2.jpg")))
    service, films = make(), numbered(2)
    started = time.monotonic()
    assert service.urls(films, deadline_seconds=0.4) == [None, url("/2.jpg")]
    assert time.monotonic() - started < 0.75
    assert service.urls(films, deadline_seconds=0.0) == [None, url("/2.jpg")]
    assert service.urls(films) == [url(), url("/2.jpg")]  # joins what is still under way
    assert make().urls(films, deadline_seconds=0.0) == [url(), url("/2.jpg")]
    assert sorted(tmdb.paths()) == ["/movie/1", "/movie/2"]


def test_a_lookup_does_not_go_on_for_ever(
    tmdb: FakeTmdb, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posters, "LOOKUP_SECONDS", 0.5)
    tmdb.on("*", Reply(body=poster(), delay=1.2))
    started = time.monotonic()
    assert make().urls([TOY]) == [None]
    assert time.monotonic() - started < 1.1  # the timeout alone would allow for 5 s
    assert len(tmdb.asked) == 1


def test_a_page_never_fails_for_a_poster(
    tmdb: FakeTmdb,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"quotes {V4}")

    service = make()
    with monkeypatch.context() as broken:
        broken.setattr(service._session, "get", fail)
        assert service.urls(numbered(3)) == [None] * 3
    with monkeypatch.context() as broken:
        broken.setattr(threading.Thread, "start", fail)  # as when no thread is left
        assert service.urls(numbered(3)) == [None] * 3
    assert caplog.text.count("RuntimeError") == 4 and V4 not in caplog.text
    tmdb.on("*", Reply(body=poster()))
    assert service.urls(numbered(3)) == [url()] * 3


def test_lookups_under_way_do_not_hold_up_the_exit(tmdb: FakeTmdb, tmp_path: Path) -> None:
    tmdb.on("*", Reply(delay=20.0))
    script = (
        "import pathlib, sys\nfrom lookup import posters\n"
        f"service = posters.PosterService({V4!r}, pathlib.Path({str(tmp_path)!r}), {tmdb.url!r})\n"
        "films = [posters.Film(str(i), tmdb_id=str(i)) for i in range(40)]\n"
        "assert service.urls(films, 0.5) == [None] * 40\n"
        "assert 'streamlit' not in sys.modules\n"
    )
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        timeout=15,
    )
    assert time.monotonic() - started < 4.5
    assert tmdb.asked  # they were under way


def test_the_attribution_is_worded_as_tmdb_asks() -> None:
    expected = "This product uses the TMDB API but is not endorsed or certified by TMDB."
    assert expected == posters.TMDB_NOTICE
    assert posters.TMDB_LOGO_URL.startswith("https://www.themoviedb.org/assets/")
