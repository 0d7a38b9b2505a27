"""/v1/trainings: the one training of this server, for who has the key."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from api import shapes
from api.current import Current
from api.keys import need_key
from api.problems import POSTING, READING, ProblemError, documented
from api.work import current_of, in_thread, snapshot_of
from model.checkpoints import CheckpointError
from model.config import PRESETS
from serving.training_job import JobBusyError, TrainingJob, TrainingOffError
from settings import checkpoint_path

OWNER = "api"  # no session of the page may stop what was started here

router = APIRouter(prefix="/v1/trainings", tags=["trainings"], dependencies=[Depends(need_key)])


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    response_model=shapes.TrainingOut,
    responses=documented(*READING, *POSTING, 401, 403, 409),
)
async def start(request: Request, body: shapes.TrainingOrder) -> Response:
    """Train a model on the data in use; one training runs at a time."""
    now = snapshot_of(request)
    board = current_of(request).state.board

    def begin() -> TrainingJob:
        settings = PRESETS[body.preset]
        return board.start(
            now.data, body.protocol, settings, checkpoint_path(), refit=body.refit, owner=OWNER
        )

    try:
        job = await in_thread(request, begin)
    except JobBusyError as error:
        raise ProblemError(HTTPStatus.CONFLICT, str(error)) from None
    except TrainingOffError as error:
        raise ProblemError(HTTPStatus.FORBIDDEN, str(error)) from None
    place = request.url_for("state", training_id=job.id).path
    return JSONResponse(await _told(request, job), HTTPStatus.ACCEPTED, {"Location": place})


@router.get(
    "/{training_id}",
    response_model=shapes.TrainingOut,
    responses=documented(*READING, 401, 403, 404),
)
async def state(request: Request, training_id: str) -> Response:
    """How far a training is."""
    return JSONResponse(await _told(request, _job(request, training_id)))


@router.post(
    "/{training_id}/stop",
    status_code=HTTPStatus.ACCEPTED,
    response_model=shapes.TrainingOut,
    responses=documented(*READING, 401, 403, 404),
)
async def stop(request: Request, training_id: str) -> Response:
    """End a training soon; what it has learned so far is kept."""
    job = _job(request, training_id)
    job.request_stop()
    return JSONResponse(await _told(request, job), HTTPStatus.ACCEPTED)


@router.post(
    "/{training_id}/promote",
    response_model=shapes.TrainingOut,
    responses=documented(*READING, 401, 403, 404, 409),
)
async def promote(request: Request, training_id: str) -> Response:
    """Put the model of a finished training in use for everybody, page and API."""
    job, current = _job(request, training_id), current_of(request)
    if job.status != "finished":
        raise ProblemError(HTTPStatus.CONFLICT, "This training has no model to put in use.")

    def put() -> None:
        current.state.promote(job.data, job.id)
        current.look()  # whoever asks after this answer gets the new model

    try:
        await in_thread(request, put)
    except TrainingOffError as error:
        raise ProblemError(HTTPStatus.FORBIDDEN, str(error)) from None
    except CheckpointError as error:
        raise ProblemError(HTTPStatus.CONFLICT, str(error)) from None
    return JSONResponse(await _told(request, job))


def _job(request: Request, training_id: str) -> TrainingJob:
    job = current_of(request).state.board.job
    if job is None or job.id != training_id:
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            "There is no such training; a server remembers only its last one.",
        )
    return job


async def _told(request: Request, job: TrainingJob) -> dict[str, Any]:
    current = current_of(request)
    return await in_thread(request, lambda: _state(current, job).model_dump())


def _state(current: Current, job: TrainingJob) -> shapes.TrainingOut:
    now = current.now
    return shapes.TrainingOut(
        id=job.id,
        status=job.status,
        doing=job.doing if job.status == "running" else "",
        share_done=job.share_done,
        started=job.started.isoformat(timespec="seconds"),
        stopping=job.stopping,
        problem=job.problem,
        in_use=bool(now and job.model is not None and now.model.key == job.model.key),
        compared=_compared(current, job),
        metrics=job.model.test_metrics if job.model else {},
    )


def _compared(current: Current, job: TrainingJob) -> str | None:
    if job.status != "finished":
        return None
    try:
        return current.state.compared(job.data, job.id).sentence
    except CheckpointError as error:
        return str(error)
