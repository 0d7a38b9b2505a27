"""The README's pictures: there, small, and as wide as the script makes them."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.conftest import REPOSITORY

PICTURES = ("start_here", "recommendations", "train_model", "insights")
DOCS = REPOSITORY / "docs"


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_each_tab_is_small_and_light(name: str) -> None:
    file = DOCS / f"{name}.png"
    assert file.stat().st_size < 200_000
    with Image.open(file) as picture:
        assert picture.width == 1280 and 700 <= picture.height <= 1700
        assert picture.convert("L").getpixel((5, 5)) > 240
