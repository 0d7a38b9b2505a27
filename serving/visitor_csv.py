"""A visitor's films as a CSV file, which the upload of own ratings reads back equal."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from data_preparation import MovieData
from lookup.ratings_import import OWN_COLUMNS
from serving.csv_export import to_csv


def own_films_csv(
    data: MovieData,
    stars: Mapping[int, float],
    rated_on: Mapping[int, str],
    shortlist: Mapping[int, str],
    not_interested: Mapping[int, str],
) -> bytes:
    """One line per film that is in any of them.

    Args:
        stars: inner movie id → 0.5–5 in halves.
        rated_on, shortlist, not_interested: inner movie id → ISO day.
    """
    movies = list(dict.fromkeys([*stars, *shortlist, *not_interested]))
    table = pd.DataFrame(
        [
            (
                int(data.movie_ids[movie]),
                data.labels[movie],
                f"{stars[movie]:g}" if movie in stars else "",
                rated_on.get(movie, ""),
                shortlist.get(movie, ""),
                not_interested.get(movie, ""),
            )
            for movie in movies
        ],
        columns=list(OWN_COLUMNS),
    )
    return to_csv(table)
