"""A list of films from elsewhere, without ratings → the films of the catalogue, line by line.

A watchlist or list of Letterboxd or IMDb, any table with titles or numbers of films, or titles as
somebody types them. Films are found as for ratings (`lookup/ratings_import.py`); no film is
guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

import pandas as pd

from data_preparation import MovieData
from lookup.imports.files import MAX_ROWS, RatingsFileError, Table, read_text, table_of
from lookup.imports.formats import Format, Line, read_lines, tells_films
from lookup.imports.titles import Certainty, Match, TitleIndex, title_key
from lookup.ratings_import import find_film

MATCHED, TO_CONFIRM, ABSENT = "matched", "to confirm", "not in the catalogue"
TWICE, UNREADABLE = "listed twice", "unreadable"
STATUSES = (MATCHED, TO_CONFIRM, ABSENT, TWICE, UNREADABLE)
MAX_TITLE = 300  # characters of a line of typed titles

_LETTERBOXD_LIST = "letterboxd list export"  # the first line of such a file
_WANTED = ("watchlist.csv",)
_MISSING = (
    "The archive has no watchlist.csv; unpack it and choose the CSV file of the list that you mean."
)
_NO_RATINGS = Format("list", (), (), ("Date", "Created"), points=5)
_TITLE_AND_YEAR = re.compile(r"(.+?)\s*[(\[]([0-9]{4})[)\]]")
_BULLET = re.compile(r"^(?:[-*•]|\d{1,4}[.)])\s+")


@dataclass(frozen=True, eq=False)
class FilmList:
    """A list and what became of each line.

    Attributes:
        movies: inner ids of the films, in the order of the list.
        open: line → inner ids of the films that it may mean, the likeliest first.
        rows: one row per line that is not blank: line (from 1), title (as given), status (of
            `STATUSES`), film (name and year, or ""), note (or "").
        notes: sentences on how the list was read.
    """

    movies: tuple[int, ...]
    open: dict[int, tuple[int, ...]]
    rows: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One sentence: how many lines were found, and what became of the others."""
        counts = Counter(self.rows["status"])
        others = [f"{counts[s]:,} {s}" for s in STATUSES if s != MATCHED and counts[s]]
        lines = f"{len(self.rows):,} line{'s' * (len(self.rows) != 1)}"
        return f"Found {counts[MATCHED]:,} of {lines}{'; ' * bool(others)}{', '.join(others)}."


def read_film_list(content: bytes | str, data: MovieData | TitleIndex) -> FilmList:
    """Read a list and find its films.

    Args:
        content: a file, or titles as typed, one a line: "Title (Year)" or "Title".
        data: a caller who keeps `TitleIndex.of(data)` passes that; making it takes some 0.5 s.

    Raises:
        RatingsFileError: the list as a whole cannot be used. A bad line is only reported.
    """
    index = data if isinstance(data, TitleIndex) else TitleIndex.of(data)
    text, notes = (
        (content, []) if isinstance(content, str) else read_text(content, _WANTED, _MISSING)
    )
    table = _table(text, notes)
    lines = read_lines(table, _NO_RATINGS) if table else _typed(text)
    if not lines:
        raise RatingsFileError("The list is empty; choose a file with films or type their titles.")
    movies: dict[int, int] = {}  # film → line
    open_lines, rows = {}, []
    for line in lines:
        match, note = _find(line, index)
        status = _status(line, match, movies)
        film = match.movies[0] if match.sure else None
        if film is not None:
            movies.setdefault(film, line.line)
            note = f"As line {movies[film]}." if status == TWICE else note
        if status == TO_CONFIRM:
            open_lines[line.line] = match.movies
            note = f"{' or '.join(index.films[movie] for movie in match.movies[:3])}?"
        rows.append(
            {
                "line": line.line,
                "title": line.label,
                "status": status,
                "film": "" if film is None else index.films[film],
                "note": note,
            }
        )
    return FilmList(tuple(movies), open_lines, pd.DataFrame(rows), (*notes,))


def _status(line: Line, match: Match, movies: dict[int, int]) -> str:
    if line.fault:
        return UNREADABLE
    if not match.movies:
        return ABSENT
    if not match.sure:
        return TO_CONFIRM
    return TWICE if match.movies[0] in movies else MATCHED


def _find(line: Line, index: TitleIndex) -> tuple[Match, str]:
    """The films that a line may mean, and a note."""
    if line.fault:
        return Match(), line.fault
    match = find_film(line, index)
    if not match.movies:
        return match, line.kind or _too_new(line, index)
    film = match.movies[0]
    if match.certainty == Certainty.YEAR_OFF:
        return match, f"A year off: {index.years[film]} in the catalogue."
    # To rank a film by mistake costs less than to ask of each title that has no year.
    same = not index.keys[film].isdisjoint(map(title_key, line.titles))
    if not match.sure and line.year is None and len(match.movies) == 1 and same:
        return replace(match, certainty=Certainty.EXACT), "The only film of that title."
    return match, ""


def _too_new(line: Line, index: TitleIndex) -> str:
    last = index.last_year
    if line.year is None or last is None or line.year <= last:
        return ""
    return f"The catalogue ends with {last}."


def _table(text: str, notes: list[str]) -> Table | None:
    """The text as a table; None if its lines are titles."""
    first = text.lstrip().partition("\n")[0]
    if first.casefold().startswith(_LETTERBOXD_LIST):
        return _letterboxd_list(table_of(text, notes))
    try:
        told: list[str] = []
        table = table_of(text, told)
    except RatingsFileError:
        return None
    # One title a line may be called "Title"; several columns need a name that means films.
    if not tells_films(table.header):
        return None
    notes.extend(told)
    return table


def _letterboxd_list(table: Table) -> Table:
    """Without the lines above the films, which tell of the list itself."""
    for place, (_, *fields) in enumerate(table.rows):
        if fields[:1] == ["Position"] and tells_films(fields):
            width = len(fields) + 1
            rows = [(*row, *[""] * (width - len(row))) for row in table.rows[place + 1 :]]
            return Table(fields, rows, table.notes)
    raise RatingsFileError("The list of Letterboxd has no films; export it again.")


def _typed(text: str) -> list[Line]:
    """One title a line, with its year in brackets or without; bullets and numbers may lead."""
    lines: list[Line] = []
    for number, whole in enumerate(text.splitlines(), 1):
        title = _BULLET.sub("", whole.strip()).strip()
        if not title:
            continue
        if len(lines) == MAX_ROWS:
            raise RatingsFileError(f"The list has over {MAX_ROWS:,} lines; leave some out.")
        if len(title) > MAX_TITLE:
            shown = f"{title[:60]} …"
            lines.append(Line(number, (shown,), fault=f"Longer than {MAX_TITLE} characters."))
            continue
        dated = _TITLE_AND_YEAR.fullmatch(title)
        titles, year = ((dated[1],), int(dated[2])) if dated else ((title,), None)
        lines.append(Line(number, titles, year))
    return lines
