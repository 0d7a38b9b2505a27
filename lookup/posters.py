"""Film → URL of its poster at TMDB; None wherever a drawn cover has to do. No Streamlit in here.

Only the JSON look-ups happen here, and only their answers are cached: the browser itself fetches
the images from TMDB. Whoever shows a poster also shows `TMDB_NOTICE` among the credits, with the
unaltered logo at `TMDB_LOGO_URL`, less prominent than the app's own name.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import random
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, wait
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from sources.bounded_http import AnswerError, BoundedSession, chunks

log = logging.getLogger(__name__)

TMDB_NOTICE = "This product uses the TMDB API but is not endorsed or certified by TMDB."
TMDB_LOGO_URL = (  # "Alt short (blue)" of https://www.themoviedb.org/about/logos-attribution
    "https://www.themoviedb.org/assets/v4/logos/v2/"
    "blue_short-8e7b30f73a4020692ccca9c88bafe5dcb6f8a62a4c6bc55cd9ba82bb2cd95f6c.svg"
)
API_URL = "https://api.themoviedb.org/3"
IMAGE_URL = "https://image.tmdb.org/t/p"
POSTER_SIZE = "w342"  # cards are about 136 CSS px wide: sharp up to 2.5 device pixels per CSS px

FOUND_SECONDS = 180 * 86_400  # TMDB's terms: nothing is kept for longer than six months
NOT_FOUND_SECONDS = 7 * 86_400
ANSWER_SECONDS, ANSWER_BYTES = 6.0, 2**20  # of a whole answer; TMDB's have some kilobytes
LOOKUP_SECONDS = 15.0  # a look-up may outlive its page, for the cache's sake, but no longer
SILENCE_SECONDS = 2.5  # without any answer to a page that waits: then none is to be expected
RETEST_SECONDS = 30.0  # after a failure; else every rerun would wait for a network that is down
RETRIES, BACKOFF_SECONDS, MAX_PAUSE_SECONDS = 2, 0.3, 600.0
CONCURRENT = 16

_MALFORMED = (
    "Posters are off, because the TMDB token is neither an API key (32 hexadecimal digits) nor a "
    "read access token (eyJ…); copy it anew from your TMDB settings."
)
_REFUSED = "Posters are off, because TMDB refused the token; correct it and restart the app."

# Why there is no answer, as the page says it.
_SILENT = "TMDB does not answer in time"
_UNREACHABLE = "TMDB cannot be reached from this server"
_FORBIDDEN = "TMDB does not let this server in"
_BUSY = "TMDB asks this server to wait"
_BROKEN = "TMDB has a fault of its own"
_BLOCKED = "a web page answers in the place of TMDB, as a firewall or a sign-in page does"
_ODD = "what comes from TMDB is no answer that can be read"

_POSTER_PATH = re.compile(r"/[A-Za-z0-9_-]+\.(jpg|png)")
_V3_KEY = re.compile(r"[0-9A-Fa-f]{32}")
_V4_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_NUMBER = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class Film:
    """What a poster is looked up by: display name, year (None: unknown), ids as in links.csv."""

    name: str
    year: int | None = None
    imdb_id: str = ""
    tmdb_id: str = ""


class PosterService:
    """Looks posters up side by side; sessions may share it.

    When look-ups fail and nothing else is answered meanwhile, it is the service that fails: for a
    while, longer each time, none is begun for any film, and no page waits. Then one page tries.
    """

    def __init__(
        self,
        token: str | None,
        cache_dir: Path,
        api_url: str = API_URL,
        image_url: str = IMAGE_URL,
        timeout: float = 5.0,
    ) -> None:
        """Sends nothing yet and never raises: a malformed token shows in `notice`.

        Args:
            token: v4 read access token or v3 API key; None or "" means no posters.
            cache_dir: made when needed; where it cannot be written, there is no cache.
            timeout: seconds to wait for a connection, and again for its answer.
        """
        token = (token or "").strip()
        sound = _V3_KEY.fullmatch(token) or _V4_TOKEN.fullmatch(token)
        self._off_for: str | None = None if sound or not token else _MALFORMED
        self._off = threading.Event()
        if not sound:
            self._off.set()
        self._api_url, self._timeout = api_url, timeout
        self._image_url = f"{image_url}/{POSTER_SIZE}"
        self._cache = _Cache(cache_dir / "posters.sqlite3")
        self._session = BoundedSession(ANSWER_SECONDS, CONCURRENT)
        self._session.auth = _Credential(token)
        self._slots = threading.BoundedSemaphore(CONCURRENT)
        self._lock = threading.Lock()  # guards what follows; the times are time.monotonic()
        self._running: dict[Film, _LookUp] = {}
        self._failed_until: dict[Film, float] = {}
        self._paused_until = 0.0
        self._answered_at = -math.inf
        self._outages, self._down_since, self._down_until, self._down_for = 0, 0.0, 0.0, ""

    @property
    def enabled(self) -> bool:
        """Whether posters are on, and TMDB's notice and logo are due."""
        return not self._off.is_set()

    @property
    def notice(self) -> str | None:
        """Why there are no posters, or no new ones, one sentence to show; None if nothing is wrong.

        A token that is malformed, or that TMDB has refused, needs a new service.
        """
        if self._off_for or not self._down_for:
            return self._off_for
        return f"No new posters for now, because {self._down_for}; they are tried again later."

    def urls(self, films: Sequence[Film], deadline_seconds: float = 3.0) -> list[str | None]:
        """An image URL per film, in order; None means a drawn cover. Never raises.

        Returns after about `deadline_seconds` at most; a later answer is cached for the next time.
        """
        deadline = time.monotonic() + deadline_seconds
        try:
            if self.enabled:
                paths = self._cache.get(films)
                jobs = self._start([film for film in films if film not in paths])
                found = {film: job.path for film, job in jobs.items()}
                wait(found.values(), max(0.0, deadline - time.monotonic()))
                paths |= {film: path.result() for film, path in found.items() if path.done()}
                self._mind_silence(jobs.values())
            if self.enabled:  # still
                return [self._image_url + path if (path := paths.get(f)) else None for f in films]
        except Exception as error:  # whatever it was, a page never fails for a poster
            log.warning("posters failed: %s", type(error).__name__)
        return [None] * len(films)

    def _start(self, films: Sequence[Film]) -> dict[Film, _LookUp]:
        """The look-ups under way, after starting those that neither are nor failed just now."""
        jobs = {}
        with self._lock:
            now = time.monotonic()
            if now < self._down_until:
                return {}
            if self._outages and films:  # this page tries whether it works again; others wait
                self._down_until = now + RETEST_SECONDS
            for film in films:
                if film not in self._running and self._failed_until.get(film, 0.0) <= now:
                    job = _LookUp(now)
                    # A daemon: a ThreadPoolExecutor would hold up the interpreter's exit.
                    threading.Thread(target=self._work, args=(film, job), daemon=True).start()
                    self._running[film] = job
                if film in self._running:
                    jobs[film] = self._running[film]
        return jobs

    def _work(self, film: Film, job: _LookUp) -> None:
        path, failure = None, None
        try:
            with self._slots:
                path = self._look_up(film, job.begun + LOOKUP_SECONDS)
            self._cache.put(film, path)
        except _LookupFailedError as error:
            failure = error
        except Exception as error:  # the message might quote a URL, and with it a v3 key
            log.warning("a poster failed: %s", type(error).__name__)
            failure = _LookupFailedError(type(error).__name__, _ODD)
        with self._lock:
            self._running.pop(film)
            if failure:
                # Which film it was is the visitor's affair, not the log's.
                log.info("no poster: %s", failure)
                self._failed_until[film] = time.monotonic() + RETEST_SECONDS
                self._mind_failure(job, failure.why)
        job.path.set_result(path)

    def _mind_silence(self, jobs: Iterable[_LookUp]) -> None:
        """After a page waited: if it was for nothing, the next pages shall not."""
        now = time.monotonic()
        with self._lock:
            for job in jobs:
                if not job.path.done() and now - job.begun >= SILENCE_SECONDS:
                    self._mind_failure(job, _SILENT)

    def _mind_failure(self, job: _LookUp, why: str) -> None:
        """The service is down unless it answered anything since; only with the lock."""
        now = time.monotonic()
        known = self._down_for and job.begun < self._down_since  # one of those that told already
        if self._answered_at >= job.begun or known or not self.enabled:
            return
        pause = min(RETEST_SECONDS * 2**self._outages, MAX_PAUSE_SECONDS)
        self._outages = min(self._outages + 1, 10)
        self._down_since, self._down_for = now, why
        self._down_until = max(now + pause, self._paused_until)
        log.warning("no posters for %.0f s: %s", self._down_until - now, why)

    def _mind_answer(self) -> None:
        with self._lock:
            self._answered_at = time.monotonic()
            self._outages, self._down_until, self._down_for = 0, 0.0, ""

    def _look_up(self, film: Film, give_up: float) -> str | None:
        """The poster's path, None if TMDB has none; raises `_LookupFailedError`."""
        if _NUMBER.fullmatch(film.tmdb_id):
            found = self._get(f"/movie/{film.tmdb_id}", {}, give_up)
            if found is not None:
                return _poster_path(found)
        if _NUMBER.fullmatch(film.imdb_id):  # without tt, and maybe without its leading zeros
            query = {"external_source": "imdb_id"}
            found = self._get(f"/find/tt{film.imdb_id:0>7}", query, give_up)
            # MovieLens also holds a few series, which TMDB does not count as movies.
            for entry in _entries(found, "movie_results") + _entries(found, "tv_results"):
                return _poster_path(entry)
        # requests leaves a None out. `year` is that of any release: look at the first one, too.
        found = self._get("/search/movie", {"query": film.name, "year": film.year}, give_up)
        for entry in _entries(found, "results"):
            year = str(entry.get("release_date"))[:4]
            if film.year is None or (year.isdecimal() and abs(int(year) - film.year) <= 1):
                return _poster_path(entry)
        return None

    def _get(self, path: str, query: dict[str, Any], give_up: float) -> dict[str, Any] | None:
        """TMDB's JSON object; None for 404. Retries as long as `give_up` and `_off` allow."""
        problem, not_before = _LookupFailedError("no time left", _BUSY), 0.0
        for attempt in range(1 + RETRIES):
            now = time.monotonic()
            start = max(now, not_before, self._paused_until)
            if start >= give_up or self._off.wait(start - now):
                break
            try:
                answer = self._ask(path, query, min(self._timeout, give_up - start))
            except (requests.RequestException, OSError) as error:
                late = isinstance(error, requests.Timeout)
                why = _ODD if isinstance(error, AnswerError) else _SILENT if late else _UNREACHABLE
                # The message of the error quotes the URL: not for logs.
                problem = _LookupFailedError(type(error).__name__, why)
            else:
                problem = _LookupFailedError(f"HTTP {answer.status}", _ODD)
                content = answer.content()
                if content is None and answer.status not in (429, *range(500, 600)):
                    raise _LookupFailedError(
                        f"{problem} without JSON", _BLOCKED if answer.is_page else _ODD
                    )
                if answer.status == 403:
                    raise _LookupFailedError(str(problem), _FORBIDDEN)
                if answer.status == 401:
                    self._switch_off()
                    raise problem
                if answer.status != 429 and answer.status < 500:
                    self._mind_answer()
                    if answer.status == 404:
                        return None
                    if answer.status == 200:
                        return content
                    raise problem
                problem.why = _BUSY if answer.status == 429 else _BROKEN
                self._pause(answer.retry_after)
            backoff = BACKOFF_SECONDS * 2**attempt * random.uniform(0.5, 1.5)
            not_before = time.monotonic() + backoff
        raise problem

    def _ask(self, path: str, query: dict[str, Any], timeout: float) -> _Answer:
        """Whatever comes back, of bounded size and in a bounded time; raises what `requests` does.

        A redirect is not followed: it could carry the token elsewhere.
        """
        with self._session.get(
            self._api_url + path, params=query, timeout=timeout, stream=True, allow_redirects=False
        ) as response:
            body = b"".join(chunks(response, ANSWER_BYTES))
            retry_after = response.headers.get("Retry-After", "")
            return _Answer(response.status_code, body, retry_after, response.is_redirect)

    def _pause(self, retry_after: str) -> None:
        """Make every look-up wait for so many seconds, and not just the one that was told to."""
        if _NUMBER.fullmatch(retry_after):
            until = time.monotonic() + min(float(retry_after), MAX_PAUSE_SECONDS)
            with self._lock:
                self._paused_until = max(self._paused_until, until)

    def _switch_off(self) -> None:
        with self._lock:
            if self.enabled:  # many look-ups at once may be refused
                log.warning(_REFUSED)
            self._off_for = _REFUSED
            self._off.set()


@dataclass(eq=False)
class _LookUp:
    """A look-up under way: when it began (time.monotonic()), and the path that it finds."""

    begun: float
    path: Future[str | None] = field(default_factory=Future)


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    retry_after: str = ""
    moved: bool = False  # it sends the client elsewhere

    def content(self) -> dict[str, Any] | None:
        """The JSON object, as TMDB sends with every status; None if it is none."""
        with suppress(ValueError, RecursionError):
            content = json.loads(self.body)
            return content if isinstance(content, dict) else None
        return None

    @property
    def is_page(self) -> bool:
        return self.moved or self.body.lstrip()[:1] == b"<"


class _LookupFailedError(Exception):
    """No answer that may be cached; the message names neither URL nor token.

    Attributes:
        why: for the page, if it is not this film alone.
    """

    def __init__(self, message: str, why: str = _ODD) -> None:
        super().__init__(message)
        self.why = why


class _Credential(requests.auth.AuthBase):
    """Adds the token to each request (and, being an `auth`, keeps ~/.netrc out of it).

    TMDB takes a v4 token in the header, but a v3 key only in the query.
    """

    def __init__(self, token: str) -> None:
        self._token, self._is_v3 = token, bool(_V3_KEY.fullmatch(token))
        if self._is_v3:  # urllib3 logs URLs; adding the same filter again changes nothing
            for name in ("connection", "connectionpool", "util.retry"):
                logging.getLogger(f"urllib3.{name}").addFilter(_redact)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._is_v3:
            request.prepare_url(request.url, {"api_key": self._token})
        else:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Cache:
    """Poster paths by film, None for no poster; one SQLite file for all threads and processes."""

    def __init__(self, file: Path) -> None:
        self._file, self._warned = file, False

    def get(self, films: Sequence[Film]) -> dict[Film, str | None]:
        """What is known of these films and has not expired."""
        query = "SELECT * FROM posters WHERE film = ? AND expires BETWEEN ? AND ?"
        answers = self._run((query, (repr(film), *self._in_time())) for film in films)
        known = {film: rows[0] for film, rows in zip(films, answers, strict=False) if rows}
        return {
            film: row[1]
            for film, row in known.items()
            if (row[1] is None or _POSTER_PATH.fullmatch(str(row[1]))) and row[-1] == _seal(row[:3])
        }

    def put(self, film: Film, path: str | None) -> None:
        """Keep an answer, and delete all that has expired, as TMDB's terms ask."""
        expires = time.time() + (FOUND_SECONDS if path else NOT_FOUND_SECONDS)
        expired = "DELETE FROM posters WHERE expires NOT BETWEEN ? AND ?"
        added = "REPLACE INTO posters VALUES (?, ?, ?, ?)"
        row = (repr(film), path, expires)
        self._run([(expired, self._in_time()), (added, (*row, _seal(row)))])

    @staticmethod
    def _in_time() -> tuple[float, float]:
        """The expiries that count now; what lies later was written by a wrong clock."""
        now = time.time()  # others may have read their clock after us: hence the extra hour
        return now, now + FOUND_SECONDS + 3600

    def _run(self, statements: Iterable[tuple[str, tuple]]) -> list[list[tuple]]:
        """The rows of each statement, all in one transaction; trouble is logged: no rows."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            if os.path.exists(self._file) and not os.path.isfile(self._file):
                raise OSError("it is no file")  # and SQLite would wait for a pipe
            # A connection per call suits any thread; half a second is what a page can spare.
            with closing(sqlite3.connect(self._file, timeout=0.5)) as db, db:
                db.execute("PRAGMA synchronous = OFF")  # a power cut may cost a cache, no more
                # Another number of columns is of an older version, or of another program.
                if len(db.execute("PRAGMA table_info(posters)").fetchall()) not in (0, 4):
                    db.execute("DROP TABLE posters")
                columns = "film TEXT PRIMARY KEY, path TEXT, expires REAL NOT NULL, seal TEXT"
                db.execute(f"CREATE TABLE IF NOT EXISTS posters ({columns})")
                return [db.execute(*statement).fetchall() for statement in statements]
        except (sqlite3.OperationalError, OSError) as error:  # unwritable, locked, disk full
            if not self._warned:
                log.warning("the poster cache %s cannot be used: %s", self._file, error)
            self._warned = True
        except sqlite3.DatabaseError as error:
            log.warning("the poster cache %s is damaged and starts anew: %s", self._file, error)
            for suffix in ("", "-journal"):
                with suppress(OSError):
                    self._file.with_name(self._file.name + suffix).unlink()
        return []


def _seal(row: tuple) -> str:
    """Tells a row (film, path, expires) as it was written from one that was damaged since."""
    return hashlib.sha256(repr(row).encode(errors="replace")).hexdigest()


def _poster_path(entry: dict[str, Any]) -> str | None:
    path = entry.get("poster_path", "")
    if path is None or (isinstance(path, str) and _POSTER_PATH.fullmatch(path)):
        return path
    raise _LookupFailedError("an answer without a proper poster_path")


def _entries(answer: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    entries = [] if answer is None else answer.get(name)
    if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries):
        return entries
    raise _LookupFailedError(f"an answer without proper {name}")


def _redact(record: logging.LogRecord) -> bool:
    """Take the v3 key out of a URL that is about to be logged."""
    message = record.getMessage()
    if "api_key=" in message:
        record.msg, record.args = re.sub(r"(?<=api_key=)[^&\s'\"]+", "…", message), ()
    return True
