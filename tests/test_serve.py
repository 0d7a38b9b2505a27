"""Page and API in one real process: the same model, the same answers, one check of the host."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from data_preparation import MovieData
from model.checkpoints import save_checkpoint
from model.trained import TrainedModel
from model.viewers import user_viewer
from prediction import recommend, score_all
from settings import DEMO_DIR
from tests.conftest import write_planted
from tests.server import Server, running_server
from tests.session import PageError, Session

KEY = "a-key-that-is-long-enough"
FOREIGN = {"Host": "evil.example"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hybrid: TrainedModel) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("serve")
    (folder / "models").mkdir()
    save_checkpoint(hybrid, folder / "models" / "m.pth")
    environment = {"LIGHTGCN_API_KEY": KEY, "LIGHTGCN_HOSTS": "films.example.org"}
    with running_server(
        write_planted(folder / "planted"),
        folder / "models" / "m.pth",
        folder / "server.log",
        environment=environment,
        start=("serve.py",),
    ) as server:
        wait_until_ready(f"{server.url}/api")
        yield server


def wait_until_ready(api: str) -> None:
    """As a client does it: ask again after as many seconds as the answer says."""
    for _ in range(60):
        answer = requests.get(f"{api}/health/ready", timeout=20)
        if answer.ok:
            return
        assert answer.status_code == 503
        asyncio.run(asyncio.sleep(min(int(answer.headers["Retry-After"]), 1)))
    raise AssertionError(answer.text)


def test_a_developers_first_hour(
    server: Server, planted_data: MovieData, hybrid: TrainedModel
) -> None:
    """Look around, recommend to a user and to a visitor, ask why, train, put it in use."""
    api, asking = f"{server.url}/api", requests.Session()
    document = asking.get(f"{api}/openapi.json", timeout=20).json()
    assert document["servers"] == [{"url": "/api"}]
    page = asking.get(f"{api}/docs", timeout=20).text
    assert "/api/openapi.json" in page and "/api/static-offline-docs/" in page

    film = asking.get(f"{api}/v1/movies", params={"q": "film 17"}, timeout=20).json()["items"][0]
    told = asking.get(f"{api}/v1/users/5/recommendations?k=5", timeout=20).json()
    viewer = user_viewer(planted_data, hybrid, planted_data.inner_user(5))
    expected = recommend(hybrid, score_all(planted_data, hybrid, viewer), 5)
    assert [item["score"] for item in told["items"]] == [item.score for item in expected]

    ratings = [{"movie": film["movie"], "stars": 5}]
    mine = asking.post(f"{api}/v1/recommendations", json={"ratings": ratings, "k": 1}, timeout=20)
    first = mine.json()["items"][0]["movie"]
    why = asking.post(
        f"{api}/v1/explanations", json={"ratings": ratings, "movie": first}, timeout=20
    ).json()
    assert [term["title"] for term in why["terms"]] == [film["title"]]

    asking.headers["Authorization"] = f"Bearer {KEY}"
    begun = asking.post(f"{api}/v1/trainings", json={"preset": "fast"}, timeout=20)
    assert begun.status_code == 202
    place = server.url + begun.headers["Location"]
    while (state := asking.get(place, timeout=20).json())["status"] == "running":
        asyncio.run(asyncio.sleep(0.2))
    assert state["status"] == "finished", state
    assert asking.post(f"{place}/promote", timeout=60).json()["in_use"]
    assert asking.get(f"{api}/v1/model", timeout=20).json()["model"] != told["model"]


def test_the_log_of_the_server_names_neither_key_nor_question(server: Server) -> None:
    requests.get(f"{server.url}/api/v1/movies?q=sesame", timeout=20)
    text = server.log.read_text(encoding="utf-8")
    assert "sesame" not in text and KEY not in text and "stars" not in text
    assert "Traceback" not in text


def test_the_page_is_there_beside_the_api(server: Server) -> None:
    async def texts() -> str:
        session = await Session(server.url).open(tab="Recommendations")
        shown = session.texts()
        await session.close()
        return shown

    assert "LightGCN" in asyncio.run(texts()), server.log.read_text()


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/movies", "/_stcore/health", "/_stcore/upload_file/a/b"]
)
def test_nothing_is_answered_to_a_foreign_host(server: Server, path: str) -> None:
    answer = requests.get(server.url + path, headers=FOREIGN, timeout=20)
    assert answer.status_code == 421 and "evil.example" in answer.json()["detail"]
    page = requests.get(server.url + path, headers=FOREIGN | {"Accept": "text/html"}, timeout=20)
    assert page.status_code == 421 and page.text.startswith("This server does not answer")
    named = requests.get(server.url + path, headers={"Host": "films.example.org"}, timeout=20)
    assert named.status_code != 421


def test_a_websocket_to_a_foreign_host_is_refused(server: Server) -> None:
    assert asyncio.run(handshake(server, server.url.removeprefix("http://"))) == 101
    assert asyncio.run(handshake(server, "evil.example")) == 421


async def handshake(server: Server, host: str) -> int:
    """The status of the answer to a page's WebSocket that says it came to this host."""
    address = f"ws://{host}/_stcore/stream"
    port = int(server.url.rsplit(":")[-1])
    try:
        async with connect(address, host="127.0.0.1", port=port, proxy=None):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_the_page_alone_refuses_a_foreign_host_with_the_same_sentence(tmp_path: Path) -> None:
    """`streamlit run app.py` has no place for the check but the page itself."""
    off = {"LIGHTGCN_TRAINING": "off"}
    log = tmp_path / "log"
    with running_server(DEMO_DIR, tmp_path / "m.pth", log, environment=off) as server:

        async def texts(url: str) -> str:
            session = await Session(url, port=int(server.url.rsplit(":")[-1])).open()
            shown = session.texts()
            await session.close()
            return shown

        with pytest.raises(PageError, match=r"does not answer to the name “evil"):
            asyncio.run(texts("http://evil.example"))
        assert "Demo data" in asyncio.run(texts(server.url))


def test_a_wrong_setting_stops_it_with_a_sentence(tmp_path: Path) -> None:
    short = {"LIGHTGCN_API_KEY": "short"}
    log = tmp_path / "log"
    with (
        pytest.raises(RuntimeError, match="LIGHTGCN_API_KEY must have at least 16"),
        running_server(DEMO_DIR, tmp_path / "m.pth", log, environment=short, start=("serve.py",)),
    ):
        pass
    assert "Traceback" not in log.read_text(encoding="utf-8")
