"""Start Here: message passing layer by layer, and how far it carries."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

import tabs.lesson as shared
from explanation import Node
from plots_teaching import node_name, reach_chart, smoothing_chart, strip_chart
from tabs.lesson import Lesson, needs_model, quiz
from teaching import LAST, MEAN, Reach, Smoothing, node_of, row_of, senders

_SHOWN = 4  # dimensions written out as numbers


def messages(lesson: Lesson) -> None:
    """Chapter: one step of message passing in full, then the mean of the layers."""
    st.subheader("Message passing, step by step")
    lesson.say(
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
    if needs_model(lesson):
        return
    if not lesson.model.config.layers:
        st.info("This model has K = 0 layers: no message is passed, the embedding stays E⁽⁰⁾.")
        return
    node, k = _choose_step(lesson)
    _step(lesson, node, k)
    _mean_of_layers(lesson, node)


def _choose_step(lesson: Lesson) -> tuple[Node, int]:
    """Who receives, and which layer sends."""
    data, depth = lesson.data, lesson.model.config.layers
    movies, weights = data.rated_by(lesson.user), data.edge_weights(lesson.user)
    loudest = movies[np.argsort(-weights, kind="stable")[:15]]
    nodes: list[Node] = [("user", lesson.user), *(("movie", int(m)) for m in loudest)]
    who, step = st.columns([3, 2], vertical_alignment="bottom")
    place = who.selectbox(
        "Who receives",
        range(len(nodes)),
        format_func=lambda n: node_name(data, nodes[n]),
        key=f"receiver_{lesson.user}",
        help="The worked user, or one of the user's films: films receive from their viewers.",
    )
    k = step.segmented_control(
        "Step",
        range(depth),
        default=0,
        required=True,
        format_func=lambda k: f"layer {k} → {k + 1}",
        key=f"step_of_{depth}",
        persist_state="session",
    )
    return nodes[place], k


def _step(lesson: Lesson, node: Node, k: int) -> None:
    """Who sends what to the node, and the sum."""
    data, layers = lesson.data, shared.layers(lesson)
    row = row_of(data, node)
    rows, weights = senders(shared.adjacency(lesson), row)
    sent = weights[:, None] * layers[k][rows]  # [n_senders, dim]
    loudest = np.argsort(-np.linalg.norm(sent, axis=1), kind="stable")
    names = [
        f"{n}. {node_name(data, node_of(data, sender))}"
        for n, sender in enumerate(rows[loudest], 1)
    ]
    degree = len(rows)
    shown = min(_SHOWN, lesson.model.config.dim)
    st.markdown(f"**{degree:,} neighbours send their layer-{k} embedding**, loudest first:")
    _senders_table(lesson, names, rows[loudest], degree, weights[loudest], layers[k], shown)
    _sum_in_numbers(node, k, names, weights[loudest], layers[k][rows[loudest]], layers[k + 1][row])
    few = loudest[:5]
    strips = {f"before: e({k})": layers[k][row]}
    strips |= {names[n][:24]: sent[sender] for n, sender in enumerate(few)}
    if degree > len(few):
        rest = f"{degree - len(few)} more"
        strips[rest] = np.delete(sent, few, axis=0).sum(axis=0)
    strips[f"sum: e({k + 1})"] = layers[k + 1][row]
    st.altair_chart(
        strip_chart(strips),
        alt=f"Embedding before, the messages, and their sum, all {lesson.model.config.dim} numbers",
    )
    st.caption(
        "One cell per dimension: orange is positive, blue negative, stronger is larger (by the "
        "square root, so that small numbers show). All rows but the first add up to the last; the "
        "embedding before the step plays no part in it."
    )


def _senders_table(
    lesson: Lesson,
    names: list[str],
    rows: NDArray[np.int32],
    degree: int,
    weights: NDArray[np.float32],
    layer: NDArray[np.float32],
    shown: int,
) -> None:
    data = lesson.data
    degrees = np.concatenate([data.user_degree, data.movie_degree])[rows]
    table = {
        "from": names,
        "arithmetic": [f"1/√({degree} · {d})" for d in degrees],
        "weight": weights,
    }
    for n in range(shown):
        table[f"its [{n}]"] = layer[rows, n]
    for n in range(shown):
        table[f"sends [{n}]"] = weights * layer[rows, n]
    numbers = st.column_config.NumberColumn(format="%.4f")
    st.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        height=248,
        column_config=dict.fromkeys(list(table)[2:], numbers),
        alt="Every sender with weight, embedding and message in the first dimensions",
    )


def _sum_in_numbers(
    node: Node,
    k: int,
    names: list[str],
    weights: NDArray[np.float32],
    sending: NDArray[np.float32],
    result: NDArray[np.float32],
) -> None:
    """The first dimension of the sum, written out."""
    head = 3
    terms = [
        rf"{w:.4f} \cdot {_signed(value)} \quad\text{{({n + 1}.)}}"
        for n, (w, value) in enumerate(zip(weights[:head], sending[:head, 0], strict=True))
    ]
    rest = float((weights[head:] * sending[head:, 0]).sum())
    if len(names) > head:
        terms.append(rf"{_signed(rest)} \quad\text{{({len(names) - head} more)}}")
    who = "u" if node[0] == "user" else "i"
    lines = r" \\ & + ".join(terms)
    st.latex(
        rf"\begin{{aligned}} e_{who}^{{({k + 1})}}[0] = \; & {lines} \\ = \; & "
        rf"\mathbf{{{result[0]:.4f}}} \end{{aligned}}"
    )


def _signed(value: float) -> str:
    return f"({value:.4f})" if value < 0 else f"{value:.4f}"


def _mean_of_layers(lesson: Lesson, node: Node) -> None:
    """All layers of the node and their mean, the final embedding."""
    model, row = lesson.model, row_of(lesson.data, node)
    own = shared.layers(lesson)[:, row]  # [K + 1, dim]
    st.subheader("The final embedding is the mean of all layers")
    st.latex(r"F = \tfrac{1}{K+1}\textstyle\sum_{k=0}^{K} E^{(k)}, \qquad K = " + f"{len(own) - 1}")
    lesson.say(
        "Layer 0 is what was learned about the person; layer 1 is the films; layer 2 is people "
        "with the same films. The mean keeps all of it, the near and the far.",
        r"Weights $\alpha_k = 1/(K+1)$ as in the paper: the mean keeps $E^{(0)}$, which stands in "
        "for self-loops and holds over-smoothing back (eq. 4 and section 3.2).",
    )
    shown = min(6, model.config.dim)
    rows = {f"layer {k}": values for k, values in enumerate(own)}
    final = model.user_factors if node[0] == "user" else model.movie_factors
    rows["mean = final"] = final[node[1]]
    table = pd.DataFrame(rows, index=[f"[{n}]" for n in range(model.config.dim)]).T
    st.dataframe(table.iloc[:, :shown].style.format("{:.4f}"), alt="Layers and their mean")
    st.altair_chart(strip_chart(rows), alt="All layers and their mean as colour strips")


# --- how far --------------------------------------------------------------------------------------


def reach(lesson: Lesson) -> None:
    """Chapter: how many nodes are within so many hops, and why more layers do not help."""
    data, found = lesson.data, shared.reach(lesson)
    st.subheader("How far information travels")
    rated = int((data.movie_degree > 0).sum())
    share = found[3].films / rated
    revealed = quiz(
        f"quiz_reach_{lesson.user}",
        f"{lesson.name} rated {found[1].films:,} films. How many of the {rated:,} rated films are "
        "within **three** hops?",
        ["about as many again", "about half of them", "more than nine in ten"],
        0 if share < 0.3 else 1 if share <= 0.9 else 2,
        f"{found[3].films:,} films, {share:.1%}: the world is small.",
    )
    if revealed:
        _reach_in_numbers(lesson, found, rated)
    _lab(lesson)


def _reach_in_numbers(lesson: Lesson, found: list[Reach], rated: int) -> None:
    data = lesson.data
    columns = st.columns(3)
    for column, hop in zip(columns, found[1:4], strict=True):
        odd = hop.hops % 2
        column.metric(
            f"{hop.hops} hop{'s' * (hop.hops > 1)}",
            f"{hop.films if odd else hop.users:,} {'films' if odd else 'users'}",
            border=True,
        )
    st.altair_chart(
        reach_chart(found, data.n_users, rated), alt="Share of users and films within 0 to 4 hops"
    )
    lesson.say(
        "Each layer carries information one hop. After three, a person hears from nearly every "
        "film there is, so more layers bring nothing new; they only stir the pot.",
        f"K layers mix the K-hop neighbourhood. From {lesson.name}, hop 2 holds "
        f"{found[2].users:,} of {data.n_users:,} users: the receptive field is full by K = 3.",
    )


def _lab(lesson: Lesson) -> None:
    st.subheader("Over-smoothing lab: does deeper help?")
    if needs_model(lesson):
        return
    kept = lesson.model.config.layers
    lesson.say(
        "If everyone keeps averaging with everyone, all profiles end up the same. The lab takes "
        "the model's start, passes messages up to eight times, and measures after every step how "
        "alike the profiles are and how good the recommendations still are.",
        r"$\hat{E}^k E^{(0)}$ tends to the leading eigenvector ($\propto \sqrt{d}$), so all "
        "cosines within a side tend to 1. Mean cosine over **all** pairs, and NDCG@20 on the "
        f"validation part of `{lesson.model.protocol}`, propagated over its training part.",
    )
    if not st.toggle("Run the lab (a few seconds, once per model)", key="lab"):
        return
    try:
        results = shared.smoothing(lesson)
    except ValueError as error:  # tiny data hold nothing out
        st.info(str(error))
        return
    users, films, quality = st.tabs(["Users alike", "Films alike", "Recommendations"])
    with users:
        st.altair_chart(
            smoothing_chart(results, "users", "mean cosine of two users", kept),
            alt="Mean cosine between users by layer",
        )
    with films:
        st.altair_chart(
            smoothing_chart(results, "films", "mean cosine of two films", kept),
            alt="Mean cosine between films by layer",
        )
    with quality:
        st.altair_chart(
            smoothing_chart(results, "ndcg", "NDCG@20 on validation", kept),
            alt="NDCG at 20 on validation ratings by layer",
        )
    _lab_in_words(lesson, results)


def _lab_in_words(lesson: Lesson, results: list[Smoothing]) -> None:
    kept, deepest = lesson.model.config.layers, max(r.layer for r in results)
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
        + (f"This E⁽⁰⁾ was learned on {learned}." if lesson.model.refitted else "")
    )
    with st.expander("The numbers"):
        table = pd.DataFrame([vars(r) for r in results])
        st.dataframe(table, hide_index=True, alt="Mean cosines and NDCG by layer")
