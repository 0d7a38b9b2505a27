"""Start Here: two lists of films beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from tabs.shared import count
from tabs.start_here.story import Story


def news(story: Story, before: Sequence[int], after: Sequence[int]) -> str:
    """How many films of the later list are not in the earlier one, and which."""
    new = [movie for movie in after if movie not in before]
    named = ", ".join(f"*{story.film(movie)}*" for movie in new[:3])
    return f"**{count(len(new), 'film')}** of the first {len(after)} " + (
        f"{'is' if len(new) == 1 else 'are'} new: {named}{' …' if len(new) > 3 else ''}."
        if new
        else "are new."
    )


def side_by_side(story: Story, lists: dict[str, Sequence[int]], alt: str) -> None:
    """A table with a column for each list of inner ids."""
    most = max(map(len, lists.values()))
    columns = {
        name: [story.data.labels[movie] for movie in films] + [""] * (most - len(films))
        for name, films in lists.items()
    }
    st.table(pd.DataFrame(columns, index=range(1, most + 1)), alt=alt)
