"""Recommendations and their reasons, for users of the data and for visitors."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api import answers, shapes
from api.problems import POSTING, READING, documented
from api.work import Now, answer, tagged_answer

router = APIRouter(prefix="/v1", tags=["recommendations"])

User = Annotated[shapes.Id, Path(description="`userId` of the data.", examples=[7])]
Movie = Annotated[shapes.Id, Path(description="`movieId` of the data.", examples=[318])]


@router.get(
    "/users/{user_id}/recommendations",
    response_model=shapes.Items,
    responses=documented(*READING, 404),
)
async def recommendations(
    request: Request, now: Now, user_id: User, query: Annotated[shapes.Listing, Query()]
) -> Response:
    """Films for a user of the data, best first, each score with its parts."""
    answers.known_user(now.data, user_id)
    quick = now.quick and not query.reasons
    return await tagged_answer(
        request, now, lambda: answers.for_user(now, user_id, query), quick=quick
    )


@router.get(
    "/users/{user_id}/recommendations/{movie_id}/explanation",
    response_model=shapes.ExplanationOut,
    responses=documented(*READING, 404),
)
async def explanation(
    request: Request,
    now: Now,
    user_id: User,
    movie_id: Movie,
    query: Annotated[shapes.Scoring, Query()],
) -> Response:
    """The whole score of a film for a user of the data, term by term."""
    user = answers.known_user(now.data, user_id)
    movie = answers.known_movie(now.data, movie_id)

    def make() -> shapes.ExplanationOut:
        viewer = answers.user(now, user, query)
        return answers.explanation(now, viewer, movie, query, user_id)

    return await tagged_answer(request, now, make)


@router.post(
    "/recommendations", response_model=shapes.Items, responses=documented(*READING, *POSTING)
)
async def visitor_recommendations(
    request: Request, now: Now, body: shapes.VisitorListing
) -> Response:
    """Films for someone with these ratings; nothing of them is kept or logged."""
    return await answer(request, lambda: answers.for_visitor(now, body))


@router.post(
    "/recommendations/batch",
    response_model=shapes.ItemsOfUsers,
    responses=documented(*READING, *POSTING),
)
async def batch(request: Request, now: Now, body: shapes.Batch) -> Response:
    """Films for several users of the data."""
    return await answer(request, lambda: answers.for_users(now, body))


@router.post(
    "/explanations",
    response_model=shapes.ExplanationOut,
    responses=documented(*READING, *POSTING),
)
async def visitor_explanation(request: Request, now: Now, body: shapes.VisitorQuestion) -> Response:
    """The whole score of a film for someone with these ratings."""

    def make() -> shapes.ExplanationOut:
        viewer = answers.visitor(now, body, body)
        (movie,) = answers.inner_movies(now.data, [body.movie], "body /movie").tolist()
        return answers.explanation(now, viewer, movie, body, None)

    return await answer(request, make)
