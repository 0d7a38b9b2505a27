"""Writers that are killed, at any moment and at every step, and writers that meet.

A process forks a child that saves, promotes or restores again and again, kills it, and looks at
what is left; forking spares every child the seconds in which the libraries load.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import REPOSITORY, write_planted

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks and kills by a signal")

FEW, MANY = 10, 100  # kills of each kind: always, and with --thorough

_SCRIPT = """
import itertools, json, os, random, shutil, signal, sys, time
from dataclasses import replace
from pathlib import Path
import torch
from data_preparation import load_movie_data
from model import store as store_module
from model.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from model.splits import random_80_10_10
from model.store import ModelStore, stamp
from model_training import train
from sources import atomic
from tests.small_training import config

torch.set_num_threads(1)
data, root = load_movie_data(Path(sys.argv[1])), Path(sys.argv[2])
model = train(data, random_80_10_10(data), config(epochs=1, dim=2))
fingerprint = data.fingerprint
store_module.MAX_UNNAMED, store_module._FRESH_SECONDS = 4, 0.0  # so that saving removes, too
checked = set()


def load(path):
    found = path.stat()
    state = found.st_ino, found.st_size, found.st_mtime_ns
    if state not in checked:
        load_checkpoint(data, path)
        checked.add(state)


digests = {}


def fresh(name):
    (root / name).mkdir()
    store = ModelStore(root / name / "model.pth")
    save_checkpoint(replace(model, stop_reason="It was put here."), store.slot)
    for kept in "ab":
        store.keep(replace(model, stop_reason=f"It was {kept}."), kept)
        store.rename(fingerprint, kept, kept)
        store.promote(data, kept)
    digests.update({k.name: k.header.digest for k in store.kept(fingerprint)})
    return store


def save(store, n):
    store.keep(model, f"saved-{os.getpid()}-{n}")


def promote(store, n):
    name = f"new-{os.getpid()}-{n}"
    store.keep(replace(model, stop_reason=f"It was {name}."), name)
    store.promote(data, name)


def restore(store, n):
    store.promote(data, "ab"[n % 2])


def check(store):
    "Raises where a model or a name is missing or damaged; the number of leftovers."
    found = store.in_use(data)
    assert found.problem is None and found.path == store.slot, (found.problem, found.path)
    for path in store.folder(fingerprint).glob("*.pth"):
        load(path)
    kept = {each.name: each for each in store.kept(fingerprint)}
    for name in "ab":
        assert kept[name].title == name
        assert kept[name].header.digest == digests[name]
    put_here = [k for k in kept.values() if not k.title and not k.name.startswith(("new", "saved"))]
    assert len(put_here) <= 1
    load(store.promoted(fingerprint))
    return len(leftovers(store))


def leftovers(store):
    return [path for path in store.slot.parent.rglob(".*.tmp")]


def killed_at_random(name, kills):
    store, do, rng, left = fresh(name + " at random"), globals()[name], random.Random(name), 0
    begun = time.monotonic()
    for n in range(3):
        do(store, n)
    once = (time.monotonic() - begun) / 3
    for kill in range(kills):
        if not (child := os.fork()):
            for n in itertools.count():
                do(store, n)
        time.sleep(rng.uniform(0, 3 * once))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        left += check(store)
    promote(store, "last")  # the next writer
    assert not leftovers(store), leftovers(store)
    check(store)
    return {"kills": kills, "with leftovers": left}


def killed_at_every_step(name):
    store, do, steps = fresh(name), globals()[name], 0
    for at in itertools.count():
        if not (child := os.fork()):
            calls = itertools.count()
            def fatal(real):
                def call(*arguments, **named):
                    if next(calls) == at:
                        os.kill(os.getpid(), signal.SIGKILL)
                    result = real(*arguments, **named)
                    if next(calls) == at:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return result
                return call
            for owner, step in ((os, "replace"), (os, "link"), (os, "fsync"), (os, "mkdir"),
                                (Path, "unlink"), (Path, "open"), (shutil, "copyfileobj"),
                                (torch, "save")):
                setattr(owner, step, fatal(getattr(owner, step)))
            do(store, at)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        check(store)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            promote(store, "last")
            assert not leftovers(store)
            return {"steps": at}


def nine_at_once():
    store, children = fresh("nine"), []
    store_module._FRESH_SECONDS = 60.0
    for _ in range(9):
        reading, writing = os.pipe()
        if not (child := os.fork()):
            said = ""
            for n in range(4):
                try:
                    promote(store, n)
                except CheckpointError as error:
                    said = str(error)
            os.write(writing, said.encode())
            os._exit(0)
        os.close(writing)
        children.append((child, reading))
    said = []
    for child, reading in children:
        assert os.waitpid(child, 0)[1] == 0
        said.append(os.fdopen(reading).read())
    check(store)
    assert not leftovers(store)
    return said


def alive_and_dead():
    "The file that a living writer is at stays; that of a dead one goes."
    store = fresh("alive")
    reading, writing = os.pipe()
    if not (child := os.fork()):
        with atomic.replacing(store.folder(fingerprint) / "slow.pth") as file:
            file.write(b"half")
            file.flush()
            os.write(writing, b"x")
            time.sleep(60)
    os.read(reading, 1)
    store.keep(model, "meanwhile")
    alive = len(leftovers(store))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    bystander = store.folder(fingerprint) / ".notes.tmp"
    bystander.write_text("mine")
    dead = len(leftovers(store)) - 1
    store.keep(model, "next")
    return [alive, dead, [path.name for path in leftovers(store)]]


kills = int(sys.argv[3])
found = {"nine": nine_at_once(), "left": alive_and_dead()}
for name in ("save", "promote", "restore"):
    found[name] = killed_at_random(name, kills) | killed_at_every_step(name)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def kills(thorough: bool) -> int:
    return MANY if thorough else FEW


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, kills: int) -> dict[str, Any]:
    """What the script finds; it fails with its message where a model is lost."""
    folder = tmp_path_factory.mktemp("kills")
    command = [sys.executable, "-c", _SCRIPT, str(write_planted(folder / "data")), str(folder)]
    done = subprocess.run(
        [*command, str(kills)], cwd=REPOSITORY, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("what", ["save", "promote", "restore"])
def test_kills_at_random_moments_and_at_every_step_lose_nothing(
    found: dict[str, Any], kills: int, what: str
) -> None:
    assert found[what]["kills"] == kills and found[what]["steps"] > 8
    if kills == MANY:
        assert found[what]["with leftovers"] > 0  # so that the kills did meet writers at work


def test_nine_programs_at_once_get_whole_models(found: dict[str, Any]) -> None:
    assert found["nine"] == [""] * 9


def test_only_what_the_dead_left_is_removed(found: dict[str, Any]) -> None:
    assert found["left"] == [1, 1, [".notes.tmp"]]
