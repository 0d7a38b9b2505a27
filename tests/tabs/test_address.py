"""Which settings the address has to hold while their tab is closed.

That a reload finds them is in tests/journeys/test_recommend.py.
"""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest
import streamlit as st

from tabs import address
from tabs.links import BOUND
from tests.conftest import REPOSITORY


def test_every_parameter_that_streamlit_writes_is_known() -> None:
    found = set()
    for path in (REPOSITORY / "tabs").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                given = {word.arg: word.value for word in node.keywords}
                if "bind" in given:
                    found.add(ast.literal_eval(given["key"]))
    assert found == {name for names in BOUND.values() for name in names}


def test_a_first_run_that_was_broken_off_is_no_trouble_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Streamlit ends a run where another is asked for meanwhile, before its tabs are drawn."""
    page = SimpleNamespace(session_state={}, query_params=st.query_params)
    monkeypatch.setattr(address, "st", page)
    address.remember_settings()
    address.remember_settings()
    assert page.session_state
