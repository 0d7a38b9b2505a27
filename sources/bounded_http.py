"""Answers from the network that cost a bounded time and a bounded memory, whatever is sent.

The timeout of `requests` is for each read from the socket: who sends a byte a second never meets
it. Here a whole answer, its head included, has a number of seconds. And `requests` unpacks what is
compressed without a limit: here nothing is unpacked, and the body is cut off at a number of bytes.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse

_CHUNK = 64 * 1024
_SOCKET = [  # what has arrived can still be read from a socket that was shut down: not megabytes
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_RCVBUF, 2 * _CHUNK),
]
_RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # SO_LINGER: on, for 0 seconds


class AnswerError(requests.RequestException):
    """An answer too large, or packed although it was asked for as it is."""


class BoundedSession(requests.Session):
    """Follows no redirect: to where is for the caller to decide, and `requests` would first read
    the whole body of the answer that redirects.
    """

    def __init__(self, seconds: float, connections: int = 1) -> None:
        """Args:
        seconds: for each answer, from the request that was sent to the last byte.
        connections: kept open.
        """
        super().__init__()
        self.headers["Accept-Encoding"] = "identity"
        adapter = _BoundedAdapter(seconds, connections)
        for scheme in ("http://", "https://"):
            self.mount(scheme, adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def chunks(response: requests.Response, max_bytes: int) -> Iterator[bytes]:
    """The body of an answer that was asked for with `stream=True` by a `BoundedSession`.

    Raises:
        AnswerError: it is larger than that, or packed.
        requests.Timeout: it took longer than the session allows.
        requests.ConnectionError: it was cut off.
    """
    received, watch = 0, _watch_of(response)
    try:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise AnswerError("a packed answer")
        # read1 returns what has arrived; read would wait until the chunk is full.
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            received += len(chunk)
            if received > max_bytes:
                raise AnswerError(f"an answer of more than {max_bytes:,} bytes")
            yield chunk
    except (urllib3.exceptions.HTTPError, OSError) as error:
        if isinstance(error, requests.RequestException):
            raise
        late = watch.fired or isinstance(error, urllib3.exceptions.TimeoutError)
        raise (requests.Timeout if late else requests.ConnectionError)(error) from None
    finally:
        watch.cancel()
        response.close()
    if watch.fired:  # a body that ends where the connection does
        raise requests.Timeout


def _watch_of(response: requests.Response) -> _Watch:
    return response.raw.watch  # type: ignore[union-attr]


class _Watch:
    """Shuts a socket down after so many seconds, unless it is cancelled before."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self.fired, self._sock = False, sock
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _fire(self) -> None:
        self.fired = True
        with suppress(OSError):  # closed meanwhile
            # The close that follows must reset the connection: after a mere shutdown Linux tells a
            # sender who waits for room nothing any more, and leaves it waiting.
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._sock.shutdown(socket.SHUT_RDWR)

    def cancel(self) -> None:
        self._timer.cancel()


def _watched(kind: type[HTTPConnection], seconds: float) -> type[HTTPConnection]:
    class Watched(kind):  # type: ignore[misc, valid-type]
        def getresponse(self) -> BaseHTTPResponse:
            watch = _Watch(self.sock, seconds)
            try:
                response = super().getresponse()
            except BaseException:
                watch.cancel()
                if watch.fired:
                    raise TimeoutError from None
                raise
            response.watch = watch
            return response

    return Watched


class _BoundedAdapter(HTTPAdapter):
    def __init__(self, seconds: float, connections: int) -> None:
        self._classes = {}
        for scheme, pool, connection in (
            ("http", urllib3.HTTPConnectionPool, HTTPConnection),
            ("https", urllib3.HTTPSConnectionPool, HTTPSConnection),
        ):
            watched = {"ConnectionCls": _watched(connection, seconds)}
            self._classes[scheme] = type("WatchedPool", (pool,), watched)
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, socket_options=_SOCKET, **options)
        self.poolmanager.pool_classes_by_scheme = self._classes

    def proxy_manager_for(self, *args: Any, **options: Any) -> urllib3.ProxyManager:
        manager = super().proxy_manager_for(*args, socket_options=_SOCKET, **options)
        manager.pool_classes_by_scheme = self._classes
        return manager
