"""Every tab under AppTest, on the demo data: what a visitor sees, and what bad input shows."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from data_preparation import MovieData, load_movie_data
from lookup import posters
from lookup.ratings_import import MAX_BYTES
from model import memory
from model.checkpoints import load_checkpoint, save_checkpoint
from model.config import PRESETS, TrainingConfig
from model.splits import temporal_leave_one_out
from model.store import ModelStore
from model.trained import TrainedModel
from model.viewers import user_viewer
from model_training import train
from prediction import recommend, score_all
from serving import state
from settings import DEMO_DIR
from sources import download
from tabs.links import TABS
from tabs.recommendations import cards
from tabs.shared import escape
from tests.conftest import REPOSITORY, write_dataset

APP = str(REPOSITORY / "app.py")
QUICK = TrainingConfig(dim=16, layers=2, epochs=2)

Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture(scope="module")
def model(data: MovieData) -> TrainedModel:
    return train(data, temporal_leave_one_out(data), QUICK)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty place for checkpoints, demo data, and no state left from another test's server."""
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(tmp_path / "lightgcn_checkpoint.pth"))
    st.cache_resource.clear()
    monkeypatch.setattr(state, "_server", state.ServerState())
    yield tmp_path / "lightgcn_checkpoint.pth"
    for thread in threading.enumerate():
        if thread.name == "training":
            thread.join(timeout=60)


@pytest.fixture
def open_tab(checkpoint: Path, model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open the app at a tab, with a trained model in place."""
    monkeypatch.delenv("TMDB_API_KEY", raising=False)
    save_checkpoint(model, checkpoint)
    return open_app


def open_app(tab: str, **query: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60)
    for name, value in {"tab": tab, **query}.items():
        app.query_params[name] = value
    return app.run()


def texts(app: AppTest) -> str:
    """Everything written on the page."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join(str(e.value) for kind in (*kinds, "success") for e in app.get(kind))


def films(app: AppTest) -> list[str]:
    """The recommended films, best first."""
    return list(next(d.value["film"] for d in app.dataframe if "final score" in d.value.columns))


def press(app: AppTest, label: str) -> AppTest:
    return next(b for b in app.button if b.label == label).click().run()


def healthy(app: AppTest) -> None:
    assert not app.exception, app.exception
    assert not app.error, [e.value for e in app.error]


def test_recommendations_are_those_that_prediction_computes(
    open_tab: Open, data: MovieData, model: TrainedModel
) -> None:
    app = open_tab("Recommendations")
    healthy(app)
    user = data.inner_user(app.selectbox(key="user").value)
    expected = recommend(model, score_all(data, model, user_viewer(data, model, user)), 10)
    table = app.dataframe[0].value
    np.testing.assert_allclose(table["final score"], [r.score for r in expected], atol=0.00051)
    np.testing.assert_allclose(
        table["graph part"] + table["tag part"], table["final score"], rtol=1e-12
    )
    rated = set(app.dataframe[1].value["film"])
    assert not rated & set(table["film"])


def test_choosing_another_user_and_k_changes_the_list(open_tab: Open, data: MovieData) -> None:
    app = open_tab("Recommendations")
    before = films(app)
    app.selectbox(key="user").set_value(int(data.user_ids[0]))
    app.slider(key="k").set_value(3)
    app.run()
    healthy(app)
    after = films(app)
    assert len(after) == 3
    assert after != before[:3]


def test_tag_weight_1_ranks_by_tag_similarity_alone(open_tab: Open) -> None:
    app = open_tab("Recommendations")
    app.slider(key="tag_weight").set_value(1.0).run()
    table = app.dataframe[0].value
    assert (table["graph part"] == 0).all()
    assert table["tag similarity"].is_monotonic_decreasing


def test_insights_shows_map_neighbours_and_tags(open_tab: Open, data: MovieData) -> None:
    app = open_tab("Insights")
    healthy(app)
    assert "Map of the films" in texts(app)
    neighbours = app.dataframe[0].value
    assert neighbours["cosine"].is_monotonic_decreasing
    assert f"**{len(data.tag_names):,}** distinct tags" in texts(app)


def test_training_from_the_tab_makes_a_model_that_a_click_puts_in_use(
    open_tab: Open, checkpoint: Path, data: MovieData
) -> None:
    app = open_tab("Train Model")
    healthy(app)
    app.select_slider(key="dim_best").set_value(8)
    app.slider(key="epochs_best").set_value(2)
    app.button(key="train").click().run()
    healthy(app)
    wait_for_training()
    app.run()
    healthy(app)
    assert "embedding size 8" in texts(app)  # for who trained it
    app.button(key="promote_trying").click().run()
    healthy(app)
    assert load_checkpoint(data, checkpoint).config.dim == 8
    assert "embedding size 8" in texts(app)
    metrics = app.dataframe[0].value
    assert list(metrics.columns) == [
        "LightGCN, like",
        "95 % interval",
        "LightGCN, watch",
        "popularity",
        "EASE",
    ]


def test_the_first_visit_trains_a_model_by_itself(checkpoint: Path) -> None:
    app = open_app("Recommendations")
    healthy(app)
    assert "need a trained model" in texts(app)
    wait_for_training()
    app.run()
    healthy(app)
    assert checkpoint.exists()
    assert len(app.dataframe[0].value) == 10


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")


@pytest.mark.parametrize("damaged", [False, True])
def test_without_training_the_first_visit_says_what_the_operator_must_run(
    checkpoint: Path, no_training: None, damaged: bool
) -> None:
    if damaged:
        checkpoint.write_bytes(b"not a checkpoint")
    for tab in TABS:
        app = open_app(tab)
        healthy(app)
        assert "its operator has to run `python model_training.py`" in texts(app)
        assert not training_threads()
    assert checkpoint.exists() == damaged


def test_without_training_no_visitor_can_replace_the_data(
    checkpoint: Path,
    no_training: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    app = open_app("Start Here")
    assert "Demo data" in app.warning[0].value
    assert not [b for b in app.button if "Download" in b.label]
    asked: list[object] = []
    monkeypatch.delenv("MOVIELENS_DIR")
    monkeypatch.setattr(download, "find_local_data", lambda **_: None)
    monkeypatch.setattr(download, "download_movielens", lambda **_: asked.append(1))
    healthy(open_app("Start Here"))
    assert not asked


def test_a_wrong_setting_of_the_training_stops_the_page_with_one_sentence(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTGCN_TRAINING", "no")
    app = open_app("Train Model")
    assert not app.exception
    assert [e.value for e in app.error] == [
        escape("LIGHTGCN_TRAINING is “no”, which is neither on nor off; correct it or unset it.")
    ]
    assert not training_threads()


def test_demo_data_are_announced_with_an_offer_to_download(open_tab: Open) -> None:
    app = open_tab("Start Here")
    assert "Demo data" in app.warning[0].value
    assert app.button[0].label.startswith("Download MovieLens")


def test_a_failed_download_says_why_and_keeps_the_demo_running(
    open_tab: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MOVIELENS_URL", "http://127.0.0.1:9/nothing-listens")
    app = open_tab("Start Here")
    app.button[0].click().run()
    assert not app.exception
    assert escape("GroupLens cannot be reached") in app.error[0].value
    assert app.header


def test_a_damaged_checkpoint_is_announced_and_stays_and_a_click_trains_another(
    checkpoint: Path, data: MovieData
) -> None:
    checkpoint.write_bytes(b"not a checkpoint")
    for tab in TABS:
        app = open_app(tab)
        healthy(app)
        assert "damaged or not a LightGCN checkpoint" in texts(app)
        assert "is being trained now" not in texts(app)
        assert not training_threads()
    assert checkpoint.read_bytes() == b"not a checkpoint"
    press(app, "Train a new model")
    wait_for_training()
    healthy(app.run())
    (kept,) = ModelStore(checkpoint).kept(data.fingerprint)
    assert kept.in_use and kept.header.config == PRESETS["fast"]
    assert checkpoint.read_bytes() == b"not a checkpoint"


def test_what_waits_for_a_model_says_that_the_one_there_cannot_be_used(checkpoint: Path) -> None:
    checkpoint.write_bytes(b"not a checkpoint")
    app = open_app("Recommendations")
    assert "cannot be used, as it says above the tabs" in texts(app)


def test_a_first_training_that_fails_is_told_in_every_tab(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(1 + 3 * n, 10, 4.0, n) for n in range(6)]  # everybody rated one film
    folder = write_dataset(tmp_path / "once", ratings=rows, tags=None)
    monkeypatch.setenv("MOVIELENS_DIR", str(folder))
    open_app(TABS[0])
    wait_for_training()
    for tab in TABS:
        app = open_app(tab)
        assert not app.exception
        assert "being trained now" not in texts(app)
        assert not training_threads()
        (error,) = [e.value.replace("\\", "") for e in app.error]
        assert error.startswith("No model could be trained: ")
        assert "three or more of at least one person" in error
    app = open_app("Recommendations")
    assert "The training of one failed; above the tabs it says why" in texts(app)
    assert not checkpoint.exists()


def test_the_link_chooses_user_and_k(open_tab: Open, data: MovieData) -> None:
    open_tab("Recommendations")
    app = open_app("Recommendations", user="7", k="3")
    healthy(app)
    assert app.selectbox(key="user").value == 7
    assert len(app.dataframe[0].value) == 3


@pytest.mark.parametrize(
    "query",
    [{"user": "999999"}, {"user": "abc"}, {"user": "9" * 40}, {"k": "-3"}, {"k": "x"}],
)
def test_invalid_link_parameters_fall_back_to_the_default(
    open_tab: Open, query: dict[str, str]
) -> None:
    plain = open_tab("Recommendations")
    app = open_app("Recommendations", **query)
    healthy(app)
    assert films(app) == films(plain)


def test_invalid_link_parameters_are_named(open_tab: Open) -> None:
    open_tab("Start Here")
    app = open_app("Recommendations", user="999999", genres="Nonsense", novelty="7")
    healthy(app)
    notices = [w.value for w in app.warning if w.value.startswith("The link asks for")]
    assert {n.split()[4] for n in notices} == {"user", "genres", "novelty"}
    assert not [w for w in app.run().warning if w.value.startswith("The link asks for")]


def test_the_link_sets_filters_that_the_list_obeys(open_tab: Open, data: MovieData) -> None:
    open_tab("Start Here")
    app = AppTest.from_file(APP, default_timeout=60)
    query = {"tab": "Recommendations", "genres": "Sci-Fi", "years": ["1980", "1999"], "k": "5"}
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    healthy(app)
    table = app.dataframe[0].value
    assert len(table) == 5
    assert table["genres"].str.contains("Sci-Fi").all()
    years = table["film"].str.extract(r"\((\d{4})\)$")[0].astype(int)
    assert years.between(1980, 1999).all()


def test_filters_that_nothing_passes_say_what_to_loosen(open_tab: Open) -> None:
    app = open_tab("Recommendations")
    app.slider(key="min_ratings").set_value(100).run()
    assert "No film matches: loosen the filters" in texts(app)
    healthy(app)


def rate(app: AppTest, data: MovieData, movie: int, stars: float | None = None) -> None:
    """Type the title of a film and click it; once more takes the rating back."""
    if stars:
        app.select_slider[0].set_value(stars).run()
    app.text_input(key="my_film_text").set_value(data.labels[movie]).run()
    app.button(key=f"my_film_{movie}").click().run()
    healthy(app)


def test_a_visitor_rates_a_film_and_gets_a_list_at_once(open_tab: Open, data: MovieData) -> None:
    app = open_tab("Recommendations", who="Me")
    healthy(app)
    assert "Rate a film or two" in texts(app)
    film = int(np.argmax(data.movie_degree))
    rate(app, data, film)
    healthy(app)
    first = films(app)
    assert len(first) == 10
    other = int(np.argsort(data.movie_degree)[-40])
    rate(app, data, other)
    second = films(app)
    assert second != first
    moves = [m.value for m in app.markdown if ":small[:gray[" in m.value]
    assert moves  # the list says which films moved
    press(app, "Remove all my ratings")
    assert "Rate a film or two" in texts(app)
    healthy(app)


def test_clicks_rate_films_change_the_stars_and_take_them_back(
    open_tab: Open, data: MovieData
) -> None:
    app = open_tab("Recommendations", who="Me")
    first, second = np.argsort(-data.movie_degree)[[0, 30]].tolist()
    rate(app, data, first)
    rate(app, data, second, 3.0)
    mine = app.session_state[f"my_stars_{data.fingerprint}"]
    assert mine == {first: 4.5, second: 3.0}
    rate(app, data, first)  # with other stars than before
    assert mine == {first: 3.0, second: 3.0}
    rate(app, data, first)  # with the same stars
    assert mine == {second: 3.0}
    app.text_input(key="my_film_text").set_value(data.labels[second]).run()
    assert app.button(key=f"my_film_{second}").label.startswith("✓ ")
    app.select_slider[0].set_value(1.5)  # and a click before the page has answered
    app.button(key=f"my_film_{second}").click().run()
    assert mine == {second: 1.5}
    press(app, "Remove all my ratings")
    assert not app.button(key=f"my_film_{second}").label.startswith("✓ ")


def test_the_ratings_survive_a_visit_to_another_tab(open_tab: Open, data: MovieData) -> None:
    app = open_tab("Recommendations", who="Me")
    rate(app, data, int(np.argmax(data.movie_degree)))
    before = films(app)
    app.session_state["tab"] = "Insights"
    app.run()
    healthy(app)
    app.session_state["tab"] = "Recommendations"
    app.run()
    healthy(app)
    assert films(app) == before


def upload(app: AppTest, content: bytes) -> AppTest:
    app.file_uploader[0].set_value([("ratings.csv", content, "text/csv")])
    return app.run()


def test_the_page_says_how_large_an_upload_may_be(open_tab: Open) -> None:
    app = open_tab("Recommendations", who="Me")
    assert app.file_uploader[0].proto.max_upload_size_mb == MAX_BYTES // 2**20 <= 10


def test_an_uploaded_letterboxd_file_becomes_ratings(open_tab: Open) -> None:
    app = open_tab("Recommendations", who="Me")
    upload(
        app,
        b"Date,Name,Year,Letterboxd URI,Rating\n"
        b"2024-01-01,The Matrix,1999,https://boxd.it/1,5\n"
        b"2024-01-02,No Such Film,2001,https://boxd.it/2,3\n",
    )
    healthy(app)
    assert "Matched 1 of 2 lines" in texts(app).replace("\\", "")
    press(app, "Use this 1 rating")
    healthy(app)
    assert "My 1 rating: change or delete" in [e.label for e in app.expander]
    assert "The Matrix (1999)" not in films(app)


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"a,b\n1,2\n", "é,è".encode("latin-1")])
def test_an_unusable_upload_gives_one_sentence_and_keeps_the_ratings(
    open_tab: Open, data: MovieData, content: bytes
) -> None:
    app = open_tab("Recommendations", who="Me")
    rate(app, data, int(np.argmax(data.movie_degree)))
    upload(app, content)
    assert not app.exception
    assert len(app.error) == 1
    assert len(films(app)) == 10


def test_why_splits_the_score_exactly(open_tab: Open, data: MovieData, model: TrainedModel) -> None:
    app = open_tab("Recommendations")
    user = data.inner_user(app.selectbox(key="user").value)
    viewer = user_viewer(data, model, user)
    best = recommend(model, score_all(data, model, viewer), 1)[0]
    app.button(key=f"why_{best.movie}").click().run()
    healthy(app)
    terms = next(d.value for d in app.dataframe if "contribution" in d.value.columns)
    own = float(viewer.own @ model.movie_factors[best.movie])
    assert terms["contribution"].sum() + own == pytest.approx(best.graph_score, rel=1e-4)
    assert f"**{best.graph_score:.4f}** exactly" in texts(app)


def test_posters_come_from_tmdb_when_there_is_a_key(
    open_tab: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str | None] = []

    class Tmdb(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Authorization"])
            found = {"results": [{"poster_path": "/poster.jpg", "release_date": "1999-01-01"}]}
            body = json.dumps(found).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tmdb)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(posters, "API_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(cards, "POSTER_CACHE", tmp_path)
    monkeypatch.setenv("TMDB_API_KEY", "eyJhbGciOiJIUzI1NiJ9.payload.signature")
    try:
        app = open_tab("Recommendations")
        healthy(app)
        assert set(asked) == {"Bearer eyJhbGciOiJIUzI1NiJ9.payload.signature"}
        html = "".join(element.proto.body for element in app.get("html"))
        assert posters.TMDB_NOTICE in html
        found = html.count(f'src="{posters.IMAGE_URL}/{posters.POSTER_SIZE}/poster.jpg"')
        assert 0 < found == html.count('alt="Poster of ')  # of the films of that year
        assert found + html.count('alt="Cover of ') == 10
    finally:
        server.shutdown()


def test_a_page_without_posters_says_why(
    open_tab: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        monkeypatch.setattr(posters, "API_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        monkeypatch.setattr(posters, "RETRIES", 0)
        monkeypatch.setattr(cards, "POSTER_CACHE", tmp_path)
        monkeypatch.setenv("TMDB_API_KEY", "0" * 32)
        app = open_tab("Recommendations")
        healthy(app)
        assert "No new posters for now, because TMDB cannot be reached from this" in texts(app)
    monkeypatch.setenv("TMDB_API_KEY", "no key")
    assert "Posters are off, because the TMDB token is neither" in texts(app.run())


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ("Tag suggestions", "This measurement is left out"),
        ("Tags", "The prediction of tags is left out"),
        ("Model duel", "EASE is left out"),
    ],
)
def test_what_does_not_fit_into_the_memory_is_left_out_with_a_sentence(
    open_tab: Open, monkeypatch: pytest.MonkeyPatch, section: str, what: str
) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: 1_000_000)
    app = open_tab("Insights", section=section)
    for thread in threading.enumerate():
        if thread.name == "duel":
            thread.join(timeout=60)
    if section == "Model duel":
        app = open_tab("Insights", section=section)
    healthy(app)
    assert what in texts(app)


def test_unusable_data_give_one_sentence_and_no_traceback(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,A Film (2000),Drama\n")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,nine,0\n")
    monkeypatch.setenv("MOVIELENS_DIR", str(tmp_path))
    app = open_app("Start Here")
    assert not app.exception
    assert [e.value for e in app.error] == [
        escape(
            "ratings.csv, line 2: 'nine' in the column rating is not a number; "
            "correct the line or restore the original file."
        )
    ]


def wait_for_training() -> None:
    for thread in training_threads():
        thread.join(timeout=120)
        assert not thread.is_alive(), "the training did not end"


def training_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "training"]


@pytest.mark.parametrize("sign", ["--", "->", "<-", "<->", ">=", "<=", "~="])
def test_a_sign_that_stands_alone_stays_as_written_and_a_command_can_be_copied(sign: str) -> None:
    for text in (sign, f"{sign} b", f"a {sign}", f"a {sign} b"):
        assert sign not in escape(text).replace("\\", "")  # Streamlit would draw another sign
    command = f"python -m sources.download --dataset ml-1m x{sign}y"
    assert escape(command).replace("\\", "") == command
