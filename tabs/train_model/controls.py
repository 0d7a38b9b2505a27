"""The settings of a training: presets, sliders, the link, and what it is going to cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from data_preparation import MovieData
from model.config import PRESETS, SETTINGS, TrainingConfig, has_effect
from model.estimate import estimate
from model.memory import machine_memory
from model.runs import Run
from model.splits import PROTOCOLS
from model_training import KS
from tabs.address import replace_in_address
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
    "best": "The hybrid graph in closed form, with all directions that it has; a search on "
    "validation chooses its settings for these data first.",
    "fast": "The same graph with fewer directions and given settings: seconds.",
    "published": "LightGCN as in the paper: a vector per person and film from a random start, so "
    "the curves show it learn. It takes many epochs.",
}
_BASIC = ("dim", "layers", "epochs", "batch_size")
_ADVANCED: dict[str, tuple[str, ...]] = {
    "Start": ("model", "warm_start", "search_seconds", "seed"),
    "Learning with BPR": ("learning_rate", "l2", "negatives", "patience", "hide_batch"),
    "Graph": (
        "user_exponent",
        "film_exponent",
        "met_exponent",
        "ridge",
        "taste",
        "genre",
        "tag",
        "year",
        "genre_decade",
        "series",
    ),
    "Profiles": ("watch", "like"),
}
_DECIDING = ("model", "warm_start", "epochs", "layers")  # which other settings have an effect
_ALL_DIRECTIONS = PRESETS["best"].dim
_STEPS: dict[str, tuple[float, ...]] = {
    "dim": (8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, _ALL_DIRECTIONS),
    "batch_size": (512, 1024, 2048, 4096, 8192, 16384, 32768),
    "learning_rate": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    "l2": (0.0, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1),
    "negatives": (1, 2, 4, 8, 16, 32),
    "ridge": (0.003, 0.01, 0.02, 0.03, 0.04, 0.06, 0.1, 0.3),
    "search_seconds": (0.0, 10.0, 30.0, 60.0, 120.0, 300.0),
}
_SLIDERS = {"layers": (0, 6), "epochs": (0, 300)}
_PER_ROW = 4


def choose_settings() -> Choice:
    """Draw the controls; what they are set to."""
    if "train_link_read" not in st.session_state:  # only the first visit sees what the link asks
        st.session_state["train_link_read"] = True
        choice, problems = from_query({n: st.query_params.get_all(n) for n in PARAMETERS})
        apply_choice(choice)
        for problem in problems:
            st.warning(escape(problem), icon=":material/link_off:")
    elif not all(st.session_state.get(name) for name in ("preset", "protocol", "metrics_k")):
        apply_choice(_last_choice())
    preset, protocol, k = _preset_protocol_and_k()
    values = {name: st.session_state[_prepare(name, preset)] for name in SETTINGS}
    _row(_BASIC, preset, values)
    with st.expander("Advanced settings"):
        for title, names in _ADVANCED.items():
            shown = [name for name in names if _matters(name, values)]
            if shown:
                st.markdown(f"**{title}**")
            for begin in range(0, len(shown), _PER_ROW):
                _row(shown[begin : begin + _PER_ROW], preset, values)
        refit = st.toggle(
            "Refit on all ratings at the end",
            key="refit",
            persist_state="session",
            help="For serving: fit or learn again with the held-out ratings too, with the settings "
            "and epochs that were chosen. The metrics stay those of the model before.",
        )
    choice = Choice(preset, protocol, TrainingConfig(**values), k, refit)
    st.session_state["train_choice"] = choice
    replace_in_address(PARAMETERS, to_query(choice))
    return choice


def _row(names: Sequence[str], preset: str, values: dict[str, Any]) -> None:
    """Controls side by side; what has no effect beside the others is not drawn."""
    for column, name in zip(st.columns(_PER_ROW), names, strict=False):
        if _matters(name, values):
            values[name] = _control(column, name, preset, values)


def _matters(name: str, values: dict[str, Any]) -> bool:
    return has_effect(name, *(values[deciding] for deciding in _DECIDING))


def _lowest(name: str, values: dict[str, Any]) -> float:
    """The lowest value of a slider that makes a training beside the other settings."""
    fitted = values["model"] == "hybrid" and values["warm_start"]
    if name == "epochs" and not fitted:
        return 1  # nothing was fitted, so something must be learned
    if name == "layers" and values["model"] == "hybrid":
        return 1  # people get their vector from films, one hop away
    return _SLIDERS[name][0]


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
    seconds = cost.total_seconds(choice.config, choice.refit)
    origin = "the last runs on these data" if cost.calibrated else "a rule of thumb"
    per_epoch = f"{duration(cost.epoch_seconds)} per epoch, " if choice.config.epochs else ""
    st.caption(
        f"**Estimate:** {per_epoch}at most {duration(seconds)} in all; "
        f"{cost.memory / 2**20:,.0f} MiB of memory.",
        help=f"Scaled from {origin}. Time per epoch ∝ steps × embedding size × (2 · layers · "
        "edges + nodes + rows of a batch). Memory of a fit: the table of all pairs of nodes where "
        "or films where there are few, and some tables of films × embedding size, in 4-byte "
        "numbers; or of EASE, which is measured beside it where it fits into a fourth of the "
        "memory, if that takes more.",
    )
    available = machine_memory()
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
    last = _last_choice()
    preset, protocol, k = preset or last.preset, protocol or last.protocol, k or last.k
    st.caption(_PRESET_NOTES[preset])
    return preset, protocol, k


def _last_choice() -> Choice:
    """What the controls were set to.

    Runs that overtake each other, as Back and Forward make them, can let Streamlit forget the
    values of controls that were not drawn meanwhile.
    """
    return st.session_state.get("train_choice", Choice())


def _key(name: str, preset: str) -> str:
    """Names the preset, so that choosing another one sets the control to its value."""
    return f"{name}_{preset}"


def _control(column: DeltaGenerator, name: str, preset: str, values: dict[str, Any]) -> Any:
    setting, key = SETTINGS[name], _key(name, preset)
    also = st.session_state.get(f"{key}_also", st.session_state[key])
    common: dict[str, Any] = {"key": key, "help": setting.help, "persist_state": "session"}
    if setting.kind is bool:
        return column.toggle(setting.label, **common)
    if setting.choices:
        return column.segmented_control(setting.label, setting.choices, required=True, **common)
    if name in _STEPS:
        options = sorted({*_STEPS[name], also, getattr(PRESETS[preset], name)})
        return column.select_slider(setting.label, options, format_func=shown_as(name), **common)
    if name in _SLIDERS:
        low, high = _lowest(name, values), _SLIDERS[name][1]
        st.session_state[key] = max(low, st.session_state[key])
        return column.slider(setting.label, int(low), max(high, also), **common)
    if setting.kind is int:
        return column.number_input(setting.label, int(setting.low), int(setting.high), **common)
    return column.number_input(setting.label, setting.low, setting.high, step=0.05, **common)


def shown_as(name: str) -> Callable[[float], str]:
    """How a value of this setting is written."""
    if name == "dim":
        return lambda value: "all" if value == _ALL_DIRECTIONS else f"{value:,}"
    if name == "search_seconds":
        return lambda value: f"{value:g} s" if value else "none"
    return _setting_text


def _prepare(name: str, preset: str) -> str:
    """The key of a control, which has a value from now on."""
    key = _key(name, preset)
    if key not in st.session_state:
        last = _last_choice()
        config = last.config if last.preset == preset else PRESETS[preset]
        st.session_state[key] = getattr(config, name)
    return key


def _setting_text(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def duration(seconds: float) -> str:
    """In words: `about 40 s`, `about 5 min`."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 100:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 6000 else f"about {seconds / 3600:.0f} h"
