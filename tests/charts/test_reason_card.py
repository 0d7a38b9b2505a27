"""The picture of a *Why?*: the same file each time, nothing beside the page, whatever the title."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from charts.reason_card import WIDTH, ReasonCard, ReasonLine, _width, reason_card, wrapped

CARD = ReasonCard(
    title="Heat (1995)",
    verdict="0.95 = 0.89 graph + 0.06 tags · 1st of 9,213 · expected ≈ 4.2\xa0★ ±\xa00.8",
    sentence="Because of Alien (1979) (4.5\xa0★): it alone makes up 60 % of the graph score.",
    lines=(
        ReasonLine("learned about this person as such", 0.1, "0.1000 · 50 %", own=True),
        ReasonLine("Alien (1979), 4.5\xa0★", 0.2, "0.2000 · 100 %"),
        ReasonLine("Cats (2019), 1\xa0★: disliked, and like this film", -0.1, "−0.1000 · −50 %"),
    ),
    total="Together: the graph score 0.2000",
    origin="LightGCN, hybrid graph, on ml-latest-small. Picture of 2026-11-25.",
)
TITLES = (
    "",
    "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb (1964)",
    "word " * 200,
    "Supercalifragilisticexpialidocious" * 20,
    "千と千尋の神隠し" * 20,
    "🎬👨‍👩‍👧 \x00\x1b\ud800 שר הטבעות",
)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("title", TITLES)
def test_any_title_gives_a_picture_with_an_empty_edge(title: str) -> None:
    lines = (ReasonLine(f"{title}, 4\xa0★", 0.2, "0.2000 · 9 %"), *CARD.lines)
    shown = pixels(reason_card(replace(CARD, title=title, sentence=title, lines=lines)))
    assert shown.shape[1] == WIDTH and shown.shape[0] < 2400
    edges = (shown[:32], shown[-32:], shown[:, :48], shown[:, -48:])
    assert all((edge == 255).all() for edge in edges)
    assert (shown != 255).any()


@pytest.mark.parametrize("title", TITLES)
def test_no_line_is_wider_than_its_room(title: str) -> None:
    lines = wrapped(title, 32, 500, True, 3)
    assert len(lines) <= 3 and all(_width(line, 32, True) <= 500 for line in lines)


def test_lines_hold_the_whole_text_and_break_between_words() -> None:
    said = "Because of Alien (1979) and The Fifth Element (1997): these two make up 60 %."
    lines = wrapped(said, 32, 500, False, 9)
    assert " ".join(lines) == said and len(lines) > 2
    assert wrapped(said, 32, 500, False, 2)[1].endswith("…")


def test_the_same_card_is_the_same_file_in_every_thread() -> None:
    with ThreadPoolExecutor(4) as pool:
        files = set(pool.map(lambda _: reason_card(CARD), range(8)))
    assert len(files) == 1
    assert files != {reason_card(replace(CARD, origin="Picture of 2026-11-26."))}


def test_bars_are_as_long_as_their_values() -> None:
    shown = pixels(reason_card(CARD))
    blue = (shown == (0x3B, 0x8B, 0xD0)).all(axis=2).sum(axis=1).max()
    red = (shown == (0xD5, 0x5E, 0x00)).all(axis=2).sum(axis=1).max()
    grey = (shown == (0x8A, 0x8F, 0x98)).all(axis=2).sum(axis=1).max()
    assert blue == pytest.approx(2 * red, abs=3) and grey == pytest.approx(red, abs=3)
