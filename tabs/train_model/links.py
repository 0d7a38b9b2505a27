"""The settings of a training in a link: every value checked, only what is not default written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from model.config import PRESETS, SETTINGS, TrainingConfig
from model.runs import Run
from model.splits import DEFAULT_PROTOCOL, PROTOCOLS
from model_training import KS

DEFAULT_PRESET, DEFAULT_K = "best", 20
_SWITCH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
PARAMETERS = ("preset", "protocol", "metrics_k", "refit", *SETTINGS)


@dataclass(frozen=True)
class Choice:
    """What the Train Model tab is set to.

    Attributes:
        preset: the key of `PRESETS` that the settings started from.
        k: length of the lists whose metrics are shown.
        refit: learn again on all ratings at the end.
    """

    preset: str = DEFAULT_PRESET
    protocol: str = DEFAULT_PROTOCOL
    config: TrainingConfig = PRESETS[DEFAULT_PRESET]
    k: int = DEFAULT_K
    refit: bool = False


def choice_of_run(run: Run, k: int = DEFAULT_K) -> Choice:
    """The settings of an earlier run, from the preset that they differ least from."""

    def differences(preset: str) -> int:
        theirs = asdict(PRESETS[preset])
        return sum(theirs[name] != value for name, value in asdict(run.config).items())

    return Choice(min(PRESETS, key=differences), run.protocol, run.config, k, run.refit)


def to_query(choice: Choice) -> dict[str, str]:
    """The parameters that reproduce the choice; what is the default needs none."""
    query = {}
    for name, value, default in (
        ("preset", choice.preset, DEFAULT_PRESET),
        ("protocol", choice.protocol, DEFAULT_PROTOCOL),
        ("metrics_k", str(choice.k), str(DEFAULT_K)),
        ("refit", "1" if choice.refit else "0", "0"),
    ):
        if value != default:
            query[name] = value
    base = asdict(PRESETS[choice.preset])
    for name, value in asdict(choice.config).items():
        if value != base[name]:
            query[name] = str(int(value)) if isinstance(value, bool) else str(value)
    return query


def from_query(query: Mapping[str, Sequence[str]]) -> tuple[Choice, list[str]]:
    """The choice that a link asks for, and a sentence for every value that is not possible.

    Args:
        query: parameter name → values, as in the address; the last value counts.
    """
    given = {name: query[name][-1] for name in PARAMETERS if query.get(name)}
    problems: list[str] = []

    def one_of(name: str, options: Sequence[str], default: str) -> str:
        value = given.get(name, default)
        if value in options:
            return value
        problems.append(_problem(name, value, f"one of {', '.join(options)}"))
        return default

    preset = one_of("preset", list(PRESETS), DEFAULT_PRESET)
    protocol = one_of("protocol", list(PROTOCOLS), DEFAULT_PROTOCOL)
    k = int(one_of("metrics_k", [str(k) for k in KS], str(DEFAULT_K)))
    refit = _SWITCH[one_of("refit", list(_SWITCH), "0")]
    asked: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        if name in given:
            try:
                value = _parse(name, given[name])
                setting.check(value)
                asked[name] = value
            except (ValueError, KeyError):
                problems.append(_problem(name, given[name], _expected(name)))
    config = PRESETS[preset]
    try:
        config = replace(config, **asked)
    except ValueError as error:
        problems.append(
            f"The link's settings do not go together, so the defaults are used: {error}"
        )
    return Choice(preset, protocol, config, k, refit), problems


def _parse(name: str, text: str) -> float | bool | str:
    """Raises ValueError or KeyError for what is no such value."""
    kind = SETTINGS[name].kind
    return _SWITCH[text] if kind is bool else kind(text)


def _expected(name: str) -> str:
    setting = SETTINGS[name]
    if setting.kind is bool:
        return "1 or 0"
    if setting.choices:
        return f"one of {', '.join(setting.choices)}"
    whole = "whole " if setting.kind is int else ""
    return f"a {whole}number from {setting.low:g} to {setting.high:g}"


def _problem(name: str, value: str, expected: str) -> str:
    return (
        f"The link asks for {name} = “{value[:40]}”, which is not {expected}; the default is used."
    )
