"""/v1/movies: the catalogue."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from api import answers, shapes
from api.problems import READING, documented
from api.queries import asked, described
from api.work import snapshot_of, tagged_answer

router = APIRouter(prefix="/v1/movies", tags=["films"])

Movie = Annotated[shapes.Id, Path(description="`movieId` of the data.", examples=[318])]


@router.get(
    "",
    response_model=shapes.FilmPage,
    responses=documented(*READING),
    openapi_extra=described(shapes.FilmQuery),
)
async def find_movies(request: Request) -> Response:
    """Films by title, misspelt too, or the most rated ones; by genre and year."""
    now = snapshot_of(request)
    query = asked(request, shapes.FilmQuery)
    return await tagged_answer(request, now, lambda: answers.film_page(now, query))


@router.get("/{movie_id}", response_model=shapes.FilmDetails, responses=documented(*READING, 404))
async def one_movie(request: Request, movie_id: Movie) -> Response:
    """One film with all that the data say of it."""
    now = snapshot_of(request)
    movie = answers.known_movie(now.data, movie_id)
    return await tagged_answer(request, now, lambda: answers.film_details(now, movie))


@router.get(
    "/{movie_id}/similar",
    response_model=shapes.SimilarFilms,
    responses=documented(*READING, 404),
    openapi_extra=described(shapes.Few),
)
async def similar_movies(request: Request, movie_id: Movie) -> Response:
    """The films nearest to it for the model."""
    now = snapshot_of(request)
    query = asked(request, shapes.Few)
    movie = answers.known_movie(now.data, movie_id)
    return await tagged_answer(request, now, lambda: answers.similar_films(now, movie, query.k))


@router.get(
    "/{movie_id}/tag-suggestions",
    response_model=shapes.TagSuggestions,
    responses=documented(*READING, 404),
    openapi_extra=described(shapes.Few),
)
async def tag_suggestions(request: Request, movie_id: Movie) -> Response:
    """Tags that its neighbours carry and the film does not."""
    now = snapshot_of(request)
    query = asked(request, shapes.Few)
    movie = answers.known_movie(now.data, movie_id)
    return await tagged_answer(request, now, lambda: answers.tag_suggestions(now, movie, query.k))
