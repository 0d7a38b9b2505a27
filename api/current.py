"""The data and the model that answer, as one thing that is swapped as a whole.

A thread looks for other data and another model every second and makes them ready; requests take
what is ready and never wait for either. No request sees half of two models.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from api.shapes import Film
from data_preparation import MovieData
from lookup.title_search import TitleSearch
from model.as_of import data_before, model_of
from model.checkpoints import CheckpointError, read_header
from model.stars import StarModel
from model.trained import TrainedModel
from serving.audience import Audience
from serving.prepared import audience, star_model, title_search
from serving.refits import RefitBoard, refit_board
from serving.state import ServerState
from settings import SettingError
from sources.download import download_movielens
from sources.movielens_files import DataError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
_PASTS = 2  # days whose snapshots are kept
QUICK_BYTES = 32 * 2**20  # of film vectors, which are read in a millisecond or two


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What one request is answered from.

    Attributes:
        trained: when the model was saved, UTC, ISO 8601; None where it is in no file.
        films: what every answer says of a film, by inner id.
        tag: of data and model, for ETags.
        since: when this process began to use it.
        quick: a list takes so little (`QUICK_BYTES`) that it is computed between two requests, for
            a thread beside them would take longer to begin.
    """

    data: MovieData
    model: TrainedModel
    trained: str | None
    stars: StarModel
    titles: TitleSearch
    audience: Audience
    films: tuple[Film, ...]
    tag: str
    since: datetime
    quick: bool

    @classmethod
    def of(cls, data: MovieData, model: TrainedModel, trained: str | None = None) -> Snapshot:
        """Everything made ready, which takes a second or so."""
        _ = (model.directions, data.has_genre, data.years)
        return cls(
            data=data,
            model=model,
            trained=trained,
            stars=star_model(data, model),
            titles=title_search(data),
            audience=audience(data, model),
            films=film_facts(data),
            tag=_tag(data, model),
            since=datetime.now(UTC),
            quick=model.movie_factors.nbytes < QUICK_BYTES,
        )

    def before(self, second: int) -> Snapshot:
        """What it would have been before a Unix second of the past; it takes a fit.

        Raises:
            ValueError: as `model_of`.
        """
        data = data_before(self.data, second)
        model = model_of(data, self.model)
        return replace(
            self,
            data=data,
            model=model,
            trained=None,
            stars=star_model(data, model),
            audience=audience(data, model),
            tag=_tag(data, model),
        )


def _tag(data: MovieData, model: TrainedModel) -> str:
    whole = f"{data.fingerprint} {model.key} {model.trend_choice}"
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _saved_at(path: Path | None) -> str | None:
    """When the model in a file was saved."""
    try:
        return read_header(path).saved_at if path else None
    except (CheckpointError, FileNotFoundError):  # another file has taken its place meanwhile
        return None


def film_facts(data: MovieData) -> tuple[Film, ...]:
    """What every answer says of a film, by inner id."""
    table = data.movies
    columns = zip(table["movie_id"], table["name"], table["year"], table["genres"], strict=True)
    return tuple(
        Film(movie=movie, title=name, year=None if pd.isna(year) else year, genres=genres)
        for movie, name, year, genres in columns
    )


def _pasts() -> RefitBoard:
    """Each holds data and a model, so there are few; page and API fit in turn."""
    return RefitBoard(_PASTS, refit_board().turn)


class Current:
    """What is in use now; `start` begins to look after it.

    Attributes:
        problem: why there is nothing in use, one sentence.
        pasts: snapshots of the past of what is in use.
    """

    def __init__(self, state: ServerState, fetch: Callable[[], Path] = download_movielens) -> None:
        self.state = state
        self.problem = "The data and the model are being loaded."
        self.pasts = _pasts()
        self._fetch = fetch
        self._now: Snapshot | None = None
        self._end = threading.Event()
        self._looking = threading.Lock()

    @property
    def now(self) -> Snapshot | None:
        """None where there is no model yet: `problem`."""
        return self._now

    def start(self) -> None:
        """Look after it in a thread until `stop`."""
        self._end.clear()
        threading.Thread(target=self._watch, name="current", daemon=True).start()

    def stop(self) -> None:
        self._end.set()

    def _watch(self) -> None:
        while not self._end.is_set():
            try:
                self.look()
                now = self._now
                if now and now.audience.make_ahead(now.data, now.model, LOOK_SECONDS):
                    continue
            except Exception:  # what is in use stays in use, and the next look may go well
                log.exception("looking for data and model failed")
                self.problem = "Loading the data or the model failed; the log says why."
            self._end.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Bring into use what is there now."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        try:
            data = self.state.data(self.state.data_folder(self._fetch))
        except (DataError, SettingError) as error:
            self.problem = str(error)
            return
        in_use = self.state.model(data)
        found, now = in_use.model, self._now
        if found is None:
            self.problem = self._why_none(data)
            if now and now.data.fingerprint != data.fingerprint:
                self._now = None  # answers about other data than the page shows would be wrong
        elif now is None or now.model is not found or now.data is not data:
            self._now = Snapshot.of(data, found, _saved_at(in_use.path))
            self.pasts = _pasts()  # those of what was in use before take their memory along
            log.info("model in use: %s", self._now.tag)

    def _why_none(self, data: MovieData) -> str:
        """Why there is no model, one sentence; starts a first training as the page does."""
        lack = self.state.why_no_model(data)
        if lack.state == "absent":
            self.state.start_first_training(data)
            lack = self.state.why_no_model(data)
        if lack.state == "running":
            return "A first model is being trained."
        if lack.state == "off":
            command = self.state.training_command(data)
            return f"There is no model and this server does not train: run {command}."
        return lack.reason or "There is no model."
