"""The settings of a training run, their ranges and help texts, and the presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["hybrid", "paper"]
CONTENT_KINDS = ("genre", "tag", "year", "genre_decade", "series")


@dataclass(frozen=True)
class Setting:
    """What a setting may be, and what it does.

    Attributes:
        name: of the field of `TrainingConfig`.
        kind: int, float, bool, or str for one of `choices`.
        label: a few words.
        help: a sentence for people who set it.
        low, high: the range of a number.
        models: the kinds of model on which it has an effect.
        fitted_only, learned_only: it matters only with a fitted start, only with epochs.
        graph_only: it matters only where the hybrid graph is read: by a fitted start, or by
            messages that travel on from K = 2.
    """

    name: str
    kind: type
    label: str
    help: str
    low: float = 0.0
    high: float = 1.0
    choices: tuple[str, ...] = ()
    models: tuple[Kind, ...] = ("hybrid", "paper")
    fitted_only: bool = False
    learned_only: bool = False
    graph_only: bool = False

    def check(self, value: object) -> None:
        """Raises ValueError, naming the setting and what it may be, for an impossible value."""
        if self.choices:
            if value not in self.choices:
                options = ", ".join(self.choices)
                raise ValueError(f"{self.name} must be one of {options}; got {value!r}.")
        elif self.kind is bool:
            if not isinstance(value, bool):
                raise ValueError(f"{self.name} must be true or false; got {value!r}.")
        else:
            number = int if self.kind is int else (int, float)
            right = isinstance(value, number) and not isinstance(value, bool)
            if not right or not self.low <= value <= self.high:  # type: ignore[operator]
                what = "a whole number" if self.kind is int else "a number"
                shown = f"{self.low:g} to {self.high:g}"
                raise ValueError(f"{self.name} must be {what} from {shown}; got {value!r}.")


_HYBRID: tuple[Kind, ...] = ("hybrid",)


def _share(name: str, label: str, what: str) -> Setting:
    text = f"How much {what} weigh in the graph, as a share of who rated what."
    return Setting(name, float, label, text, 0.0, 100.0, models=_HYBRID, graph_only=True)


SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            "model", str, "Model",
            "hybrid: people, genres, tags and years in one graph, a score is a sum over rated "
            "films; paper: LightGCN with a learned vector per person.",
            choices=("hybrid", "paper"),
        ),
        Setting("dim", int, "Embedding size", "Numbers per film. Time and memory grow with it.",
                1, 8192),
        Setting("layers", int, "Layers K", "Hops that a message travels. Time grows with "
                "it.", 0, 8),
        Setting("epochs", int, "Epochs at most",
                "Passes over the ratings with BPR; the best one on validation is kept. 0 keeps the "
                "start.", 0, 2000),
        Setting("batch_size", int, "Batch size", "Ratings per step. Smaller: more steps, so more "
                "time.", 1, 1_000_000, learned_only=True),
        Setting("learning_rate", float, "Learning rate", "Step size of Adam. No effect on time per "
                "epoch.", 1e-6, 1.0, learned_only=True),
        Setting("l2", float, "L2 penalty", "Keeps the embeddings small. No effect on time.",
                0.0, 1.0, learned_only=True),
        Setting("negatives", int, "Negatives", "Films not rated, per rating. Time and memory grow "
                "with it.", 1, 256, learned_only=True),
        Setting("patience", int, "Patience", "Stop after so many epochs without a better "
                "validation NDCG@20.", 1, 2000, learned_only=True),
        Setting("seed", int, "Seed", "The same settings and seed give the same model.",
                0, 2**31 - 1),
        Setting("warm_start", bool, "Fitted start", "Start from the closed-form solution, not at "
                "random.", models=_HYBRID),
        Setting("hide_batch", bool, "Hide the batch", "Predict ratings from a graph without them. "
                "A little slower.", learned_only=True),
        Setting("search_seconds", float, "Search, seconds", "Choose the settings of the graph on "
                "validation for at most so long; 0 takes them as they are.", 0.0, 86_400.0,
                models=_HYBRID, fitted_only=True),
        Setting("user_exponent", float, "User exponent a", "A person with n ratings weighs n^-a in "
                "each edge.", 0.0, 1.0, models=_HYBRID, graph_only=True),
        Setting("film_exponent", float, "Film exponent b", "A film with n ratings weighs n^-b in "
                "each edge and in what it sends.", 0.0, 1.0, models=_HYBRID),
        Setting("met_exponent", float, "Exponent where met c", "A film with n ratings is met with "
                "n^(b+c).", -1.0, 1.0, models=_HYBRID),
        Setting("ridge", float, "Ridge λ", "How strongly rare patterns are damped, as a share of "
                "the strongest one.", 1e-6, 100.0, models=_HYBRID, fitted_only=True),
        _share("taste", "Taste", "the stars above or below each person's own mean"),
        _share("genre", "Genres", "genres"),
        _share("tag", "Tags", "tags"),
        _share("year", "Years", "years"),
        _share("genre_decade", "Genres by decade", "genres within a decade"),
        _share("series", "Series", "titles that begin alike"),
        Setting("watch", float, "Star strength, watch", "How much a star above the person's mean "
                "adds to a film's weight when the list is to hold what they will watch.",
                0.0, 5.0, models=_HYBRID),
        Setting("like", float, "Star strength, like", "The same when the list is to hold what they "
                "will like.", 0.0, 5.0, models=_HYBRID),
        Setting("attention", bool, "Attention", "Learn how much more or less a rated "
                "film weighs by its stars, ratings, tags, and how typical it is for the person. "
                "Measured on MovieLens small, validation, profile like: liked NDCG@20 +0.0018 "
                "(-0.0006 to +0.0045, so no gain is proved), NDCG@20 of all films -0.0030. Adds "
                "some 10 s there.", models=_HYBRID),
    )
}  # fmt: skip


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that determines a training run, with its data; `SETTINGS` says what each is.

    Raises:
        ValueError: on construction, naming the field and its range.
    """

    model: Kind = "hybrid"
    dim: int = 256
    layers: int = 1
    epochs: int = 0
    batch_size: int = 8192
    learning_rate: float = 3e-3
    l2: float = 1e-3
    negatives: int = 4
    patience: int = 5
    seed: int = 0
    warm_start: bool = True
    hide_batch: bool = True
    search_seconds: float = 0.0
    user_exponent: float = 0.2
    film_exponent: float = 0.0
    met_exponent: float = -0.1
    ridge: float = 0.03
    taste: float = 0.2
    genre: float = 1.0
    tag: float = 0.1
    year: float = 0.2
    genre_decade: float = 0.5
    series: float = 0.3
    watch: float = 0.2
    like: float = 0.4
    attention: bool = False

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            setting.check(getattr(self, name))
        if self.model == "paper" and self.epochs == 0:
            raise ValueError(
                "epochs must be at least 1 for the paper's model, which starts random."
            )
        if self.model == "paper" and self.attention:
            raise ValueError(
                "attention must be false for the paper's model: it weighs what the stars of rated "
                "films make of a profile, and that model has a learned vector per person instead."
            )
        if self.model == "hybrid" and self.layers == 0:
            raise ValueError("layers must be at least 1 for the hybrid: films make people.")
        if self.model == "hybrid" and not self.warm_start and self.epochs == 0:
            raise ValueError("epochs must be at least 1 for a random start.")

    @property
    def fitted(self) -> bool:
        """Whether E(0) starts from the closed form, which the paper's model never does."""
        return self.model == "hybrid" and self.warm_start


def has_effect(name: str, model: Kind, warm_start: bool, epochs: int, layers: int) -> bool:
    """Whether this setting makes a difference beside these values of the four that decide it."""
    setting = SETTINGS[name]
    if model not in setting.models:
        return False
    fitted = model == "hybrid" and warm_start
    if setting.fitted_only and not fitted:
        return False
    if setting.graph_only and not fitted and layers == 1:
        return False
    return not (setting.learned_only and epochs == 0)


def searches(config: TrainingConfig) -> bool:
    """Whether a training begins with a search."""
    return config.fitted and config.search_seconds > 0


PRESETS: dict[str, TrainingConfig] = {
    # All directions that the graph has, settings chosen on this data.
    "best": TrainingConfig(dim=8192, search_seconds=60.0),
    "fast": TrainingConfig(dim=256),
    # He et al. 2020 as published: random start, one negative, plain Adam, small steps.
    "published": TrainingConfig(
        model="paper", dim=64, layers=3, epochs=300, batch_size=2048, learning_rate=1e-3, l2=1e-4,
        negatives=1, warm_start=False, hide_batch=False, patience=20,
    ),
}  # fmt: skip
