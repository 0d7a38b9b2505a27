"""The API as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware

from api import about, films, people, problems, trainings
from api.counters import Counters
from api.current import Current
from api.gates import AtOnce, Body, Observe, Rate
from api.work import AT_ONCE
from serving.hosts import HostCheck
from settings import api_key, api_origins, api_rate, named_hosts

_ABOUT = """\
Recommendations of films with their reasons. Ids are those of the data files (`movieId`, `userId`).

Errors are problem documents (RFC 9457). `GET` answers carry an ETag that changes with the model;
send it as `If-None-Match` and a 304 spares you the rest. Trainings need the server's key.
"""


@dataclass(frozen=True)
class Limits:
    """What the operator decides; by default as the environment says.

    Raises:
        SettingError: a variable has an impossible value.
    """

    key: str | None = field(default_factory=api_key)
    rate: float = field(default_factory=api_rate)
    origins: Sequence[str] = field(default_factory=api_origins)
    hosts: Sequence[str] = field(default_factory=named_hosts)


def create_app(current: Current, limits: Limits) -> FastAPI:
    """The API over what is in use.

    Whoever serves the app starts and stops `current`: its own lifespan does, which a mounted app's
    server does not run.
    """
    counters = Counters()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current.start()
        try:
            yield
        finally:
            current.stop()

    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(limits.origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-Request-ID"],
        expose_headers=["ETag", "Location", "Retry-After", "X-Request-ID"],
    )
    app = FastAPIOffline(
        title="LightGCN Movies",
        version="1",
        description=_ABOUT,
        docs_url="/docs",
        redoc_url=None,
        swagger_ui_parameters={"validatorUrl": None},  # which would be asked over the network
        lifespan=lifespan,
        telemetry={"tracing": False},
        redirect_slashes=False,
        middleware=[
            Middleware(Observe, counters=counters),
            Middleware(HostCheck, named=limits.hosts),
            *([cors] if limits.origins else []),
            Middleware(Rate, rate=limits.rate),
            Middleware(AtOnce),
            Middleware(Body),
        ],
    )
    app.state.current, app.state.counters, app.state.key = current, counters, limits.key
    app.state.workers = CapacityLimiter(AT_ONCE)
    problems.install(app)
    for part in (people, films, about, trainings):
        app.include_router(part.router)
    return app
