"""Settings in the address, which no Back undoes: a reload or a link brings them back.

Two kinds are written there by a script of ours, in place of what Streamlit would do: those of tabs
that are closed, whose parameters it takes out of the address, and those whose changes it would make
steps of the history, though Back could not show them undone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import streamlit as st

from tabs.in_browser import run_in_browser
from tabs.links import BOUND, DUEL, PLAYGROUND

_STATE = "settings_by_tab"
_REPLACED = "settings_replaced"  # by parameter: its value, or None where it has the default


def remember_settings() -> None:
    """Called once per run of the page, before its tabs are drawn.

    Streamlit takes the parameters of widgets that it does not draw out of the address. When a run
    begins, those of the tab that was open until now are still there.
    """
    known: dict[str, list[str]] = st.session_state.setdefault(_STATE, {})
    shown = st.session_state.get(f"{_STATE}_shown")
    if shown is None:  # no run has come to its end yet: of all tabs
        shown = [name for names in BOUND.values() for name in names]
    for name in shown:
        known.pop(name, None)
        if name in st.query_params:
            known[name] = st.query_params.get_all(name)


def replace_in_address(names: Collection[str], values: Mapping[str, str]) -> None:
    """Let the address have these values, and no others of these names; it is no step.

    Args:
        names: parameters that belong to the caller alone.
    """
    st.session_state[_REPLACED] = {name: values.get(name) for name in names}


def _drawn() -> tuple[str, ...]:
    """The parameters of the widgets that this run has drawn."""
    opened = st.session_state["tab"]
    if opened == "Insights":
        return ("who",) if st.session_state.get("section") == DUEL else ()
    if opened == "Train Model" and st.session_state.get("training") != PLAYGROUND:
        return ()
    return BOUND.get(opened, ())


def keep_settings_in_address() -> None:
    """Called once per run of the page, after its tabs."""
    now = st.session_state[f"{_STATE}_shown"] = _drawn()
    settings = {n: values for n, values in st.session_state[_STATE].items() if n not in now}
    replaced: dict[str, str | None] = st.session_state.get(_REPLACED, {})
    run_in_browser("address", {"settings": settings, "replaced": replaced})
