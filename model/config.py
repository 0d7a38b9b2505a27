"""The settings of a training run and the presets."""

from __future__ import annotations

from dataclasses import dataclass

CONFIG_RANGES: dict[str, tuple[type, float, float]] = {
    "dim": (int, 1, 1024),
    "layers": (int, 0, 8),
    "epochs": (int, 1, 2000),
    "batch_size": (int, 1, 1_000_000),
    "learning_rate": (float, 1e-6, 1.0),
    "l2": (float, 0.0, 1.0),
    "negatives": (int, 1, 256),
    "patience": (int, 1, 2000),
    "seed": (int, 0, 2**31 - 1),
}

CONFIG_SWITCHES = ("warm_start", "hide_batch")


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
        warm_start: fit E(0) to the leading directions of the ratings first (`warm_embeddings`);
            else draw it at random.
        hide_batch: take the ratings of a batch out of the graph while they are predicted, so that
            nothing is predicted from itself.
        patience: stop after so many epochs without a better validation NDCG@20.
        seed: of initialisation, shuffling and sampling.

    Raises:
        ValueError: on construction, naming the field and its range.
    """

    dim: int = 256
    layers: int = 2
    epochs: int = 6
    batch_size: int = 8192
    learning_rate: float = 3e-3
    l2: float = 1e-3
    negatives: int = 4
    warm_start: bool = True
    hide_batch: bool = True
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
        for name in CONFIG_SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false; got {getattr(self, name)!r}.")


PRESETS: dict[str, TrainingConfig] = {
    "best": TrainingConfig(),
    "fast": TrainingConfig(dim=64, epochs=3),
    # He et al. 2020 as published: random start, one negative, plain Adam, small steps.
    "published": TrainingConfig(
        dim=64, layers=3, epochs=300, batch_size=2048, learning_rate=1e-3, l2=1e-4, negatives=1,
        warm_start=False, hide_batch=False, patience=20,
    ),
}  # fmt: skip
