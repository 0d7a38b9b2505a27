"""Start Here: what BPR pulls and pushes, in one real gradient step."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
import streamlit as st
import torch
from numpy.typing import NDArray
from scipy.special import expit

from analysis.bpr_step import BprStep, bpr_step
from charts.basics import GREY, VERMILLION
from charts.html import Bar, bars
from model.bpr import NegativeSampler
from tabs.shared import count, shown_first
from tabs.start_here import computed
from tabs.start_here.story import Story, needs_model, quiz, say_which_network

_STEPS = (0.01, 0.03, 0.1, 0.3, 1.0)
SAMPLED, POPULAR, OBSCURE, HARDEST = NEGATIVES = (
    "drawn at random",
    "popular",
    "obscure",
    "highest score",
)


def step_of_bpr(story: Story) -> None:
    """Chapter: a positive, a negative, and the scores before and after one step."""
    st.subheader("Learning: one step of BPR")
    story.say(
        "Training is a game of pairs. Take a film the person rated (the **positive**) and one they "
        "did not (the **negative**). The rated one should score higher. If it does already, little "
        "happens; if not, its embedding is **pulled** towards the person and the other is "
        "**pushed** away.",
        r"$L = -\ln \sigma(x)$ with $x = f_u \cdot f_i - f_u \cdot f_j$ (Rendle et al. 2009). Only "
        r"$E^{(0)}$ is learned: $E^{(0)} \leftarrow E^{(0)} - \eta\, P\, \partial L/\partial F$ "
        r"with $F = P E^{(0)}$, $P = \frac{1}{K+1}\sum_k \hat{E}^k$ symmetric. The step below is "
        "exact.",
    )
    if needs_model(story):
        return
    _say_how_it_learned(story)
    say_which_network(story)
    if not len(_unrated(story)):
        st.info(f"{story.name} rated every film, so there is no negative to learn from.")
        return
    positive, chosen, size = _choose(story)
    negatives = negatives_of(story, st.session_state.get("draw", 0))
    known = computed.pushes(story, (positive, *negatives.values()))
    steps = {
        name: bpr_step(known, (0, 1, place), size) for place, name in enumerate(negatives, start=2)
    }
    _one_step(story, positive, negatives[chosen], steps[chosen], size)
    _guess_then_compare(story, positive, negatives, steps)


def _say_how_it_learned(story: Story) -> None:
    """Whether the model that serves took such steps."""
    model = story.trained
    if not model.config.fitted:
        says = "The model that serves learned like this"
        if model.is_hybrid:
            says += ", but only the films' numbers: people have none of their own"
    elif model.best_epoch:
        says = (
            "The model that serves was fitted in a closed form, and then refined like this for "
            f"{count(model.best_epoch, 'epoch')}; only films have numbers to learn"
        )
    else:
        says = (
            "The model that serves took no such step: its films were fitted all at once, in a "
            "closed form. This is how LightGCN learns in its paper, and here where epochs are "
            "asked for; only films have numbers to learn"
        )
    st.markdown(f"{says}.")


def _guess_then_compare(
    story: Story, positive: int, negatives: dict[str, int], steps: dict[str, BprStep]
) -> None:
    easy, hard = steps[OBSCURE].pull, steps[POPULAR].pull
    revealed = quiz(
        f"quiz_negative_{story.user}_{positive}",
        f"Which negative teaches more against *{story.film(positive)}*?",
        [
            f"popular: {_named(story, negatives, POPULAR)}",
            f"obscure: {_named(story, negatives, OBSCURE)}",
        ],
        int(easy > hard),
        f"The pull is {_short(hard)} for the popular one and {_short(easy)} for the obscure one: "
        "a negative teaches the more, the higher it scores beside the positive.",
    )
    if revealed:
        _compare(story, positive, negatives, steps)


def _short(value: float) -> str:
    """Four decimals, or two digits of what is smaller."""
    return f"{value:.4f}" if value >= 0.001 else f"{value:.1e}"


def _named(story: Story, negatives: dict[str, int], kind: str) -> str:
    film = negatives[kind]
    return f"{story.film(film)}, {count(int(story.data.movie_degree[film]), 'rating')}"


def negatives_of(story: Story, draw: int) -> dict[str, int]:
    """The four negatives on offer, inner film ids; `draw` numbers the random ones."""
    data, scores = story.data, computed.scores(story)
    row = data.ratings[[story.user]]  # what others rated plays no part
    sampler = NegativeSampler(row, torch.Generator().manual_seed(draw))
    free = _unrated(story)
    rated = free[data.movie_degree[free] > 0]
    known = rated if len(rated) else free
    return {
        SAMPLED: int(sampler.sample(torch.tensor([0]), 1)[0, 0]),
        POPULAR: int(free[np.argmax(data.movie_degree[free])]),
        OBSCURE: int(known[np.argmin(data.movie_degree[known])]),
        HARDEST: int(free[np.argmax(scores[free])]),
    }


def _unrated(story: Story) -> NDArray[np.int64]:
    """The films that the worked user did not rate, inner ids."""
    return np.setdiff1d(np.arange(story.data.n_movies), story.data.rated_by(story.user))


def _choose(story: Story) -> tuple[int, str, float]:
    """The positive film, the kind of negative, and the step size."""
    scores, rated = computed.scores(story), story.data.rated_by(story.user)
    lowest = rated[np.argsort(scores[rated], kind="stable")]
    order = shown_first(lowest, "rated films, the lowest scores first")
    positive = st.selectbox(
        "Positive: a film this user rated (lowest score first)",
        order.tolist(),
        format_func=lambda m: f"{story.data.labels[m]} · score {scores[m]:.2f}",
        key=f"positive_{story.user}",
    )
    kind, again, size = st.columns([4, 1.4, 3], vertical_alignment="bottom")
    chosen = kind.segmented_control(
        "Negative: a film this user did not rate",
        NEGATIVES,
        default=POPULAR,
        required=True,
        key="negative",
        wrap=True,
        persist_state="session",
    )
    again.button(
        "Draw again",
        icon=":material/casino:",
        width="stretch",
        disabled=chosen != SAMPLED,
        on_click=_draw_again,
    )
    step = size.select_slider(
        "Step size η" if story.formulas else "Step size",
        _STEPS,
        0.1,
        key="step_size",
        persist_state="session",
    )
    return positive, chosen, step


def _draw_again() -> None:
    st.session_state["draw"] = st.session_state.get("draw", 0) + 1


def _one_step(story: Story, positive: int, negative: int, step: BprStep, size: float) -> None:
    data = story.data
    films = (
        (f"{data.labels[positive]} (+)", step.positive),
        (f"{data.labels[negative]} (−)", step.negative),
    )
    scores = [*step.positive, *step.negative, 0.0]
    drawn = "".join(
        f"<b>{escape(name)}</b>"
        + bars(
            [
                Bar(when, value, f"{value:.4f}", colour)
                for when, value, colour in zip(
                    ("before", "after"), pair, (GREY, VERMILLION), strict=True
                )
            ],
            f"Score of {name} before and after the step",
            (min(scores), max(scores)),
        )
        for name, pair in films
    )
    st.html(drawn)
    _step_in_numbers(story, step, size)


def _step_in_numbers(story: Story, step: BprStep, size: float) -> None:
    margins = [good - bad for good, bad in zip(step.positive, step.negative, strict=True)]
    rows = {
        "positive score": [f"{value:.4f}" for value in step.positive],
        "negative score": [f"{value:.4f}" for value in step.negative],
        "difference": [f"{value:.4f}" for value in margins],
        "loss −ln σ(difference)" if story.formulas else "loss": [
            _short(value) for value in step.loss
        ],
    }
    st.table(
        pd.DataFrame(rows, index=["before", "after"]).T,
        alt="Scores, difference and loss before and after the step",
    )
    story.say(
        f"The network scored the two {abs(margins[0]):.2f} apart"
        f"{', the wrong way round' if margins[0] < 0 else ''}. The pull on this pair is "
        f"**{_short(step.pull)}** (0 = nothing left to learn, 1 = completely wrong).",
        rf"$\sigma(-x) = \frac{{1}}{{1 + e^{{{margins[0]:.3f}}}}} = {_short(step.pull)}$; "
        r"$\partial L/\partial f_i = -\sigma(-x) f_u$, "
        r"$\partial L/\partial f_j = +\sigma(-x) f_u$, "
        r"$\partial L/\partial f_u = -\sigma(-x)(f_i - f_j)$. Neighbours move too: a push on "
        rf"the positive film moves the negative {step.coupling[1, 2] / step.coupling[1, 1]:.1%} "
        rf"as far, $\eta = {size:g}$."
        + (" Only the films' rows of $E^{(0)}$ move." if story.trained.is_hybrid else ""),
    )
    config = story.trained.config
    st.caption(
        "One plain step, on this pair alone. A training of such steps takes "
        f"{config.batch_size:,} ratings at a time with the Adam optimiser"
        + (", adds a small penalty on large embeddings" * (config.l2 > 0))
        + (", and hides the pair's edge while it is predicted" * config.hide_batch)
        + "."
    )


def _compare(
    story: Story, positive: int, negatives: dict[str, int], steps: dict[str, BprStep]
) -> None:
    st.markdown("**The same positive against four negatives**")
    films = negatives.values()
    table = pd.DataFrame(
        {
            "score before": [f"{steps[name].negative[0]:.4f}" for name in negatives],
            "pull": [_short(steps[name].pull) for name in negatives],
            "loss before": [_short(steps[name].loss[0]) for name in negatives],
            "loss after": [_short(steps[name].loss[1]) for name in negatives],
            "film": [story.data.labels[film] for film in films],
            "ratings": [f"{story.data.movie_degree[film]:,}" for film in films],
        },
        index=pd.Index(negatives, name="negative"),
    )
    st.table(table, alt="Four negatives with score, pull and loss before and after one step")
    scores = computed.scores(story)
    margins = scores[positive] - scores[_unrated(story)].astype(float)
    pulls, drawn = expit(-margins), story.trained.config.negatives
    st.caption(
        f"Of all {count(len(pulls), 'film')} that could be drawn at random, half have a pull below "
        f"{_short(float(np.median(pulls)))}, and one in a hundred has "
        f"{_short(float(np.quantile(pulls, 0.99)))} or more."
        + (f" Training draws {drawn} for each positive." if drawn > 1 else "")
    )
