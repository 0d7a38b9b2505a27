"""Every environment variable and path that the program reads, checked in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent
DEMO_DIR = PROJECT_DIR / "demo_data"
MOVIELENS_FOLDER = PROJECT_DIR / "ml-latest-small"  # where a download goes
POSTER_CACHE = PROJECT_DIR / ".cache"
DEFAULT_POSTER = PROJECT_DIR / "default.png"
CHECKPOINT_NAME = "lightgcn_checkpoint.pth"

MOVIELENS_VARIABLE = "MOVIELENS_DIR"
CHECKPOINT_VARIABLE = "LIGHTGCN_CHECKPOINT"
TRAINING_VARIABLE = "LIGHTGCN_TRAINING"
TMDB_VARIABLE = "TMDB_API_KEY"  # in Streamlit's secrets too

TRAINING_COMMAND = "python model_training.py"  # for the operator of a server that does not train


class SettingError(ValueError):
    """An environment variable has an impossible value; the message is one sentence to show."""


def chosen_data(environ: Mapping[str, str] = os.environ) -> Path | None:
    """$MOVIELENS_DIR, the folder that the operator wants; None where it is unset or empty."""
    chosen = environ.get(MOVIELENS_VARIABLE)
    return Path(chosen) if chosen else None


def usual_data(project: Path = PROJECT_DIR) -> tuple[Path, Path]:
    """Where the data may lie without being asked for, first come first served."""
    return project / MOVIELENS_FOLDER.name, project.parent / "shared" / MOVIELENS_FOLDER.name


def checkpoint_path(environ: Mapping[str, str] = os.environ) -> Path:
    """$LIGHTGCN_CHECKPOINT, or lightgcn_checkpoint.pth in the project: the model in use for the
    data that it belongs to. It names the place of all other models, too (`models_folder`)."""
    return Path(environ.get(CHECKPOINT_VARIABLE) or PROJECT_DIR / CHECKPOINT_NAME)


def models_folder(checkpoint: Path) -> Path:
    """Where all models are kept that were trained for `checkpoint`, a folder for each data set."""
    return checkpoint.with_name(f"{checkpoint.stem}.models")


def runs_folder(checkpoint: Path) -> Path:
    """Where the runs of the models saved at `checkpoint` are written down."""
    return checkpoint.parent / ".cache" / "runs"


def tmdb_token(environ: Mapping[str, str] = os.environ) -> str | None:
    """$TMDB_API_KEY: with it, posters are shown."""
    return environ.get(TMDB_VARIABLE)


def training_allowed(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether visitors may train and change the model in use: `LIGHTGCN_TRAINING`, on or off.

    Raises:
        SettingError: it is neither; a server must not train because of a slip of the pen.
    """
    value = environ.get(TRAINING_VARIABLE, "on")
    if value not in ("on", "off"):
        raise SettingError(
            f"{TRAINING_VARIABLE} is “{value[:40]}”, which is neither on nor off; "
            "correct it or unset it."
        )
    return value == "on"
