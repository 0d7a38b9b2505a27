"""Film → URL of its poster at TMDB; None wherever a drawn cover has to do. No Streamlit in here.

Only the JSON look-ups happen here, and only their answers are cached: the browser itself fetches
the images from TMDB. Whoever shows a poster also shows `TMDB_NOTICE` among the credits, with the
unaltered logo at `TMDB_LOGO_URL`, less prominent than the app's own name.
"""

from __future__ import annotations

import hashlib
import logging
import random
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

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
LOOKUP_SECONDS = 15.0  # a look-up may outlive its page, for the cache's sake, but no longer
RETEST_SECONDS = 30.0  # after a failure; else every rerun would wait for a network that is down
RETRIES, BACKOFF_SECONDS, MAX_PAUSE_SECONDS = 2, 0.3, 600.0
CONCURRENT = 16

_MALFORMED = (
    "Posters are off, because the TMDB token is neither an API key (32 hexadecimal digits) nor a "
    "read access token (eyJ…); copy it anew from your TMDB settings."
)
_REFUSED = "Posters are off, because TMDB refused the token; correct it and restart the app."

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

    Attributes:
        notice: why posters are off, one sentence to show; None while they are on, and also when no
            token was given. Once TMDB has refused the token (401), only a new service helps.
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
        self.notice: str | None = None if sound or not token else _MALFORMED
        self._off = threading.Event()
        if not sound:
            self._off.set()
        self._api_url, self._timeout = api_url, timeout
        self._image_url = f"{image_url}/{POSTER_SIZE}"
        self._cache = _Cache(cache_dir / "posters.sqlite3")
        self._session = requests.Session()
        self._session.auth = _Credential(token)
        self._session.mount(api_url, requests.adapters.HTTPAdapter(pool_maxsize=CONCURRENT))
        self._slots = threading.BoundedSemaphore(CONCURRENT)
        self._lock = threading.Lock()  # guards what follows; the times are time.monotonic()
        self._running: dict[Film, Future[str | None]] = {}
        self._failed_until: dict[Film, float] = {}
        self._paused_until = 0.0

    @property
    def enabled(self) -> bool:
        """Whether posters are on, and TMDB's notice and logo are due."""
        return not self._off.is_set()

    def urls(self, films: Sequence[Film], deadline_seconds: float = 3.0) -> list[str | None]:
        """An image URL per film, in order; None means a drawn cover. Never raises.

        Returns after about `deadline_seconds` at most; a later answer is cached for the next time.
        """
        deadline = time.monotonic() + deadline_seconds
        try:
            if self.enabled:
                paths = self._cache.get(films)
                jobs = self._start(film for film in films if film not in paths)
                wait(jobs.values(), max(0.0, deadline - time.monotonic()))
                paths |= {film: job.result() for film, job in jobs.items() if job.done()}
            if self.enabled:  # still
                return [self._image_url + path if (path := paths.get(f)) else None for f in films]
        except Exception as error:  # whatever it was, a page never fails for a poster
            log.warning("posters failed: %s", type(error).__name__)
        return [None] * len(films)

    def _start(self, films: Iterable[Film]) -> dict[Film, Future[str | None]]:
        """The look-ups under way, after starting those that neither are nor failed just now."""
        jobs = {}
        with self._lock:
            now = time.monotonic()
            for film in films:
                if film not in self._running and self._failed_until.get(film, 0.0) <= now:
                    job: Future[str | None] = Future()
                    work = (film, job, now + LOOKUP_SECONDS)
                    # A daemon: a ThreadPoolExecutor would hold up the interpreter's exit.
                    threading.Thread(target=self._work, args=work, daemon=True).start()
                    self._running[film] = job
                if film in self._running:
                    jobs[film] = self._running[film]
        return jobs

    def _work(self, film: Film, job: Future[str | None], give_up: float) -> None:
        path, failed = None, True
        try:
            with self._slots:
                path = self._look_up(film, give_up)
            failed = False
            self._cache.put(film, path)
        except _LookupFailedError as error:
            log.info("no poster for %r: %s", film.name, error)
        except Exception as error:  # the message might quote a URL, and with it a v3 key
            log.warning("no poster for %r: %s", film.name, type(error).__name__)
        with self._lock:
            self._running.pop(film)
            if failed:
                self._failed_until[film] = time.monotonic() + RETEST_SECONDS
        job.set_result(path)

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
        reason, not_before = "no time left", 0.0
        for attempt in range(1 + RETRIES):
            now = time.monotonic()
            start = max(now, not_before, self._paused_until)
            if start >= give_up or self._off.wait(start - now):
                break
            timeout = min(self._timeout, give_up - start)
            try:  # no redirects: one could carry the token elsewhere
                response = self._session.get(
                    self._api_url + path, params=query, timeout=timeout, allow_redirects=False
                )
            except requests.RequestException as error:  # its message quotes the URL: not for logs
                reason = type(error).__name__
            else:
                status, reason = response.status_code, f"HTTP {response.status_code}"
                if status == 404:
                    return None
                if status == 200:
                    reason = "an answer that is no JSON object"
                    with suppress(ValueError, RecursionError):
                        answer = response.json()
                        if isinstance(answer, dict):
                            return answer
                if status == 401:
                    self._switch_off()
                if status != 429 and status < 500:
                    break
                self._pause(response.headers.get("Retry-After", ""))
            backoff = BACKOFF_SECONDS * 2**attempt * random.uniform(0.5, 1.5)
            not_before = time.monotonic() + backoff
        raise _LookupFailedError(reason)

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
            self.notice = _REFUSED
            self._off.set()


class _LookupFailedError(Exception):
    """No answer that may be cached; the message names neither URL nor token."""


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
