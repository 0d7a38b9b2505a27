"""A replay on the page: looked at again and again while it is made, played in the browser."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from serving.replays import Frames, Replay, ReplayBusyError, replay_board
from tabs.in_browser import show_in_browser
from tabs.shared import escape, session_id

_EVERY = 0.7  # seconds between two looks


def watch(
    key: Hashable,
    total: int,
    frames: Frames,
    data_of: Callable[[Replay], dict[str, Any]],
    name: str,
) -> Replay | None:
    """Play the replay of this key, which begins now if there is none; the rest of the page rests.

    Args:
        total: frames that there will be.
        data_of: what the player is given, once there are frames.
        name: of the player on the page.

    Returns:
        The replay once it is whole, else None; the page runs again when it is.
    """

    def look() -> Replay | None:
        try:
            return replay_board().watch(key, total, frames, session_id())
        except ReplayBusyError as error:
            st.info(escape(str(error)), icon=":material/hourglass_top:")
            return None

    now = look()
    over = now is not None and now.status != "running"

    @st.fragment(run_every=None if over else _EVERY)
    def player() -> None:
        found = now if over else look()
        if found is None:
            return
        if found.problem:
            st.warning(escape(found.problem))
        if found.frames:
            show_in_browser("player", data_of(found), name)
        elif not found.problem:
            st.info("The first picture is being made …", icon=":material/hourglass_top:")
        if found.status != "running" and not over:
            st.rerun()  # to look no more

    player()
    return now if now is not None and now.status == "finished" else None
