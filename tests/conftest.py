"""Shared fixtures: the real MovieLens files if they are here, and small datasets made on the spot.

Nothing here reads `demo_data/`, and nothing needs the network: pyproject.toml blocks sockets other
than loopback.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from data_preparation import MovieData, load_movie_data
from model.splits import Split, random_80_10_10
from model.trained import TrainedModel
from model_training import train
from serving import tables
from sources.download import find_local_data
from sources.files import printable
from sources.movielens_files import DataError
from tests.small_training import config, hybrid_config

# A shared, slow CPU must not fail a test by its clock, and a run must be repeatable.
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("suite")
torch.set_num_threads(1)  # the matrices are tiny: threads would only wait for each other

REPOSITORY = Path(__file__).resolve().parents[1]

_JOURNEYS = "tests/journeys/"
_WHOLE_APP = ("AppTest", "running_server", "running_app", "Visit")  # what such modules import


@pytest.fixture(scope="session", autouse=True)
def no_tables_are_kept() -> Generator[None]:
    """What one test has computed, with whatever it replaced, must be read by no other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "WORTH_KEEPING", math.inf)
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough",
        action="store_true",
        help="the tests marked `thorough`, too, and the full numbers of kills, bodies and visitors",
    )


@pytest.fixture(scope="session")
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether a test may take the time for its full numbers (`make thorough`)."""
    return bool(pytestconfig.getoption("--thorough"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the whole app, skip the thorough ones, and put the longest groups first.

    So no worker is left with them at the end.
    """
    for item in items:
        if not vars(item.module).keys().isdisjoint(_WHOLE_APP):
            item.add_marker(pytest.mark.pages)
        if _has(item, "thorough") and not item.config.getoption("--thorough"):
            item.add_marker(pytest.mark.skip(reason="only with --thorough"))
    items.sort(key=_rank)  # which keeps the order within a file


class _ByFile(LoadScopeScheduling):
    """A file stays on one worker, and with it what its fixtures train.

    All journeys stay together: two browsers at once would only wait for each other, and each would
    want an app with a model. (The groups of `--dist loadgroup` do nothing from pytest 9.2 on.)
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        return _JOURNEYS if path.startswith(_JOURNEYS) else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByFile:
    return _ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Captured output may hold names of files that are no text, which a worker cannot send."""
    report = yield
    report.sections = [(name, printable(text)) for name, text in report.sections]
    return report


def _rank(item: pytest.Item) -> int:
    return next((n for n, name in enumerate(("browser", "pages")) if _has(item, name)), 2)


def _has(item: pytest.Item, marker: str) -> bool:
    return item.get_closest_marker(marker) is not None


Content = str | bytes | Iterable[tuple] | None
"""Of a file: its text or bytes, its rows under the usual header, or None for no such file."""

HEADERS = {
    "ratings": "userId,movieId,rating,timestamp",
    "movies": "movieId,title,genres",
    "tags": "userId,movieId,tag,timestamp",
    "links": "movieId,imdbId,tmdbId",
}

# 5 users x 8 films, raw ids with gaps, nobody and nothing symmetric: a mix-up of users and films,
# or of raw and inner ids, cannot go unseen. Film 200 has no rating; user 21 has a single one.
TOY_RATINGS = (
    (3, 10, 4.0, 100),
    (3, 20, 3.5, 110),
    (3, 35, 5.0, 120),
    (3, 70, 2.0, 130),
    (7, 10, 4.5, 200),
    (7, 20, 4.0, 210),
    (7, 50, 1.0, 220),
    (20, 35, 3.0, 300),
    (20, 50, 4.0, 310),
    (20, 70, 5.0, 320),
    (20, 90, 0.5, 330),
    (21, 10, 2.5, 400),
    (105, 20, 3.0, 510),
    (105, 90, 4.0, 500),
    (105, 110, 4.5, 520),
)
TOY_MOVIES = (
    (10, "Matrix, The (1999)", "Action|Sci-Fi"),
    (20, "Heat (1995)", "Action|Crime"),
    (35, "Jumanji (1995)", "Adventure"),
    (50, "Postman, The (Postino, Il) (1994)", "Comedy|Romance"),
    (70, "Up (2009)", "Adventure"),
    (90, "Seven (a.k.a. Se7en) (1995)", "Crime"),
    (110, "Alien (1979)", "Sci-Fi"),
    (200, "Babylon 5", "(no genres listed)"),
)
TOY_TAGS = (
    (3, 10, "Sci-Fi", 1),
    (7, 110, "sci fi", 2),
    (7, 110, "time travel", 3),
    (20, 10, "Time Travel!", 4),
    (20, 90, "in netflix queue", 5),
    (3, 90, "bleak", 6),
    (3, 20, "!!!", 7),
    (300, 35, "time travel", 8),  # user 300 tags, but rates nothing
)
TOY_LINKS = (
    *((movie, f"0{movie}", str(movie * 3)) for movie, _, _ in TOY_MOVIES[:-1]),
    (200, "0200", ""),
)


def as_csv(name: str, rows: Iterable[tuple]) -> str:
    """The rows under the header of `name`.csv, quoted where needed."""
    text = io.StringIO()
    text.write(HEADERS[name] + "\n")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_dataset(
    folder: Path,
    ratings: Content = TOY_RATINGS,
    movies: Content = TOY_MOVIES,
    tags: Content = TOY_TAGS,
    links: Content = TOY_LINKS,
) -> Path:
    """Write a small folder in MovieLens format; what is not given is the toy dataset's."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"ratings": ratings, "movies": movies, "tags": tags, "links": links}
    for name, content in contents.items():
        if content is None:
            continue
        if not isinstance(content, str | bytes):
            content = as_csv(name, content)
        if isinstance(content, str):
            content = content.encode()
        (folder / f"{name}.csv").write_bytes(content)
    return folder


def planted_ratings(n_users: int = 30, n_movies: int = 48, seed: int = 0) -> list[tuple]:
    """A checkerboard: users and films fall into 3 groups, and people rate films of their own."""
    rng = np.random.default_rng(seed)
    chance = rng.random((n_users, n_movies))
    own = np.arange(n_users)[:, None] % 3 == np.arange(n_movies) % 3
    users, films = np.nonzero(chance < np.where(own, 0.7, 0.02))
    times = rng.permutation(len(users))
    return [
        (2 + 3 * user, 5 + 7 * film, float(rng.integers(1, 11)) / 2, int(at))
        for user, film, at in zip(users, films, times, strict=True)
    ]


def write_planted(folder: Path) -> Path:
    """Write the checkerboard of `planted_ratings` as a dataset of 30 users x 48 films."""
    films = [(5 + 7 * film, f"Film {film} (1999)", "Drama") for film in range(48)]
    return write_dataset(folder, planted_ratings(), films, tags=None, links=None)


def assert_one_sentence(message: str) -> None:
    """Shown to people as it is: one line, a full stop at its end, no second sentence."""
    assert message and message == message.strip()
    assert "\n" not in message and "\r" not in message
    assert message.endswith(".")
    outside_brackets = re.sub(r"\(.*\)", "", message)
    assert not re.search(r"[.!?]\s+[A-Z]", outside_brackets), message


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder: the bytes of each file, None for each folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="session")
def real_data() -> MovieData:
    """The real MovieLens data; tests that need them are skipped where they are absent."""
    try:
        folder = find_local_data()
    except DataError as error:
        pytest.skip(f"the real MovieLens files are not here: {error}")
    if folder is None or folder.name != "ml-latest-small":
        pytest.skip("the real MovieLens files (a folder ml-latest-small) are not here")
    return load_movie_data(folder)


@pytest.fixture(scope="session")
def shared_splits() -> Path:
    """The folder of the published splits, beside the repository."""
    folder = REPOSITORY.parent / "shared" / "splits"
    if not folder.is_dir():
        pytest.skip("the published splits (../shared/splits) are not here")
    return folder


@pytest.fixture
def toy_data(tmp_path: Path) -> MovieData:
    """5 users x 8 films whose raw ids have gaps; see TOY_RATINGS."""
    return load_movie_data(write_dataset(tmp_path / "toy"))


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., MovieData]:
    """Write a dataset as `write_dataset` does, and load it."""
    return lambda **contents: load_movie_data(write_dataset(tmp_path / "data", **contents))


@pytest.fixture(scope="session")
def planted_data(tmp_path_factory: pytest.TempPathFactory) -> MovieData:
    """30 users x 48 films with a known structure; see `planted_ratings`."""
    return load_movie_data(write_planted(tmp_path_factory.mktemp("planted")))


@pytest.fixture(scope="session")
def split(planted_data: MovieData) -> Split:
    """The planted data, split at random."""
    return random_80_10_10(planted_data)


@pytest.fixture(scope="session")
def model(planted_data: MovieData, split: Split) -> TrainedModel:
    """A small training of the paper's model on the planted data."""
    return train(planted_data, split, config())


@pytest.fixture(scope="session")
def hybrid(planted_data: MovieData, split: Split) -> TrainedModel:
    """A fitted hybrid on the planted data."""
    return train(planted_data, split, hybrid_config())
