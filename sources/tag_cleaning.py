"""Free tags of viewers → clean tags of films, and TF-IDF features."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

MIN_FILMS_PER_TAG = 2  # a tag on a single film cannot say that two films are alike

# Tags about the viewer's shelf or to-do list rather than about the film, in cleaned form.
NOISE_TAGS = frozenset(
    {"in netflix queue", "netflix", "not available from netflix", "netflix finland", "library"}
    | {"seen", "not seen", "unseen", "seen more than once", "seen at the cinema", "watched"}
    | {"to see", "to watch", "want to see", "want to see again", "must see", "rewatch", "todo"}
    | {"watchlist", "watch list", "own", "owned", "own it", "dvd", "dvds", "on dvd", "bd r"}
    | {"dvd r", "dvd ram", "vhs", "blu ray", "tivo", "my dvds", "my movies", "erlends dvds"}
    | {"favorite", "favorites", "my favorite", "my favorites", "favourite", "favourites"}
    | {"my favourite", "my favourites", "imdb top 250", "less than 300 ratings"}
    | {"tag", "test", "movie", "movies", "film", "films"}
)

_SQUEEZED_NOISE = frozenset(tag.replace(" ", "") for tag in NOISE_TAGS)


def normalise_tag(raw: str) -> str:
    """Fold case, accents' encoding, punctuation and spacing: " Sci-Fi! " → "sci fi".

    Words stay together, so "time travel" is one tag. Apostrophes vanish ("tumey's" → "tumeys").
    """
    text = re.sub(r"['’`´]", "", raw)  # before NFKC, which turns ´ into a space
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text)
    return " ".join("".join(kept).split())


def clean_tags(tags: pd.DataFrame, movie_ids: NDArray[np.int64]) -> pd.DataFrame:
    """Clean tag assignments and say of each what became of it.

    Spellings that differ only in spacing ("sci fi", "scifi") become their most frequent form.

    Args:
        tags: columns userId, movieId, tag, timestamp, as read.
        movie_ids: int64 [n_movies], ascending raw ids.

    Returns:
        user_id (raw), movie (inner), raw, timestamp, tag (cleaned), status: "kept", "noise" (about
        the viewer, `NOISE_TAGS`), "rare" (on fewer than `MIN_FILMS_PER_TAG` films) or "empty" (no
        letters).
    """
    spelling, raw = pd.factorize(tags["tag"].astype(str))  # [n_rows] → row of `raw`
    forms = pd.DataFrame({"normal": _normalised(raw), "count": np.bincount(spelling)})
    forms["squeezed"] = forms["normal"].str.replace(" ", "", regex=False)
    usual = forms.groupby(["squeezed", "normal"], as_index=False)["count"].sum()
    usual = usual.sort_values(["count", "normal"], ascending=[False, True])
    usual_form = usual.drop_duplicates("squeezed").set_index("squeezed")["normal"]
    tag = forms["squeezed"].map(usual_form).astype(str)  # of each spelling, as what follows
    number, _ = pd.factorize(tag)
    movie = np.searchsorted(movie_ids, tags["movieId"])
    films = np.unique(number[spelling] * np.int64(len(movie_ids)) + movie) // max(len(movie_ids), 1)
    films_with = np.bincount(films, minlength=len(tag))[number]
    status = np.select(
        [tag == "", forms["squeezed"].isin(_SQUEEZED_NOISE), films_with < MIN_FILMS_PER_TAG],
        ["empty", "noise", "rare"],
        default="kept",
    )
    return pd.DataFrame(
        {
            "user_id": tags["userId"].to_numpy(),
            "movie": movie,
            "raw": pd.Series(raw, dtype=str).array.take(spelling),
            "timestamp": tags["timestamp"].to_numpy(np.int64),
            "tag": tag.array.take(spelling),
            "status": pd.Series(status, dtype=str).array.take(spelling),
        }
    )


def _normalised(raw: pd.Index) -> pd.Series:
    """`normalise_tag` of each; at once where all letters are ASCII."""
    texts = pd.Series(raw, dtype=str)
    plain = texts.str.isascii().to_numpy(bool)
    lower = texts[plain].str.lower().str.replace(r"['`]", "", regex=True)
    texts[plain] = lower.str.replace("[^a-z0-9]+", " ", regex=True).str.strip(" ")
    texts[~plain] = [normalise_tag(text) for text in texts[~plain]]
    return texts


def count_tags(tags: pd.DataFrame, n_movies: int) -> tuple[tuple[str, ...], sparse.csr_array]:
    """Kept tag names and the csr float32 [n_movies, n_tags] of how many people gave each."""
    kept = tags.loc[tags["status"] == "kept", ["user_id", "movie", "tag"]]
    column, names = pd.factorize(kept["tag"], sort=True)
    kept = kept.assign(tag=column).drop_duplicates()
    counts = sparse.coo_array(
        (np.ones(len(kept), np.float32), (kept["movie"], kept["tag"])),
        shape=(n_movies, len(names)),
    )
    return tuple(names), counts.tocsr()


def tfidf(counts: sparse.csr_array) -> sparse.csr_array:
    """TF-IDF with 1 + log tf, rows scaled to length 1 (empty rows stay empty); csr float32."""
    if counts.shape[1] == 0:
        return counts
    features = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    return sparse.csr_array(features, dtype=np.float32)
