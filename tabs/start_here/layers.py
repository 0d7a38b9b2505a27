"""Start Here: message passing layer by layer, and how far it carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from analysis.layers import LAST, MEAN, Reach, Smoothing, node_of, row_of, senders
from analysis.neighbourhood import Node
from charts.basics import BLUE, ORANGE
from charts.html import Bar, Strip, bars, strips
from charts.neighbourhood import node_name
from charts.smoothing import smoothing_chart
from tabs.shared import draw
from tabs.start_here import computed
from tabs.start_here.story import Story, needs_model, quiz

_SHOWN = 4  # dimensions of a message written out as numbers
_MEAN_SHOWN = 4  # dimensions of the layers and their mean
_LOUDEST = 5  # messages with a strip of their own


def messages(story: Story) -> None:
    """Chapter: one step of message passing in full, then the mean of the layers."""
    st.subheader("Message passing, step by step")
    story.say(
        "Everyone in the graph, people and films alike, carries a list of numbers: an "
        "**embedding**, a kind of taste profile. In one step, everyone collects their neighbours' "
        "lists, turns each down or up by the weight of the edge, and adds them. That sum is the "
        "new list. After two steps, someone else's films have reached you.",
        r"$E^{(k+1)} = \hat{E}\,E^{(k)}$ with $\hat{E} = D^{-\frac12} A D^{-\frac12}$, or node by "
        r"node $e_u^{(k+1)} = \sum_{i \in N(u)} \frac{1}{\sqrt{d_u d_i}}\, e_i^{(k)}$: no weight "
        "matrix, no activation, no self-loop (He et al. 2020, eq. 3).",
    )
    st.markdown(
        "**Ê in one sentence:** it is the table that says, for each pair of neighbours, how much "
        r"of one's embedding arrives at the other: $\hat{E}_{ui} = 1/\sqrt{d_u \cdot d_i}$ if $u$ "
        "rated $i$, and 0 otherwise."
    )
    if needs_model(story):
        return
    if not story.trained.config.layers:
        st.info("This model has K = 0 layers: no message is passed, the embedding stays E⁽⁰⁾.")
        return
    _stepper(story)


@st.fragment
def _stepper(story: Story) -> None:
    """One step for one node; choosing another redraws nothing else of the chapter."""
    node, k = _choose_step(story)
    _step(story, node, k)
    _mean_of_layers(story, node)


def _choose_step(story: Story) -> tuple[Node, int]:
    """Who receives, and which layer sends."""
    data, depth = story.data, story.trained.config.layers
    movies, weights = data.rated_by(story.user), data.edge_weights(story.user)
    loudest = movies[np.argsort(-weights, kind="stable")[:15]]
    nodes: list[Node] = [("user", story.user), *(("movie", int(m)) for m in loudest)]
    who, step = st.columns([3, 2], vertical_alignment="bottom")
    place = who.selectbox(
        "Who receives",
        range(len(nodes)),
        format_func=lambda n: node_name(data, nodes[n]),
        key=f"receiver_{story.user}",
        help="The worked user, or one of the user's films: films receive from their viewers.",
    )
    with step.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        return nodes[place], _step_control(depth)


def _step_control(depth: int) -> int:
    """Back, any step, on; the layer that sends."""
    key = f"step_of_{depth}"
    now = st.session_state.get(key, 0)
    _step_button("Back", "skip_previous", key, now - 1, depth)
    k = st.segmented_control(
        "Step",
        range(depth),
        default=0,
        required=True,
        format_func=lambda k: f"layer {k} → {k + 1}",
        key=key,
        persist_state="session",
    )
    _step_button("Next", "play_arrow", key, now + 1, depth)
    return k


def _step_button(name: str, icon: str, key: str, goal: int, depth: int) -> None:
    st.button(
        name,
        key=f"step_{name.lower()}",
        icon=f":material/{icon}:",
        disabled=not 0 <= goal < depth,
        on_click=_go_to_step,
        args=(key, goal),
    )


def _go_to_step(key: str, k: int) -> None:
    st.session_state[key] = k


@dataclass(frozen=True, eq=False)
class Messages:
    """What arrives at a node in one step, the largest message first.

    Attributes:
        rows: of the senders in Ê and E.
        weights: 1/√(d_u·d_i), [n].
        sending: the senders' embeddings, [n, dim]; times the weights, they add up to `result`.
        before, result: the receiver's embedding before and after, [dim].
    """

    rows: NDArray[np.int32]
    names: list[str]
    arithmetic: list[str]
    weights: NDArray[np.float32]
    sending: NDArray[np.float32]
    before: NDArray[np.float32]
    result: NDArray[np.float32]

    @property
    def sent(self) -> NDArray[np.float32]:
        return self.weights[:, None] * self.sending  # [n, dim]


def arriving(story: Story, node: Node, k: int) -> Messages:
    """What the neighbours send to the node, layer k to k + 1; there must be a model."""
    data, layers = story.data, computed.layers(story)
    row = row_of(data, node)
    rows, weights = senders(computed.adjacency(story), row)
    sizes = weights * np.linalg.norm(layers[k][rows], axis=1)
    loudest = np.argsort(-sizes, kind="stable")
    rows, weights = rows[loudest], weights[loudest]
    degrees = np.concatenate([data.user_degree, data.movie_degree])[rows]
    return Messages(
        rows=rows,
        names=[f"{n}. {node_name(data, node_of(data, r))}" for n, r in enumerate(rows, 1)],
        arithmetic=[f"1/√({len(rows)} · {d})" for d in degrees],
        weights=weights,
        sending=layers[k][rows],
        before=layers[k][row],
        result=layers[k + 1][row],
    )


def _step(story: Story, node: Node, k: int) -> None:
    """Who sends what to the node, and the sum."""
    found = arriving(story, node, k)
    degree = len(found.rows)
    st.markdown(
        f"**{degree:,} neighbours send their layer-{k} embedding**, each times the weight of its "
        "edge, loudest first:"
    )
    name = node_name(story.data, node)
    st.html(
        strips(
            message_strips(found, k, _LOUDEST),
            f"The messages that reach {name} in step {k} to {k + 1}, and their sum",
            stagger=True,
        )
    )
    st.caption(
        f"One cell per dimension of {story.trained.config.dim}: orange is positive, blue "
        "negative, stronger is larger (by the square root, so that small numbers show). **The "
        "messages add up to the last row**, column by column; the embedding before plays no part "
        "in it, and has a scale of its own."
    )
    _sum_in_numbers(node, k, found)
    _senders_table(story, found)


def message_strips(found: Messages, k: int, loudest: int) -> list[Strip]:
    """Before, the loudest messages, the rest in one, and the sum."""
    sent, degree = found.sent, len(found.rows)
    rows = [
        Strip(f"before: e({k})", found.before, apart=True),
        *(
            Strip(
                found.names[n],
                sent[n],
                f"× {found.weights[n]:.4f}",
                f" = {found.arithmetic[n]}",
            )
            for n in range(min(loudest, degree))
        ),
    ]
    if degree > loudest:
        rows.append(Strip(f"{degree - loudest:,} more", sent[loudest:].sum(axis=0)))
    return [*rows, Strip(f"sum: e({k + 1})", found.result, total=True)]


def _sum_in_numbers(node: Node, k: int, found: Messages) -> None:
    """The first dimension of the sum, written out."""
    head, sent = 3, found.sent[:, 0]
    terms = [
        rf"{w:.4f} \cdot {_signed(value)} \quad\text{{({n}.)}}"
        for n, (w, value) in enumerate(
            zip(found.weights[:head], found.sending[:head, 0], strict=True), 1
        )
    ]
    if len(sent) > head:
        rest = float(sent[head:].sum())
        terms.append(rf"{_signed(rest)} \quad\text{{({len(sent) - head} more)}}")
    who = "u" if node[0] == "user" else "i"
    lines = r" \\ & + ".join(terms)
    st.latex(
        rf"\begin{{aligned}} e_{who}^{{({k + 1})}}[0] = \; & {lines} \\ = \; & "
        rf"\mathbf{{{found.result[0]:.4f}}} \end{{aligned}}"
    )


def _signed(value: float) -> str:
    return f"({value:.4f})" if value < 0 else f"{value:.4f}"


def _senders_table(story: Story, found: Messages) -> None:
    """Every sender, once the reader asks for them: there may be thousands."""
    opened = st.expander(
        f"All {len(found.rows):,} messages as a table", key="senders", on_change="rerun"
    )
    if not opened.open:
        return
    table = {
        "from": found.names,
        "arithmetic": found.arithmetic,
        "weight": found.weights,
    }
    for n in range(min(_SHOWN, story.trained.config.dim)):
        table[f"its [{n}]"] = found.sending[:, n]
    for n in range(min(_SHOWN, story.trained.config.dim)):
        table[f"sends [{n}]"] = found.sent[:, n]
    opened.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        height=280,
        column_config=dict.fromkeys(list(table)[2:], st.column_config.NumberColumn(format="%.4f")),
        alt="Every sender with weight, embedding and message in the first dimensions",
    )


def _mean_of_layers(story: Story, node: Node) -> None:
    """All layers of the node and their mean, the final embedding."""
    model, row = story.trained, row_of(story.data, node)
    own = computed.layers(story)[:, row]  # [K + 1, dim]
    st.subheader("The final embedding is the mean of all layers")
    st.latex(r"F = \tfrac{1}{K+1}\textstyle\sum_{k=0}^{K} E^{(k)}, \qquad K = " + f"{len(own) - 1}")
    story.say(
        "Layer 0 is what was learned about the person; layer 1 is the films; layer 2 is people "
        "with the same films. The mean keeps all of it, the near and the far.",
        r"Weights $\alpha_k = 1/(K+1)$ as in the paper: the mean keeps $E^{(0)}$, which stands in "
        "for self-loops and holds over-smoothing back (eq. 4 and section 3.2).",
    )
    final = (model.user_factors if node[0] == "user" else model.movie_factors)[node[1]]
    rows = [Strip(f"layer {k}", values) for k, values in enumerate(own)]
    rows.append(Strip("mean = final", final, total=True))
    st.html(strips(rows, f"All layers of {node_name(story.data, node)} and their mean"))
    shown = min(_MEAN_SHOWN, model.config.dim)
    st.table(
        pd.DataFrame(
            [[f"{value:.4f}" for value in row.values[:shown]] for row in rows],
            index=[row.name for row in rows],
            columns=[f"[{n}]" for n in range(shown)],
        ),
        alt="The first dimensions of the layers and of their mean",
    )


# --- how far --------------------------------------------------------------------------------------


def reach(story: Story) -> None:
    """Chapter: how many nodes are within so many hops, and why more layers do not help."""
    data, found = story.data, computed.reach(story)
    st.subheader("How far information travels")
    rated = int((data.movie_degree > 0).sum())
    share = found[3].films / rated
    revealed = quiz(
        f"quiz_reach_{story.user}",
        f"{story.name} rated {found[1].films:,} films. How many of the {rated:,} rated films are "
        "within **three** hops?",
        ["about as many again", "about half of them", "more than nine in ten"],
        0 if share < 0.3 else 1 if share <= 0.9 else 2,
        f"{found[3].films:,} films, {share:.1%}: the world is small.",
    )
    if revealed:
        _reach_in_numbers(story, found, rated)
    _lab(story)


def _reach_in_numbers(story: Story, found: list[Reach], rated: int) -> None:
    data = story.data
    steps = [
        (hop, hop.films, rated, "films", BLUE)
        if hop.hops % 2  # odd hops end at films, even ones at users
        else (hop, hop.users, data.n_users, "users", ORANGE)
        for hop in found[1:]
    ]
    st.html(
        bars(
            [
                Bar(
                    f"{hop.hops} hop{'s' * (hop.hops > 1)}: {reached:,} of {total:,} {kind}",
                    reached / total,
                    f"{reached / total:.1%}",
                    colour,
                )
                for hop, reached, total, kind, colour in steps
            ],
            "Share of the users or films within 1 to 4 hops",
            (0.0, 1.0),
        )
    )
    story.say(
        "Each layer carries information one hop. After three, a person hears from nearly every "
        "film there is, so more layers bring nothing new; they only stir the pot.",
        f"K layers mix the K-hop neighbourhood. From {story.name}, hop 2 holds "
        f"{found[2].users:,} of {data.n_users:,} users: the receptive field is full by K = 3.",
    )


def _lab(story: Story) -> None:
    st.subheader("Over-smoothing lab: does deeper help?")
    if needs_model(story):
        return
    kept = story.trained.config.layers
    story.say(
        "If everyone keeps averaging with everyone, all profiles end up the same. The lab takes "
        "the model's start, passes messages up to eight times, and measures after every step how "
        "alike the profiles are and how good the recommendations still are.",
        r"$\hat{E}^k E^{(0)}$ tends to the leading eigenvector ($\propto \sqrt{d}$), so all "
        "cosines within a side tend to 1. Mean cosine over **all** pairs, and NDCG@20 on the "
        f"validation part of `{story.trained.protocol}`, propagated over its training part.",
    )
    if not st.toggle("Run the lab (a few seconds, once per model)", key="lab"):
        return
    try:
        results = computed.smoothing(story)
    except ValueError as error:  # tiny data hold nothing out
        st.info(str(error))
        return
    users, films, quality = st.tabs(["Users alike", "Films alike", "Recommendations"])
    with users:
        draw(
            smoothing_chart(results, "users", "mean cosine of two users", kept),
            "Mean cosine between users by layer",
        )
    with films:
        draw(
            smoothing_chart(results, "films", "mean cosine of two films", kept),
            "Mean cosine between films by layer",
        )
    with quality:
        draw(
            smoothing_chart(results, "ndcg", "NDCG@20 on validation", kept),
            "NDCG at 20 on validation ratings by layer",
        )
    _lab_in_words(story, results)


def _lab_in_words(story: Story, results: list[Smoothing]) -> None:
    kept, deepest = story.trained.config.layers, max(r.layer for r in results)
    value = {(r.kind, r.layer): r for r in results}
    last, mean = value[LAST, deepest], value[MEAN, deepest]
    st.markdown(
        f"After {deepest} layers two users have a mean cosine of **{last.users:.2f}** in the last "
        f"layer alone, but **{mean.users:.2f}** in the mean of the layers. NDCG@20: "
        f"**{last.ndcg:.4f}** and **{mean.ndcg:.4f}**, against **{value[MEAN, kept].ndcg:.4f}** "
        f"for the mean up to layer {kept}, the model in use (dashed line)."
    )
    learned = "all ratings, the validation ones included, so its NDCG flatters"
    st.caption(
        f"E⁽⁰⁾ was trained for K = {kept}; a model trained for another depth would learn another "
        "one, so the curve shows the effect of depth, not the best K. "
        + (f"This E⁽⁰⁾ was learned on {learned}." if story.trained.refitted else "")
    )
    with st.expander("The numbers"):
        table = pd.DataFrame([vars(r) for r in results])
        st.dataframe(table, hide_index=True, alt="Mean cosines and NDCG by layer")
