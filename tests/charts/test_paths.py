"""The picture of paths: what is drawn, how thick, and where each line ends."""

from __future__ import annotations

import re

import numpy as np

from charts.basics import BLUE, VERMILLION
from charts.paths import Box, paths

RATED = [Box("A <b> & B", "5 ★"), Box("Two", "1 ★")]
KINDS = [Box("people", ""), Box("genres", ""), Box("tags", "")]
SHARES = np.array([[0.8, 0.004, 0.0], [0.1, 0.0, -0.4]])


def lines(picture: str) -> list[str]:
    return re.findall(r"<i style='(.*?)'></i>", picture)


def test_every_share_above_the_faintest_is_a_line_of_its_sign() -> None:
    drawn = lines(paths(RATED, KINDS, Box("Film", ""), SHARES))
    first = [line for line in drawn if line.startswith("left:31%")]
    second = [line for line in drawn if line.startswith("left:70%")]
    assert len(first) == 3 and len(second) == 2  # 0.8, 0.1, −0.4; 0.9 and −0.4
    assert sum(BLUE in line for line in first) == 2
    assert sum(VERMILLION in line for line in first) == sum(VERMILLION in x for x in second) == 1


def test_a_line_is_as_thick_as_what_it_carries() -> None:
    drawn = lines(paths(RATED, KINDS, Box("Film", ""), SHARES))
    halves = [float(re.search(r"50% - ([\d.]+)px", line)[1]) for line in drawn if "50%" in line]
    assert max(halves) == 4.5  # 0.9, the largest, has nine pixels
    assert min(halves) == 0.5


def test_lines_end_where_the_boxes_stand() -> None:
    picture = paths(RATED, KINDS, Box("Film", ""), SHARES)
    tops = [float(top) + 22 for top in re.findall(r"<div style='.*?top:(\d+)px", picture)]
    assert tops == [42, 126, 28, 84, 140, 84]
    for line in lines(picture):
        top, height = (
            float(re.search(rf"{name}:([\d.]+)px", line)[1]) for name in ("top", "height")
        )
        assert {round(top), round(top + height)} <= set(map(round, tops)) | {80, 88}


def test_titles_are_text_and_no_share_is_no_fault() -> None:
    picture = paths(RATED, KINDS, Box("Film", ""), np.zeros((2, 3)))
    assert "A &lt;b&gt; &amp; B" in picture and not lines(picture)
