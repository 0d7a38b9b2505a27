"""The reasons for a film as a picture to keep or to send: a PNG, drawn with Pillow.

Drawing touches nothing that others use, so any thread may draw; the same card is the same file.
Letters that DejaVu lacks come from the first font of the machine that has them; where none has,
its empty box stands for them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from charts.basics import BLUE, GREY, VERMILLION

WIDTH = 1080  # px: a phone shows it at a third
_EDGE = 64
_GROUND, _INK, _FAINT, _TRACK = "#ffffff", "#1b1a19", "#5a5f66", "#eceef0"
_TITLE, _TEXT, _SMALL = 60, 38, 32  # px
_LINE = 1.3  # line height in font sizes
_MOST_LINES = 3  # of a title or a name
_BAR, _BAR_GAP = 24, 20


@dataclass(frozen=True)
class ReasonLine:
    """One bar: what it is, how long it is, and what stands behind it."""

    name: str
    value: float
    text: str
    own: bool = False


@dataclass(frozen=True)
class ReasonCard:
    """What a card says; plain text throughout.

    Attributes:
        title: of the film, with its year.
        verdict: the score with its parts, the rank, the predicted stars.
        sentence: the reasons in words.
        lines: the terms of the graph score, as *Why?* shows them.
        total: what the lines add up to.
        origin: model, data and day.
    """

    title: str
    verdict: str
    sentence: str
    lines: tuple[ReasonLine, ...]
    total: str
    origin: str


def reason_card(card: ReasonCard) -> bytes:
    """The card as a PNG, `WIDTH` px wide and as high as it needs."""
    height = _draw(card, ImageDraw.Draw(Image.new("RGB", (1, 1))))
    image = Image.new("RGB", (WIDTH, height), _GROUND)
    _draw(card, ImageDraw.Draw(image))
    png = io.BytesIO()
    image.save(png, "png")
    return png.getvalue()


def _draw(card: ReasonCard, draw: ImageDraw.ImageDraw) -> int:
    """Draw from top to bottom; the height."""
    y: float = _EDGE
    y = _paragraph(draw, "Why this film?", y, _SMALL, _FAINT) + 6
    y = _paragraph(draw, card.title, y, _TITLE, _INK, bold=True, most=_MOST_LINES) + 14
    y = _paragraph(draw, card.verdict, y, _SMALL, _FAINT) + 26
    y = _paragraph(draw, card.sentence, y, _TEXT, _INK, most=12) + 36
    y = _bars(draw, card.lines, y)
    y = _paragraph(draw, card.total, y, _SMALL, _INK, bold=True) + 30
    return round(_paragraph(draw, card.origin, y, _SMALL, _FAINT) + _EDGE)


def _bars(draw: ImageDraw.ImageDraw, lines: Sequence[ReasonLine], y: float) -> float:
    low = min((line.value for line in lines), default=0.0)
    high = max((line.value for line in lines), default=0.0)
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (WIDTH - 2 * _EDGE) / ((high - low) or 1.0)
    for line in lines:
        room = _width(line.text, _SMALL, True) + 24
        right = WIDTH - _EDGE - room + 24
        _run(draw, line.text, right, y, _SMALL, _INK, bold=True)
        y = _paragraph(draw, line.name, y, _SMALL, _INK, room=room, most=_MOST_LINES) + 4
        draw.rectangle((_EDGE, y, WIDTH - _EDGE, y + _BAR), _TRACK)
        ends = sorted((_EDGE - low * scale, _EDGE + (line.value - low) * scale))
        colour = GREY if line.own else BLUE if line.value >= 0 else VERMILLION
        draw.rectangle((ends[0], y, max(ends[1], ends[0] + 3), y + _BAR), colour)
        y += _BAR + _BAR_GAP
    return y


# --- text -----------------------------------------------------------------------------------------


def _paragraph(
    draw: ImageDraw.ImageDraw,
    text: str,
    y: float,
    size: int,
    colour: str,
    *,
    bold: bool = False,
    room: float = 0.0,
    most: int = 8,
) -> float:
    """Set a text on as many lines as it takes, `most` at most; where the next may begin.

    Args:
        room: px that stay free on the right.
    """
    for line in wrapped(text, size, WIDTH - 2 * _EDGE - room, bold, most):
        _run(draw, line, _EDGE, y, size, colour, bold=bold)
        y += size * _LINE
    return y


def wrapped(text: str, size: int, width: float, bold: bool, most: int) -> list[str]:
    """Lines that are not wider than `width` px; the last ends in … where text is left out."""
    lines = [""]
    for word in _words(text):
        if _width((lines[-1] + word).rstrip(), size, bold) <= width:
            lines[-1] += word
            continue
        if lines[-1].strip():
            lines.append("")
        for letter in word:  # a word may be wider than a line
            if _width(lines[-1] + letter, size, bold) > width and lines[-1]:
                lines.append("")
            lines[-1] += letter
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) > most:
        last = lines[most - 1]
        while last and _width(f"{last}…", size, bold) > width:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last.rstrip()}…"]
    return lines


def _words(text: str) -> list[str]:
    """Words with the space behind them, on one line; what cannot be printed is a space."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text[:2000])
    return [f"{word} " for word in clean.split(" ") if word]


def _run(
    draw: ImageDraw.ImageDraw,
    line: str,
    x: float,
    y: float,
    size: int,
    colour: str,
    *,
    bold: bool,
) -> None:
    for part, font in _parts(line, size, bold):
        draw.text((x, y + size), part, colour, font, anchor="ls")
        x += font.getlength(part)


def _width(line: str, size: int, bold: bool) -> float:
    return sum(font.getlength(part) for part, font in _parts(line, size, bold))


def _parts(line: str, size: int, bold: bool) -> list[tuple[str, ImageFont.FreeTypeFont]]:
    """The line in pieces of one font each."""
    parts: list[tuple[str, str]] = []
    for letter in line:
        path = _path_with(letter, bold)
        if parts and parts[-1][1] == path:
            parts[-1] = (parts[-1][0] + letter, path)
        else:
            parts.append((letter, path))
    return [(part, _font(path, size)) for part, path in parts]


@lru_cache(maxsize=4096)
def _path_with(letter: str, bold: bool) -> str:
    """The font file for a letter."""
    from matplotlib.font_manager import findfont, fontManager  # slow, for who draws nothing

    usual = findfont("DejaVu Sans:bold" if bold else "DejaVu Sans")
    if _has(usual, letter):
        return usual
    files = {entry.fname for entry in fontManager.ttflist}
    others = sorted(files, key=lambda path: ("LastResort" in path, path))  # it has boxes for all
    return next((path for path in others if _has(path, letter)), usual)


def _has(path: str, letter: str) -> bool:
    return ord(letter) in _letters(path)


@lru_cache(maxsize=256)
def _letters(path: str) -> frozenset[int]:
    """The code points of a font; none where Pillow or FreeType cannot read it."""
    from matplotlib.font_manager import get_font

    try:
        ImageFont.truetype(path, 12)
        return frozenset(get_font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


@lru_cache(maxsize=64)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)
