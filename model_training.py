"""Training, from the ratings to a measured and saved model; and its command line.

`train` learns on the training part of a split, `refit` on all ratings, and `measured_run` does the
whole of it: split, train, refit, save, promote, measure the baselines, write the run down. The
command `python model_training.py` calls it in the foreground, the Train Model tab in a background
thread.

Ctrl-C, SIGTERM and SIGHUP end the command early, but not before the best weights so far are saved;
its exit status is then 128 and the number of the signal. Ctrl-C after that ends it at once.
"""

from __future__ import annotations

import argparse
import io
import logging
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TextIO

from torch import Tensor

from data_preparation import MovieData, load_movie_data
from model.attention import Attention
from model.attention_learning import Reached, learned_attention
from model.baselines import ease, popularity
from model.bpr import Learner, StopTraining
from model.checkpoints import CheckpointError, library_versions, save_checkpoint
from model.config import PRESETS, SETTINGS, TrainingConfig, searches
from model.devices import DEVICES, chosen_device
from model.evaluation import evaluate, sampled_users
from model.fitted_start import Spectrum
from model.hybrid_graph import content_edges, overall_mean, visible_content
from model.item_models import ease_cost
from model.memory import too_large
from model.processes import (
    ALONE,
    LostProcessError,
    Processes,
    joined_processes,
    shared,
)
from model.profiles import DEFAULT_PROFILE, PROFILES
from model.progress import Progress, ProgressFile
from model.runs import EASE, IN_USE, OURS, POPULARITY, Run, RunError, new_run_id, save_run
from model.search import Trial, search
from model.splits import DEFAULT_PROTOCOL, PROTOCOLS, Split
from model.store import Comparison, ModelStore, When, compare
from model.trained import (
    EpochRecord,
    TrainedModel,
    assemble,
    attention_in_words,
    kept_epoch,
    trend_in_words,
    with_trend,
)
from model.trend_choice import choose_trend
from settings import (
    CHECKPOINT_VARIABLE,
    PROJECT_DIR,
    checkpoint_path,
    copies_folder,
    runs_folder,
    training_command,
)
from sources.download import add_dataset_option, obtain_data
from sources.files import printable, reason
from sources.movielens_files import DataError

log = logging.getLogger(__name__)

KS = (5, 10, 20, 50)  # list lengths that every run is measured at
LARGE = 1_500_000  # ratings, beyond which the pages' tables are made as soon as a model is there
_ENDING = b"\nEnding; the best so far is saved first. Ctrl-C ends without it.\n"
_NO_EPOCHS = "Fitted in closed form; no epochs were asked for."
_ATTENTION_STOPPED = "The learning of attention was stopped, so it is what it had come to."


def train(
    data: MovieData,
    split: Split,
    config: TrainingConfig,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    before_step: Callable[[], None] | None = None,
    ks: Sequence[int] = (10, 20),
    on_trial: Callable[[Trial], None] | None = None,
    sample_users: int | None = None,
    progress: ProgressFile | None = None,
    on_attention: Callable[[Reached], None] | None = None,
) -> TrainedModel:
    """Fit or learn on the train part, choose on validation, measure once on test.

    With `config.search_seconds` the settings of the graph are chosen first (`model.search`). The
    same data, split, config and thread count give the same model, as long as no budget cuts the
    search short. Ctrl-C, `StopTraining` and a loss that is not finite end the training early; the
    best so far is kept.

    Args:
        on_epoch: called after every epoch, in this thread, and once before the first (epoch 0);
            also for those that an earlier training had reached.
        before_step: called before every gradient step and every fit of the search, and throughout
            the learning of attention; may block (a pause, which does not count as training time)
            or raise `StopTraining`.
        ks: cut-offs of the metrics; 20 must be among them, because NDCG@20 chooses.
        on_trial: called after every configuration that the search looks at.
        sample_users: measure so many people, drawn at random; None takes all.
        progress: where to keep what is reached after every epoch, and to go on from.
        on_attention: called while attention is learned, if it is.

    Raises:
        ValueError: the split does not belong to the data, nothing is left to learn from, or nothing
            is held out to measure on; or several processes are to learn attention.
    """
    if split.train.shape != data.ratings.shape:
        raise ValueError("The split belongs to other data: its users or movies differ in number.")
    hybrid, processes = config.model == "hybrid", split.processes
    if config.attention and processes.size > 1:
        raise ValueError("Attention is learned by a single process: train without torchrun.")
    content = visible_content(data, split.hidden(), processes) if hybrid else {}
    trials: tuple[Trial, ...] = ()
    fitted: Spectrum | None = None
    reached = processes.of_first(progress.load() if progress and processes.first else None)
    if reached:
        config, trials, fitted = reached.config, reached.trials, reached.fitted
    elif searches(config):
        found = search(split, content, config, on_trial, before_step)
        config, trials, fitted = found.config, found.trials, found.fitted
    attention, stopped = None, False
    if config.attention:
        attention, stopped = learned_attention(
            split.train, content, config, on_attention, before_step
        )
    learner = Learner(split.train, content, config, before_step, processes, fitted)

    def keep(history: tuple[EpochRecord, ...], best: Tensor, best_epoch: int) -> None:
        if progress and processes.first:
            progress.save(Progress.of(learner, trials, history, best, best_epoch))

    history, best, best_epoch, stop_reason = _epochs(
        learner, split, ks, on_epoch, sample_users, reached, keep, attention
    )
    if stopped:
        stop_reason = f"{stop_reason} {_ATTENTION_STOPPED}"
    without: dict[str, float] = {}
    if attention is not None:
        scorer = learner.scorer(DEFAULT_PROFILE, best)
        without = evaluate(scorer, split, "validation", ks, sample_users).mean()
    reports = {
        profile: evaluate(learner.scorer(profile, best, attention), split, "test", ks, sample_users)
        for profile in (PROFILES if config.model == "hybrid" else (DEFAULT_PROFILE,))
    }
    report = reports[DEFAULT_PROFILE]
    return assemble(
        data,
        best.numpy(),
        learner.scale,
        learner.values,
        mean_stars=overall_mean(split.train, processes),
        config=config,
        protocol=split.protocol,
        history=history,
        best_epoch=best_epoch,
        test_metrics=report.mean(),
        watch_metrics=reports["watch"].mean() if "watch" in reports else {},
        test_intervals={name: report.interval(name) for name in report.per_user},
        trials=trials,
        stop_reason=stop_reason,
        theta=() if attention is None else tuple(attention.theta.tolist()),
        without_attention=without,
    )


def _epochs(
    learner: Learner,
    split: Split,
    ks: Sequence[int],
    on_epoch: Callable[[EpochRecord], None] | None,
    sample_users: int | None,
    reached: Progress | None,
    keep: Callable[[tuple[EpochRecord, ...], Tensor, int], None],
    attention: Attention | None,
) -> tuple[tuple[EpochRecord, ...], Tensor, int, str]:
    """Run the epochs; the history, the best E(0) with its epoch, and why it ended."""
    config = learner.config
    history: list[EpochRecord] = []
    best, best_epoch, best_ndcg = learner.weights(), 0, -1.0
    if reached:
        learner.restore(reached.learned, reached.history[-1].seconds)
        best, best_epoch = reached.best, reached.best_epoch
        best_ndcg = reached.history[best_epoch].metrics["NDCG@20"]
        for record in reached.history:
            history.append(record)
            if on_epoch:
                on_epoch(record)
    stop_reason = f"It ran all {config.epochs} epochs." if config.epochs else _NO_EPOCHS
    try:
        for epoch in range(len(history), config.epochs + 1):
            if history and epoch - 1 - best_epoch >= config.patience:
                stop_reason = f"No better validation NDCG@20 for {config.patience} epochs."
                break
            loss = learner.run_epoch() if epoch else math.nan
            if epoch and not learner.is_finite(loss):
                stop_reason = f"The loss was not finite in epoch {epoch}: lower the learning rate."
                break
            scorer = learner.scorer(DEFAULT_PROFILE, attention=attention)
            metrics = evaluate(scorer, split, "validation", ks, sample_users).mean()
            history.append(EpochRecord(epoch, loss, learner.seconds(), metrics))
            if metrics["NDCG@20"] > best_ndcg:
                best, best_epoch, best_ndcg = learner.weights(), epoch, metrics["NDCG@20"]
            keep(tuple(history), best, best_epoch)
            if on_epoch:
                on_epoch(history[-1])
    except KeyboardInterrupt:
        stop_reason = f"Interrupted after epoch {len(history) - 1}."
    except StopTraining:
        stop_reason = f"Stopped on request after epoch {len(history) - 1}."
    return tuple(history), best, best_epoch, stop_reason


def refit(
    data: MovieData,
    model: TrainedModel,
    on_epoch: Callable[[int], None] | None = None,
    before_step: Callable[[], None] | None = None,
    processes: Processes = ALONE,
) -> TrainedModel:
    """Fit or learn again on all ratings, with the settings and epochs that validation chose.

    For serving: the metrics stay those of `model`, because nothing is held out that could measure
    the new E(0).

    Args:
        on_epoch: called after every epoch with its number.
        before_step: as in `train`; `StopTraining` passes through.

    Raises:
        ValueError: the model is of other data, nobody has a film left unrated, or the weights
            came out not finite.
    """
    if model.fingerprint != data.fingerprint:
        raise ValueError("The model belongs to other data, so it cannot be refitted on these.")
    content = content_edges(data) if model.is_hybrid else {}
    learner = Learner(data.ratings, content, model.config, before_step, processes)
    loss = 0.0
    for epoch in range(1, model.best_epoch + 1):
        loss = learner.run_epoch()
        if on_epoch:
            on_epoch(epoch)
    if not learner.is_finite(loss):
        raise ValueError("Refitting on all ratings gave a loss that is not finite.")
    kept = (
        "config protocol history best_epoch test_metrics watch_metrics test_intervals trials "
        "stop_reason theta without_attention"
    )
    rest = {name: getattr(model, name) for name in kept.split()}
    return assemble(
        data,
        learner.weights().numpy(),
        learner.scale,
        learner.values,
        mean_stars=overall_mean(data.ratings, processes),
        refitted=True,
        **rest,
    )


# --- a whole run ----------------------------------------------------------------------------------


@dataclass(eq=False)
class RunInProgress:
    """A run that `measured_run` carries out: what was asked for, and how far it has come.

    Written by the thread of the run alone; any number of others may read it meanwhile.

    Attributes:
        checkpoint: names the place of the models (`model.store`).
        refit: after the training, learn E(0) again on all ratings for serving.
        promote: when the result is put in use for everybody.
        sample_users: how many people it is measured on, drawn at random; 0 takes all, None all
            unless users × films are too many (`evaluation.sampled_users`).
        hurry: somebody wants it to end, so nothing more is measured than has to be.
        phase: what it is doing, a few words.
        trials: what the search looked at so far; replaced as a whole, as `records` are.
        attention: how far the learning of attention came, if it began.
        records: one per epoch so far; replaced as a whole, so a reader never sees half a list.
        to_beat: popularity on validation, by metric name.
        test: once finished, by model and metric name (see `Run`).
        model: the result, once finished.
        problem: why it failed, or what went wrong after the training; a sentence.
        lost: it failed because another process ended.
        saved: the result is kept on disk, under the id of the run.
        compared: the result against the model that was in use.
        promoted: the result is in use.
        processes: those that train together; only the first one saves and promotes.
        progress: where to keep what is reached after every epoch, and to go on from.
        started: UTC.
        waited: seconds that it was paused.
    """

    data: MovieData
    protocol: str
    config: TrainingConfig
    checkpoint: Path
    refit: bool = False
    promote: When = "first"
    sample_users: int | None = None
    processes: Processes = ALONE
    progress: ProgressFile | None = None
    hurry: bool = False
    phase: str = "Preparing"
    trials: tuple[Trial, ...] = ()
    attention: Reached | None = None
    records: tuple[EpochRecord, ...] = ()
    to_beat: dict[str, float] = field(default_factory=dict)
    test: dict[str, dict[str, float]] = field(default_factory=dict)
    model: TrainedModel | None = None
    problem: str | None = None
    lost: bool = False
    saved: bool = False
    compared: Comparison | None = None
    promoted: bool = False
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=new_run_id)
    waited: float = 0.0
    _begun: float = field(default_factory=time.monotonic)

    @property
    def share_done(self) -> float:
        """Of the search while it lasts, of attention, then of the epochs; 0 to 1 each."""
        if self.records:
            return self.records[-1].epoch / self.config.epochs if self.config.epochs else 1.0
        if self.attention:
            return self.attention.share
        if self.trials and searches(self.config):
            return min(self.trials[-1].seconds / self.config.search_seconds, 1.0)
        return 0.0

    @property
    def doing(self) -> str:
        """What it is at, in words."""
        if self.records and self.phase == "Training" and self.config.epochs:
            return f"Epoch {self.records[-1].epoch} of {self.config.epochs}"
        if self.attention and not self.records:
            return f"{self.phase}: {self.attention.doing}"
        if self.trials and not self.records:
            best = max(trial.score for trial in self.trials)
            return f"{self.phase}: {len(self.trials)} looked at, best {best:.4f} on validation"
        return f"{self.phase} …"

    @property
    def store(self) -> ModelStore:
        """Where the result goes."""
        return ModelStore(self.checkpoint)

    def as_run(self) -> Run:
        """The run as it stands."""
        model = self.model
        return Run(
            id=self.id,
            started=self.started.isoformat(timespec="seconds"),
            data_name=printable(self.data.directory.name),
            fingerprint=self.data.fingerprint,
            protocol=self.protocol,
            config=model.config if model else self.config,
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
    on_trial: Callable[[Trial], None] | None = None,
    on_attention: Callable[[Reached], None] | None = None,
) -> bool:
    """Split, train, refit if asked to, save, promote, measure the baselines, write the run down.

    Args:
        run: reports how far it has come, in the calling thread.
        on_epoch: called after every record.
        before_step, on_trial, on_attention: as in `train`.

    Returns:
        Whether it came to its end; faults end in `run.problem`.
    """
    done = False
    try:
        _carry_out(run, on_epoch, before_step, on_trial, on_attention)
        done = True
    except (ValueError, LostProcessError) as error:
        run.problem, run.lost = str(error), isinstance(error, LostProcessError)
    except Exception as error:  # whatever it was, the page must learn that the run is over
        log.exception("training failed")
        run.problem = f"The training failed: {reason(error)}."
    try:
        if run.processes.first:
            save_run(run.as_run(), runs_folder(run.checkpoint))
    except RunError as error:
        run.add_problem(str(error))
    return done


def _carry_out(
    run: RunInProgress,
    on_epoch: Callable[[EpochRecord], None] | None,
    before_step: Callable[[], None] | None,
    on_trial: Callable[[Trial], None] | None,
    on_attention: Callable[[Reached], None] | None,
) -> None:
    def add(record: EpochRecord) -> None:
        run.phase, run.records = "Training", (*run.records, record)
        if on_epoch:
            on_epoch(record)

    def looked_at(trial: Trial) -> None:
        run.phase, run.trials = "Searching for settings", (*run.trials, trial)
        if on_trial:
            on_trial(trial)

    def learned(reached: Reached) -> None:
        run.phase, run.attention = "Learning attention", reached
        if on_attention:
            on_attention(reached)

    first = run.processes.first
    in_use = run.store.in_use(run.data).model if first else None
    split = PROTOCOLS[run.protocol](run.data, processes=run.processes)
    scorer = popularity(split.train, run.processes)
    sample = (sampled_users(split) if run.sample_users is None else run.sample_users) or None
    run.to_beat = evaluate(scorer, split, "validation", KS, sample).mean()
    run.phase = "Training"
    model = train(
        run.data, split, run.config, add, before_step, KS, looked_at, sample, run.progress, learned
    )
    people = int(run.processes.total_of(run.data.n_users))
    if sample and sample < people:
        said = f"Measured on {sample:,} of {people:,} people, drawn at random."
        model = replace(model, stop_reason=f"{model.stop_reason} {said}")
    model = _refitted(run, model, before_step) if run.refit else model
    run.phase = "Saving"
    if first:
        run.compared = compare(model, in_use)
        _keep(run, model)
    if first and run.saved and run.progress:
        run.progress.remove()
    run.model = model
    run.test = {OURS: model.test_metrics}
    if in_use and in_use.protocol == run.protocol:  # else it has trained on these ratings
        run.test[IN_USE] = in_use.test_metrics
    if not run.hurry:
        run.phase = "Measuring the baselines on test"
        run.test[POPULARITY] = evaluate(scorer, split, "test", KS, sample).mean()
        _measure_ease(run, split, sample)
    if first and model.is_hybrid and not run.hurry:
        run.phase = "Looking at what is popular now"
        _add_trend(run, model, before_step)


def _keep(run: RunInProgress, model: TrainedModel) -> None:
    """Save the model, and put it in use where `run.promote` says so."""
    try:
        gone = run.store.keep(model, run.id)
        run.saved = True
    except CheckpointError as error:  # the model is still usable, from memory
        run.add_problem(str(error))
        return
    if gone:
        run.add_problem(f"To keep it, older models had to give way: {', '.join(gone)}.")
    try:
        run.compared, run.promoted = run.store.promote(run.data, run.id, run.promote)
    except CheckpointError as error:
        run.add_problem(str(error))


def _add_trend(
    run: RunInProgress, model: TrainedModel, before_step: Callable[[], None] | None
) -> None:
    """Choose how much what is popular now may count; the model serves already meanwhile."""
    try:
        choice = choose_trend(run.data, model.config, before_step)
        if choice is None:
            return
        run.model = with_trend(run.data, model, choice)
        if run.saved:
            run.store.keep_again(run.model, run.id)
    except CheckpointError as error:
        run.add_problem(str(error))
    except MemoryError:  # an extra must not cost the run
        run.add_problem("What is popular now needs more memory than there is, so it is left out.")


def _refitted(
    run: RunInProgress, model: TrainedModel, before_step: Callable[[], None] | None
) -> TrainedModel:
    """The model for serving; the measured one where refitting is stopped or fails."""
    run.phase = "Refitting on all ratings"
    try:
        return refit(run.data, model, before_step=before_step, processes=run.processes)
    except (StopTraining, KeyboardInterrupt):
        run.add_problem("The refit on all ratings was stopped, so the measured model is kept.")
    except ValueError as error:
        run.add_problem(str(error))
    return model


def _measure_ease(run: RunInProgress, split: Split, sample: int | None) -> None:
    data = run.data
    if run.processes.size > 1:
        run.add_problem(f"The comparison with {EASE} is left out: it takes a single process.")
        return
    needed = ease_cost(data.n_users, data.n_movies, split.train.nnz).peak
    left_out = too_large(f"The comparison with {EASE}", needed, data)
    if left_out:
        run.add_problem(left_out)
        return
    try:
        run.test[EASE] = evaluate(ease(split.train), split, "test", KS, sample).mean()
    except MemoryError:  # a baseline must not cost the run
        run.add_problem("EASE needs more memory than there is, so it is left out.")


# --- the command line -----------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Train, measure, save and promote, or put a kept model in use; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a dash that cannot be shown is no reason to end
            stream.reconfigure(errors="replace")
    options = _parse(arguments)
    try:
        device, said = chosen_device(options.device)
    except ValueError as error:
        _say(error, sys.stderr)
        return 1
    with joined_processes(device) as processes:
        if not processes.first:  # which is the only one to speak
            sys.stdout = sys.stderr = io.StringIO()
        if said:
            _say(said, sys.stderr)
        status, large = _main(options, processes)
    if status == 0 and large and processes.first:
        _make_tables(options.output, options.dataset)
    return status


def _make_tables(checkpoint: Path, dataset: str | None) -> None:
    """Make what the pages show of the model in use, in a process of its own: with what it needs of
    the pages, and after this one has let go of its memory."""
    _say("The tables of the pages are made now, so that nobody waits for them; Ctrl-C ends that.")
    command = [sys.executable, "-m", "serving.tables", *(["--dataset", dataset] if dataset else [])]
    with suppress(OSError, KeyboardInterrupt):
        places = {CHECKPOINT_VARIABLE: str(checkpoint), "PYTHONPATH": str(PROJECT_DIR)}
        subprocess.run(command, env=os.environ | places, check=False)


def _main(options: argparse.Namespace, processes: Processes) -> tuple[int, bool]:
    """The exit status, and whether it is of large data."""
    run = None
    try:
        data = _data(options)
        if options.use:
            ModelStore(options.output).promote(data, options.use)
            _say(f"The model {options.use} is in use now.")
            return 0, data.n_ratings > LARGE
        run = _prepare(options, data, processes)
    except (DataError, CheckpointError, ValueError) as error:
        _say(error, sys.stderr)
        return 1, False
    except KeyboardInterrupt:  # before there is anything to save
        return 128 + signal.SIGINT, False
    with _signals_stop(run) as caught:
        stop = _stop_if(caught, processes)
        measured_run(run, _show_epoch(run.config.epochs), stop, _show_trial, _show_attention)
        # The first process may be the one that is gone; and torchrun ends the others by a signal.
        if run.lost and processes.first_to_notice():
            _say(f"\n{run.problem}", sys.__stderr__)
    _say("", sys.stderr)
    if run.problem and not run.lost:
        _say(run.problem, sys.stderr)
    if run.model and processes.first:
        _report(run.model, run, options.dataset)
        if not run.saved:
            _save_elsewhere(run.model, run)
    if caught:
        return 128 + caught[0], False
    done = run.model and (run.saved or not processes.first)
    return (0 if done else 1), data.n_ratings > LARGE


def _data(options: argparse.Namespace) -> MovieData:
    """What to train on; raises what `main` reports."""
    if not os.access(options.output.resolve().parent, os.W_OK):
        raise CheckpointError(
            f"The folder of {options.output} is missing or cannot be written; choose another."
        )
    folder, failure = obtain_data(dataset=options.dataset)
    if failure:
        _say(f"{failure} Training on the built-in demo data.", sys.stderr)
    return load_movie_data(folder, copies_folder(options.output))


def _prepare(options: argparse.Namespace, data: MovieData, processes: Processes) -> RunInProgress:
    """The run that the options ask for; raises what `main` reports."""
    names = [each.name for each in fields(TrainingConfig)]
    changed = {name: value for name in names if (value := getattr(options, name)) is not None}
    config = replace(PRESETS[options.preset], **changed)
    _say(
        f"{data.n_users:,} users, {data.n_movies:,} films, {data.n_ratings:,} ratings "
        f"from {data.directory}; {options.protocol}."
    )
    when: When = "always" if options.promote else "better"
    progress = None
    if processes.size > 1 or options.resume:
        training = f"{data.fingerprint} {options.protocol} {config}"
        progress = ProgressFile(options.output.with_suffix(".progress"), training)
    data = shared(data, processes)
    return RunInProgress(
        data,
        options.protocol,
        config,
        options.output,
        refit=options.refit,
        promote=when,
        sample_users=options.sample_users,
        processes=processes,
        progress=progress,
    )


@contextmanager
def _signals_stop(run: RunInProgress) -> Iterator[list[int]]:
    """Within the block a signal to end is noted in the list; Ctrl-C after one ends the program.

    Of the others several may come for one reason: a terminal that closes sends two.
    """
    caught: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if caught and number == signal.SIGINT:
            os._exit(128 + number)
        if not caught and sys.stderr:  # without print, which may be what was interrupted
            with suppress(OSError, ValueError):
                os.write(sys.stderr.fileno(), _ENDING)
        caught.append(number)
        run.hurry = True

    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks the last
    before = {}
    for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
            before[number] = signal.signal(number, note)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_if(caught: list[int], processes: Processes) -> Callable[[], None]:
    """To be called before a step: raises StopTraining once a signal was caught, in all processes
    before the same step."""

    def check() -> None:
        if processes.total_of(len(caught)):
            raise StopTraining

    return check


def _report(model: TrainedModel, run: RunInProgress, dataset: str | None) -> None:
    intervals = model.test_intervals
    _say(f"{model.stop_reason} Kept {kept_epoch(model)}, chosen on validation.")
    for said in filter(None, (attention_in_words(model), trend_in_words(model))):
        _say(said)
    others = [name for name in run.test if name != OURS]
    header = "".join(f"{name:>16}" for name in others)
    _say(f"{'held-out test':<16}{OURS:>10}{'95 % interval':>18}{header}")
    for name, value in model.test_metrics.items():
        low, high = intervals[name]
        row = "".join(f"{run.test[other].get(name, float('nan')):>16.4f}" for other in others)
        _say(f"{name:<16}{value:>10.4f}{f'{low:.4f}–{high:.4f}':>18}{row}")
    if model.refitted:
        _say(
            "Refitted on all ratings for serving; the numbers are of the model before that, "
            "learned on the training ratings alone."
        )
    if run.saved:
        _say(f"Saved to {run.store.path(model.fingerprint, run.id)}")
        _say(_what_serves(run, dataset))
    _say(f"The run is in {runs_folder(run.checkpoint)}")


def _save_elsewhere(model: TrainedModel, run: RunInProgress) -> None:
    """The last resort for what would end with this program."""
    path = Path(tempfile.gettempdir()) / f"{run.id}.pth"
    try:
        save_checkpoint(model, path)
    except CheckpointError as error:
        _say(error, sys.stderr)
    else:
        _say(f"It is saved to {path} instead; move it to {run.checkpoint} to use it.", sys.stderr)


def _what_serves(run: RunInProgress, dataset: str | None) -> str:
    """Whether the new model is in use, where, why, and what else can be done."""
    why = run.compared.sentence if run.compared else ""
    if run.promoted:
        in_use = run.store.in_use(run.data).path
        return f"{why} It is in use now, as {in_use}"
    chosen = "" if run.checkpoint == checkpoint_path() else f" --output {run.checkpoint}"
    return (
        f"{why} So the model in use stays; to use the new one: "
        f"{training_command(dataset)} --use {run.id}{chosen}"
    )


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
    add_dataset_option(parser)
    parser.add_argument(
        "--output",
        type=Path,
        default=checkpoint_path(),
        help="file of the model in use; all others are kept in a folder beside it (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--promote",
        action="store_true",
        help="use the new model even if it is no better on validation than the one in use, which "
        "is kept (default: only a first or a better one is used)",
    )
    parser.add_argument(
        "--use",
        metavar="NAME",
        help="train nothing: put this kept model in use for the data; the one in use is kept",
    )
    parser.add_argument(
        "--refit",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="learn again on all ratings at the end, for serving (default: no)",
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        help="where fit, BPR and measurement compute; auto takes a graphics card where there is "
        "one (default: auto)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep what is reached after every epoch in a file beside the model, and go on from "
        "it where an earlier training of the same data and settings ended; several processes "
        "always keep it (default: no)",
    )
    parser.add_argument(
        "--sample-users",
        type=_count,
        help="measure so many people, drawn at random, with the interval that this leaves; 0 "
        "measures all (default: all, unless the data are large)",
    )
    for name, setting in SETTINGS.items():
        text = f"{setting.help} ({_presets(name)})".replace("%", "%%")
        option = f"--{name.replace('_', '-')}"
        if setting.kind is bool:
            parser.add_argument(option, action=argparse.BooleanOptionalAction, help=text)
        elif setting.choices:
            parser.add_argument(option, choices=setting.choices, help=text)
        else:
            shown = f"{setting.low:g} to {setting.high:g}"
            parser.add_argument(option, type=setting.kind, help=f"{text} {shown}.")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    """A whole number from 0, of an option."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _presets(name: str) -> str:
    """`best: 256, fast: 64, published: 64`."""
    values = {preset: getattr(config, name) for preset, config in PRESETS.items()}
    shown = {
        preset: {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        for preset, value in values.items()
    }
    return ", ".join(f"{preset}: {value}" for preset, value in shown.items())


def _show_epoch(epochs: int) -> Callable[[EpochRecord], None]:
    def show(record: EpochRecord) -> None:
        reached = f"validation NDCG@20 {record.metrics['NDCG@20']:.4f}  {record.seconds:.0f} s"
        if record.epoch == 0:  # nothing was learned yet, so there is no loss
            return _show(f"start  {reached}")
        done = round(30 * record.epoch / epochs)
        bar = "█" * done + "░" * (30 - done)
        _show(f"[{bar}] epoch {record.epoch}/{epochs}  loss {record.loss:.4f}  {reached}")

    return show


def _show_trial(trial: Trial) -> None:
    if trial.better:
        value = "" if trial.value is None else f" {trial.value:g}"
        _show(
            f"search: {trial.changed}{value}  validation {trial.score:.4f}  {trial.seconds:.0f} s"
        )


def _show_attention(reached: Reached) -> None:
    _show(f"attention: {reached.doing}")


def _show(line: str) -> None:
    """Over the line before."""
    _say(f"\r{line:<100}", sys.stderr, end="")


def _say(text: object, stream: TextIO | None = None, end: str = "\n") -> None:
    """Print to standard output or another stream; one that is closed or full costs no training."""
    stream = stream or sys.stdout
    try:
        print(text, file=stream, end=end, flush=True)
    except (OSError, ValueError):  # and what is left in it must not fail again at the end
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
