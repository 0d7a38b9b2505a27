"""What `prediction` and the explanations say, put into the shapes of the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from http import HTTPStatus
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.counterfactual import ranks_without
from analysis.reasons import by_kind, named_places, relation, share_of_score
from api import shapes
from api.current import Snapshot
from api.problems import ProblemError
from data_preparation import MovieData, UnknownIdError
from model.ageing import ALWAYS
from model.explanation import Explanation, explain, through
from model.stars import Taste, predict, taste_of
from model.viewers import Viewer, aged, fold_in, user_viewer
from prediction import (
    Recommendation,
    evidence,
    film_filter,
    recommend,
    similar_movies,
    suggest_tags,
    trend_of_film_in_words,
    trend_part,
    weigh,
    why_in_words,
)
from serving.audience import Known
from serving.prepared import walks

_FIRST_YEAR, _LAST_YEAR = 0, 9999


# --- ids and filters ------------------------------------------------------------------------------


def known_movie(data: MovieData, movie: int) -> int:
    """The inner id of a film that the path names."""
    return _known(data.inner_movie, movie)


def known_user(data: MovieData, user: int) -> int:
    """The inner id of a user that the path names."""
    return _known(data.inner_user, user)


def _known(inner: Callable[[int], int], raw: int, where: Sequence[str] = ()) -> int:
    try:
        return inner(raw)
    except UnknownIdError as error:
        status = HTTPStatus.UNPROCESSABLE_ENTITY if where else HTTPStatus.NOT_FOUND
        raise ProblemError(status, str(error), where) from None


def inner_movies(data: MovieData, movies: Sequence[int], where: str) -> NDArray[np.int64]:
    """The inner ids of films that a field names; `where` is the field, as in `FieldProblem`."""
    inner = [_known(data.inner_movie, raw, [f"{where}/{n}"]) for n, raw in enumerate(movies)]
    return np.array(inner, np.int64)


def filtered(
    data: MovieData, wish: shapes.FilmFilter, where: str, least: int = 0
) -> NDArray[np.bool_] | None:
    """The films that pass, bool [n_movies]; None where all do.

    Args:
        where: "query" or "body": what the fields stand in.
        least: number of ratings.
    """
    for field, genres in (("genre", wish.genre), ("without", wish.without)):
        for place, genre in enumerate(genres):
            if genre not in data.genre_names:
                raise ProblemError(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    f"There is no genre “{genre}” in these data; there are "
                    f"{', '.join(data.genre_names) or 'none'}.",
                    [f"{where} /{field}/{place}"],
                )
    years = None
    if wish.year_from is not None or wish.year_to is not None:
        first = _FIRST_YEAR if wish.year_from is None else wish.year_from
        years = (first, _LAST_YEAR if wish.year_to is None else wish.year_to)
        if years[0] > years[1]:
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"The first year, {years[0]}, comes after the last one, {years[1]}.",
                [f"{where} /year_from", f"{where} /year_to"],
            )
    if not (wish.genre or wish.without or years or least):
        return None
    return film_filter(data, wish.genre, wish.without, years, least)


def user(now: Snapshot, inner: int, wish: shapes.Scoring) -> Viewer:
    """An (inner) user of the data."""
    viewer = user_viewer(now.data, now.model, inner, wish.setting)
    half_life = ALWAYS if wish.half_life is None else wish.half_life
    return aged(viewer, now.data.times_of(inner), half_life)


def visitor(
    now: Snapshot, ratings: shapes.Ratings, wish: shapes.Scoring, last: date | None = None
) -> Viewer:
    """Someone with these ratings, of those with a `last` day the ones until then."""
    movies = inner_movies(now.data, [rating.movie for rating in ratings.ratings], "body /ratings")
    stars: dict[int, float] = {}
    days: dict[int, int] = {}
    for place, (movie, rating) in enumerate(zip(movies.tolist(), ratings.ratings, strict=True)):
        if movie in stars:
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"The film {rating.movie} is rated twice; send each film once.",
                [f"body /ratings/{place}/movie"],
            )
        stars[movie] = rating.stars
        if rating.rated_on is not None:
            days[movie] = rating.rated_on.toordinal()
        elif wish.half_life is not None or last is not None:
            what = "A half-life" if last is None else "A list as of a day"
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"{what} needs the day of every rating; the film {rating.movie} has none.",
                [f"body /ratings/{place}/rated_on"],
            )
    if last is not None:
        stars = {movie: given for movie, given in stars.items() if days[movie] <= last.toordinal()}
        if not stars:
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"None of these ratings was given by {last}.",
                ["body /as_of"],
            )
    viewer = fold_in(now.data, now.model, stars, wish.setting)
    if wish.half_life is None:
        return viewer
    return aged(viewer, np.array([days[movie] for movie in sorted(stars)]), wish.half_life)


# --- films ----------------------------------------------------------------------------------------


def film_page(now: Snapshot, query: shapes.FilmQuery) -> shapes.FilmPage:
    allowed = filtered(now.data, query, "query")
    found, has_text = now.titles.find(query.q, now.data.n_movies)
    if allowed is not None:
        found = [movie for movie in found if allowed[movie]]
    shown = found[query.offset : query.offset + query.limit]
    return shapes.FilmPage(
        total=len(found),
        offset=query.offset,
        has_text=has_text,
        items=[now.films[movie] for movie in shown],
    )


def film_details(now: Snapshot, movie: int) -> shapes.FilmDetails:
    data, row = now.data, now.data.movies.iloc[movie]
    counts = data.tag_counts[[movie]]
    tags = [
        shapes.TagCount(tag=data.tag_names[tag], people=int(people))
        for tag, people in zip(counts.indices, counts.data, strict=True)
    ]
    ratings = int(data.movie_degree[movie])
    return shapes.FilmDetails(
        **vars(now.films[movie]),
        ratings=ratings,
        mean_stars=float(data.mean_stars[movie]) if ratings else None,
        tags=sorted(tags, key=lambda tag: (-tag.people, tag.tag)),
        imdb_id=row["imdb_id"] or None,
        tmdb_id=row["tmdb_id"] or None,
        counts_as=int(data.movie_ids[data.canonical[movie]]),
    )


def similar_films(now: Snapshot, movie: int, k: int) -> shapes.SimilarFilms:
    nearest, cosine = similar_movies(now.model, movie, k)
    return shapes.SimilarFilms(
        movie=now.films[movie].movie,
        items=[
            shapes.SimilarFilm(**vars(now.films[near]), similarity=float(value))
            for near, value in zip(nearest.tolist(), cosine, strict=True)
        ],
    )


def tag_suggestions(now: Snapshot, movie: int, k: int) -> shapes.TagSuggestions:
    return shapes.TagSuggestions(
        movie=now.films[movie].movie,
        items=[
            shapes.TagSuggestion(
                tag=found.tag,
                score=found.score,
                carried_by=[now.films[near].movie for near in found.neighbours],
            )
            for found in suggest_tags(now.data, now.model, movie, k)
        ],
    )


# --- recommendations ------------------------------------------------------------------------------


def for_user(
    now: Snapshot, raw_user: int, wish: shapes.Listing, where: str = "query", field: str = ""
) -> shapes.Items:
    """The list of a user of the data; where `wish` is of the past, `now` is as of then.

    Args:
        where: "query" or "body": what the fields of `wish` stand in.
        field: the one that names the user, if it is no part of the path.
    """
    inner = _known(now.data.inner_user, raw_user, [field] if field else [])
    if wish.as_of is not None and now.data.user_degree[inner] == 0:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"User {raw_user} had rated no film by {wish.as_of}.",
            [field or f"{where} /as_of"],
        )
    allowed = _allowed(now, wish, where)
    if wish.half_life is None and not wish.reasons:
        known = now.audience.find(now.data, now.model, inner, wish.setting)
        return _listed(now, known, wish, allowed, None, raw_user)
    viewer = user(now, inner, wish)
    known = Known.of(now.data, now.model, now.stars, viewer)
    return _listed(now, known, wish, allowed, viewer if wish.reasons else None, raw_user)


def for_visitor(now: Snapshot, wish: shapes.VisitorListing) -> shapes.Items:
    """The list of someone with the ratings of the body; `now` as in `for_user`."""
    viewer = visitor(now, wish, wish, wish.as_of)
    allowed = _allowed(now, wish, "body")
    if wish.candidates is not None:
        only = np.zeros(now.data.n_movies, bool)
        only[inner_movies(now.data, wish.candidates, "body /candidates")] = True
        allowed = only if allowed is None else only & allowed
    known = Known.of(now.data, now.model, now.stars, viewer)
    return _listed(now, known, wish, allowed, viewer if wish.reasons else None, None)


def for_users(now: Snapshot, wish: shapes.Batch) -> shapes.ItemsOfUsers:
    """The lists of several users of the data; `now` as in `for_user`."""
    places = [f"body /users/{place}" for place in range(len(wish.users))]
    return shapes.ItemsOfUsers(
        lists=[
            for_user(now, user, wish, "body", place)
            for user, place in zip(wish.users, places, strict=True)
        ]
    )


def _allowed(now: Snapshot, wish: shapes.Listing, where: str) -> NDArray[np.bool_] | None:
    """The films that may appear in a list, bool [n_movies]; None where all may."""
    allowed = filtered(now.data, wish, where, wish.min_ratings)
    if wish.exclude:
        allowed = np.ones(now.data.n_movies, bool) if allowed is None else allowed
        allowed[inner_movies(now.data, wish.exclude, f"{where} /exclude")] = False
    if wish.as_of is not None:
        rated = now.data.movie_degree > 0
        allowed = rated if allowed is None else rated & allowed
    return allowed


def _trend_part(now: Snapshot, wish: shapes.Scoring) -> NDArray[np.float32] | None:
    """What is popular now, as `prediction.trend_part`."""
    try:
        return trend_part(now.model, wish.setting, wish.popular_now)
    except ValueError as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None


def _listed(
    now: Snapshot,
    known: Known,
    wish: shapes.Listing,
    allowed: NDArray[np.bool_] | None,
    why: Viewer | None,
    user: int | None,
) -> shapes.Items:
    """
    Args:
        why: whose reasons are told; None where none are.
        user: raw id of a user of the data.
    """
    trend = _trend_part(now, wish)
    scores = weigh(
        now.data, known.evidence, wish.tag_weight, wish.novelty, wish.fewest_ratings, trend
    )
    best = recommend(now.model, scores, wish.k, allowed, wish.diversity)
    items = [
        fields | {"reasons": _reasons(now, why, item) if why else None}
        for item, fields in zip(best, _items(now, known.taste, best), strict=True)
    ]
    return shapes.Items.model_validate({"user": user, "model": now.tag, "items": items})


def _items(now: Snapshot, taste: Taste, best: Sequence[Recommendation]) -> list[dict[str, Any]]:
    """The fields of `shapes.Item` of these films, the first one's rank being 1.

    Made into shapes all at once: one by one takes twice as long.
    """
    if not best:
        return []
    stars, unsure = predict(now.stars, taste, np.array([item.movie for item in best]))
    return [
        {
            **vars(now.films[item.movie]),
            "rank": rank,
            "score": item.score,
            "graph_part": item.graph_part,
            "tag_part": item.tag_part,
            "popularity_part": item.popularity_part,
            "trend_part": item.trend_part,
            "graph_score": item.graph_score,
            "tag_similarity": item.tag_similarity,
            "stars": expected,
            "stars_unsure": spread,
        }
        for rank, (item, expected, spread) in enumerate(
            zip(best, stars.tolist(), unsure.tolist(), strict=True), 1
        )
    ]


# --- reasons --------------------------------------------------------------------------------------


def _reasons(now: Snapshot, viewer: Viewer, item: Recommendation) -> shapes.Reasons:
    reasons = explain(now.data, now.model, viewer, item.movie)
    places = named_places(reasons)
    return shapes.Reasons(
        text=why_in_words(now.data, viewer, reasons),
        films=[
            shapes.RatedReason(
                **vars(now.films[viewer.movies[place]]),
                stars=viewer.stars[place],
                contribution=reasons.contributions[place],
                age_cost=reasons.age_cost[place],
                attention=reasons.attention[place],
            )
            for place in places
        ],
        share=share_of_score(reasons, places),
        tags=[name for name, _ in reasons.tags[:5]],
        for_everyone=trend_of_film_in_words(now.model, item) or None,
    )


def explanation(
    now: Snapshot, viewer: Viewer, movie: int, wish: shapes.Scoring, user: int | None
) -> shapes.ExplanationOut:
    """The whole score of an (inner) film, listed or not."""
    data, model = now.data, now.model
    trend, known = _trend_part(now, wish), evidence(data, model, viewer)
    scores = weigh(data, known, wish.tag_weight, wish.novelty, wish.fewest_ratings, trend)
    reasons = explain(data, model, viewer, movie)
    final, listed = scores.final, scores.candidates
    rank = 1 + int(np.count_nonzero(final[listed] > final[movie]))
    taste = taste_of(now.stars, viewer.movies, viewer.stars)
    itself = scores.item(movie)
    (item,) = _items(now, taste, [itself])
    paths = {}
    if model.is_hybrid:
        paths = by_kind(through(walks(data, model), model, viewer, np.array([movie])))
    return shapes.ExplanationOut(
        user=user,
        model=now.tag,
        item=shapes.Item(**item | {"rank": rank, "reasons": _reasons(now, viewer, itself)}),
        rated=bool(scores.rated[movie]),
        of=int(np.count_nonzero(listed)),
        terms=_terms(now, viewer, reasons),
        own=reasons.self_term,
        through=paths,
        tags=[shapes.TagTerm(name=name, share=share) for name, share in reasons.tags],
        without=_without(now, viewer, reasons, wish),
    )


def _terms(now: Snapshot, viewer: Viewer, reasons: Explanation) -> list[shapes.Term]:
    order = np.argsort(-np.abs(reasons.contributions), kind="stable").tolist()
    return [
        shapes.Term(
            **vars(now.films[viewer.movies[place]]),
            stars=viewer.stars[place],
            weight=reasons.weights[place],
            contribution=reasons.contributions[place],
            age_cost=reasons.age_cost[place],
            attention=reasons.attention[place],
            relation=relation(reasons.weights[place], reasons.contributions[place]),
        )
        for place in order
    ]


def _without(
    now: Snapshot, viewer: Viewer, reasons: Explanation, wish: shapes.Scoring
) -> list[shapes.WithoutRating]:
    """The ranks without each named film and without all of them, where something is left."""
    named = viewer.movies[named_places(reasons)].tolist()
    cases = [(movie,) for movie in named] + ([tuple(named)] if len(named) > 1 else [])
    cases = [case for case in cases if len(case) < len(viewer.movies)]
    ranks = ranks_without(
        now.data,
        now.model,
        viewer,
        [(reasons.movie, case) for case in cases],
        wish.tag_weight,
        wish.novelty,
        fewest=wish.fewest_ratings,
        popular_now=wish.popular_now,
    )
    return [
        shapes.WithoutRating(movies=[now.films[movie].movie for movie in case], rank=rank)
        for case, rank in zip(cases, ranks.tolist(), strict=True)
    ]
