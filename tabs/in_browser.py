"""Parts of the page that are scripts of ours, which run in the browser."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st


def run_in_browser(name: str, data: dict[str, Any], **more: Any) -> Any:
    """Run `NAME.js` of this folder in the browser, where nobody sees it; once per run of the page.

    Args:
        data: what it is given.
        more: further arguments of Streamlit's component.

    Returns:
        What it has told.
    """
    with st.container(key=f"unseen_{name}"):  # which the style of the page hides
        return _component(name)(key=name, data=data, height=1, **more)


def show_in_browser(name: str, data: dict[str, Any], key: str) -> None:
    """Show what `NAME.js` of this folder draws of the data, in the style of `NAME.css`."""
    _component(name)(key=key, data=data)


@functools.cache
def _component(name: str) -> Callable[..., Any]:
    script, style = (Path(__file__).with_name(f"{name}.{kind}") for kind in ("js", "css"))
    looks = style.read_text(encoding="utf-8") if style.is_file() else None
    return st.components.v2.component(name, js=script.read_text(encoding="utf-8"), css=looks)
