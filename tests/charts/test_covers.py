"""Drawn covers: sound SVG whatever the title, text that fits and can be read, none like another."""

from __future__ import annotations

import re
from random import Random
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from charts.covers import HEIGHT, WIDTH, cover, cover_colours, cover_uri, text_width
from data_preparation import load_movie_data
from settings import DEMO_DIR

SVG = "{http://www.w3.org/2000/svg}"
HARD = (
    "",
    " ",
    "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb",
    "Night of the " * 30,
    "Supercalifragilisticexpialidocious" * 4,
    "千と千尋の神隠し" * 6,
    "Everything 🎬 👨‍👩‍👧 Everywhere",
    "<script>alert(1)</script> & \"'",
    "nul \x00 bell \x07 escape \x1b surrogate \ud800 end \ufffe",
    "שר הטבעות",
    "e\u0301" * 100,
)


def texts(svg: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(svg).findall(f".//{SVG}text")


def shown(svg: str) -> list[str]:
    return [text.text or "" for text in texts(svg)]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize(
    ("year", "genres"),
    [(None, ()), (1999, ("Drama",)), (1, tuple(f"Genre {n}" for n in range(25)))],
)
def test_every_text_stands_inside_of_the_cover(
    name: str, year: int | None, genres: tuple[str, ...]
) -> None:
    svg = cover(name, year, genres)
    lines = texts(svg)
    assert lines and all(text.text and text.text.strip() for text in lines)
    for text in lines:
        size = float(text.get("font-size", 0))
        assert size >= 10  # px, as large as a card shows it
        wide = text_width(text.text or "", size) * (1 if text.get("font-weight") == "700" else 0.92)
        assert float(text.get("x", 0)) + wide <= WIDTH
        assert size < float(text.get("y", 0)) <= HEIGHT - 8
    heights = [float(text.get("y", 0)) for text in lines]
    assert heights == sorted(heights)
    assert (str(year) in shown(svg)) == (year is not None)


def test_a_cover_says_title_year_and_genres() -> None:
    assert shown(cover("The Matrix", 1999, ("Action", "War"))) == [
        "The",
        "Matrix",
        "1999",
        "Action · War",
    ]
    assert shown(cover("", None, ())) == ["Untitled", "film"]
    assert shown(cover("Heat", None, ("Crime",) * 20))[-1] == "Crime · +19"
    assert "".join(shown(cover("千と千尋の神隠し", None, ()))) == "千と千尋の神隠し"
    whole = "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb"
    *first, last = shown(cover(whole, None, ()))
    assert last.endswith("…") and whole.startswith(" ".join(first))


@given(st.text(max_size=300), st.none() | st.integers(1, 9999), st.lists(st.text(), max_size=30))
def test_any_title_gives_the_same_sound_picture_twice(
    name: str, year: int | None, genres: list[str]
) -> None:
    svg = cover(name, year, genres)
    ElementTree.fromstring(svg.encode())
    assert svg == cover(name, year, genres)
    assert cover_uri(name, year, genres).startswith("data:image/svg+xml;base64,")


def test_all_text_has_a_contrast_of_four_and_a_half_at_least() -> None:
    ratios = []
    for genre in range(720):
        for seed in range(4):
            colours = cover_colours([f"{genre}"], Random(seed))
            ratios.append(contrast(colours.ink, colours.ground))
    assert min(ratios) >= 4.5
    svg = cover("The Matrix", 1999, ("Action",))
    ground = re.findall(r"<rect[^>]*fill=\"(#\w+)\"/>", svg)[-1]  # the last lies on top
    assert contrast(re.search(r"<g fill=\"(#\w+)\"", svg)[1], ground) >= 4.5  # type: ignore[index]


def picture(svg: str) -> NDArray[np.float32]:
    """The cover without its text, 17 × 25 pixels, 0 to 1; float32 [25, 17, 3]."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    for shape in ElementTree.fromstring(svg):
        kind, fill = shape.tag.removeprefix(SVG), shape.get("fill")
        number = {k: float(v) for k, v in shape.items() if k in ("x", "y", "width", "height", "r")}
        if kind == "rect":
            x, y = number["x"], number["y"]
            draw.rectangle((x, y, x + number["width"], y + number["height"]), fill)
        elif kind == "circle":
            x, y, r = float(shape.get("cx", 0)), float(shape.get("cy", 0)), number["r"]
            draw.ellipse((x - r, y - r, x + r, y + r), fill)
        elif kind == "polygon":
            points = [tuple(map(float, p.split(","))) for p in shape.get("points", "").split()]
            draw.polygon(points, fill)
        else:
            assert kind == "g"  # the text
    return np.asarray(image.resize((17, 25)), np.float32) / 255


def test_hardly_two_films_have_a_cover_that_looks_the_same_even_without_its_text() -> None:
    data = load_movie_data(DEMO_DIR)
    movies = data.movies
    columns = (movies["name"], movies["year"], movies["genres"])
    pictures = np.array(
        [
            picture(cover(name, None if pd.isna(year) else int(year), genres)).ravel()
            for name, year, genres in zip(*columns, strict=True)
        ]
    )
    apart = np.array([np.abs(pictures - one).mean(axis=1) for one in pictures])
    kinds = pd.factorize(movies["genres"].map(sorted).map(tuple))[0]
    pairs = np.triu_indices(len(kinds), 1)
    apart, same_genres = apart[pairs], (kinds[:, None] == kinds)[pairs]
    # 0.04 of full black to white on average over the picture: seen at a glance.
    assert (apart < 0.04).mean() < 0.001
    assert (apart[same_genres] < 0.04).mean() < 0.01
    assert apart[same_genres].mean() < apart.mean()  # akin all the same
