"""The command line of the training: the same job as in the Train Model tab, in the foreground."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from checkpoints import CheckpointError, checkpoint_path
from data_download import obtain_data
from data_preparation import load_movie_data
from evaluation import DEFAULT_PROTOCOL, PROTOCOLS
from lightgcn import EpochRecord, TrainedModel, kept_epoch
from movielens_files import DataError
from runs import OURS, runs_folder
from training_config import CONFIG_RANGES, CONFIG_SWITCHES, PRESETS, TrainingConfig
from training_job import TrainingJob

_SETTING_HELP = {
    "dim": "embedding size: numbers per user and film",
    "layers": "propagation steps K",
    "epochs": "at most so many passes over the training ratings",
    "batch_size": "training ratings per gradient step",
    "learning_rate": "step size of Adam",
    "l2": "penalty on the embeddings of each batch",
    "negatives": "films not rated that are sampled against each rating",
    "patience": "stop after so many epochs without a better validation NDCG@20",
    "seed": "of start, shuffling and sampling: the same seed gives the same model",
    "hide_batch": "take a batch out of the graph while it is predicted",
    "warm_start": "start from the leading directions of the ratings, not at random",
}


def main(arguments: list[str] | None = None) -> int:
    """Train, measure and save; the exit status."""
    options = _parse(arguments)
    try:
        job = _prepare(options)
    except (DataError, CheckpointError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    job.run()
    print(file=sys.stderr)
    if job.problem:
        print(job.problem, file=sys.stderr)
    if job.model is None or not job.saved:
        return 1
    _report(job.model, job)
    return 0


def _prepare(options: argparse.Namespace) -> TrainingJob:
    """The job that the options ask for; raises what `main` reports."""
    names = [field.name for field in fields(TrainingConfig)]
    changed = {name: value for name in names if (value := getattr(options, name)) is not None}
    config = replace(PRESETS[options.preset], **changed)
    if not os.access(options.output.resolve().parent, os.W_OK):
        raise CheckpointError(
            f"The folder of {options.output} is missing or cannot be written; choose another."
        )
    folder, failure = obtain_data()
    if failure:
        print(f"{failure} Training on the built-in demo data.", file=sys.stderr)
    data = load_movie_data(folder)
    print(
        f"{data.n_users:,} users, {data.n_movies:,} films, {data.n_ratings:,} ratings "
        f"from {folder}; {options.protocol}."
    )
    show = _progress_bar(config.epochs)
    return TrainingJob(
        data, options.protocol, config, options.output, refit=options.refit, on_epoch=show
    )


def _report(model: TrainedModel, job: TrainingJob) -> None:
    intervals = model.test_intervals
    print(f"{model.stop_reason} Kept {kept_epoch(model)}, chosen on validation.")
    others = [name for name in job.test if name != OURS]
    header = "".join(f"{name:>16}" for name in others)
    print(f"{'held-out test':<14}{OURS:>10}{'95 % interval':>18}{header}")
    for name, value in model.test_metrics.items():
        low, high = intervals[name]
        row = "".join(f"{job.test[other].get(name, float('nan')):>16.4f}" for other in others)
        print(f"{name:<14}{value:>10.4f}{f'{low:.4f}–{high:.4f}':>18}{row}")
    if model.refitted:
        print(
            "Refitted on all ratings for serving; the numbers are of the model before that, "
            "learned on the training ratings alone."
        )
    print(f"Saved to {job.checkpoint}; the run is in {runs_folder(job.checkpoint)}")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="model_training.py",
        description="Train LightGCN on MovieLens, measure it on held-out ratings, save it. "
        "Settings that are not given are those of the preset.",
    )
    parser.add_argument(
        "--preset", choices=PRESETS, default="best", help="settings to start from (default: best)"
    )
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default=DEFAULT_PROTOCOL,
        help=f"what is held out (default: {DEFAULT_PROTOCOL})",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=checkpoint_path(),
        help="checkpoint file; the one before is kept beside it (default: %(default)s)",
    )
    parser.add_argument(
        "--refit",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="learn again on all ratings at the end, for serving (default: no)",
    )
    for name, (kind, low, high) in CONFIG_RANGES.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            help=f"{_SETTING_HELP[name]}; {low} to {high} ({_presets(name)})",
        )
    for name in CONFIG_SWITCHES:
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            action=argparse.BooleanOptionalAction,
            help=f"{_SETTING_HELP[name]} ({_presets(name)})",
        )
    return parser.parse_args(arguments)


def _presets(name: str) -> str:
    """`best: 256, fast: 64, published: 64`."""
    values = {preset: getattr(config, name) for preset, config in PRESETS.items()}
    shown = {
        preset: {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value:g}"
        for preset, value in values.items()
    }
    return ", ".join(f"{preset}: {value}" for preset, value in shown.items())


def _progress_bar(epochs: int) -> Callable[[EpochRecord], None]:
    def show(record: EpochRecord) -> None:
        done = round(30 * record.epoch / epochs)
        print(
            f"\r[{'█' * done}{'░' * (30 - done)}] epoch {record.epoch}/{epochs}  "
            f"loss {record.loss:.4f}  validation NDCG@20 {record.metrics['NDCG@20']:.4f}  "
            f"{record.seconds:.0f} s",
            end="",
            file=sys.stderr,
            flush=True,
        )

    return show
