"""Environment variables are read as documented, and wrong values named."""

from __future__ import annotations

import pytest

from settings import SettingError, training_allowed
from tests.conftest import assert_one_sentence


def test_training_is_allowed_unless_it_is_switched_off() -> None:
    assert training_allowed({})
    assert training_allowed({"LIGHTGCN_TRAINING": "on"})
    assert not training_allowed({"LIGHTGCN_TRAINING": "off"})


@pytest.mark.parametrize("value", ["", "OFF", "0", "false", "x" * 1000])
def test_a_wrong_value_is_named_and_never_taken_for_on(value: str) -> None:
    with pytest.raises(SettingError) as raised:
        training_allowed({"LIGHTGCN_TRAINING": value})
    assert_one_sentence(str(raised.value))
    assert len(str(raised.value)) < 150
