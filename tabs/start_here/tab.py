"""Start Here: the story of one user, from rows of ratings to an explained recommendation."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from data_preparation import MovieData
from model.trained import TrainedModel
from tabs.links import CHAPTERS, FORMULAS, LEVELS, PLAIN
from tabs.start_here import (
    ageing,
    attending,
    graph,
    layers,
    learning,
    recommending,
    what_if,
    who,
    words,
)
from tabs.start_here.story import Story, go_to
from tabs.steps import arrive, asked, leave

_CHAPTERS: dict[str, Callable[[Story], None]] = dict(
    zip(
        CHAPTERS,
        (
            words.tour,
            graph.rows,
            graph.neighbours,
            layers.messages,
            layers.reach,
            learning.step_of_bpr,
            recommending.recommendation,
            what_if.what_if,
            ageing.time,
            attending.attention,
            words.glossary,
        ),
        strict=True,
    )
)
# On a phone the chapter begins on the first screen: the user beside the voice, and the chapters in
# one row that scrolls, with the open one always in sight.
_NARROW = """<style>
@media (max-width:640px){
.st-key-chapter [role=radiogroup]{mask-image:none!important}
.st-key-chapter [aria-checked=true]{position:sticky;left:0;right:0;z-index:1;
background:linear-gradient(#3b8bd026,#3b8bd026),Canvas!important}
.st-key-worked{flex-wrap:nowrap;gap:.5rem}
.st-key-person{min-width:0;flex:1}
.st-key-worked [role=radio]{padding:0 .45rem}
.st-key-worked [role=radio] p{font-size:.8rem}
.st-key-introduced{flex-wrap:nowrap}
.st-key-introduced p{font-size:.85rem;line-height:1.35}
}</style>"""


def render(data: MovieData, model: TrainedModel | None) -> None:
    st.header("How a graph neural network recommends films")
    st.html(_NARROW)
    st.caption(
        "Follow one person through the whole model. Every number is real and can be recomputed "
        "by hand."
    )
    with st.container(key="worked", horizontal=True, vertical_alignment="bottom"):
        with st.container(key="person"):
            name = who.choose(data)
        level = st.segmented_control(
            "Told in",
            LEVELS,
            default=PLAIN,
            required=True,
            key="level",
            bind="query-params",
            persist_state="session",
            help="Plain words and pictures, or formulas and shapes. The numbers are the same.",
        )
    followed = who.introduce(data, name)
    _chapter(Story(data, followed, model, level == FORMULAS))


@st.fragment
def _chapter(story: Story) -> None:
    """The open chapter; only it is computed, and only it redraws when something in it moves."""
    arrive("chapter", asked("chapter", CHAPTERS, CHAPTERS[0]))
    chapter = st.segmented_control(
        "Chapter",
        CHAPTERS,
        required=True,
        key="chapter",
        wrap=False,
        persist_state="session",
        label_visibility="collapsed",
    )
    leave(chapter=chapter)
    _CHAPTERS[chapter or CHAPTERS[0]](story)
    place = CHAPTERS.index(chapter or CHAPTERS[0])
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for step, icon in ((-1, "arrow_back"), (1, "arrow_forward")):
            if 0 <= place + step < len(CHAPTERS):
                other = CHAPTERS[place + step]
                st.button(
                    other,
                    key=f"turn_{step}",
                    icon=f":material/{icon}:",
                    icon_position="left" if step < 0 else "right",
                    on_click=go_to,
                    args=(other,),
                    help="Previous chapter" if step < 0 else "Next chapter",
                )
