"""Every error as a problem document (RFC 9457), with one sentence that says what is wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20  # that a problem names

_SENTENCES = {
    HTTPStatus.BAD_REQUEST: "The body cannot be read as JSON.",
    HTTPStatus.NOT_FOUND: "There is nothing at this path; /docs lists what there is.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This path does not take this method; see /docs.",
}


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    where: str = Field(
        description="`query`, `path` or `body`, then the field as a JSON pointer (RFC 6901).",
        examples=["query /k", "body /ratings/0/stars"],
    )
    detail: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field("about:blank", description="Always `about:blank`: the status says it.")
    title: str = Field(description="The name of the status.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(
        description="One sentence that says what is wrong.",
        examples=["There is no user 9999 in these data; user ids run from 1 to 610."],
    )
    errors: list[FieldProblem] | None = Field(None, description="The fields that are wrong.")
    request: str | None = Field(None, description="The request's id, as in X-Request-ID and logs.")


class ProblemError(Exception):
    """Ends a request with a problem document; the message is one sentence to show."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        where: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """
        Args:
            where: the field that is wrong, as in `FieldProblem.where`, if it is one.
        """
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers
        self.errors = [{"where": place, "detail": detail} for place in where]


def problem_response(
    status: HTTPStatus,
    detail: str,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
) -> Response:
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
    }
    if errors:
        content["errors"] = list(errors)[:MOST_ERRORS]
    if request_id:
        content["request"] = request_id
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)


READING = (304, 421, 422, 429, 503)  # what any path with a snapshot may answer beside 200
POSTING = (400, 408, 413)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a path: these statuses answer with a problem document, but 304."""
    problem = {"content": {MEDIA_TYPE: {}}, "model": Problem}
    return {
        status: {"description": HTTPStatus(status).phrase} | (problem if status != 304 else {})
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Let every error of the app answer with a problem document."""

    def of_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return problem_response(
            error.status, error.detail, error.errors, error.headers, _id_of(request)
        )

    def of_status(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        sentence = _SENTENCES.get(status, f"{status.phrase}.")
        return problem_response(status, sentence, (), error.headers, _id_of(request))

    def of_fields(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [_field_problem(item) for item in error.errors()]
        first = errors[0]
        more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
        detail = f"{first['where']}: {first['detail'].rstrip('.')}{more}."
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if any(item["type"] == "json_invalid" for item in error.errors()):
            status, detail, errors = HTTPStatus.BAD_REQUEST, _SENTENCES[HTTPStatus.BAD_REQUEST], []
        return problem_response(status, detail, errors, None, _id_of(request))

    app.add_exception_handler(ProblemError, of_problem)
    app.add_exception_handler(HTTPException, of_status)
    app.add_exception_handler(RequestValidationError, of_fields)


def unexpected(request_id: str | None) -> Response:
    """The answer to an exception that nothing else caught; nothing of it is told."""
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something failed in the server; its log tells what, under the id of this request.",
        request_id=request_id,
    )


def _id_of(request: Request) -> str | None:
    return request.scope.get("state", {}).get("request_id")


def _field_problem(item: Mapping[str, Any]) -> dict[str, str]:
    """What pydantic found, without what was sent: that may be a person's ratings."""
    place, *path = [str(part) for part in item["loc"]] or ["body"]
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1")[:50] for part in path[:8])
    return {"where": f"{place} {pointer}".strip(), "detail": _sentence(item["msg"])}


def _sentence(message: str) -> str:
    message = message.removeprefix("Value error, ").strip()
    return message if message.endswith(".") else f"{message}."
