"""Own ratings from a file: MovieLens, Letterboxd or IMDb CSV → stars by film, and a report.

Every line of the file is reported, no film is guessed, and the file's text stays mere text.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from data_preparation import MovieData, display_name
from sources.movielens_files import MAX_STARS, MIN_STARS

MAX_BYTES = 5 * 2**20
MAX_ROWS = 20_000  # ratings; MovieLens' most active person has 2,698
MATCHED, ABSENT, AMBIGUOUS = "matched", "not in the catalogue", "ambiguous"
NOT_RATED, OUT_OF_RANGE = "not rated", "out of range"
RATED_TWICE, UNREADABLE = "rated twice", "unreadable"
STATUSES = (MATCHED, ABSENT, AMBIGUOUS, NOT_RATED, OUT_OF_RANGE, RATED_TWICE, UNREADABLE)

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
_ID = re.compile(r"\d{1,18}", re.ASCII)  # more digits fit no int64, and thousands upset int()
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,18}", re.ASCII)
_NO_YEAR = -9  # not within a year of any year
_ONE_PERSON = "choose a file with the ratings of one person"


class _Format(NamedTuple):
    """One site's export, by the names of its columns."""

    name: str
    needed: tuple[str, ...]  # first what tells the film, last the rating
    title: str
    date: str
    step: float  # from one rating to the next; it is half a star


_FORMATS = _IMDB, _MOVIELENS, _LETTERBOXD = (
    _Format("IMDb", ("Const", "Your Rating"), "Title", "Date Rated", 1.0),
    _Format("MovieLens", ("movieId", "rating"), "title", "timestamp", 0.5),
    _Format("Letterboxd", ("Name", "Year", "Rating"), "Name", "Date", 0.5),
)


class RatingsFileError(ValueError):
    """The file cannot be used; the message is one sentence to show to the user."""


@dataclass(frozen=True, eq=False)
class ImportedRatings:
    """What a file holds.

    Attributes:
        format: "MovieLens", "Letterboxd" or "IMDb".
        stars: inner movie id → stars, 0.5–5 in halves; one entry per "matched" line.
        rows: one row per line that is not blank: line (from 1, where it begins), title and rating
            (as in the file), status (of `STATUSES`), film (name and year, or ""), note (or "").
    """

    format: str
    stars: dict[int, float]
    rows: pd.DataFrame

    @property
    def summary(self) -> str:
        """One sentence: how many lines matched, and what became of the others."""
        counts = Counter(self.rows["status"])
        others = ", ".join(f"{counts[key]:,} {key}" for key in STATUSES[1:] if counts[key])
        lines = f"{len(self.rows):,} line{'s' * (len(self.rows) != 1)} ({self.format})"
        return f"Matched {counts[MATCHED]:,} of {lines}{'; ' * bool(others)}{others}."


def title_key(title: str) -> str:
    """What equal titles share: letters and digits, without case, accents and an English article.

    "Matrix, The" and "The Matrix", "WALL·E" and "Wall-E", "8½" and "8 1/2" have the same key.
    """
    if len(title) > 500:
        return title  # no film's; NFKD takes quadratic time over a long run of accents
    if "(" not in title:
        title = display_name(title)  # the article to the front; it would cut a title at a bracket
    # NFKD splits accents off; like punctuation and spaces, they are not word characters.
    text = unicodedata.normalize("NFKD", title).casefold().replace("&", "and")
    return re.sub(r"^(the|an?) (?=.*\w)|[\W_]+", "", text) or "".join(text.split())


@dataclass(frozen=True, eq=False)
class TitleIndex:
    """Films by title and by id; `TitleIndex.of` makes it once per dataset, nobody changes it.

    Attributes:
        films, years: display title ("Heat (1995)") and year (or `_NO_YEAR`) by inner movie id.
        found: inner ids by ("title", `title_key` of the title or of one in brackets), ("part", that
            of what a colon or dash sets off), ("imdb", number or -1 if unknown) and ("raw", id).
    """

    films: list[str]
    years: list[int]
    found: dict[tuple[str, str | int], list[int]]

    @classmethod
    def of(cls, data: MovieData) -> TitleIndex:
        names, imdb_ids = data.movies["name"].tolist(), data.movies["imdb_id"].tolist()
        years = data.movies["year"].fillna(_NO_YEAR).astype(int).tolist()
        whole = data.movies["title"].str.replace(r"\s*\(\d{4}([–-]\d{4})?\)\s*$", "", regex=True)
        others = whole.str.findall(r"\((?:a\.k\.a\. )?([^()]+)\)").tolist()
        found: dict[tuple[str, str | int], list[int]] = defaultdict(list)
        for film, name in enumerate(names):
            titles = {name, whole[film], *others[film]}
            keys: set[tuple[str, str | int]] = {("title", title_key(title)) for title in titles}
            keys |= {("part", title_key(part)) for part in re.split(": | - ", name) if part != name}
            keys.add(("imdb", int(imdb_ids[film]) if _ID.fullmatch(imdb_ids[film]) else -1))
            for key in keys | {("raw", int(data.movie_ids[film]))}:
                found[key].append(film)
        dated = zip(names, years, strict=True)
        films = [name if year == _NO_YEAR else f"{name} ({year})" for name, year in dated]
        return cls(films, years, dict(found))

    def find(self, title: str, year: int | None) -> tuple[list[int], bool]:
        """Films that go by the title, and whether title and year together decide for one.

        Of that year; else a year off, as a festival and the cinemas can lie in two years; else, not
        decided, where a year is unknown or the title is but a part of the film's ("Star Wars").
        """
        key = title_key(title)
        same, part = (self.found.get((kind, key), []) for kind in ("title", "part"))
        if year is None:
            return same, False
        for films, difference in ((same, 0), (same, 1), (part, 0)):
            near = [film for film in films if abs(self.years[film] - year) <= difference]
            if near:
                return near, len(near) == 1 and films is same
        return [film for film in same if self.years[film] == _NO_YEAR], False


def read_ratings_file(content: bytes, data: MovieData | TitleIndex) -> ImportedRatings:
    """Read one person's ratings (UTF-8, at most `MAX_BYTES` and `MAX_ROWS`) and find the films.

    Of several lines on a film the last by date counts, or by position; one without a date is older.
    A caller who keeps `TitleIndex.of(data)` passes that instead; making it takes some 0.5 s.

    Raises:
        RatingsFileError: the file as a whole cannot be used. A bad line is only reported.
    """
    index = data if isinstance(data, TitleIndex) else TitleIndex.of(data)
    (_, *header), *body = _read_table(content)
    form = _recognise(header)
    if not body:
        raise RatingsFileError(f"The {form.name} file has no ratings; rate films and export again.")
    rows = pd.DataFrame([_judge(line, header, form, index) for line in body])
    if rows.loc[(rows["user"] != "") & (rows["status"] != UNREADABLE), "user"].nunique() > 1:
        raise RatingsFileError(f"The file's userIds are those of several people; {_ONE_PERSON}.")
    counted = rows[rows["status"] == MATCHED].sort_values("date", kind="stable")
    last = counted.drop_duplicates("movie", keep="last").sort_index()
    earlier = counted.drop(index=last.index)
    instead = earlier["movie"].map(last.set_index("movie")["line"])
    rows.loc[earlier.index, "status"] = RATED_TWICE
    rows.loc[earlier.index, "note"] = [f"Line {line} counts instead." for line in instead]
    stars = dict(zip(last["movie"].tolist(), last["stars"].tolist(), strict=True))
    return ImportedRatings(form.name, stars, rows.drop(columns=["user", "date", "stars", "movie"]))


def _read_table(content: bytes) -> list[tuple[Any, ...]]:
    """(line where it begins, *fields) of the header and each row; blank ones are left out."""
    if len(content) > MAX_BYTES:
        raise RatingsFileError(f"The file is larger than {MAX_BYTES >> 20} MiB; {_ONE_PERSON}.")
    if b"\0" in content:  # also in ZIP and UTF-16
        raise RatingsFileError("The file is not plain text; unpack it, or save it as CSV UTF-8.")
    table, start = [], 1
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        reader = csv.reader(text, strict=True)  # else an open quotation mark swallows the rest
        for fields in reader:
            if any(map(str.strip, fields)):
                table.append((start, *map(str.strip, fields)))
            if len(table) > MAX_ROWS + 1:
                raise RatingsFileError(f"The file has over {MAX_ROWS:,} ratings; {_ONE_PERSON}.")
            start = reader.line_num + 1
    except UnicodeDecodeError:
        raise RatingsFileError("The file is not in UTF-8; save it as CSV UTF-8.") from None
    except csv.Error:
        sentence = f"Line {start} is not CSV (a quotation mark out of place?); export it again."
        raise RatingsFileError(sentence) from None
    if not table:
        raise RatingsFileError("The file is empty; export your ratings and choose that file.")
    return table


def _recognise(header: list[str]) -> _Format:
    for form in _FORMATS:
        lacking = [name for name in form.needed if header.count(name) != 1]
        if not lacking:
            return form
        if form.needed[0] in header:
            needs = f"The {form.name} file needs the column {lacking[0]} once"
            raise RatingsFileError(f"{needs}; export your ratings again and choose that file.")
    known = " or ".join(f"{form.name} ({', '.join(form.needed)})" for form in _FORMATS)
    sentence = f"The file does not begin with the columns, set off by commas, of {known}"
    raise RatingsFileError(f"{sentence}; export your ratings there and choose that file.")


def _judge(read: tuple, header: list[str], form: _Format, index: TitleIndex) -> dict[str, Any]:
    """The line of the report, with its date (sorts as text), stars and inner movie id (or -1)."""
    line, *fields = read
    row = defaultdict(str, zip(header, fields, strict=False))
    rating, date, step = row[form.needed[-1]], row[form.date], form.step
    films, sure, note = _find(row, form, index)
    stars = float(rating) / step / 2 if _NUMBER.fullmatch(rating) else 0.0
    if len(fields) != len(header):
        status, sure, note = UNREADABLE, False, f"{len(fields)} fields instead of {len(header)}."
    elif not rating and not note:
        status = NOT_RATED
    elif note or not _NUMBER.fullmatch(rating):
        status, note = UNREADABLE, note or "The rating is not a number."
    elif not (MIN_STARS <= stars <= MAX_STARS and (2 * stars).is_integer()):
        status, note = OUT_OF_RANGE, f"Allowed: {step:g} to {10 * step:g} in steps of {step:g}."
    elif films and not sure:
        status, note = AMBIGUOUS, " or ".join(index.films[film] for film in films[:3]) + "?"
    else:
        status, note = (MATCHED, "") if sure else (ABSENT, row["Title Type"])
    title = row[form.title] or f"{form.needed[0]} {row[form.needed[0]]}"
    title = f"{title} ({row['Year']})" if row["Year"] else title
    movie, film = (films[0], index.films[films[0]]) if sure else (-1, "")
    date = date.zfill(18) if _DATE.fullmatch(date) else ""
    report = {"line": line, "title": title, "rating": rating, "status": status, "film": film}
    rest = {"note": note, "user": row["userId"], "date": date, "stars": stars, "movie": movie}
    return report | rest


def _find(row: dict[str, str], form: _Format, index: TitleIndex) -> tuple[list[int], bool, str]:
    """Films that fit, whether that decides for one, and what makes the line unreadable or ""."""
    key = row[form.needed[0]]
    number = key.removeprefix("tt") if form is _IMDB else key
    if not key or (form is not _LETTERBOXD and not _ID.fullmatch(number)):
        return [], False, f"The {form.needed[0]} is missing or not one of {form.name}."
    if form is not _LETTERBOXD:
        films = index.found.get(("imdb" if form is _IMDB else "raw", int(number)), [])
        if films or form is _MOVIELENS or re.search("(?i)series|episode|game", row["Title Type"]):
            return films, len(films) == 1, ""
    year = int(row["Year"]) if re.fullmatch(r"[0-9]{4}", row["Year"]) else None
    films, sure = index.find(row[form.title], year)
    if form is _IMDB:  # a film whose number is known has another number than this line
        films = [film for film in films if film in index.found.get(("imdb", -1), [])]
    return films, sure and bool(films), ""
