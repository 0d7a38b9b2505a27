"""Start Here: from embeddings to a recommendation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from analysis.what_if import own_level
from charts.basics import BLUE, VERMILLION
from charts.html import Bar, Strip, bars, strips
from charts.paths import Box, paths
from model.explanation import REST, Explanation, explain, walks_bytes
from model.hybrid_graph import SEEN, TASTE
from model.memory import too_large
from model.profiles import CLEARLY_BELOW, strength
from model.viewers import Viewer
from prediction import DEFAULT_TAG_WEIGHT, Recommendation, Scores
from tabs.shared import count
from tabs.start_here import computed
from tabs.start_here.story import Story, in_sum, needs_model

_TERMS = 6
_PATHS = 5  # films with a box of their own
_SHOWN = 64  # numbers of a vector that are drawn
_KINDS = {  # of nodes, in words
    SEEN: "people who rated both",
    TASTE: "whether these people liked both",
    "genre": "genres",
    "tag": "tags",
    "year": "years",
    "genre_decade": "genres within a decade",
    "series": "titles that begin alike",
    REST: "all else",
}


def recommendation(story: Story) -> None:
    """Chapter: the dot product, the tag part, the blend, and the reasons."""
    st.subheader("From embeddings to a recommendation")
    story.say(
        "A film's score says how well its embedding points the same way as the person's: multiply "
        f"number by number and add up. At most {DEFAULT_TAG_WEIGHT:.0%} of the scale comes from "
        "shared tags and genres. The films with the highest sum are the recommendations.",
        r"$s_{ui} = (1 - w)\,\frac{f_u \cdot f_i}{\max_j f_u \cdot f_j} + w\,"
        r"\frac{\cos(t_u, t_i)}{\max_j \cos(t_u, t_j)}$, the maxima over the films $j$ that can be "
        "listed, "
        f"$w = {DEFAULT_TAG_WEIGHT}$ chosen on validation.",
    )
    if needs_model(story):
        return
    viewer, scores, best = computed.served(story)
    if not best:
        st.info(f"{story.name} rated every film: nothing is left to recommend.")
        return
    rank = st.selectbox(
        "Follow one of the ten best films",
        range(len(best)),
        format_func=lambda n: f"{n + 1}. {story.data.labels[best[n].movie]}",
        key=f"followed_{story.user}",
    )
    item = best[rank]
    _dot_product(story, viewer, item)
    _blend(item, scores)
    reasons = explain(story.served, story.trained, viewer, item.movie)
    _reasons_for(story, item, reasons)
    if story.trained.is_hybrid:
        _weights(story, viewer, reasons)
        _paths(story, viewer, item)
    opened = st.button(
        "Open the Recommendations tab: Why? on every card",
        icon=":material/arrow_forward:",
        on_click=_open_recommendations,
    )
    if opened:
        st.rerun()  # the tabs are outside of this fragment


def _open_recommendations() -> None:
    st.session_state["tab"] = "Recommendations"


def _dot_product(story: Story, viewer: Viewer, item: Recommendation) -> None:
    user, film = viewer.factor, story.trained.movie_factors[item.movie]
    terms = user.astype(float) * film
    largest = np.argsort(-np.abs(terms), kind="stable")[:3]
    lines = [rf"{in_sum(user[n], 3)} \cdot {in_sum(film[n], 3)} \quad [{n}]" for n in largest]
    rest = float(np.delete(terms, largest).sum())
    st.markdown("**1 · The graph score** is a dot product, here with its three largest terms:")
    more = len(terms) - len(largest)
    if more:
        lines.append(rf"{in_sum(rest, 3)} \quad\text{{({more:,} more)}}")
    left = r"f_u \cdot f_i =" if story.formulas else ""
    st.latex(
        rf"\begin{{aligned}} {left} \; & "
        + r" \\ & + ".join(lines)
        + rf" \\ = \; & \mathbf{{{item.graph_score:.4f}}} \end{{aligned}}"
    )
    st.html(
        strips(
            [
                Strip(story.name, user[:_SHOWN], apart=True),
                Strip(story.data.labels[item.movie], film[:_SHOWN], apart=True),
                Strip("product", terms[:_SHOWN], total=True, apart=True),
            ],
            "The user's and the film's embedding and their product, dimension by dimension",
        )
    )
    hidden = (
        f" Drawn are the first {_SHOWN} of {len(terms):,} numbers, which make "
        f"{terms[:_SHOWN].sum():.4f} of the score."
        if len(terms) > _SHOWN
        else ""
    )
    st.caption(
        "Each row on its own scale. Where person and film have the same colour the product is "
        f"orange and the score grows.{hidden}"
    )


def _blend(item: Recommendation, scores: Scores) -> None:
    graph_max = _unit(scores.graph[scores.candidates])
    tags_max = _unit(scores.tags[scores.candidates])
    st.markdown(
        f"**2 · The tag part.** The cosine between the film's tags and genres and those of the "
        f"films rated above 2.5 stars is **{item.tag_similarity:.4f}**.\n\n"
        "**3 · The blend.** Each is divided by the best of the films that can be listed:"
    )
    rows = [
        ("graph", item.graph_score, graph_max, 1 - DEFAULT_TAG_WEIGHT, item.graph_part),
        ("tags and genres", item.tag_similarity, tags_max, DEFAULT_TAG_WEIGHT, item.tag_part),
    ]
    table = pd.DataFrame(rows, columns=["part", "score", "÷ best", "× weight", "= part"])
    st.table(
        table.set_index("part").map("{:.4f}".format),
        alt="Graph part and tag part with their arithmetic",
    )
    st.markdown(
        f"Final score = {item.graph_part:.4f} + {item.tag_part:.4f} = **{item.score:.4f}**."
    )


def _unit(scores: NDArray[np.float32]) -> float:
    """What `prediction.blend` divides by: the best score, or the largest if none is above 0."""
    best = float(scores.max())
    return best if best > 0 else float(np.abs(scores).max())


def _reasons_for(story: Story, item: Recommendation, reasons: Explanation) -> None:
    order = np.argsort(-reasons.contributions, kind="stable")
    speaking = [i for i in order[:3] if reasons.contributions[i] > 0]
    films = ", ".join(f"*{story.film(reasons.rated[i])}*" for i in speaking)
    st.markdown(
        f"**4 · Because {story.whom} rated …** The person's list is a sum over rated films, so the "
        f"score splits into one term per film. What speaks most for "
        f"*{story.film(item.movie)}*: {films or 'no single film'}."
    )
    shown = order[:_TERMS]
    terms = [(story.data.labels[reasons.rated[i]], reasons.contributions[i]) for i in shown]
    if len(order) > len(shown):
        rest = reasons.contributions[order[_TERMS:]].sum()
        terms.append((f"{len(order) - len(shown):,} more", rest))
    if not story.trained.is_hybrid:
        terms.append(("learned about this user", reasons.self_term))
    st.html(
        bars(
            [
                Bar(name, value, f"{value:.4f}", BLUE if value >= 0 else VERMILLION)
                for name, value in terms
            ],
            "Contribution of each rated film to the graph score",
        )
    )
    st.caption(
        f"The bars add up to the graph score {reasons.graph_score:.4f}, exact to rounding"
        + ("; nothing is left over." if story.trained.is_hybrid else ".")
    )


def _weights(story: Story, viewer: Viewer, reasons: Explanation) -> None:
    """How the stars of the hybrid become weights: the rated films of the largest terms."""
    level = own_level(story.trained, viewer)
    delta = strength(story.trained.config, viewer.profile)
    attended = (
        "" if viewer.attention is None else "the attention to the film (chapter *Attention*) times "
    )
    story.say(
        f"**5 · Stars count.** {story.possessive} own level is **{level:.2f} ★**. A film at this "
        f"level weighs 1, and {delta:.2g} more or less for each star above or below; one "
        f"{CLEARLY_BELOW:g} stars or more below it counts for nothing. A term is this weight "
        f"times {attended}how alike the two films are to the model:",
        r"**5 · Stars count.** $x_{uj} = \max(0, 1 + \delta\,(\text{stars} - \mu_u))$, 0 where "
        rf"$\text{{stars}} \leq \mu_u - {CLEARLY_BELOW:g}$, with $\mu_u = {level:.3f}$ and "
        rf"$\delta = {delta:.3g}$ (profile “{viewer.profile}”); the terms are "
        r"$x_{uj}\,(m_j \cdot v_i)$:",
    )
    if viewer.only_averse:
        st.markdown(
            "Here no film speaks for anything, so each speaks against what is like it instead, "
            "with the weight stars less level."
        )
    order = np.argsort(-np.abs(reasons.contributions), kind="stable")[:_TERMS]
    alike = viewer.messages[order] @ story.trained.movie_factors[reasons.movie]
    columns = {
        "film": [story.data.labels[reasons.rated[i]] for i in order],
        "stars": [f"{viewer.stars[i]:g}" for i in order],
        "weight": [f"{value:.3f}" for value in (reasons.weights / reasons.attention)[order]],
        "× attention": [f"{value:.3f}" for value in reasons.attention[order]],
        "× alike": [f"{value:.4f}" for value in alike],
        "= term": [f"{reasons.contributions[i]:.4f}" for i in order],
    }
    if viewer.attention is None:
        del columns["× attention"]
    table = pd.DataFrame(columns)
    st.table(table, hide_index=True, alt="Stars, weight and term of the films that matter most")
    nothing = int((viewer.weights == 0).sum())
    if nothing:
        verb = "counts" if nothing == 1 else "count"
        st.caption(f"{nothing:,} of the {len(viewer.weights):,} rated films {verb} for nothing.")


def _paths(story: Story, viewer: Viewer, item: Recommendation) -> None:
    """The score of the hybrid along the paths: film by film, and by what they go through."""
    left_out = too_large("The way along the paths", walks_bytes(story.served), story.served)
    if left_out:
        st.caption(left_out)
        return
    parts = computed.parts_through(story, item.movie)  # by kind, [n_rated]
    if parts is None:
        _wait_for_paths(story, item.movie)
        return
    kinds = [kind for kind in parts if kind != REST and parts[kind].any()]
    if not kinds:
        return
    if abs(parts[REST].sum()) >= 5e-5:
        kinds.append(REST)
    kinds.sort(key=lambda kind: -parts[kind].sum())
    shares = np.stack([parts[kind] for kind in kinds], axis=1)  # [n_rated, n_kinds]
    totals = shares.sum(axis=1)
    shown = _that_lead(totals)
    boxes = [
        Box(story.data.labels[viewer.movies[j]], f"{viewer.stars[j]:g} ★ · {totals[j]:+.4f}")
        for j in shown
    ]
    rows, more = shares[shown], len(totals) - len(shown)
    if more:
        rest = np.delete(shares, shown, axis=0).sum(axis=0)
        rows = np.vstack([rows, rest])
        boxes.append(Box(count(more, "more film"), f"{rest.sum():+.4f}"))
    st.markdown(
        "**6 · Along which paths?** A path leads from a rated film to what it shares with others, "
        "and from there, over other films, to this one. The thicker a line, the more it carries:"
    )
    st.html(
        paths(
            boxes,
            [
                Box(_KINDS[kind], f"{value:+.4f}")
                for kind, value in zip(kinds, shares.sum(axis=0), strict=True)
            ],
            Box(story.data.labels[item.movie], f"{item.graph_score:.4f}"),
            rows,
        )
    )
    against = " Orange lines speak against the film: they lead away from it." * bool(
        (rows < 0).any()
    )
    st.caption(
        f"Each column adds up to the graph score {item.graph_score:.4f}, exact to rounding."
        f"{against}"
    )


@st.fragment(run_every=2.0)
def _wait_for_paths(story: Story, movie: int) -> None:
    if computed.parts_through(story, movie) is not None:
        st.rerun()
    st.info(
        "**6 · Along which paths?** For that the graph is being put together, once for this model; "
        "the paths appear here by themselves.",
        icon=":material/hourglass_top:",
    )


def _that_lead(totals: NDArray[np.floating]) -> list[int]:
    """The rated films that carry most, and the one that carries most against, if one does."""
    order = np.argsort(-totals, kind="stable").tolist()
    against = [order[-1]] if totals[order[-1]] < 0 else []
    leading = [j for j in order if j not in against][: _PATHS - len(against)]
    return leading + against
