"""The pages of a film at other sites, by the ids in links.csv."""

from __future__ import annotations

import re

_ID = re.compile(r"[0-9]{1,12}")
_IMDB_DIGITS = 7  # at least: shorter numbers have zeros in front in its addresses


def film_pages(imdb_id: str, tmdb_id: str) -> dict[str, str]:
    """Address by the name of the site; none for an id that is missing or is no number.

    Args:
        imdb_id, tmdb_id: as in links.csv, "" when unknown.
    """
    pages = {}
    if _ID.fullmatch(imdb_id):
        pages["IMDb"] = f"https://www.imdb.com/title/tt{imdb_id.zfill(_IMDB_DIGITS)}/"
    if _ID.fullmatch(tmdb_id):
        pages["TMDB"] = f"https://www.themoviedb.org/movie/{tmdb_id}"
    return pages
