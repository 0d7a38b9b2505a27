"""Own ratings from a file: an export or a plain CSV → stars by film, and a report of every line.

Reading the bytes, telling the format and knowing the films lie in `lookup/imports/`; here lines are
judged, and what they say of the same film is weighed up. No film is guessed, and the file's text
stays mere text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import pandas as pd

from data_preparation import MovieData
from lookup.imports.files import MAX_BYTES, MAX_ROWS, ONE_PERSON, RatingsFileError, read_table
from lookup.imports.formats import (
    OWN_COLUMNS,
    Line,
    Points,
    Scale,
    ScaleError,
    find_scale,
    read_lines,
    recognise,
)
from lookup.imports.titles import Certainty, Match, TitleIndex, title_key

__all__ = [
    "MAX_BYTES",
    "MAX_ROWS",
    "OWN_COLUMNS",
    "ImportedRatings",
    "LineToConfirm",
    "Points",
    "RatingsFileError",
    "ScaleError",
    "TitleIndex",
    "read_ratings_file",
    "title_key",
]

MATCHED, TO_CONFIRM, ABSENT = "matched", "to confirm", "not in the catalogue"
NOT_RATED, LISTED, OUT_OF_RANGE = "not rated", "on a list", "out of range"
RATED_TWICE, UNCERTAIN, UNREADABLE = "rated twice", "uncertain", "unreadable"
STATUSES = (
    *(MATCHED, LISTED, TO_CONFIRM, ABSENT, NOT_RATED, OUT_OF_RANGE),
    *(RATED_TWICE, UNCERTAIN, UNREADABLE),
)


@dataclass(frozen=True)
class LineToConfirm:
    """A line that may mean a film, or one of several.

    Attributes:
        line: where it begins in the file, from 1.
        title: title and year as in the file.
        stars: 0.5–5 in halves.
        movies: inner ids of the films that it may mean, the likeliest first.
        day: the date of the rating, if the file has one.
    """

    line: int
    title: str
    stars: float
    movies: tuple[int, ...]
    day: date | None


@dataclass(frozen=True, eq=False)
class ImportedRatings:
    """What a file holds.

    Attributes:
        format: "IMDb", "Letterboxd", "MovieLens", "TMDB", "Trakt" or "CSV".
        stars: inner movie id → stars, 0.5–5 in halves; one entry per "matched" line.
        dates: inner movie id → date of the rating, for those of `stars` where the file has one.
        shortlist, not_interested: inner movie id → day since when the film is on that list, in a
            file that this app gave.
        to_confirm: the lines that someone has to decide, in the order of the file.
        rows: one row per line that is not blank: line (from 1, where it begins), title and rating
            (as in the file), status (of `STATUSES`), film (name and year, or ""), note (or "").
        notes: sentences on how the file was read: archive, encoding, separator, scale.
        points: what the ratings of the file were taken to be out of.
        scale_open: whether that is a guess, so that someone may say it.
        last_year: year of the newest film of the catalogue, None if unknown.
        newer: lines that are not in the catalogue and of a film newer than that.
    """

    format: str
    stars: dict[int, float]
    dates: dict[int, date]
    shortlist: dict[int, date]
    not_interested: dict[int, date]
    to_confirm: tuple[LineToConfirm, ...]
    rows: pd.DataFrame
    notes: tuple[str, ...]
    points: Points
    scale_open: bool
    last_year: int | None
    newer: int

    @property
    def counts(self) -> dict[str, int]:
        """Lines by status, in the order of `STATUSES`, those without any left out."""
        counts = Counter(self.rows["status"])
        return {status: counts[status] for status in STATUSES if counts[status]}

    @property
    def single_candidates(self) -> dict[int, float]:
        """Stars of the lines to confirm that may mean one film only, and alone mean it.

        All of these can be taken with one click. Inner movie id → stars.
        """
        claims = Counter(movie for line in self.to_confirm for movie in line.movies)
        single = (line for line in self.to_confirm if len(line.movies) == 1)
        return {
            line.movies[0]: line.stars
            for line in single
            if claims[line.movies[0]] == 1 and line.movies[0] not in self.stars
        }

    @property
    def summary(self) -> str:
        """One sentence: how many lines matched, and what became of the others."""
        counts = self.counts
        others = ", ".join(f"{n:,} {status}" for status, n in counts.items() if status != MATCHED)
        lines = f"{len(self.rows):,} line{'s' * (len(self.rows) != 1)} ({self.format})"
        return f"Matched {counts.get(MATCHED, 0):,} of {lines}{'; ' * bool(others)}{others}."


def read_ratings_file(
    content: bytes, data: MovieData | TitleIndex, points: Points | None = None
) -> ImportedRatings:
    """Read one person's ratings and find the films.

    Of several lines on a film the last by date counts, or by position; one without a date is older.
    A line that only nearly names a film (a year off) never takes the place of one that does.

    Args:
        content: an export of IMDb, Letterboxd, MovieLens, TMDB or Trakt or a plain CSV file, or a
            ZIP archive with one; at most `MAX_BYTES` and `MAX_ROWS`.
        data: a caller who keeps `TitleIndex.of(data)` passes that; making it takes some 0.5 s.
        points: what the ratings are out of, if someone said so; else it is found out.

    Raises:
        RatingsFileError: the file as a whole cannot be used. A bad line is only reported.
    """
    index = data if isinstance(data, TitleIndex) else TitleIndex.of(data)
    table = read_table(content)
    form = recognise(table)
    lines = read_lines(table, form)
    people = {line.person for line in lines if line.person and not line.fault}
    if len(people) > 1:
        raise RatingsFileError(f"The file's userIds are those of several people; {ONE_PERSON}.")
    scale = find_scale(lines, form, points)
    judged = _weigh([_judge(line, scale, index) for line in lines], index)
    counted = [item for item in judged if item.status == MATCHED]
    found = [(item.match.movies[0], item.line) for item in judged if item.match.sure]
    missing = [item.line.year for item in judged if item.status == ABSENT]
    last = index.last_year
    return ImportedRatings(
        format=form.name,
        stars={item.match.movies[0]: item.stars for item in counted},
        dates={item.match.movies[0]: item.line.day for item in counted if item.line.day},
        shortlist={movie: line.shortlisted for movie, line in found if line.shortlisted},
        not_interested={movie: line.not_interested for movie, line in found if line.not_interested},
        to_confirm=tuple(
            LineToConfirm(
                item.line.line, item.line.label, item.stars, item.match.movies, item.line.day
            )
            for item in judged
            if item.status == TO_CONFIRM
        ),
        rows=pd.DataFrame([_row(item, index) for item in judged]),
        notes=(*table.notes, *_scale_note(scale)),
        points=scale.points,
        scale_open=form.name == "CSV" or scale.converted or points is not None,
        last_year=last,
        newer=sum(year is not None and last is not None and year > last for year in missing),
    )


def _scale_note(scale: Scale) -> tuple[str, ...]:
    if not scale.converted:
        return ()
    return (f"Read as ratings out of {scale.points}: {scale.points} gives 5 stars.",)


# --- lines ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Judged:
    """A line, what it may mean, and what becomes of it."""

    line: Line
    match: Match
    status: str
    note: str = ""
    stars: float = 0.0


def _judge(line: Line, scale: Scale, index: TitleIndex) -> _Judged:
    match = Match() if line.fault else _find(line, index)
    stars = None if line.value is None else scale.stars(line.value)
    if line.fault:
        return _Judged(line, match, UNREADABLE, line.fault)
    if not line.rating:
        listed = match.sure and (line.shortlisted or line.not_interested)
        return _Judged(line, match, LISTED if listed else NOT_RATED)
    if stars is None or line.value is None:
        return _Judged(line, match, OUT_OF_RANGE, scale.allowed)
    if not match.movies:
        return _Judged(line, match, ABSENT, line.kind or _too_new(line, index), stars)
    if not match.sure:
        names = " or ".join(index.films[film] for film in match.movies[:3])
        more = f" or {len(match.movies) - 3} more" if len(match.movies) > 3 else ""
        return _Judged(line, match, TO_CONFIRM, f"{names}{more}?", stars)
    note = ""
    if match.certainty == Certainty.YEAR_OFF:
        note = f"A year off: {index.years[match.movies[0]]} in the catalogue."
    elif stars * scale.points != 5 * line.value:
        note = f"Rounded to {stars:g} stars."
    return _Judged(line, match, MATCHED, note, stars)


def _too_new(line: Line, index: TitleIndex) -> str:
    last = index.last_year
    if line.year is None or last is None or line.year <= last:
        return ""
    return f"The catalogue ends with {last}."


def _find(line: Line, index: TitleIndex) -> Match:
    """By the ids of the line; by its titles only where no id says that it is another film."""
    if line.raw is not None:
        match = index.by_id("raw", line.raw)
        if match.movies and not _contradicts(line, match.movies[0], index):
            return match
    for kind, number in (("imdb", line.imdb), ("tmdb", None if line.kind else line.tmdb)):
        if number is not None:
            match = index.by_id(kind, number)
            if match.movies:
                return match
    if line.kind or not line.titles:
        return Match()
    match = index.find(line.titles, line.year)
    films = tuple(film for film in match.movies if not _other_number(line, film, index))
    return Match(films, match.certainty if films else Certainty.NONE)


def _contradicts(line: Line, film: int, index: TitleIndex) -> bool:
    """Whether a movie id is another catalogue's: neither title nor IMDb number is the film's."""
    if line.imdb is not None and line.imdb == index.imdb[film]:
        return False
    return bool(line.titles) and index.keys[film].isdisjoint(map(title_key, line.titles))


def _other_number(line: Line, film: int, index: TitleIndex) -> bool:
    pairs = ((line.imdb, index.imdb[film]), (line.tmdb, index.tmdb[film]))
    return any(own is not None and known not in (-1, own) for own, known in pairs)


# --- what several lines say of a film -------------------------------------------------------------


def _weigh(judged: Sequence[_Judged], index: TitleIndex) -> list[_Judged]:
    """Of the lines that matched a film one stays so; the others are told which one counts."""
    by_film: dict[int, list[int]] = defaultdict(list)
    for place, item in enumerate(judged):
        if item.status == MATCHED:
            by_film[item.match.movies[0]].append(place)
    result = list(judged)
    for film, places in by_film.items():
        best = max(judged[place].match.certainty for place in places)
        top = {place for place in places if judged[place].match.certainty == best}
        if best == Certainty.YEAR_OFF and len({judged[place].line.year for place in top}) > 1:
            for place in top:  # two films of the file would be one of the catalogue
                result[place] = replace(
                    judged[place], status=TO_CONFIRM, note=f"{index.films[film]}?"
                )
            continue
        counts = max(top, key=lambda place: (judged[place].line.when, place))
        for place in places:
            number = judged[counts].line.line
            if place == counts:
                continue
            if place in top or judged[place].match.certainty > Certainty.YEAR_OFF:
                note, status = f"Line {number} counts instead.", RATED_TWICE
            else:
                note = f"A year off {index.films[film]}, which line {number} rates; left out."
                status = UNCERTAIN
            result[place] = replace(judged[place], status=status, note=note)
    return result


def _row(item: _Judged, index: TitleIndex) -> dict[str, object]:
    """The line of the report."""
    film = index.films[item.match.movies[0]] if item.match.sure else ""
    return {
        "line": item.line.line,
        "title": item.line.label,
        "rating": item.line.rating,
        "status": item.status,
        "film": film if item.status not in (TO_CONFIRM, UNCERTAIN) else "",
        "note": item.note,
    }
