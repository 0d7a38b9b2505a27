"""Start Here under AppTest: what the page shows is what the model computes, recomputed densely."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from analysis.layers import LAST, MEAN
from analysis.network import Network, lesson_network
from analysis.people import YOU, personas, with_visitor
from data_preparation import MovieData, load_movie_data
from model import memory
from model.checkpoints import save_checkpoint
from model.config import TrainingConfig
from model.explanation import explain
from model.splits import random_80_10_10
from model.trained import TrainedModel, no_trend_in_words, with_trend
from model.trend import TrendChoice
from model.viewers import aged, fold_in, user_viewer
from model_training import train
from prediction import DEFAULT_TAG_WEIGHT, recommend, score_all
from serving import prepared
from settings import DEMO_DIR
from tabs import shared
from tabs.links import CHAPTERS, LEVELS, RECENT
from tabs.shared import escape
from tests.conftest import REPOSITORY
from tests.dense import dense_layers, e0_of

APP = str(REPOSITORY / "app.py")
Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


KINDS: dict[str, TrainingConfig] = {
    "paper": TrainingConfig(model="paper", dim=8, layers=2, epochs=2, learning_rate=0.05),
    "hybrid": TrainingConfig(dim=80),  # wider than what is drawn
}


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, data: MovieData) -> TrainedModel:
    return train(data, random_80_10_10(data), KINDS[request.param])


@pytest.fixture(scope="module")
def network(data: MovieData, model: TrainedModel) -> Network:
    """What the chapters on layers take apart."""
    return lesson_network(data, model)


@pytest.fixture(scope="module")
def layers(data: MovieData, network: Network) -> list[NDArray[np.float64]]:
    """E(0), E(1), E(2) of it by dense products."""
    return dense_layers(data.ratings.toarray() > 0, e0_of(network), network.layers)


def served_scores(data: MovieData, model: TrainedModel, user: int) -> NDArray[np.float64]:
    """The graph scores of the model that serves, from its definition."""
    if not model.is_hybrid:
        final = np.mean(
            dense_layers(data.ratings.toarray() > 0, model.e0, model.config.layers), axis=0
        )
        return final[data.n_users :] @ final[user]
    weights = profile(model, data.stars_of(user))
    return model.movie_factors.astype(float) @ (weights @ model.movie_messages[data.rated_by(user)])


def profile(model: TrainedModel, stars: NDArray[np.floating]) -> NDArray[np.float64]:
    """The weights of films with these stars in a hybrid."""
    above = stars - (stars.sum() + 20 * model.mean_stars) / (len(stars) + 20)
    return np.where(above <= -1.5, 0, np.maximum(1 + model.config.like * above, 0))


@pytest.fixture
def open_chapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: TrainedModel
) -> Iterator[Open]:
    """Open the app at a chapter, on the demo data, with a trained model in place."""
    checkpoint = tmp_path / "lightgcn_checkpoint.pth"
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(checkpoint))
    st.cache_resource.clear()
    st.cache_data.clear()
    save_checkpoint(model, checkpoint)

    def at(chapter: str, **query: str) -> AppTest:
        app = AppTest.from_file(APP, default_timeout=60)
        for name, value in {"tab": "Start Here", "chapter": chapter, **query}.items():
            app.query_params[name] = value
        app.run()
        healthy(app)
        return app

    yield at
    assert "training" not in {thread.name for thread in threading.enumerate()}


def healthy(app: AppTest) -> None:
    assert not app.exception, app.exception
    assert not app.error, [e.value for e in app.error]


def texts(app: AppTest) -> str:
    kinds = ("header", "subheader", "markdown", "caption", "info", "success", "latex")
    return "\n".join(str(e.value) for kind in kinds for e in app.get(kind))


def table(app: AppTest, column: str) -> pd.DataFrame:
    """The first table that has the column."""
    return next(t.value for t in [*app.dataframe, *app.table] if column in t.value.columns)


def opened(app: AppTest, expander: str) -> AppTest:
    """After a click on the expander with this key."""
    app.session_state[expander] = True
    app.run()
    healthy(app)
    return app


def pictures(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def strips_of(app: AppTest, title: str) -> dict[str, list[float]]:
    """The vectors of a picture of strips as it reads them out, by the names of the rows."""
    picture = re.search(
        rf"<figure class='strips[^>]*aria-label='{title}.*?</figure>", pictures(app)
    )
    names = re.findall(r"<b title='[^']*'>(.*?)</b>", picture[0])
    columns = re.findall(r"data-v='\[\d+\]&#10;(.*?)'", picture[0])
    numbers = [[number(cell) for cell in column.split("&#10;")] for column in columns]
    return dict(zip(names, map(list, zip(*numbers, strict=True)), strict=True))


def bars_of(app: AppTest, title: str) -> dict[str, str]:
    """The numbers behind the bars of a picture, by the names of the rows."""
    picture = re.search(rf"<figure class='bars[^>]*aria-label='{title}.*?</figure>", pictures(app))
    row = r"<b title='[^']*'>(.*?)</b>.*?<span class='v'>(.*?)</span></div>"
    return {unescape(name): value for name, value in re.findall(row, picture[0])}


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def worked_user(app: AppTest, data: MovieData) -> int:
    return data.inner_user(app.selectbox(key="user").value)


def answer(app: AppTest, key: str, option: int) -> AppTest:
    radio = next(r for r in app.radio if r.key.startswith(key))
    return radio.set_value(radio.options[option]).run()


def press(app: AppTest, name: str) -> AppTest:
    return next(b for b in app.button if b.label == name).click().run()


# --- all chapters ---------------------------------------------------------------------------------

TITLES = dict(
    zip(
        CHAPTERS,
        (
            "Ratings are lines in a graph",
            "From rows to a graph",
            "What an edge weighs",
            "The final embedding is the mean of all layers",
            "Over-smoothing lab",
            "one step of BPR",
            "From embeddings to a recommendation",
            "What if one rating were different?",
            "What somebody watches these days",
            "Which films are listened to",
            "Over-smoothing:",
        ),
        strict=True,
    )
)


@pytest.mark.parametrize("chapter", CHAPTERS)
@pytest.mark.parametrize("level", LEVELS)
def test_every_chapter_opens_from_a_link_in_both_voices(
    open_chapter: Open, chapter: str, level: str
) -> None:
    app = open_chapter(chapter, level=level)
    assert TITLES[chapter] in texts(app)
    assert app.header[0].value == "How a graph neural network recommends films"
    others = [title for other, title in TITLES.items() if other != chapter]
    assert not [title for title in others if title in texts(app)]  # only the open one is there


def without_model() -> None:
    from data_preparation import load_movie_data
    from settings import DEMO_DIR
    from tabs.start_here import tab as start_here

    start_here.render(load_movie_data(DEMO_DIR), None)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_without_a_model_the_lessons_on_the_graph_work_and_the_rest_say_when(chapter: str) -> None:
    app = AppTest.from_function(without_model, default_timeout=60)
    app.session_state["chapter"] = chapter
    app.run()
    healthy(app)
    waits = {"Messages", "Reach", "Learning", "Recommendation", "What if", "Time", "Attention"}
    assert ("need a trained model" in texts(app)) == (chapter in waits)


def without_layers() -> None:
    from data_preparation import load_movie_data
    from model.config import TrainingConfig
    from model.splits import random_80_10_10
    from model_training import train
    from settings import DEMO_DIR
    from tabs.start_here import tab as start_here

    data = load_movie_data(DEMO_DIR)
    config = TrainingConfig(model="paper", dim=4, layers=0, epochs=1)
    start_here.render(data, train(data, random_80_10_10(data), config))


def test_without_layers_nothing_is_sent_and_every_chapter_says_so_or_works() -> None:
    app = AppTest.from_function(without_layers, default_timeout=60)
    for chapter in ("Messages", "Learning", "Recommendation", "What if"):
        app.session_state["chapter"] = chapter
        app.run()
        healthy(app)
        assert ("no message is passed" in texts(app)) == (chapter == "Messages")


def test_an_unknown_chapter_in_the_link_opens_the_first(open_chapter: Open) -> None:
    assert TITLES["In two minutes"] in texts(open_chapter("Nonsense"))


def test_the_tour_counts_the_graph_and_leads_into_the_chapters(
    open_chapter: Open, data: MovieData, model: TrainedModel
) -> None:
    app = open_chapter("In two minutes")
    n_films = len(np.unique(data.ratings.indices))
    counts = f"**{data.n_users:,}** users, **{n_films:,}** films, **{data.n_ratings:,}** ratings"
    assert counts in texts(app)
    user = worked_user(app, data)
    scores = served_scores(data, model, user)
    rated = data.ratings.toarray()[user] > 0
    means = bars_of(app, "Mean score")
    assert means[f"rated by User {data.user_ids[user]}"] == f"{scores[rated].mean():.2f}"
    assert means["all other films"] == f"{scores[~rated].mean():.2f}"
    app.button(key="stop_3").click().run()
    assert TITLES["Messages"] in texts(app)
    press(app, "Reach")
    assert TITLES["Reach"] in texts(app)


# --- the graph ------------------------------------------------------------------------------------


def test_the_linked_rows_are_ratings_of_the_file(open_chapter: Open, data: MovieData) -> None:
    app = open_chapter("Rows to graph")
    body = "".join(element.proto.body for element in app.get("html"))
    cells = r"<td>(\d+)</td><td>(\d+)</td><td>([\d.]+)</td><td>(\d+)</td><td>(\d+)</td>"
    found = re.findall(rf"<tr class='e\d+' tabindex='0'>{cells}</tr>", body)
    file = pd.read_csv(DEMO_DIR / "ratings.csv").set_index(["userId", "movieId"])["rating"]
    assert len(found) >= 4
    for user, movie, stars, inner_user, inner_movie in found:
        assert file[int(user), int(movie)] == float(stars)
        assert data.user_ids[int(inner_user)] == int(user)
        assert data.movie_ids[int(inner_movie)] == int(movie)


def test_the_tour_shows_the_users_own_weights_messages_and_list(
    open_chapter: Open, data: MovieData, layers: list[NDArray[np.float64]]
) -> None:
    app = open_chapter("In two minutes")
    user, final = worked_user(app, data), np.mean(layers, axis=0)
    rated = data.ratings.toarray() > 0
    weights = 1 / np.sqrt(rated[user].sum() * rated.sum(axis=0)[rated[user]])
    shown = [number(text) for text in bars_of(app, "The heaviest").values()]
    assert (shown[0], shown[-1]) == (round(weights.max(), 4), round(weights.min(), 4))
    strips = strips_of(app, "The messages to")
    messages = [values for name, values in strips.items() if name[0].isdigit()]
    assert len(messages) == 4
    np.testing.assert_allclose(np.sum(messages, axis=0), layers[1][user], atol=5e-4)
    np.testing.assert_allclose(strips["sum: layer 1"], layers[1][user], atol=1e-4)
    np.testing.assert_allclose(strips["final embedding"], final[user], atol=1e-4)
    best = [name.split(". ", 1)[1] for name in bars_of(app, "The five best films")]
    assert not {data.labels[i] for i in np.flatnonzero(rated[user])} & set(best)


def test_no_weight_is_told_before_the_guess_and_all_are_after(open_chapter: Open) -> None:
    app = open_chapter("Neighbourhood")
    opened(app, "edge_table")
    assert not {"weight", "arithmetic"} & set(table(app, "stars").columns)
    assert "1/√(" not in app.get("vega_lite_chart")[0].proto.spec + pictures(app)
    assert "answered" in texts(app)
    assert "heavy line" not in texts(app)
    answer(app, "quiz_weight", 2)
    healthy(app)
    assert "heavy line" in texts(app)
    assert {"weight", "arithmetic"} <= set(table(app, "stars").columns)
    assert "1/√(" in pictures(app)
    other = next(raw for raw in app.selectbox(key="user").options if raw != "User 1")
    app.selectbox(key="user").set_value(int(other.split()[1])).run()
    healthy(app)
    assert "times as much" in texts(app)  # asked once per session, then told
    assert not [r for r in app.radio if r.key.startswith("quiz_weight")]


def test_the_weights_are_one_over_the_root_of_the_degrees(
    open_chapter: Open, data: MovieData
) -> None:
    app = answer(open_chapter("Neighbourhood"), "quiz_weight", 2)
    assert "film's ratings" not in {c for d in app.dataframe for c in d.value.columns}
    opened(app, "all_weights")
    shown = table(app, "film's ratings")
    rated = data.ratings.toarray() > 0
    user = worked_user(app, data)
    assert len(shown) == rated[user].sum()
    degree = {data.labels[i]: rated[:, i].sum() for i in np.flatnonzero(rated[user])}
    assert shown["film's ratings"].tolist() == [degree[film] for film in shown["film"]]
    expected = 1 / np.sqrt(rated[user].sum() * shown["film's ratings"].to_numpy(float))
    np.testing.assert_allclose(shown["weight"], expected)


def test_whether_a_heavy_line_is_loud_is_told_by_the_messages(
    open_chapter: Open, data: MovieData, layers: list[NDArray[np.float64]]
) -> None:
    app = answer(open_chapter("Neighbourhood"), "quiz_weight", 2)
    for raw in data.user_ids[:12]:
        app.selectbox(key="user").set_value(int(raw)).run()
        healthy(app)
        user = data.inner_user(int(raw))
        rated = np.flatnonzero(data.ratings.toarray()[user])
        weights = 1 / np.sqrt(len(rated) * data.movie_degree[rated])
        sizes = weights * np.linalg.norm(layers[0][data.n_users + rated], axis=1)
        loud = sizes[weights.argmax()] > sizes[weights.argmin()]
        assert f"loud message?** {'Here, yes' if loud else 'Not here'}." in texts(app)
        assert f"of length {sizes[weights.argmax()]:.3f};" in texts(app)


def test_walking_moves_the_picture_and_the_worked_user_stays(
    open_chapter: Open, data: MovieData
) -> None:
    app = open_chapter("Neighbourhood")
    user = worked_user(app, data)
    here = f"User {data.user_ids[user]} has {data.user_degree[user]:,} edges"
    assert here in texts(app)
    film = int(data.rated_by(user)[0])
    app.slider(key="n_near").set_value(50).run()
    walk = app.selectbox(key=f"walk_to_{('user', user)}")
    place = next(n for n, option in enumerate(walk.options) if option.startswith(data.labels[film]))
    walk.select_index(place).run()
    healthy(app)
    assert f"{escape(data.labels[film])} has {data.movie_degree[film]:,} edges" in texts(app)
    assert worked_user(app, data) == user
    press(app, f"Back to User {data.user_ids[user]}")
    assert here in texts(app)


def test_one_hop_shows_no_other_users(open_chapter: Open, data: MovieData) -> None:
    app = open_chapter("Neighbourhood")
    app.segmented_control(key="hops").set_value(1).run()
    healthy(app)
    assert "shown: 9 nodes, 8 edges" in texts(app)


# --- messages and reach ---------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1])
def test_the_messages_shown_add_up_to_the_next_layer(
    open_chapter: Open, data: MovieData, layers: list[NDArray[np.float64]], k: int
) -> None:
    app = open_chapter("Messages")
    app.segmented_control(key="step").set_value(str(k)).run()
    healthy(app)
    assert not app.dataframe  # there may be thousands of senders: only who asks gets them
    opened(app, "senders")
    user, shown = worked_user(app, data), table(app, "arithmetic")
    assert len(shown) == data.user_degree[user]
    for n in range(4):
        sent, its = shown[f"sends [{n}]"], shown[f"its [{n}]"]
        np.testing.assert_allclose(sent, shown["weight"] * its, rtol=1e-5)
        assert sent.sum() == pytest.approx(layers[k + 1][user, n], rel=1e-3, abs=1e-5)
    results = re.findall(r"\\mathbf\{(-?[\d.]+)\}", texts(app))
    assert float(results[0]) == pytest.approx(layers[k + 1][user, 0], abs=1e-4)
    strips = strips_of(app, "The messages that reach")
    np.testing.assert_allclose(strips[f"before: layer {k}"], layers[k][user], atol=1e-4)
    np.testing.assert_allclose(strips[f"sum: layer {k + 1}"], layers[k + 1][user], atol=1e-4)
    messages = [values for name, values in strips.items() if name[0].isdigit()]
    np.testing.assert_allclose(np.sum(messages, axis=0), layers[k + 1][user], atol=5e-4)
    # One split for the picture and for the sum below it, which agrees with its own terms.
    (more,) = {name.removesuffix(" more") for name in strips if name.endswith(" more")}
    (formula,) = [e.value for e in app.latex if "mathbf" in e.value]
    assert rf"\text{{({more} more)}}" in formula
    assert len(re.findall(r"\((\d+)\.\)", formula)) == len(messages) - 1
    silent = not layers[k][data.n_users :].any()
    assert ("people start at zero: **films hold" in texts(app)) == silent


def test_next_and_back_step_through_the_layers_and_stop_at_the_ends(open_chapter: Open) -> None:
    app = open_chapter("Messages")
    assert app.button(key="step_back").disabled and not app.button(key="step_next").disabled
    app.button(key="step_next").click().run()
    healthy(app)
    assert app.segmented_control(key="step").value == "1"
    assert "send their layer-1 embedding" in texts(app)
    assert app.button(key="step_next").disabled
    app.button(key="step_back").click().run()
    assert "send their layer-0 embedding" in texts(app)


def test_a_film_receives_from_its_viewers(
    open_chapter: Open, data: MovieData, layers: list[NDArray[np.float64]]
) -> None:
    app = open_chapter("Messages")
    receiver = next(s for s in app.selectbox if s.label == "Who receives")
    name = receiver.options[1]
    receiver.select_index(1).run()
    app.segmented_control(key="step").set_value("1").run()
    opened(app, "senders")
    film = next(i for i in range(data.n_movies) if data.labels[i] == name)
    shown = table(app, "arithmetic")
    assert len(shown) == data.movie_degree[film]
    total = shown["sends [0]"].sum()
    assert total == pytest.approx(layers[2][data.n_users + film, 0], rel=1e-3, abs=1e-5)


def test_the_final_embedding_is_the_mean_of_the_rows_above_it(
    open_chapter: Open, data: MovieData, layers: list[NDArray[np.float64]]
) -> None:
    app = open_chapter("Messages")
    user = worked_user(app, data)
    shown = next(t.value for t in app.table if "layer 0" in t.value.index).astype(float)
    strips = strips_of(app, "All layers of")
    for k in range(3):
        np.testing.assert_allclose(shown.loc[f"layer {k}"], layers[k][user, :4], atol=1e-4)
        np.testing.assert_allclose(strips[f"layer {k}"], layers[k][user], atol=1e-4)
    rows = shown.to_numpy()
    np.testing.assert_allclose(rows[:3].mean(axis=0), rows[3], atol=1e-4)
    np.testing.assert_allclose(strips["mean = final"], np.mean(layers, axis=0)[user], atol=1e-4)


def test_reach_is_hidden_until_guessed_and_then_counts(open_chapter: Open, data: MovieData) -> None:
    app = open_chapter("Reach")
    assert "1 hop" not in pictures(app)
    answer(app, "quiz_reach", 3)
    healthy(app)
    rated = data.ratings.toarray() > 0
    user = worked_user(app, data)
    films = rated[user]
    users = rated[:, films].any(axis=1)
    far = rated[users].any(axis=0)
    all_films = rated.any(axis=0).sum()
    assert list(bars_of(app, "Share of").items())[:3] == [
        (f"1 hop: {films.sum():,} of {all_films:,} films", f"{films.sum() / all_films:.1%}"),
        (f"2 hops: {users.sum():,} of {len(users):,} users", f"{users.mean():.1%}"),
        (f"3 hops: {far.sum():,} of {all_films:,} films", f"{far.sum() / all_films:.1%}"),
    ]


def test_the_lab_shows_the_metric_that_training_recorded(
    open_chapter: Open, model: TrainedModel
) -> None:
    app = open_chapter("Reach")
    app.toggle(key="lab").set_value(True).run()
    for thread in threading.enumerate():
        if thread.name == "replay":
            thread.join(timeout=60)
    healthy(app.run())
    shown = table(app, "NDCG@20")
    assert len(shown) == 18
    by_kind = shown.set_index(["kind", "layer"])
    kept = by_kind.loc[MEAN, 2]["NDCG@20"]
    assert f"against **{kept:.4f}** for the mean up to layer 2" in texts(app)
    if not model.is_hybrid:  # the network is the model itself
        recorded = model.history[model.best_epoch].metrics["NDCG@20"]
        assert kept == pytest.approx(recorded, abs=1e-9)
    last = by_kind.loc[LAST]["users alike"]
    assert last[8] > last[3] > last[1]


# --- learning, recommendation, what if ------------------------------------------------------------


def test_the_bpr_step_starts_from_the_models_scores_and_lowers_the_loss(
    open_chapter: Open, data: MovieData, layers: list[NDArray[np.float64]]
) -> None:
    app = open_chapter("Learning")
    user, final = worked_user(app, data), np.mean(layers, axis=0)
    scores = final[data.n_users :] @ final[user]
    rated = data.ratings.toarray()[user] > 0
    positive = int(np.flatnonzero(rated)[scores[rated].argmin()])
    free = np.flatnonzero(~rated)
    popular = free[np.argmax(data.movie_degree[free])]
    shown = table(app, "before").astype(float)
    before, after = shown["before"], shown["after"]
    assert before["positive score"] == pytest.approx(scores[positive], rel=1e-3)
    assert before["negative score"] == pytest.approx(scores[popular], rel=1e-3)
    for row in (before, after):
        x = row["positive score"] - row["negative score"]
        # The scores are shown with four decimals, so their difference may be off by one more.
        assert row["difference"] == pytest.approx(x, abs=2e-4)
        assert row["loss"] == pytest.approx(np.log1p(np.exp(-x)), abs=2e-4)
    assert after["loss"] < before["loss"]
    assert "pull" not in {c for t in app.table for c in t.value.columns}
    answer(app, "quiz_negative", 2)
    healthy(app)
    four = table(app, "pull")
    assert float(four.loc["popular", "score before"]) == pytest.approx(scores[popular], rel=1e-3)
    assert not set(four["film"]) & {data.labels[i] for i in np.flatnonzero(rated)}


def test_of_very_many_rated_films_the_lowest_are_offered_as_positives_and_the_page_says_so(
    open_chapter: Open, data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_MOST_ROWS", 3)
    app = open_chapter("Learning")
    (positive,) = [box for box in app.selectbox if box.label.startswith("Positive")]
    assert len(positive.options) == 3
    rated = data.user_degree[worked_user(app, data)]
    assert f"The first 3 of {rated} rated films, the lowest scores first." in texts(app)


def test_a_larger_step_moves_further_and_the_draw_changes_the_negative(
    open_chapter: Open,
) -> None:
    app = open_chapter("Learning")
    small = float(table(app, "before").loc["difference", "after"])
    app.select_slider(key="step_size").set_value(0.3).run()
    assert float(table(app, "before").loc["difference", "after"]) > small
    app.segmented_control(key="negative").set_value("drawn at random").run()
    answer(app, "quiz_negative", 2)
    drawn = {table(app, "pull")["film"].iloc[0]}
    for _ in range(3):
        press(app, "Draw again")
        healthy(app)
        drawn.add(table(app, "pull")["film"].iloc[0])
    assert len(drawn) > 1


def test_the_recommendation_is_dot_product_and_blend(
    open_chapter: Open, data: MovieData, model: TrainedModel
) -> None:
    app = open_chapter("Recommendation")
    user = worked_user(app, data)
    scores = served_scores(data, model, user)
    rated = data.ratings.toarray()[user] > 0
    choice = app.selectbox(key=f"followed_{user}")
    film = next(i for i in range(data.n_movies) if f"1. {data.labels[i]}" == choice.options[0])
    assert not rated[film]
    shown = table(app, "÷ best").astype(float)
    assert shown.loc["graph", "score"] == pytest.approx(scores[film], rel=1e-3)
    assert shown.loc["graph", "÷ best"] == pytest.approx(scores[~rated].max(), rel=1e-3)
    assert shown["× weight"].tolist() == [1 - DEFAULT_TAG_WEIGHT, DEFAULT_TAG_WEIGHT]
    parts = shown["score"] / shown["÷ best"] * shown["× weight"]
    np.testing.assert_allclose(parts, shown["= part"], rtol=1e-3, atol=1e-4)
    final_score = re.search(r"Final score = .* = \*\*([\d.]+)\*\*", texts(app))[1]
    assert float(final_score) == pytest.approx(shown["= part"].sum(), abs=2e-4)
    assert rf"\mathbf{{{shown.loc['graph', 'score']:.4f}}}" in texts(app)
    reasons = bars_of(app, "Contribution of each rated film")
    total = sum(map(number, reasons.values()))
    assert total == pytest.approx(scores[film], rel=1e-3, abs=5e-4)
    assert ("learned about this user" in reasons) != model.is_hybrid


def test_the_terms_of_a_hybrid_are_weights_times_likeness(
    open_chapter: Open, data: MovieData, model: TrainedModel
) -> None:
    if not model.is_hybrid:
        pytest.skip("the films of the paper's model have no weights")
    app = open_chapter("Recommendation")
    user = worked_user(app, data)
    shown, by_name = table(app, "× alike"), {data.labels[m]: m for m in range(data.n_movies)}
    weights = dict(
        zip(data.rated_by(user).tolist(), profile(model, data.stars_of(user)), strict=True)
    )
    for _, row in shown.iterrows():
        movie = by_name[row["film"]]
        assert float(row["stars"]) == data.ratings[user, movie]
        assert float(row["weight"]) == pytest.approx(weights[movie], abs=6e-4)
        product = float(row["weight"]) * float(row["× alike"])
        assert float(row["= term"]) == pytest.approx(product, abs=2e-3)


def test_the_recommendation_leads_to_its_tab(open_chapter: Open) -> None:
    app = open_chapter("Recommendation")
    press(app, "Open the Recommendations tab: Why? on every card")
    healthy(app)
    assert app.header[0].value == "Recommendations"


@pytest.mark.parametrize("change", ["remove", "other stars", "add"])
def test_what_if_shows_the_scores_after_the_change(
    open_chapter: Open, data: MovieData, model: TrainedModel, change: str
) -> None:
    app = open_chapter("What if")
    if change not in app.segmented_control(key="change").options:
        assert not model.is_hybrid and change == "other stars"
        return
    app.segmented_control(key="change").set_value(change).run()
    healthy(app)
    user = worked_user(app, data)
    movie = app.selectbox(key=f"change_{change.split()[0]}_{user}").value
    stars = data.ratings.toarray().astype(float)
    assert (stars[user, movie] > 0) == (change != "add")
    degree = int((stars[user] > 0).sum())
    stars[user, movie] = {"remove": 0.0, "other stars": 0.5, "add": 5.0}[change]
    rated = stars > 0
    assert "**Held fixed" in texts(app)
    answer(app, "quiz_moved", 3)
    healthy(app)
    if model.is_hybrid:
        given = stars[user][rated[user]]
        level = (given.sum() + 20 * model.mean_stars) / (len(given) + 20)
        assert f"to **{level:.3f} ★**" in texts(app)
        expected = profile(model, given)
        factor = expected @ model.movie_messages[rated[user]]
        scores = model.movie_factors @ factor
    else:
        assert f"√({degree}/{rated[user].sum()})" in texts(app)
        final = np.mean(dense_layers(rated, model.e0, model.config.layers), axis=0)
        factor, scores = final[user], final[data.n_users :] @ final[user]
        expected = 1 / np.sqrt(rated[user].sum() * rated[:, rated[user]].sum(axis=0))
    by_name = {data.labels[i]: i for i in range(data.n_movies)}
    shown = table(app, "graph score now")
    films = [by_name[name] for name in shown["film"]]
    now = shown["graph score now"].astype(float)
    np.testing.assert_allclose(now, scores[films], rtol=1e-3, atol=1e-4)
    assert not rated[user, films].any() and movie not in films
    strips = strips_of(app, "The user&#x27;s final embedding")
    np.testing.assert_allclose(strips["after"], factor[:64], atol=1e-4)
    opened(app, "weights_moved")
    weights = table(app, "weight after").set_index("film")
    after = [weights.loc[data.labels[i], "weight after"] for i in np.flatnonzero(rated[user])]
    np.testing.assert_allclose(after, expected, atol=1e-5)


def test_the_glossary_finds_a_word(open_chapter: Open) -> None:
    app = open_chapter("Glossary")
    app.text_input(key="glossary").set_value("cosine").run()
    healthy(app)
    assert "**Cosine:**" in texts(app)
    assert "**Bipartite:**" not in texts(app)


def test_another_user_tells_another_story(open_chapter: Open, data: MovieData) -> None:
    app = open_chapter("What if")
    for raw in data.user_ids[[0, int(np.argmax(data.user_degree))]]:
        app.selectbox(key="user").set_value(int(raw)).run()
        healthy(app)
        assert f"The final embedding of User {raw}" in texts(app)


def test_the_paths_carry_the_whole_graph_score(
    open_chapter: Open, data: MovieData, model: TrainedModel
) -> None:
    """Rated films, kinds of nodes and the film itself: each column adds up to the same score."""
    app = open_chapter("Recommendation")
    picture = re.search(r"<figure class='paths'.*?</figure>", pictures(app))
    if not model.is_hybrid:
        assert picture is None  # its graph has one kind of edge
        return
    assert picture
    boxes = re.findall(r"<div style='left:(\d+)%[^>]*><b>(.*?)</b><small>(.*?)</small>", picture[0])
    columns: dict[str, list[float]] = {}
    for left, _, note in boxes:
        columns.setdefault(left, []).append(float(note.split("· ")[-1]))
    rated, kinds, (score,) = columns.values()
    for column in (rated, kinds):
        assert sum(column) == pytest.approx(score, abs=5e-5 * (len(column) + 1))
    titles = [unescape(name) for _, name, _ in boxes]
    mine = {data.labels[i] for i in data.rated_by(worked_user(app, data))}
    assert set(titles[: len(rated) - 1]) <= mine and titles[-1] not in mine
    assert {"people who rated both", "genres", "tags", "years"} <= set(titles)


def test_of_large_data_the_paths_are_followed_beside_the_page(
    open_chapter: Open, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not model.is_hybrid:
        return
    go, made = threading.Event(), prepared.walks
    monkeypatch.setattr(prepared, "_AT_ONCE", 0)
    monkeypatch.setattr(prepared, "walks", lambda *of: made(*of) if go.wait(60) else None)
    app = open_chapter("Recommendation")
    assert any("is being put together" in note.value for note in app.info)
    assert "**4 · Because" in texts(app) and "<figure class='paths'" not in pictures(app)
    go.set()
    for thread in threading.enumerate():
        if thread.name == "walks":
            thread.join(60)
    healthy(app.run())
    assert "<figure class='paths'" in pictures(app)


def test_the_paths_are_left_out_in_a_sentence_where_there_is_no_memory(
    open_chapter: Open, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "allowance", lambda: 1000)
    app = open_chapter("Recommendation")
    if model.is_hybrid:
        assert any(c.value.startswith("The way along the paths is left out") for c in app.caption)
    assert "<figure class='paths'" not in pictures(app)


# --- time -----------------------------------------------------------------------------------------


def test_the_chapter_on_time_shows_what_age_left_of_each_term(
    open_chapter: Open, data: MovieData, model: TrainedModel
) -> None:
    app = open_chapter("Time")
    user = worked_user(app, data)
    always = user_viewer(data, model, user)
    for chosen in ("These days", "Last 100 films"):
        app.select_slider(key="chapter_recent").set_value(chosen).run()
        healthy(app)
        viewer = aged(always, data.times_of(user), RECENT[chosen])
        before, after = (
            [item.movie for item in recommend(model, score_all(data, model, who), 10)]
            for who in (always, viewer)
        )
        lists, terms = (table.value for table in app.table[:2])
        assert lists["Always"].tolist() == [data.labels[movie] for movie in before]
        assert lists.iloc[:, 1].tolist() == [data.labels[movie] for movie in after]
        new = len(set(after) - set(before))
        assert f"**{new} film{'s' * (new != 1)}** of the first 10" in texts(app)
        for row in terms.to_dict("records"):
            product = float(row["rated just now"]) * float(row["× left by age"])
            assert product == pytest.approx(float(row["= term"]), abs=6e-4)
        reasons = explain(data, model, viewer, after[0])
        assert f"add up to the graph score {reasons.graph_score:.4f}" in texts(app)


def test_the_chapter_on_time_says_what_popularity_now_adds(
    open_chapter: Open, data: MovieData, model: TrainedModel, tmp_path: Path
) -> None:
    choice = TrendChoice(0.1, {"watch": 0.0, "like": 0.4}, {"watch": (0, 0), "like": (0, 0)}, 9)
    trendy = with_trend(data, model, choice)
    if not model.is_hybrid:
        assert no_trend_in_words(model, "like") in texts(open_chapter("Time"))
        return
    save_checkpoint(trendy, tmp_path / "lightgcn_checkpoint.pth")
    app = open_chapter("Time")
    viewer = user_viewer(data, trendy, worked_user(app, data))
    plain = recommend(trendy, score_all(data, trendy, viewer), 10)
    found = recommend(trendy, score_all(data, trendy, viewer, popular_now=1.0), 10)
    new = len({item.movie for item in found} - {item.movie for item in plain})
    assert f"**{new} film{'s' * (new != 1)}** of the first 10" in texts(app)
    rows = app.table[-1].value.to_dict("records")
    assert len(rows) == 3 and trendy.trend is not None
    for row, item in zip(rows, found, strict=False):
        assert row["film"] == data.labels[item.movie]
        assert int(row["rated lately"]) == trendy.trend.lately[item.movie]
        parts = [float(row[name]) for name in ("graph", "tags", "popular now")]
        assert float(row["= score"]) == pytest.approx(sum(parts), abs=1e-9)
        assert float(row["= score"]) == pytest.approx(item.score, abs=2e-3)
        ratio = (int(row["rated lately"]) + 1) / (trendy.trend.expected[item.movie] + 1)
        assert parts[2] == pytest.approx(0.4 * np.log(ratio), abs=2e-3)


def test_films_of_a_visitor_age_by_their_dates_or_not_at_all(
    open_chapter: Open, data: MovieData
) -> None:
    app = as_you(open_chapter("Time"), data)
    assert "so none is older than another" in texts(app)
    dates = {movie: f"20{10 + n}-01-01" for n, movie in enumerate(MINE)}
    app.session_state[f"rated_on_{data.fingerprint}"] = dates
    app.run()
    healthy(app)
    assert "The largest terms of the first one" in texts(app)


# --- plain words ----------------------------------------------------------------------------------

_OF_FORMULAS = re.compile(r"[ÊσηδμΣ∑∂‖∈ᵀ⁽⁾₀₁₂ᵢᵤ]|\\(?:frac|sum|hat|sigma|eta|mu)|_[uij]\b|\^{")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_plain_words_hold_no_symbols_of_the_formulas(
    open_chapter: Open, data: MovieData, chapter: str
) -> None:
    app = open_chapter(chapter, level=LEVELS[0])
    app.session_state["lab"] = False
    for key in ("all_edges", "all_weights", "edge_table", "senders", "weights_moved"):
        app.session_state[key] = True
    for radio in app.radio:
        radio.set_value(radio.options[-1])
    app.run()
    healthy(app)
    headers = [str(c) for t in [*app.dataframe, *app.table] for c in t.value.columns]
    index = [str(c) for t in app.table for c in t.value.index]
    labels = [w.label for kind in ("selectbox", "slider", "select_slider", "radio", "button")
              for w in app.get(kind)]  # fmt: skip
    shown = "\n".join([texts(app), *headers, *index, *labels])
    assert not _OF_FORMULAS.findall(shown), _OF_FORMULAS.findall(shown)


# --- whom the story follows -----------------------------------------------------------------------

MINE = {3: 4.5, 40: 1.0, 77: 5.0, 120: 3.5}


def as_you(app: AppTest, data: MovieData) -> AppTest:
    app.session_state[f"my_stars_{data.fingerprint}"] = dict(MINE)
    app.session_state["follow"] = YOU
    app.run()
    healthy(app)
    return app


@pytest.mark.parametrize("chapter", CHAPTERS)
@pytest.mark.parametrize("level", LEVELS)
def test_the_visitor_can_be_followed_through_every_chapter(
    open_chapter: Open, data: MovieData, chapter: str, level: str
) -> None:
    app = as_you(open_chapter(chapter, level=level), data)
    assert app.pills(key="followed").value == YOU
    assert f"**You** rated {len(MINE)} films" in texts(app)
    assert app.query_params["follow"] == YOU
    assert not [box for box in app.selectbox if box.key == "user"]  # one person at a time


def test_what_the_visitor_is_shown_is_what_recommendations_would_show(
    open_chapter: Open, data: MovieData, model: TrainedModel
) -> None:
    app = as_you(open_chapter("Recommendation"), data)
    scores = score_all(data, model, fold_in(data, model, MINE))
    best = recommend(model, scores, 10)
    shown = app.selectbox(key=f"followed_{data.n_users}").options
    assert shown == [f"{n}. {data.labels[r.movie]}" for n, r in enumerate(best, 1)]
    assert f"{best[0].graph_score:.4f}" in texts(app)


def test_the_messages_to_the_visitor_are_those_of_their_films(
    open_chapter: Open, data: MovieData, model: TrainedModel
) -> None:
    with_you = with_visitor(data, MINE)
    network = lesson_network(data, model).over(with_you.ratings)
    found = dense_layers(with_you.ratings.toarray() > 0, e0_of(network), network.layers)
    app = as_you(open_chapter("Messages"), data)
    shown = strips_of(app, "The messages that reach You")
    np.testing.assert_allclose(shown["sum: layer 1"], found[1][data.n_users], atol=1e-4)
    assert not any(shown["before: layer 0"])


def test_without_ratings_nobody_is_offered_to_follow_themselves(open_chapter: Open) -> None:
    app = open_chapter("In two minutes", follow=YOU)
    assert app.pills(key="followed").options[0].startswith("Ada")
    assert app.selectbox(key="user").value


def test_a_persona_is_followed_by_name_and_stands_in_the_link_by_number(
    open_chapter: Open, data: MovieData
) -> None:
    person = personas(data)[1]
    app = open_chapter("Rows to graph")
    app.pills(key="followed").set_value(person.name).run()
    healthy(app)
    raw = str(data.user_ids[person.user])
    assert app.query_params["user"] == raw
    assert f"{person.share:.0%} are" in texts(app) and f"user {raw} of the data" in texts(app)
    assert f"<th>{person.name}<br>" in pictures(app) and f"User {raw}<" not in pictures(app)
    again = open_chapter("Rows to graph", user=raw)
    assert again.pills(key="followed").value == person.name
    again.pills(key="followed").set_value("By number").run()
    assert again.selectbox(key="user").value == int(raw)
