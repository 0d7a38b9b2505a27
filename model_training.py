"""LightGCN trained with BPR: propagation, sampling, the training loop, checkpoints, command line.

The model (He et al. 2020, arXiv:2002.02126): E(0) is learned; E(k+1) = Ê E(k) with
Ê = D^-½ A D^-½; the final embeddings are F = mean of E(0) … E(K); the score of user u and movie i
is f_u·f_i. The loss (Rendle et al. 2009, BPR) is −log σ(f_u·f_i − f_u·f_j) for a film i that u
rated and a film j that u did not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import math
import os
import shutil
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import randomized_svd
from torch import Tensor
from torch.nn import functional

from data_download import PROJECT_DIR, obtain_data
from data_preparation import DataError, MovieData, load_movie_data, normalised_adjacency
from evaluation import PROTOCOLS, Scorer, Split, evaluate, popularity

log = logging.getLogger(__name__)

CHECKPOINT_NAME = "lightgcn_checkpoint.pth"
CHECKPOINT_VERSION = 1
FOLD_IN_RIDGE = 0.05  # of the mean squared message; chosen on validation, users left out in turn


class CheckpointError(ValueError):
    """A checkpoint cannot be written or used; the message is one sentence to show to the user."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that determines a training run, with its data.

    Attributes:
        dim: embedding size d.
        layers: propagation steps K.
        epochs: at most so many passes over the training ratings.
        batch_size: training ratings per gradient step.
        learning_rate: of Adam.
        l2: weight of ½‖E(0) rows of the batch‖² per rating.
        negatives: films sampled against each rating.
        warm_start: E(0) from the singular vectors of the normalised ratings, else random normal.
        init_std: standard deviation of E(0) at the start.
        patience: stop after so many epochs without a better validation NDCG@20.
        seed: of initialisation, shuffling and sampling.

    Raises:
        ValueError: on construction, naming the field and its range.
    """

    dim: int = 128
    layers: int = 3
    epochs: int = 20
    batch_size: int = 8192
    learning_rate: float = 1e-2
    l2: float = 1e-4
    negatives: int = 4
    warm_start: bool = True
    init_std: float = 0.3
    patience: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (kind, low, high) in CONFIG_RANGES.items():
            value = getattr(self, name)
            wrong_type = isinstance(value, bool) or not isinstance(
                value, int if kind is int else (int, float)
            )
            if wrong_type or not low <= value <= high:
                what = "a whole number" if kind is int else "a number"
                raise ValueError(f"{name} must be {what} from {low} to {high}; got {value!r}.")
        if not isinstance(self.warm_start, bool):
            raise ValueError(f"warm_start must be true or false; got {self.warm_start!r}.")


CONFIG_RANGES: dict[str, tuple[type, float, float]] = {
    "dim": (int, 1, 1024),
    "layers": (int, 0, 8),
    "epochs": (int, 1, 2000),
    "batch_size": (int, 1, 1_000_000),
    "learning_rate": (float, 1e-6, 1.0),
    "l2": (float, 0.0, 1.0),
    "negatives": (int, 1, 256),
    "init_std": (float, 1e-4, 10.0),
    "patience": (int, 1, 2000),
    "seed": (int, 0, 2**31 - 1),
}

PRESETS: dict[str, TrainingConfig] = {
    "best": TrainingConfig(),
    "fast": TrainingConfig(dim=64, layers=1, epochs=10),
    "published": TrainingConfig(
        dim=64, batch_size=2048, learning_rate=1e-3, negatives=1, warm_start=False, init_std=0.1,
        epochs=200, patience=20,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class EpochRecord:
    """What is known after an epoch; epoch 0 is the state before the first step.

    Attributes:
        loss: mean training loss of the epoch (NaN for epoch 0).
        seconds: since the start of the training.
        metrics: on the held-out validation ratings, by name.
    """

    epoch: int
    loss: float
    seconds: float
    metrics: dict[str, float]


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained LightGCN, ready to score.

    E(0) was learned on the train part of the split; the factors for serving come from propagating
    it over all ratings, so that they know every film that a user rated.

    Attributes:
        e0: float32 [n_users + n_movies, dim], users first.
        user_factors: F of the users, float32 [n_users, dim].
        movie_factors: F of the movies, float32 [n_movies, dim]; zero for films without ratings.
        movie_messages: Σ_{k<K} e(k)/(K+1) of the movies, float32 [n_movies, dim]: what a film
            sends to its viewers over all layers, so that
            f_u = e(0)_u/(K+1) + Σ_j movie_messages[j]/√(d_u·d_j) over the films j that u rated.
        fold_in_map: float32 [dim, dim]; maps the summed messages of someone's films to their
            embedding, by ridge regression over all users: f_u ≈ (Σ_j messages_j/√(d_u·d_j)) map.
        history: one record per epoch, on validation.
        best_epoch: the epoch whose E(0) was kept.
        test_metrics: of the kept E(0), propagated over train only; by name, with "NDCG@20" etc.
        stop_reason: why the training ended, a sentence.
    """

    config: TrainingConfig
    protocol: str
    fingerprint: str
    e0: NDArray[np.float32]
    user_factors: NDArray[np.float32]
    movie_factors: NDArray[np.float32]
    movie_messages: NDArray[np.float32]
    fold_in_map: NDArray[np.float32]
    history: tuple[EpochRecord, ...]
    best_epoch: int
    test_metrics: dict[str, float]
    stop_reason: str


# --- propagation ----------------------------------------------------------------------------------


def to_torch(matrix: sparse.csr_array) -> Tensor:
    """SciPy CSR → torch sparse CSR float32 with int32 indices (4 times as fast as COO)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
        return torch.sparse_csr_tensor(
            torch.tensor(matrix.indptr, dtype=torch.int32),
            torch.tensor(matrix.indices, dtype=torch.int32),
            torch.tensor(matrix.data, dtype=torch.float32),
            size=matrix.shape,
            check_invariants=True,
        )


class _LayerMean(torch.autograd.Function):
    """F = (E + ÊE + … + Ê^K E)/(K+1) by Horner's rule, without keeping the layers.

    Ê is symmetric, so dL/dE is the same function of dL/dF.
    """

    @staticmethod
    def forward(ctx: Any, adjacency: Tensor, e0: Tensor, layers: int) -> Tensor:
        ctx.adjacency, ctx.layers = adjacency, layers
        total = e0
        for _ in range(layers):
            total = torch.addmm(e0, adjacency, total)  # E + Ê·total  [n_nodes, dim]
        return total / (layers + 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        return None, _LayerMean.apply(ctx.adjacency, gradients[0], ctx.layers), None


def layer_mean(adjacency: Tensor, e0: Tensor, layers: int) -> Tensor:
    """Final embeddings F = 1/(K+1) Σ_k Ê^k E(0) (LightGCN eq. 4, 8), differentiable in E(0).

    Args:
        adjacency: Ê, sparse CSR float [n_nodes, n_nodes], symmetric.
        e0: float [n_nodes, dim].
        layers: K; 0 gives plain matrix factorisation.

    Returns:
        float [n_nodes, dim].
    """
    return _LayerMean.apply(adjacency, e0, layers)


# --- initialisation -------------------------------------------------------------------------------


def initial_embeddings(interactions: sparse.csr_array, config: TrainingConfig) -> Tensor:
    """E(0) before training, float32 [n_users + n_movies, dim], standard deviation `init_std`.

    Warm start: the top-d singular vectors of D_u^-½ R D_i^-½, each times √σ; they are the
    directions that propagation keeps longest, so the training begins near its end.
    """
    n_users, n_movies = interactions.shape
    rng = np.random.default_rng(config.seed)
    e0 = rng.normal(size=(n_users + n_movies, config.dim))
    rank = min(config.dim, n_users - 1, n_movies - 1)
    if config.warm_start and rank > 0:
        block = normalised_adjacency(interactions)[:n_users, n_users:]
        left, sigma, right = randomized_svd(block, rank, random_state=config.seed)
        spectrum = np.concatenate([left, right.T]) * np.sqrt(sigma)  # [n_nodes, rank]
        # Dimensions beyond the rank start small and random: at zero they could never learn.
        e0[:, rank:] *= 0.1 * spectrum.std()
        e0[:, :rank] = spectrum
    return torch.from_numpy((e0 * (config.init_std / e0.std())).astype(np.float32))


# --- BPR ------------------------------------------------------------------------------------------


def bpr_loss(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Mean of −log σ(f_u·f_i − f_u·f_j) = softplus(f_u·f_j − f_u·f_i) (Rendle et al. 2009).

    Args:
        users: float [batch, dim].
        positives: float [batch, dim].
        negatives: float [batch, n_negatives, dim].
    """
    positive = (users * positives).sum(-1, keepdim=True)  # [batch, 1]
    negative = torch.einsum("bd,bnd->bn", users, negatives)  # [batch, n_negatives]
    return functional.softplus(negative - positive).mean()


class NegativeSampler:
    """Uniform films that the user did not rate in train; never a training positive."""

    def __init__(self, interactions: sparse.csr_array, generator: torch.Generator) -> None:
        self.n_movies = interactions.shape[1]
        self.generator = generator
        users, movies = interactions.nonzero()
        keys = users.astype(np.int64) * self.n_movies + movies
        self.positive_keys = torch.from_numpy(np.sort(keys))

    def sample(self, users: Tensor, count: int) -> Tensor:
        """Inner movie ids int64 [batch, count] for inner user ids [batch].

        Every user must have a film left that they did not rate.
        """
        negatives = torch.randint(
            self.n_movies, (len(users), count), generator=self.generator
        )  # [batch, count]
        row_key = users[:, None] * self.n_movies
        taken = self._is_positive(row_key + negatives)
        while taken.any():
            fresh = torch.randint(self.n_movies, (int(taken.sum()),), generator=self.generator)
            negatives[taken] = fresh
            taken = self._is_positive(row_key + negatives)
        return negatives

    def _is_positive(self, keys: Tensor) -> Tensor:
        place = torch.searchsorted(self.positive_keys, keys)
        return self.positive_keys[place.clamp_(max=len(self.positive_keys) - 1)] == keys


# --- training -------------------------------------------------------------------------------------


def train(
    data: MovieData,
    split: Split,
    config: TrainingConfig,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainedModel:
    """Train on the train part, choose the epoch on validation, measure it once on test.

    The same data, split, config and thread count give the same model. Ctrl-C, `should_stop` and a
    loss that is not finite end the training early; the best weights so far are kept.

    Args:
        on_epoch: called after every epoch, in this thread, and once before the first (epoch 0).
        should_stop: asked after every epoch.

    Raises:
        ValueError: the split does not belong to the data, or nobody has a film left unrated.
    """
    if split.train.shape != data.ratings.shape:
        raise ValueError("The split belongs to other data: its users or movies differ in number.")
    start = time.monotonic()
    adjacency = to_torch(normalised_adjacency(split.train))
    e0 = initial_embeddings(split.train, config).requires_grad_()
    epochs = _Epochs(split.train, adjacency, config)
    optimizer = torch.optim.Adam([e0], lr=config.learning_rate)
    history: list[EpochRecord] = []
    best, best_epoch, best_ndcg = e0.detach().clone(), 0, -1.0
    stop_reason = f"It ran all {config.epochs} epochs."
    try:
        for epoch in range(config.epochs + 1):
            loss = epochs.run(e0, optimizer) if epoch else math.nan
            if epoch and not (math.isfinite(loss) and torch.isfinite(e0).all()):
                stop_reason = f"The loss was not finite in epoch {epoch}: lower the learning rate."
                break
            scorer = _train_scorer(adjacency, e0.detach(), config.layers, data.n_users)
            metrics = evaluate(scorer, split, "validation").mean()
            history.append(EpochRecord(epoch, loss, time.monotonic() - start, metrics))
            if metrics["NDCG@20"] > best_ndcg:
                best, best_epoch, best_ndcg = e0.detach().clone(), epoch, metrics["NDCG@20"]
            if on_epoch:
                on_epoch(history[-1])
            if epoch - best_epoch >= config.patience:
                stop_reason = f"No better validation NDCG@20 for {config.patience} epochs."
                break
            if should_stop and should_stop():
                stop_reason = f"Stopped on request after epoch {epoch}."
                break
    except KeyboardInterrupt:
        stop_reason = f"Interrupted after epoch {len(history) - 1}."
    scorer = _train_scorer(adjacency, best, config.layers, data.n_users)
    return _assemble(
        data,
        best.numpy(),
        config=config,
        protocol=split.protocol,
        history=tuple(history),
        best_epoch=best_epoch,
        test_metrics=evaluate(scorer, split, "test").mean(),
        stop_reason=stop_reason,
    )


class _Epochs:
    """Shuffles the training ratings and takes one Adam step per batch."""

    def __init__(
        self, interactions: sparse.csr_array, adjacency: Tensor, config: TrainingConfig
    ) -> None:
        self.adjacency, self.config = adjacency, config
        self.n_users = interactions.shape[0]
        self.generator = torch.Generator().manual_seed(config.seed)
        self.sampler = NegativeSampler(interactions, self.generator)
        users, movies = interactions.nonzero()
        # Someone who rated every film has no negative, so teaches BPR nothing.
        usable = np.diff(interactions.indptr)[users] < interactions.shape[1]
        if not usable.any():
            raise ValueError("Nobody has an unrated film left, so there is nothing to learn.")
        self.users = torch.from_numpy(users[usable].astype(np.int64))
        self.movies = torch.from_numpy(movies[usable].astype(np.int64))

    def run(self, e0: Tensor, optimizer: torch.optim.Optimizer) -> float:
        """One pass over the training ratings; the mean loss."""
        total = 0.0
        shuffled = torch.randperm(len(self.users), generator=self.generator)
        for chosen in shuffled.split(self.config.batch_size):
            users = self.users[chosen]
            negatives = self.sampler.sample(users, self.config.negatives)
            loss = self._batch_loss(e0, users, self.movies[chosen], negatives)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        return total / len(shuffled)

    def _batch_loss(
        self, e0: Tensor, users: Tensor, positives: Tensor, negatives: Tensor
    ) -> Tensor:
        nodes = torch.cat(
            [users, self.n_users + positives, self.n_users + negatives.flatten()]
        )  # [batch · (2 + n_negatives)]
        final = functional.embedding(nodes, layer_mean(self.adjacency, e0, self.config.layers))
        batch = len(users)
        loss = bpr_loss(
            final[:batch],
            final[batch : 2 * batch],
            final[2 * batch :].view(batch, self.config.negatives, -1),
        )
        penalty = functional.embedding(nodes, e0).square().sum() / (2 * batch)
        return loss + self.config.l2 * penalty


def _train_scorer(adjacency: Tensor, e0: Tensor, layers: int, n_users: int) -> Scorer:
    """Scores f_u·f_i over the training graph."""
    final = layer_mean(adjacency, e0, layers).numpy()
    return factor_scorer(final[:n_users], final[n_users:])


def factor_scorer(user_factors: NDArray[np.float32], movie_factors: NDArray[np.float32]) -> Scorer:
    """Inner users [batch] → f_u·f_i for all movies, float32 [batch, n_movies]."""
    return lambda users: user_factors[users] @ movie_factors.T


def _assemble(data: MovieData, e0: NDArray[np.float32], **rest: Any) -> TrainedModel:
    """Propagate E(0) over all ratings and freeze the result."""
    layers = rest["config"].layers
    adjacency, start = to_torch(normalised_adjacency(data.ratings)), torch.tensor(e0)
    final = layer_mean(adjacency, start, layers).numpy()
    movie_factors = final[data.n_users :].copy()
    # Without an edge the graph knows nothing about a film: no evidence, score 0.
    movie_factors[data.movie_degree == 0] = 0.0
    messages = np.zeros_like(movie_factors)
    if layers:
        below_last = layer_mean(adjacency, start, layers - 1).numpy()  # (Σ_{k<K} e(k)) / K
        messages = below_last[data.n_users :] * np.float32(layers / (layers + 1))
    arrays = {
        "e0": e0,
        "user_factors": final[: data.n_users].copy(),
        "movie_factors": movie_factors,
        "movie_messages": messages,
        "fold_in_map": _fold_in_map(final[: data.n_users], e0[: data.n_users] / (layers + 1)),
    }
    for array in arrays.values():
        array.flags.writeable = False
    return TrainedModel(fingerprint=data.fingerprint, **arrays, **rest)


def _fold_in_map(
    user_factors: NDArray[np.float32], own: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Ridge regression from a user's summed messages (f_u less the own part) to f_u."""
    received = (user_factors - own).astype(np.float64)  # [n_users, dim]
    gram = received.T @ received
    ridge = FOLD_IN_RIDGE * np.trace(gram) / len(gram) + 1e-12  # without layers nothing is sent
    regularised = gram + ridge * np.eye(len(gram))
    return np.linalg.solve(regularised, received.T @ user_factors).astype(np.float32)


# --- checkpoints ----------------------------------------------------------------------------------


def checkpoint_path(environ: Mapping[str, str] = os.environ) -> Path:
    """$LIGHTGCN_CHECKPOINT, or lightgcn_checkpoint.pth in the project."""
    return Path(environ.get("LIGHTGCN_CHECKPOINT") or PROJECT_DIR / CHECKPOINT_NAME)


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
        "e0": torch.tensor(model.e0),
        "history": [asdict(record) for record in model.history],
        "best_epoch": model.best_epoch,
        "test_metrics": model.test_metrics,
        "stop_reason": model.stop_reason,
    }
    content |= {"version": CHECKPOINT_VERSION, "digest": _digest(content)}
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            kept = temporary.with_suffix(".previous")
            shutil.copy2(path, kept)
            os.replace(kept, previous_checkpoint(path))
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"The model cannot be saved to {path}: {error}.") from None
    finally:
        for leftover in (temporary, temporary.with_suffix(".previous")):
            leftover.unlink(missing_ok=True)


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content; torch does not notice a flipped bit in a stored tensor."""
    rest = {name: value for name, value in content.items() if name not in ("e0", "digest")}
    rest.pop("version", None)
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    digest.update(content["e0"].numpy().tobytes())
    return digest.hexdigest()


def previous_checkpoint(path: Path) -> Path:
    """Where `save_checkpoint` keeps the file that it replaces."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


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
            f"{path.name} has format {content['version']}, this program reads format "
            f"{CHECKPOINT_VERSION}; train a new model or use the matching program version."
        )
    if content.get("fingerprint") != data.fingerprint:
        raise CheckpointError(
            f"{path.name} was trained on other data than {data.directory.name}; train a new model."
        )
    try:
        if content["digest"] != _digest(content):
            raise ValueError("its checksum differs")
        return _restore(data, content)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError) as error:
        log.warning("checkpoint %s refused: %s", path, error)
        raise CheckpointError(f"{path.name} is incomplete or damaged; train a new model.") from None


def _restore(data: MovieData, content: Mapping[str, Any]) -> TrainedModel:
    """The model of a checkpoint whose checksum is right; raises many types for wrong content."""
    config = TrainingConfig(**content["config"])
    e0 = content["e0"].numpy()
    if e0.shape != (data.n_users + data.n_movies, config.dim) or e0.dtype != np.float32:
        raise ValueError(f"E(0) has the shape {e0.shape}")
    history = tuple(EpochRecord(**record) for record in content["history"])
    metrics = [content["test_metrics"], *(record.metrics for record in history)]
    for values in metrics:
        if "NDCG@20" not in values or not all(0 <= value <= 1 for value in values.values()):
            raise ValueError("a metric is missing or out of range")
    if [record.epoch for record in history] != list(range(len(history))):
        raise ValueError("the history is not complete")
    if content["protocol"] not in PROTOCOLS or content["best_epoch"] not in range(len(history)):
        raise ValueError("the protocol or the best epoch is unknown")
    model = _assemble(
        data,
        e0,
        config=config,
        protocol=content["protocol"],
        history=history,
        best_epoch=content["best_epoch"],
        test_metrics=content["test_metrics"],
        stop_reason=str(content["stop_reason"]),
    )
    if not (np.isfinite(model.user_factors).all() and np.isfinite(model.movie_factors).all()):
        raise ValueError("E(0) gives factors that are not finite")
    return model


# --- command line ---------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Train, measure and save from the command line; the exit status."""
    options = _parse(arguments)
    try:
        changed = {
            field.name: getattr(options, field.name)
            for field in fields(TrainingConfig)
            if getattr(options, field.name) is not None
        }
        config = replace(PRESETS[options.preset], **changed)
        if not os.access(options.output.resolve().parent, os.W_OK):
            raise CheckpointError(
                f"The folder of {options.output} is missing or cannot be written; choose another."
            )
        folder, failure = obtain_data()
        if failure:
            print(f"{failure} Training on the built-in demo data.", file=sys.stderr)
        data = load_movie_data(folder)
        split = PROTOCOLS[options.protocol](data)
        print(
            f"{data.n_users:,} users, {data.n_movies:,} films, {data.n_ratings:,} ratings "
            f"from {folder}; {options.protocol}."
        )
        model = train(data, split, config, on_epoch=_progress_bar(config.epochs))
        print(file=sys.stderr)
        save_checkpoint(model, options.output)
    except (DataError, CheckpointError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    baseline = evaluate(popularity(split.train), split, "test").mean()
    print(f"{model.stop_reason} Kept epoch {model.best_epoch}, chosen on validation.")
    print(f"{'held-out test':<16}{'LightGCN':>10}{'popularity':>12}")
    for name, value in model.test_metrics.items():
        print(f"{name:<16}{value:>10.4f}{baseline[name]:>12.4f}")
    print(f"Saved to {options.output}")
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Train LightGCN on MovieLens, measure it on held-out ratings, save it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--preset", choices=PRESETS, default="best", help="settings to start from")
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, default="temporal_leave_one_out", help="what is held out"
    )
    parser.add_argument("--output", type=Path, default=checkpoint_path(), help="checkpoint file")
    for name, (kind, low, high) in CONFIG_RANGES.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=kind, default=None, help=f"{low} to {high}"
        )
    parser.add_argument(
        "--warm-start", action=argparse.BooleanOptionalAction, help="spectral start, else random"
    )
    return parser.parse_args(arguments)


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
