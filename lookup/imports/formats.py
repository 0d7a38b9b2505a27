"""The columns of a table → whose export it is, and what each line says in one form for all."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Literal

from lookup.imports.files import RatingsFileError, Table

Points = Literal[5, 10, 100]
"""What ratings of a file are out of."""

_LONGEST_NAME = 200  # letters of a column's name that are looked at
_DOUBT_BELOW = 1 / 5  # share of ratings above 5 from which a file counts as one out of 10
_SURE_ABOVE = 4 / 5  # share of ratings above 10 from which it counts as one out of 100


@dataclass(frozen=True)
class Format:
    """A site's export, told by its columns.

    Attributes:
        name: for people.
        marks: columns that together no other site has.
        rating: names of the column with the person's rating; the first that a file has counts.
        dates: names of columns with dates, the one that counts first.
        points: what the site's ratings are out of.
        step: from one rating to the next; None where any decimals are rounded to half a star.
        key: of the films' number that every line needs, in the first of the marks; "" if none.
    """

    name: str
    marks: tuple[str, ...]
    rating: tuple[str, ...]
    dates: tuple[str, ...]
    points: Points
    step: float | None = None
    key: Literal["imdb", "raw", ""] = ""


OWN_COLUMNS = ("movieId", "title", "rating", "date", "shortlist since", "not interested since")
"""Of the file that this app gives a visitor with all their films."""

_OWN = Format(
    "this app",
    ("movieId", *OWN_COLUMNS[-2:]),
    ("rating",),
    ("date",),
    points=5,
    step=0.5,
    key="raw",
)
_FORMATS = (
    _OWN,
    Format(
        "IMDb",
        ("Const",),
        ("Your Rating", "You rated"),
        ("Date Rated", "created"),
        points=10,
        step=1,
        key="imdb",
    ),
    Format(
        "Letterboxd",
        ("Letterboxd URI",),
        ("Rating", "Rating10"),
        ("Watched Date", "Date"),
        points=5,
        step=0.5,
    ),
    Format(
        "TMDB",
        ("TMDb ID", "Your Rating", "Date Rated"),
        ("Your Rating",),
        ("Date Rated",),
        points=10,
    ),
    Format("Trakt", ("trakt_id", "rated_at"), ("rating",), ("rated_at",), points=10, step=1),
    Format(
        "MovieLens", ("movieId",), ("rating",), ("timestamp", "date"), points=5, step=0.5, key="raw"
    ),
)
_PLAIN = Format(
    "CSV",
    (),
    ("my rating", "your rating", "rating", "rating10", "user rating", "stars", "score"),
    ("date", "date rated", "rated at", "watched date", "timestamp"),
    points=5,
)

_TITLES = ("title", "name", "film", "movie", "filmname", "movietitle", "filmtitle", "primarytitle")
_ORIGINAL = ("originaltitle", "originalname")
_YEARS = ("year", "releaseyear")
_RELEASED = ("releasedate", "released")
_IMDB_IDS = ("imdbid", "imdb", "const", "tconst", "imdburl")
_TMDB_IDS = ("tmdbid", "tmdb", "themoviedbid")
_TYPES = ("titletype", "type", "mediatype")
# Names of columns in other languages, without accents, by what they are called here.
_TRANSLATED = {
    "title": "titel filmtitel titre titredufilm titulo titolo tittel tytuł название фильм",
    "originaltitle": "originaltitel titreoriginal titulooriginal titolooriginale tytułoryginalny",
    "year": "jahr erscheinungsjahr annee ano anno jaar ar rok год",
    "rating": "bewertung wertung note nota voto valutazione puntuacion calificacion avaliacao "
    "classificacao beoordeling cijfer betyg karakter ocena оценка",
    "myrating": "meinebewertung manote minota miavoto mijnbeoordeling mittbetyg mojaocena",
    "yourrating": "ihrebewertung deinebewertung votrenote tunota suvaloracion iltuovoto suanota "
    "jebeoordeling dittbetyg twojaocena вашаоценка",
    "date": "datum fecha data dato дата",
    "daterated": "bewertungsdatum bewertetam datedenotation fechadevaloracion datavoto",
}
_ENGLISH = {name: english for english, names in _TRANSLATED.items() for name in names.split()}
_NO_FILM = re.compile("(?i)series|episode|game|^tv$|^show$|^season$")

_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)", re.ASCII)
_OUT_OF = re.compile(r"(.+?) ?(?:/ ?(5|10|100)|(%))", re.ASCII)
_POINTS: dict[str, Points] = {"5": 5, "10": 10, "100": 100}
_MOST_DRAWN = 20  # characters
_DRAWN = re.compile(r"(?=.*[★⭐½])([★⭐]*)(½?)☆*")
_ID = re.compile(r"\d{1,18}", re.ASCII)
_IMDB_ID = re.compile(r"(?:.*/)?(?:tt)?(\d{1,18})/?", re.ASCII)
_TMDB_ID = re.compile(r"(\d{1,18})(?:\.0)?", re.ASCII)
_YEAR = re.compile(r"[0-9]{4}")
_YEAR_IN_TITLE = re.compile(r"(.+) \(([0-9]{4})\)")


@dataclass(frozen=True)
class Line:
    """What a line says.

    Attributes:
        line: where it begins in the file, from 1.
        titles: the title, and the original one if the file has it.
        year: of the film.
        rating: as in the file.
        value: the rating as a number; None where it is none.
        out_of: what the line itself says that its rating is out of, as "8/10" does.
        raw, imdb, tmdb: numbers of the film, by site; None where the file has none.
        kind: "TV Series" and the like where the line is about no film, else "".
        when: seconds since 1970 of the columns with dates; smallest if unknown.
        day: the date of the rating.
        person: whose rating it is, where the file says so.
        fault: one sentence if the line cannot be read, else "".
        shortlisted, not_interested: since when the film is on that list of this app's; None if not.
    """

    line: int
    titles: tuple[str, ...] = ()
    year: int | None = None
    rating: str = ""
    value: float | None = None
    out_of: Points | None = None
    raw: int | None = None
    imdb: int | None = None
    tmdb: int | None = None
    kind: str = ""
    when: tuple[float, ...] = ()
    day: date | None = None
    person: str = ""
    fault: str = ""
    shortlisted: date | None = None
    not_interested: date | None = None

    @property
    def label(self) -> str:
        """Title and year as in the file; an id where it has no title."""
        named = (("movieId ", self.raw), ("IMDb ", self.imdb), ("TMDB ", self.tmdb))
        ids = [f"{name}{number}" for name, number in named if number is not None]
        title = self.titles[0] if self.titles else next(iter(ids), "")
        return f"{title} ({self.year})" if self.year and self.titles else title


@dataclass(frozen=True)
class Scale:
    """What ratings mean in stars.

    Attributes:
        points: what they are out of.
        step: from one to the next; None where decimals are rounded to half a star.
        converted: whether a file on a scale to 5 by its columns was taken for one to 10.
    """

    points: Points
    step: float | None
    converted: bool = False

    def stars(self, value: float) -> float | None:
        """0.5–5 in halves; None if the value is not on the scale."""
        halves = 2 * value * 5 / self.points
        if self.step is None:
            return max(1, int(halves + 0.5)) / 2 if 0 <= value <= self.points else None
        on_scale = self.step <= value <= self.points and (value / self.step).is_integer()
        return halves / 2 if on_scale else None

    @property
    def allowed(self) -> str:
        """One sentence on what the scale has."""
        if self.step is None:
            return f"Allowed: 0 to {self.points}."
        return f"Allowed: {self.step:g} to {self.points} in steps of {self.step:g}."


def recognise(table: Table) -> Format:
    """Whose file it is, with the one column of ratings that it has.

    Raises:
        RatingsFileError: nobody's that can be used; the sentence names the right file.
    """
    names = _names(table.header)
    form = next((form for form in _FORMATS if set(map(_name, form.marks)) <= set(names)), _PLAIN)
    rating = next((column for column in form.rating if _name(column) in names), None)
    if form is _PLAIN and (rating is None or not _tells_films(names)):
        raise RatingsFileError(_nobodys(names))
    if rating is None and form.name == "Letterboxd":
        raise RatingsFileError(
            "This file of Letterboxd (watched.csv or another list) has no ratings; choose "
            "ratings.csv from the same export, or the whole ZIP archive."
        )
    for column in (*form.marks, rating or form.rating[0]):
        if names.count(_name(column)) != 1:
            raise RatingsFileError(
                f"The {form.name} file needs the column {column} once; export your ratings again "
                "and choose that file."
            )
    if not table.rows:
        raise RatingsFileError(f"The {form.name} file has no ratings; rate films and export again.")
    if _name(rating or "") == "rating10":
        return replace(form, rating=("rating10",), points=10, step=None)
    return replace(form, rating=(rating or "",))


def _tells_films(names: list[str]) -> bool:
    return any(name in names for name in (*_TITLES, *_IMDB_IDS, *_TMDB_IDS))


def _nobodys(names: list[str]) -> str:
    if names and names[0].startswith("letterboxdlist"):
        return "This is a list of Letterboxd without your ratings; choose ratings.csv."
    return (
        "The file is no export of IMDb, Letterboxd, MovieLens, TMDB or Trakt and has no columns "
        "title (or imdb_id or tmdb_id) and rating; export your ratings and choose that file."
    )


def read_lines(table: Table, form: Format) -> list[Line]:
    """Every line of the table in one form."""
    names = _names(table.header)
    day_first = _day_first(table, names, form)
    return [_read(row, names, form, day_first) for row in table.rows]


def tells_films(header: Iterable[str]) -> bool:
    """Whether these are names of columns by which films are told: a title or a number."""
    return _tells_films(_names(header))


def find_scale(lines: Iterable[Line], form: Format, points: Points | None = None) -> Scale:
    """The scale of the file; one rating above 5 makes stars doubtful, so all are looked at.

    Args:
        points: what the ratings are out of, if someone said so.

    Raises:
        ScaleError: stars and other numbers are mixed, or ratings go beyond 100.
    """
    rated = [line for line in lines if line.value is not None and not line.fault]
    told = {line.out_of for line in rated}
    if points is None and len(told) == 1:
        points = told.pop()
    elif points is None and told:
        raise ScaleError(
            "The ratings are not all out of the same number; correct them, or say what they are "
            "out of."
        )
    if form.points == 10 and points is None:
        return Scale(10, form.step)
    if points is not None:
        return Scale(points, form.step if points == form.points else None, points != form.points)
    above = [line for line in rated if line.value is not None and line.value > form.points]
    if not above:
        return Scale(form.points, form.step)
    worst = max(above, key=lambda line: line.value or 0)
    beyond = sum((line.value or 0) > 10 for line in above)
    if (worst.value or 0) <= 100 and beyond >= _SURE_ABOVE * len(rated):
        return Scale(100, None, converted=True)
    if beyond:
        raise ScaleError(
            f"Line {worst.line} has the rating {worst.rating[:20]}, but ratings go up to 5 or 10, "
            "or nearly all of them up to 100; correct it, or say what the ratings are out of."
        )
    if len(above) < _DOUBT_BELOW * len(rated):
        raise ScaleError(
            f"Line {worst.line} has the rating {worst.rating[:20]}, but nearly all are 5 or less; "
            "correct it, or say what the ratings are out of."
        )
    return Scale(10, None, converted=True)


class ScaleError(RatingsFileError):
    """What the ratings are out of is in doubt; someone can say it."""


# --- a line ---------------------------------------------------------------------------------------


def _name(column: str) -> str:
    """Letters and digits, without case and accents."""
    return re.sub(r"[\W_\u0300-\u036f]+", "", unicodedata.normalize("NFKD", column).casefold())


def _names(header: Iterable[str]) -> list[str]:
    """The names of the columns, in English where no column has the English one."""
    names = [_name(column[:_LONGEST_NAME]) for column in header]
    for place, name in enumerate(names):
        if _ENGLISH.get(name, name) not in names:
            names[place] = _ENGLISH[name]
    return names


def _read(row: tuple[Any, ...], names: list[str], form: Format, day_first: bool | None) -> Line:
    number, *fields = row
    if len(fields) != len(names):
        cells = defaultdict(str, zip(names, fields, strict=False))
        title = _first(cells, _TITLES)
        return Line(
            number,
            (title,) if title else (),
            rating=_first(cells, map(_name, form.rating)),
            fault=f"{len(fields)} fields instead of {len(names)}.",
        )
    cells = defaultdict(str, zip(names, fields, strict=True))
    title, original = _first(cells, _TITLES), _first(cells, _ORIGINAL)
    if form.name == _OWN.name:
        title = title.removeprefix("'")  # which keeps spreadsheets from running "=…"
    year, in_title = _first(cells, _YEARS).removesuffix(".0"), _YEAR_IN_TITLE.fullmatch(title)
    year = year or next(iter(_YEAR.findall(_first(cells, _RELEASED))), "")
    if in_title and year in ("", in_title[2]):
        title, year = in_title[1], in_title[2]
    rating = _first(cells, map(_name, form.rating))
    ids, fault = _ids(cells, form, bool(title))
    value, out_of = _value(rating)
    if not fault and rating and value is None:
        fault = "The rating is not a number."
    kind = _first(cells, _TYPES)
    moments = [_moment(cells[_name(column)], day_first) for column in form.dates]
    known = [moment for moment in moments if moment is not None]
    since = [_moment(cells[_name(column)], day_first) for column in OWN_COLUMNS[-2:]]
    return Line(
        number,
        tuple(filter(None, (title, original))),
        int(year) if _YEAR.fullmatch(year) else None,
        rating,
        value,
        out_of,
        *ids,
        kind if _NO_FILM.search(kind) else "",
        tuple(float("-inf") if moment is None else moment for moment in moments),
        _day(known[0]) if known else None,
        cells["userid"],
        fault,
        *(None if moment is None else _day(moment) for moment in since),
    )


def _first(cells: Mapping[str, str], names: Iterable[str]) -> str:
    return next((cells[name] for name in names if cells[name]), "")


def _value(rating: str) -> tuple[float | None, Points | None]:
    """The number, with a decimal point or comma, and what it says that it is out of."""
    drawn = _DRAWN.fullmatch(rating[:_MOST_DRAWN])
    if drawn:
        return len(drawn[1]) + len(drawn[2]) / 2, 5
    out_of = _OUT_OF.fullmatch(rating)
    number = out_of[1] if out_of else rating
    if not _NUMBER.fullmatch(number):
        return None, None
    points = _POINTS[out_of[2] or "100"] if out_of else None
    return float(number.replace(",", ".")), points


def _ids(
    cells: Mapping[str, str], form: Format, titled: bool
) -> tuple[tuple[int | None, int | None, int | None], str]:
    """The numbers "raw", "imdb" and "tmdb", and what makes the line unreadable or ""."""
    if form.key:
        key = cells[_name(form.marks[0])]
        pattern = _ID if form.key == "raw" else re.compile(r"(?:tt)?\d{1,18}", re.ASCII)
        if not pattern.fullmatch(key):
            sentence = f"The {form.marks[0]} is missing or not one of {form.name}."
            return (None, None, None), sentence
    imdb = _IMDB_ID.fullmatch(_first(cells, _IMDB_IDS))
    tmdb = _TMDB_ID.fullmatch(_first(cells, _TMDB_IDS))
    raw = int(cells["movieid"]) if form.key == "raw" else None
    found = (raw, int(imdb[1]) if imdb else None, int(tmdb[1]) if tmdb else None)
    if not titled and found == (None, None, None):
        return found, "It has neither a title nor an id of a film."
    return found, ""


# --- dates ----------------------------------------------------------------------------------------

_WRITTEN = ("%a %b %d %H:%M:%S %Y", "%d %b %Y", "%b %d, %Y", "%d-%b-%Y", "%B %d, %Y", "%d %B %Y")
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ].*)?", re.ASCII)
_NUMERIC = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?: .*)?", re.ASCII)
_SECONDS = re.compile(r"\d{1,12}", re.ASCII)
_LAST_SECOND = 253_402_300_799  # of the year 9999


def _day_first(table: Table, names: list[str], form: Format) -> bool | None:
    """Whether 1/2/2021 is in February here: told by any date of the file; None if none tells."""
    columns = [place for place, name in enumerate(names, 1) if name in map(_name, form.dates)]
    for row in table.rows:
        for place in columns:
            found = _NUMERIC.fullmatch(row[place]) if place < len(row) else None
            if found and (int(found[1]) > 12 or int(found[3]) > 12):
                return int(found[1]) > 12
    return None


def _moment(text: str, day_first: bool | None) -> float | None:
    """Seconds since 1970; of dates that can be read in two ways none is guessed."""
    if _SECONDS.fullmatch(text):
        return float(text) if int(text) <= _LAST_SECOND else None
    try:
        if _ISO.fullmatch(text):
            return _iso(text)
        numeric = _NUMERIC.fullmatch(text)
        if numeric:
            first, second, year = int(numeric[1]), int(numeric[3]), int(numeric[4])
            day_leads = numeric[2] == "." if day_first is None else day_first
            if day_first is None and numeric[2] != "." and first != second:
                return None
            day, month = (first, second) if day_leads else (second, first)
            return datetime(year, month, day, tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    for pattern in _WRITTEN if text[:1].isalnum() and len(text) < 40 else ():
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC).timestamp()
        except (ValueError, OverflowError):
            continue
    return None


def _iso(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        year, month, day = map(int, _ISO.fullmatch(text).groups())  # type: ignore[union-attr]
        moment = datetime(year, month, day)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _day(moment: float) -> date:
    return datetime.fromtimestamp(moment, UTC).date()
