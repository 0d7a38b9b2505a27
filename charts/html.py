"""Pictures out of plain HTML: the browser draws them at once, without a chart library.

They are for `st.html`, which takes scripts and SVG out. Text takes the theme's colour, so that
all of it reads on light and on dark; on a narrow page, names move above what they name.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from charts.basics import BLUE, ORANGE

_SHORT = 8  # names of so many letters stay beside their bars on any width
_FAINTEST = 0.04  # opacity of a zero: a cell, not a hole


@dataclass(frozen=True, eq=False)
class Strip:
    """A vector as a row of coloured cells.

    Attributes:
        values: [dim].
        note: a few words between the name and the numbers.
        aside: what follows the note where there is room.
        total: the row is the result of the ones above it.
        apart: its strongest colour is its own largest number, not that of all rows.
    """

    name: str
    values: NDArray[np.floating]
    note: str = ""
    aside: str = ""
    total: bool = False
    apart: bool = False


def strips(rows: Sequence[Strip], title: str, stagger: bool = False) -> str:
    """Rows of cells: colour is the sign, strength the size; pointing at a column reads it out.

    Until then, the numbers are those of dimension 0.

    Args:
        title: what the picture shows, for a screen reader.
        stagger: the rows come in one after the other.
    """
    sizes = [float(np.abs(row.values).max()) for row in rows]
    common = max((n for n, row in zip(sizes, rows, strict=True) if not row.apart), default=1.0)
    scales = [n if row.apart else common for n, row in zip(sizes, rows, strict=True)]
    kinds = [
        "strips",
        *(["noted"] if any(row.note for row in rows) else []),
        *(["stagger"] if stagger else []),
    ]
    n = len(rows[0].values)
    return (
        f"<style>{_STRIPS_CSS}</style><div class='frame'>"
        f"<figure class='{' '.join(kinds)}' aria-label='{escape(title, quote=True)}'>"
        f"<div class='row head'><b></b><span class='n'></span><span class='v'>[0]</span>"
        f"<em>0 … {n - 1}: point at a dimension to read it</em></div>"
        + "".join(
            _strip_row(place, row, scale or 1.0)
            for place, (row, scale) in enumerate(zip(rows, scales, strict=True))
        )
        + f"<div class='read' aria-hidden='true'>{_columns(rows)}</div></figure></div>"
    )


def _strip_row(place: int, row: Strip, largest: float) -> str:
    kind = "row total" if row.total else "row"
    name = escape(row.name, quote=True)
    return (
        f"<div class='{kind}' style='--i:{place}'><b title='{name}'>{name}</b>"
        f"<span class='n'>{escape(row.note)}<small>{escape(row.aside)}</small></span>"
        f"<span class='v'>{_four_decimals(row.values[0])}</span>"
        f"<img alt='' src='data:image/png;base64,{_cells(row.values, largest)}'></div>"
    )


def _four_decimals(value: float) -> str:
    return f"{value:.4f}".replace("-", "−")


def _columns(rows: Sequence[Strip]) -> str:
    """One cell over each dimension, which holds the numbers of all rows."""
    return "".join(
        f"<i data-v='[{n}]&#10;{'&#10;'.join(_four_decimals(value) for value in column)}'></i>"
        for n, column in enumerate(np.stack([row.values for row in rows]).T)
    )


def _cells(values: NDArray[np.floating], largest: float) -> str:
    """A PNG one pixel high, in base64."""
    size = np.sqrt(np.abs(values) / largest)  # the root, or the small ones would vanish
    pixels = np.empty((1, len(values), 4), np.uint8)
    pixels[0, :, :3] = np.where(np.asarray(values)[:, None] >= 0, _rgb(ORANGE), _rgb(BLUE))
    pixels[0, :, 3] = np.round(255 * (_FAINTEST + (1 - _FAINTEST) * size))
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "png")
    return base64.b64encode(png.getvalue()).decode()


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


_STRIPS_CSS = """
.frame{container-type:inline-size}
.strips{--h:28px;--left:17.2rem;position:relative;margin:0;font-size:.85rem}
.strips.noted{--left:30.7rem}
.strips .row{display:grid;grid-template-columns:11.5rem 4.7rem 1fr;gap:0 .5rem;height:var(--h);
align-items:center}
.strips.noted .row{grid-template-columns:12.5rem 12rem 4.7rem 1fr}
.strips:not(.noted) .n{display:none}
.strips b{font-weight:400;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.strips .n{opacity:.75;white-space:nowrap;overflow:hidden}
.strips .v{text-align:right}
.strips .n,.strips .v{font-variant-numeric:tabular-nums}
.strips em{font-style:normal;opacity:.7;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.strips small{font-size:inherit}
.strips .head .v{opacity:.7}
.strips img{display:block;width:100%;height:22px;image-rendering:pixelated;border-radius:3px}
.strips .total{box-shadow:inset 0 1px rgba(138,143,152,.7)}
.strips .total b,.strips .total .v{font-weight:600}
.strips .read{position:absolute;top:var(--h);bottom:0;left:var(--left);right:0;display:flex}
.strips .read i{flex:1;min-width:0}
.strips .read i:hover{background:rgba(138,143,152,.45)}
.strips:has(.read i:hover) .v{visibility:hidden}
.strips .read i:hover::after{content:attr(data-v);position:absolute;right:100%;
top:calc(-1*var(--h));margin-right:.5rem;white-space:pre;text-align:right;font-style:normal;
font-variant-numeric:tabular-nums;line-height:var(--h);pointer-events:none}
@container (max-width:860px){
.strips small{display:none}
.strips.noted{--left:19.6rem}
.strips.noted .row{grid-template-columns:9.6rem 3.8rem 4.7rem 1fr}}
@container (max-width:600px){
.strips,.strips.noted{--h:46px;--left:0px}
.strips .row,.strips.noted .row{grid-template-columns:1fr auto 4.2rem;grid-template-rows:20px 24px}
.strips .row img{grid-column:1/-1}
.strips .head{--h:22px;grid-template-rows:20px}
.strips .head b{display:none}
.strips .head em{order:-1;grid-column:1/-2}
.strips .head .n{display:none}
.strips .v{grid-column:-2/-1}
.strips .read{top:22px}
.strips .read i:hover::after{right:0;margin:0;top:-35px}
.strips .total{padding-top:1px}}
@media (prefers-reduced-motion:no-preference){
.strips.stagger .row:not(.head){animation:strip-in .45s calc(var(--i)*.16s) both}}
@keyframes strip-in{from{opacity:0;transform:translateX(-14px)}}
"""


# --- bars -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """A value as a bar, with the words before it and the number behind it.

    Attributes:
        value: how long it is, where it is of one colour.
        segments: value and colour of each of its pieces, which lie end to end, those below zero to
            the left of it; the bar is of one colour without any.
    """

    name: str
    value: float
    text: str
    colour: str = BLUE
    note: str = ""
    segments: tuple[tuple[float, str], ...] = ()

    @property
    def pieces(self) -> tuple[tuple[float, str], ...]:
        return self.segments or ((self.value, self.colour),)


def bars(
    rows: Sequence[Bar],
    title: str,
    span: tuple[float, float] | None = None,
    *,
    above: bool = False,
    legend: Mapping[str, str] | None = None,
) -> str:
    """Horizontal bars on one scale; negative ones grow to the left of zero.

    Args:
        title: what the picture shows, for a screen reader.
        span: the ends of the scale, zero within; as far as the values go if None.
        above: each name stands above its bar on any width, on as many lines as it takes.
        legend: colour by what it means, for bars of several.
    """
    low, high = span or (
        min(sum(value for value, _ in row.pieces if value < 0) for row in rows),
        max(sum(value for value, _ in row.pieces if value > 0) for row in rows),
    )
    width = (high - low) or 1.0
    kinds = [
        "bars",
        *(["noted"] if any(row.note for row in rows) else []),
        *(["short"] if all(len(row.name) <= _SHORT for row in rows) else []),
        *(["above"] if above else []),
    ]
    return (
        f"<style>{_BARS_CSS}</style><div class='frame'>"
        f"<figure class='{' '.join(kinds)}' aria-label='{escape(title, quote=True)}'>"
        + _legend(legend or {})
        + "".join(_bar_row(row, low, width) for row in rows)
        + "</figure></div>"
    )


def legend(colours: Mapping[str, str], title: str) -> str:
    """What each colour of a picture means, in lines that wrap; `title` for a screen reader."""
    return (
        f"<style>{_BARS_CSS}</style><figure class='bars short' "
        f"aria-label='{escape(title, quote=True)}'>{_legend(colours)}</figure>"
    )


def _legend(colours: Mapping[str, str]) -> str:
    entries = "".join(
        f"<span><i style='background:{colour}'></i>{escape(name)}</span>"
        for name, colour in colours.items()
    )
    return f"<figcaption>{entries}</figcaption>" if entries else ""


def _bar_row(row: Bar, low: float, width: float) -> str:
    ends = dict.fromkeys(
        (True, False), (0.0 - low) / width
    )  # how far the pieces reach, right and left
    drawn = []
    for value, colour in row.pieces:
        size = abs(value) / width
        left = ends[True] if value >= 0 else ends[False] - size
        ends[value >= 0] += size if value >= 0 else -size
        drawn.append(f"<i style='left:{left:.2%};width:{size:.2%};background:{colour}'></i>")
    name = escape(row.name, quote=True)
    return (
        f"<div class='row'><b title='{name}'>{name}</b><span class='n'>{escape(row.note)}</span>"
        f"<span class='t'>{''.join(drawn)}</span><span class='v'>{escape(row.text)}</span></div>"
    )


_BARS_CSS = """
.frame{container-type:inline-size}
.bars{margin:0 0 .4rem;font-size:.85rem}
.bars .row{display:grid;grid-template-columns:14rem 1fr 5rem;gap:0 .7rem;align-items:center;
min-height:26px}
.bars.noted .row{grid-template-columns:14rem 7rem 1fr 5rem}
.bars:not(.noted) .n{display:none}
.bars b{font-weight:400;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.bars .n{opacity:.75;text-align:right;white-space:nowrap}
.bars .n,.bars .v{font-variant-numeric:tabular-nums}
.bars .t{position:relative;height:16px;background:rgba(138,143,152,.13);border-radius:3px}
.bars .t i{position:absolute;top:0;bottom:0;min-width:2px;border-radius:3px}
.bars.short .row{grid-template-columns:4.5rem 1fr 5rem}
@container (min-width:900px){
.bars:not(.short) .row{grid-template-columns:22rem 1fr 5rem}
.bars.noted:not(.short) .row{grid-template-columns:22rem 8rem 1fr 5rem}}
@container (max-width:600px){
.bars:not(.short) .row{grid-template-columns:1fr auto 4.2rem;margin-bottom:.25rem}
.bars:not(.short):not(.noted) b{grid-column:1/-1}
.bars:not(.short) .n{grid-column:2/-1}
.bars:not(.short) .t{grid-column:1/-2}}
.bars.above:not(.short) .row{grid-template-columns:1fr auto;margin-bottom:.45rem;min-height:0}
.bars.above:not(.short) b{grid-column:1;white-space:normal;line-height:1.25}
.bars.above:not(.short):not(.noted) b{grid-column:1}
.bars.above:not(.short) .n{grid-column:1;grid-row:2;text-align:left;white-space:normal}
.bars.above .v{grid-row:1;grid-column:2;align-self:end;text-align:right;padding-left:.7rem}
.bars.above:not(.short) .t{grid-column:1/-1;height:12px}
.bars figcaption{display:flex;flex-wrap:wrap;gap:0 1rem;margin-bottom:.4rem}
.bars figcaption i{display:inline-block;width:.75rem;height:.75rem;border-radius:3px;
margin-right:.4rem}
"""
