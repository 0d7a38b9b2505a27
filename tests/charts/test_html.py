"""Strips and bars: colours, scales, numbers."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image

from charts.basics import BLUE, ORANGE
from charts.html import Bar, Strip, bars, strips


def test_a_strip_colours_sign_and_size_and_reads_out_every_number() -> None:
    picture = strips(
        [
            Strip("a<b", np.array([4.0, -1.0, 0.0])),
            Strip("other", np.array([9.0, 0, 0]), apart=True),
        ],
        "two rows",
    )
    cells = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))[0]
        for text in re.findall(r"base64,([^']+)'", picture)
    ]
    orange, blue = (list(bytes.fromhex(colour[1:])) for colour in (ORANGE, BLUE))
    assert cells[0][:, :3].tolist() == [orange, blue, orange]
    assert cells[0][0, 3] == cells[1][0, 3] == 255  # the largest of the scale, and of its own
    assert cells[0][1, 3] == round(255 * (0.04 + 0.96 * 0.5))  # √(1/4)
    assert "data-v='[1]&#10;−1.0000&#10;0.0000'" in picture
    assert "a&lt;b" in picture and "a<b" not in picture


def test_bars_share_a_scale_on_which_zero_has_its_place() -> None:
    picture = bars([Bar("up", 3.0, "3"), Bar("down", -1.0, "−1")], "two bars")
    assert "left:25.00%;width:75.00%" in picture
    assert "left:0.00%;width:25.00%" in picture
    assert "left:0.00%;width:50.00%" in bars([Bar("half", 1.0, "1")], "one", (0.0, 2.0))
