"""The kept models and the one in use: right for each data set, and whole after any fault."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data_preparation import MovieData, load_movie_data
from model import checkpoints, store
from model.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from model.splits import Split, temporal_leave_one_out
from model.store import KeptModel, ModelStore, compare, validation_score
from model.trained import TrainedModel
from model_training import train
from sources import atomic
from tests.conftest import REPOSITORY, assert_one_sentence, snapshot, write_dataset
from tests.small_training import config


@pytest.fixture
def place(tmp_path: Path) -> ModelStore:
    """Empty, alone in its folder."""
    (tmp_path / "place").mkdir()
    return ModelStore(tmp_path / "place" / "model.pth")


@pytest.fixture(scope="module")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[MovieData, TrainedModel]:
    """Other data, and a model of them."""
    data = load_movie_data(write_dataset(tmp_path_factory.mktemp("toy")))
    return data, train(data, temporal_leave_one_out(data), config(epochs=1, dim=3))


def scored(model: TrainedModel, score: float) -> TrainedModel:
    """The model as if it had this NDCG@20 on validation."""
    records = list(model.history)
    metrics = records[model.best_epoch].metrics | {"NDCG@20": score}
    records[model.best_epoch] = replace(records[model.best_epoch], metrics=metrics)
    return replace(model, history=tuple(records))


def score_in_use(place: ModelStore, data: MovieData) -> float | None:
    found = place.in_use(data).model
    return None if found is None else round(validation_score(found), 6)


def titles(place: ModelStore, data: MovieData) -> list[str]:
    return [kept.name for kept in place.kept(data.fingerprint)]


# --- which model is in use ------------------------------------------------------------------------


def test_a_training_adds_a_model_and_touches_nothing_else(
    place: ModelStore, planted_data: MovieData, model: TrainedModel
) -> None:
    save_checkpoint(scored(model, 0.1), place.slot)
    before = place.slot.read_bytes()
    place.keep(scored(model, 0.9), "better")
    assert place.slot.read_bytes() == before and score_in_use(place, planted_data) == 0.1
    (kept,) = place.kept(planted_data.fingerprint)
    assert (kept.name, kept.header.validation, kept.in_use) == ("better", 0.9, False)
    assert kept.size == kept.path.stat().st_size
    assert kept.header.config == model.config and kept.header.protocol == model.protocol


@pytest.mark.parametrize(
    ("when", "score", "expected"),
    [
        *(("first", 0.9, 0.5), ("better", 0.9, 0.9), ("better", 0.5, 0.5), ("better", 0.1, 0.5)),
        ("always", 0.1, 0.1),
    ],
)
def test_when_a_model_is_promoted(
    place: ModelStore,
    planted_data: MovieData,
    model: TrainedModel,
    when: store.When,
    score: float,
    expected: float,
) -> None:
    place.keep(scored(model, 0.5), "first")
    compared, promoted = place.promote(planted_data, "first", when)
    assert promoted and compared.old is None
    place.keep(scored(model, score), "second")
    compared, promoted = place.promote(planted_data, "second", when)
    assert (compared.new, compared.old, compared.same_split) == (score, 0.5, True)
    assert promoted == (score == expected or when == "always") or score == 0.5
    assert score_in_use(place, planted_data) == expected
    assert sorted(titles(place, planted_data)) == ["first", "second"]


def test_another_split_is_said_and_never_counts_as_better(
    place: ModelStore, planted_data: MovieData, model: TrainedModel
) -> None:
    place.keep(scored(model, 0.5), "first")
    place.promote(planted_data, "first")
    place.keep(replace(scored(model, 0.9), protocol="temporal_leave_one_out"), "other-split")
    compared, promoted = place.promote(planted_data, "other-split", "better")
    assert not promoted and not compared.better and "cannot be compared" in compared.sentence
    assert_one_sentence(compared.sentence)


def test_what_is_said_of_two_models_is_true_of_their_numbers(model: TrainedModel) -> None:
    half = scored(model, 0.5)
    for score, word in ((0.9, "is better"), (0.1, "is worse"), (0.5, "as good as")):
        sentence = compare(scored(model, score), half).sentence
        assert word in sentence and f"{score:.4f} against 0.5000" in sentence
        assert_one_sentence(sentence)
    assert_one_sentence(compare(half, None).sentence)


def test_going_back_is_promoting_a_kept_model_and_loses_none(
    place: ModelStore, planted_data: MovieData, model: TrainedModel
) -> None:
    for name, score in (("a", 0.3), ("b", 0.5), ("c", 0.4)):
        place.keep(scored(model, score), name)
        place.promote(planted_data, name)
    for name, score in (("a", 0.3), ("c", 0.4), ("b", 0.5), ("a", 0.3)):
        place.promote(planted_data, name)
        assert score_in_use(place, planted_data) == score
        assert place.slot.read_bytes() == place.path(planted_data.fingerprint, name).read_bytes()
        in_use = [each.name for each in place.kept(planted_data.fingerprint) if each.in_use]
        assert in_use == [name] and len(titles(place, planted_data)) == 3


def test_what_a_person_put_into_the_slot_is_kept_before_it_loses_its_place(
    place: ModelStore, planted_data: MovieData, model: TrainedModel
) -> None:
    save_checkpoint(scored(model, 0.7), place.slot)
    theirs = place.slot.read_bytes()
    place.keep(scored(model, 0.1), "mine")
    place.promote(planted_data, "mine")
    assert score_in_use(place, planted_data) == 0.1
    (kept,) = [each for each in place.kept(planted_data.fingerprint) if each.name != "mine"]
    assert kept.path.read_bytes() == theirs
    place.promote(planted_data, kept.name)
    place.promote(planted_data, "mine")
    assert len(titles(place, planted_data)) == 2  # it is not kept twice


def test_several_data_sets_live_side_by_side(
    place: ModelStore,
    planted_data: MovieData,
    model: TrainedModel,
    toy_model: tuple[MovieData, TrainedModel],
) -> None:
    other_data, other = toy_model
    place.keep(scored(model, 0.3), "a")
    place.promote(planted_data, "a", "first")
    before = place.slot.read_bytes()
    assert place.in_use(other_data).model is None
    assert place.in_use(other_data).problem.fault == "data"
    for score in (0.1, 0.2):  # a first one, and one in its place
        place.keep(scored(other, score), f"b{score:g}".replace(".", "-"))
        place.promote(other_data, f"b{score:g}".replace(".", "-"))
        assert score_in_use(place, other_data) == score
        assert place.in_use(other_data).problem is None
    assert place.slot.read_bytes() == before and score_in_use(place, planted_data) == 0.3
    with pytest.raises(CheckpointError, match="no kept model"):
        place.promote(planted_data, "b0-2")
    place.slot.unlink()  # and even without the slot each has its own
    assert (score_in_use(place, planted_data), score_in_use(place, other_data)) == (0.3, 0.2)


def test_without_the_slot_and_a_promoted_one_the_newest_kept_serves(
    place: ModelStore, planted_data: MovieData, model: TrainedModel
) -> None:
    save_checkpoint(scored(model, 0.9), place.slot)
    for name, score in (("a", 0.5), ("b", 0.4)):
        place.keep(scored(model, score), name)
    os.utime(place.path(planted_data.fingerprint, "a"), (1e9, 1e9))
    place.slot.unlink()
    assert score_in_use(place, planted_data) == 0.4


# --- files that cannot be used --------------------------------------------------------------------


def _damaged(path: Path, whole: bytes) -> None:
    path.write_bytes(whole[:-100] + bytes(100))
    os.utime(path, (1e9, 1e9))


def _arriving(path: Path, whole: bytes) -> None:
    path.write_bytes(whole[: len(whole) // 2])


def _partial(path: Path, whole: bytes) -> None:
    _arriving(path, whole)
    os.utime(path, (1e9, 1e9))


def _pipe(path: Path, whole: bytes) -> None:
    os.mkfifo(path)


UNUSABLE: dict[str, tuple[Callable[[Path, bytes], object], store.When | str, str]] = {
    "damaged": (_damaged, "damaged", "copied only in part"),
    "arriving": (_arriving, "arriving", "still arriving"),
    "copied in part": (_partial, "damaged", "copy it again"),
    "empty": (lambda path, _: path.write_bytes(b""), "arriving", "0.0 MiB"),
    "no model": (lambda path, _: path.write_bytes(b"hello"), "damaged", "not a LightGCN"),
    "a folder": (lambda path, _: path.mkdir(), "damaged", "not a file"),
    "a pipe": (_pipe, "damaged", "not a file"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_slot_that_cannot_be_used_is_told_left_alone_and_another_model_serves(
    place: ModelStore, planted_data: MovieData, model: TrainedModel, name: str
) -> None:
    make, fault, words = UNUSABLE[name]
    save_checkpoint(model, place.slot)
    whole = place.slot.read_bytes()
    place.slot.unlink()
    make(place.slot, whole)
    before = place.slot.lstat()
    found = place.in_use(planted_data)
    assert found.model is None and found.problem.fault == fault and words in str(found.problem)
    assert_one_sentence(str(found.problem))
    place.keep(model, "new")
    place.promote(planted_data, "new", "first")
    found = place.in_use(planted_data)
    assert found.model.key == model.key and words in str(found.problem)
    after = place.slot.lstat()
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (
        before.st_mtime_ns,
        before.st_size,
        before.st_ino,
    )
    assert titles(place, planted_data) == ["new"]  # the file is no previous model


def test_a_file_that_arrives_serves_when_it_is_whole_and_the_one_before_is_kept(
    place: ModelStore, planted_data: MovieData, model: TrainedModel
) -> None:
    place.keep(scored(model, 0.5), "before")
    place.promote(planted_data, "before")
    save_checkpoint(scored(model, 0.2), place.slot.with_name("theirs.pth"))
    arriving = place.slot.with_name("theirs.pth").read_bytes()
    with place.slot.open("wb") as file:  # as scp does: into the very file that is there
        for begin in range(0, len(arriving), 2000):
            file.write(arriving[begin : begin + 2000])
            file.flush()
            if begin + 2000 < len(arriving):
                found = place.in_use(planted_data)
                assert validation_score(found.model) == 0.5 and found.problem.fault == "arriving"
    assert score_in_use(place, planted_data) == 0.2
    assert titles(place, planted_data) == ["before"]
    place.promote(planted_data, "before")
    assert score_in_use(place, planted_data) == 0.5


FAULTS: dict[str, tuple[BaseException, str]] = {
    "no permission": (PermissionError(errno.EACCES, "Permission denied"), "permission"),
    "no descriptors": (OSError(errno.EMFILE, "Too many open files"), "busy"),
    "a disk that fails": (OSError(errno.EIO, "Input/output error"), "busy"),
    "no memory": (MemoryError(), "memory"),
    "no memory in torch": (
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't "
                     "allocate memory: you tried to allocate 9 bytes. Error code 12"),
        "memory",
    ),
    "no descriptors in torch": (RuntimeError("unable to open file <x>: Too many (24)"), "busy"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("where", ["load", "assemble"])
def test_what_is_no_damage_is_not_called_so(
    place: ModelStore,
    planted_data: MovieData,
    model: TrainedModel,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    where: str,
) -> None:
    error, fault = FAULTS[name]
    save_checkpoint(model, place.slot)

    def fails(*_: object, **__: object) -> None:
        raise error

    owner, attribute = (checkpoints.torch, "load") if where == "load" else (checkpoints, "assemble")
    monkeypatch.setattr(owner, attribute, fails)
    found = place.in_use(planted_data)
    assert found.model is None and found.problem.fault == fault
    assert "damaged" not in str(found.problem) and "model.pth" in str(found.problem)
    assert_one_sentence(str(found.problem))
    monkeypatch.undo()
    assert place.in_use(planted_data).model.key == model.key


def test_another_format_is_told_with_what_helps(
    place: ModelStore, planted_data: MovieData, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_VERSION", 2)
    save_checkpoint(model, place.slot)
    monkeypatch.undo()
    problem = place.in_use(planted_data).problem
    assert problem.fault == "format" and "train a new model" in str(problem)


# --- names and bounds -----------------------------------------------------------------------------


def test_the_oldest_without_a_name_gives_way(
    place: ModelStore,
    planted_data: MovieData,
    model: TrainedModel,
    toy_model: tuple[MovieData, TrainedModel],
) -> None:
    fingerprint = planted_data.fingerprint
    for n in range(store.MAX_UNNAMED):
        assert place.keep(model, f"m{n}") == ()
        os.utime(place.path(fingerprint, f"m{n}"), (1e9 + n, 1e9 + n))
    place.promote(planted_data, "m0")
    place.rename(fingerprint, "m1", "Mine")
    place.keep(toy_model[1], "other")  # other data count for themselves
    for n in range(10, 12):
        assert place.keep(model, f"m{n}") == ()  # one is in use, one has a name
    assert place.keep(model, "last") == ("m2",)
    assert {"m0", "m1", "last"} <= set(titles(place, planted_data))
    assert len(titles(place, planted_data)) == store.MAX_UNNAMED + 2
    place.rename(fingerprint, "m1", "")
    assert place.keep(model, "one-more") == ("m1", "m3")


def test_the_size_is_bounded_over_all_data(
    place: ModelStore,
    planted_data: MovieData,
    model: TrainedModel,
    toy_model: tuple[MovieData, TrainedModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other_data, other = toy_model
    for name in ("b0", "b1"):
        place.keep(other, name)
        os.utime(place.path(other.fingerprint, name), (1e9, 1e9))
    place.promote(other_data, "b1")
    place.keep(model, "a0")
    os.utime(place.path(model.fingerprint, "a0"), (1.1e9, 1.1e9))
    size = place.path(model.fingerprint, "a0").stat().st_size
    monkeypatch.setattr(store, "MAX_BYTES", int(1.5 * size))
    assert place.keep(model, "a1") == ("b0", "a0")
    assert titles(place, other_data) == ["b1"]  # in use, though the oldest


def test_the_bounds_are_those_of_the_readme_and_the_guide() -> None:
    readme, guide = (
        " ".join((REPOSITORY / name).read_text().split())
        for name in ("README.md", "docs/hosting.md")
    )
    for text in (readme, guide):
        assert f"{store.MAX_NAMED} with a name and the {store.MAX_UNNAMED} newest without" in text
        assert f"{store.MAX_BYTES / 2**30:.0f} GiB" in text


def test_a_model_of_the_last_minute_never_gives_way(
    place: ModelStore, planted_data: MovieData, model: TrainedModel
) -> None:
    for n in range(store.MAX_UNNAMED + 3):
        assert place.keep(model, f"m{n}") == ()
    for path in place.folder(planted_data.fingerprint).glob("*.pth"):
        os.utime(path, (1e9, 1e9))
    assert len(place.keep(model, "next")) == 4
    assert len(titles(place, planted_data)) == store.MAX_UNNAMED


@pytest.mark.parametrize("title", ["x" * 41, "a\x00b", "\u202ename"])
def test_a_name_that_cannot_be_shown_is_refused(
    place: ModelStore, planted_data: MovieData, model: TrainedModel, title: str
) -> None:
    place.keep(model, "a")
    with pytest.raises(CheckpointError, match="at most 40 characters") as refusal:
        place.rename(planted_data.fingerprint, "a", title)
    assert_one_sentence(str(refusal.value))


def test_names_are_bounded_too_and_each_is_given_once(
    place: ModelStore, planted_data: MovieData, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_NAMED", 2)
    for name in ("a", "b", "c"):
        place.keep(model, name)
    place.rename(planted_data.fingerprint, "a", "  Best   so far ")
    assert [k.label for k in place.kept(planted_data.fingerprint) if k.title] == ["Best so far"]
    with pytest.raises(CheckpointError, match="already"):
        place.rename(planted_data.fingerprint, "b", "Best so far")
    place.rename(planted_data.fingerprint, "a", "Best so far")  # its own is no other's
    place.rename(planted_data.fingerprint, "b", "Second")
    with pytest.raises(CheckpointError, match="2 models have a name"):
        place.rename(planted_data.fingerprint, "c", "Third")
    with pytest.raises(CheckpointError, match="not kept"):
        place.rename(planted_data.fingerprint, "nothing", "Name")


@pytest.mark.parametrize("name", ["../model", "in_use", "", "a/b", "x" * 81, "n\n", "ä"])
def test_what_is_no_name_reaches_no_file(
    place: ModelStore, planted_data: MovieData, model: TrainedModel, name: str
) -> None:
    place.keep(model, "a")
    before = snapshot(place.slot.parent)
    for reach in (
        lambda: place.promote(planted_data, name),
        lambda: place.rename(planted_data.fingerprint, name, "title"),
        lambda: place.keep(model, name),
    ):
        with pytest.raises(CheckpointError) as refusal:
            reach()
        assert_one_sentence(str(refusal.value))
    after = snapshot(place.slot.parent)
    assert {each for each in after if not each.endswith("lock")} == set(before) - {
        each for each in before if each.endswith("lock")
    }


def test_what_else_lies_among_the_kept_models_is_in_nobodys_way(
    place: ModelStore, planted_data: MovieData, model: TrainedModel
) -> None:
    place.keep(model, "a")
    folder = place.folder(planted_data.fingerprint)
    (folder / "broken.pth").write_bytes(b"no model")
    (folder / "link.pth").symlink_to("nowhere")
    (folder / "folder.pth").mkdir()
    os.mkfifo(folder / "pipe.pth")
    os.mkfifo(folder / "a.name")
    (folder / os.fsdecode(b"\xff.pth")).write_bytes(b"")
    assert [(k.name, k.title) for k in place.kept(planted_data.fingerprint)] == [("a", "")]
    assert place.in_use(planted_data).model.key == model.key
    place.promote(planted_data, "a")
    assert place.keep(model, "b") == ()


# --- faults of the disk ---------------------------------------------------------------------------


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Let a disk be full after so many more files were written."""

    def begin(room: int) -> None:
        left, real = [room], os.fsync

        def fsync(descriptor: int) -> None:
            if not left[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            left[0] -= 1
            real(descriptor)

        monkeypatch.setattr(atomic.os, "fsync", fsync)

    yield begin


def test_with_room_for_one_file_the_new_model_is_kept_and_promoted(
    place: ModelStore,
    planted_data: MovieData,
    model: TrainedModel,
    full: Callable[[int], None],
) -> None:
    save_checkpoint(scored(model, 0.5), place.slot)
    full(1)
    assert place.keep(scored(model, 0.9), "new") == ()
    place.promote(planted_data, "new", "better")
    assert score_in_use(place, planted_data) == 0.9
    assert sorted(round(k.header.validation, 3) for k in place.kept(model.fingerprint)) == [
        0.5,
        0.9,
    ]


def test_without_room_for_one_the_oldest_gives_way_and_that_is_said(
    place: ModelStore, planted_data: MovieData, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        place.keep(model, name)
    place.promote(planted_data, "b")
    os.utime(place.path(planted_data.fingerprint, "a"), (1e9, 1e9))
    real = store.save_checkpoint

    def needs_room(model: TrainedModel, path: Path) -> None:
        if len(titles(place, planted_data)) > 2:
            raise checkpoints.NoRoomError("The disk is full.", "unsaved")
        real(model, path)

    monkeypatch.setattr(store, "save_checkpoint", needs_room)
    assert place.keep(model, "d") == ("a",)
    assert sorted(titles(place, planted_data)) == ["b", "c", "d"]


def test_where_nothing_may_give_way_it_is_said_and_nothing_is_lost(
    place: ModelStore,
    planted_data: MovieData,
    model: TrainedModel,
    full: Callable[[int], None],
) -> None:
    place.keep(model, "a")
    place.promote(planted_data, "a")
    before = snapshot(place.slot.parent)
    full(0)
    with pytest.raises(CheckpointError, match="No space left") as refusal:
        place.keep(model, "b")
    assert_one_sentence(str(refusal.value))
    assert snapshot(place.slot.parent) == before


@pytest.mark.parametrize("call", ["replace", "link", "fsync", "listdir"])
@pytest.mark.parametrize("at", range(4))
def test_a_disk_that_refuses_a_step_of_promoting_leaves_a_model_in_use_and_all_kept(
    place: ModelStore,
    planted_data: MovieData,
    model: TrainedModel,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    at: int,
) -> None:
    save_checkpoint(scored(model, 0.5), place.slot)
    place.keep(scored(model, 0.9), "new")
    calls, real = [0], getattr(os, call)

    def refuses(*arguments: object) -> object:
        calls[0] += 1
        if calls[0] == at + 1:
            raise OSError(errno.EIO, "Input/output error")
        return real(*arguments)

    monkeypatch.setattr(os, call, refuses)
    try:
        place.promote(planted_data, "new")
    except CheckpointError as error:
        assert_one_sentence(str(error))
    monkeypatch.undo()
    assert score_in_use(place, planted_data) in (0.5, 0.9)
    scores = {k.header.validation for k in place.kept(planted_data.fingerprint)}
    scores.add(validation_score(load_checkpoint(planted_data, place.slot)))
    assert scores == {0.5, 0.9}
    place.promote(planted_data, "new")
    assert score_in_use(place, planted_data) == 0.9


def test_on_a_disk_without_links_everything_is_copied(
    place: ModelStore, planted_data: MovieData, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", unsupported)
    for name, score in (("a", 0.3), ("b", 0.5)):
        place.keep(scored(model, score), name)
        place.promote(planted_data, name)
    place.promote(planted_data, "a")
    assert score_in_use(place, planted_data) == 0.3
    assert [k.name for k in place.kept(planted_data.fingerprint) if k.in_use] == ["a"]


def test_a_small_file_system_that_is_really_full(
    planted_data: MovieData, split: Split, tmp_path: Path
) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(mounted)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    try:
        place = ModelStore(mounted / "model.pth")
        large = train(planted_data, split, config(dim=128, epochs=1))  # 50 KB
        for n in range(12):  # more than there is room for
            gone = place.keep(scored(large, n / 100), f"m{n}")
            assert len(gone) <= 1
            os.utime(place.path(large.fingerprint, f"m{n}"), (1e9 + n, 1e9 + n))
            place.promote(planted_data, f"m{n}")
            assert score_in_use(place, planted_data) == n / 100
            assert titles(place, planted_data)[0] == f"m{n}"
        assert gone and 1 < len(titles(place, planted_data)) < 6
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_threads_that_promote_at_once_leave_whole_models(
    place: ModelStore, planted_data: MovieData, model: TrainedModel
) -> None:
    for n in range(4):
        place.keep(scored(model, n / 10), f"m{n}")
    threads = [
        threading.Thread(target=place.promote, args=(planted_data, f"m{n}")) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (kept,) = [k for k in place.kept(planted_data.fingerprint) if k.in_use]
    assert isinstance(kept, KeptModel)
    assert score_in_use(place, planted_data) == kept.header.validation
    assert len(titles(place, planted_data)) == 4
