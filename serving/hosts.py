"""Which names the server answers to: a page elsewhere must not reach it by a name of its own.

A site whose name points to this machine (DNS rebinding) is the same origin to a browser, so that
neither CORS nor the check of the WebSocket's origin keeps it out; its name in `Host` does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from settings import HOSTS_VARIABLE, named_hosts


def refusal(host: str | None, named: Sequence[str]) -> str | None:
    """Why a request to this host is not answered, one sentence; None if it is.

    Args:
        host: the header `Host`: a name or an address, perhaps with a port.
        named: what the operator allows beside this machine's own names (`settings.named_hosts`).
    """
    name = _name_of(host or "")
    if name and (_is_loopback(name) or any(_fits(name, pattern) for pattern in named)):
        return None
    return (
        f"This server does not answer to the name “{(name or host or '')[:100]}”; its operator can "
        f"allow it with {HOSTS_VARIABLE}."
    )


def _name_of(host: str) -> str | None:
    """Without the port, in lower case; None for what is no host."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for what is none
    except ValueError:
        return None
    if parts.netloc != host or "@" in host or any(sign.isspace() for sign in host):
        return None
    return (parts.hostname or "").rstrip(".") or None


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _fits(name: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return pattern in ("*", name)


class HostCheck:
    """ASGI middleware: refuses requests and WebSockets to foreign hosts with a sentence."""

    def __init__(self, app: ASGIApp, named: Sequence[str] | None = None) -> None:
        self._app = app
        self._named = named_hosts() if named is None else tuple(named)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            sentence = refusal(headers.get("host"), self._named)
            if sentence:
                # To a WebSocket, starlette sends it as the answer to the handshake.
                await _answer(sentence, headers)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _answer(sentence: str, headers: Headers) -> Response:
    """For people a text, for programs a problem document (RFC 9457)."""
    status = HTTPStatus.MISDIRECTED_REQUEST
    if "text/html" in headers.get("accept", ""):
        return PlainTextResponse(sentence, status)
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": sentence,
    }
    return JSONResponse(problem, status, media_type="application/problem+json")
