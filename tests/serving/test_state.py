"""What a server holds: data and model made once and followed, and the right word where none is."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from data_preparation import MovieData, load_movie_data
from model.checkpoints import CheckpointError, save_checkpoint
from model.splits import DEFAULT_PROTOCOL, PROTOCOLS
from model.store import ModelStore, stamp
from model.trained import TrainedModel
from serving import state
from serving.state import ServerState, remedy
from serving.training_job import TrainingJob, TrainingOffError
from settings import DEMO_DIR
from sources import download
from sources.movielens_files import DataError
from tests.conftest import (
    assert_one_sentence,
    planted_ratings,
    snapshot,
    write_dataset,
    write_planted,
)
from tests.small_training import config


@pytest.fixture
def server() -> ServerState:
    return ServerState()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Of the checkpoint, alone in its folder."""
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "model.pth"
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(path))
    yield path
    join_training()


def join_training() -> None:
    for thread in threading.enumerate():
        if thread.name == "training":
            thread.join(timeout=60)
            assert not thread.is_alive()


# --- the data -------------------------------------------------------------------------------------


def test_data_are_read_once_for_all_threads_and_again_when_a_file_changes(
    server: ServerState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_planted(tmp_path / "planted")
    reads: list[Path] = []

    def read(where: Path, copies: Path) -> MovieData:
        reads.append(where)
        return load_movie_data(where, copies)

    monkeypatch.setattr(state, "load_movie_data", read)
    gate, found = threading.Barrier(6), []

    def ask() -> None:
        gate.wait()
        found.append(server.data(folder))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1 and len({id(data) for data in found}) == 1
    os.utime(folder / "ratings.csv", ns=(1, 1))
    assert server.data(folder) is not found[0]
    assert len(reads) == 2


def test_only_what_is_not_held_lets_the_page_say_that_it_waits(
    server: ServerState, tmp_path: Path
) -> None:
    folder = write_planted(tmp_path / "planted")
    said: list[str] = []

    def waiting(text: str) -> AbstractContextManager:
        @contextlib.contextmanager
        def say() -> Iterator[None]:
            said.append(text)
            yield

        return say()

    server.data(folder, waiting)
    server.data(folder, waiting)
    assert said == ["Reading the ratings …"]


def test_data_are_held_as_far_as_there_is_memory_and_go_with_their_models(
    server: ServerState,
    tmp_path: Path,
    path: Path,
    model: TrainedModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b, c = (write_planted(tmp_path / name) for name in "abc")
    size = sum(file.stat().st_size for file in a.iterdir())
    monkeypatch.setattr(state, "allowance", lambda: 5 * size // 2)  # of two of them
    first = server.data(a)
    save_checkpoint(model, path)
    kept = weakref.ref(server.model(first).model)
    second = server.data(b)
    assert server.data(a) is first and server.data(b) is second
    server.data(c)
    assert server.data(b) is second and server.data(a) is not first  # asked for longest ago
    (a / "movies.csv").write_text((a / "movies.csv").read_text() + "99,One more (2000),Drama\n")
    monkeypatch.setattr(state, "allowance", lambda: 0)
    server.data(a)  # the last one is held, whatever it takes
    assert len(server._data.values()) == 1
    server._served = None
    gc.collect()
    assert kept() is None  # it was of the data that are no longer held


def test_data_that_do_not_fit_are_refused_in_a_sentence_and_the_others_stay(
    server: ServerState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = write_planted(tmp_path / "small"), write_planted(tmp_path / "large")
    found = server.data(small)
    size = sum(file.stat().st_size for file in large.iterdir())
    for memory, fits in ((6 * size + 8, True), (6 * size - 8, False)):
        monkeypatch.setattr(state, "machine_memory", lambda memory=memory: memory)
        with contextlib.nullcontext() if fits else pytest.raises(DataError) as caught:
            ServerState().data(large)
    assert "large is too large for this machine" in str(caught.value)
    assert_one_sentence(str(caught.value))
    monkeypatch.setattr(state, "machine_memory", lambda: None)

    def full(*_: object) -> MovieData:
        raise MemoryError

    monkeypatch.setattr(state, "load_movie_data", full)
    with pytest.raises(DataError, match="not the memory to read large now"):
        server.data(large)
    assert server.data(small) is found


def test_who_looks_at_data_that_are_there_does_not_wait_for_others_that_are_read(
    server: ServerState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = write_planted(tmp_path / "small"), write_planted(tmp_path / "large")
    found, begun, go = server.data(small), threading.Event(), threading.Event()

    def slow(folder: Path, copies: Path) -> MovieData:
        begun.set()
        assert go.wait(60)
        return load_movie_data(folder, copies)

    monkeypatch.setattr(state, "load_movie_data", slow)
    thread = threading.Thread(target=server.data, args=(large,))
    thread.start()
    assert begun.wait(60)
    assert server.data(small) is found  # while the other is being read
    go.set()
    thread.join(60)


def test_a_link_that_leads_nowhere_beside_the_data_does_no_harm(
    server: ServerState, tmp_path: Path
) -> None:
    folder = write_planted(tmp_path / "planted")
    (folder / ".#ratings.csv").symlink_to("nobody@nowhere.1")
    assert server.data(folder).n_users == 30


def test_the_download_is_tried_once_and_then_only_when_asked(
    server: ServerState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "find_local_data", lambda **_: None)
    tries: list[int] = []

    def fails() -> Path:
        tries.append(1)
        raise DataError("GroupLens cannot be reached.")

    assert server.data_folder(fails) == server.data_folder(fails) == DEMO_DIR
    assert len(tries) == 1
    assert server.download_problem == "GroupLens cannot be reached."
    assert server.download(lambda: tmp_path) == tmp_path
    assert server.download_problem is None


def test_where_visitors_may_not_train_nothing_is_downloaded(
    server: ServerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "find_local_data", lambda **_: None)
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")
    assert server.data_folder(lambda: pytest.fail("asked")) == DEMO_DIR


# --- the model ------------------------------------------------------------------------------------


def test_without_a_file_a_first_training_makes_the_model(
    server: ServerState, planted_data: MovieData, path: Path
) -> None:
    assert server.model(planted_data).model is None
    assert server.why_no_model(planted_data).state == "absent"
    server.start_first_training(planted_data)
    server.start_first_training(planted_data)  # another session: watches the first one's
    assert server.why_no_model(planted_data).state == "running" or path.exists()
    join_training()
    found = server.model(planted_data)
    assert found.model is not None and found.problem is None
    assert server.model(planted_data).model is found.model  # loaded once


def test_a_newer_file_is_followed(
    server: ServerState, planted_data: MovieData, model: TrainedModel, path: Path
) -> None:
    save_checkpoint(model, path)
    first, before = server.model(planted_data).model, stamp(path)
    save_checkpoint(model, path)
    assert stamp(path) != before
    assert server.model(planted_data).model is not first


@pytest.mark.parametrize(("content", "word"), [(b"not a checkpoint", "damaged"), (b"", "arriving")])
def test_a_file_that_cannot_be_used_is_told_and_left_alone(
    server: ServerState, planted_data: MovieData, path: Path, content: bytes, word: str
) -> None:
    path.write_bytes(content)
    found = server.model(planted_data)
    assert found.model is None and word in str(found.problem)
    lack = server.why_no_model(planted_data)
    assert (lack.state, lack.reason) == ("refused", str(found.problem))
    assert path.read_bytes() == content


def test_a_refusal_holds_until_the_file_changes(
    server: ServerState,
    planted_data: MovieData,
    model: TrainedModel,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path.write_bytes(b"half of a checkpoint that still arrives")
    loads: list[Path] = []
    real = state.load_checkpoint
    monkeypatch.setattr(
        state, "load_checkpoint", lambda data, path: [loads.append(path), real(data, path)][1]
    )
    server.model(planted_data)
    server.model(planted_data)
    assert len(loads) == 1
    save_checkpoint(model, path)
    assert server.model(planted_data).model is not None
    path.write_bytes(b"damaged")
    monkeypatch.setattr(state, "_REFUSAL_SECONDS", 0.0)  # what was missing may be there again
    server.model(planted_data)
    server.model(planted_data)
    assert len(loads) == 4


def test_a_model_of_other_data_stays_while_these_data_get_their_own(
    server: ServerState,
    toy_data: MovieData,
    planted_data: MovieData,
    model: TrainedModel,
    path: Path,
) -> None:
    save_checkpoint(model, path)
    before = path.read_bytes()
    assert "other data" in str(server.model(toy_data).problem)
    assert server.why_no_model(toy_data).state == "absent"
    server.board.start(toy_data, "temporal_leave_one_out", config(epochs=1), path)
    join_training()
    found = server.model(toy_data)
    assert found.model is not None and found.problem is None
    assert path.read_bytes() == before and server.model(planted_data).model.key == model.key


def test_a_model_that_could_not_be_saved_serves_from_memory(
    server: ServerState, planted_data: MovieData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("where the folder should be")
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(tmp_path / "file" / "model.pth"))
    assert server.why_no_model(planted_data).state == "absent"
    server.start_first_training(planted_data)
    join_training()
    assert server.model(planted_data).model is not None


def test_where_training_is_off_that_is_the_reason(
    server: ServerState, planted_data: MovieData, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")
    path.write_bytes(b"damaged")
    assert server.why_no_model(planted_data).state == "off"
    assert "damaged" in str(server.model(planted_data).problem)


# --- a training that failed -----------------------------------------------------------------------


def one_rating_each(folder: Path) -> MovieData:
    rows = [(1 + 3 * n, 10, 4.0, n) for n in range(6)]
    return load_movie_data(write_dataset(folder, ratings=rows, tags=None))


def test_a_failed_training_is_told_with_a_reason_and_a_remedy(
    server: ServerState, planted_data: MovieData, path: Path, tmp_path: Path
) -> None:
    data = one_rating_each(tmp_path / "once")
    server.start_first_training(data)
    join_training()
    lack = server.why_no_model(data)
    assert lack.state == "failed" and "three or more" in lack.remedy
    assert_one_sentence(lack.reason)
    assert server.why_no_model(planted_data).state == "absent"  # the failure is not theirs


def test_the_remedy_depends_on_the_data(
    tmp_path: Path, toy_data: MovieData, planted_data: MovieData
) -> None:
    found = {
        remedy(one_rating_each(tmp_path / "once"), DEFAULT_PROTOCOL),
        remedy(toy_data, DEFAULT_PROTOCOL),  # nobody rated so many films that 10 % are one
        remedy(planted_data, DEFAULT_PROTOCOL),
    }
    assert len(found) == 3
    for sentence in found:
        assert_one_sentence(sentence)
    assert PROTOCOLS["temporal_leave_one_out"](toy_data).test.nnz


def test_what_was_trained_here_serves_where_its_file_was_damaged_since(
    server: ServerState, planted_data: MovieData, path: Path
) -> None:
    job = TrainingJob(planted_data, DEFAULT_PROTOCOL, config(epochs=1), path)
    job.run()
    server.board.job = job
    path.write_bytes(b"damaged")
    found = server.model(planted_data)
    assert found.model.key == job.model.key and "damaged" in str(found.problem)
    assert found.path.parent == job.store.folder(planted_data.fingerprint)


# --- several models -------------------------------------------------------------------------------


def trained(data: MovieData, path: Path, server: ServerState, owner: str) -> TrainingJob:
    """A training of this session that is over."""
    server.board.start(data, DEFAULT_PROTOCOL, config(epochs=1, dim=5), path, owner=owner)
    join_training()
    job = server.board.job
    assert job is not None and job.status == "finished"
    return job


def test_who_trained_has_a_candidate_and_others_keep_the_model_in_use(
    server: ServerState, planted_data: MovieData, model: TrainedModel, path: Path
) -> None:
    save_checkpoint(model, path)
    mark = server.mark(planted_data)
    job = trained(planted_data, path, server, "maker")
    assert server.candidate_of(planted_data, "maker") == job.id
    assert server.candidate_of(planted_data, "another") is None
    assert server.model(planted_data).model.key == model.key
    assert server.mark(planted_data) == mark
    assert server.candidate(planted_data, job.id).key == job.model.key
    compared = server.compared(planted_data, job.id)
    assert compared.same_split and compared == job.compared
    server.promote(planted_data, job.id)
    assert server.mark(planted_data) != mark
    assert server.model(planted_data).model.key == job.model.key
    assert server.candidate_of(planted_data, "maker") is None
    before, now = sorted(server.kept(planted_data), key=lambda kept: kept.in_use)
    assert now.name == job.id and before.header.config == model.config
    server.promote(planted_data, before.name)  # and back
    assert server.model(planted_data).model.key == model.key


def test_a_kept_model_is_loaded_once_however_many_ask(
    server: ServerState, planted_data: MovieData, model: TrainedModel, path: Path
) -> None:
    server.store.keep(model, "kept")
    first = server.candidate(planted_data, "kept")
    assert server.candidate(planted_data, "kept") is first
    for name in ("nothing", "../model"):
        with pytest.raises(CheckpointError) as refusal:
            server.candidate(planted_data, name)
        assert_one_sentence(str(refusal.value))


def test_where_training_is_off_nobody_changes_the_models(
    server: ServerState,
    planted_data: MovieData,
    model: TrainedModel,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.store.keep(model, "kept")
    before = snapshot(path.parent)
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")
    with pytest.raises(TrainingOffError):
        server.promote(planted_data, "kept")
    with pytest.raises(TrainingOffError):
        server.rename(planted_data, "kept", "Mine")
    assert snapshot(path.parent) == before


def test_data_switched_there_and_back_find_their_own_models_and_train_once(
    server: ServerState, planted_data: MovieData, tmp_path: Path, path: Path
) -> None:
    rows = [row for row in planted_ratings() if row[0] % 2]  # a part of the people
    films = [(5 + 7 * film, f"Film {film} (1999)", "Drama") for film in range(48)]
    other = load_movie_data(write_dataset(tmp_path / "other", rows, films, tags=None, links=None))
    keys = {}
    for data in (planted_data, other):
        assert server.why_no_model(data).state == "absent"
        server.start_first_training(data)
        join_training()
        keys[data.fingerprint] = server.model(data).model.key
    for data in (planted_data, other, planted_data):
        found = server.model(data)
        assert found.model.key == keys[data.fingerprint] and found.problem is None
    assert [len(server.kept(data)) for data in (planted_data, other)] == [1, 1]


def test_a_file_that_arrives_is_followed_and_no_training_begins(
    server: ServerState,
    planted_data: MovieData,
    model: TrainedModel,
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state, "_PASSING_SECONDS", 0.01)
    save_checkpoint(model, tmp_path / "theirs.pth")
    content = (tmp_path / "theirs.pth").read_bytes()
    marks = []
    with path.open("wb") as file:
        for part in (content[:3000], content[3000:6000]):
            file.write(part)
            file.flush()
            lack = server.why_no_model(planted_data)
            assert lack.state == "refused" and "still arriving" in lack.reason
            marks.append(server.mark(planted_data))
        file.write(content[6000:])
    marks.append(server.mark(planted_data))
    assert len(set(marks)) == 3  # so that open pages look again
    assert server.model(planted_data).model.key == model.key
    assert server.board.job is None and not server.kept(planted_data)


def test_what_served_goes_on_while_its_file_cannot_be_read_and_ends_with_the_file(
    server: ServerState,
    planted_data: MovieData,
    model: TrainedModel,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_checkpoint(model, path)
    served = server.model(planted_data).model
    path.write_bytes(b"")  # another one begins to arrive over it
    found = server.model(planted_data)
    assert found.model is served and found.problem.fault == "arriving"
    path.unlink()
    assert server.model(planted_data).model is None
    assert server.why_no_model(planted_data).state == "absent"


@pytest.fixture
def nothing_can_be_saved(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Until it is called."""

    def refuse(*_: object) -> None:
        raise CheckpointError("The model cannot be saved: no room.", "unsaved")

    with monkeypatch.context() as patch:
        patch.setattr(ModelStore, "keep", refuse)
        yield patch.undo


def test_a_model_in_memory_is_forgotten_when_there_is_a_file_again(
    server: ServerState,
    planted_data: MovieData,
    model: TrainedModel,
    path: Path,
    nothing_can_be_saved: Callable[[], None],
) -> None:
    job = trained(planted_data, path, server, "maker")
    assert not job.saved and server.model(planted_data).model is job.model
    save_checkpoint(model, path)
    assert server.model(planted_data).model.key == model.key
    assert server.candidate_of(planted_data, "maker") == job.id  # its maker may still try it
    path.unlink()
    assert server.model(planted_data).model is None


def test_a_model_in_memory_is_saved_when_it_is_put_in_use_and_there_is_room(
    server: ServerState,
    planted_data: MovieData,
    model: TrainedModel,
    path: Path,
    nothing_can_be_saved: Callable[[], None],
) -> None:
    save_checkpoint(model, path)
    job = trained(planted_data, path, server, "maker")
    with pytest.raises(CheckpointError, match="no room"):
        server.promote(planted_data, job.id)
    assert server.model(planted_data).model.key == model.key
    nothing_can_be_saved()
    server.promote(planted_data, job.id)
    assert job.saved and server.model(planted_data).model.key == job.model.key
    assert len(server.kept(planted_data)) == 2
