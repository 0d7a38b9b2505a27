"""Where the data come from: find MovieLens on disk, else download it, else the built-in demo.

`python -m sources.download` does that once, with progress; `make run` calls it before the app.
`--dataset ml-32m` fetches another release, to be chosen by that name on the page and by commands.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from settings import (
    DATASET_VARIABLE,
    DEMO_DIR,
    DOWNLOAD_COMMAND,
    MOVIELENS_FOLDER,
    MOVIELENS_VARIABLE,
    PROJECT_DIR,
    chosen_data,
    chosen_data_set,
    usual_data,
)
from sources.atomic import move_all
from sources.bounded_http import AnswerError, BoundedSession, chunks
from sources.files import note, reason
from sources.movielens_files import DataError, layout_of

MOVIELENS_SITE = "https://files.grouplens.org/datasets/movielens"
MOVIELENS_URL = f"{MOVIELENS_SITE}/ml-latest-small.zip"
MOVIELENS_BYTES = 978_202
MOVIELENS_SHA256 = "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436"
# The ratings come last: while they are absent, the folder does not count as complete.
MEMBERS = ("README.txt", "links.csv", "tags.csv", "movies.csv", "ratings.csv")

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 5, 10, 120
_SLOWEST = 50_000  # bytes per second of a large release: what comes slower is taken up another time
_ARCHIVE_BYTES = 2 * 2**30  # the largest, ml-latest, has 0.35 GB
_UNPACKED = 5  # times the archive: ratings as text shrink to a fourth

Progress = Callable[[int, int], object]  # bytes so far, bytes in all
"""Called with (bytes so far, bytes in all)."""


@dataclass(frozen=True)
class Release:
    """A data set that GroupLens offers.

    Attributes:
        name: of the archive and of the folder that it becomes.
        members: what is unpacked, the ratings last.
        checksum: MD5 or SHA-256; "" where the file beside the archive is to say.
        size: bytes of the archive; None where that is not known beforehand.
        inside: the folder within the archive, if it has another name.
        url: of the archive; by default GroupLens's.
        resumed: whether what has arrived is kept when a download ends early.
    """

    name: str
    members: tuple[str, ...] = MEMBERS
    checksum: str = ""
    size: int | None = None
    inside: str = ""
    url: str = ""
    resumed: bool = True

    @property
    def address(self) -> str:
        return self.url or f"{MOVIELENS_SITE}/{self.name}.zip"


RELEASES = {
    release.name: release
    for release in (
        Release("ml-latest-small", MEMBERS, MOVIELENS_SHA256, MOVIELENS_BYTES, resumed=False),
        Release("ml-100k", ("README", "u.item", "u.data"), "0e33842e24a9c977be4e0107933c0723"),
        Release(
            "ml-1m", ("README", "movies.dat", "ratings.dat"), "c4d9eecfca2ab87c1945afe126590906"
        ),
        Release(
            "ml-10m",
            ("README.html", "tags.dat", "movies.dat", "ratings.dat"),
            "ce571fd55effeba0271552578f2648bd",
            inside="ml-10M100K",
        ),
        Release("ml-20m", MEMBERS, "cd245b17a1ae2cc31bb14903e1204af3"),
        Release("ml-25m", MEMBERS, "6b51fb2759a8657d3bfcbfc42b592ada"),
        Release("ml-32m", MEMBERS, "d472be332d4daa821edc399621853b57", 238_950_008),
        Release("ml-latest"),
    )
}


def data_sets(
    environ: Mapping[str, str] = os.environ, project: Path = PROJECT_DIR
) -> dict[str, Path]:
    """The data sets on this disk by name, in their order; none is no error.

    $MOVIELENS_DIR, or each folder in it that holds a release; without that variable the releases
    in the project and in ../shared, ml-latest-small before the others.

    Raises:
        DataError: MOVIELENS_DIR is set, but there are no MovieLens files in it.
    """
    chosen = chosen_data(environ)
    if chosen is None:
        places = [folder for name in RELEASES for folder in usual_data(name, project)]
        found = [folder for folder in places if layout_of(folder)]
        first: dict[str, Path] = {}
        for folder in found:
            first.setdefault(folder.name, folder)
        return first
    if layout_of(chosen):
        return {chosen.name: chosen}
    inner = sorted(chosen.iterdir()) if os.path.isdir(chosen) else []
    several = {folder.name: folder for folder in inner if layout_of(folder)}
    if not several:
        note(f"{MOVIELENS_VARIABLE} is {chosen}")
        raise DataError(
            f"{MOVIELENS_VARIABLE} names a folder where ratings.csv and movies.csv are not "
            "both to be found, nor the files of an older release; correct it or unset it."
        )
    return several


def find_local_data(
    environ: Mapping[str, str] = os.environ,
    project: Path = PROJECT_DIR,
    dataset: str | None = None,
) -> Path | None:
    """Of `data_sets` the one of this name, else the one that $MOVIELENS_DATASET names, else the
    first; None where nothing is named and nothing is there.

    Raises:
        DataError: as `data_sets`, or what is named is not there.
    """
    found = data_sets(environ, project)
    name = dataset or chosen_data_set(environ)
    if name is None:
        return next(iter(found.values()), None)
    if name not in found:
        raise DataError(_not_here(name, found, environ))
    return found[name]


def _not_here(name: str, found: Mapping[str, Path], environ: Mapping[str, str]) -> str:
    chosen = chosen_data(environ)
    if chosen and chosen in found.values():
        return (
            f"There is no data set “{name[:40]}”: {MOVIELENS_VARIABLE} names {chosen.name} alone; "
            "name the folder around it, or unset it."
        )
    others = f", but {', '.join(found)}" if found else " nor any other"
    known = f" {name} fetches it" if name in RELEASES else f" fetches {' or '.join(RELEASES)}"
    return f"There is no data set “{name[:40]}” here{others}; {DOWNLOAD_COMMAND} --dataset{known}."


def add_dataset_option(parser: argparse.ArgumentParser) -> None:
    """`--dataset NAME`, for `find_local_data`, which says what is wrong with a name."""
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help=f"a data set that is here, as ml-25m (default: ${DATASET_VARIABLE}, else the first)",
    )


def obtain_data(
    progress: Progress | None = None, dataset: str | None = None
) -> tuple[Path, str | None]:
    """The data folder by the whole order: local, download, demo.

    Args:
        dataset: the name of one that must be here.

    Returns:
        The folder, and the sentence that says why the download failed (None unless it did).

    Raises:
        DataError: as `find_local_data`.
    """
    local = find_local_data(dataset=dataset)
    if local:
        return local, None
    try:
        return download_movielens(progress=progress), None
    except DataError as error:
        return DEMO_DIR, str(error)


def download_movielens(
    target: Path = MOVIELENS_FOLDER,
    progress: Progress | None = None,
    url: str | None = None,
    sha256: str | None = None,
) -> Path:
    """Download, verify and unpack ml-latest-small; as `download_release`."""
    # The defaults are read at call time, so that tests can point them at a loopback server.
    release = Release(
        "ml-latest-small",
        checksum=sha256 or MOVIELENS_SHA256,
        size=MOVIELENS_BYTES,
        url=url or MOVIELENS_URL,
        resumed=False,
    )
    return download_release(release, target, progress)


def download_release(release: Release, target: Path, progress: Progress | None = None) -> Path:
    """Download, verify and unpack a release; `target` changes only once all is verified.

    Of a large one, what has arrived stays beside `target` until it is complete, and the next call
    goes on from there.

    Raises:
        DataError: no connection, a wrong answer, a wrong checksum, too little room, or a folder
            that cannot be written; what was in `target` is untouched.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as scratch:
            beside = target.parent / f".download-{release.name}.zip"
            archive = beside if release.resumed else Path(scratch) / "archive.zip"
            checksum = release.checksum or _published_checksum(release)
            _fetch(release, archive, progress)
            _verify(archive, checksum)
            _unpack(release, archive, Path(scratch), target)
            archive.unlink()
    except requests.RequestException as error:
        raise DataError(_network_sentence(error)) from None
    except OSError as error:
        raise DataError(
            f"The MovieLens files cannot be written to {target.name} ({reason(error)}); "
            f"free some space or set {MOVIELENS_VARIABLE} to a folder that has them."
        ) from None
    return target


def _published_checksum(release: Release) -> str:
    """What GroupLens's own file beside the archive says.

    BSD's `MD5 (ml-1m.zip) = …` beside the older archives, GNU's `…  ml-32m.zip` beside the newer.
    """
    timeouts = (CONNECT_SECONDS, READ_SECONDS)
    address = f"{release.address}.md5"
    with (
        BoundedSession(TOTAL_SECONDS) as session,
        session.get(address, stream=True, timeout=timeouts) as response,
    ):
        if response.status_code != 200:
            raise requests.HTTPError(response=response)
        text = b"".join(chunks(response, 4096))
    found = re.search(rb"(?<![0-9a-fA-F])[0-9a-fA-F]{32}(?![0-9a-fA-F])", text)
    if found is None:
        raise DataError(f"GroupLens's checksum of {release.name} cannot be read; try again later.")
    return found[0].decode().lower()


def _fetch(release: Release, archive: Path, progress: Progress | None) -> None:
    """The archive, or the part of it that is still missing."""
    there = archive.stat().st_size if archive.exists() else 0
    seconds = TOTAL_SECONDS + (_ARCHIVE_BYTES // _SLOWEST if release.resumed else 0)
    with (
        BoundedSession(seconds) as session,
        session.get(
            release.address,
            stream=True,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            headers={"Range": f"bytes={there}-"} if there else None,
        ) as response,
    ):
        if there and response.status_code == 416:  # nothing is missing: the checksum decides
            return
        goes_on = there and response.status_code == 206
        if response.status_code != 200 and not goes_on:
            raise requests.HTTPError(response=response)
        if not goes_on:
            there = 0
        told = response.headers.get("Content-Length", "")
        total = release.size or (there + int(told) if told.isdecimal() else _ARCHIVE_BYTES)
        _check_room(release, archive.parent, total - there + _UNPACKED * total)
        with archive.open("ab" if goes_on else "wb") as file:
            for chunk in chunks(response, min(total, _ARCHIVE_BYTES) - there):
                file.write(chunk)
                there += len(chunk)
                if progress:
                    progress(there, total)


def _check_room(release: Release, folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"{release.name} needs about {needed / 1e9:,.2f} GB of room on the disk where "
            f"{folder.name} lies, and {free / 1e9:,.2f} GB are free; free some and try again."
        )


def _verify(archive: Path, checksum: str) -> None:
    """MD5 or SHA-256, by its length; what is not the archive is thrown away."""
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "md5" if len(checksum) == 32 else "sha256").hexdigest()
    if found != checksum:
        size = archive.stat().st_size
        archive.unlink()
        raise DataError(
            f"The download is not the MovieLens file (checksum of {size:,} bytes differs); "
            "it was thrown away, try again."
        )


def _unpack(release: Release, archive: Path, scratch: Path, target: Path) -> None:
    """Unpack only the files we know by name, then move each into place."""
    try:
        with zipfile.ZipFile(archive) as bundle:
            inside = release.inside or release.name
            members = {name: bundle.getinfo(f"{inside}/{name}") for name in release.members}
            size = sum(member.file_size for member in members.values())
            if size > 2 * _UNPACKED * max(archive.stat().st_size, 2**20):
                raise zipfile.BadZipFile("it is far larger inside than the real one")
            _check_room(release, target.parent, size)
            for name, member in members.items():
                with bundle.open(member) as packed, (scratch / name).open("wb") as file:
                    shutil.copyfileobj(packed, file)
    except (OSError, DataError):
        raise  # the disk, not the archive
    except Exception as error:  # zipfile raises many types for damaged archives
        why = " ".join(str(error).rstrip(".").split())[:200] or type(error).__name__
        archive.unlink(missing_ok=True)
        raise DataError(f"The downloaded archive cannot be unpacked ({why}).") from None
    move_all(release.members, scratch, target)


def _network_sentence(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"GroupLens answered {error.response.status_code} to the download; try again later."
    if isinstance(error, AnswerError):
        return "What came is not the MovieLens file (it is larger, or packed); try again later."
    if isinstance(error, requests.Timeout):
        return "GroupLens did not answer in time; check the connection and try again."
    return "GroupLens cannot be reached; check the connection and try again."


def _home() -> Path:
    """Where a release is put so that it is found there by its name."""
    chosen = chosen_data()
    return PROJECT_DIR if chosen is None or layout_of(chosen) else chosen


def main(arguments: list[str] | None = None) -> int:
    """Find or download the data and say where they are; 1 where what was asked for fails."""
    parser = argparse.ArgumentParser(
        prog="sources.download", description="Find MovieLens on this disk, or download it."
    )
    parser.add_argument("--dataset", choices=RELEASES, help="a release by name")
    options = parser.parse_args(arguments or [])
    wanted = options.dataset

    def show(received: int, total: int) -> None:
        end = "\n" if received == total else ""
        print(f"\rDownloading MovieLens: {received / total:4.0%}", end=end, flush=True)

    failure = None
    try:
        if wanted is None:
            folder, failure = obtain_data(show)
        else:
            folder = _home() / wanted
            if layout_of(folder) is None:
                download_release(RELEASES[wanted], folder, show)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    if failure:
        print(f"{failure} The app will start on its built-in demo data.")
    else:
        print(f"Data: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
