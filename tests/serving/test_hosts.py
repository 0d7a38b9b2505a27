"""Which hosts are answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.hosts import refusal
from tests.conftest import assert_one_sentence

OWN = [
    "localhost",
    "LOCALHOST:8501",
    "localhost.",
    "127.0.0.1",
    "127.8.9.1:80",
    "[::1]",
    "[::1]:8501",
]
FOREIGN = [
    *("evil.example", "localhost.evil.example", "evil.example:8501", "10.0.0.1", "0.0.0.0"),
    *(
        "",
        "[::2]",
        "user@localhost",
        "localhost/x",
        "localhost:port",
        "local host",
        "127.0.0.1.a.b",
    ),
    *("localhost:99999", "[::1", "::1"),
]


@pytest.mark.parametrize("host", OWN)
def test_this_machines_own_names_are_answered(host: str) -> None:
    assert refusal(host, ()) is None


@pytest.mark.parametrize("host", FOREIGN)
def test_everything_else_is_refused_with_a_sentence(host: str) -> None:
    sentence = refusal(host, ())
    assert sentence and "LIGHTGCN_HOSTS" in sentence
    assert refusal(None, ())


def test_a_named_host_is_answered_and_no_other() -> None:
    named = ("films.example.org", "*.example.net")
    for host in ("films.example.org", "Films.Example.org:443", "a.example.net", "a.b.example.net"):
        assert refusal(host, named) is None
    for host in ("example.org", "a.films.example.org", "example.net", "badexample.net"):
        assert refusal(host, named)
    assert refusal("anything.example", ("*",)) is None


@given(st.text())
def test_no_host_is_too_strange_for_a_sentence(host: str) -> None:
    sentence = refusal(host, ())
    if sentence:
        assert_one_sentence(refusal("evil.example", ()) or "")
        assert len(sentence) < 250
