"""Where the data come from: find MovieLens on disk, else download it, else the built-in demo.

`python -m sources.download` does that once, with progress; `make run` calls it before the app.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import requests

from settings import (
    DEMO_DIR,
    MOVIELENS_FOLDER,
    MOVIELENS_VARIABLE,
    PROJECT_DIR,
    chosen_data,
    usual_data,
)
from sources.atomic import move_all
from sources.bounded_http import AnswerError, BoundedSession, chunks
from sources.files import note, reason
from sources.movielens_files import DataError

MOVIELENS_URL = "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip"
MOVIELENS_BYTES = 978_202
MEMBER_BYTES = 32 * 2**20  # of one unpacked file; the largest real one has 2.5 MB
MOVIELENS_SHA256 = "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436"
# ratings.csv comes last: while it is absent, the folder does not count as complete.
MEMBERS = ("README.txt", "links.csv", "tags.csv", "movies.csv", "ratings.csv")

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 5, 10, 120

Progress = Callable[[int, int], object]  # bytes so far, bytes in all
"""Called with (bytes so far, bytes in all)."""


def find_local_data(
    environ: Mapping[str, str] = os.environ, project: Path = PROJECT_DIR
) -> Path | None:
    """First folder with data: $MOVIELENS_DIR, ml-latest-small/, ../shared/ml-latest-small.

    Raises:
        DataError: MOVIELENS_DIR is set, but there are no MovieLens files in it.
    """
    chosen = chosen_data(environ)
    if chosen:
        if not _has_data(chosen):
            note(f"{MOVIELENS_VARIABLE} is {chosen}")
            raise DataError(
                f"{MOVIELENS_VARIABLE} names a folder where ratings.csv and movies.csv are not "
                "both to be found; correct it or unset it."
            )
        return chosen
    return next((folder for folder in usual_data(project) if _has_data(folder)), None)


def obtain_data(progress: Progress | None = None) -> tuple[Path, str | None]:
    """The data folder by the whole order: local, download, demo.

    Returns:
        The folder, and the sentence that says why the download failed (None unless it did).

    Raises:
        DataError: as `find_local_data`.
    """
    local = find_local_data()
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
    """Download, verify and unpack ml-latest-small; `target` changes only once all is verified.

    Raises:
        DataError: no connection, a wrong answer, a wrong checksum, or a folder that cannot be
            written; what was in `target` is untouched.
    """
    # The defaults are read at call time, so that tests can point them at a loopback server.
    url, sha256 = url or MOVIELENS_URL, sha256 or MOVIELENS_SHA256
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as scratch:
            archive = Path(scratch) / "ml-latest-small.zip"
            _fetch(url, archive, progress)
            _verify(archive, sha256)
            _unpack(archive, Path(scratch), target)
    except requests.RequestException as error:
        raise DataError(_network_sentence(error)) from None
    except OSError as error:
        raise DataError(
            f"The MovieLens files cannot be written to {target.name} ({reason(error)}); "
            f"free some space or set {MOVIELENS_VARIABLE} to a folder that has them."
        ) from None
    return target


def _has_data(folder: Path) -> bool:
    # And not Path.is_file, which raises where it may not look.
    return all(os.path.isfile(folder / name) for name in ("ratings.csv", "movies.csv"))


def _fetch(url: str, archive: Path, progress: Progress | None) -> None:
    timeouts = (CONNECT_SECONDS, READ_SECONDS)
    with (
        BoundedSession(TOTAL_SECONDS) as session,
        session.get(url, stream=True, timeout=timeouts) as response,
        archive.open("wb") as file,
    ):
        if response.status_code != 200:
            raise requests.HTTPError(response=response)
        received = 0
        for chunk in chunks(response, MOVIELENS_BYTES):
            file.write(chunk)
            received += len(chunk)
            if progress:
                progress(received, MOVIELENS_BYTES)


def _verify(archive: Path, sha256: str) -> None:
    content = archive.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(
            f"The download is not the MovieLens file (checksum of {len(content):,} bytes differs); "
            "it was thrown away, try again."
        )


def _unpack(archive: Path, scratch: Path, target: Path) -> None:
    """Unpack only the files we know by name, then move each into place."""
    try:
        with zipfile.ZipFile(archive) as bundle:
            for name in MEMBERS:
                if bundle.getinfo(f"ml-latest-small/{name}").file_size > MEMBER_BYTES:
                    raise zipfile.BadZipFile(f"{name} is far larger than the real file")
                member = bundle.open(f"ml-latest-small/{name}")
                with member, (scratch / name).open("wb") as file:
                    shutil.copyfileobj(member, file)
    except OSError:
        raise  # the disk, not the archive
    except Exception as error:  # zipfile raises many types for damaged archives
        reason = " ".join(str(error).rstrip(".").split())[:200] or type(error).__name__
        raise DataError(f"The downloaded archive cannot be unpacked ({reason}).") from None
    move_all(MEMBERS, scratch, target)


def _network_sentence(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"GroupLens answered {error.response.status_code} to the download; try again later."
    if isinstance(error, AnswerError):
        return "What came is not the MovieLens file (it is larger, or packed); try again later."
    if isinstance(error, requests.Timeout):
        return "GroupLens did not answer in time; check the connection and try again."
    return "GroupLens cannot be reached; check the connection and try again."


def main() -> int:
    """Find or download the data and say where they are; 1 if the choice by MOVIELENS_DIR fails."""

    def show(received: int, total: int) -> None:
        end = "\n" if received == total else ""
        print(f"\rDownloading MovieLens: {received / total:4.0%}", end=end, flush=True)

    try:
        folder, failure = obtain_data(show)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    if failure:
        print(f"{failure} The app will start on its built-in demo data.")
    else:
        print(f"Data: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
