"""What the pages show of data and a model and takes long to compute: made once, kept on disk.

A table is named after all that it comes from, the data or the model and the code, so none is ever
read that is out of date. It holds films, tags and sums over people, nothing of any one person. It
is a cache and nothing else: where it cannot be written, is damaged or gone, it is made again, and
with its model it goes (`ModelStore`).

Of large data all tables are made when a training ends (`make_ahead`); `python -m serving.tables`
makes those that the model in use lacks.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.data_overview import Overview, overview
from analysis.faithfulness import Faithfulness, measured_faithfulness
from analysis.model_health import (
    Exposure,
    UserReport,
    exposure,
    norms,
    similarities,
    user_report,
)
from analysis.movie_map import MOST_FILMS, MovieMap, movie_map, tsne_bytes, tsne_map
from analysis.tag_evaluation import (
    MEASURED_DIM,
    SuggestionReport,
    measure_suggestions,
    predictability_bytes,
    suggestions_bytes,
    tag_predictability,
    without_tag_nodes,
)
from analysis.tags import TagTables, component_ends, tag_tables
from data_preparation import MovieData
from model.memory import too_large
from model.stars import StarModel, fit_stars
from model.store import TABLE_KEY, ModelStore, served
from model.trained import TrainedModel
from serving.once import once
from settings import PROJECT_DIR, checkpoint_path
from sources.as_tables import from_tables, to_tables
from sources.download import add_dataset_option
from sources.kept_tables import content_key, forget, keep, kept
from sources.movielens_files import DataError

log = logging.getLogger(__name__)

WORTH_KEEPING = 0.5  # seconds that it took; less is not noticed
_KEPT = 100  # tables of one data set: those used last
_CODE = ("settings.py", "data_preparation.py", "model_training.py", "prediction.py")
_CODE_FOLDERS = ("sources", "model", "analysis")
_BEGUN = time.time_ns()

_Value = TypeVar("_Value")

_making: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True)
class Table(Generic[_Value]):
    """Something that is computed from data alone, or from data and a model.

    Attributes:
        name: of letters alone.
        kind: an array, a DataFrame or a dataclass (`sources.as_tables`), which `make` returns; None
            is not kept.
        make: computes it from the data, or from data and model.
        title: what the page calls it where there is no memory for it.
        needs: bytes that `make` takes at its peak; None where that is never much.
    """

    name: str
    kind: type[Any]
    make: Callable[..., _Value]
    title: str = ""
    needs: Callable[[MovieData, TrainedModel], int] | None = None

    def of(self, data: MovieData, model: TrainedModel | None = None) -> _Value:
        """The kept table, or a new one; who asks for the same meanwhile waits for it.

        Raises:
            Exception: whatever `make` raises.
        """
        folder, key = self._place(data, model)
        with _making[folder / key]:
            found = self._read(folder, key)
            if found is not None:
                return found
            begun = time.perf_counter()
            made = self.make(data, model) if model else self.make(data)
            worth = made is not None and time.perf_counter() - begun >= WORTH_KEEPING
            if worth and (code := _code()):
                forget(folder, key.removesuffix(code))  # what other code made
                keep(folder, key, to_tables(made), _KEPT)
            return made

    def is_kept(self, data: MovieData, model: TrainedModel | None = None) -> bool:
        """Whether `of` would only read it."""
        return self._read(*self._place(data, model)) is not None

    def left_out(self, data: MovieData, model: TrainedModel) -> str | None:
        """Why it is not made, one sentence; None where there is memory for it."""
        return too_large(self.title, self.needs(data, model), data) if self.needs else None

    def _place(self, data: MovieData, model: TrainedModel | None) -> tuple[Path, str]:
        """Its folder, and its name there."""
        owner = model.key if model else data.fingerprint
        folder = ModelStore(checkpoint_path()).tables(data.fingerprint)
        return folder, f"{owner[:TABLE_KEY]}-{self.name}-{_code()}"

    def _read(self, folder: Path, key: str) -> _Value | None:
        tables = kept(folder, key) if _code() else None
        with suppress(ValueError):
            if tables is not None:
                value: _Value = from_tables(self.kind, tables)
                return value
        return None


@lru_cache(maxsize=1)
def _code() -> str:
    """A name for the code that makes the tables; "" where the files are not what runs."""
    files = [PROJECT_DIR / name for name in _CODE] + [Path(__file__)]
    for folder in _CODE_FOLDERS:
        files += sorted((PROJECT_DIR / folder).rglob("*.py"))
    try:
        if max(file.stat().st_mtime_ns for file in files) > _BEGUN:  # changed since it was loaded
            return ""
        return content_key((), files)[:TABLE_KEY]
    except OSError:
        return ""


# --- the tables -----------------------------------------------------------------------------------


def _stars(data: MovieData, model: TrainedModel) -> StarModel:
    return fit_stars(data.ratings, model.movie_factors)


def _laid_out(data: MovieData, model: TrainedModel) -> NDArray[np.float64]:
    return tsne_map(data, model, MAP.of(data, model).points["movie"].to_numpy())


def _ends(data: MovieData, model: TrainedModel) -> pd.DataFrame:
    found = MAP.of(data, model)
    return component_ends(data, found.points["movie"].to_numpy(), found.components)


def _cosines(_: MovieData, model: TrainedModel) -> pd.DataFrame:
    return similarities(model)


def _without_tags(data: MovieData, model: TrainedModel) -> TrainedModel:
    """What tags are told from where it is measured how well: a model that saw none."""
    return once(model, "without tags", lambda: without_tag_nodes(data, model))


def _told_tags(data: MovieData, model: TrainedModel) -> pd.DataFrame:
    return tag_predictability(data, _without_tags(data, model))


def _suggested_tags(data: MovieData, model: TrainedModel) -> SuggestionReport | None:
    return measure_suggestions(data, _without_tags(data, model))


OVERVIEW = Table("overview", Overview, overview)
TAGS = Table("tags", TagTables, tag_tables)
OF_DATA: tuple[Table[Any], ...] = (OVERVIEW, TAGS)

STARS = Table("stars", StarModel, _stars)
MAP = Table("map", MovieMap, movie_map)
ENDS = Table("ends", pd.DataFrame, _ends)
EXPOSURE = Table("exposure", Exposure, exposure)
NORMS = Table("norms", pd.DataFrame, norms)
COSINES = Table("cosines", pd.DataFrame, _cosines)
FAITHFULNESS = Table("faithfulness", Faithfulness, measured_faithfulness)
USERS = Table("users", UserReport, user_report)
TOLD_TAGS = Table(
    "told",
    pd.DataFrame,
    _told_tags,
    "The prediction of tags",
    lambda data, model: predictability_bytes(data, min(model.dim, MEASURED_DIM)),
)
SUGGESTED_TAGS = Table(
    "suggested",
    SuggestionReport,
    _suggested_tags,
    "This measurement",
    lambda data, _: suggestions_bytes(data),
)
LAID_OUT = Table(
    "tsne",
    np.ndarray,
    _laid_out,
    "t-SNE",
    lambda data, _: tsne_bytes(min(data.n_movies, MOST_FILMS)),
)
OF_MODEL: tuple[Table[Any], ...] = (
    *(STARS, MAP, ENDS, EXPOSURE, NORMS, COSINES, FAITHFULNESS, USERS),
    *(TOLD_TAGS, SUGGESTED_TAGS, LAID_OUT),
)


def make_ahead(data: MovieData, model: TrainedModel) -> None:
    """Make all tables that are not kept, so that nobody waits for them; faults go to the log.

    Left out is what has no memory, and what would train a refitted model again.
    """
    for table in OF_DATA:
        _make(table, data)
    for table in OF_MODEL:
        if not table.left_out(data, model) and not (table is USERS and model.refitted):
            _make(table, data, model)


def _make(table: Table[Any], *arguments: Any) -> None:
    try:
        table.of(*arguments)
    except Exception as error:  # the page that asks for it will say what is the matter
        log.warning("the table %s is not made: %s", table.name, error)


def main(arguments: list[str] | None = None) -> int:
    """Make the tables of the model in use for the data; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.tables",
        description="Make what the pages show of the model in use, as far as it is not there, so "
        "that no visitor waits for it.",
    )
    add_dataset_option(parser)
    try:
        found = served(checkpoint_path(), parser.parse_args(arguments).dataset)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    for sentence in found.said:
        print(sentence, file=sys.stderr)
    if found.model is None:
        return 1
    begun = time.perf_counter()
    try:
        make_ahead(found.data, found.model)
    except KeyboardInterrupt:  # what is made is kept
        return 128 + signal.SIGINT
    print(f"The tables of the pages are there, after {time.perf_counter() - begun:,.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
