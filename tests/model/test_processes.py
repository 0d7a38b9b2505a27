"""Several processes give what one gives, send what does not grow with the people, and may die."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributed

import model_training
from data_preparation import MovieData, load_movie_data
from model import fitted_start, records
from model.bpr import Learner
from model.evaluation import evaluate
from model.fitted_start import spectrum
from model.hybrid_graph import build_graph, visible_content
from model.lightgcn import fitted_vectors
from model.processes import ALONE, Processes, people_of, share_of
from model.progress import ProgressError, ProgressFile
from model.search import search
from model.splits import Split, random_80_10_10
from model.trained import EpochRecord
from tests.conftest import REPOSITORY
from tests.small_training import config, hybrid_config

COMMAND = [
    *("--preset", "fast", "--dim", "24", "--epochs", "2", "--batch-size", "512"),
    *("--learning-rate", "0.01", "--promote"),
]
LEARNING = hybrid_config(dim=20, epochs=1, layers=3, batch_size=512, hide_batch=True)


def parts_of(data: MovieData, processes: Processes) -> dict[str, Any]:
    """The numbers of a training, from its split to the metrics, as these processes find them."""
    own = people_of(data, share_of(data.user_degree, processes))
    split = random_80_10_10(own, processes=processes)
    content = visible_content(own, split.hidden(), processes)
    graph = build_graph(split.train, content, LEARNING, processes)
    found: dict[str, Any] = {}
    before = fitted_start.MAX_DENSE_NODES
    for name, limit in {"as it is": before, "sparse": 0}.items():
        fitted_start.MAX_DENSE_NODES = limit
        try:
            given = processes.bytes_given
            pairs = spectrum(graph, 12, rounds=20)
            sent, met = fitted_vectors(split.train, pairs, LEARNING, processes)
        finally:
            fitted_start.MAX_DENSE_NODES = before
        found[f"{name}: bytes"] = processes.bytes_given - given
        found[f"{name}: eigenvalues"] = pairs.values / pairs.values[0]
        found[f"{name}: film by film"] = sent[:200] @ met[:200].T
    learner = Learner(split.train, content, LEARNING, processes=processes)
    everybodys = processes.everybodys(len(learner.usable))
    every_seventh = torch.arange(0, sum(everybodys), 7, device=processes.device)
    place = every_seventh - sum(everybodys[: processes.rank])
    own_ones = (place >= 0) & (place < len(learner.usable))
    batch = torch.where(own_ones, learner.usable[place.clamp(0, len(learner.usable) - 1)], -1)
    loss, gradient = learner.loss_and_gradient(batch)
    e0 = learner.weights()
    # Which no sign and no turn of the eigenvectors can change.
    found |= {"loss": loss, "sharpness": learner.sharpness / 100, "scale": learner.scale}
    found["gradient"] = (gradient.cpu() @ e0.T / gradient.cpu().norm()).numpy()
    for sample in (None, 40):
        report = evaluate(learner.scorer("like"), split, "test", (20,), sample)
        found[f"metrics of {sample}"] = report.per_user["NDCG@20"].to_numpy()
        found[f"users of {sample}"] = report.per_user.index.to_numpy()
    searched = search(split, content, hybrid_config(dim=12, search_seconds=1e-9))
    found["search"] = np.array([trial.score for trial in searched.trials])
    return found


@pytest.fixture(scope="module")
def demo() -> MovieData:
    return load_movie_data(REPOSITORY / "demo_data")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def ended(folder: Path) -> subprocess.CompletedProcess[str]:
    """Two processes that computed `parts_of`, then trained until one of them died."""
    if not distributed.is_available() or not distributed.is_gloo_available():
        pytest.skip("torch has no gloo here")
    environment = os.environ | {
        "MOVIELENS_DIR": str(REPOSITORY / "demo_data"),
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*command, str(Path(__file__).with_name("two_processes.py")), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def test_two_processes_give_what_one_gives(
    demo: MovieData, folder: Path, ended: subprocess.CompletedProcess[str]
) -> None:
    one = parts_of(demo, ALONE)
    for file in (folder / "two.npz", folder / "cards.npz"):
        assert file.exists(), ended.stderr[-3000:]
        two = np.load(file)
        assert set(one) == set(two.files)
        for name, expected in one.items():
            if not name.endswith("bytes"):
                np.testing.assert_allclose(two[name], expected, atol=1e-5, err_msg=name)


def test_a_process_that_dies_ends_the_run_with_a_sentence_and_resuming_ends_it(
    folder: Path,
    ended: subprocess.CompletedProcess[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ended.returncode
    said = [line for line in ended.stderr.splitlines() if "--resume" in line]
    assert len(said) == 1 and "Another process of this training ended" in said[0]
    assert not (folder / "model.pth").exists()
    assert (folder / "model.progress").exists()
    monkeypatch.setenv("MOVIELENS_DIR", str(REPOSITORY / "demo_data"))
    kept: list[Any] = []
    measured_run = model_training.measured_run

    def spy(run: model_training.RunInProgress, *rest: Any, **named: Any) -> bool:
        kept.append(run)
        return measured_run(run, *rest, **named)

    monkeypatch.setattr(model_training, "measured_run", spy)
    whole, resumed = (
        [*COMMAND, "--output", str(folder / name)] for name in ("whole.pth", "model.pth")
    )
    assert model_training.main(whole) == 0
    assert model_training.main([*resumed, "--resume"]) == 0
    one, other = (run.model for run in kept)
    assert [record.epoch for record in other.history] == [0, 1, 2]
    np.testing.assert_allclose(other.e0 @ other.e0.T, one.e0 @ one.e0.T, atol=1e-5)
    assert other.test_metrics == pytest.approx(one.test_metrics, abs=1e-5)
    assert not (folder / "model.progress").exists()  # what is finished needs none


def test_progress_of_another_training_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.progress"
    path.write_bytes(b"no progress")
    with pytest.raises(ProgressError, match=r"model\.progress is no progress of this training"):
        ProgressFile(path, "a training").load()
    assert ProgressFile(tmp_path / "none.progress", "a training").load() is None


def test_what_went_on_tells_its_epochs_and_times_from_the_first(
    planted_data: MovieData, split: Split, tmp_path: Path
) -> None:
    settings, file = hybrid_config(epochs=2), ProgressFile(tmp_path / "model.progress", "one")

    def stop(record: EpochRecord) -> None:
        if record.epoch == 1:
            raise KeyboardInterrupt

    model_training.train(planted_data, split, settings, on_epoch=stop, progress=file)
    reached = file.load()
    assert reached is not None
    slow = tuple(replace(each, seconds=each.seconds + 1000) for each in reached.history)
    file.save(replace(reached, history=slow))
    told: list[EpochRecord] = []
    found = model_training.train(planted_data, split, settings, on_epoch=told.append, progress=file)
    assert tuple(told) == found.history and [record.epoch for record in told] == [0, 1, 2]
    # As a checkpoint and a run are read: no epoch missing, none before the one before it.
    records.history([asdict(record) for record in found.history])
    assert 1000 < found.history[-1].seconds < 1100


# --- who has what, and what is sent ---------------------------------------------------------------


class Counting(Processes):
    """One process of two that hears its own numbers from the other one: it counts what it says."""

    def __init__(self) -> None:
        super().__init__(rank=0, size=2)

    def everybodys(self, value: Any) -> list[Any]:
        return [value, value]

    def of_first(self, value: Any) -> Any:
        return value

    def _reduced(self, part: Any, operation: Any) -> Any:
        self.bytes_given += part.nbytes
        return part + part


def bytes_of_a_fit(monkeypatch: pytest.MonkeyPatch, n_users: int, n_movies: int) -> int:
    monkeypatch.setattr(fitted_start, "MAX_DENSE_NODES", 0)
    rng = np.random.default_rng(0)
    stars = rng.integers(1, 6, (n_users, n_movies)) * (rng.random((n_users, n_movies)) < 0.3)
    ratings, counting = fitted_start.sparse.csr_array(stars.astype(np.float32)), Counting()
    settings = hybrid_config(dim=4)
    spectrum(build_graph(ratings, {}, settings, counting), 4)
    return counting.bytes_given


def test_what_a_fit_sends_grows_with_the_films_and_not_with_the_people(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few, many = (bytes_of_a_fit(monkeypatch, users, 60) for users in (80, 400))
    assert few == many > 0
    assert bytes_of_a_fit(monkeypatch, 80, 50) < few


def test_a_fit_sends_what_the_documentation_says(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "$7 \\cdot 4\\,i\\,(d+40) + 30 \\cdot 4\\,i$ and some of $8\\,i$"
    assert said in (REPOSITORY / "docs" / "scaling.md").read_text(encoding="utf-8")
    monkeypatch.setattr(fitted_start, "EXTRA_COLUMNS", 8)
    films, dim = 60, 4
    rest = bytes_of_a_fit(monkeypatch, 80, films) - 7 * 4 * films * (dim + 8) - 30 * 4 * films
    assert 0 < rest <= 2 * 8 * films + 200  # degrees, and single numbers


def test_everybody_belongs_to_one_process_which_have_about_as_many_ratings() -> None:
    counts = np.random.default_rng(0).integers(0, 50, 300)
    for size in (1, 2, 3, 7):
        shares = [share_of(counts, Processes(rank, size)) for rank in range(size)]
        people = np.concatenate([np.arange(300)[share] for share in shares])
        np.testing.assert_array_equal(people, np.arange(300))
        held = [counts[share].sum() for share in shares]
        assert max(held) - min(held) <= 2 * counts.max()


def test_more_processes_than_people_leave_some_without() -> None:
    shares = [share_of(np.array([3, 4]), Processes(rank, 5)) for rank in range(5)]
    assert sum(share.stop - share.start for share in shares) == 2


def test_the_papers_model_takes_one_process(split: Split) -> None:
    with pytest.raises(ValueError, match="one process"):
        Learner(split.train, {}, config(), processes=Processes(0, 2))


def test_alone_nothing_is_sent_and_everything_stays() -> None:
    part = np.arange(3.0)
    assert ALONE.total(part) is part and ALONE.everybodys(4) == [4] and ALONE.of_first(5) == 5
    assert ALONE.bytes_given == 0
