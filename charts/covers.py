"""A cover for every film, drawn from its title, year and genres alone: SVG, made on this machine.

The genres choose the hue, so films of a kind are akin; title and year choose the picture above the
title, so two films hardly ever look the same. All text lies on one plain colour, and the colours
are chosen so that it can be read. A picture file knows no theme: the cover brings its own ground
and looks the same on light and dark pages, as a printed one does.
"""

from __future__ import annotations

import base64
import colorsys
import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from random import Random
from zlib import crc32

WIDTH, HEIGHT = 136, 204  # px; a card shows it as large as that
_EDGE = 10  # px around the text
_LINE = 1.16  # line height in font sizes
_SIZES = ((23, 3), (20, 3), (17, 4), (14.5, 5), (12.5, 6))  # px, and the most lines of that size
_SMALL = 10.5  # px, of year and genres
_UNTITLED = "Untitled film"
_FONT = "system-ui, sans-serif"


@dataclass(frozen=True)
class Colours:
    """Of a cover, each `#rrggbb`: text is set in `ink` on `ground`; `tints` are for the picture."""

    ground: str
    ink: str
    tints: tuple[str, str, str]


def cover(name: str, year: int | None, genres: Sequence[str]) -> str:
    """The cover as an SVG document, `WIDTH` × `HEIGHT`; the same film always gets the same one.

    Args:
        name: display title without the year; may be empty.
        year: None where it is unknown.
    """
    name, genres = _printable(name), [_printable(genre) for genre in genres]
    chance = Random(crc32(f"{name}\0{year}".encode()))
    colours = cover_colours(genres, chance)
    size, lines = _fitted(name or _UNTITLED)
    small = [line for line in (str(year) if year is not None else "", _genre_line(genres)) if line]
    below = len(small) * _SMALL * 1.35
    top = HEIGHT - _EDGE - below - len(lines) * size * _LINE - _EDGE * 0.8  # of the text's ground
    texts = []
    y = top + _EDGE * 0.8
    for line in lines:
        texts.append(_text(line, y + size * 0.9, size, 700))
        y += size * _LINE
    for line in small:
        y += _SMALL * 1.35
        texts.append(_text(line, y, _SMALL, 400))
    motif = _MOTIFS[int(chance.random() * len(_MOTIFS))]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}">{_rect(0, 0, WIDTH, HEIGHT, colours.tints[0])}'
        f"{''.join(motif(chance, top, colours.tints))}"
        f"{_rect(0, top, WIDTH, HEIGHT - top, colours.ground)}"
        f'<g fill="{colours.ink}" font-family="{_FONT}">{"".join(texts)}</g></svg>'
    )


def cover_uri(name: str, year: int | None, genres: Sequence[str]) -> str:
    """`cover` as an address that an image can have."""
    svg = cover(name, year, genres).encode()
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


# --- colours --------------------------------------------------------------------------------------


def cover_colours(genres: Sequence[str], chance: Random) -> Colours:
    """A hue by the genres, light or dark by chance, and two more hues for the picture."""
    hue = crc32("|".join(genres).encode()) % 360
    dark = chance.random() < 0.6
    other = hue + (30, 150, 180, 210, 330)[int(chance.random() * 5)]
    third = other + chance.uniform(-40, 40)
    if dark:
        tints = (_hsl(hue, 0.5, 0.3), _hsl(other, 0.62, 0.55), _hsl(third, 0.75, 0.72))
        return Colours(_hsl(hue, 0.5, 0.17), _hsl(hue, 0.4, 0.95), tints)
    tints = (_hsl(hue, 0.5, 0.74), _hsl(other, 0.6, 0.45), _hsl(third, 0.7, 0.3))
    return Colours(_hsl(hue, 0.45, 0.9), _hsl(hue, 0.5, 0.14), tints)


def _hsl(hue: float, saturation: float, lightness: float) -> str:
    rgb = colorsys.hls_to_rgb(hue % 360 / 360, lightness, saturation)
    return f"#{''.join(f'{round(255 * part):02x}' for part in rgb)}"


# --- text -----------------------------------------------------------------------------------------


def _printable(text: str) -> str:
    """On one line, without what no SVG may hold: that would break the whole picture."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _text(line: str, y: float, size: float, weight: int) -> str:
    return (
        f'<text x="{_EDGE}" y="{y:.1f}" font-size="{size:g}" font-weight="{weight}">'
        f"{escape(line)}</text>"
    )


def text_width(text: str, size: float) -> float:
    """How wide a bold text gets at most, px: of a wide font, for nobody knows the reader's."""
    return size * sum(_ems(character) for character in text)


def _ems(character: str) -> float:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0 if unicodedata.category(character) == "Lo" else 1.4  # the others: emoji
    if character in " .,:;'|!iIjl()[]-·’":
        return 0.42
    if character in "mwMW@%&—…":
        return 1.1
    return 0.8 if character.isupper() else 0.7


def _fitted(name: str) -> tuple[float, list[str]]:
    """The largest size at which the title fits, and its lines; cut where it fits at none."""
    for size, most in _SIZES:
        lines, broken = _wrapped(name, size)
        if len(lines) <= most and not broken:
            return size, lines
    size, most = _SIZES[-1]
    lines, _ = _wrapped(name, size)
    if len(lines) > most:
        last = lines[most - 1]
        while text_width(f"{last}…", size) > WIDTH - 2 * _EDGE:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last.rstrip()}…"]
    return size, lines


def _wrapped(text: str, size: float) -> tuple[list[str], bool]:
    """The lines, and whether a word had to be broken."""
    lines, broken = [""], False
    for piece in _pieces(text):
        if text_width((lines[-1] + piece).rstrip(), size) <= WIDTH - 2 * _EDGE:
            lines[-1] += piece
            continue
        if lines[-1]:
            lines.append("")
        for character in piece:  # of a word that is wider than a line
            if text_width(lines[-1] + character, size) > WIDTH - 2 * _EDGE and character != " ":
                lines.append("")
                broken = True
            lines[-1] += character
    return [line.strip() for line in lines if line.strip()], broken


def _pieces(text: str) -> list[str]:
    """What a line may break after: words with their space, and every ideograph."""
    pieces: list[str] = [""]
    for character in text:
        wide = unicodedata.east_asian_width(character) in "WF"
        if wide and pieces[-1]:
            pieces.append("")
        pieces[-1] += character
        if character in " -" or wide:
            pieces.append("")
    return [piece for piece in pieces if piece]


def _genre_line(genres: Sequence[str]) -> str:
    """As many genres as one line holds, and how many more there are."""
    for n in range(len(genres), -1, -1):
        more = f"+{len(genres) - n}" if n < len(genres) else ""
        line = " · ".join([*genres[:n], *([more] if more else [])])
        if text_width(line, _SMALL) * 0.92 <= WIDTH - 2 * _EDGE:  # it is not bold
            return line if n else ""
    return ""


# --- pictures: what lies above the title, `height` px high ----------------------------------------

Motif = Callable[[Random, float, Sequence[str]], list[str]]


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
    )


def _circle(x: float, y: float, radius: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}"/>'


def _polygon(points: Sequence[tuple[float, float]], colour: str) -> str:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polygon points="{corners}" fill="{colour}"/>'


def _rings(chance: Random, height: float, tints: Sequence[str]) -> list[str]:
    x, y = chance.uniform(0, WIDTH), chance.uniform(0.1, 0.9) * height
    n, largest = 3 + int(chance.random() * 5), chance.uniform(45, 110)
    return [_circle(x, y, largest * (1 - i / n), tints[(i + 1) % 3]) for i in range(n)]


def _skyline(chance: Random, height: float, tints: Sequence[str]) -> list[str]:
    n = 4 + int(chance.random() * 8)
    shapes = [_circle(chance.uniform(20, 116), chance.uniform(0.15, 0.4) * height, 14, tints[2])]
    for i in range(n):
        tall = chance.uniform(0.2, 0.85) * height
        shapes.append(_rect(i * WIDTH / n, height - tall, WIDTH / n + 0.5, tall, tints[1 + i % 2]))
    return shapes


def _diagonals(chance: Random, height: float, tints: Sequence[str]) -> list[str]:
    lean = chance.choice((-1, 1)) * chance.uniform(0.3, 1.2) * height
    shapes: list[str] = []
    x = min(0.0, -lean)
    while x < WIDTH + abs(lean):
        wide = chance.uniform(6, 26)
        corners = [(x, height), (x + wide, height), (x + wide + lean, 0), (x + lean, 0)]
        shapes.append(_polygon(corners, tints[1 + len(shapes) % 2]))
        x += wide + chance.uniform(8, 24)
    return shapes


def _horizon(chance: Random, height: float, tints: Sequence[str]) -> list[str]:
    line = chance.uniform(0.5, 0.8) * height
    shapes = [_circle(chance.uniform(20, 116), line, chance.uniform(22, 52), tints[2])]
    shapes.append(_rect(0, line, WIDTH, height - line, tints[1]))
    y = line + chance.uniform(3, 8)
    while y < height:
        x = chance.uniform(0, 60)
        shapes.append(_rect(x, y, chance.uniform(30, WIDTH - x), 2.5, tints[2]))
        y += chance.uniform(6, 11)
    return shapes


def _dots(chance: Random, height: float, tints: Sequence[str]) -> list[str]:
    step = chance.uniform(15, 28)
    x0, y0 = chance.uniform(0, WIDTH), chance.uniform(0, height)
    reach = chance.uniform(60, 140)
    shapes: list[str] = []
    for row in range(int(height / step) + 1):
        for column in range(int(WIDTH / step) + 1):
            x, y = (column + 0.5) * step, (row + 0.5) * step
            near = max(0.12, 1 - math.hypot(x - x0, y - y0) / reach)
            shapes.append(_circle(x, y, near * step * 0.5, tints[1 + (row + column) % 2]))
    return shapes


def _fan(chance: Random, height: float, tints: Sequence[str]) -> list[str]:
    x, y = chance.uniform(0, WIDTH), chance.choice((0.0, height, height / 2))
    n, turn = 5 + int(chance.random() * 9), chance.uniform(0, math.pi)
    shapes: list[str] = []
    for i in range(n):
        ends = [turn + (2 * i + side) * math.pi / n for side in (0, 1)]
        corners = [(x + 240 * math.cos(end), y + 240 * math.sin(end)) for end in ends]
        shapes.append(_polygon([(x, y), *corners], tints[1 + i % 2]))
    return shapes


def _hills(chance: Random, height: float, tints: Sequence[str]) -> list[str]:
    shapes = [_circle(chance.uniform(15, 121), 0.25 * height, chance.uniform(9, 20), tints[2])]
    n = 2 + int(chance.random() * 3)
    for i in range(n):
        base = (0.35 + 0.55 * i / n) * height
        high, phase, waves = (
            chance.uniform(6, 22),
            chance.uniform(0, 6.3),
            chance.uniform(0.6, 2.2),
        )
        ridge = [
            (x, base + high * math.sin(phase + waves * x * 2 * math.pi / WIDTH))
            for x in range(0, WIDTH + 8, 8)
        ]
        shapes.append(_polygon([*ridge, (WIDTH, height), (0, height)], tints[(i % 2) + 1]))
    return shapes


def _blocks(chance: Random, height: float, tints: Sequence[str]) -> list[str]:
    n = 2 + int(chance.random() * 3)
    step = WIDTH / n
    shapes: list[str] = []
    for row in range(int(height / step) + 1):
        for column in range(n):
            x, y = column * step, row * step
            colour = tints[int(chance.random() * 3)]
            corners = [(x, y), (x + step, y), (x + step, y + step), (x, y + step)]
            shapes.append(_rect(x, y, step, step, tints[int(chance.random() * 3)]))
            if chance.random() < 0.6:
                left_out = int(chance.random() * 4)
                shapes.append(_polygon(corners[:left_out] + corners[left_out + 1 :], colour))
    return shapes


_MOTIFS: tuple[Motif, ...] = (
    _rings,
    _skyline,
    _diagonals,
    _horizon,
    _dots,
    _fan,
    _hills,
    _blocks,
)
