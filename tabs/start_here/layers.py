"""Start Here: message passing layer by layer, and how far it carries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from analysis.layers import DEPTH, LAST, MEAN, Reach, people_measured
from analysis.neighbourhood import OTHER, Kind, Node
from analysis.replay import Crowd, deepening
from charts.basics import BLUE, ORANGE, VERMILLION
from charts.html import Bar, Strip, bars, strips
from charts.neighbourhood import node_name
from charts.replay import Curve, Played, player_data
from data_preparation import MovieData
from model.splits import Split
from serving.replays import Replay
from tabs.shared import count, escape
from tabs.start_here import computed
from tabs.start_here.story import Story, in_sum, needs_model, quiz, say_which_network
from tabs.steps import arrive, asked, leave
from tabs.watching import watch

_SHOWN = 4  # dimensions of a message written out as numbers
_MEAN_SHOWN = 4  # dimensions of the layers and their mean
_MEASURED = {"users": "users alike", "films": "films alike", "ndcg": "NDCG@20"}
_CURVES = tuple(
    Curve(
        title,
        ((LAST, VERMILLION, f"{LAST} {name}"), (MEAN, BLUE, f"{MEAN} {name}")),
    )
    for name, title in {
        "users": "Two users: mean cosine",
        "films": "Two films: mean cosine",
        "ndcg": "NDCG@20 on validation",
    }.items()
)
_LOUDEST = 5  # messages with a strip of their own
_LISTED = 5_000  # rows of the table


def messages(story: Story) -> None:
    """Chapter: one step of message passing in full, then the mean of the layers."""
    st.subheader("Message passing, step by step")
    story.say(
        "Everyone in the graph, people and films alike, carries a list of numbers: an "
        "**embedding**, a kind of taste profile. In one step, everyone collects their neighbours' "
        "lists, turns each down or up by the weight of the line, and adds them. That sum is the "
        "new list. After two steps, a film has heard from the other films of its viewers.",
        r"$E^{(k+1)} = \hat{E}\,E^{(k)}$ with $\hat{E} = D^{-\frac12} A D^{-\frac12}$, or node by "
        r"node $e_u^{(k+1)} = \sum_{i \in N(u)} \frac{1}{\sqrt{d_u d_i}}\, e_i^{(k)}$: no weight "
        "matrix, no activation, no self-loop (He et al. 2020, eq. 3). **Ê in one sentence:** it "
        "says for each pair of neighbours how much of one's embedding arrives at the other: "
        r"$\hat{E}_{ui} = 1/\sqrt{d_u \cdot d_i}$ if $u$ rated $i$, and 0 otherwise.",
    )
    if needs_model(story):
        return
    say_which_network(story)
    if not computed.network(story).layers:
        st.info("This model has no layer: no message is passed, everyone keeps what was learned.")
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
    data, depth = story.data, computed.network(story).layers
    movies, weights = data.rated_by(story.user), data.edge_weights(story.user)
    heaviest = movies[np.argsort(-weights, kind="stable")[:15]]
    nodes: list[Node] = [("user", story.user), *(("movie", int(m)) for m in heaviest)]
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
    steps = [str(k) for k in range(depth)]
    arrive("step", asked("step", steps, "0"))
    if st.session_state["step"] not in steps:  # left from a deeper model
        st.session_state["step"] = "0"
    now = int(st.session_state["step"])
    _step_button("Back", "skip_previous", now - 1, depth)
    chosen = st.segmented_control(
        "Step",
        steps,
        required=True,
        format_func=lambda k: f"layer {k} → {int(k) + 1}",
        key="step",
        persist_state="session",
    )
    _step_button("Next", "play_arrow", now + 1, depth)
    leave(step=chosen)
    return int(chosen or 0)


def _step_button(name: str, icon: str, goal: int, depth: int) -> None:
    st.button(
        name,
        key=f"step_{name.lower()}",
        icon=f":material/{icon}:",
        disabled=not 0 <= goal < depth,
        on_click=_go_to_step,
        args=(goal,),
    )


def _go_to_step(k: int) -> None:
    st.session_state["step"] = str(k)


@dataclass(frozen=True, eq=False)
class Messages:
    """What arrives at a node in one step, the largest message first.

    Attributes:
        senders: the neighbours, an inner id each.
        kind: theirs.
        weights: 1/√(d_u·d_i), [n].
        sending: the senders' embeddings, [n, dim]; times the weights, they add up to `result`.
        before, result: the receiver's embedding before and after, [dim].
    """

    data: MovieData
    kind: Kind
    senders: NDArray[np.int64]
    weights: NDArray[np.float32]
    sending: NDArray[np.float32]
    before: NDArray[np.float32]
    result: NDArray[np.float32]

    @property
    def sent(self) -> NDArray[np.float32]:
        return self.weights[:, None] * self.sending  # [n, dim]

    def name(self, place: int) -> str:
        return f"{place + 1}. {node_name(self.data, (self.kind, int(self.senders[place])))}"

    def arithmetic(self, place: int) -> str:
        degree = self.data.user_degree if self.kind == "user" else self.data.movie_degree
        return f"1/√({len(self.senders)} · {degree[self.senders[place]]})"


def arriving(story: Story, node: Node, k: int) -> Messages:
    """What the neighbours send to the node, layer k to k + 1; there must be a model."""
    network, kind = computed.network(story), OTHER[node[0]]
    senders, weights = network.neighbours(node)
    sending = network.side(kind, k)[senders]  # [n, dim]
    loudest = np.argsort(-weights * np.linalg.norm(sending, axis=1), kind="stable")
    senders, weights, sending = senders[loudest], weights[loudest], sending[loudest]
    return Messages(
        data=story.data,
        kind=kind,
        senders=senders,
        weights=weights,
        sending=sending,
        before=network.at(node, k),
        result=weights @ sending,
    )


def _step(story: Story, node: Node, k: int) -> None:
    """Who sends what to the node, and the sum."""
    found = arriving(story, node, k)
    name = node_name(story.data, node)
    silent = not found.sending.any()
    st.markdown(
        f"**{count(len(found.senders), 'neighbour')} of {escape(name)} send their layer-{k} "
        "embedding**, each times the weight of its line, loudest first:"
        + (
            " but all of them are zeros in this step, because people start at zero: **films hold "
            "something at layers 0, 2, …, people at layers 1, 3, …** Take another step, or "
            f"another receiver: {'a film' if node[0] == 'user' else story.whom}."
            if silent
            else ""
        )
    )
    st.html(
        strips(
            message_strips(found, k, _LOUDEST),
            f"The messages that reach {name} in step {k} to {k + 1}, and their sum",
            stagger=True,
        )
    )
    st.caption(
        f"One cell for each of the {len(found.result)} numbers: orange is positive, blue negative,"
        " stronger is larger (by the square root, so that small numbers show). **The "
        "messages add up to the last row**, column by column; the embedding before plays no part "
        "in it, and has a scale of its own."
    )
    _sum_in_numbers(story, node, k, found)
    _senders_table(story, found)


def message_strips(found: Messages, k: int, loudest: int) -> list[Strip]:
    """Before, the loudest messages, the rest in one, and the sum."""
    sent, degree = found.sent, len(found.senders)
    rows = [
        Strip(f"before: layer {k}", found.before, apart=True),
        *(
            Strip(
                found.name(n),
                sent[n],
                f"× {found.weights[n]:.4f}",
                f" = {found.arithmetic(n)}",
            )
            for n in range(min(loudest, degree))
        ),
    ]
    if degree > loudest:
        rows.append(Strip(f"{degree - loudest:,} more", sent[loudest:].sum(axis=0)))
    return [*rows, Strip(f"sum: layer {k + 1}", found.result, total=True)]


def _sum_in_numbers(story: Story, node: Node, k: int, found: Messages) -> None:
    """The first dimension of the sum, written out: the same messages, and the rest, as above."""
    head, sent = _LOUDEST, found.sent[:, 0]
    terms = [
        rf"{w:.4f} \cdot {in_sum(value, 4)} \quad\text{{({n}.)}}"
        for n, (w, value) in enumerate(
            zip(found.weights[:head], found.sending[:head, 0], strict=True), 1
        )
    ]
    if len(sent) > head:
        rest = float(sent[head:].sum())
        terms.append(rf"{in_sum(rest, 4)} \quad\text{{({len(sent) - head} more)}}")
    who = "u" if node[0] == "user" else "i"
    result = rf"e_{who}^{{({k + 1})}}[0]"
    if not story.formulas:
        st.markdown(f"The first of the numbers, written out, is number 0 of layer {k + 1}:")
        result = ""
    lines = r" \\ & + ".join(terms)
    st.latex(
        rf"\begin{{aligned}} {result} {'=' * story.formulas} \; & {lines} \\ = \; & "
        rf"\mathbf{{{found.result[0]:.4f}}} \end{{aligned}}"
    )


def _senders_table(story: Story, found: Messages) -> None:
    """The senders, once the reader asks for them: there may be thousands."""
    n_senders = len(found.senders)
    listed = range(min(n_senders, _LISTED))
    which = "All" if len(listed) == n_senders else f"The {len(listed):,} loudest of"
    opened = st.expander(
        f"{which} {n_senders:,} messages as a table", key="senders", on_change="rerun"
    )
    if not opened.open:
        return
    sending = found.sending[: len(listed)]
    sent = found.sent[: len(listed)]
    table = {
        "from": [found.name(n) for n in listed],
        "arithmetic": [found.arithmetic(n) for n in listed],
        "weight": found.weights[: len(listed)],
    }
    for n in range(min(_SHOWN, len(found.result))):
        table[f"its [{n}]"] = sending[:, n]
    for n in range(min(_SHOWN, len(found.result))):
        table[f"sends [{n}]"] = sent[:, n]
    opened.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        height=280,
        column_config=dict.fromkeys(list(table)[2:], st.column_config.NumberColumn(format="%.4f")),
        alt="Senders with weight, embedding and message in the first dimensions",
    )


def _mean_of_layers(story: Story, node: Node) -> None:
    """All layers of the node and their mean, the final embedding."""
    own = computed.network(story).layers_of(node)  # [K + 1, dim]
    st.subheader("The final embedding is the mean of all layers")
    if story.formulas:
        formula = r"F = \tfrac{1}{K+1}\textstyle\sum_{k=0}^{K} E^{(k)}, \qquad K = "
        st.latex(f"{formula}{len(own) - 1}")
    story.say(
        f"{_layers_in_words(node, own)} The mean keeps all of it, the near and the far.",
        r"Weights $\alpha_k = 1/(K+1)$ as in the paper: the mean keeps $E^{(0)}$, which stands in "
        "for self-loops and holds over-smoothing back (eq. 4 and section 3.2).",
    )
    rows = [Strip(f"layer {k}", values) for k, values in enumerate(own)]
    rows.append(Strip("mean = final", own.mean(axis=0), total=True))
    st.html(strips(rows, f"All layers of {node_name(story.data, node)} and their mean"))
    shown = min(_MEAN_SHOWN, own.shape[1])
    st.table(
        pd.DataFrame(
            [[f"{value:.4f}" for value in row.values[:shown]] for row in rows],
            index=[row.name for row in rows],
            columns=[f"[{n}]" for n in range(shown)],
        ),
        alt="The first dimensions of the layers and of their mean",
    )


def _layers_in_words(node: Node, own: NDArray[np.float32]) -> str:
    """What each of the first layers of a node holds.

    Args:
        own: its layers, [K + 1, dim].
    """
    holds = (
        ("what was learned about the person", "their films", "people with the same films")
        if node[0] == "user"
        else ("what was learned about the film", "its viewers", "the other films of its viewers")
    )
    empty = "empty, because people start at zero"
    says = [
        f"layer {k} is {what if values.any() else empty}"
        for k, (what, values) in enumerate(zip(holds, own, strict=False))
    ]
    return f"{'; '.join(says).capitalize()}."


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
        ["fewer than a third", "from a third to nine in ten", "more than nine in ten"],
        0 if share < 1 / 3 else 1 if share <= 0.9 else 2,
        f"{found[3].films:,} films, {share:.1%}.",
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
    share = found[3].films / rated
    story.say(
        f"Each layer carries information one hop. After three, {story.whom} "
        f"{story.verb('hears', 'hear')} from {share:.1%} of all films"
        + (
            f", so more layers can reach at most another {1 - share:.1%}; for the rest they mix "
            "what has arrived already."
            if share > 0.9
            else "; more layers reach further."
        ),
        f"K layers mix the K-hop neighbourhood. From {story.whom}, two hops hold "
        f"{found[2].users:,} of {data.n_users:,} users, and three {found[3].films:,} of "
        f"{rated:,} rated films: the receptive field of K = 3.",
    )


def _lab(story: Story) -> None:
    st.subheader("Over-smoothing lab: does deeper help?")
    if needs_model(story):
        return
    say_which_network(story)
    story.say(
        "If everyone keeps averaging with their neighbours, all profiles grow alike. The lab takes "
        "layer 0, passes messages up to eight times, and shows after every step where the films "
        "point, how alike the profiles are and how good the recommendations still are.",
        r"$\hat{E}^k E^{(0)}$ tends to the leading eigenvector ($\propto \sqrt{d}$), so all "
        "cosines within a side tend to 1. Mean cosine over **all** pairs, and NDCG@20 on the "
        f"validation part of `{story.trained.protocol}`, propagated over its training part.",
    )
    if not st.toggle("Run the lab", key="lab"):
        return
    people, split = computed.people(story)
    row = people.row_of(story.user)
    replay = watch(
        (story.key(), story.user, "layers"),
        DEPTH + 1,
        partial(deepening, people, split, computed.network(story), row),
        lambda found: player_data(
            story.data, people, found.frames, _played(story, people, split, found)
        ),
        "layers",
    )
    if replay:
        _lab_in_words(story, people, split, replay)


def _played(story: Story, people: Crowd, split: Split, found: Replay) -> Played:
    row = people.row_of(story.user)
    return Played(
        id=f"{story.key()} {story.user}",
        unit="layer",
        total=found.total,
        running=found.status == "running",
        title="Where the best-known films point in this layer alone",
        curves=_CURVES,
        user=0,
        who=story.name,
        known=split.train[[row]].indices,
        held_out=split.hidden()[[row]].indices,
    )


def _lab_in_words(story: Story, people: Crowd, split: Split, replay: Replay) -> None:
    hybrid = story.trained.is_hybrid
    kept, deepest = computed.network(story).layers, replay.frames[-1].number
    end = replay.frames[-1].measures
    what = "the network of these chapters" if hybrid else "the model in use"
    st.markdown(
        f"After {deepest} layers two users have a mean cosine of **{end[f'{LAST} users']:.2f}** in "
        f"the last layer alone, and **{end[f'{MEAN} users']:.2f}** in the mean of the layers. "
        f"NDCG@20: **{end[f'{LAST} ndcg']:.4f}** and **{end[f'{MEAN} ndcg']:.4f}**, against "
        f"**{replay.frames[kept].measures[f'{MEAN} ndcg']:.4f}** for the mean up to layer {kept}, "
        f"{what}."
    )
    start = (
        "Layer 0 was fitted for the model that serves, not for any number of these layers"
        if hybrid
        else f"Layer 0 was trained for {count(kept, 'layer')}"
    )
    st.caption(
        f"{start}; a model trained for another depth would learn another one, so the curves show "
        "the effect of depth, not the best depth."
        + (" A side that is zero in a layer counts with its layer before." if hybrid else "")
        + (
            " It was learned on all ratings, the validation ones included, so the NDCG flatters."
            if story.trained.refitted
            else ""
        )
        + (
            f" Messages pass among {len(people.users):,} people, chosen at random, and the films "
            "that they rated."
            if people.sampled
            else ""
        )
        + (
            f" NDCG is of {people_measured(split):,} of them."
            if people_measured(split) < len(people.users)
            else ""
        )
        + f" All of it took {replay.seconds:.1f} s."
    )
    with st.expander("The numbers"):
        rows = [
            {"layer": frame.number, "kind": kind}
            | {title: frame.measures[f"{kind} {name}"] for name, title in _MEASURED.items()}
            for frame in replay.frames
            for kind in (LAST, MEAN)
        ]
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            alt="Mean cosines and NDCG by layer",
        )
