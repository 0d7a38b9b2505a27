"""The commands of the pages, run as they stand there, on the data that everyone has."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from streamlit import config

from api.current import Snapshot
from api.gates import ANSWER_SECONDS, MOST_AT_ONCE, MOST_BODY
from api.shapes import MAX_K, MAX_RATINGS, MAX_USERS
from data_preparation import load_movie_data
from model.splits import random_80_10_10
from model_training import train
from settings import DEFAULT_RATE, DEMO_DIR
from tests.api.conftest import Client, Fixed, answering
from tests.conftest import REPOSITORY
from tests.small_training import hybrid_config

PAGES = {name: (REPOSITORY / name).read_text() for name in ("README.md", "docs/api.md")}
COMMANDS = [
    (name, command.replace("\\\n", " "))
    for name, text in PAGES.items()
    for command in re.findall(r"^curl (?:.*\\\n)*.*$", text, re.MULTILINE)
]


@pytest.fixture(scope="module")
def demo() -> Iterator[Client]:
    data = load_movie_data(DEMO_DIR)
    model = train(data, random_80_10_10(data), hybrid_config(dim=8))
    with answering(Fixed(Snapshot.of(data, model))) as client:
        yield client


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl here")
@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=str)
def test_a_command_of_the_pages_gets_three_films(demo: Client, page: str, command: str) -> None:
    here = re.sub(r"http://localhost:(8000|8501/api)", demo.url, command)
    assert here != command
    done = subprocess.run(shlex.split(here), capture_output=True, text=True, timeout=60)
    told = json.loads(done.stdout)
    assert len(told["items"]) == 3, told
    assert told["items"][0]["score"] == max(item["score"] for item in told["items"])
    assert ("reasons=true" in command) == (told["items"][0]["reasons"] is not None)


def test_the_pages_have_commands() -> None:
    assert [page for page, _ in COMMANDS] == ["README.md", "README.md", "docs/api.md"]


def test_every_path_that_the_page_names_exists(demo: Client) -> None:
    document = demo.get("/openapi.json").json()["paths"]
    named = re.findall(r"`(?:GET |POST )?(/(?:v1|health|metrics)[\w/{}-]*)", PAGES["docs/api.md"])
    known = {re.sub(r"{\w+}", "{}", path) for path in document}
    assert len(named) > 8
    for path in named:
        assert re.sub(r"{\w+}", "{}", path) in known, path
    assert "/health/ready" in document and "/metrics" in document


def test_the_limits_that_the_page_names_are_the_real_ones() -> None:
    words = " ".join(PAGES["docs/api.md"].split())
    assert f"{MOST_BODY // 1024} KiB a body, {MAX_RATINGS:,} ratings, {MAX_K} films a list" in words
    assert f"{DEFAULT_RATE:g} requests per second and address" in words
    assert f"{MOST_AT_ONCE} at once, {ANSWER_SECONDS:g} seconds an answer" in words
    assert f"up to {MAX_USERS} users" in words


def test_options_that_the_pages_name_are_ones_of_streamlit() -> None:
    known = config.get_config_options()
    for page in REPOSITORY.glob("docs/*.md"):
        for option in re.findall(r"--((?:server|browser|client)\.\w+)", page.read_text()):
            assert option in known, option
