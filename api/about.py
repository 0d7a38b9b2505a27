"""The server itself: health, counters, the model in use."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api import shapes
from api.current import Snapshot
from api.keys import need_key_unless_local
from api.problems import READING, documented
from api.work import current_of, snapshot_of, tagged_answer

router = APIRouter(tags=["server"])


@router.get("/health/live", responses=documented(421))
async def live() -> shapes.Health:
    """Whether the process answers."""
    return shapes.Health(status="live")


@router.get("/health/ready", responses=documented(421, 503))
async def ready(request: Request) -> shapes.Health:
    """Whether there is a model to answer with."""
    snapshot_of(request)
    return shapes.Health(status="ready")


@router.get(
    "/metrics",
    dependencies=[Depends(need_key_unless_local)],
    response_class=Response,
    responses={
        200: {"description": "OK", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(401, 403, 421, 429, 503),
    },
)
async def metrics(request: Request) -> Response:
    """Counters for Prometheus: with the key, or from this machine."""
    now = current_of(request).now
    text = request.app.state.counters.text(now.since.timestamp() if now else None)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/model", response_model=shapes.ModelOut, responses=documented(*READING))
async def model(request: Request) -> Response:
    """The model in use: its settings, and how good it is on held-out ratings."""
    now = snapshot_of(request)
    since = now.since.isoformat(timespec="seconds")
    return await tagged_answer(request, now, lambda: _model(now, since), since)


def _model(now: Snapshot, since: str) -> shapes.ModelOut:
    data, model = now.data, now.model
    strengths = model.trend_choice.strengths if model.trend_choice else {}
    metrics = {}
    for name, value in model.test_metrics.items():
        low, high = model.test_intervals.get(name, (None, None))
        metrics[name] = shapes.Metric(value=value, low=low, high=high)
    return shapes.ModelOut(
        model=now.tag,
        data=data.directory.name,
        fingerprint=data.fingerprint,
        users=data.n_users,
        movies=data.n_movies,
        ratings=data.n_ratings,
        kind=model.config.model,
        protocol=model.protocol,
        refitted=model.refitted,
        settings=asdict(model.config),
        trained=now.trained,
        in_use_since=since,
        end=model.stop_reason,
        metrics=metrics,
        watch_metrics=model.watch_metrics,
        popular_now={str(name): most for name, most in strengths.items()},
    )
