"""What several tabs need: the worked user, a visitor's ratings, escaping, "no model yet"."""

from __future__ import annotations

import re

import altair as alt
import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.scriptrunner import get_script_run_ctx

from charts.spec import finished_spec
from data_preparation import MovieData, UnknownIdError
from model.profiles import DEFAULT_PROFILE, Profile
from model.trained import TrainedModel
from serving.state import server_state
from sources.files import printable
from tabs.links import AIMS
from tabs.steps import arrive, leave

# Streamlit turns these into links, icons and signs even where they are escaped: an invisible word
# joiner between their characters stops that.
_SHORTHAND = re.compile(
    r"(?i)(?<=:)(?=[\w/])|(?<=www)(?=\.)|(?<=@)(?=\w)"
    r"|(?<!\S[-<>~])(?<=[-<>~])(?=[-<>=]{1,2}(?!\S))"  # an arrow or a dash that stands alone
)
_BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # would turn round what comes after

_LISTED = 1_000  # users: of more, nobody is sent a list
_MOST_ROWS = 1_000  # of a person's films: the most active ones rated ten thousands
_TYPED, _WRONG = "user_typed", "user_wrong"  # session keys: the text, and what is wrong with it

_FILLS_IN = "this page fills in by itself when it is ready."
_WHENCE = {
    "off": f"This server does not train; its operator does; {_FILLS_IN}",
    "running": f"One is being trained now; {_FILLS_IN}",
    "failed": "The training of one failed; above the tabs it says why, and what would help.",
    "refused": "The one that is there cannot be used, as it says above the tabs; train a new one "
    f"by a click, there or in the tab **Train Model**; {_FILLS_IN}",
    "absent": f"One can be started in the tab **Train Model**; {_FILLS_IN}",
}


def session_id() -> str | None:
    """Of the visitor; None outside a session."""
    context = get_script_run_ctx()
    return context.session_id if context else None


def worked_user(data: MovieData) -> int:
    """The worked user, the same in every tab and in the link (`?user=7`); the inner id."""
    arrive("user", _user_from_link(data))
    if st.session_state["user"] not in data.user_ids:  # other data than before
        st.session_state["user"] = _user_from_link(data)
    return data.inner_user(st.session_state["user"])


def pick_user(data: MovieData) -> int:
    """`worked_user`, to be chosen by number."""
    worked_user(data)
    if data.n_users > _LISTED:
        raw = _typed_user(data)
    else:
        labels = user_labels(data)
        raw = st.selectbox(
            "User",
            list(labels),
            format_func=labels.__getitem__,
            key="user",
            persist_state="session",
            help="Type a number to search. The same user is followed through the tabs.",
        )
    leave(user=raw)
    return data.inner_user(raw)


def _typed_user(data: MovieData) -> int:
    """The raw id of the worked user, where there are too many for a list of them."""
    problem = st.session_state.get(_WRONG)
    if not problem:
        st.session_state[_TYPED] = str(st.session_state["user"])

    def take() -> None:
        found, st.session_state[_WRONG] = _user_of(data, st.session_state[_TYPED])
        st.session_state["user"] = found or st.session_state["user"]

    user = data.inner_user(st.session_state["user"])
    st.text_input(
        "User",
        key=_TYPED,
        on_change=take,
        help=f"The number of one of {data.n_users:,} users, from {data.user_ids[0]} to "
        f"{data.user_ids[-1]}. The same user is followed through the tabs.",
    )
    if problem:
        st.warning(escape(problem), icon=":material/person_off:")
    st.caption(f"{data.user_name(user)} · {count(int(data.user_degree[user]), 'rating')}")
    return st.session_state["user"]


def pick_users(data: MovieData, key: str, at_first: list[int], most: int) -> list[int]:
    """Several users of the data; raw ids.

    Args:
        at_first: raw ids that are chosen before anybody chooses.
        most: so many can be chosen.
    """
    if data.n_users <= _LISTED:
        labels = user_labels(data)
        return st.multiselect(
            "Users of the data",
            list(labels),
            at_first,
            format_func=labels.__getitem__,
            max_selections=most,
            key=key,
        )
    text = st.text_input(
        "Users of the data",
        ", ".join(map(str, at_first)),
        key=f"{key}_typed",
        help=f"Numbers from {data.user_ids[0]} to {data.user_ids[-1]}, with commas between.",
    )
    found: dict[int, None] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        raw, problem = _user_of(data, part)
        if raw is None:
            st.warning(escape(problem), icon=":material/person_off:")
        else:
            found[raw] = None
    return list(found)[:most]


def _user_of(data: MovieData, text: str) -> tuple[int | None, str]:
    """The raw id that someone typed, or None and the sentence that says what is wrong."""
    number = text.strip().casefold().removeprefix("user").strip()
    # By its digits: int() takes "٧" and "1_0" as well.
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return None, f"“{text.strip()[:40]}” is not the number of a user."
    try:
        data.inner_user(int(number))
    except UnknownIdError as error:
        return None, str(error)
    return int(number), ""


def user_labels(data: MovieData) -> dict[int, str]:
    """What lists of users call each raw user id: `User 7 · 152 ratings`."""
    users = zip(data.user_ids.tolist(), data.user_degree.tolist(), strict=True)
    return {raw: f"User {raw} · {degree:,} ratings" for raw, degree in users}


def pick_profile(model: TrainedModel) -> Profile:
    """What a list is for, the same in every tab; a model that ignores stars has no such choice."""
    if not model.is_hybrid:
        return DEFAULT_PROFILE
    aims = list(AIMS)
    default = next(aim for aim in aims if AIMS[aim] == DEFAULT_PROFILE)
    chosen = st.segmented_control(
        "Find", aims, default=default, required=True, key="profile", bind="query-params"
    )
    return AIMS.get(chosen or "", DEFAULT_PROFILE)


def _user_from_link(data: MovieData) -> int:
    """The raw user id that the link names; a typical user otherwise (`read_link` tells)."""
    named = st.query_params.get("user", "")
    # By its text: int() takes " 7", "07" and "٧" as well.
    raw = int(named) if named.isascii() and named.isdigit() and len(named) < 19 else -1
    if str(raw) == named and raw in data.user_ids:
        return raw
    return int(data.user_ids[_typical_user(data)])


def _typical_user(data: MovieData) -> int:
    """Someone with a middling number of ratings: enough to tell a story, few enough to read."""
    return int(np.abs(data.user_degree - np.median(data.user_degree)).argmin())


def my_stars(data: MovieData) -> dict[int, float]:
    """The visitor's ratings in this session: inner movie id → stars."""
    return kept("my_stars", data)


def kept(name: str, data: MovieData) -> dict:
    """A dict of this session and dataset: the same number is another film in other data."""
    return st.session_state.setdefault(f"{name}_{data.fingerprint}", {})


def escape(text: str) -> str:
    """Text from files and links, safe inside Markdown: it shows as written, on one line."""
    one_line = " ".join(_BIDI_CONTROLS.sub("", printable(text)).split())
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&=^@])", r"\\\1", _SHORTHAND.sub("\u2060", one_line))


def draw(chart: alt.Chart | alt.LayerChart, alt_text: str) -> None:
    """A chart, sent without the checks that take longer than all else in a rerun."""
    st.vega_lite_chart(finished_spec(chart), alt=alt_text)


def shown_first(order: NDArray[np.integer], what: str) -> NDArray[np.integer]:
    """As many places from the front of an order as a browser is sent; says so where it has more.

    Args:
        order: of someone's films.
        what: they are, and by what they are ordered.
    """
    if len(order) > _MOST_ROWS:
        st.caption(f"The first {_MOST_ROWS:,} of {len(order):,} {what}.")
    return order[:_MOST_ROWS]


def count(number: int, thing: str) -> str:
    """`1 rating`, `2 ratings`."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


def no_model_yet(what: str, data: MovieData) -> None:
    """In a tab that waits for a model of the data; what is the matter with it stands above."""
    st.info(
        f"{what} need a trained model. {_WHENCE[server_state().why_no_model(data).state]}",
        icon=":material/hourglass_top:",
    )
