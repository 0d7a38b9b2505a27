"""The model card says of a model what is so."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from analysis.model_card import main, model_card
from analysis.model_health import by_group, user_quality
from data_preparation import MovieData
from model.checkpoints import save_checkpoint
from model.runs import OURS
from model.trained import TrainedModel
from settings import MOVIELENS_VARIABLE
from tests.conftest import write_planted


@pytest.fixture(scope="module")
def card(planted_data: MovieData, hybrid: TrainedModel) -> str:
    return model_card(planted_data, hybrid, "2026-01-01T00:00:00+00:00")


def test_it_has_every_section_and_every_setting(card: str, hybrid: TrainedModel) -> None:
    for title in ("The model", "The data and their terms", "Settings", "How good it is"):
        assert f"\n## {title}\n" in card
    for name, value in asdict(hybrid.config).items():
        assert f"| {name} | {value} |" in card
    assert "2026-01-01T00:00:00+00:00" in card and hybrid.fingerprint in card
    assert "GroupLens" in card and "## What it must not be used for" in card


def test_metrics_stand_with_their_intervals(card: str, hybrid: TrainedModel) -> None:
    low, high = hybrid.test_intervals["NDCG@20"]
    value, watch = hybrid.test_metrics["NDCG@20"], hybrid.watch_metrics["NDCG@20"]
    assert f"| NDCG@20 | {value:.4f} | {low:.4f} to {high:.4f} | {watch:.4f} |" in card


def test_the_groups_are_those_that_were_measured(
    card: str, planted_data: MovieData, hybrid: TrainedModel
) -> None:
    quality = user_quality(planted_data, hybrid)
    for column, shown in (
        ("ratings", "{:,.0f} to {:,.0f} ratings"),
        ("mainstream", "{:.2f} to {:.2f}"),
    ):
        groups = by_group(quality, column)
        ours = groups[groups["scorer"] == OURS]
        for row in ours.itertuples():
            name = re.escape(shown.format(row.low, row.high))
            assert re.search(rf"\| {name} \| {row.users} \| {row.ndcg:.4f} \|", card)
        worst = ours.loc[ours["ndcg"].idxmin()]
        told = shown.format(worst["low"], worst["high"])
        assert f"Least well served by {column}: {told}, with {worst['ndcg']:.4f}" in card
    nothing = (quality.per_user["model"] == 0).mean()
    assert f"{nothing:.0%} of the people measured" in card
    assert np.isclose(quality.per_user["model"].mean(), hybrid.test_metrics["NDCG@20"])


def test_of_a_model_that_has_seen_everything_it_claims_nothing(
    planted_data: MovieData, hybrid: TrainedModel
) -> None:
    card = model_card(planted_data, replace(hybrid, refitted=True), None)
    assert "Not measured: The model was fitted to all ratings" in card
    assert "Least well served" not in card


def test_the_papers_model_has_a_card(planted_data: MovieData, model: TrainedModel) -> None:
    assert "| kind | paper |" in model_card(planted_data, model, None)


def test_the_command_writes_it_or_says_why_not(
    tmp_path: Path,
    hybrid: TrainedModel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(MOVIELENS_VARIABLE, str(write_planted(tmp_path / "planted")))
    place = tmp_path / "models" / "m.pth"
    place.parent.mkdir()
    assert main(["--checkpoint", str(place)]) == 1
    assert "python model_training.py" in capsys.readouterr().err
    save_checkpoint(hybrid, place)
    output = tmp_path / "card.md"
    assert main(["--checkpoint", str(place), "--output", str(output)]) == 0
    assert main(["--checkpoint", str(place)]) == 0
    assert capsys.readouterr().out == output.read_text(encoding="utf-8")
    assert output.read_text(encoding="utf-8").startswith("# Model card\n")
