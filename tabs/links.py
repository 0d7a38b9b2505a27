"""Deep links: which parameters a link may carry, and what to say of the ones that are wrong."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.layers import DEPTH
from analysis.people import YOU
from data_preparation import MovieData
from model.ageing import ALWAYS, BEST_FOR_THE_NEXT_FILM
from model.profiles import Profile
from sources.movielens_files import MAX_STARS

MAX_K = 50
MAX_MIN_RATINGS = 100
MAX_SEED = 999_999
WHO = ("A user of the data", "Me")
ALWAYS_COUNTS = "Always"
# What the control of a film's age says → half-life, later films.
RECENT: dict[str, float] = {
    ALWAYS_COUNTS: ALWAYS,
    **{f"Last {films:g} films": films for films in (300, 100, 30, 10)},
    "These days": BEST_FOR_THE_NEXT_FILM,
}
AIMS: dict[str, Profile] = {"What I will like": "like", "What I will watch": "watch"}
TABS = ("Start Here", "Recommendations", "Train Model", "Insights")
CHAPTERS = (
    "In two minutes",
    "Rows to graph",
    "Neighbourhood",
    "Messages",
    "Reach",
    "Learning",
    "Recommendation",
    "What if",
    "Time",
    "Attention",
    "Glossary",
)
BY_NUMBER = "By number"
FOLLOWED = (YOU, BY_NUMBER)
PLAIN, FORMULAS = LEVELS = ("Plain words", "Formulas")
WHY = "why"  # raw id of the film whose reasons are opened
DATA = "data"  # the name of the data set
OF_THE_DATA = ("user", "follow", WHY, "surprise", "component", "settings_by_tab")  # session keys
DUEL = "Model duel"
TASTE = "Taste over time"
LATER = "Later times"
SECTIONS = (
    *("Map of films", "Tags", "Tag suggestions", "Model health"),
    *(DUEL, TASTE, LATER, "Data at a glance"),
)

TRAINING = FOR_SERVING, PLAYGROUND = ("A model that serves", "Playground")
# Of the playground: what each setting may be, and what it is at first.
PLAY_LAYERS = (0, 1, 2, 3, 4)
PLAY_DIMS = (8, 16, 32, 64)
PLAY_RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
PLAY_EPOCHS = (10, 20, 30, 45, 60)
PLAY_DEFAULTS = {"layers": 2, "dim": 64, "learning_rate": 0.01, "epochs": 30, "seed": 0}

# The parameters that Streamlit writes for widgets of a tab (`bind="query-params"`).
BOUND = {
    "Start Here": ("level",),
    "Recommendations": (
        *("who", "profile", "k", "tag_weight", "genres", "without", "years"),
        *("min_ratings", "min_stars", "novelty", "diversity", "little_known", "recent"),
        "popular_now",
    ),
    "Train Model": ("play_layers", "play_dim", "play_rate", "play_epochs", "play_seed"),
}

Check = Callable[[Sequence[str]], tuple[list[str], str]]
"""Called with the values of a parameter; those that a widget can take, and what is wrong or ""."""


def year_range(data: MovieData) -> tuple[int, int]:
    """First and last year of the films."""
    years = data.movies["year"].dropna()
    return (int(years.min()), int(years.max())) if len(years) else (1900, 2100)


def read_link(
    query: Mapping[str, Sequence[str]], data: MovieData
) -> tuple[dict[str, list[str]], list[str]]:
    """What the widgets can take of a link, and a sentence for everything that they cannot.

    Args:
        query: parameter name → values, as in the address.

    Returns:
        The query without the values that mean nothing here (parameters of others stay), and the
        sentences.
    """
    checks = _checks(data)
    sound: dict[str, list[str]] = {}
    problems = []
    for name, values in query.items():
        kept, fault = checks[name](values) if name in checks else (list(values), "")
        if fault:
            instead = "it is left out" if kept else "the default is used"
            problems.append(f"The link asks for {name} = {fault}; {instead}.")
        if kept:
            sound[name] = kept
    return sound, problems


def _checks(data: MovieData) -> dict[str, Check]:
    """How to read each parameter."""
    return {
        "k": _number(1, MAX_K),
        "min_ratings": _number(0, MAX_MIN_RATINGS),
        "min_stars": _number(0.0, MAX_STARS),
        "tag_weight": _number(0.0, 1.0),
        "novelty": _number(-1.0, 1.0),
        "diversity": _number(0.0, 1.0),
        "popular_now": _number(0.0, 1.0),
        "little_known": _one_of(("true", "false")),
        "years": _years(*year_range(data)),
        "surprise": _number(0, MAX_SEED),
        "tab": _one_of(TABS),
        "training": _one_of(TRAINING),
        "play_layers": _one_of([str(layers) for layers in PLAY_LAYERS]),
        "play_dim": _one_of([str(dim) for dim in PLAY_DIMS]),
        "play_rate": _one_of([str(rate) for rate in PLAY_RATES]),
        "play_epochs": _one_of([str(epochs) for epochs in PLAY_EPOCHS]),
        "play_seed": _number(0, MAX_SEED),
        "who": _one_of(WHO),
        "profile": _one_of(AIMS),
        "recent": _one_of(RECENT),
        "follow": _one_of(("", *FOLLOWED)),
        "step": _number(0, DEPTH - 1),
        "chapter": _one_of(CHAPTERS),
        "level": _one_of(LEVELS),
        "section": _one_of(SECTIONS),
        "user": _one_of(_Ids(data.user_ids)),
        WHY: _one_of(_Ids(data.movie_ids)),
        "genres": _some_of(data.genre_names),
        "without": _some_of(data.genre_names),
    }


@dataclass(frozen=True, eq=False)
class _Ids:
    """Raw ids as a link writes them, without a text for each of them."""

    ids: NDArray[np.int64]

    def __contains__(self, text: object) -> bool:
        if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 19):
            return False
        place = np.searchsorted(self.ids, int(text))
        return bool(place < len(self.ids) and str(self.ids[place]) == text)


def _number(low: float, high: float) -> Check:
    """One number from `low` to `high`; whole if they are."""

    def check(values: Sequence[str]) -> tuple[list[str], str]:
        fault = _wrong_number(values, low, high) or _too_many(values)
        return ([] if fault else list(values)), fault

    return check


def _years(first: int, last: int) -> Check:
    """Two years in order."""

    def check(values: Sequence[str]) -> tuple[list[str], str]:
        fault = _wrong_number(values, first, last)
        if not fault and (len(values) != 2 or float(values[0]) > float(values[1])):
            fault = f"{' and '.join(values[:3])}, which is not a first and a last year"
        return ([] if fault else list(values)), fault

    return check


def _some_of(options: Container[str]) -> Check:
    """Any number of the options."""

    def check(values: Sequence[str]) -> tuple[list[str], str]:
        wrong = [value for value in values if value not in options]
        fault = f"“{wrong[0][:40]}”, which does not exist here" if wrong else ""
        return [value for value in values if value in options], fault

    return check


def _one_of(options: Container[str]) -> Check:
    """One of the options."""

    def check(values: Sequence[str]) -> tuple[list[str], str]:
        kept, fault = _some_of(options)(values)
        too_many = "" if fault else _too_many(kept)
        return ([], too_many) if too_many else (kept, fault)

    return check


def _too_many(values: Sequence[str]) -> str:
    return f"{len(values)} values, where one is possible" if len(values) > 1 else ""


def _wrong_number(values: Sequence[str], low: float, high: float) -> str:
    """What is wrong with the first value that is no number from `low` to `high`; "" if none is."""
    whole = isinstance(low, int)
    for value in values:
        if not _is_number_between(value, low, high, whole):
            kind = "a whole number" if whole else "a number"
            return f"“{value[:40]}”, which is not {kind} from {low:g} to {high:g}"
    return ""


def _is_number_between(value: str, low: float, high: float, whole: bool) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    return low <= number <= high and (not whole or number.is_integer())
