"""What several tabs need: the worked user, escaping, the "no model yet" message."""

from __future__ import annotations

import contextlib
import re

import numpy as np
import streamlit as st

from data_preparation import MovieData, UnknownIdError


def pick_user(data: MovieData) -> int:
    """The worked user, the same in every tab and in the link (`?user=7`); the inner id."""
    degree = dict(zip(data.user_ids.tolist(), data.user_degree.tolist(), strict=True))
    if st.session_state.get("user") not in degree:  # a new session, or other data than before
        st.session_state["user"] = _user_from_link(data)
    raw = st.selectbox(
        "User",
        list(degree),
        format_func=lambda raw: f"User {raw} · {degree[raw]:,} ratings",
        key="user",
        persist_state="session",
        help="Type a number to search. The same user is followed through the tabs.",
    )
    # bind="query-params" would write the whole label into the link.
    st.query_params["user"] = str(raw)
    return data.inner_user(raw)


def _user_from_link(data: MovieData) -> int:
    """The raw user id that the link names; a typical user otherwise (`link_problems` tells)."""
    with contextlib.suppress(KeyError, ValueError, OverflowError, UnknownIdError):
        return int(data.user_ids[data.inner_user(int(st.query_params["user"]))])
    return int(data.user_ids[_typical_user(data)])


def _typical_user(data: MovieData) -> int:
    """Someone with a middling number of ratings: enough to tell a story, few enough to read."""
    return int(np.abs(data.user_degree - np.median(data.user_degree)).argmin())


def escape(text: str) -> str:
    """Text from files, safe inside Markdown: titles and tags show as they are written."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])", r"\\\1", text)


def count(number: int, thing: str) -> str:
    """`1 rating`, `2 ratings`."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


def no_model_yet(what: str) -> None:
    st.info(
        f"{what} need a trained model. One is being trained now or can be started in the tab "
        "**Train Model**; this page fills in by itself when it is ready.",
        icon=":material/hourglass_top:",
    )
