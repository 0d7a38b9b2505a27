"""Text in CSV files that a spreadsheet would run as a formula: made plain text, and read back."""

from __future__ import annotations

import re

# What spreadsheets take for the start of a formula (OWASP, "CSV injection"), full-width signs
# included, behind blanks and signs that cannot be seen, which some of them skip. A tab or a line
# break at the start may end the cell before.
_FORMULA = r"(?:[\s\x01-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠]|[\t\r\n])"
_RUNS = re.compile(f"'*{_FORMULA}")
_DEFUSED = re.compile(f"'+{_FORMULA}")


def defused(text: str) -> str:
    """With an apostrophe in front where it would run; NUL, which ends a file for some, as �."""
    text = text.replace("\0", "\ufffd")
    return "'" + text if _RUNS.match(text) else text


def restored(text: str) -> str:
    """As it was before `defused`, NUL aside."""
    return text[1:] if _DEFUSED.match(text) else text
