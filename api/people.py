"""Recommendations and their reasons, for users of the data and for visitors."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from api import answers, shapes
from api.past import as_of
from api.problems import POSTING, READING, documented
from api.queries import asked, described
from api.work import answer, snapshot_of, tagged_answer

router = APIRouter(prefix="/v1", tags=["recommendations"])

_FEW = 200  # films that a body names, which are looked up in less than a millisecond

User = Annotated[shapes.Id, Path(description="`userId` of the data.", examples=[7])]
Movie = Annotated[shapes.Id, Path(description="`movieId` of the data.", examples=[318])]


@router.get(
    "/users/{user_id}/recommendations",
    response_model=shapes.Items,
    responses=documented(*READING, 404, 409),
    openapi_extra=described(shapes.Listing),
)
async def recommendations(request: Request, user_id: User) -> Response:
    """Films for a user of the data, best first, each score with its parts."""
    now = snapshot_of(request)
    query = asked(request, shapes.Listing)
    user = answers.known_user(now.data, user_id)
    then = as_of(request, now, query.as_of, "query")
    kept = query.half_life is None and then.audience.knows(user, query.setting)
    quick = not query.reasons and (then.quick or kept)
    return await tagged_answer(
        request, now, lambda: answers.for_user(then, user_id, query), quick=quick
    )


@router.get(
    "/users/{user_id}/recommendations/{movie_id}/explanation",
    response_model=shapes.ExplanationOut,
    responses=documented(*READING, 404),
    openapi_extra=described(shapes.Scoring),
)
async def explanation(request: Request, user_id: User, movie_id: Movie) -> Response:
    """The whole score of a film for a user of the data, term by term."""
    now = snapshot_of(request)
    query = asked(request, shapes.Scoring)
    user = answers.known_user(now.data, user_id)
    movie = answers.known_movie(now.data, movie_id)

    def make() -> shapes.ExplanationOut:
        viewer = answers.user(now, user, query)
        return answers.explanation(now, viewer, movie, query, user_id)

    return await tagged_answer(request, now, make)


@router.post(
    "/recommendations", response_model=shapes.Items, responses=documented(*READING, *POSTING, 409)
)
async def visitor_recommendations(request: Request, body: shapes.VisitorListing) -> Response:
    """Films for someone with these ratings; nothing of them is kept or logged."""
    now = as_of(request, snapshot_of(request), body.as_of, "body")
    named = len(body.ratings) + len(body.exclude) + len(body.candidates or ())
    quick = now.quick and not body.reasons and named <= _FEW
    return await answer(request, lambda: answers.for_visitor(now, body), quick)


@router.post(
    "/recommendations/batch",
    response_model=shapes.ItemsOfUsers,
    responses=documented(*READING, *POSTING, 409),
)
async def batch(request: Request, body: shapes.Batch) -> Response:
    """Films for several users of the data."""
    now = as_of(request, snapshot_of(request), body.as_of, "body")
    return await answer(request, lambda: answers.for_users(now, body))


@router.post(
    "/explanations",
    response_model=shapes.ExplanationOut,
    responses=documented(*READING, *POSTING),
)
async def visitor_explanation(request: Request, body: shapes.VisitorQuestion) -> Response:
    """The whole score of a film for someone with these ratings."""
    now = snapshot_of(request)

    def make() -> shapes.ExplanationOut:
        viewer = answers.visitor(now, body, body)
        (movie,) = answers.inner_movies(now.data, [body.movie], "body /movie").tolist()
        return answers.explanation(now, viewer, movie, body, None)

    return await answer(request, make)
