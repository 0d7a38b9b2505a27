"""All trained models of a place on disk: which one is in use for some data, and those kept.

A place is named by one file, say `model.pth` ($LIGHTGCN_CHECKPOINT):

    model.pth                        the slot: whoever puts a model here wants it used
    model.models/
        3f0c…/                       one folder per data set, named by its fingerprint
            in_use.pth               another name of the kept model that was promoted last
            20261125-…-a1b2c3.pth    a kept model; its name is the id of its run
            20261125-…-a1b2c3.name   what a person called it

In use for some data is the slot where it holds a usable model of these data; else the one promoted
last; else the newest kept one. A training only adds a kept model. To promote one is to give it the
slot, unless the slot holds something else than a usable model of these data, which is never
touched; what the slot held before is kept first. So a fault or a kill at any moment leaves every
model under the name it had, and one of them in use.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

from data_preparation import MovieData, load_movie_data
from model.checkpoints import (
    CheckpointError,
    Header,
    NoRoomError,
    load_checkpoint,
    read_header,
    save_checkpoint,
    stored_key,
    unsaved,
)
from model.runs import new_run_id
from model.trained import TrainedModel
from settings import copies_folder, models_folder, tables_folder, training_command
from sources.atomic import copy_into_place, has_no_room, link_into_place, locked, replacing
from sources.download import obtain_data
from sources.kept_tables import forget

MAX_UNNAMED = 10  # kept models of one data set that nobody named
MAX_NAMED = 10  # … and that somebody did
MAX_BYTES = 4 * 2**30  # of all kept models of a place; those with a name and in use stay
MAX_TITLE = 40  # characters
TABLE_KEY = 16  # characters of the key of a model or of data, with which its tables begin
_FRESH_SECONDS = 60.0  # so long a new model is safe from the bounds
_IN_USE = "in_use"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")

Stamp = tuple[int, int, int]
"""Of a file: its size, and when its content and its permissions last changed (ns)."""

Load = Callable[[MovieData, Path], TrainedModel]

When = Literal["first", "better", "always"]
"""When to promote: only where nothing is in use; also in the place of a worse one; in any case."""


def stamp(path: Path) -> Stamp | None:
    """What changes with the file; None where there is none that can be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


@dataclass(frozen=True, eq=False)
class InUse:
    """The model that serves some data.

    Attributes:
        model: None where there is none.
        path: of its file; None where it has none.
        problem: why a file that comes before it is not used. That it is of other data is told only
            where there is no model.
    """

    model: TrainedModel | None
    path: Path | None = None
    problem: CheckpointError | None = None


@dataclass(frozen=True)
class KeptModel:
    """One of the kept models of some data.

    Attributes:
        name: of its file, and the id of its run.
        title: what a person called it, or "".
        size: bytes.
        in_use: it is the one that was promoted last.
    """

    name: str
    path: Path
    title: str
    size: int
    header: Header
    in_use: bool

    @property
    def label(self) -> str:
        """Its title, else when it was made: `25 Nov 2026 16:50:12 UTC`."""
        saved = datetime.fromisoformat(self.header.saved_at)
        return self.title or f"{saved:%d %b %Y %H:%M:%S} UTC"


@dataclass(frozen=True)
class Comparison:
    """A model against the one in use, by NDCG@20 of the kept epoch on validation.

    Attributes:
        new: of the model.
        old: of the one in use; None where there is none.
        same_split: both were measured on the same held-out ratings, so that they can be compared.
    """

    new: float
    old: float | None
    same_split: bool

    @property
    def better(self) -> bool:
        return self.old is not None and self.same_split and self.new > self.old

    @property
    def sentence(self) -> str:
        """What came out, with both figures."""
        measure = "NDCG of lists of 20"
        if self.old is None:
            return f"On validation it has {self.new:.4f} ({measure}); no other model was in use."
        figures = f"{self.new:.4f} against {self.old:.4f}"
        if not self.same_split:
            return (
                f"It cannot be compared with the model in use: {figures} on validation "
                f"({measure}), but each was measured on other held-out ratings."
            )
        if self.new == self.old:
            return f"It is as good as the model in use on validation: {figures} ({measure})."
        word = "better" if self.better else "worse"
        return (
            f"It is {word} than the model in use on validation: {figures} ({measure}, the same "
            "held-out ratings)."
        )


def validation_score(model: TrainedModel) -> float:
    """NDCG@20 of the kept epoch on validation."""
    return model.history[model.best_epoch].metrics["NDCG@20"]


def compare(model: TrainedModel, other: TrainedModel | None) -> Comparison:
    """A model against the one in use for the same data."""
    if other is None:
        return Comparison(validation_score(model), None, False)
    same = (model.fingerprint, model.protocol) == (other.fingerprint, other.protocol)
    return Comparison(validation_score(model), validation_score(other), same)


@dataclass(frozen=True)
class ModelStore:
    """The models of a place; any number of threads and programs may use one at once.

    Attributes:
        slot: the file that names the place.
    """

    slot: Path

    # --- where things are -------------------------------------------------------------------------

    def folder(self, fingerprint: str) -> Path:
        """Of the kept models of some data."""
        return models_folder(self.slot) / fingerprint[:12]

    def path(self, fingerprint: str, name: str) -> Path:
        """Of a kept model.

        Raises:
            CheckpointError: that is no name of one.
        """
        if not _NAME.fullmatch(name) or name == _IN_USE:
            raise CheckpointError("That is not the name of a kept model.")
        return self.folder(fingerprint) / f"{name}.pth"

    def promoted(self, fingerprint: str) -> Path:
        """Of the model of some data that was promoted last."""
        return self.folder(fingerprint) / f"{_IN_USE}.pth"

    def tables(self, fingerprint: str) -> Path:
        """Of what was computed from some data and their models for the pages; the names of the
        files begin with `TrainedModel.key`."""
        return tables_folder(self.slot) / fingerprint[:12]

    # --- reading ----------------------------------------------------------------------------------

    def in_use(self, data: MovieData, load: Load = load_checkpoint) -> InUse:
        """The model that serves the data, and why what comes before it does not.

        Args:
            load: reads a file; raises what `load_checkpoint` does.
        """
        problem, foreign = None, None
        for path in self._in_turn(data.fingerprint):
            try:
                return InUse(load(data, path), path, problem)
            except FileNotFoundError:
                continue
            except CheckpointError as error:
                if error.fault == "data":
                    foreign = foreign or error
                else:
                    problem = problem or error
        return InUse(None, None, problem or foreign)

    def _in_turn(self, fingerprint: str) -> Iterator[Path]:
        """What may be in use, first come first served; the folder is read only if it comes to it:
        pages ask again and again."""
        yield self.slot
        yield self.promoted(fingerprint)
        yield from _newest_first(self.folder(fingerprint))

    def kept(self, fingerprint: str) -> tuple[KeptModel, ...]:
        """The kept models of some data, newest first; what cannot be read is left out."""
        promoted = self.promoted(fingerprint)
        found = []
        for path in _newest_first(self.folder(fingerprint)):
            mark = stamp(path)
            with suppress(CheckpointError, FileNotFoundError):
                if mark is None or (header := _header(path, mark)).fingerprint != fingerprint:
                    continue
                title, now = _title(path), _same_file(path, promoted)
                found.append(KeptModel(path.stem, path, title, mark[0], header, now))
        return tuple(found)

    # --- changing ---------------------------------------------------------------------------------

    def keep(self, model: TrainedModel, name: str) -> tuple[str, ...]:
        """Save a model under a name of its own; what else there is stays as it is.

        Returns:
            The names of the kept models that had to give way: the oldest that have no title and are
            not in use, where there are more than `MAX_UNNAMED` of these data, or more than
            `MAX_BYTES` in all, or where the disk is full. Never one of the last minute, which
            another program may be about to promote.

        Raises:
            CheckpointError: it cannot be saved.
        """
        path = self.path(model.fingerprint, name)
        gone: list[str] = []
        try:
            path.parent.parent.mkdir(exist_ok=True)
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise CheckpointError(unsaved(path, error), "unsaved") from None
        while True:
            try:
                save_checkpoint(model, path)
                break
            except NoRoomError:
                if not (victim := self._make_room(model)):
                    raise
                gone.append(victim)
        with suppress(OSError), self._alone():
            gone += self._prune(path.parent)
        return tuple(gone)

    def keep_again(self, model: TrainedModel, name: str) -> None:
        """Save a kept model once more, with what was added to it, wherever it serves as well.

        Raises:
            CheckpointError: it cannot be saved, or is not kept any more; what is there stays.
        """
        path = self.path(model.fingerprint, name)
        try:
            with self._alone():
                if not path.exists():
                    raise CheckpointError("The model is not kept any more.")
                in_slot = _same_content(path, self.slot)
                promoted = _same_file(path, self.promoted(model.fingerprint))
                save_checkpoint(model, path)
                if in_slot:
                    copy_into_place(path, self.slot)
                if promoted:
                    link_into_place(path, self.promoted(model.fingerprint))
        except OSError as error:
            raise CheckpointError(unsaved(path, error), "unsaved") from None

    def promote(self, data: MovieData, name: str, when: When = "always") -> tuple[Comparison, bool]:
        """Put a kept model in use for the data, for everybody; what was in use is kept.

        Returns:
            How it compares with what was in use, and whether it is in use now.

        Raises:
            CheckpointError: there is none of this name that can be used, or it cannot be put there;
                what is in use stays.
        """
        source = self.path(data.fingerprint, name)
        try:
            with self._alone():
                model = load_checkpoint(data, source)  # what does not load must not get into use
                current = self._in_use_besides(data, source)
                result = compare(model, current.model)
                first, better = current.model is None, when == "better" and result.better
                if promoted := when == "always" or first or better:
                    slot_fits = current.path == self.slot or not os.path.lexists(self.slot)
                    self._take_place(data, source, slot_fits)
                return result, promoted
        except FileNotFoundError:
            raise CheckpointError(
                f"There is no kept model “{name}” of {data.directory.name}; it may have given way "
                "to newer ones."
            ) from None
        except OSError as error:
            raise CheckpointError(
                f"The model cannot be put in use: {error.strerror or error}.", "unsaved"
            ) from None

    def rename(self, fingerprint: str, name: str, title: str) -> None:
        """Give a kept model a title, so that it never gives way to newer ones; "" takes it away.

        Raises:
            CheckpointError: there is no such model, the title is too long or taken, or too many
                models of these data have one.
        """
        path, title = self.path(fingerprint, name), " ".join(title.split())
        if len(title) > MAX_TITLE or not title.isprintable():
            raise CheckpointError(
                f"A name has at most {MAX_TITLE} characters, all of them visible."
            )
        try:
            with self._alone():
                if not path.exists():
                    raise CheckpointError("This model is not kept any more.")
                others = [kept.title for kept in self.kept(fingerprint) if kept.name != name]
                if title and title in others:
                    raise CheckpointError(f"Another model is called “{title}” already.")
                if title and sum(map(bool, others)) >= MAX_NAMED:
                    raise CheckpointError(
                        f"{MAX_NAMED} models have a name already; take it from one of them first."
                    )
                if not title:
                    _title_file(path).unlink(missing_ok=True)
                    return
                with replacing(_title_file(path)) as file:
                    file.write(title.encode())
        except OSError as error:
            raise CheckpointError(
                f"The name cannot be written down: {error.strerror or error}.", "unsaved"
            ) from None

    # --- the steps --------------------------------------------------------------------------------

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread or program changes anything but by adding a kept model."""
        with locked(models_folder(self.slot) / "lock"):
            yield

    def _in_use_besides(self, data: MovieData, path: Path) -> InUse:
        """What would be in use without this kept model: the newest one serves where none was
        promoted, so a first one would be compared with itself."""

        def load(data: MovieData, other: Path) -> TrainedModel:
            if other == path:
                raise FileNotFoundError(path)
            return load_checkpoint(data, other)

        return self.in_use(data, load)

    def _take_place(self, data: MovieData, source: Path, slot_fits: bool) -> None:
        """Put a kept model into the slot, if that is for these data, and note it as promoted."""
        before = _content_stamp(self.slot)
        if slot_fits:
            self._keep_what_is_there(self.slot, data.fingerprint)

            def unchanged() -> None:
                if _content_stamp(self.slot) != before:
                    raise CheckpointError(
                        f"{self.slot.name} changed in this moment, so it is left alone; try again."
                    )

            # A copy: whoever writes over the slot in its place must not write over a kept model.
            try:
                copy_into_place(source, self.slot, unchanged)
            except OSError as error:
                if not has_no_room(error):
                    raise
                link_into_place(source, self.slot)
        self._keep_what_is_there(self.promoted(data.fingerprint), data.fingerprint)
        link_into_place(source, self.promoted(data.fingerprint))

    def _keep_what_is_there(self, path: Path, fingerprint: str) -> None:
        """Keep what is about to lose its place, unless a kept model is the same."""
        if not path.exists():
            return
        folder = self.folder(fingerprint)
        if any(_same_content(path, other) for other in _newest_first(folder)):
            return
        try:
            saved = datetime.fromisoformat(read_header(path).saved_at)
        except CheckpointError:
            saved = None
        kept = folder / f"{new_run_id(saved)}.pth"
        try:
            copy_into_place(path, kept)
        except OSError as error:
            if not has_no_room(error):
                raise
            link_into_place(path, kept)

    def _make_room(self, model: TrainedModel) -> str | None:
        """Remove the first model that may give way, if that can help; its name."""
        try:
            with self._alone():
                removable = self._removable()
                root = models_folder(self.slot)
                room = shutil.disk_usage(root).free + sum(map(_size, removable))
                if not removable or room < model.e0.nbytes:
                    return None
                return self._remove(removable[0])
        except OSError:
            return None

    def _prune(self, folder: Path) -> list[str]:
        """Remove what is beyond the bounds, the oldest first; the names.

        Args:
            folder: of the data whose models are counted.
        """
        gone, removable = [], self._removable()
        unnamed = [path for path in _newest_first(folder) if not _title(path)]
        surplus = sum(not _same_file(path, folder / f"{_IN_USE}.pth") for path in unnamed)
        for path in [path for path in removable if path.parent == folder]:
            if surplus <= MAX_UNNAMED:
                break
            surplus -= 1
            removable.remove(path)
            gone.append(self._remove(path))
        total = sum(_size(path) for path in models_folder(self.slot).glob("*/*.pth"))
        for path in removable:
            if total <= MAX_BYTES:
                break
            total -= _size(path)
            gone.append(self._remove(path))
        return gone

    def _remove(self, path: Path) -> str:
        """Remove a kept model with what was computed from it; its name."""
        with suppress(CheckpointError, FileNotFoundError):
            forget(self.tables(path.parent.name), stored_key(path)[:TABLE_KEY])
        path.unlink(missing_ok=True)
        _title_file(path).unlink(missing_ok=True)
        return path.stem

    def _removable(self) -> list[Path]:
        """The kept models of all data that nobody named, that are not in use, and that are older
        than a minute; the oldest first."""
        found, fresh = [], (time.time() - _FRESH_SECONDS) * 1e9
        for folder in models_folder(self.slot).iterdir():
            kept = _newest_first(folder)
            promoted = folder / f"{_IN_USE}.pth"
            serving = [path for path in kept if _same_file(path, promoted)]
            if not serving and not promoted.exists():
                serving = kept[:1]
            found += [path for path in kept if path not in serving and not _title(path)]
        return sorted((path for path in found if _age(path)[0] < fresh), key=_age)


def _newest_first(folder: Path) -> list[Path]:
    """The files of the kept models in a folder."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = [
        folder / name
        for name in names
        if name.endswith(".pth") and name != f"{_IN_USE}.pth" and _NAME.fullmatch(name[:-4])
    ]
    return sorted((path for path in found if path.is_file()), key=_age, reverse=True)


def _age(path: Path) -> tuple[int, str]:
    """Sorts files by time."""
    mark = stamp(path)
    return mark[1] if mark else 0, path.name


def _content_stamp(path: Path) -> tuple[int, int] | None:
    """`stamp` without what another name of the file changes."""
    mark = stamp(path)
    return mark and mark[:2]


def _size(path: Path) -> int:
    mark = stamp(path)
    return mark[0] if mark else 0


@lru_cache(maxsize=256)
def _header(path: Path, mark: Stamp) -> Header:
    """Of a file as it is with this stamp."""
    return read_header(path)


def _title_file(path: Path) -> Path:
    return path.with_suffix(".name")


def _title(path: Path) -> str:
    """What a person called the kept model; "" without a name that can be shown."""
    file_of_title = _title_file(path)
    if not file_of_title.is_file():
        return ""
    try:
        with file_of_title.open("rb") as file:
            title = file.read(4 * MAX_TITLE).decode()
    except (OSError, UnicodeDecodeError):
        return ""
    return title if len(title) <= MAX_TITLE and title.isprintable() else ""


def _same_file(path: Path, other: Path) -> bool:
    """Whether both are names of one file, or equal copies of it where the disk knows no links."""
    try:
        return path.samefile(other) or (other.stat().st_nlink == 1 and _same_content(path, other))
    except OSError:
        return False


def _same_content(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other) or filecmp.cmp(path, other, shallow=False)
    except OSError:
        return False


@dataclass(frozen=True, eq=False)
class Served:
    """What a command answers from.

    Attributes:
        model: None where there is none in use.
        path: where the model was read from.
        said: sentences to show: that the data are the demo, why a model is not used.
    """

    data: MovieData
    model: TrainedModel | None
    path: Path | None
    said: tuple[str, ...]


def served(checkpoint: Path, dataset: str | None = None) -> Served:
    """The data of this name, or else by the documented order, and the model in use for them.

    Raises:
        DataError: there are no data of this name, or they cannot be used.
    """
    folder, failure = obtain_data(dataset=dataset)
    data = load_movie_data(folder, copies_folder(checkpoint))
    found = ModelStore(checkpoint).in_use(data)
    said = [f"{failure} Using the built-in demo data."] if failure else []
    if found.problem:
        said.append(str(found.problem))
    elif found.model is None:
        said.append(f"There is no model at {checkpoint}: run {training_command(dataset)}.")
    return Served(data, found.model, found.path, tuple(said))
