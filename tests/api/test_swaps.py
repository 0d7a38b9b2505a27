"""Another model is picked up as one swap; trainings for who has the key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api import trainings
from api.current import Current, Snapshot
from data_preparation import MovieData
from model.checkpoints import save_checkpoint
from model.splits import Split
from model.trained import TrainedModel
from model_training import train
from serving.state import ServerState
from settings import CHECKPOINT_VARIABLE, MOVIELENS_VARIABLE, TRAINING_VARIABLE
from tests.api.conftest import KEY, Client, Fixed, answering
from tests.api.test_errors import problem
from tests.conftest import write_planted
from tests.small_training import config, hybrid_config

HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "models" / "m.pth"
    path.parent.mkdir()
    monkeypatch.setenv(MOVIELENS_VARIABLE, str(write_planted(tmp_path / "planted")))
    monkeypatch.setenv(CHECKPOINT_VARIABLE, str(path))
    return path


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def other(planted_data: MovieData, split: Split) -> TrainedModel:
    """Another model of the same data, which puts other films first."""
    return train(planted_data, split, hybrid_config(dim=3, ridge=3.0))


def test_under_load_every_answer_is_wholly_of_one_model(now: Snapshot, other: TrainedModel) -> None:
    """What each model answers is known from before; nothing else may come while they change."""
    then = Snapshot.of(now.data, other)
    current = Fixed(now)
    paths = [
        f"/v1/users/{user}/recommendations?k=5&reasons=true" for user in now.data.user_ids[:6]
    ] + ["/v1/movies/12/similar?k=5"]
    with answering(current) as client:
        known: dict[str, list[tuple[str, str]]] = {path: [] for path in paths}
        for snapshot in (now, then):
            current.put(snapshot)
            for path in paths:
                answer = client.get(path)
                known[path].append((answer.headers["ETag"], answer.text))
        assert all(first != second for first, second in known.values())
        seen: set[tuple[str, str, str]] = set()
        end = threading.Event()

        def ask() -> None:
            mine = Client(client.url)
            while not end.is_set():
                for path in paths:
                    answer = mine.get(path)
                    seen.add((path, answer.headers["ETag"], answer.text))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for n in range(40):
            current.put((now, then)[n % 2])
            time.sleep(0.02)
        end.set()
        for thread in threads:
            thread.join()
    expected = {(path, *answer) for path in paths for answer in known[path]}
    assert seen <= expected
    assert len(seen) > len(paths)  # both models have answered


def test_a_model_that_arrives_on_disk_is_in_use_without_a_restart(
    checkpoint: Path, hybrid: TrainedModel, other: TrainedModel
) -> None:
    save_checkpoint(hybrid, checkpoint)
    current = Current(ServerState())
    with answering(current) as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200)
        before = client.get("/v1/model").json()
        assert before["trained"] and client.get("/v1/movies/12").status_code == 200
        save_checkpoint(other, checkpoint)
        wait_until(lambda: client.get("/v1/model").json()["model"] != before["model"])
        assert client.get("/v1/model").json()["settings"]["dim"] == 3
        checkpoint.write_bytes(b"damaged")  # what is in use stays in use
        time.sleep(1.5)
        assert client.get("/health/ready").status_code == 200


def test_data_that_cannot_be_read_are_told_in_a_sentence(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MOVIELENS_VARIABLE, str(tmp_path / "nowhere"))
    current = Current(ServerState())
    current.look()
    assert current.now is None and "MOVIELENS_DIR names a folder" in current.problem


def test_without_a_model_a_first_one_is_trained_unless_that_is_off(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRAINING_VARIABLE, "off")
    current = Current(ServerState())
    current.look()
    assert "python model_training.py" in current.problem
    monkeypatch.setenv(TRAINING_VARIABLE, "on")
    current.look()
    assert current.problem == "A first model is being trained."
    wait_until(lambda: (current.look(), current.now)[1] is not None)


# --- trainings ------------------------------------------------------------------------------------


@pytest.fixture
def served(
    checkpoint: Path, hybrid: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    """A server that may train, and whose presets are small."""
    save_checkpoint(hybrid, checkpoint)
    small = {"fast": hybrid_config(dim=3, ridge=3.0), "best": config(epochs=2000, patience=2000)}
    monkeypatch.setattr(trainings, "PRESETS", small)
    with answering(Current(ServerState())) as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def test_a_training_by_the_api_is_used_once_it_is_promoted(served: Client) -> None:
    before = served.get("/v1/model").json()["model"]
    begun = served.post("/v1/trainings", {"preset": "fast"}, headers=HEADERS)
    assert begun.status_code == 202
    place = begun.headers["Location"]
    wait_until(lambda: served.get(place, headers=HEADERS).json()["status"] != "running")
    told = served.get(place, headers=HEADERS).json()
    assert told["status"] == "finished" and told["metrics"]["NDCG@20"] > 0
    assert not told["in_use"] and told["compared"]
    assert served.get("/v1/model").json()["model"] == before
    promoted = served.post(f"{place}/promote", headers=HEADERS)
    assert promoted.status_code == 200 and promoted.json()["in_use"]
    assert served.get("/v1/model").json()["settings"]["dim"] == 3


def test_one_training_at_a_time_which_can_be_stopped(served: Client) -> None:
    place = served.post("/v1/trainings", {"preset": "best"}, headers=HEADERS).headers["Location"]
    problem(served.post("/v1/trainings", {}, headers=HEADERS), 409)
    problem(served.post(f"{place}/promote", headers=HEADERS), 409)  # it has no model yet
    assert served.post(f"{place}/stop", headers=HEADERS).status_code == 202
    wait_until(lambda: served.get(place, headers=HEADERS).json()["status"] == "finished")
    problem(served.get("/v1/trainings/another", headers=HEADERS), 404)


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "x"}])
def test_trainings_need_the_key(client: Client, given: dict[str, str]) -> None:
    answer = client.post("/v1/trainings", {}, headers=given)
    problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_without_a_key_nobody_trains_and_where_training_is_off_neither(
    now: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(Fixed(now), key=None) as client:
        problem(client.post("/v1/trainings", {}, headers=HEADERS), 403)
    monkeypatch.setenv(TRAINING_VARIABLE, "off")
    with answering(Fixed(now)) as client:
        problem(client.post("/v1/trainings", {}, headers=HEADERS), 403)
