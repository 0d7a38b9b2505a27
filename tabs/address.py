"""The settings of the tabs that are closed stay in the address: a reload brings them back."""

from __future__ import annotations

import streamlit as st

from tabs.in_browser import run_in_browser
from tabs.links import BOUND, DUEL

_STATE = "settings_by_tab"


def keep_settings_in_address() -> None:
    """Called once per run of the page, before its tabs are drawn.

    Streamlit takes the parameters of widgets that it does not draw out of the address. When a run
    begins, those of the tab that was open until now are still there.
    """
    opened = st.session_state["tab"]
    duels = opened == "Insights" and st.session_state.get("section") == DUEL
    known: dict[str, list[str]] | None = st.session_state.get(_STATE)
    if known is None:  # the first run: of all tabs
        shown = [name for names in BOUND.values() for name in names]
        known = st.session_state[_STATE] = {}
    else:
        shown = st.session_state[f"{_STATE}_shown"]
    for name in shown:
        known.pop(name, None)
        if name in st.query_params:
            known[name] = st.query_params.get_all(name)
    now = [*BOUND.get(opened, ()), *(["who"] if duels else [])]
    st.session_state[f"{_STATE}_shown"] = now
    settings = {name: values for name, values in known.items() if name not in now}
    run_in_browser("address", {"settings": settings})
