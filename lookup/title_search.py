"""What someone types → films whose titles hold it. No Streamlit in here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
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

    names: pd.Series
    texts: pd.Series
    ratings: NDArray[np.int64]

    @classmethod
    def of(cls, data: MovieData) -> TitleSearch:
        texts = _words(pd.Series(data.labels, dtype=object) + " " + data.movies["title"])
        return cls(_letters(_words(data.movies["name"])), texts, data.movie_degree)

    def find(self, text: str, limit: int) -> tuple[list[int], bool]:
        """Inner ids of at most `limit` films, the likeliest first, and whether they have the text.

        A film of exactly that name leads, then come those with words that begin so, then those that
        have all words anywhere, each by number of ratings. If there is none, the text may be
        misspelt: films of similar titles, the most similar first. No text finds the most rated.
        """
        words = _words(pd.Series([text], dtype=object)).item()
        if text.strip() and not words:
            return [], False  # only signs
        found = self._with_all(words)
        if len(found):
            return found[:limit].tolist(), True
        return self._similar(words)[:limit].tolist(), False

    def _with_all(self, words: str) -> NDArray[np.int64]:
        name = words.replace(" ", "")
        exact = (self.names == name).to_numpy()
        begins = anywhere = np.ones(len(self.texts), dtype=bool)
        for word in words.split():
            begins = begins & self.texts.str.contains(rf"\b{re.escape(word)}").to_numpy()
            anywhere = anywhere & self.texts.str.contains(word, regex=False).to_numpy()
        begins = begins | self.names.str.startswith(name).to_numpy()  # "starwars"
        found = np.flatnonzero(begins | anywhere)
        return found[np.lexsort((-self.ratings[found], ~begins[found], ~exact[found]))]

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


def _words(texts: pd.Series) -> pd.Series:
    """Without case, accents and apostrophes; one space between words of letters and digits."""
    plain = texts.str.normalize("NFKD").str.replace(r"[\u0300-\u036f'’]", "", regex=True)
    return plain.str.casefold().str.replace(r"[\W_]+", " ", regex=True).str.strip()


def _letters(words: pd.Series) -> pd.Series:
    return words.str.replace(" ", "")
