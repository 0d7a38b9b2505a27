"""*Why this film?*: the whole score, what it goes through, and the ranks without the reasons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from analysis.counterfactual import ranks_without, refitted_ranks
from analysis.reasons import by_kind, named_places, score_lines
from charts.reasons import kind_bars, tag_bars, term_bars
from model.as_of import can_be_refitted
from model.estimate import fit_bytes
from model.explanation import Explanation, explain, through, walks_bytes
from model.memory import too_large
from prediction import similar_movies
from serving.refits import Refit, Report, refit_board
from serving.training_job import JobRefusedError
from settings import training_allowed
from tabs.recommendations.listing import (
    Listing,
    for_everyone,
    ordinal,
    stars_text,
    sum_of_parts,
)
from tabs.recommendations.share import share
from tabs.recommendations.words import about_terms, because, film_with_stars, line_name
from tabs.shared import count, escape, shown_first

_TAGS_SHOWN = 12
_DECIMALS = 4  # of graph scores and tag similarities
_REFUSED = "refit_refused"

_COMPUTED_AGAIN = {
    "hybrid": "the person's own level, every weight and the tags",
    "paper": "every weight and the tags; what was learned about a person as such stays",
}

Case = tuple[str, tuple[int, ...]]
"""What is taken out, in words for Markdown, and which rated films (inner ids)."""


@st.dialog("Why this film?", width="large")
def why_dialog(listing: Listing, movie: int) -> None:
    """The reasons of a film, listed or not."""
    data, item = listing.data, listing.item(movie)
    reasons = explain(data, listing.model, listing.viewer, movie)
    ((expected, unsure),) = listing.stars([movie])
    st.subheader(escape(data.labels[movie]))
    st.markdown(
        f"{sum_of_parts(item)} · {ordinal(listing.rank(movie))} of {int(listing.listed.sum()):,} · "
        f"{stars_text(expected, unsure)}  \n{because(data, listing.viewer, reasons)}"
        f"{for_everyone(listing, movie)}"
    )
    names = ["Rated films", "Without them", "Tags and genres", "Similar films", "Share"]
    films, without, tags, near, shared = st.tabs(names)
    with films:
        _terms(listing, reasons)
    with without:
        _without(listing, reasons)
    with tags:
        _tags(reasons)
    with near:
        _similar(listing, movie)
    with shared:
        share(listing, reasons)


# --- the whole score ------------------------------------------------------------------------------


def _terms(listing: Listing, reasons: Explanation) -> None:
    data, viewer = listing.data, listing.viewer
    lines = score_lines(reasons)
    if not lines:
        st.info("Nobody has rated this film, so the graph has nothing to say about it.")
        return
    names = [line_name(data, viewer, reasons, line) for line in lines]
    st.html(term_bars(names, lines, _DECIMALS))
    st.caption(about_terms(listing.model, reasons))
    paths = _paths(listing, reasons.movie)
    if len(paths) > 1:  # else only what no kind accounts for
        st.markdown("**Through what the rated films reach this one**")
        st.html(kind_bars(by_kind(paths), _DECIMALS))
        st.caption(
            "The same score once more, by what lies between the films: whether the same people "
            "rated both, liked both alike, or the films have something in common."
        )
    largest = np.argsort(-np.abs(reasons.contributions), kind="stable")
    with st.expander(f"All {count(len(largest), 'term')}"):
        places = shown_first(largest, "terms, the largest first")
        table = _term_table(listing, reasons, paths, places)
        st.dataframe(table, hide_index=True, alt="Every term of the graph score")


def _paths(listing: Listing, movie: int) -> dict[str, np.ndarray]:
    """What the rated films add, by kind of node; says so where that is not known, or not yet."""
    if not listing.model.is_hybrid:
        return {}
    left_out = too_large("What lies between the films", walks_bytes(listing.data), listing.data)
    if left_out:
        st.caption(left_out)
        return {}
    walks = listing.walks()
    if walks is None:
        st.caption(
            "What lies between the films: the graph for that is being put together, once for this "
            "model. Open this again in a moment."
        )
        return {}
    return through(walks, listing.model, listing.viewer, np.array([movie]))


def _term_table(
    listing: Listing,
    reasons: Explanation,
    paths: dict[str, np.ndarray],
    places: NDArray[np.integer],
) -> pd.DataFrame:
    """The terms of the rated films in these places."""
    viewer = listing.viewer
    columns: dict[str, Sequence[str] | np.ndarray] = {
        "film": [listing.data.labels[movie] for movie in viewer.movies[places]],
        "stars": viewer.stars[places],
        "weight": reasons.weights[places],
        "contribution": reasons.contributions[places],
    }
    if viewer.attention is not None:
        columns["attention"] = reasons.attention[places]
    if viewer.when is not None:
        columns["lost by age"] = reasons.age_cost[places]
    kinds = {kind.replace("_", " by "): values[places, 0] for kind, values in paths.items()}
    return pd.DataFrame(columns | kinds)


# --- without them ---------------------------------------------------------------------------------


def _cases(listing: Listing, reasons: Explanation) -> list[Case]:
    """Nothing, each named film, and all of them."""
    places = named_places(reasons)
    movies = [int(movie) for movie in listing.viewer.movies[places]]
    cases: list[Case] = [("nothing: as it is", ())]
    cases += [
        (film_with_stars(listing.data, listing.viewer, place), (movie,))
        for place, movie in zip(places, movies, strict=True)
    ]
    if len(places) > 1:
        cases.append((f"**all {'two' if len(places) == 2 else 'three'}**", tuple(movies)))
    return cases


def _without(listing: Listing, reasons: Explanation) -> None:
    cases = _cases(listing, reasons)
    if len(cases) == 1:
        st.info("No rated film speaks for this one, so there is nothing to take out.")
        return
    instant = ranks_without(
        listing.data,
        listing.model,
        listing.viewer,
        [(reasons.movie, removed) for _, removed in cases],
        listing.tag_weight,
        listing.novelty,
        listing.allowed,
        listing.fewest,
        listing.popular_now,
    ).tolist()
    st.fragment(_ranks)(listing, reasons.movie, cases, instant)


def _ranks(listing: Listing, movie: int, cases: Sequence[Case], instant: list[int]) -> None:
    """The table; looked at every second while the model is being fitted again."""
    refit = refit_board().find(_key(listing, movie))
    seconds = 1.0 if refit and refit.status == "running" else None
    table = st.fragment(_rank_table, run_every=seconds) if seconds else _rank_table
    table(listing, movie, cases, instant)


def _rank_table(listing: Listing, movie: int, cases: Sequence[Case], instant: list[int]) -> None:
    refit = refit_board().find(_key(listing, movie))
    fitted = _fitted_column(refit, instant)
    head = "| Taken out | Rank without it |" + (" Rank, fitted again |" if fitted else "")
    rows = [head, "|---|---|" + ("---|" if fitted else "")]
    for place, ((name, removed), rank) in enumerate(zip(cases, instant, strict=True)):
        shown = _rank_or_none(listing, removed, rank)
        rows.append(f"| {name} | {shown} |" + (f" {fitted[place]} |" if fitted else ""))
    st.markdown("\n".join(rows))
    about = (
        "**Rank without it**: the rating is taken out of the profile, and all that depends on it "
        f"is computed again: {_COMPUTED_AGAIN[listing.model.config.model]}. It is the rank by "
        "score among the films that pass the filters."
    )
    if fitted:
        about += " **Rank, fitted again**: the model is fitted on data without the rating, too."
    st.caption(about)
    _offer_refit(listing, movie, cases, refit)


def _rank_or_none(listing: Listing, removed: tuple[int, ...], rank: int) -> str:
    if len(removed) == len(listing.viewer.movies):
        return "no list: nothing is left"
    return ordinal(rank)


def _fitted_column(refit: Refit | None, instant: Sequence[int]) -> list[str]:
    """The ranks after the fits; what is not there yet as three dots. Empty without any."""
    if refit is None or refit.status == "failed":
        return []
    ranks = [instant[0], *refit.ranks]  # with nothing taken out, the fit is the one in use
    return [ordinal(rank) for rank in ranks] + ["…"] * (len(instant) - len(ranks))


def _offer_refit(listing: Listing, movie: int, cases: Sequence[Case], refit: Refit | None) -> None:
    if refit and refit.status == "running":
        done = len(refit.ranks)
        st.progress(done / refit.total, f"Fitting again: {done} of {refit.total} done")
        return
    if refit and refit.status == "finished":
        return
    data = listing.data
    if refit:
        st.warning("The fit failed; the server's log has the reason.", icon=":material/error:")
    if listing.viewer.user is None:
        st.caption("A visitor's ratings are not in the fit, so fitting again would change nothing.")
    elif not can_be_refitted(listing.model):
        st.caption("This model learned step by step; to fit it again would take a whole training.")
    elif left_out := too_large("Fitting again", fit_bytes(data, listing.model.config), data):
        st.caption(left_out)
    elif training_allowed():
        st.button(
            "Fit the model again without them",
            icon=":material/model_training:",
            help="Takes some seconds for each line, in the background.",
            on_click=_start_refit,
            args=(listing, movie, cases),
        )
    if _REFUSED in st.session_state:
        st.info(escape(st.session_state.pop(_REFUSED)))


def _start_refit(listing: Listing, movie: int, cases: Sequence[Case]) -> None:
    asked = [(movie, removed) for _, removed in cases if removed]

    def work(report: Report) -> None:
        settings = (listing.tag_weight, listing.novelty, listing.allowed)
        refitted_ranks(
            *(listing.data, listing.model, listing.viewer, asked, *settings, report),
            fewest=listing.fewest,
            popular_now=listing.popular_now,
        )

    try:
        refit_board().start(_key(listing, movie), len(asked), work)
    except JobRefusedError as refused:
        st.session_state[_REFUSED] = str(refused)


def _key(listing: Listing, movie: int) -> tuple[object, ...]:
    """Of a question to the refits: all that its answer depends on."""
    viewer = listing.viewer
    settings = (
        *(listing.tag_weight, listing.novelty, listing.fewest, listing.popular_now),
        listing.allowed.tobytes(),
    )
    return (
        listing.model.key,
        viewer.user,
        viewer.profile,
        viewer.half_life,
        viewer.movies.tobytes(),
        movie,
        settings,
    )


# --- tags and similar films -----------------------------------------------------------------------


def _tags(reasons: Explanation) -> None:
    if not reasons.tags:
        st.info("This film shares no tag and no genre with the films rated above 2.5 stars.")
        return
    rest = reasons.tags[_TAGS_SHOWN:]
    shown = list(reasons.tags[:_TAGS_SHOWN])
    if rest:
        shown.append((f"{len(rest)} more", sum(share for _, share in rest)))
    st.html(tag_bars(shown, _DECIMALS))
    st.caption(
        f"These add up to the tag similarity **{reasons.tag_similarity:.4f}**, the cosine between "
        "the film and the films rated above 2.5 stars (TF-IDF of tags and genres)."
    )


def _similar(listing: Listing, movie: int) -> None:
    nearest, cosine = similar_movies(listing.model, movie, 10)
    if not len(nearest):
        st.info("Nobody has rated this film, so the graph knows no similar one.")
        return
    st.dataframe(
        pd.DataFrame({"film": [listing.data.labels[m] for m in nearest], "cosine": cosine}),
        hide_index=True,
        column_config={"cosine": st.column_config.NumberColumn(format="%.3f")},
        alt="Most similar films by cosine of the embeddings",
    )
