"""Training, from the ratings to a measured and saved model; and its command line.

`train` learns on the training part of a split, `refit` on all ratings, and `measured_run` does the
whole of it: split, train, refit, save, measure the baselines, write the run down. The command
`python model_training.py` calls it in the foreground, the Train Model tab in a background thread.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from data_preparation import MovieData, load_movie_data
from model.baselines import ease, popularity
from model.bpr import Learner, StopTraining
from model.checkpoints import CheckpointError, library_versions, load_checkpoint, save_checkpoint
from model.config import CONFIG_RANGES, CONFIG_SWITCHES, PRESETS, TrainingConfig
from model.evaluation import evaluate
from model.runs import EASE, OURS, POPULARITY, PREVIOUS, Run, RunError, new_run_id, save_run
from model.splits import DEFAULT_PROTOCOL, PROTOCOLS, Split
from model.trained import EpochRecord, TrainedModel, assemble, kept_epoch
from settings import checkpoint_path, runs_folder
from sources.download import obtain_data
from sources.movielens_files import DataError

log = logging.getLogger(__name__)

KS = (5, 10, 20, 50)  # list lengths that every run is measured at
MAX_EASE_FILMS = 20_000  # its dense tables grow with users × films
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


def train(
    data: MovieData,
    split: Split,
    config: TrainingConfig,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    before_step: Callable[[], None] | None = None,
    ks: Sequence[int] = (10, 20),
) -> TrainedModel:
    """Train on the train part, choose the epoch on validation, measure it once on test.

    The same data, split, config and thread count give the same model. Ctrl-C, `StopTraining`
    and a loss that is not finite end the training early; the best weights so far are kept.

    Args:
        on_epoch: called after every epoch, in this thread, and once before the first (epoch 0).
        before_step: called before every gradient step; may block (a pause, which does not count
            as training time) or raise `StopTraining`.
        ks: cut-offs of the metrics; 20 must be among them, because NDCG@20 chooses the epoch.

    Raises:
        ValueError: the split does not belong to the data, or nobody has a film left unrated.
    """
    if split.train.shape != data.ratings.shape:
        raise ValueError("The split belongs to other data: its users or movies differ in number.")
    learner = Learner(split.train, config, before_step)
    history: list[EpochRecord] = []
    best, best_epoch, best_ndcg = learner.weights(), 0, -1.0
    stop_reason = f"It ran all {config.epochs} epochs."
    try:
        for epoch in range(config.epochs + 1):
            loss = learner.run_epoch() if epoch else math.nan
            if epoch and not learner.is_finite(loss):
                stop_reason = f"The loss was not finite in epoch {epoch}: lower the learning rate."
                break
            metrics = evaluate(learner.scorer(), split, "validation", ks).mean()
            history.append(EpochRecord(epoch, loss, learner.seconds(), metrics))
            if metrics["NDCG@20"] > best_ndcg:
                best, best_epoch, best_ndcg = learner.weights(), epoch, metrics["NDCG@20"]
            if on_epoch:
                on_epoch(history[-1])
            if epoch - best_epoch >= config.patience:
                stop_reason = f"No better validation NDCG@20 for {config.patience} epochs."
                break
    except KeyboardInterrupt:
        stop_reason = f"Interrupted after epoch {len(history) - 1}."
    except StopTraining:
        stop_reason = f"Stopped on request after epoch {len(history) - 1}."
    report = evaluate(learner.scorer(best), split, "test", ks)
    return assemble(
        data,
        best.numpy(),
        config=config,
        protocol=split.protocol,
        history=tuple(history),
        best_epoch=best_epoch,
        test_metrics=report.mean(),
        test_intervals={name: report.interval(name) for name in report.per_user},
        stop_reason=stop_reason,
    )


def refit(
    data: MovieData,
    model: TrainedModel,
    on_epoch: Callable[[int], None] | None = None,
    before_step: Callable[[], None] | None = None,
) -> TrainedModel:
    """Learn E(0) again on all ratings, with the epochs that validation chose; for serving.

    The metrics stay those of `model`: nothing is held out that could measure the new E(0).

    Args:
        on_epoch: called after every epoch with its number.
        before_step: as in `train`; `StopTraining` passes through.

    Raises:
        ValueError: the model is of other data, nobody has a film left unrated, or the weights
            came out not finite.
    """
    if model.fingerprint != data.fingerprint:
        raise ValueError("The model belongs to other data, so it cannot be refitted on these.")
    learner, loss = Learner(data.ratings, model.config, before_step), 0.0
    for epoch in range(1, model.best_epoch + 1):
        loss = learner.run_epoch()
        if on_epoch:
            on_epoch(epoch)
    if not learner.is_finite(loss):
        raise ValueError("Refitting on all ratings gave a loss that is not finite.")
    kept = ("config", "protocol", "history", "best_epoch", "test_metrics", "test_intervals")
    rest = {name: getattr(model, name) for name in (*kept, "stop_reason")}
    return assemble(data, learner.weights().numpy(), refitted=True, **rest)


# --- a whole run ----------------------------------------------------------------------------------


@dataclass(eq=False)
class RunInProgress:
    """A run that `measured_run` carries out: what was asked for, and how far it has come.

    Written by the thread of the run alone; any number of others may read it meanwhile.

    Attributes:
        refit: after the training, learn E(0) again on all ratings for serving.
        phase: what it is doing, a few words.
        records: one per epoch so far; replaced as a whole, so a reader never sees half a list.
        to_beat: popularity on validation, by metric name.
        test: once finished, by model and metric name (see `Run`).
        model: the result, once finished.
        problem: why it failed, or what went wrong after the training; a sentence.
        saved: the result is in the checkpoint.
        started: UTC.
        waited: seconds that it was paused.
    """

    data: MovieData
    protocol: str
    config: TrainingConfig
    checkpoint: Path
    refit: bool = False
    phase: str = "Preparing"
    records: tuple[EpochRecord, ...] = ()
    to_beat: dict[str, float] = field(default_factory=dict)
    test: dict[str, dict[str, float]] = field(default_factory=dict)
    model: TrainedModel | None = None
    problem: str | None = None
    saved: bool = False
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=new_run_id)
    waited: float = 0.0
    _begun: float = field(default_factory=time.monotonic)

    def as_run(self) -> Run:
        """The run as it stands."""
        model = self.model
        return Run(
            id=self.id,
            started=self.started.isoformat(timespec="seconds"),
            data_name=self.data.directory.name,
            fingerprint=self.data.fingerprint,
            protocol=self.protocol,
            config=self.config,
            refit=self.refit,
            history=self.records,
            to_beat=dict(self.to_beat),
            test=dict(self.test),
            intervals=dict(model.test_intervals) if model else {},
            best_epoch=model.best_epoch if model else None,
            stop_reason=model.stop_reason if model else None,
            problem=self.problem,
            refitted=bool(model and model.refitted),
            seconds=time.monotonic() - self._begun - self.waited,
            versions=library_versions(),
        )

    def add_problem(self, sentence: str) -> None:
        self.problem = f"{self.problem} {sentence}" if self.problem else sentence


def measured_run(
    run: RunInProgress,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    before_step: Callable[[], None] | None = None,
) -> bool:
    """Split, train, refit if asked to, save, measure the baselines, and write the run down.

    Args:
        run: reports how far it has come, in the calling thread.
        on_epoch: called after every record.
        before_step: as in `train`.

    Returns:
        Whether it came to its end; faults end in `run.problem`.
    """
    done = False
    try:
        _carry_out(run, on_epoch, before_step)
        done = True
    except ValueError as error:
        run.problem = str(error)
    except Exception as error:  # whatever it was, the page must learn that the run is over
        log.exception("training failed")
        run.problem = f"The training failed: {error}."
    try:
        save_run(run.as_run(), runs_folder(run.checkpoint))
    except RunError as error:
        run.add_problem(str(error))
    return done


def _carry_out(
    run: RunInProgress,
    on_epoch: Callable[[EpochRecord], None] | None,
    before_step: Callable[[], None] | None,
) -> None:
    def add(record: EpochRecord) -> None:
        run.records = (*run.records, record)
        if on_epoch:
            on_epoch(record)

    previous = _previous(run)
    split = PROTOCOLS[run.protocol](run.data)
    scorer = popularity(split.train)
    run.to_beat = evaluate(scorer, split, "validation", KS).mean()
    run.phase = "Training"
    model = train(run.data, split, run.config, add, before_step=before_step, ks=KS)
    model = _refitted(run, model, before_step) if run.refit else model
    run.phase = "Saving"
    try:
        save_checkpoint(model, run.checkpoint)
        run.saved = True
    except CheckpointError as error:  # the model is still usable, from memory
        run.add_problem(str(error))
    run.model = model
    run.phase = "Measuring the baselines on test"
    run.test = {OURS: model.test_metrics}
    run.test[POPULARITY] = evaluate(scorer, split, "test", KS).mean()
    _measure_ease(run, split)
    if previous and previous.protocol == run.protocol:  # else it has trained on these ratings
        run.test[PREVIOUS] = previous.test_metrics


def _previous(run: RunInProgress) -> TrainedModel | None:
    try:
        return load_checkpoint(run.data, run.checkpoint)
    except (FileNotFoundError, CheckpointError):
        return None


def _refitted(
    run: RunInProgress, model: TrainedModel, before_step: Callable[[], None] | None
) -> TrainedModel:
    """The model for serving; the measured one where refitting is stopped or fails."""
    run.phase = "Refitting on all ratings"
    try:
        return refit(run.data, model, before_step=before_step)
    except StopTraining:
        run.add_problem("The refit on all ratings was stopped, so the measured model serves.")
    except ValueError as error:
        run.add_problem(str(error))
    return model


def _measure_ease(run: RunInProgress, split: Split) -> None:
    if run.data.n_movies > MAX_EASE_FILMS:
        return
    try:
        run.test[EASE] = evaluate(ease(split.train), split, "test", KS).mean()
    except MemoryError:  # a baseline must not cost the run
        run.add_problem("EASE needs more memory than there is, so it is left out.")


# --- the command line -----------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Train, measure and save; the exit status."""
    options = _parse(arguments)
    try:
        run = _prepare(options)
    except (DataError, CheckpointError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    measured_run(run, on_epoch=_progress_bar(run.config.epochs))
    print(file=sys.stderr)
    if run.problem:
        print(run.problem, file=sys.stderr)
    if run.model is None or not run.saved:
        return 1
    _report(run.model, run)
    return 0


def _prepare(options: argparse.Namespace) -> RunInProgress:
    """The run that the options ask for; raises what `main` reports."""
    names = [each.name for each in fields(TrainingConfig)]
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
    return RunInProgress(data, options.protocol, config, options.output, refit=options.refit)


def _report(model: TrainedModel, run: RunInProgress) -> None:
    intervals = model.test_intervals
    print(f"{model.stop_reason} Kept {kept_epoch(model)}, chosen on validation.")
    others = [name for name in run.test if name != OURS]
    header = "".join(f"{name:>16}" for name in others)
    print(f"{'held-out test':<14}{OURS:>10}{'95 % interval':>18}{header}")
    for name, value in model.test_metrics.items():
        low, high = intervals[name]
        row = "".join(f"{run.test[other].get(name, float('nan')):>16.4f}" for other in others)
        print(f"{name:<14}{value:>10.4f}{f'{low:.4f}–{high:.4f}':>18}{row}")
    if model.refitted:
        print(
            "Refitted on all ratings for serving; the numbers are of the model before that, "
            "learned on the training ratings alone."
        )
    print(f"Saved to {run.checkpoint}; the run is in {runs_folder(run.checkpoint)}")


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


if __name__ == "__main__":
    sys.exit(main())
