"""Paths through the hybrid graph as one piece of HTML: from rated films to a recommended one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from charts.basics import BLUE, VERMILLION

_ROW = 56  # pixels from box to box
_LEFT, _MIDDLE, _RIGHT = (0, 31), (43, 70), (82, 100)  # the columns, in per cent of the width
_THICKEST = 9.0  # pixels
_FAINTEST = 0.02  # of the largest value: less is no line


@dataclass(frozen=True)
class Box:
    """A node, with a few words below its name."""

    name: str
    note: str


def paths(
    rated: Sequence[Box], kinds: Sequence[Box], film: Box, shares: NDArray[np.floating]
) -> str:
    """HTML: every line as thick as what it carries, blue for the film and orange against it.

    The boxes hide the lines behind them, so that no name is struck through; the lines stretch with
    the page.

    Args:
        shares: what each rated film carries along each kind, [n_rated, n_kinds].
    """
    height = _ROW * max(len(rated), len(kinds))
    left, middle = _heights(len(rated), height), _heights(len(kinds), height)
    through = shares.sum(axis=0)  # [n_kinds]
    largest = float(max(np.abs(shares).max(initial=0), np.abs(through).max(initial=0))) or 1.0
    lines = [
        _line((_LEFT[1], _MIDDLE[0]), left[j], middle[k], shares[j, k], largest)
        for j in range(len(rated))
        for k in range(len(kinds))
    ]
    lines += [
        _line((_MIDDLE[1], _RIGHT[0]), middle[k], height / 2, through[k], largest)
        for k in range(len(kinds))
    ]
    boxes = [_box(_LEFT, y, box) for y, box in zip(left, rated, strict=True)]
    boxes += [_box(_MIDDLE, y, box) for y, box in zip(middle, kinds, strict=True)]
    boxes.append(_box(_RIGHT, height / 2, film))
    title = f"Paths from the rated films to {film.name}"
    return (
        f"<style>{_CSS}</style><figure class='paths' style='height:{height}px' "
        f"aria-label='{escape(title, quote=True)}'>{''.join(lines)}{''.join(boxes)}</figure>"
    )


def _heights(count: int, height: float) -> list[float]:
    return [(n + 0.5) * height / max(count, 1) for n in range(count)]


def _box(column: tuple[int, int], y: float, box: Box) -> str:
    name = escape(box.name, quote=True)
    return (
        f"<div style='left:{column[0]}%;width:{column[1] - column[0]}%;top:{y - 22:.0f}px' "
        f"title='{name}'><b>{name}</b><small>{escape(box.note)}</small></div>"
    )


def _line(columns: tuple[int, int], y1: float, y2: float, value: float, largest: float) -> str:
    """A strip of colour from corner to corner of the box between two nodes."""
    if abs(value) < _FAINTEST * largest:
        return ""
    half = max(1.0, _THICKEST * abs(value) / largest) / 2
    colour = BLUE if value > 0 else VERMILLION
    rise, top = abs(y2 - y1), min(y1, y2)
    place = f"left:{columns[0]}%;width:{columns[1] - columns[0]}%"
    if rise < 1:
        flat = f"top:{top - half:.1f}px;height:{2 * half:.1f}px;background:{colour}"
        return f"<i style='{place};{flat}'></i>"
    # The middle of a gradient towards one corner runs through the two others.
    towards = "top right" if y2 > y1 else "bottom right"
    edge = f"{half:.1f}px"
    return (
        f"<i style='{place};top:{top:.1f}px;height:{rise:.1f}px;background:linear-gradient("
        f"to {towards},transparent calc(50% - {edge}),{colour} calc(50% - {edge}),{colour} "
        f"calc(50% + {edge}),transparent calc(50% + {edge}))'></i>"
    )


_CSS = """
.paths{position:relative;margin:.4rem 0 1rem;font-size:.82rem}
.paths i{position:absolute;padding:0;opacity:.75}
.paths div{position:absolute;height:44px;padding:.15rem .45rem;border-radius:.4rem;
border:1px solid rgba(138,143,152,.5);background:Canvas;overflow:hidden;
display:flex;flex-direction:column;justify-content:center}
.paths b,.paths small{display:block;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;
line-height:1.25}
.paths b{font-weight:600}
.paths small{font-size:.74rem;opacity:.85;font-variant-numeric:tabular-nums}
@media (max-width:640px){.paths{font-size:.68rem}.paths div{padding:.1rem .25rem}
.paths b{white-space:normal;max-height:2.5em}.paths small{font-size:.66rem}
.paths div:last-child{height:auto;min-height:44px}.paths div:last-child b{max-height:none}}
"""
