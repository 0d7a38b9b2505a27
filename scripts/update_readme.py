"""Put the tables of benchmarks/results.json into the pages: `python scripts/update_readme.py`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from benchmarks.report import Results, load_results, section  # noqa: E402

PAGES = tuple(PROJECT / name for name in ("README.md", "docs/hosting.md", "docs/measuring.md"))
_BLOCK = re.compile(r"(<!-- benchmark:(\w+) -->\n).*?(<!-- /benchmark -->)", re.DOTALL)


def fill(text: str, results: Results) -> str:
    """The text with every block between benchmark markers replaced by its table."""
    return _BLOCK.sub(lambda m: f"{m[1]}{section(results, m[2]).strip()}\n{m[3]}", text)


if __name__ == "__main__":
    for page in PAGES:
        text = fill(page.read_text(encoding="utf-8"), load_results())
        page.write_text(text, encoding="utf-8")
