"""A title and a year, as some site spells them → the films of the catalogue that they may mean."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

from data_preparation import MovieData, display_name

_LONGEST_TITLE = 500  # no film's is longer; NFKD takes quadratic time over a long run of accents
_NO_YEAR = -9  # not within a year of any year
_ID = re.compile(r"\d{1,18}", re.ASCII)  # more digits fit no int64, and thousands upset int()
_ARTICLE_IN_FRONT_OF_BRACKET = re.compile(r"^([^(]+, \w+'?) \(")


class Certainty(IntEnum):
    """How well a line of a file names a film; the higher one counts."""

    NONE = 0
    OFFERED = 1  # someone has to say so
    YEAR_OFF = 2  # title equal, year one off: festival and cinemas can lie in two years
    SPELLING = 3  # title equal but for its spelling, same year
    EXACT = 4  # an id, or title and year


@dataclass(frozen=True)
class Match:
    """What a line may mean: inner ids of the films, the best first, and how certain that is."""

    movies: tuple[int, ...] = ()
    certainty: Certainty = Certainty.NONE

    @property
    def sure(self) -> bool:
        return self.certainty > Certainty.OFFERED


def title_key(title: str) -> str:
    """What equal titles share: letters and digits, without case, accents and an English article.

    "Matrix, The" and "The Matrix", "WALL·E" and "Wall-E", "8½" and "8 1/2" have the same key.
    """
    if len(title) > _LONGEST_TITLE:
        return title
    text = _plain(_article_first(title))
    return re.sub(r"^(the|an?) (?=.*\w)|[\W_]+", "", text) or "".join(text.split())


def spelling_key(title: str) -> str:
    """What the spellings of a title share, numbers and abbreviations included.

    "Guardians of the Galaxy Vol. 2" and "Guardians of the Galaxy 2", "Gone in Sixty Seconds" and
    "Gone in 60 Seconds", "Kill Bill: Volume I" and "Kill Bill: Vol. 1" have the same key.
    """
    return title if len(title) > _LONGEST_TITLE else "".join(_words(_article_first(title)))


class _Spelt(NamedTuple):
    """A title taken to pieces: its words, and the keys of what colons and brackets set off."""

    words: tuple[str, ...]
    parts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TitleIndex:
    """Films by title and by id; `TitleIndex.of` makes it once per dataset, nobody changes it.

    Attributes:
        films, years: display title ("Heat (1995)") and year (or `_NO_YEAR`) by inner movie id.
        titles: every title that the file gives a film, without the year, by inner movie id.
        keys: `title_key` of each of the titles, by inner movie id.
        found: inner ids by ("title", key), ("imdb", number), ("tmdb", number) and ("raw", id); of
            twins only the copy that counts (`MovieData.canonical`).
        imdb, tmdb: the film's number, -1 if unknown, by inner movie id.
        canonical: the copy of a film that counts, by inner movie id.
    """

    films: tuple[str, ...]
    years: list[int]
    titles: list[tuple[str, ...]]
    keys: list[frozenset[str]]
    found: dict[tuple[str, str | int], list[int]]
    imdb: list[int]
    tmdb: list[int]
    canonical: list[int]

    @classmethod
    def of(cls, data: MovieData) -> TitleIndex:
        """Index the films of a dataset; takes some 0.3 s for ten thousand."""
        names, canonical = data.movies["name"].tolist(), data.canonical.tolist()
        years = data.movies["year"].fillna(_NO_YEAR).astype(int).tolist()
        whole = data.movies["title"].str.replace(r"\s*\(\d{4}([–-]\d{4})?\)\s*$", "", regex=True)
        inside = whole.str.findall(r"\(([^()]+)\)").tolist()
        imdb, tmdb = (
            [int(text) if _ID.fullmatch(text) else -1 for text in data.movies[name]]
            for name in ("imdb_id", "tmdb_id")
        )
        found: dict[tuple[str, str | int], list[int]] = defaultdict(list)
        titles, keys = [], []
        for film, (name, title, others) in enumerate(zip(names, whole, inside, strict=True)):
            others = [re.sub(r"(?i)^a\.?k\.?a\.? ", "", other) for other in others]
            own = tuple(dict.fromkeys((name, title, *others)))
            titles.append(own)
            keys.append(frozenset(map(title_key, own)))
            places: list[tuple[str, str | int]] = [("title", key) for key in keys[-1]]
            places += [("imdb", imdb[film]), ("tmdb", tmdb[film])]
            places.append(("raw", int(data.movie_ids[film])))
            for place in places:
                films = found[place]
                if place[1] != -1 and canonical[film] not in films:
                    films.append(canonical[film])
        return cls(data.labels, years, titles, keys, dict(found), imdb, tmdb, canonical)

    @property
    def last_year(self) -> int | None:
        """The year of the newest film; None if no film has one."""
        newest = max(self.years, default=_NO_YEAR)
        return None if newest == _NO_YEAR else newest

    def by_id(self, kind: str, number: int) -> Match:
        """The film with a number of "imdb" or "tmdb", or a "raw" movie id."""
        films = self.found.get((kind, number), [])
        return Match(tuple(films), Certainty.EXACT if len(films) == 1 else Certainty.OFFERED)

    def find(self, titles: Sequence[str], year: int | None) -> Match:
        """Films that go by one of the titles (localised, original), the last of them trusted most.

        Title and year decide; else the title in another spelling and the year; else a year one off.
        Failing that, films are offered: of an unknown year, or with more or less of a title than
        the file has ("Star Wars"). Without a year in the file nothing is decided.
        """
        matches = [self._find(title, year) for title in dict.fromkeys(titles) if title]
        best = max((match.certainty for match in matches), default=Certainty.NONE)
        films = dict.fromkeys(
            movie
            for match in reversed(matches)
            if match.certainty == best
            for movie in match.movies
        )
        decided = len(films) == 1 or best <= Certainty.OFFERED
        return Match(tuple(films), best if decided else Certainty.OFFERED)

    def _find(self, title: str, year: int | None) -> Match:
        same = self.found.get(("title", title_key(title)), [])
        if year is None:
            return _offer(same)
        for films, difference, certainty in (
            (same, 0, Certainty.EXACT),
            (self._by_spelling.get(spelling_key(title), []), 0, Certainty.SPELLING),
            (same, 1, Certainty.YEAR_OFF),
        ):
            near = self._near(films, year, difference)
            if near:
                return Match(tuple(near), certainty if len(near) == 1 else Certainty.OFFERED)
        undated = [film for film in same if self.years[film] == _NO_YEAR]
        if undated:
            return _offer(undated)
        related = self._related(title, year)
        return _offer(self._near(related, year, 0) or self._near(related, year, 1))

    def _near(self, films: Iterable[int], year: int, difference: int) -> list[int]:
        return [film for film in films if abs(self.years[film] - year) <= difference]

    def _related(self, title: str, year: int) -> list[int]:
        """Films, at most a year off, whose title has all parts of this one or the other way round.

        Parts are what colons, dashes and brackets set off; or one title goes on where the other
        ends, after at least two words.
        """
        if len(title) > _LONGEST_TITLE:
            return []
        words, parts = _spelt(title)
        near = dict.fromkeys(film for part in parts for film in self._by_part.get(part, ()))
        near |= dict.fromkeys(self._by_start.get("".join(words[:2]), ()))
        return [
            film
            for film in self._near(near, year, 1)  # few; to compare all titles takes long
            if any(
                _within(parts, own.parts) or _begins(words, own.words) for own in self._own[film]
            )
        ]

    @cached_property
    def _own(self) -> list[list[_Spelt]]:
        """The titles of each film, taken to pieces."""
        return [[_spelt(title) for title in own] for own in self.titles]

    @cached_property
    def _by_spelling(self) -> dict[str, list[int]]:
        return self._lookup(lambda own: ("".join(own.words),))

    @cached_property
    def _by_part(self) -> dict[str, list[int]]:
        return self._lookup(lambda own: own.parts)

    @cached_property
    def _by_start(self) -> dict[str, list[int]]:
        return self._lookup(lambda own: ("".join(own.words[:2]),))

    def _lookup(self, keys: Callable[[_Spelt], tuple[str, ...]]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for film, spelt in enumerate(self._own):
            for key in {key for own in spelt for key in keys(own)}:
                if self.canonical[film] not in found[key]:
                    found[key].append(self.canonical[film])
        return dict(found)


def _offer(films: Sequence[int]) -> Match:
    return Match(tuple(films), Certainty.OFFERED if films else Certainty.NONE)


# --- spelling -------------------------------------------------------------------------------------

_CARDINALS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = """
    zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
    thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth
"""
_NUMBERS = {word: value for value, word in enumerate(_CARDINALS.split())}
_NUMBERS |= {word: 10 * value for value, word in enumerate(_TENS.split(), 2)}
_ORDERS = {word: value for value, word in enumerate(_ORDINALS.split())}
_ROMAN = re.compile(r"x{0,3}(ix|iv|v?i{0,3})")
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10}
_MARKERS = frozenset(
    ("volume", "vol", "part", "pt", "chapter", "ch", "episode", "ep", "number", "no")
)
_WORD, _NO_SIGN = re.compile(r"[^\W_]+"), re.compile(r"[\u0300-\u036f'’`]")
_ARTICLES = frozenset(("the", "a", "an"))
_SHORT = {
    **{"dr": "doctor", "mr": "mister", "st": "saint", "vs": "versus", "v": "versus"},
    **{"colour": "color", "grey": "gray", "theatre": "theater", "n": "and"},
}


def _article_first(title: str) -> str:
    """ "Hunt, The (Jagten)" → "The Hunt (Jagten)"; "Hunt, The" → "The Hunt"."""
    if "(" not in title:
        return display_name(title)  # it would cut a title at a bracket
    found = _ARTICLE_IN_FRONT_OF_BRACKET.match(title)
    return f"{display_name(found[1])} {title[found.end(1) + 1 :]}" if found else title


def _plain(title: str) -> str:
    """Without case; NFKD splits accents off, which then are no word characters."""
    return unicodedata.normalize("NFKD", title).casefold().replace("&", "and")


def _words(title: str) -> tuple[str, ...]:
    """The words that make a title, numbers as digits, without what spellings differ in."""
    words = _numbered(_WORD.findall(_NO_SIGN.sub("", _plain(title))))
    kept = [
        word
        for word, following in zip(words, [*words, ""][1:], strict=True)
        if word not in _ARTICLES and not (word in _MARKERS and following.isdecimal())
    ]
    return tuple(kept or words or ["".join(title.split())])


def _numbered(words: list[str]) -> list[str]:
    """Number words and Roman numerals as digits, short words as long ones."""
    made: list[str] = []
    tens = False  # the last one was "twenty", "thirty" …
    for place, word in enumerate(words):
        last = place == len(words) - 1
        if word in _NUMBERS:
            value = _NUMBERS[word]
            if tens and 0 < value < 10:
                made[-1] = str(int(made[-1]) + value)
            else:
                made.append(str(value))
            tens = value >= 20
            continue
        if word in _ORDERS:
            value = _ORDERS[word] + (int(made.pop()) if tens else 0)
            made.append(f"{value}{_suffix(value)}")
        elif _is_roman(word, bool(made) and (last or made[-1] in _MARKERS)):
            made.append(str(_roman(word)))
        else:
            made.append(_SHORT.get(word, word))
        tens = False
    return made


def _is_roman(word: str, single: bool) -> bool:
    """Whether it is a numeral; of one letter only where one is likely ("Rocky V", "Part I")."""
    return bool(_ROMAN.fullmatch(word)) and (len(word) > 1 or single)


def _roman(word: str) -> int:
    values = [_ROMAN_VALUES[letter] for letter in word]
    following = [*values[1:], 0]
    return sum(-v if v < f else v for v, f in zip(values, following, strict=True))


def _suffix(value: int) -> str:
    if value % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")


_BETWEEN_PARTS = re.compile(r"[:;()\[\]–—]| - | / ")


def _spelt(title: str) -> _Spelt:
    """The words, and `spelling_key` of what colons, dashes and brackets set off."""
    title = _article_first(title)
    words = _words(title)
    pieces = _BETWEEN_PARTS.split(title)
    if len(pieces) == 1:
        return _Spelt(words, ("".join(words),))
    return _Spelt(words, tuple(filter(None, map(spelling_key, filter(str.strip, pieces)))))


def _within(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the shorter is the longer with parts left out, and has more than a number."""
    short, long = sorted((one, other), key=len)
    rest = iter(long)
    return all(part in rest for part in short) and any(not part.isdecimal() for part in short)


def _begins(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the longer goes on where the shorter ends, by more than a number (a sequel)."""
    short, long = sorted((one, other), key=len)
    if len(short) < 2 or long[: len(short)] != short or len(long) == len(short):
        return False
    return not long[len(short)].isdecimal()
