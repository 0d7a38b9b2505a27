"""The Train Model tab under AppTest on the demo data: settings, link, owner, faults, runs."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

import model_training
from data_preparation import MovieData, load_movie_data
from model import checkpoints
from model.bpr import StopTraining
from model.checkpoints import load_checkpoint, save_checkpoint
from model.config import PRESETS, SETTINGS, TrainingConfig, has_effect
from model.runs import load_runs, run_label, runs_table, save_run
from model.splits import PROTOCOLS
from model.store import ModelStore, compare
from model.trained import TrainedModel
from model_training import train
from serving.csv_export import to_csv
from serving.training_job import TrainingJob
from settings import DEMO_DIR, runs_folder
from tabs.train_model import progress as train_progress
from tabs.train_model import tab as train_tab
from tabs.train_model import trying
from tests.conftest import REPOSITORY, write_planted

APP = str(REPOSITORY / "app.py")
QUICK = TrainingConfig(dim=8, layers=1, epochs=2)
PROTOCOL = "random_80_10_10"
SMALL = {"dim": "8", "layers": "1", "epochs": "2", "search_seconds": "0"}


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture(scope="module")
def model(data: MovieData) -> TrainedModel:
    return train(data, PROTOCOLS[PROTOCOL](data), QUICK)


@pytest.fixture
def path(tmp_path: Path, model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkpoint in its own folder, and no state left from another test's server."""
    path = tmp_path / "model.pth"
    save_checkpoint(model, path)
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(path))
    st.cache_resource.clear()
    yield path
    finish_training(stop=True)


def finish_training(stop: bool = False) -> None:
    for thread in threading.enumerate():
        if thread.name == "training":
            if stop:
                thread._target.__self__.request_stop()  # type: ignore[attr-defined]
            thread.join(timeout=60)
            assert not thread.is_alive(), "the training did not end"


def open_tab(**query: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60)
    for name, value in {"tab": "Train Model", **query}.items():
        app.query_params[name] = value
    return app.run()


def in_address(app: AppTest) -> dict[str, str]:
    """The settings that the script in the browser puts there."""
    replaced = app.session_state["settings_replaced"]
    return {name: value for name, value in replaced.items() if value is not None}


def healthy(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    return app


def texts(app: AppTest) -> str:
    kinds = ("subheader", "markdown", "caption", "warning", "error", "success")
    return "\n".join(str(e.value) for kind in kinds for e in app.get(kind)).replace("\\", "")


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def press(app: AppTest, label: str) -> AppTest:
    return next(b for b in app.button if b.label == label).click().run()


def newest(data: MovieData, path: Path) -> TrainedModel:
    """What was trained last."""
    store = ModelStore(path)
    return load_checkpoint(data, store.kept(data.fingerprint)[0].path)


def train_and_wait(app: AppTest) -> AppTest:
    app.button(key="train").click().run()
    finish_training()
    return healthy(app.run())


# --- settings and link ----------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_sets_every_control(path: Path, preset: str) -> None:
    app = healthy(open_tab(preset=preset))
    controls = [*app.slider, *app.select_slider, *app.number_input, *app.toggle]
    controls += app.get("button_group")
    shown = {c.key.removesuffix(f"_{preset}"): c.value for c in controls if c.key}
    config = PRESETS[preset]
    effective = {
        name
        for name in SETTINGS
        if has_effect(name, config.model, config.warm_start, config.epochs, config.layers)
    }
    assert shown.keys() & SETTINGS.keys() == effective  # what makes no difference is not drawn
    for name in effective:
        value = shown[name]
        assert (value[0] if isinstance(value, list) else value) == getattr(config, name), name


def test_the_link_reproduces_settings_and_seed(path: Path, data: MovieData) -> None:
    small = {name: value for name, value in SMALL.items() if name != "search_seconds"}
    link = small | {
        "preset": "published", "protocol": "temporal_leave_one_out", "batch_size": "777",
        "learning_rate": "0.005", "negatives": "3", "l2": "0", "seed": "12", "warm_start": "1",
        "metrics_k": "10",
    }  # fmt: skip
    app = healthy(open_tab(**link))
    assert not app.warning[1:]  # the first one is about the demo data
    train_and_wait(app)
    model = newest(data, path)
    assert model.protocol == "temporal_leave_one_out"
    assert (model.config.batch_size, model.config.learning_rate) == (777, 0.005)
    assert (model.config.negatives, model.config.l2, model.config.seed) == (3, 0.0, 12)
    assert model.config.warm_start
    plain = ["Hit@10", "Recall@10", "NDCG@10"]
    assert list(app.dataframe[0].value.index) == [*plain, *(f"liked {name}" for name in plain)]
    address = in_address(app)
    assert address == link | {"l2": "0.0"}
    again = train_and_wait(open_tab(**address))
    assert healthy(again)
    assert (newest(data, path).e0 == model.e0).all()


def test_out_of_range_settings_in_a_link_fall_back_and_are_named(path: Path) -> None:
    app = healthy(open_tab(dim="0", layers="99", epochs="many", warm_start="maybe", seed="nan"))
    notices = [w.value for w in app.warning if "The link asks for" in w.value]
    assert {notice.replace("\\", "").split()[4] for notice in notices} == {
        "dim", "layers", "epochs", "warm_start", "seed",
    }  # fmt: skip
    assert app.select_slider(key="dim_best").value == PRESETS["best"].dim
    assert not [w for w in app.run().warning if "The link asks for" in w.value]  # said once


def test_the_address_follows_the_controls(path: Path) -> None:
    app = open_tab()
    assert "dim" not in in_address(app)
    app.select_slider(key="dim_best").set_value(64).run()
    assert in_address(app)["dim"] == "64"
    app.select_slider(key="dim_best").set_value(PRESETS["best"].dim).run()
    assert "dim" not in in_address(app)
    assert "dim" not in app.query_params  # what the script writes there itself is a step for Back


def forgetful() -> None:
    """The controls; Streamlit has forgotten their values where "forget" is set."""
    import streamlit as st

    from tabs.train_model.controls import choose_settings

    if st.session_state.pop("forget", False):
        for name in ("preset", "protocol", "metrics_k", "layers_fast"):
            del st.session_state[name]
    st.text(str(choose_settings()))


def test_settings_that_streamlit_forgets_come_back() -> None:
    app = AppTest.from_function(forgetful, default_timeout=60)
    app.query_params["preset"], app.query_params["layers"] = "fast", "2"
    before = healthy(app.run()).text[0].value
    assert "layers=2" in before
    app.session_state["forget"] = True
    assert healthy(app.run()).text[0].value == before


def test_the_cost_is_estimated_and_grows_with_the_settings(path: Path) -> None:
    def memory(**query: str) -> float:
        (line,) = [c.value for c in open_tab(**query).caption if "Estimate" in c.value]
        return float(line.split(" MiB")[0].split()[-1].replace(",", ""))

    learned = memory(dim="256", epochs="3", negatives="200")
    assert memory(dim="8") <= memory(dim="256") < learned


def test_settings_that_no_memory_can_hold_are_refused_before_the_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabs.train_model.controls.machine_memory", lambda: 2**20)
    app = healthy(open_tab())
    assert app.button(key="train").disabled
    assert "Lower the embedding size" in app.error[0].value


# --- who may do what ------------------------------------------------------------------------------


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs wait before their first step until they are stopped."""

    def wait(job: TrainingJob) -> None:
        job._stop.wait()
        raise StopTraining

    monkeypatch.setattr(TrainingJob, "_before_step", wait)


def test_the_owner_may_pause_resume_and_stop(path: Path, waiting: None) -> None:
    app = open_tab(**SMALL)
    app.button(key="train").click().run()
    healthy(app)
    assert app.button(key="train").disabled
    press(app, "Pause")
    assert "Resume" in labels(app)
    press(app, "Resume")
    assert "Pause" in labels(app)
    press(app, "Stop and keep the best")
    finish_training()
    app.run()
    assert "Stopped on request" in texts(app)
    assert not app.button(key="train").disabled


def test_another_visitor_watches_but_has_no_buttons_unless_the_owner_is_gone(
    path: Path, waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_tab(**SMALL)
    monkeypatch.setattr("tabs.train_model.tab.session_id", lambda: "somebody else")
    app.button(key="train").click().run()
    monkeypatch.setattr(train_progress, "_is_connected", lambda session: True)
    visitor = healthy(open_tab())
    assert visitor.button(key="train").disabled
    assert "Another visitor started this run" in texts(visitor)
    assert not {"Pause", "Stop and keep the best"} & set(labels(visitor))
    monkeypatch.setattr(train_progress, "_is_connected", lambda session: session != "somebody else")
    visitor.run()  # the owner closed the browser mid-training; the run went on
    assert {"Pause", "Stop and keep the best"} <= set(labels(visitor))


def test_a_reload_finds_the_running_job_again(path: Path, waiting: None) -> None:
    open_tab(**SMALL).button(key="train").click().run()
    again = open_tab()
    assert again.button(key="train").disabled
    assert "Stop and keep the best" in labels(again)


def test_a_second_press_of_train_starts_nothing(path: Path, waiting: None) -> None:
    first, second = open_tab(**SMALL), open_tab(**SMALL)
    first.button(key="train").click().run()
    # The second page was drawn before the first press, so its button is still live.
    second.button(key="train").click().run()
    healthy(second)
    running = [t for t in threading.enumerate() if t.name == "training"]
    assert len(running) == 1


def test_a_visitor_who_empties_the_caches_loses_nobodys_training(path: Path, waiting: None) -> None:
    app = open_tab(**SMALL)
    app.button(key="train").click().run()
    st.cache_resource.clear()  # what Streamlit does when any page sends it a clear_cache message
    again = healthy(open_tab())
    assert again.button(key="train").disabled
    assert "Stop and keep the best" in labels(again)


# --- a server that does not train -----------------------------------------------------------------


def test_with_training_off_the_tab_shows_the_model_and_the_runs_and_nothing_to_press(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_and_wait(open_tab(**SMALL | {"dim": "16"}))  # so that there is a run and a kept model
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")
    visitor("another", monkeypatch)
    app = healthy(open_tab())
    assert "Training is switched off on this server" in app.info[0].value
    assert "`python model_training.py`" in app.info[0].value
    assert "The model in use" in texts(app) and "All runs" in texts(app)
    assert "Kept models" in texts(app)
    assert not labels(app)
    assert not [*app.text_input, *app.select_slider, *app.number_input, *app.toggle]


def test_with_training_off_a_page_from_before_can_change_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = train_and_wait(open_tab(**SMALL | {"dim": "16"}))
    before = path.read_bytes()
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")
    app.button(key="promote_kept").click().run()
    assert healthy(app) and path.read_bytes() == before


# --- the result -----------------------------------------------------------------------------------


def visitor(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs from here on are of this visitor's session."""
    for module in (train_tab, train_progress, trying):
        monkeypatch.setattr(module, "session_id", lambda: name)


def test_a_new_model_is_for_its_maker_until_it_is_put_in_use_by_a_click(
    path: Path, data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor("maker", monkeypatch)
    app = train_and_wait(open_tab(**SMALL | {"dim": "16"}))
    table = app.dataframe[0].value
    ours = ["LightGCN, like", "95 % interval", "LightGCN, watch"]
    assert list(table) == [*ours, "model in use", "popularity", "EASE"]
    model, old = newest(data, path), load_checkpoint(data, path)
    assert (model.config.dim, old.config.dim) == (16, 8)
    assert table.loc["NDCG@20", "LightGCN, like"] == f"{model.test_metrics['NDCG@20']:.4f}"
    assert "The model you try" in texts(app) and "embedding size 16" in texts(app)
    (banner,) = [each.value for each in app.info if "only you see" in each.value]
    compared = compare(model, old)
    assert compared.same_split and compared.sentence in banner.replace("\\", "")
    visitor("another", monkeypatch)
    other = open_tab()
    assert "embedding size 8" in texts(other) and "The model in use" in texts(other)
    assert not [each for each in other.info if "only you see" in each.value]
    visitor("maker", monkeypatch)
    press(app, "Back to the model in use")
    assert "embedding size 8" in texts(healthy(app))
    press(app, "Try it")
    assert "embedding size 16" in texts(app)
    app.button(key="promote_trying").click().run()
    assert load_checkpoint(data, path).config.dim == 16
    assert "The model in use" in texts(app) and "embedding size 16" in texts(app)
    visitor("another", monkeypatch)
    assert "embedding size 16" in texts(other.run())
    # Going back is a click, too: the one before was kept.
    kept = [each for each in ModelStore(path).kept(data.fingerprint) if not each.in_use]
    other.selectbox(key="kept_model").set_value(kept[0].name).run()
    other.button(key="promote_kept").click().run()
    assert load_checkpoint(data, path).config.dim == 8
    visitor("maker", monkeypatch)
    assert "embedding size 8" in texts(healthy(app.run()))


def test_a_kept_model_gets_a_name_that_every_visitor_sees(path: Path, data: MovieData) -> None:
    app = train_and_wait(open_tab(**SMALL | {"dim": "16"}))
    (kept,) = ModelStore(path).kept(data.fingerprint)
    app.text_input(key=f"title_{kept.name}").set_value("Monday’s").run()
    press(app, "Save the name")
    assert healthy(app) and ModelStore(path).kept(data.fingerprint)[0].title == "Monday’s"
    (table,) = [t.value for t in open_tab().dataframe if "NDCG@20 on validation" in t.value]
    assert list(table["name"]) == ["Monday’s"]
    app.text_input(key=f"title_{kept.name}").set_value("x" * 39 + "\u202e").run()
    press(app, "Save the name")
    assert "all of them visible" in app.error[0].value
    assert ModelStore(path).kept(data.fingerprint)[0].title == "Monday’s"


def test_a_refitted_model_says_which_ratings_were_measured(path: Path, data: MovieData) -> None:
    app = open_tab(**SMALL, refit="1")
    train_and_wait(app)
    assert newest(data, path).refitted
    assert f"fitted again to all {data.n_ratings:,} ratings" in texts(app)
    assert "the numbers are of the model before" in texts(app)


def test_a_model_that_cannot_be_saved_is_used_from_memory(
    path: Path, data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    app = open_tab(**SMALL | {"dim": "16"})
    monkeypatch.setattr(checkpoints.os, "fsync", full)
    train_and_wait(app)
    assert "No space left" in texts(app) and "until the app is restarted" in texts(app)
    assert "The model you try" in texts(app) and "embedding size 16" in texts(app)
    assert load_checkpoint(data, path).config.dim == 8


def test_a_run_that_failed_says_why_and_the_old_model_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise MemoryError("out of memory")

    monkeypatch.setattr(model_training, "train", crash)
    app = train_and_wait(open_tab(**SMALL))
    assert "out of memory" in app.error[0].value.replace("\\", "")
    assert "embedding size 8" in texts(app)


def test_after_the_data_changed_the_model_of_the_old_ones_is_not_used(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: None
) -> None:
    app = open_tab(**SMALL | {"dim": "16"})
    app.button(key="train").click().run()
    monkeypatch.setenv("MOVIELENS_DIR", str(write_planted(tmp_path / "other")))
    app.run()
    assert not app.exception
    assert "on other data than are open now" in texts(app)
    monkeypatch.undo()  # let the runs step
    monkeypatch.setenv("MOVIELENS_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(path))
    finish_training(stop=True)
    before = path.read_bytes()
    app.run()  # these data have no model: a first training begins
    assert "embedding size 16" not in texts(app)
    finish_training()
    app.run()
    assert "The model in use" in texts(app) and path.read_bytes() == before
    other = load_movie_data(tmp_path / "other")
    assert newest(other, path).config == PRESETS["fast"]
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    app.run()  # and back: the model of before is in use
    assert "embedding size 8" in texts(healthy(app)) and path.read_bytes() == before


def test_a_checkpoint_of_a_newer_version_stays_and_another_is_trained_by_a_click(
    path: Path, data: MovieData
) -> None:
    content = torch.load(path, weights_only=True)
    torch.save(content | {"version": 999}, path)
    before = path.read_bytes()
    app = healthy(open_tab())
    assert "format 999" in texts(app)
    finish_training()
    assert not ModelStore(path).kept(data.fingerprint)  # nothing was trained by itself
    press(app, "Train a new model")
    finish_training()
    assert newest(data, path).config == PRESETS["fast"]
    assert path.read_bytes() == before
    assert "The model in use" in texts(app.run()) and "format 999" in texts(app)


def test_a_model_worse_than_the_one_in_use_is_called_so(path: Path) -> None:
    app = train_and_wait(open_tab(**SMALL, preset="published"))  # two epochs from a random start
    said = "It is worse than the model in use on validation"
    assert said in " ".join(each.value for each in app.info)
    press(app, "Back to the model in use")
    assert said in texts(app)


# --- the runs -------------------------------------------------------------------------------------


def test_runs_are_listed_overlaid_exported_and_used_again(path: Path) -> None:
    app = train_and_wait(open_tab(**SMALL, seed="5", negatives="3"))
    app = train_and_wait(open_tab(**SMALL | {"dim": "16"}))
    runs = load_runs(runs_folder(path)).runs
    assert [run.config.dim for run in runs] == [16, 8]
    table = app.dataframe[-1].value
    assert list(table["dim"]) == [16, 8] and list(table["seed"]) == [0, 5]
    assert app.multiselect(key=f"overlaid_{runs[0].id}").value == [run.id for run in runs]
    assert list(table["data"]) == ["demo_data", "demo_data"]
    csv = pd.read_csv(io.BytesIO(to_csv(runs_table(runs))), encoding="utf-8-sig")
    assert list(csv["negatives"]) == [PRESETS["best"].negatives, 3]
    app.selectbox(key="use_again").set_value(runs[1].id).run()
    press(app, "Use these settings")
    healthy(app)
    preset = in_address(app).get("preset", "best")
    assert app.number_input(key=f"seed_{preset}").value == 5
    assert app.select_slider(key=f"negatives_{preset}").value == 3
    assert app.select_slider(key=f"dim_{preset}").value == 8


def test_only_runs_on_these_data_can_be_started_from(path: Path, data: MovieData) -> None:
    job = TrainingJob(data, PROTOCOL, QUICK, path)
    job.run()
    run = job.as_run()
    other = replace(run, id=f"{run.id}0", fingerprint="0" * 64, data_name="other")
    save_run(other, runs_folder(path))
    app = healthy(open_tab())
    assert list(app.dataframe[-1].value["data"]) == ["other", "demo_data"]
    assert app.selectbox(key="use_again").options == [run_label(run)]


def test_a_damaged_run_is_named_and_the_page_goes_on(path: Path) -> None:
    train_and_wait(open_tab(**SMALL))
    (runs_folder(path) / "19990101-000000-bad.json").write_text("{")
    app = healthy(open_tab())
    assert "19990101-000000-bad.json" in texts(app)
    assert "All runs" in texts(app)
