"""What stands before every request: limits, and what is written down of it (ASGI middleware).

Each takes one duty; `api.app` puts them in order.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.counters import Counters
from api.problems import problem_response, unexpected

log = logging.getLogger(__name__)

MOST_BODY = 512 * 1024  # bytes; the longest ratings that are allowed have a third of that
BODY_SECONDS = 10.0  # for a body to arrive
ANSWER_SECONDS = 30.0
MOST_AT_ONCE = 64  # requests
BURST_SECONDS = 5.0  # of the rate, that a client who was quiet may use at once
MOST_CLIENTS = 10_000  # that are remembered

_SOUND_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEALTH = "/health/"


def path_of(scope: Scope) -> str:
    """The path below the place where the API is mounted."""
    return scope["path"].removeprefix(scope.get("root_path", ""))


class Observe:
    """Gives each request an id, counts and logs it, and answers where something failed.

    The log says nothing of what was asked for or sent: neither query nor body nor headers.
    """

    def __init__(self, app: ASGIApp, counters: Counters) -> None:
        self._app, self._counters = app, counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if _SOUND_ID.fullmatch(asked) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        begun, status = time.perf_counter(), 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        self._counters.at_once.inc()
        try:
            await self._app(scope, receive, tell)
        except Exception:
            log.exception("request %s failed", request_id)
            if status:
                raise  # half an answer is sent: the connection must break
            await unexpected(request_id)(scope, receive, tell)
        finally:
            self._counters.at_once.dec()
            seconds = time.perf_counter() - begun
            route = getattr(scope.get("route"), "path", "other")
            self._counters.count(scope["method"], route, status, seconds)
            log.info(
                "%s %s %d %.1f ms %s",
                *(_plain(scope["method"]), _plain(path_of(scope)), status),
                *(seconds * 1000, request_id),
            )


def _plain(text: str) -> str:
    """Text of a client, fit for one line of a log."""
    return text[:200].encode("unicode_escape").decode()


class AtOnce:
    """Answers 503 where too many requests are being answered, or one takes too long."""

    def __init__(
        self, app: ASGIApp, most: int = MOST_AT_ONCE, seconds: float = ANSWER_SECONDS
    ) -> None:
        self._app, self._most, self._seconds, self._now = app, most, seconds, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or path_of(scope).startswith(_HEALTH):
            await self._app(scope, receive, send)
            return
        if self._now >= self._most:
            await _busy("Too many requests are being answered; try again.", scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        self._now += 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._app(scope, receive, watched)
        except TimeoutError:
            if begun:
                raise
            await _busy("It took too long; ask for less, or again later.", scope, receive, send)
        finally:
            self._now -= 1


async def _busy(sentence: str, scope: Scope, receive: Receive, send: Send) -> None:
    await _refuse(HTTPStatus.SERVICE_UNAVAILABLE, sentence, 1)(scope, receive, send)


def _refuse(status: HTTPStatus, sentence: str, wait: int | None = None) -> ASGIApp:
    headers = {"Retry-After": str(wait)} if wait else None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope.get("state", {}).get("request_id")
        await problem_response(status, sentence, (), headers, request_id)(scope, receive, send)

    return app


class Rate:
    """Answers 429 to a client that asks too often: a bucket of tokens for each address."""

    def __init__(
        self, app: ASGIApp, rate: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app, self._rate, self._clock = app, rate, clock
        self._most = max(rate * BURST_SECONDS, 1.0)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not path_of(scope).startswith(_HEALTH):
            wait = self._wait(scope["client"][0] if scope.get("client") else "")
            if wait > 0:
                await _refuse(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    f"A client may send {self._rate:g} requests per second; wait a little.",
                    int(wait) + 1,
                )(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _wait(self, client: str) -> float:
        """Seconds until the client may ask again; 0 where it may now, and this was counted."""
        now = self._clock()
        tokens, seen = self._buckets.pop(client, (self._most, now))
        tokens = min(tokens + (now - seen) * self._rate, self._most)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - allowed, now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)  # who asked longest ago
        return 0.0 if allowed else (1 - tokens) / self._rate


class Body:
    """Takes in the whole body first, and refuses one that is too large or too slow."""

    def __init__(self, app: ASGIApp, most: int = MOST_BODY, seconds: float = BODY_SECONDS) -> None:
        self._app, self._most, self._seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        size = Headers(scope=scope).get("content-length", "0")
        body: bytes | None = b""
        if not size.isdecimal() or int(size[:20]) > self._most:
            body = None
        else:
            try:
                async with asyncio.timeout(self._seconds):
                    body = await self._read(receive)
            except TimeoutError:
                answer = _refuse(HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time.")
                await answer(scope, receive, send)
                return
        if body is None:
            await _refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"A body may have {self._most // 1024} KiB; send less at once.",
            )(scope, receive, send)
            return
        message: Message | None = {"type": "http.request", "body": body, "more_body": False}

        async def replay() -> Message:
            nonlocal message
            given, message = message, None
            return given or await receive()

        await self._app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """None where it is too large, whatever its header says."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":  # the client has gone
                return b"".join(parts)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._most:
                return None
            if not message.get("more_body"):
                return b"".join(parts)


def _has_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
