"""Parts of the page that nobody sees: scripts of ours that run in the browser."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st


def run_in_browser(name: str, data: dict[str, Any], **more: Any) -> Any:
    """Run `NAME.js` of this folder in the browser; once per run of the page.

    Args:
        data: what it is given.
        more: further arguments of Streamlit's component.

    Returns:
        What it has told.
    """
    with st.container(key=f"unseen_{name}"):  # which the style of the page hides
        return _component(name)(key=name, data=data, height=1, **more)


@functools.cache
def _component(name: str) -> Callable[..., Any]:
    script = Path(__file__).with_name(f"{name}.js").read_text(encoding="utf-8")
    return st.components.v2.component(name, js=script)
