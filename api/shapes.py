"""What goes in and out, described: the source of the OpenAPI document.

Ids are those of the data files (`movieId`, `userId`).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from analysis.reasons import Relation
from model.config import PRESETS
from model.profiles import DEFAULT_PROFILE, Profile
from model.splits import DEFAULT_PROTOCOL, PROTOCOLS
from prediction import DEFAULT_TAG_WEIGHT, FEWEST_RATINGS
from sources.movielens_files import MAX_STARS, MIN_STARS

MAX_K = 100
MAX_PAGE = 100
MAX_RATINGS = 5_000  # of one person in a body
MAX_FILMS = 5_000  # to leave out, or to rank
MAX_USERS = 100  # in a batch
MAX_TEXT = 100  # characters to search for
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LARGEST = 2**63 - 1

Id = Annotated[int, Field(ge=0, le=_LARGEST)]
Genre = Annotated[str, StringConstraints(min_length=1, max_length=50)]
Year = Annotated[int, Field(ge=0, le=9999)]


def _one_of(names: Collection[str]) -> tuple[Any, Any]:
    """For `Annotated`: one of these texts."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"Only these are known: {', '.join(names)}.")
        return value

    return AfterValidator(check), Field(json_schema_extra={"enum": list(names)})


def _written_as_day(value: object) -> object:
    """Only text: a number would be taken for seconds since 1970."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("A day is written like 2005-06-30.")
    return value


Day = Annotated[date, BeforeValidator(_written_as_day)]
Preset = Annotated[str, *_one_of(PRESETS)]
Protocol = Annotated[str, *_one_of(PROTOCOLS)]


class In(BaseModel):
    """What is sent: a field that is not known is a mistake to name, not to pass over."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class Out(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)  # errors get into logs


# --- films ----------------------------------------------------------------------------------------


class Film(Out):
    """A film."""

    movie: int = Field(description="Id of the film, `movieId` of the data.", examples=[318])
    title: str = Field(examples=["The Shawshank Redemption"])
    year: int | None = Field(examples=[1994])
    genres: tuple[str, ...] = Field(examples=[["Crime", "Drama"]])


class TagCount(Out):
    tag: str = Field(examples=["prison"])
    people: int = Field(description="How many people gave the film this tag.", examples=[3])


class FilmDetails(Film):
    """A film with all that the data say of it."""

    ratings: int = Field(description="How many people rated it.", examples=[317])
    mean_stars: float | None = Field(description="Null without ratings.", examples=[4.43])
    tags: list[TagCount] = Field(description="Most frequent first.")
    imdb_id: str | None = Field(examples=["0111161"])
    tmdb_id: str | None = Field(examples=["278"])
    counts_as: int = Field(
        description="The id of the copy that counts, where the catalogue lists the film twice; "
        "else its own.",
        examples=[318],
    )


class FilmPage(Out):
    """Some of the films that were found."""

    total: int = Field(description="How many were found.", examples=[1])
    offset: int = Field(examples=[0])
    has_text: bool = Field(
        description="False: no title has the text, and these are films of similar titles."
    )
    items: list[Film]


class SimilarFilm(Film):
    similarity: float = Field(description="Cosine of the films' vectors, -1 to 1.", examples=[0.71])


class SimilarFilms(Out):
    """The nearest films, nearest first; none where the film has no ratings."""

    movie: int = Field(examples=[318])
    items: list[SimilarFilm]


class TagSuggestion(Out):
    tag: str = Field(examples=["friendship"])
    score: float = Field(
        description="Share of the similarity of its neighbours that carries the tag, 0 to 1.",
        examples=[0.2],
    )
    carried_by: list[int] = Field(description="Those neighbours, nearest first.", examples=[[296]])


class TagSuggestions(Out):
    """Tags that the film's neighbours carry and the film does not."""

    movie: int = Field(examples=[318])
    items: list[TagSuggestion]


class FilmFilter(In):
    """Which films may be listed."""

    genre: list[Genre] = Field([], max_length=30, description="With any of these genres.")
    without: list[Genre] = Field([], max_length=30, description="With none of these genres.")
    year_from: Year | None = Field(None, description="Films without a year do not pass.")
    year_to: Year | None = None


class FilmQuery(FilmFilter):
    q: str = Field("", max_length=MAX_TEXT, description="A title or words of it.")
    limit: int = Field(20, ge=1, le=MAX_PAGE)
    offset: int = Field(0, ge=0, le=10_000_000)


class Few(In):
    k: int = Field(10, ge=1, le=MAX_K, description="How many.")


# --- recommendations ------------------------------------------------------------------------------


class Scoring(In):
    """How films are scored."""

    setting: Profile = Field(
        DEFAULT_PROFILE,
        description="`like`: what they will rate high; `watch`: what they will rate at all.",
    )
    tag_weight: float = Field(
        DEFAULT_TAG_WEIGHT, ge=0, le=1, description="Weight of the tag part in the score."
    )
    novelty: float = Field(
        0.0, ge=-1, le=1, description="Above 0: less of what many rated; below 0: more of it."
    )
    fewest_ratings: int = Field(
        FEWEST_RATINGS,
        ge=1,
        le=FEWEST_RATINGS,
        description="Of a film that novelty or diversity may bring.",
    )
    half_life: float | None = Field(
        None,
        gt=0,
        description="A rated film counts half after so many later ones: what they watch these "
        "days. Null: films do not age. Of a visitor it needs `rated_on` of every rating.",
    )
    popular_now: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How much it counts that a film was rated lately more than its share of all "
        "ratings; 1 is what was best on later ratings. Above 0 it needs a model for which a gain "
        "of it is proved (`popular_now` in /v1/model).",
    )


class Listing(Scoring, FilmFilter):
    """How films are scored, and which are listed."""

    k: int = Field(10, ge=1, le=MAX_K, description="How many films.")
    diversity: float = Field(0.0, ge=0, le=1, description="Above 0: less of the same.")
    min_ratings: int = Field(0, ge=0, le=_LARGEST, description="Rated by so many at least.")
    exclude: list[Id] = Field([], max_length=MAX_FILMS, description="Films to leave out.")
    reasons: bool = Field(False, description="Say of each film why it is listed.")
    as_of: Day | None = Field(
        None,
        description="The list as of the end of this day, UTC: from the ratings and tags until "
        "then, with the model fitted to those, and of films that someone had rated by then. The "
        "first answer of a day takes a fit: until it is done, 503 with Retry-After. Of a visitor "
        "it needs `rated_on` of every rating, and later ones do not count.",
        examples=["2010-06-30"],
    )


class Rating(In):
    movie: Id = Field(description="Id of the film.", examples=[318])
    stars: float = Field(ge=MIN_STARS, le=MAX_STARS, examples=[4.5])
    rated_on: Day | None = Field(
        None, description="Day of the rating, for `half_life` and `as_of`.", examples=["2024-05-31"]
    )


class Ratings(In):
    """A visitor: nothing of it is kept."""

    ratings: list[Rating] = Field(
        min_length=1, max_length=MAX_RATINGS, description="Each film once."
    )


class VisitorListing(Ratings, Listing):
    """Ratings of a visitor, and what to recommend."""

    candidates: list[Id] | None = Field(
        None, min_length=1, max_length=MAX_FILMS, description="Rank only these films."
    )
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"ratings": [{"movie": 6, "stars": 4.5}, {"movie": 17, "stars": 2.0}], "k": 3}
            ]
        }
    )


class Batch(Listing):
    """Several users of the data at once."""

    users: list[Id] = Field(min_length=1, max_length=MAX_USERS, examples=[[1, 2]])


class VisitorQuestion(Ratings, Scoring):
    """Ratings of a visitor, and the film to explain."""

    movie: Id = Field(description="Id of the film to explain.", examples=[318])


class RatedReason(Film):
    """A film that the person rated and that speaks for this one."""

    stars: float = Field(description="What the person gave it.", examples=[5.0])
    contribution: float = Field(description="Its part of the graph score.", examples=[0.4])
    age_cost: float = Field(
        description="What it adds less than it would without its age.", examples=[0.0]
    )
    attention: float = Field(
        description="By what attention multiplied its weight; 1 in a model without.", examples=[1.0]
    )


class Reasons(Out):
    """Why a film is listed."""

    text: str = Field(
        description="One sentence.",
        examples=["33% of the graph score through Heat (1995) (4.5 ★)"],
    )
    films: list[RatedReason] = Field(description="Those that speak loudest for it.")
    share: float | None = Field(
        description="What these films make up of the graph score; null where it is not above 0."
    )
    tags: list[str] = Field(description="Shared tags and genres, most telling first.")
    for_everyone: str | None = Field(
        None,
        description="What its popularity now adds, whoever asks, one sentence; null where nothing.",
    )


class Item(Film):
    """A recommended film; `score` is the sum of the four parts."""

    rank: int = Field(examples=[1])
    score: float = Field(examples=[0.98])
    graph_part: float = Field(
        description="(1 - w) · graph_score / its largest among the candidates.", examples=[0.9]
    )
    tag_part: float = Field(
        description="w · tag_similarity / its largest among the candidates.", examples=[0.08]
    )
    popularity_part: float = Field(description="-novelty · popularity.", examples=[0.0])
    trend_part: float = Field(
        description="What its popularity now adds, the same for everybody.", examples=[0.0]
    )
    graph_score: float = Field(description="Product of person and film vector.", examples=[1.3])
    tag_similarity: float = Field(
        description="Cosine of the person's and the film's tags and genres.", examples=[0.4]
    )
    stars: float = Field(description="Predicted stars.", examples=[4.2])
    stars_unsure: float = Field(description="Its standard deviation.", examples=[0.8])
    reasons: Reasons | None = None


class Items(Out):
    """Recommended films, best first; fewer than asked for where fewer qualify."""

    user: int | None = Field(description="Null for a visitor.", examples=[7])
    model: str = Field(
        description="Of data and model: the same as in /v1/model; with `as_of`, of those of then."
    )
    items: list[Item]


class ItemsOfUsers(Out):
    """One list for each user, in the order of the request."""

    lists: list[Items]


class Term(Film):
    """What one rated film adds to the graph score."""

    stars: float = Field(examples=[4.5])
    weight: float = Field(description="What stars, attention and age make of it.", examples=[1.2])
    contribution: float = Field(examples=[0.12])
    age_cost: float = Field(
        description="What it adds less than it would without its age.", examples=[0.0]
    )
    attention: float = Field(
        description="By what attention multiplied its weight; 1 in a model without.", examples=[1.0]
    )
    relation: Relation = Field(
        description="What it does: `pulls` by being like the film, `pushes` by being unlike it; "
        "disliked, it speaks against what is like it (`disliked`) or for what is `unlike` it."
    )


class TagTerm(Out):
    name: str = Field(examples=["prison"])
    share: float = Field(description="Its part of the tag similarity.", examples=[0.1])


class WithoutRating(Out):
    """Where the film would stand had these ratings not been given."""

    movies: list[int] = Field(examples=[[318]])
    rank: int = Field(examples=[12])


class ExplanationOut(Out):
    """The whole score of one film, term by term; nothing is left over."""

    user: int | None
    model: str
    item: Item = Field(description="Its rank is among the films that may be listed.")
    rated: bool = Field(description="The person has rated this film, so no list would have it.")
    of: int = Field(description="How many films may be listed.")
    terms: list[Term] = Field(description="All rated films, by the size of what they add.")
    own: float = Field(
        description="What was learned about the person beyond any film; 0 in a hybrid model."
    )
    through: dict[str, float] = Field(
        description="The graph score once more, by the kind of node between the films; empty where "
        "the model is no hybrid."
    )
    tags: list[TagTerm]
    without: list[WithoutRating] = Field(
        description="Ranks without each film that speaks loudest, and without all of them."
    )


# --- the model, trainings -------------------------------------------------------------------------


class Metric(Out):
    value: float
    low: float | None = Field(description="Lower end of its 95 % interval.")
    high: float | None = Field(description="Upper end.")


class ModelOut(Out):
    """The model in use."""

    model: str = Field(description="Of data and model; changes with either.")
    data: str = Field(description="Name of the data folder.", examples=["ml-latest-small"])
    fingerprint: str = Field(description="SHA-256 of the data.")
    users: int
    movies: int
    ratings: int
    kind: str = Field(examples=["hybrid"])
    protocol: str = Field(description="Which ratings were held out.")
    refitted: bool = Field(description="Fitted once more to all ratings after it was measured.")
    settings: dict[str, int | float | str | bool | None]
    trained: str | None = Field(description="When it was saved, UTC; null if it was not.")
    in_use_since: str = Field(description="In this process, UTC.")
    end: str = Field(description="Why the training ended.")
    metrics: dict[str, Metric] = Field(description="On the held-out test ratings.")
    watch_metrics: dict[str, float] = Field(description="The same of the setting `watch`.")
    popular_now: dict[str, float] = Field(
        description="By setting: what a film gains at most where it was rated lately e times as "
        "often as its share of all ratings lets one expect; 0 where no gain is proved, none where "
        "it was not looked at."
    )


class Health(Out):
    status: Literal["live", "ready"]


class TrainingOrder(In):
    preset: Preset = "fast"
    protocol: Protocol = Field(DEFAULT_PROTOCOL, description="Which ratings are held out.")
    refit: bool = Field(False, description="Fit to all ratings afterwards.")


class TrainingOut(Out):
    """A training."""

    id: str
    status: Literal["running", "finished", "failed"]
    doing: str = Field(description="What it is at.", examples=["Epoch 3 of 20"])
    share_done: float
    started: str
    stopping: bool
    problem: str | None
    in_use: bool = Field(description="Its model is the one that answers.")
    compared: str | None = Field(
        description="The model against the one in use, one sentence; null until it is finished."
    )
    metrics: dict[str, float] = Field(description="On the held-out test ratings, once finished.")
