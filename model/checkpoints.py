"""Trained models on disk: written atomically with a checksum, read without executing anything."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch

from data_preparation import MovieData
from model import records
from model.config import TrainingConfig
from model.splits import PROTOCOLS
from model.trained import TrainedModel, assemble
from sources.atomic import copy_into_place, replacing

log = logging.getLogger(__name__)

CHECKPOINT_VERSION = 3
_ARRAYS = ("e0", "scale", "values")  # what is stored as tensors


class CheckpointError(ValueError):
    """A checkpoint cannot be written or used; the message is one sentence to show to the user."""


def save_checkpoint(model: TrainedModel, path: Path) -> None:
    """Write the checkpoint atomically: a crash leaves the old file or the new one, whole.

    The file that was there is kept beside it as `previous_checkpoint(path)`.

    Raises:
        CheckpointError: the folder cannot be written.
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
        "versions": library_versions(),
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    content |= {"version": CHECKPOINT_VERSION, "digest": _digest(content)}
    try:
        with replacing(path) as file:
            torch.save(content, file)
            if path.exists():
                copy_into_place(path, previous_checkpoint(path))
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"The model cannot be saved to {path}: {error}.") from None


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


def previous_checkpoint(path: Path) -> Path:
    """Where `save_checkpoint` keeps the file that it replaces."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def restore_previous(data: MovieData, path: Path) -> TrainedModel:
    """Swap the checkpoint and the one before it; the model that is now in its place.

    At any moment `path` is one of the two files, whole. No two threads may do this at once.

    Raises:
        FileNotFoundError: there is no previous checkpoint.
        CheckpointError: it does not fit the data, or the folder cannot be written.
    """
    previous = previous_checkpoint(path)
    model = load_checkpoint(data, previous)  # what does not load must not get into use
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        if path.exists():
            copy_into_place(path, aside)
        os.replace(previous, path)
        if aside.exists():
            os.replace(aside, previous)
    except OSError as error:
        raise CheckpointError(f"The previous model cannot be put back: {error}.") from None
    finally:
        with suppress(OSError):  # the first fault is the one to report
            aside.unlink(missing_ok=True)
    return model


def load_checkpoint(data: MovieData, path: Path) -> TrainedModel:
    """Read a checkpoint without executing anything in it, and check that it fits the data.

    Raises:
        FileNotFoundError: there is none.
        CheckpointError: it is damaged, from another version, or was trained on other data.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises many types for damaged or hostile files
        log.warning("checkpoint %s refused: %s", path, error)
        raise CheckpointError(
            f"{path.name} is damaged or not a LightGCN checkpoint; train a new model."
        ) from None
    if not isinstance(content, dict) or type(content.get("version")) is not int:
        raise CheckpointError(f"{path.name} is not a LightGCN checkpoint; train a new model.")
    if content["version"] != CHECKPOINT_VERSION:
        raise CheckpointError(
            f"{path.name} has format {str(content['version'])[:20]}, this program reads format "
            f"{CHECKPOINT_VERSION}; train a new model or use the matching program version."
        )
    if content.get("fingerprint") != data.fingerprint:
        raise CheckpointError(
            f"{path.name} was trained on other data than {data.directory.name}; train a new model."
        )
    try:
        config = records.config(content["config"])
        _check_arrays(data, content, config)  # first of all: the checksum copies them
        if content["digest"] != _digest(content):
            raise ValueError("its checksum differs")
        return _restore(data, content, config)
    except (
        *(LookupError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError),
    ) as error:
        log.warning("checkpoint %s refused: %s", path, error)
        raise CheckpointError(f"{path.name} is incomplete or damaged; train a new model.") from None


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
    )
    if not (np.isfinite(model.user_factors).all() and np.isfinite(model.movie_factors).all()):
        raise ValueError("E(0) gives factors that are not finite")
    return model
