"""What a query asks for, as one of the shapes.

FastAPI can do this too, but goes through the fields of the shape anew for every request, which took
longer than to find ten films.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

_Shape = TypeVar("_Shape", bound=BaseModel)


def asked(request: Request, shape: type[_Shape]) -> _Shape:
    """The query of a request; of a parameter that is given twice the last one counts, where the
    shape has no list.

    Raises:
        RequestValidationError: it is not of that shape.
    """
    query, lists = request.query_params, _lists(shape)
    given = {name: query.getlist(name) if name in lists else query[name] for name in query}
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError(
            [item | {"loc": ("query", *item["loc"])} for item in found]
        ) from None


@cache
def _lists(shape: type[BaseModel]) -> frozenset[str]:
    """The parameters that may be given several times."""
    fields = shape.model_fields.items()
    return frozenset(name for name, field in fields if get_origin(field.annotation) is list)


def described(shape: type[BaseModel]) -> dict[str, Any]:
    """For `openapi_extra=` of a path: the parameters of the shape."""
    fields = shape.model_json_schema()["properties"].items()
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema}
            | ({"description": schema["description"]} if "description" in schema else {})
            for name, schema in fields
        ]
    }
