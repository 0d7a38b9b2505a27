"""Schemathesis, which nobody here wrote, holds the answers against the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.app import create_app
from api.current import Snapshot
from tests.api.conftest import Client, Fixed, limits

EXAMPLES = 40  # of each path, sound and unsound ones

PATHS = sorted(
    (method.upper(), path)
    for path, methods in create_app(Fixed(None), limits()).openapi()["paths"].items()
    for method in methods
)


@pytest.fixture(scope="module")
def schema(now: Snapshot) -> Any:
    """The document over the application itself: without a socket between them it is quicker."""
    app = create_app(Fixed(now), limits())
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers={"Host": "localhost"})


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_no_answer_is_undocumented(schema: Any, method: str, path: str) -> None:
    """No failure of the server, no status, header or shape that the document does not name."""
    operation = schema[path][method]
    takes_something = operation.body or any(True for _ in operation.iter_parameters())
    for mode in list(GenerationMode) if takes_something else [GenerationMode.POSITIVE]:

        @given(operation.as_strategy(generation_mode=mode))
        @settings(max_examples=EXAMPLES // 2, suppress_health_check=list(HealthCheck))
        def holds(case: schemathesis.Case) -> None:
            answer = case.call(headers={"Host": "localhost"})
            # Which ids and genres there are is in the data and not in the document.
            excluded = [positive_data_acceptance]
            if answer.status_code == 503 and "retry-after" in answer.headers:  # a fit as of a day
                excluded.append(not_a_server_error)
            case.validate_response(answer, excluded_checks=excluded)

        holds()


def test_every_path_of_the_document_has_words_and_an_error(client: Client) -> None:
    document = client.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], (method, path)
            assert "421" in operation["responses"], (method, path)
    shapes = document["components"]["schemas"]
    assert "Problem" in shapes and shapes["Rating"]["properties"]["stars"]["maximum"] == 5
    # The shapes of FastAPI's own errors are not the ones that are sent.
    assert "HTTPValidationError" not in shapes


def test_the_page_of_the_documentation_needs_no_network(client: Client) -> None:
    page = client.get("/docs").text
    places = [part.split('"')[0] for part in page.split('src="')[1:] + page.split('href="')[1:]]
    assert places and all(place.startswith("/") for place in places)
    for place in places:
        assert client.get(place).status_code == 200
    script = next(place for place in places if place.endswith(".js"))
    assert len(client.get(script).content) > 500_000
    assert "validatorUrl" in page  # or Swagger UI would ask a server of its own
