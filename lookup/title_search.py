"""What someone types → films whose titles hold it. No Streamlit in here."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from data_preparation import MovieData

_LEAST_LIKE = 0.35  # cosine from which a title may be the one that was misspelt


@dataclass(frozen=True, eq=False)
class TitleSearch:
    """The titles of a dataset made ready to search; `TitleSearch.of` makes it once.

    Attributes:
        names: letters and digits of the display title without its year, by inner movie id.
        texts: words of the display title, the year and all else that the file calls the film.
        ratings: int64 [n_movies], to put films in order.
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]
    ratings: NDArray[np.int64]

    @classmethod
    def of(cls, data: MovieData) -> TitleSearch:
        texts = zip(data.labels, data.movies["title"], strict=True)
        return cls(
            names=tuple(_words(name).replace(" ", "") for name in data.movies["name"]),
            texts=tuple(_words(f"{label} {title}") for label, title in texts),
            ratings=data.movie_degree,
        )

    def find(self, text: str, limit: int) -> tuple[list[int], bool]:
        """Inner ids of at most `limit` films, the likeliest first, and whether they have the text.

        A film of exactly that name leads, then come those with words that begin so, then those that
        have all words anywhere, each by number of ratings. If there is none, the text may be
        misspelt: films of similar titles, the most similar first. No text finds the most rated.
        """
        words = _words(text)
        if text.strip() and not words:
            return [], False  # only signs
        found = self._with_all(words)
        if len(found):
            return found[:limit].tolist(), True
        return self._similar(words)[:limit].tolist(), False

    def _with_all(self, words: str) -> NDArray[np.int64]:
        if not words:
            return self._most_rated
        name = words.replace(" ", "")
        named, order = self._sorted_names
        first = bisect_left(named, name)
        last = bisect_left(named, f"{name}\U0010ffff")
        exact, begins = (np.zeros(len(self.texts), bool) for _ in range(2))
        begins[order[first:last]] = True  # "starwars"
        exact[order[first : bisect_right(named, name)]] = True
        held = [self._films_with(word) for word in words.split()]
        begins |= np.logical_and.reduce([begin for begin, _ in held])
        anywhere = np.logical_and.reduce([inside for _, inside in held])
        found = np.flatnonzero(begins | anywhere)
        return found[np.lexsort((-self.ratings[found], ~begins[found], ~exact[found]))]

    def _films_with(self, word: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """The films with a word that begins so, and with one that has it inside; [n_movies]."""
        known, films, starts = self._vocabulary
        begins, inside = (np.zeros(len(self.texts), bool) for _ in range(2))
        for place in (place for place, other in enumerate(known) if word in other):
            with_it = films[starts[place] : starts[place + 1]]
            inside[with_it] = True
            if known[place].startswith(word):
                begins[with_it] = True
        return begins, inside

    @cached_property
    def _most_rated(self) -> NDArray[np.int64]:
        return np.argsort(-self.ratings, kind="stable")

    @cached_property
    def _sorted_names(self) -> tuple[list[str], NDArray[np.int64]]:
        """The names in order, and whose each is."""
        order = sorted(range(len(self.names)), key=self.names.__getitem__)
        return [self.names[movie] for movie in order], np.array(order, np.int64)

    @cached_property
    def _vocabulary(self) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
        """The words of all texts; the films of the first word, of the second …; where each word's
        films begin."""
        films: dict[str, list[int]] = {}
        for movie, text in enumerate(self.texts):
            for word in set(text.split()):
                films.setdefault(word, []).append(movie)
        starts = np.cumsum([0, *map(len, films.values())])
        return list(films), np.array(list(chain.from_iterable(films.values())), np.int64), starts

    def _similar(self, words: str) -> NDArray[np.int64]:
        pieces, weights = self._spelling
        cosine = (weights @ pieces.transform([words]).T).toarray().ravel()
        found = np.flatnonzero(cosine >= _LEAST_LIKE)
        return found[np.argsort(-cosine[found], kind="stable")]

    @cached_property
    def _spelling(self) -> tuple[TfidfVectorizer, sparse.csr_matrix]:
        """What cuts words into pieces of two and three letters, and the TF-IDF of all texts."""
        pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3), sublinear_tf=True)
        return pieces, pieces.fit_transform(self.texts)


_SIGNS = re.compile("[\u0300-\u036f'’]")
_BETWEEN = re.compile(r"[\W_]+")


def _words(text: str) -> str:
    """Without case, accents and apostrophes; one space between words of letters and digits."""
    plain = _SIGNS.sub("", normalize("NFKD", text)).casefold()
    return _BETWEEN.sub(" ", plain).strip()
