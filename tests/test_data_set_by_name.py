"""Every command and the API answer from the data set that is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import model_training
import prediction
from analysis import model_card
from api import server
from data_preparation import load_movie_data
from model import export
from model.checkpoints import load_checkpoint, save_checkpoint
from model.trained import TrainedModel
from serving.state import ServerState
from settings import CHECKPOINT_VARIABLE, DATASET_VARIABLE, MOVIELENS_VARIABLE
from tests.conftest import assert_one_sentence, write_dataset, write_planted

Main = Callable[[list[str]], int]

COMMANDS: dict[str, tuple[Main, list[str]]] = {
    "training": (model_training.main, ["--use", "nothing"]),
    "prediction": (prediction.main, ["--user", "5"]),
    "export": (export.main, ["vectors"]),
    "model card": (model_card.main, []),
    "API": (server.main, []),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hybrid: TrainedModel) -> Path:
    """A folder of two data sets, of which the second by name has a model."""
    monkeypatch.setenv(MOVIELENS_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv(CHECKPOINT_VARIABLE, str(tmp_path / "model.pth"))
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / "data" / "ml-a")
    write_planted(tmp_path / "data" / "ml-planted")
    save_checkpoint(hybrid, tmp_path / "model.pth")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_not_here_is_told_in_a_sentence(
    place: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main, options = COMMANDS[command]
    assert main([*options, "--dataset", "ml-25m"]) == 1
    said = capsys.readouterr().err.strip()
    assert "ml-a, ml-planted" in said
    assert "python -m sources.download --dataset ml-25m fetches it" in said
    assert_one_sentence(said)


def test_a_list_the_vectors_and_the_card_are_of_the_named_data(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prediction.main(["--user", "5"]) == 1  # the first data have another model, that is none
    assert prediction.main(["--user", "5", "--dataset", "ml-planted"]) == 0
    assert "User 5 rated" in capsys.readouterr().out
    assert export.main(["vectors", "--dataset", "ml-planted"]) == 0
    assert "48 films and 30 users" in capsys.readouterr().out
    monkeypatch.setenv(DATASET_VARIABLE, "ml-planted")  # the same without an option
    assert model_card.main([]) == 0
    assert "| folder | ml-planted |" in capsys.readouterr().out


def test_a_missing_model_is_told_with_the_command_that_trains_it(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "model.pth").unlink()
    for main, options in (COMMANDS["prediction"], COMMANDS["model card"]):
        assert main([*options, "--dataset", "ml-planted"]) == 1
        said = capsys.readouterr().err.strip()
        assert "python model_training.py --dataset ml-planted" in said
        assert_one_sentence(said)


def test_a_training_is_on_the_named_data(place: Path) -> None:
    options = ["--preset", "fast", "--search-seconds", "0", "--epochs", "0", "--dim", "4"]
    assert model_training.main([*options, "--dataset", "ml-planted", "--promote"]) == 0
    data = load_movie_data(place / "data" / "ml-planted")
    assert load_checkpoint(data, place / "model.pth").dim <= 4


def test_a_server_begins_with_the_named_data(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def name(state: ServerState) -> str:
        return state.data_folder(lambda: pytest.fail("nothing is to be downloaded")).name

    assert name(ServerState()) == "ml-a"
    assert name(ServerState(dataset="ml-planted")) == "ml-planted"
    monkeypatch.setenv(DATASET_VARIABLE, "ml-planted")
    assert name(ServerState()) == "ml-planted"
    assert list(ServerState().data_sets()) == ["ml-a", "ml-planted"]
    data = ServerState().data(place / "data" / "ml-planted")
    assert ServerState().training_command(data) == "python model_training.py --dataset ml-planted"
