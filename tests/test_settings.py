"""Environment variables are read as documented, and wrong values named."""

from __future__ import annotations

import pytest

from settings import (
    SettingError,
    api_key,
    api_origins,
    api_rate,
    named_hosts,
    training_allowed,
    trusted_proxies,
)
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


def test_hosts_origins_and_proxies_are_lists_with_commas() -> None:
    assert named_hosts({}) == () == trusted_proxies({}) == api_origins({})
    assert named_hosts({"LIGHTGCN_HOSTS": " Films.example.org,*.example.net,"}) == (
        "films.example.org",
        "*.example.net",
    )
    assert trusted_proxies({"FORWARDED_ALLOW_IPS": "10.0.0.1, 10.1.0.0/16"}) == (
        "10.0.0.1",
        "10.1.0.0/16",
    )
    origins = {"LIGHTGCN_API_ORIGINS": "https://a.example,http://localhost:3000"}
    assert api_origins(origins) == ("https://a.example", "http://localhost:3000")


@pytest.mark.parametrize("value", ["*", "a.example", "ftp://a.example", "https://a.example/path"])
def test_what_is_no_origin_is_named(value: str) -> None:
    with pytest.raises(SettingError) as raised:
        api_origins({"LIGHTGCN_API_ORIGINS": value})
    assert_one_sentence(str(raised.value))


def test_a_key_is_long_or_there_is_none() -> None:
    assert api_key({}) is None and api_key({"LIGHTGCN_API_KEY": ""}) is None
    assert api_key({"LIGHTGCN_API_KEY": "0123456789abcdef"}) == "0123456789abcdef"
    for wrong in ("short", "with a space in the middle", "ключ" * 8):
        with pytest.raises(SettingError) as raised:
            api_key({"LIGHTGCN_API_KEY": wrong})
        assert_one_sentence(str(raised.value))
        assert wrong not in str(raised.value)  # it may get into a log


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "many"])
def test_a_rate_is_a_number_above_0(value: str) -> None:
    assert api_rate({}) == 20.0 and api_rate({"LIGHTGCN_API_RATE": "0.5"}) == 0.5
    with pytest.raises(SettingError) as raised:
        api_rate({"LIGHTGCN_API_RATE": value})
    assert_one_sentence(str(raised.value))
