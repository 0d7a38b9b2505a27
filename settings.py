"""Every environment variable and path that the program reads, checked in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent
DEMO_DIR = PROJECT_DIR / "demo_data"
MOVIELENS_FOLDER = PROJECT_DIR / "ml-latest-small"  # where a download goes
POSTER_CACHE = PROJECT_DIR / ".cache"
BENCHMARK_RESULTS = PROJECT_DIR / "benchmarks" / "results.json"
PAGE_ICON = PROJECT_DIR / "default.png"
CHECKPOINT_NAME = "lightgcn_checkpoint.pth"

MOVIELENS_VARIABLE = "MOVIELENS_DIR"
DATASET_VARIABLE = "MOVIELENS_DATASET"
CHECKPOINT_VARIABLE = "LIGHTGCN_CHECKPOINT"
TRAINING_VARIABLE = "LIGHTGCN_TRAINING"
TMDB_VARIABLE = "TMDB_API_KEY"  # in Streamlit's secrets too
HOSTS_VARIABLE = "LIGHTGCN_HOSTS"
KEY_VARIABLE = "LIGHTGCN_API_KEY"
RATE_VARIABLE = "LIGHTGCN_API_RATE"
ORIGINS_VARIABLE = "LIGHTGCN_API_ORIGINS"
PROXIES_VARIABLE = "FORWARDED_ALLOW_IPS"  # uvicorn's own name for it

LEAST_KEY = 16  # characters
DEFAULT_RATE = 20.0  # requests per second and client

DOWNLOAD_COMMAND = "python -m sources.download"


class SettingError(ValueError):
    """An environment variable has an impossible value; the message is one sentence to show."""


def chosen_data(environ: Mapping[str, str] = os.environ) -> Path | None:
    """$MOVIELENS_DIR, the folder that the operator wants; None where it is unset or empty."""
    chosen = environ.get(MOVIELENS_VARIABLE)
    return Path(chosen) if chosen else None


def chosen_data_set(environ: Mapping[str, str] = os.environ) -> str | None:
    """$MOVIELENS_DATASET, the name of the data set to begin with; None where unset or empty."""
    return environ.get(DATASET_VARIABLE) or None


def training_command(dataset: str | None) -> str:
    """What trains a model of a data set; None: of the one that everything begins with."""
    return "python model_training.py" + (f" --dataset {dataset}" if dataset else "")


def usual_data(name: str, project: Path = PROJECT_DIR) -> tuple[Path, Path]:
    """Where a data set may lie without being asked for, first come first served."""
    return project / name, project.parent / "shared" / name


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


def copies_folder(checkpoint: Path) -> Path:
    """Where binary copies of large data are kept, beside the models of `checkpoint`."""
    return checkpoint.parent / ".cache" / "data"


def tables_folder(checkpoint: Path) -> Path:
    """Where what pages show of the models of `checkpoint` is kept, a folder for each data set."""
    return checkpoint.parent / ".cache" / "tables"


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


def named_hosts(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """$LIGHTGCN_HOSTS: the names, apart from this machine's own, that the server answers to.

    `films.example.org, *.example.net`: lower case, without ports; `*` is any name.
    """
    return tuple(name.lower() for name in _listed(environ.get(HOSTS_VARIABLE, "")))


def api_key(environ: Mapping[str, str] = os.environ) -> str | None:
    """$LIGHTGCN_API_KEY: who has it may train, promote and read the counters through the API.

    Raises:
        SettingError: it is too short, or no header could carry it.
    """
    key = environ.get(KEY_VARIABLE) or None
    if key and (len(key) < LEAST_KEY or not key.isascii() or not key.isprintable() or " " in key):
        raise SettingError(
            f"{KEY_VARIABLE} must have at least {LEAST_KEY} letters, digits and signs, and no "
            "spaces; make one with `openssl rand -hex 32`."
        )
    return key


def api_rate(environ: Mapping[str, str] = os.environ) -> float:
    """$LIGHTGCN_API_RATE: requests per second that one client may make for long.

    Raises:
        SettingError: it is no number above 0.
    """
    value = environ.get(RATE_VARIABLE) or str(DEFAULT_RATE)
    try:
        rate = float(value)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise SettingError(
            f"{RATE_VARIABLE} is “{value[:40]}”, which is no number of requests per second above "
            "0; correct it or unset it."
        )
    return rate


def api_origins(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """$LIGHTGCN_API_ORIGINS: the sites whose pages may call the API (CORS); none by default.

    Raises:
        SettingError: one of them is not written as an origin, `https://shop.example.org`.
    """
    origins = _listed(environ.get(ORIGINS_VARIABLE, ""))
    for origin in origins:
        scheme, separator, name = origin.partition("://")
        if scheme not in ("http", "https") or not separator or not name or "/" in name:
            raise SettingError(
                f"{ORIGINS_VARIABLE} holds “{origin[:60]}”, which is not written like "
                "https://shop.example.org; correct it or unset it."
            )
    return origins


def trusted_proxies(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """$FORWARDED_ALLOW_IPS: addresses whose X-Forwarded-For is believed; none by default."""
    return _listed(environ.get(PROXIES_VARIABLE, ""))


def _listed(text: str) -> tuple[str, ...]:
    """What stands between the commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
