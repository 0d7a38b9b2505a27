"""The settings of a training: ranges, types, refusals, and which of them matter."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from data_preparation import MovieData, load_movie_data
from model.bpr import Learner
from model.config import PRESETS, SETTINGS, TrainingConfig
from model.config import has_effect as has_effect_beside
from model.hybrid_graph import content_edges
from model.profiles import PROFILES
from model.search import search
from model.splits import Split, random_80_10_10
from tests.conftest import assert_one_sentence, planted_ratings, write_dataset
from tests.small_training import config, hybrid_config

NUMBERS = [name for name, each in SETTINGS.items() if each.kind in (int, float)]
# Every number of a configuration that allows its whole range.
ROOMY = hybrid_config(epochs=2, layers=2)


def has_effect(base: TrainingConfig, name: str) -> bool:
    return has_effect_beside(name, base.model, base.warm_start, base.epochs, base.layers)


def refused(name: str, value: Any) -> None:
    setting = SETTINGS[name]
    with pytest.raises(ValueError, match=rf"\b{name}\b") as refusal:
        replace(ROOMY, **{name: value})
    message = str(refusal.value)
    assert f"{setting.low:g}" in message and f"{setting.high:g}" in message
    assert repr(value) in message
    assert_one_sentence(message)


def test_every_field_has_a_setting_and_every_setting_a_field() -> None:
    assert list(SETTINGS) == [field.name for field in fields(TrainingConfig)]
    for name, setting in SETTINGS.items():
        assert setting.name == name and setting.label and setting.help.endswith(".")
        assert setting.kind in (int, float, bool, str) and bool(setting.choices) == (
            setting.kind is str
        )


@pytest.mark.parametrize("name", NUMBERS)
def test_a_setting_out_of_range_is_refused_naming_field_and_range(name: str) -> None:
    setting = SETTINGS[name]
    low, high = (setting.kind(end) for end in (setting.low, setting.high))
    for value in (low - 1, high + 1, -math.inf, math.inf, math.nan):
        refused(name, value)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["5", "", None, True, False, [1], 1j])
def test_a_setting_of_another_type_is_refused(name: str, value: Any) -> None:
    refused(name, value)


@pytest.mark.parametrize("name", [name for name in NUMBERS if SETTINGS[name].kind is int])
def test_a_whole_number_is_not_given_as_a_float(name: str) -> None:
    low, high = SETTINGS[name].low, SETTINGS[name].high
    refused(name, float(low))
    refused(name, (low + high) / 2 + 0.25)


@pytest.mark.parametrize("name", NUMBERS)
def test_the_ends_of_a_range_are_allowed(name: str) -> None:
    setting = SETTINGS[name]
    base = config(epochs=1) if name == "layers" else ROOMY  # the hybrid needs a layer
    for end in (setting.low, setting.high):
        value = setting.kind(end)
        assert getattr(replace(base, **{name: value}), name) == value


@pytest.mark.parametrize("name", ["warm_start", "hide_batch"])
@pytest.mark.parametrize("value", ["yes", 1, 0, None])
def test_a_switch_is_true_or_false_and_nothing_else(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name) as refusal:
        replace(ROOMY, **{name: value})
    assert_one_sentence(str(refusal.value))


@pytest.mark.parametrize("value", ["", "Hybrid", None, 1, ["hybrid"]])
def test_a_kind_of_model_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="hybrid, paper") as refusal:
        TrainingConfig(model=value)
    assert_one_sentence(str(refusal.value))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model": "paper", "epochs": 0}, "epochs"),
        ({"model": "hybrid", "layers": 0}, "layers"),
        ({"model": "hybrid", "warm_start": False, "epochs": 0}, "random start"),
    ],
)
def test_settings_that_give_no_model_together_are_refused(
    change: dict[str, Any], word: str
) -> None:
    with pytest.raises(ValueError, match=word) as refusal:
        TrainingConfig(**change)
    assert_one_sentence(str(refusal.value))


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        config().dim = 5  # type: ignore[misc]


def test_only_the_hybrid_can_have_a_fitted_start() -> None:
    assert hybrid_config().fitted and not hybrid_config(warm_start=False, epochs=1).fitted
    assert not config(warm_start=True).fitted and not config().fitted


def test_the_presets_are_what_they_say() -> None:
    best, fast, published = (PRESETS[name] for name in ("best", "fast", "published"))
    assert best.fitted and best.search_seconds > 0 and best.epochs == 0
    assert fast.fitted and fast.search_seconds == 0 and fast.dim < best.dim
    # He et al. 2020
    assert (published.model, published.layers, published.dim) == ("paper", 3, 64)
    assert not published.fitted and published.learning_rate == 1e-3 and published.negatives == 1
    assert not published.hide_batch


# --- which settings matter ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MovieData:
    """The checkerboard with every kind of content."""
    films = [
        (5 + 7 * n, f"Saga {chr(97 + n % 5) * 4} {n} ({1980 + n % 25})", ["Drama", "War"][n % 2])
        for n in range(48)
    ]
    rows = planted_ratings()
    tags = [(u, f, ["quiet", "loud", "long"][(f + u) % 3], 1) for u, f, *_ in rows[::2]]
    folder = tmp_path_factory.mktemp("every kind") / "data"
    return load_movie_data(write_dataset(folder, rows, films, tags, links=None))


@pytest.fixture(scope="module")
def split(data: MovieData) -> Split:
    return random_80_10_10(data)


BASES = {
    "fitted": hybrid_config(dim=6),
    "fitted, K = 2": hybrid_config(dim=6, layers=2),
    "fitted and learned": hybrid_config(dim=6, epochs=2),
    "random": hybrid_config(dim=6, epochs=2, warm_start=False),
    "random, K = 2": hybrid_config(dim=6, epochs=2, warm_start=False, layers=2),
    "paper": config(dim=6, epochs=2, hide_batch=True),
    "paper with a fitted start that it has not": config(dim=6, epochs=2, warm_start=True),
}
_ELSEWHERE = ("model", "attention")  # the one always matters, the other has its own tests
CHANGES: dict[str, Any] = {
    **{"dim": 7, "layers": 3, "epochs": 3, "batch_size": 32, "learning_rate": 0.01, "l2": 0.1},
    **{"negatives": 3, "seed": 4, "user_exponent": 0.6, "film_exponent": 0.4},
    **{"met_exponent": 0.4, "ridge": 0.5, "taste": 3.0, "genre": 3.0, "tag": 3.0, "year": 3.0},
    **{"genre_decade": 3.0, "series": 3.0, "watch": 1.0, "like": 1.0, "search_seconds": 0.01},
}


@pytest.fixture(scope="module")
def content(data: MovieData) -> dict[str, sparse.csr_array]:
    return content_edges(data)


@pytest.fixture(scope="module")
def results(split: Split, content: dict[str, sparse.csr_array]) -> dict[str, tuple]:
    return {name: _result(split, content, base) for name, base in BASES.items()}


def _result(
    split: Split, content: dict[str, sparse.csr_array], settings: TrainingConfig
) -> tuple[bytes, ...]:
    """All that a setting could change: what is learned, and every score."""
    if has_effect(settings, "search_seconds") and settings.search_seconds:
        settings = search(split, content, settings).config
    learner = Learner(split.train, content, settings)
    losses = [learner.run_epoch() for _ in range(settings.epochs)]
    scores = [learner.scorer(profile)(np.arange(30)) for profile in PROFILES]
    return (
        str(losses).encode(),
        *(array.tobytes() for array in (learner.weights().numpy(), *scores)),
    )


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in _ELSEWHERE])
def test_a_setting_changes_the_model_just_where_it_is_said_to(
    split: Split,
    content: dict[str, sparse.csr_array],
    results: dict[str, tuple],
    base: str,
    name: str,
) -> None:
    before, value = BASES[base], getattr(BASES[base], name)
    change = not value if isinstance(value, bool) else CHANGES.get(name, value + 1)
    try:
        changed = replace(before, **{name: change})
    except ValueError:  # a random start without epochs
        assert (name, before.epochs) == ("warm_start", 0)
        return
    differs = _result(split, content, changed) != results[base]
    # Patience only ends the training.
    assert differs == (has_effect(before, name) and name != "patience")


def test_the_kind_of_model_always_matters() -> None:
    assert all(has_effect(base, "model") for base in BASES.values())


def test_what_matters_only_while_learning_does_not_without_epochs() -> None:
    learned = {name for name in SETTINGS if has_effect(BASES["fitted and learned"], name)}
    fitted = {name for name in SETTINGS if has_effect(BASES["fitted"], name)}
    assert learned - fitted == {
        *("batch_size", "learning_rate", "l2", "negatives", "patience", "hide_batch")
    }
    assert np.all([has_effect(base, "epochs") for base in BASES.values()])
