"""One request's snapshot, the thread that computes its answer, and the ETag that spares it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import anyio.to_thread
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from api.current import Current, Snapshot
from api.problems import ProblemError

AT_ONCE = 2  # threads that compute answers; more would only wait for each other

_Value = TypeVar("_Value")


def current_of(request: Request) -> Current:
    return request.app.state.current


def snapshot_of(request: Request) -> Snapshot:
    """What the request is answered from, the same from its beginning to its end.

    Raises:
        ProblemError: there is nothing yet.
    """
    current = current_of(request)
    now = current.now
    if now is None:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE, current.problem, headers={"Retry-After": "5"}
        )
    return now


async def in_thread(request: Request, work: Callable[[], _Value]) -> _Value:
    """What the work gives; a request that is given up does not wait for its end."""
    return await anyio.to_thread.run_sync(
        work, limiter=request.app.state.workers, abandon_on_cancel=True
    )


async def computed(request: Request, work: Callable[[], _Value], quick: bool) -> _Value:
    """What the work gives: at once where it is quick, for a change of threads takes longer."""
    return work() if quick else await in_thread(request, work)


async def answer(request: Request, make: Callable[[], BaseModel], quick: bool = False) -> Response:
    """200 with what is made, as JSON.

    Args:
        quick: it takes so little that nobody need wait for a thread.
    """
    content = await computed(request, lambda: _json(make), quick)
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})


async def tagged_answer(
    request: Request,
    now: Snapshot,
    make: Callable[[], BaseModel],
    more: str = "",
    quick: bool = False,
) -> Response:
    """As `answer`, for what depends on the model and the query alone; 304 to who has it.

    Args:
        more: what else the answer depends on.
        quick: it takes so little that nobody need wait for a thread.
    """
    asked = f"{request.scope['path']}?{more} ".encode() + request.scope["query_string"]
    tag = f'"{now.tag}-{hashlib.blake2b(asked, digest_size=8).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match", "").split(",")
    if {"*", tag} & {part.strip().removeprefix("W/") for part in known}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    content = await computed(request, lambda: _json(make), quick)
    return Response(content, media_type="application/json", headers=headers)


def _json(make: Callable[[], BaseModel]) -> bytes:
    return make().model_dump_json().encode()
