"""Portraits of the people whom the lessons follow, drawn here out of a few shapes."""

from __future__ import annotations

from charts.basics import BLUE, GREEN, ORANGE, PURPLE, VERMILLION

_BACK = (BLUE, ORANGE, GREEN, PURPLE, VERMILLION)
_SKIN = ("#f2c9a1", "#8d5b3f", "#e3ab80", "#c68a5f", "#f6d7bd")
_HAIR = ("#3b2a20", "#1d1a1a", "#a4552a", "#5f5f66", "#d9b24c")
_STYLES = (  # hair behind the face, and hair before it
    (  # long
        "<path d='M15 34c0-16 34-16 34 0v18H15z'/>",
        "<path d='M20 29c2-11 22-11 24 0-8-5-16-5-24 0z'/>",
    ),
    (  # curls
        "<circle cx='22' cy='22' r='7'/><circle cx='32' cy='18' r='8'/>"
        "<circle cx='42' cy='22' r='7'/>",
        "",
    ),
    (  # a bun
        "<circle cx='32' cy='12' r='6'/>",
        "<path d='M19 31c0-17 26-17 26 0-5-8-21-8-26 0z'/>",
    ),
    ("", "<path d='M19 30c0-17 26-17 26 0-4-3-5-6-6-8-6 5-13 7-20 8z'/>"),  # parted
    ("", "<path d='M21 37c1 15 21 15 22 0-3 4-5 4-11 4s-8 0-11-4z'/>"),  # a beard
)


def portrait(number: int) -> str:
    """SVG: a face before a disc, another one for each of the first five numbers."""
    n = number % len(_STYLES)
    behind, before = _STYLES[n]
    return (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 64 64' width='64' height='64'>"
        f"<defs><clipPath id='disc'><circle cx='32' cy='32' r='32'/></clipPath></defs>"
        f"<g clip-path='url(#disc)'><rect width='64' height='64' fill='{_BACK[n]}'/>"
        f"<g fill='{_HAIR[n]}'>{behind}</g>"
        f"<path d='M10 66c2-16 42-16 44 0z' fill='#f4f4f2'/>"
        f"<path d='M27 42h10v9c-2 3-8 3-10 0z' fill='{_SKIN[n]}'/>"
        f"<ellipse cx='32' cy='33' rx='12' ry='14' fill='{_SKIN[n]}'/>"
        f"<g fill='{_HAIR[n]}'>{before}</g>"
        "<g fill='#26211d'><circle cx='27.5' cy='33' r='1.5'/>"
        "<circle cx='36.5' cy='33' r='1.5'/></g>"
        "<path d='M28 39.5c2 2.2 6 2.2 8 0' stroke='#7a3f33' stroke-width='1.6' fill='none' "
        "stroke-linecap='round'/></g></svg>"
    )
