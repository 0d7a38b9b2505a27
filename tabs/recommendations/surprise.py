"""*Surprise me*: one film drawn by lot from the best; the seed in the link draws the same again."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import numpy as np
import streamlit as st

from analysis.surprise import chances, draw
from prediction import Recommendation
from tabs.links import MAX_SEED
from tabs.recommendations.cards import show_cards
from tabs.recommendations.listing import Listing

DRAWN_FROM = 50
_SEED = "surprise"


def surprise_button() -> None:
    """Draw one, or another one."""
    again = _seed() is not None
    st.button(
        "Another surprise" if again else "Surprise me",
        icon=":material/casino:",
        help=f"Draws one of the best {DRAWN_FROM} by lot: the higher its score, the likelier.",
        on_click=_throw,
    )


def show_surprise(listing: Listing, best: Sequence[Recommendation], *, mine: bool) -> None:
    """The film that the seed of the link draws, if there is a seed.

    Args:
        best: the best `DRAWN_FROM` films of the list, or all that there are.
        mine: whether it is the visitor's own list.
    """
    seed = _seed()
    if seed is None or not best:
        return
    chance = chances(np.array([item.score for item in best]))
    place = draw(chance, seed)
    with st.container(border=True, key="surprised"):
        st.markdown(
            f"**Surprise:** number {place + 1} of the best {len(best)}. Its chance was "
            f"{100 * chance[place]:.1f} %, that of the first {100 * chance[0]:.1f} %, that of the "
            f"last {100 * chance[-1]:.1f} %."
        )
        show_cards(listing, [best[place]], mine=mine, key="surprise", first=place + 1)
        st.button("Close", icon=":material/close:", key="surprise_close", on_click=_close)


def _seed() -> int | None:
    """Of the address; None where it has none."""
    text = st.query_params.get(_SEED, "")
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None


def _throw() -> None:
    st.query_params[_SEED] = str(random.randint(0, MAX_SEED))


def _close() -> None:
    st.query_params.pop(_SEED, None)
