"""What was written down of a training is read as it is, or refused."""

from __future__ import annotations

import json
import math
import random
from dataclasses import asdict

import pytest

from model import records
from model.records import RecordError
from model.trained import EpochRecord
from tests.fuzzing import any_json, places, replaced

EPOCHS = (
    EpochRecord(0, math.nan, 0.5, {"NDCG@20": 0.1, "liked NDCG@20": 0.0}),
    EpochRecord(1, 0.6931, 1.5, {"NDCG@20": 0.15, "liked NDCG@20": 1.0}),
)
WRITTEN = [asdict(epoch) for epoch in EPOCHS]


def test_a_history_comes_back_from_a_checkpoint_and_from_json() -> None:
    as_json = [{**WRITTEN[0], "loss": None}, WRITTEN[1]]
    for value in (WRITTEN, tuple(WRITTEN), json.loads(json.dumps(as_json))):
        assert repr(records.history(value)) == repr(EPOCHS)  # NaN is unequal to itself


def test_what_comes_back_is_what_was_checked_whatever_stands_in_its_place() -> None:
    """Any value in any place: refused, or a history of the right types."""
    rng, read = random.Random(0), 0
    for path in list(places(WRITTEN)):
        for _ in range(60):
            try:
                history = records.history(replaced(WRITTEN, path, any_json(rng)))
            except RecordError as error:
                str(error).encode()  # for the log
                continue
            read += 1
            for number, epoch in enumerate(history):
                assert epoch.epoch == number and type(epoch.epoch) is int
                assert type(epoch.seconds) is float and 0 <= epoch.seconds <= records.MAX_SECONDS
                assert type(epoch.loss) is float and not math.isinf(epoch.loss)
                assert all(type(value) is float for value in epoch.metrics.values())
                assert all(0 <= value <= 1 for value in epoch.metrics.values())
    assert read > 0


@pytest.mark.parametrize(
    "value",
    [None, True, "1", [1], float("nan"), float("inf"), -0.1, 1.1, 10**400, -(10**400)],
    ids=range(10),
)
def test_what_is_no_metric_is_refused(value: object) -> None:
    with pytest.raises(RecordError):
        records.metrics({"NDCG@20": value})


def test_a_whole_number_that_no_float_holds_is_refused_without_bounds_too() -> None:
    assert records.number(10**300) == 1e300
    with pytest.raises(RecordError):
        records.number(10**400)


def test_epochs_that_run_backwards_or_are_missing_are_refused() -> None:
    for value in (WRITTEN[1:], [WRITTEN[0], WRITTEN[0]], [WRITTEN[0], WRITTEN[1] | {"seconds": 0}]):
        with pytest.raises(RecordError):
            records.history(value)


@pytest.mark.parametrize("value", [-1, 2, 1.0, True, None, "1"])
def test_the_kept_epoch_is_one_of_the_history(value: object) -> None:
    assert records.kept_epoch(1, EPOCHS) == 1
    with pytest.raises(RecordError):
        records.kept_epoch(value, EPOCHS)


def test_a_text_that_cannot_be_shown_is_refused() -> None:
    assert records.text("Amélie ★") == "Amélie ★"
    with pytest.raises(RecordError):
        records.text("half \ud800 a pair")
