"""The settings of a training: ranges, types, refusals."""

from __future__ import annotations

import math
from typing import Any

import pytest

from model.config import CONFIG_RANGES
from tests.conftest import (
    assert_one_sentence,
)
from tests.small_training import config


def refused(name: str, value: Any) -> None:
    _, low, high = CONFIG_RANGES[name]
    with pytest.raises(ValueError, match=rf"\b{name}\b") as refusal:
        config(**{name: value})
    message = str(refusal.value)
    assert str(low) in message and str(high) in message and repr(value) in message
    assert_one_sentence(message)


@pytest.mark.parametrize("name", CONFIG_RANGES)
def test_a_setting_out_of_range_is_refused_naming_field_and_range(name: str) -> None:
    kind, low, high = CONFIG_RANGES[name]
    for value in (low - 1, high + 1, -math.inf, math.inf, math.nan):
        refused(name, kind(value) if math.isfinite(value) else value)


@pytest.mark.parametrize("name", CONFIG_RANGES)
@pytest.mark.parametrize("value", ["5", "", None, True, False, [1], 1j])
def test_a_setting_of_another_type_is_refused(name: str, value: Any) -> None:
    refused(name, value)


@pytest.mark.parametrize("name", [n for n, (kind, _, _) in CONFIG_RANGES.items() if kind is int])
def test_a_whole_number_is_not_given_as_a_float(name: str) -> None:
    low, high = CONFIG_RANGES[name][1:]
    refused(name, float(low))
    refused(name, (low + high) / 2 + 0.25)


@pytest.mark.parametrize("name", CONFIG_RANGES)
def test_the_ends_of_a_range_are_allowed(name: str) -> None:
    for value in CONFIG_RANGES[name][1:]:
        assert getattr(config(**{name: value}), name) == value


@pytest.mark.parametrize("value", ["yes", 1, 0, None])
def test_warm_start_is_true_or_false_and_nothing_else(value: Any) -> None:
    with pytest.raises(ValueError, match="warm_start") as refusal:
        config(warm_start=value)
    assert_one_sentence(str(refusal.value))


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        config().dim = 5  # type: ignore[misc]
