"""The upload of own ratings: what can be read, the report, and the lines to confirm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from data_preparation import MovieData
from lookup.ratings_import import (
    LISTED,
    MATCHED,
    MAX_BYTES,
    TO_CONFIRM,
    ImportedRatings,
    LineToConfirm,
    Points,
    RatingsFileError,
    ScaleError,
    TitleIndex,
    read_ratings_file,
)
from serving.csv_export import to_csv
from tabs.shared import count, escape, my_stars
from tabs.visitor import not_interested, rated_on, shortlist

FILE_TYPES = ("csv", "zip", "txt", "tsv", "json")
_SHOWN = 10  # lines to confirm at once
_OFFERED = 4  # films for one of them
_LISTED, _MOST_LISTED = 8, 100  # lines before they scroll, and before they are cut
_STATE = "ratings_upload"
_SCALES: dict[Points | None, str] = {None: "as found", 5: "5", 10: "10", 100: "100"}

_HELP = """
- **Letterboxd**: Settings → Data → Export. Choose the ZIP as it is, or its ratings.csv, diary.csv
  or reviews.csv.
- **IMDb**: Your ratings → Export; older exports as well.
- **MovieLens**: movielens-ratings.csv, or a ratings.csv with the columns movieId and rating.
- **TMDB**: Settings → Export, ratings. **Trakt**: the ZIP of your data, or a CSV of ratings.
- **Another site**: a CSV file whose first line names its columns. `rating` is out of 5, 10 or
  100; the film is told by `imdb_id`, by `tmdb_id` or by `title` and `year`; `date` is optional:

```
title,year,rating,date
The Matrix,1999,4.5,2024-01-31
```

Commas, semicolons or tabs; decimal points or commas; any usual encoding.
"""


@dataclass
class _Upload:
    """A file that was read, kept so that it is read once.

    Attributes:
        key: of the data, the upload and the scale that was asked for.
        found: what it holds, or the sentence why it cannot be used.
        in_doubt: whether it is the scale that is in doubt.
        done: lines that were confirmed or turned down.
    """

    key: tuple[str, str, Points | None]
    found: ImportedRatings | str
    in_doubt: bool = False
    done: set[int] = field(default_factory=set)


def upload_ratings(data: MovieData) -> None:
    """Choose a file, see what it holds, take over its ratings."""
    index = title_index(data, data.fingerprint)
    ends = f" Films up to {index.last_year} are in the catalogue." if index.last_year else ""
    st.caption(
        "Your ratings from IMDb, Letterboxd, MovieLens, TMDB, Trakt or a CSV of your own."
        f"{ends} The file itself is not stored; the ratings that you use are kept in this browser."
    )
    with st.expander("Which file, and where to get it", icon=":material/help:"):
        st.markdown(_HELP)
    file = st.file_uploader("Ratings file", type=FILE_TYPES, max_upload_size=MAX_BYTES // 2**20)
    if file is None:
        st.session_state.pop(_STATE, None)
        return
    upload = _read(file, index, data.fingerprint)
    if isinstance(upload.found, str):
        st.error(escape(upload.found))
        if upload.in_doubt:
            _ask_for_scale()
        return
    _report(data, upload, upload.found)


@st.cache_resource(max_entries=2, show_spinner=False)
def title_index(_data: MovieData, fingerprint: str) -> TitleIndex:
    """The films by title and number, made once per dataset."""
    return TitleIndex.of(_data)


def _read(file: UploadedFile, index: TitleIndex, fingerprint: str) -> _Upload:
    """The file, read if the last run has not read the same."""
    last = st.session_state.get(_STATE)
    if last and last.key[:2] != (fingerprint, file.file_id):
        st.session_state.pop("ratings_points", None)  # asked about another file
    points = st.session_state.get("ratings_points")
    key = (fingerprint, file.file_id, points)
    if last is None or last.key != key:
        try:
            last = _Upload(key, read_ratings_file(file.getvalue(), index, points))
        except RatingsFileError as error:
            last = _Upload(key, str(error), isinstance(error, ScaleError))
        st.session_state[_STATE] = last
    return last


def _ask_for_scale() -> None:
    st.segmented_control(
        "The ratings are out of",
        list(_SCALES),
        default=None,
        format_func=_SCALES.__getitem__,
        key="ratings_points",
    )


# --- the report -----------------------------------------------------------------------------------


def _report(data: MovieData, upload: _Upload, found: ImportedRatings) -> None:
    st.success(escape(found.summary))
    _use(data, found)
    points = list(found.notes)
    if found.newer:
        points.append(
            f"{found.newer:,} not in the catalogue {'is' if found.newer == 1 else 'are'} newer "
            f"than {found.last_year}, where it ends."
        )
    if points:
        st.markdown("\n".join(f"- {escape(point)}" for point in points))
    if found.scale_open:
        _ask_for_scale()
    _confirm(data, upload, found)
    _other_lines(found)


def _other_lines(found: ImportedRatings) -> None:
    """What became of each line that is not plainly matched; a list, which a phone can wrap."""
    rows = found.rows
    plain = rows["status"].isin((MATCHED, LISTED)) & (rows["note"] == "")
    rest = rows[~plain & (rows["status"] != TO_CONFIRM)]
    if len(rest):
        with (
            st.expander(f"{count(len(rest), 'line')} not used, or not quite as in the file"),
            st.container(height=320 if len(rest) > _LISTED else "content", border=False),
        ):
            st.markdown("\n".join(map(_told, rest.head(_MOST_LISTED).itertuples())))
            if len(rest) > _MOST_LISTED:
                st.caption(f"{count(len(rest) - _MOST_LISTED, 'more line')} in the report.")
    st.download_button(
        "Report of every line (CSV)",
        to_csv(rows),
        "import_report.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def _told(row: Any) -> str:
    """A line of the file and what became of it."""
    film = f" → {escape(row.film)}" if row.status == MATCHED else ""
    note = f". {escape(row.note)}" if row.note else ""
    return f"- **{escape(row.title)}**{film} :gray[(line {row.line})]  \n  {row.status}{note}"


def _use(data: MovieData, found: ImportedRatings) -> None:
    """One click for what is sure: the ratings, and the lists of a file that this app gave."""
    wanted: tuple[tuple[dict, dict], ...] = (
        (my_stars(data), found.stars),
        (rated_on(data), _as_text(found.dates)),
        (shortlist(data), _as_text(found.shortlist)),
        (not_interested(data), _as_text(found.not_interested)),
    )
    listed = len(found.shortlist | found.not_interested)
    what = " and ".join(
        count(number, thing)
        for number, thing in ((len(found.stars), "rating"), (listed, "listed film"))
        if number
    )
    if what and all(mine.items() >= new.items() for mine, new in wanted):
        st.caption(f":material/check: {what} of this file in use.")
    elif what and st.button(
        f"Use {'this' if len(found.stars) + listed == 1 else 'these'} {what}", type="primary"
    ):
        for mine, new in wanted:
            mine.update(new)
        st.rerun()


def _as_text(days: Mapping[int, date]) -> dict[int, str]:
    return {movie: day.isoformat() for movie, day in days.items()}


def _confirm(data: MovieData, upload: _Upload, found: ImportedRatings) -> None:
    """The lines that may mean a film: one click each, or one for all with a single candidate."""
    still = [line for line in found.to_confirm if line.line not in upload.done]
    if not still:
        return
    st.markdown(f"**Is this the film?** {count(len(still), 'line')} to confirm")
    movies = found.single_candidates
    single = [line for line in still if len(line.movies) == 1 and line.movies[0] in movies]
    if len(single) > 1:
        st.button(
            f"Take all {len(single)} with one candidate",
            on_click=_take,
            args=(data, upload, [(line, line.movies[0]) for line in single]),
            key="take_all_candidates",
        )
    for line in still[:_SHOWN]:
        with st.container(border=True, gap="xsmall"):
            st.markdown(f"{escape(line.title)} · {line.stars:g} ★")
            with st.container(horizontal=True, gap="xsmall"):
                for movie in line.movies[:_OFFERED]:
                    st.button(
                        escape(data.labels[movie]),
                        key=f"take_{line.line}_{movie}",
                        on_click=_take,
                        args=(data, upload, [(line, movie)]),
                        icon=":material/check:",
                    )
                st.button(
                    "None of them" if len(line.movies) > 1 else "Not this one",
                    key=f"turn_down_{line.line}",
                    on_click=upload.done.add,
                    args=(line.line,),
                    type="tertiary",
                )
    if len(still) > _SHOWN:
        st.caption(f"{count(len(still) - _SHOWN, 'more line')} after these.")


def _take(data: MovieData, upload: _Upload, chosen: list[tuple[LineToConfirm, int]]) -> None:
    for line, movie in chosen:
        my_stars(data)[movie] = line.stars
        if line.day:
            rated_on(data)[movie] = line.day.isoformat()
        upload.done.add(line.line)
