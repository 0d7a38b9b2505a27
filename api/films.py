"""/v1/movies: the catalogue."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api import answers, shapes
from api.problems import READING, documented
from api.work import Now, tagged_answer

router = APIRouter(prefix="/v1/movies", tags=["films"])

Movie = Annotated[shapes.Id, Path(description="`movieId` of the data.", examples=[318])]
Few = Annotated[shapes.Few, Query()]


@router.get("", response_model=shapes.FilmPage, responses=documented(*READING))
async def find_movies(
    request: Request, now: Now, query: Annotated[shapes.FilmQuery, Query()]
) -> Response:
    """Films by title, misspelt too, or the most rated ones; by genre and year."""
    return await tagged_answer(request, now, lambda: answers.film_page(now, query))


@router.get("/{movie_id}", response_model=shapes.FilmDetails, responses=documented(*READING, 404))
async def one_movie(request: Request, now: Now, movie_id: Movie) -> Response:
    """One film with all that the data say of it."""
    movie = answers.known_movie(now.data, movie_id)
    return await tagged_answer(request, now, lambda: answers.film_details(now, movie))


@router.get(
    "/{movie_id}/similar", response_model=shapes.SimilarFilms, responses=documented(*READING, 404)
)
async def similar_movies(request: Request, now: Now, movie_id: Movie, query: Few) -> Response:
    """The films nearest to it for the model."""
    movie = answers.known_movie(now.data, movie_id)
    return await tagged_answer(request, now, lambda: answers.similar_films(now, movie, query.k))


@router.get(
    "/{movie_id}/tag-suggestions",
    response_model=shapes.TagSuggestions,
    responses=documented(*READING, 404),
)
async def tag_suggestions(request: Request, now: Now, movie_id: Movie, query: Few) -> Response:
    """Tags that its neighbours carry and the film does not."""
    movie = answers.known_movie(now.data, movie_id)
    return await tagged_answer(request, now, lambda: answers.tag_suggestions(now, movie, query.k))
