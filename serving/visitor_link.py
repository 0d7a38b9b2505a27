"""A visitor's films in a link: short enough for a message, and checked when it is opened."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from data_preparation import MovieData
from serving.visitor_book import title_check

LINK_NAME = "films"  # in the address, behind the #
MAX_CODE = 2_000  # characters, which every browser and most chats take
_VERSION = 1
_SHORTLIST, _NOT_INTERESTED = 11, 12  # 1 to 10 are half stars
_CHECKSUM_BYTES = 4


class LinkError(ValueError):
    """The code of a link cannot be used; the message is one sentence to show."""


@dataclass(frozen=True)
class LinkedFilms:
    """What a link holds, by inner movie id.

    Attributes:
        stars: 0.5–5 in halves.
        shortlist, not_interested: films.
        elsewhere: entries whose film these data do not have.
    """

    stars: dict[int, float] = field(default_factory=dict)
    shortlist: list[int] = field(default_factory=list)
    not_interested: list[int] = field(default_factory=list)
    elsewhere: int = 0

    @property
    def size(self) -> int:
        """Films that could be taken over, one that is on two lists counted twice."""
        return len(self.stars) + len(self.shortlist) + len(self.not_interested)


def encode(
    data: MovieData,
    stars: Mapping[int, float],
    shortlist: Iterable[int],
    not_interested: Iterable[int],
) -> str:
    """The films in letters that need no escaping in an address; may be longer than `MAX_CODE`.

    Three to five letters a film: the step from the raw id before it (7 bits a byte), 12 bits of a
    check of its title and 4 of what is said of it. That leaves nothing for zlib to shorten.

    Args:
        stars: inner movie id → 0.5–5 in halves; the others are inner ids as well.
    """
    said = [(movie, round(2 * value)) for movie, value in stars.items()]
    said += [(movie, _SHORTLIST) for movie in shortlist]
    said += [(movie, _NOT_INTERESTED) for movie in not_interested]
    content, last = bytearray([_VERSION]), 0
    for movie, what in sorted(said):  # inner ids are in the order of raw ids
        raw = int(data.movie_ids[movie])
        content += _varint(raw - last)
        content += (_check(data, movie) << 4 | what).to_bytes(2)
        last = raw
    content += zlib.crc32(content).to_bytes(_CHECKSUM_BYTES)
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decode(code: str, data: MovieData) -> LinkedFilms:
    """The films of a code.

    Raises:
        LinkError: it is damaged, cut short, too long or of another version.
    """
    content = _checked(code)
    inner = {raw: movie for movie, raw in enumerate(data.movie_ids.tolist())}
    found = LinkedFilms()
    elsewhere = 0
    for raw, check, what in _entries(content):
        movie = inner.get(raw)
        if movie is None or _check(data, movie) != check:
            elsewhere += 1
        elif 1 <= what <= 10:
            found.stars[movie] = what / 2
        elif what in (_SHORTLIST, _NOT_INTERESTED):
            (found.shortlist if what == _SHORTLIST else found.not_interested).append(movie)
    return LinkedFilms(found.stars, found.shortlist, found.not_interested, elsewhere)


def _checked(code: str) -> bytes:
    """The entries' bytes, once version and checksum are right."""
    if len(code) > MAX_CODE:
        raise LinkError(f"The link is longer than {MAX_CODE:,} characters; use a CSV file instead.")
    try:
        content = base64.b64decode(code + "=" * (-len(code) % 4), b"-_", validate=True)
    except (ValueError, binascii.Error):
        content = b""
    body, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    if len(body) < 1 or zlib.crc32(body).to_bytes(_CHECKSUM_BYTES) != checksum:
        raise LinkError("The films of this link are damaged or cut short; copy the whole link.")
    if body[0] != _VERSION:
        raise LinkError("The films of this link are written in a way that is unknown here.")
    return body[1:]


def _entries(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Raw id, check and what is said, of each film."""
    place = raw = 0
    try:
        while place < len(content):
            step, shift = 0, 0
            while True:
                byte = content[place]
                place += 1
                step |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            raw += step
            both = int.from_bytes((content[place], content[place + 1]))
            place += 2
            yield raw, both >> 4, both & 0xF
    except IndexError:
        raise LinkError("The films of this link are damaged; copy the whole link.") from None


def _varint(number: int) -> bytes:
    """7 bits a byte, lowest first, all but the last with the high bit (protobuf's base 128)."""
    content = bytearray()
    while number > 0x7F:
        content.append(number & 0x7F | 0x80)
        number >>= 7
    content.append(number)
    return bytes(content)


def _check(data: MovieData, movie: int) -> int:
    return title_check(data.labels[movie]) & 0xFFF
