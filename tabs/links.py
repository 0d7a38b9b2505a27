"""Deep links: which parameters a link may carry, and what to say of the ones that are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data_preparation import MovieData

MAX_K = 50
MAX_MIN_RATINGS = 100
WHO = ("A user of the data", "Me")
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
    "Glossary",
)
PLAIN, FORMULAS = LEVELS = ("Plain words", "Formulas")
DUEL = "Model duel"
SECTIONS = ("Map of films", "Tags", "Tag suggestions", "Model health", DUEL, "Data at a glance")
_SEVERAL = ("genres", "without")  # parameters that may have more than one value


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
    first_year, last_year = year_range(data)
    numbers = {
        "k": (1, MAX_K),
        "min_ratings": (0, MAX_MIN_RATINGS),
        "years": (first_year, last_year),
        "tag_weight": (0.0, 1.0),
        "novelty": (-1.0, 1.0),
        "diversity": (0.0, 1.0),
    }
    choices = {
        "tab": TABS,
        "who": WHO,
        "chapter": CHAPTERS,
        "level": LEVELS,
        "section": SECTIONS,
        "genres": data.genre_names,
        "without": data.genre_names,
        "user": frozenset(map(str, data.user_ids.tolist())),
    }
    sound: dict[str, list[str]] = {}
    problems = []
    for name, values in query.items():
        if name in numbers:
            fault = _number_fault(name, values, *numbers[name])
            kept = [] if fault else list(values)
        elif name in choices:
            kept = [value for value in values if value in choices[name]]
            wrong = [value for value in values if value not in choices[name]]
            fault = f"“{wrong[0][:40]}”, which does not exist here" if wrong else ""
            if not fault and name not in _SEVERAL and len(kept) > 1:
                kept, fault = [], f"{len(kept)} values, where one is possible"
        else:
            kept, fault = list(values), ""
        if fault:
            instead = "it is left out" if kept else "the default is used"
            problems.append(f"The link asks for {name} = {fault}; {instead}.")
        if kept:
            sound[name] = kept
    return sound, problems


def _number_fault(name: str, values: Sequence[str], low: float, high: float) -> str:
    """What is wrong with the value or, for years, the two values of a number; or ""."""
    whole = isinstance(low, int)
    for value in values:
        if not _is_number_between(value, low, high, whole):
            kind = "a whole number" if whole else "a number"
            return f"“{value[:40]}”, which is not {kind} from {low:g} to {high:g}"
    if name == "years":
        if len(values) != 2 or float(values[0]) > float(values[1]):
            return f"{' and '.join(values[:3])}, which is not a first and a last year"
    elif len(values) != 1:
        return f"{len(values)} values, where one is possible"
    return ""


def _is_number_between(value: str, low: float, high: float, whole: bool) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    return low <= number <= high and (not whole or number.is_integer())
