"""The settings of a training: presets, sliders, the link, and what it is going to cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from data_preparation import MovieData
from model.config import CONFIG_SWITCHES, PRESETS, TrainingConfig
from model.estimate import estimate, physical_memory
from model.runs import Run
from model.splits import PROTOCOLS
from model_training import KS
from tabs.shared import escape
from tabs.train_model.links import PARAMETERS, Choice, from_query, to_query

PROTOCOL_NAMES = {
    "temporal_leave_one_out": "each user's last rating",
    "random_80_10_10": "10 % at random",
}
_PRESET_NAMES = {
    "best": "this project's best",
    "fast": "fast",
    "published": "published recipe",
}
_PRESET_NOTES = {
    "best": "The warm start brings most of the quality (epoch 0); BPR refines it.",
    "fast": "The best recipe, smaller and with few epochs.",
    "published": "LightGCN as in the paper: from a random start, so the curves show it learn. "
    "It takes many epochs.",
}
_BASIC = ("dim", "layers", "epochs", "batch_size")
_ADVANCED = ("learning_rate", "l2", "negatives", "patience", "seed")
_TEXTS = {
    "dim": ("Embedding size", "Numbers per user and film. Time and memory grow with it."),
    "layers": ("Layers K", "Hops that a message travels. Time grows with it."),
    "epochs": ("Epochs at most", "Passes over the ratings. The best one on validation is kept."),
    "batch_size": ("Batch size", "Ratings per step. Smaller: more steps, so more time."),
    "learning_rate": ("Learning rate", "Step size of Adam. No effect on time per epoch."),
    "l2": ("L2 penalty", "Keeps the embeddings small. No effect on time."),
    "negatives": ("Negatives", "Films not rated, per rating. Time and memory grow with it."),
    "patience": ("Patience", "Stop after so many epochs without a better validation NDCG@20."),
    "seed": ("Seed", "The same settings and seed give the same model."),
    "warm_start": (
        "Warm start",
        "Start from the ratings' leading directions, not at random.",
    ),
    "hide_batch": ("Hide the batch", "Predict ratings from a graph without them. A little slower."),
}
_STEPS: dict[str, tuple[float, ...]] = {
    "dim": (8, 16, 32, 64, 96, 128, 192, 256),
    "batch_size": (512, 1024, 2048, 4096, 8192, 16384, 32768),
    "learning_rate": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    "l2": (0.0, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1),
    "negatives": (1, 2, 4, 8, 16, 32),
}
_SLIDERS = {"layers": (0, 6), "epochs": (1, 300)}
_NUMBERS = {"patience": (1, 2000), "seed": (0, 2**31 - 1)}


def choose_settings() -> Choice:
    """Draw the controls; what they are set to."""
    if "train_link_read" not in st.session_state:  # only the first visit sees what the link asks
        st.session_state["train_link_read"] = True
        choice, problems = from_query({n: st.query_params.get_all(n) for n in PARAMETERS})
        apply_choice(choice)
        for problem in problems:
            st.warning(escape(problem), icon=":material/link_off:")
    preset, protocol, k = _preset_protocol_and_k()
    values: dict[str, Any] = {}
    for column, name in zip(st.columns(len(_BASIC)), _BASIC, strict=True):
        values[name] = _control(column, name, preset)
    with st.expander("Advanced settings"):
        for column, name in zip(st.columns(len(_ADVANCED)), _ADVANCED, strict=True):
            values[name] = _control(column, name, preset)
        *columns, last = st.columns(len(CONFIG_SWITCHES) + 1)
        for column, name in zip(columns, CONFIG_SWITCHES, strict=True):
            values[name] = _switch(column, name, preset)
        refit = last.toggle(
            "Refit on all ratings at the end",
            key="refit",
            persist_state="session",
            help="For serving: learn again with the held-out ratings too, for the chosen number of "
            "epochs. The metrics stay those of the model before. About doubles the time.",
        )
    choice = Choice(preset, protocol, TrainingConfig(**values), k, refit)
    _write_link(choice)
    return choice


def apply_choice(choice: Choice) -> None:
    """Set the controls; before they are drawn in this run."""
    state = st.session_state
    state["preset"], state["protocol"] = choice.preset, choice.protocol
    state["metrics_k"], state["refit"] = choice.k, choice.refit
    for name, value in asdict(choice.config).items():
        state[_key(name, choice.preset)] = value
        # A value between the steps becomes one more step, as long as the session lasts.
        state[f"{_key(name, choice.preset)}_also"] = value


def show_estimate(data: MovieData, choice: Choice, runs: Sequence[Run]) -> bool:
    """What the training will cost, in a line; whether this machine can hold it."""
    cost = estimate(data, choice.config, runs)
    total = cost.start_seconds + choice.config.epochs * cost.epoch_seconds
    total *= 2 if choice.refit else 1
    origin = "the last run on these data" if cost.calibrated else "a rule of thumb"
    st.caption(
        f"**Estimate:** {_duration(cost.epoch_seconds)} per epoch, at most {_duration(total)} in "
        f"all; {cost.memory / 2**20:,.0f} MiB of memory.",
        help=f"Scaled from {origin}. Time per epoch ∝ steps × embedding size × (2 · layers · "
        "edges + nodes + rows of a batch). Memory: 13 tables of nodes × embedding size, 3 of the "
        "rows of a batch, and one block of scores, in 4-byte numbers.",
    )
    available = physical_memory()
    if available and cost.memory > available:
        st.error(
            f"These settings need about {cost.memory / 2**30:,.0f} GiB of memory; this machine has "
            f"{available / 2**30:,.0f}. Lower the embedding size, the batch size or the negatives."
        )
        return False
    return True


def _preset_protocol_and_k() -> tuple[str, str, int]:
    """Preset, protocol and K."""
    left, middle, right = st.columns([3, 3, 2])
    preset = left.segmented_control(
        "Start from",
        list(PRESETS),
        format_func=_PRESET_NAMES.__getitem__,
        required=True,
        key="preset",
        persist_state="session",
        help="Sets all controls below; each can then be changed.",
    )
    protocol = middle.segmented_control(
        "Hold out",
        list(PROTOCOLS),
        format_func=PROTOCOL_NAMES.__getitem__,
        required=True,
        key="protocol",
        persist_state="session",
        help="For test, and as much again for validation. Held-out ratings are never trained on.",
    )
    k = right.segmented_control(
        "Measure lists of",
        KS,
        required=True,
        key="metrics_k",
        persist_state="session",
        help="K of Hit@K, Recall@K and NDCG@K. All are measured; this chooses which are shown.",
    )
    assert preset and protocol and k  # all three are required
    st.caption(_PRESET_NOTES[preset])
    return preset, protocol, k


def _key(name: str, preset: str) -> str:
    """Names the preset, so that choosing another one sets the control to its value."""
    return f"{name}_{preset}"


def _control(column: DeltaGenerator, name: str, preset: str) -> float:
    label, text = _TEXTS[name]
    key = _prepare(name, preset)
    also = st.session_state.get(f"{key}_also", st.session_state[key])
    common: dict[str, Any] = {"key": key, "help": text, "persist_state": "session"}
    if name in _STEPS:
        options = sorted({*_STEPS[name], also, getattr(PRESETS[preset], name)})
        return column.select_slider(label, options, format_func=_setting_text, **common)
    if name in _SLIDERS:
        low, high = _SLIDERS[name]
        return column.slider(label, min(low, also), max(high, also), **common)
    low, high = _NUMBERS[name]
    return column.number_input(label, low, high, step=1, **common)


def _switch(column: DeltaGenerator, name: str, preset: str) -> bool:
    label, text = _TEXTS[name]
    return column.toggle(label, key=_prepare(name, preset), help=text, persist_state="session")


def _prepare(name: str, preset: str) -> str:
    """The key of a control, which has a value from now on."""
    key = _key(name, preset)
    if key not in st.session_state:
        st.session_state[key] = getattr(PRESETS[preset], name)
    return key


def _setting_text(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "under 1 s"
    if seconds < 100:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 6000 else f"about {seconds / 3600:.0f} h"


def _write_link(choice: Choice) -> None:
    """Keep the address such that it reproduces the settings."""
    wanted = to_query(choice)
    for name in PARAMETERS:
        if name in wanted and st.query_params.get(name) != wanted[name]:
            st.query_params[name] = wanted[name]
        elif name not in wanted and name in st.query_params:
            del st.query_params[name]
