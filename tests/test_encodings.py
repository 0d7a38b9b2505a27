"""Every file of text is read and written in a named encoding: Windows' own is another one."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator

from tests.conftest import REPOSITORY


def python_files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=REPOSITORY, check=True, capture_output=True
    )
    return listed.stdout.decode("utf-8").splitlines()


def without_encoding(source: str) -> Iterator[int]:
    """Lines that open text in the system's encoding; ruff's rule knows too few types for all."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(
            k.arg in ("encoding", None) for k in node.keywords
        ):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else None
        name = node.func.id if isinstance(node.func, ast.Name) else name
        modes = [
            arg.value
            for arg in (*node.args, *(k.value for k in node.keywords if k.arg == "mode"))
            if isinstance(arg, ast.Constant) and re.fullmatch(r"[rwxabt+]{1,3}", str(arg.value))
        ]
        text_mode = not any("b" in str(mode) for mode in modes)
        if name in ("read_text", "write_text"):
            if len(node.args) < (1 if name == "read_text" else 2):
                yield node.lineno
        elif name == "open" and text_mode and (isinstance(node.func, ast.Name) or modes):
            yield node.lineno


def test_every_file_is_opened_with_an_encoding() -> None:
    files = [name for name in python_files() if not name.startswith("tests/")]
    assert len(files) > 50
    found = [
        f"{name}:{line}"
        for name in files
        for line in without_encoding((REPOSITORY / name).read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_test_itself_finds_them() -> None:
    bad = 'path.read_text()\npath.write_text(text)\nopen(path)\npath.open("w")\nopen(path, "r+")\n'
    good = 'path.read_bytes()\nopen(path, "rb")\npath.open("xb")\npath.read_text("utf-8")\n'
    assert list(without_encoding(bad)) == [1, 2, 3, 4, 5]
    assert list(without_encoding(good + 'open(path, encoding="utf-8")\narchive.open(name)')) == []
