"""A *Why?* to keep or to send: a link that opens it again, and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from urllib.parse import urlencode

import streamlit as st

from analysis.reasons import score_lines
from charts.reason_card import ReasonCard, ReasonLine, reason_card
from charts.reasons import number
from model.explanation import Explanation
from model.rounding import rounded_parts, rounded_sum
from model.runs import OURS
from serving.state import stamp
from settings import DEMO_DIR, checkpoint_path
from tabs.links import WHY
from tabs.recommendations.listing import (
    Listing,
    for_everyone,
    ordinal,
    plain_sum_of_parts,
    stars_text,
)
from tabs.recommendations.words import because, line_name, percent

# What the list depends on, by its name in the address.
_OF_THE_LIST = (
    *("profile", "k", "tag_weight", "genres", "without", "years", "min_ratings"),
    *("min_stars", "novelty", "diversity", "little_known", "recent", "popular_now"),
)
_DECIMALS = 4
_TERMS = 6  # rated films with a bar of their own: a phone shows the whole picture


def share(listing: Listing, reasons: Explanation) -> None:
    """Both, below one another."""
    if listing.viewer.user is None:
        st.info(
            "A link cannot carry your own ratings, so it would show others another list; the "
            "picture below holds your reasons.",
            icon=":material/link_off:",
        )
    else:
        st.markdown("**A link** that opens these reasons, while the same model serves:")
        st.code(link_to(listing, reasons.movie), language=None, wrap_lines=True)
    st.markdown("**A picture** of the reasons, with the model and the day:")
    st.download_button(
        "Download as PNG",
        lambda: reason_card(card_of(listing, reasons, datetime.now(UTC).date())),
        file_name=f"why_{int(listing.data.movie_ids[reasons.movie])}.png",
        mime="image/png",
        icon=":material/image:",
        key="why_picture",
        on_click="ignore",
    )


def link_to(listing: Listing, movie: int) -> str:
    """The address of the page with this person, these settings, and *Why?* open for the film."""
    data, user = listing.data, listing.viewer.user
    assert user is not None
    query: list[tuple[str, str]] = [
        ("tab", "Recommendations"),
        ("user", str(data.user_ids[user])),
        (WHY, str(data.movie_ids[movie])),
    ]
    for name in _OF_THE_LIST:
        value = st.session_state.get(name)
        values = value if isinstance(value, list | tuple) else [value]
        query += [(name, _as_text(each)) for each in values if each is not None]
    return f"{(st.context.url or '').rstrip('/')}/?{urlencode(query)}"


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def asked_for(listing: Listing) -> int | None:
    """The (inner) film whose reasons the link asks for; once per visit."""
    asked = st.query_params.get(WHY)
    if asked is None or st.session_state.get(WHY) == asked:
        return None
    st.session_state[WHY] = asked
    return listing.data.inner_movie(int(asked))


# --- the picture ----------------------------------------------------------------------------------


def card_of(listing: Listing, reasons: Explanation, day: date) -> ReasonCard:
    """What the picture says of a film."""
    data, movie = listing.data, reasons.movie
    ((expected, unsure),) = listing.stars([movie])
    lines = score_lines(reasons, _TERMS)
    sentence = because(data, listing.viewer, reasons, plain=True) + for_everyone(listing, movie)
    names = [line_name(data, listing.viewer, reasons, line) for line in lines]
    values = [line.value for line in lines]
    verdict = (
        plain_sum_of_parts(listing.item(movie)),
        f"{ordinal(listing.rank(movie))} of {int(listing.listed.sum()):,}",
        f"expected {stars_text(expected, unsure)}",
    )
    return ReasonCard(
        title=data.labels[movie],
        verdict=" · ".join(verdict),
        sentence=sentence,
        lines=tuple(
            ReasonLine(name, value, text, line.kind == "own")
            for name, value, text, line in zip(
                names, values, _shares(values, reasons.graph_score), lines, strict=True
            )
        ),
        total=f"Together: the graph score {number(rounded_sum(values, _DECIMALS), _DECIMALS)}",
        origin=origin(listing, day),
    )


def _shares(values: Sequence[float], whole: float) -> list[str]:
    """What stands behind each bar: the value, rounded to add up, and its share of the score."""
    shown = [number(value, _DECIMALS) for value in rounded_parts(values, _DECIMALS)]
    if whole <= 0:
        return shown
    return [
        f"{text} · {percent(value / whole).replace('-', '−')}"
        for text, value in zip(shown, values, strict=True)
    ]


def origin(listing: Listing, day: date) -> str:
    """Model, its day, the data, and the day of the picture."""
    data, model = listing.data, listing.model
    kind = "hybrid graph" if model.is_hybrid else "the paper’s graph"
    saved = stamp(checkpoint_path())
    made = f", saved on {datetime.fromtimestamp(saved[1] / 1e9, UTC).date()}" if saved else ""
    name = (
        "the demo data (simulated viewers)" if data.directory == DEMO_DIR else data.directory.name
    )
    who = (
        "a visitor"
        if listing.viewer.user is None
        else (f"user {data.user_ids[listing.viewer.user]}")
    )
    return (
        f"For {who}. {OURS}, {kind}{made}, on {name}: {data.n_ratings:,} ratings. Picture of {day}."
    )
