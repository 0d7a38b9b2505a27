"""Damage for the fuzz tests: what happens to files on their way, from a seeded generator."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

# Text that parsers disagree about, or that only looks like a number.
ODD = [
    *(b"\0", b'"', b'""', b"\r", b"\r\n", b"\n", b",", b";", b"\t", b" ", b"\\", b"#", b"|", b"'"),
    *(b"\xef\xbb\xbf", b"\xff", b"\xc3", b"\x1a", b"\x0b", b"\x1c", b"\xc2\x85", b"\xc2\xa0"),
    *(b"\xe2\x80\xa8", b"\xe2\x80\xae", b"\xef\xbc\x91", b"\xd9\xa3"),
    *(b"9" * 18, b"9" * 19, b"9" * 400, b"1e0", b"1e400", b"7.", b".5", b"4.0", b"0x1", b"1_0"),
    *(b"+", b"-", b"-0", b"nan", b"inf", b"NA", b"None", b"True", b"(1999)", b"=1+1", b"<b>"),
]

_WHOLE = [
    lambda text: text.replace(b"\n", b"\r\n"),
    lambda text: text.replace(b"\n", b"\r"),
    lambda text: b"\xef\xbb\xbf" + text,
    lambda text: text.replace(b"\n", b"\n\n"),
    lambda text: text.replace(b"\n", b",\n"),
    lambda text: text.replace(b"\n", b" \n"),
    lambda text: text.replace(b",", b", "),
    lambda text: text.replace(b",", b";"),
    lambda text: text.replace(b".0", b""),
    lambda text: text.rstrip(b"\n"),
    lambda text: re.sub(rb"([^,\n\"]+)", rb'"\1"', text),
    lambda text: text.decode("utf-8", "replace").encode("utf-16"),
    lambda text: text.decode("utf-8", "replace").encode("utf-16-le"),
    lambda text: text.replace(b"e", b"\xe9"),  # as Latin-1 would have it
    lambda text: text.replace(b"\n", b"\r\r\n"),
    lambda text: text + text,
    lambda text: text + b"\0" * 512,  # as a crash may leave it
    lambda text: text[: len(text) // 2] + text[: len(text) // 2],
]


def damaged(text: bytes, rng: random.Random) -> bytes:
    """The text of a table after one to three accidents of random kinds at random places."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        place, lines = rng.randrange(len(text) + 1), text.split(b"\n")
        line = rng.randrange(len(lines))
        kind = rng.randrange(8)
        if kind == 0:
            text = flipped(text, rng)
        elif kind == 1:
            text = text[:place]
        elif kind == 2:
            text = text[:place] + rng.choice(ODD) + text[place + rng.choice([0, 0, 1, 4]) :]
        elif kind == 3:
            lines.insert(rng.randrange(len(lines) + 1), lines[line])
            text = b"\n".join(lines)
        elif kind == 4:
            text = b"\n".join(lines[:line] + lines[line + 1 :])
        elif kind == 5:
            text = rng.choice(_WHOLE)(text)
        else:
            fields = lines[line].split(b",")
            fields[rng.randrange(len(fields))] = rng.choice(ODD)
            lines[line] = b",".join(fields)
            text = b"\n".join(lines)
    return text


def flipped(content: bytes, rng: random.Random) -> bytes:
    """The content with one bit turned over."""
    if not content:
        return content
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


def any_json(rng: random.Random, depth: int = 2) -> object:
    """A value that JSON can hold, often of a kind that nobody expects."""
    plain: list[object] = [
        *(None, True, False, 0, 1, -1, 7, 10**400, 0.5, float("nan"), float("inf"), 1e308),
        *("", "1", "nan", "<script>", "\ud800", "2026-11-23T10:00:00", "x" * 3000),
    ]
    if depth and rng.random() < 0.3:
        inner = [any_json(rng, depth - 1) for _ in range(rng.randrange(3))]
        return inner if rng.random() < 0.5 else {str(n): value for n, value in enumerate(inner)}
    return rng.choice(plain)


def places(content: object, path: tuple = ()) -> Iterator[tuple]:
    """The path of every value inside nested dicts and lists."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def replaced(content: object, path: tuple, value: object) -> object:
    """A copy of nested dicts and lists with another value at the path."""
    if not path:
        return value
    copied = dict(content) if isinstance(content, dict) else list(content)
    copied[path[0]] = replaced(copied[path[0]], path[1:], value)
    return copied
