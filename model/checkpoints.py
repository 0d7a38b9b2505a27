"""A trained model in a file: written atomically with a checksum, read without executing anything.

Where files lie and which one is in use: `model.store`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import platform
import re
import stat
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import scipy
import torch

from data_preparation import MovieData
from model import records
from model.attention import FEATURES
from model.config import TrainingConfig
from model.splits import PROTOCOLS
from model.trained import TrainedModel, assemble, model_key, with_trend
from sources.atomic import has_no_room, replacing

log = logging.getLogger(__name__)

CHECKPOINT_VERSION = 3
ARRIVAL_SECONDS = 10.0  # a file without its end that changed so lately is still being copied
_ARRAYS = ("e0", "scale", "values")  # what is stored as tensors


Fault = Literal["arriving", "format", "permission", "busy", "memory", "data", "damaged", "unsaved"]
"""Why a checkpoint is not used, or not written.

"arriving": it is still being copied here; "format": another version of this program made it;
"permission": it may not be read; "busy": the system cannot open or read it now; "memory": there is
not enough; "data": it belongs to other data; "unsaved": it cannot be written.
"""

PASSING: tuple[Fault, ...] = ("arriving", "permission", "busy", "memory")
"""Faults that may be over without a change that can be seen in the file."""


class CheckpointError(ValueError):
    """A checkpoint cannot be written or used; the message is one sentence to show to the user."""

    def __init__(self, message: str, fault: Fault = "damaged") -> None:
        super().__init__(message)
        self.fault: Fault = fault


class NoRoomError(CheckpointError):
    """The disk is too full for a checkpoint."""


@dataclass(frozen=True)
class Header:
    """What a checkpoint says of its model; read without its arrays.

    Attributes:
        saved_at: UTC, ISO 8601.
        validation: NDCG@20 of the kept epoch on validation.
        digest: of all the content, not checked.
    """

    fingerprint: str
    protocol: str
    config: TrainingConfig
    refitted: bool
    saved_at: str
    validation: float
    digest: str


def save_checkpoint(model: TrainedModel, path: Path) -> None:
    """Write the checkpoint atomically: a crash leaves the old file or the new one, whole.

    Raises:
        NoRoomError: the disk is full.
        CheckpointError: it cannot be written for another reason.
    """
    content = {
        "config": asdict(model.config),
        "protocol": model.protocol,
        "fingerprint": model.fingerprint,
        **{name: torch.tensor(getattr(model, name)) for name in _ARRAYS},
        "mean_stars": model.mean_stars,
        "history": [asdict(record) for record in model.history],
        "best_epoch": model.best_epoch,
        "test_metrics": model.test_metrics,
        "watch_metrics": model.watch_metrics,
        "trials": [asdict(trial) for trial in model.trials],
        "test_intervals": {name: list(ends) for name, ends in model.test_intervals.items()},
        "refitted": model.refitted,
        "stop_reason": model.stop_reason,
        "theta": list(model.theta),
        "without_attention": model.without_attention,
        "trend_choice": None if model.trend_choice is None else asdict(model.trend_choice),
        "versions": library_versions(),
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    content |= {"version": CHECKPOINT_VERSION, "digest": _digest(content)}
    faults: list[OSError] = []
    try:
        with replacing(path) as file:
            torch.save(content, cast(BinaryIO, _Noting(file, faults)))
    except (OSError, RuntimeError) as error:
        fault = faults[0] if faults else error
        full = isinstance(fault, OSError) and has_no_room(fault)
        kind = NoRoomError if full else CheckpointError
        raise kind(unsaved(path, fault), "unsaved") from None


def unsaved(path: Path, fault: Exception) -> str:
    """Why a model is not saved, a sentence; visitors see it, so it names no folder."""
    reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else fault
    return f"The model cannot be saved as {path.name} ({reason})."


class _Noting:
    """A file for torch, which reports whatever goes wrong in writing as a fault of its own."""

    def __init__(self, file: BinaryIO, faults: list[OSError]) -> None:
        self._file, self._faults = file, faults

    def write(self, content: bytes) -> int:
        try:
            return self._file.write(content)
        except OSError as error:
            self._faults.append(error)
            raise

    def flush(self) -> None:
        """Called by torch, too."""
        self._file.flush()


def library_versions() -> dict[str, str]:
    """Of what a result depends on, beyond data and settings."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content; torch does not notice a flipped bit in a stored tensor."""
    rest = {name: value for name, value in content.items() if name not in (*_ARRAYS, "digest")}
    rest.pop("version", None)
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(text.encode())  # which refuses half a surrogate pair: none can be shown
    for name in _ARRAYS:
        digest.update(content[name].numpy().tobytes())
    return digest.hexdigest()


def load_checkpoint(data: MovieData, path: Path) -> TrainedModel:
    """Read a checkpoint without executing anything in it, and check that it fits the data.

    Raises:
        FileNotFoundError: there is none.
        CheckpointError: it cannot be used, now or at all: see its `fault`.
    """
    with _refusing(path):
        if _text_of(path).get("fingerprint") != data.fingerprint:  # without reading all of it
            raise CheckpointError(
                f"{path.name} was trained on other data than {data.directory.name}; "
                "train a new model.",
                "data",
            )
        content = torch.load(path, map_location="cpu", weights_only=True)
        config = records.config(content["config"])
        _check_arrays(data, content, config)  # first of all: the checksum copies them
        if content["digest"] != _digest(content):
            raise ValueError("its checksum differs")
        return _restore(data, content, config)


def read_header(path: Path) -> Header:
    """What a checkpoint says of its model, in a millisecond however large it is.

    Raises:
        FileNotFoundError: there is none.
        CheckpointError: as `load_checkpoint`, as far as it shows without the arrays.
    """
    with _refusing(path):
        content = _text_of(path)
        history = records.history(content["history"])
        best = history[records.kept_epoch(content["best_epoch"], history)]
        return Header(
            fingerprint=records.text(content["fingerprint"]),
            protocol=records.one_of(PROTOCOLS)(content["protocol"]),
            config=records.config(content["config"]),
            refitted=records.switch(content["refitted"]),
            saved_at=records.moment(content["saved_at"]),
            validation=records.metric(best.metrics["NDCG@20"]),
            digest=records.text(content["digest"]),
        )


def stored_key(path: Path) -> str:
    """`TrainedModel.key` of the model in a file, without loading it.

    Raises:
        FileNotFoundError: there is none.
        CheckpointError: as `load_checkpoint`, as far as it shows without the checksum.
    """
    with _refusing(path):
        content = _text_of(path)
        config = records.config(content["config"])
        return model_key(
            records.text(content["fingerprint"]),
            records.one_of(PROTOCOLS)(content["protocol"]),
            config,
            records.switch(content["refitted"]),
            _theta(content.get("theta", []), config),
            content["e0"].numpy(),
        )


def _text_of(path: Path) -> dict[str, Any]:
    """The content of a whole file of this format, its arrays not read.

    Raises CheckpointError, and many types for wrong content.
    """
    _refuse_incomplete(path)
    # Mapped into memory, an array is read when it is looked at.
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if not isinstance(content, dict) or type(content.get("version")) is not int:
        raise CheckpointError(f"{path.name} is not a LightGCN checkpoint; train a new model.")
    if content["version"] != CHECKPOINT_VERSION:
        raise CheckpointError(
            f"{path.name} has format {str(content['version'])[:20]}, this program reads format "
            f"{CHECKPOINT_VERSION}; train a new model or use the matching program version.",
            "format",
        )
    return content


def _refuse_incomplete(path: Path) -> None:
    """Raises CheckpointError for what is no file, or lacks its end: a zip archive's end says where
    all the rest is."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):  # reading a pipe would never end
        raise CheckpointError(f"{path.name} is not a file; move it away or train a new model.")
    with path.open("rb") as file:
        begins = file.read(4) in (b"PK\x03\x04", b"")
        if not begins or zipfile.is_zipfile(file):
            return
    if abs(time.time() - found.st_mtime) < ARRIVAL_SECONDS:
        raise CheckpointError(
            f"{path.name} is still arriving ({found.st_size / 2**20:,.1f} MiB so far) and is used "
            "as soon as it is whole.",
            "arriving",
        )
    raise CheckpointError(
        f"{path.name} lacks its end, so it was copied only in part; copy it again or train a new "
        "model."
    )


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Make a CheckpointError of whatever goes wrong with a file; FileNotFoundError passes."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except CheckpointError:
        raise
    except Exception as error:  # torch raises many types for damaged or hostile files
        log.warning("checkpoint %s refused: %s", path, error)
        raise _refusal(path, error) from None


def _refusal(path: Path, error: Exception) -> CheckpointError:
    """What a fault in reading means, and what helps."""
    number = error.errno if isinstance(error, OSError) else _number_in(error)
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return CheckpointError(
            f"There is not enough memory to load {path.name}; it is tried again by itself, so end "
            "other programs or use a larger machine.",
            "memory",
        )
    if number in (errno.EACCES, errno.EPERM):
        return CheckpointError(
            f"{path.name} may not be read ({os.strerror(number)}); allow this program to read it.",
            "permission",
        )
    if number in (errno.EMFILE, errno.ENFILE):
        return CheckpointError(
            f"{path.name} cannot be opened now, because too many files are open; it is tried again "
            "by itself.",
            "busy",
        )
    if isinstance(error, OSError):
        return CheckpointError(
            f"{path.name} cannot be read now ({error.strerror or error}); it is tried again by "
            "itself.",
            "busy",
        )
    return CheckpointError(
        f"{path.name} is damaged or not a LightGCN checkpoint; train a new model."
    )


def _number_in(error: Exception) -> int | None:
    """The system's number of an error that torch reports as text."""
    text = str(error)
    if "allocate memory" in text:
        return errno.ENOMEM
    found = re.search(r"\((\d+)\)\s*$", text) if isinstance(error, RuntimeError) else None
    return int(found[1]) if found else None


def _check_arrays(data: MovieData, content: Mapping[str, Any], config: TrainingConfig) -> None:
    """That the arrays have the sizes that config and data ask for, and all their bytes in the file:
    a tensor of a few bytes may claim any size. Raises many types for wrong content."""
    e0, values = content["e0"], content["values"]
    hybrid = config.model == "hybrid"
    rows = data.n_movies + (0 if hybrid else data.n_users)
    # A fitted start has no more columns than its graph has directions.
    right = e0.shape[1] <= config.dim if config.fitted else e0.shape[1] == config.dim
    expected = {
        "e0": ((rows, e0.shape[1]), torch.float32),
        "scale": ((data.n_movies if hybrid else 0,), torch.float32),
        "values": ((e0.shape[1] if config.fitted else 0,), torch.float64),
    }
    for name, (shape, kind) in expected.items():
        array = content[name]
        stored = array.untyped_storage().nbytes() >= array.numel() * array.element_size()
        right &= tuple(array.shape) == shape and array.dtype == kind and stored
    if not right or not torch.isfinite(values).all() or (values <= 0).any():
        raise ValueError("an array has another shape or kind")


def _restore(data: MovieData, content: Mapping[str, Any], config: TrainingConfig) -> TrainedModel:
    """The model of a checkpoint whose checksum is right; raises many types for wrong content."""
    history = records.history(content["history"])
    test_metrics = records.metrics(content["test_metrics"])
    watch_metrics = records.metrics(content["watch_metrics"])
    measured = [test_metrics, *([watch_metrics] if watch_metrics else [])]
    theta = _theta(content.get("theta", []), config)  # older files have none
    for values in (*measured, *(record.metrics for record in history)):
        if "NDCG@20" not in values:
            raise records.RecordError("a metric is missing")
    model = assemble(
        data,
        *(content[name].numpy() for name in _ARRAYS),
        mean_stars=records.number(content["mean_stars"], 0.0, 5.0),
        config=config,
        protocol=records.one_of(PROTOCOLS)(content["protocol"]),
        history=history,
        best_epoch=records.kept_epoch(content["best_epoch"], history),
        test_metrics=test_metrics,
        watch_metrics=watch_metrics,
        test_intervals=records.intervals(content["test_intervals"]),
        trials=records.trials(content["trials"]),
        stop_reason=records.text(content["stop_reason"]),
        refitted=records.switch(content["refitted"]),
        theta=theta,
        without_attention=records.metrics(content.get("without_attention", {})),
    )
    for vectors in (model.user_factors, model.movie_factors, model.movie_messages):
        # A sum of them is what someone's vector is.
        if not np.isfinite(np.abs(vectors).sum(dtype=np.float32)):
            raise ValueError("E(0) gives factors that are not finite")
    return with_trend(data, model, records.optional(records.trend)(content.get("trend_choice")))


def _theta(value: Any, config: TrainingConfig) -> tuple[float, ...]:
    """θ of the attention: a number for each feature, none without attention."""
    if not isinstance(value, list) or len(value) != (len(FEATURES) if config.attention else 0):
        raise records.RecordError("the attention has another number of features")
    return tuple(records.number(each) for each in value)
