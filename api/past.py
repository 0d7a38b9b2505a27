"""Answers as of a day of the past, from what one knew then; the first one of a day takes a fit."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Literal

from fastapi import Request

from api.current import Snapshot
from api.problems import ProblemError
from api.work import current_of
from model.as_of import end_within
from serving.refits import why_no_refit
from serving.training_job import JobBusyError

_AGAIN = {"Retry-After": "5"}


def as_of(
    request: Request, now: Snapshot, day: date | None, where: Literal["query", "body"]
) -> Snapshot:
    """What `now` would have been at the end of the day; itself without one.

    The fit runs in the background, one on this server at a time, and its result is kept for the
    last few days that were asked for: whoever asks meanwhile is told to come again.

    Raises:
        ProblemError: no list can be as of that day, or not yet.
    """
    if day is None:
        return now
    try:
        second = end_within(now.data, day)
    except ValueError as error:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, str(error), [f"{where} /as_of"]
        ) from None
    if why := why_no_refit(now.data, now.model):
        raise ProblemError(HTTPStatus.CONFLICT, why)
    try:
        refit = current_of(request).pasts.start((now.tag, second), 1, lambda _: now.before(second))
    except JobBusyError as error:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers=_AGAIN) from None
    if refit.status == "running":
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"The model is being fitted to what there was by {day}; ask again in some seconds.",
            headers=_AGAIN,
        )
    if not isinstance(refit.found, Snapshot):
        raise RuntimeError(f"the fit as of {day} failed")
    return refit.found
