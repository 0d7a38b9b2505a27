"""The vectors as Parquet, and the example of the documentation that scores with them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

from data_preparation import MovieData
from model.checkpoints import save_checkpoint
from model.export import export_vectors, main
from model.splits import Split
from model.trained import TrainedModel
from model.viewers import user_viewer
from model_training import train
from prediction import recommend, score_all
from tests.conftest import REPOSITORY, assert_one_sentence, write_planted
from tests.small_training import config, hybrid_config


@pytest.fixture(scope="module", params=["hybrid", "paper"])
def model(request: pytest.FixtureRequest, planted_data: MovieData, split: Split) -> TrainedModel:
    return train(planted_data, split, hybrid_config() if request.param == "hybrid" else config())


def test_the_example_of_the_documentation_gets_the_apps_numbers(
    planted_data: MovieData,
    model: TrainedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (REPOSITORY / "docs" / "scaling.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(example.splitlines()) <= 10
    export_vectors(planted_data, model, tmp_path / "vectors")
    monkeypatch.chdir(tmp_path)
    user = 7
    raw = int(planted_data.user_ids[user])
    found: dict[str, object] = {"user_id": raw}
    exec(example.replace("user_id = 7\n", ""), found)
    scores = score_all(planted_data, model, user_viewer(planted_data, model, user), 0.0)
    np.testing.assert_allclose(found["scores"], scores.graph, rtol=1e-4, atol=1e-5)
    graph_alone = recommend(model, scores, 10)
    expected = [planted_data.labels[item.movie] for item in graph_alone]
    unseen = [title for title in found["best"] if title in expected]  # type: ignore[attr-defined]
    assert unseen == [title for title in expected if title in unseen] and unseen


def test_users_have_the_vector_of_the_profile_that_is_asked_for(
    planted_data: MovieData, model: TrainedModel, tmp_path: Path
) -> None:
    for profile in ("watch", "like"):
        _, users = export_vectors(planted_data, model, tmp_path, profile)  # type: ignore[arg-type]
        table = parquet.read_table(users)
        vectors = np.array(table["vector"].to_pylist(), np.float32)
        for user in (0, 5):
            viewer = user_viewer(planted_data, model, user, profile)  # type: ignore[arg-type]
            np.testing.assert_allclose(vectors[user], viewer.factor, rtol=1e-4, atol=1e-6)
    assert table["user_id"].to_pylist() == planted_data.user_ids.tolist()


def test_the_command_exports_the_model_in_use(
    planted_data: MovieData,
    model: TrainedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MOVIELENS_DIR", str(write_planted(tmp_path / "data")))
    checkpoint = tmp_path / "model.pth"
    options = [str(tmp_path / "out"), "--checkpoint", str(checkpoint)]
    assert main(options) == 1
    assert_one_sentence(capsys.readouterr().err.strip())
    save_checkpoint(model, checkpoint)
    assert main(options) == 0
    films = parquet.read_table(tmp_path / "out" / "films.parquet")
    assert films["movie_id"].to_pylist() == planted_data.movie_ids.tolist()
    assert films["title"].to_pylist() == list(planted_data.labels)
    (tmp_path / "taken").write_bytes(b"")
    assert main([str(tmp_path / "taken"), "--checkpoint", str(checkpoint)]) == 1
    assert_one_sentence(capsys.readouterr().err.strip())
