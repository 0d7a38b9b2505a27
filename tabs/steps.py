"""Controls whose changes the browser's Back undoes: tabs, chapters, sections, layers, the user.

A widget that is bound to the query replaces the address, so that Back would leave the site. An
address that the script writes is a step: these controls are read from the address where Back (or a
link) has brought another value, and a change by anybody else is written there, once a run.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import TypeVar

import streamlit as st

_WRITTEN = "steps_written"  # by parameter: the value that the address had when last looked at

Value = TypeVar("Value", bound=Hashable)


def asked(name: str, options: Collection[str], default: str) -> str:
    """What the address asks for, if that is one of the options."""
    value = st.query_params.get(name, default)
    return value if value in options else default


def arrive(name: str, value: Value) -> None:
    """Before the control with this key is drawn: take over what the address brings anew.

    Args:
        value: what the address asks for now.
    """
    written = st.session_state.setdefault(_WRITTEN, {})
    if name not in written:
        st.session_state.setdefault(name, value)
    elif written[name] != value or name not in st.session_state:  # or lost by Streamlit
        st.session_state[name] = value
    written[name] = value


def leave(**values: Hashable) -> None:
    """After the controls: write what has changed into the address, all of it as one step."""
    written = st.session_state.setdefault(_WRITTEN, {})
    changed = {name: value for name, value in values.items() if written.get(name) != value}
    if changed:
        written.update(changed)
        st.query_params.update({name: str(value) for name, value in changed.items()})


def forget(*names: str) -> None:
    """In a callback: take these out of the session and the address, as if nobody had chosen."""
    for name in names:
        st.session_state.pop(name, None)
        st.session_state.get(_WRITTEN, {}).pop(name, None)
        if name in st.query_params:
            del st.query_params[name]
