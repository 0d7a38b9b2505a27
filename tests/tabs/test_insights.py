"""The tab Insights under AppTest, section by section, with and without a model and tags."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.model_health import gini
from analysis.movie_map import MovieMap, movie_map
from charts.basics import GREY
from charts.movie_map import MAP_COLOURS, MARKS, colouring, map_figure
from data_preparation import MovieData, load_movie_data
from model.config import TrainingConfig
from model.splits import random_80_10_10, temporal_leave_one_out
from model.trained import TrainedModel
from model.viewers import fold_in, user_viewer
from model_training import train
from prediction import recommend, score_all, similar_movies
from serving.tables import Table
from settings import DEMO_DIR
from tabs.insights import movie_map as map_section
from tabs.insights.shared import FILM
from tabs.links import SECTIONS

MAP, TAGS, SUGGESTIONS, HEALTH, DUEL, *_, DATA = SECTIONS
DRAWN = [MAP, TAGS, SUGGESTIONS, HEALTH, DATA]  # the others have tests of their own
WITH_MODEL = [MAP, TAGS, SUGGESTIONS, HEALTH, DUEL]


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


KINDS: dict[str, TrainingConfig] = {
    "paper": TrainingConfig(model="paper", dim=16, layers=2, epochs=2, learning_rate=0.05),
    "hybrid": TrainingConfig(dim=80),  # wider than what the map is made of
}


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, data: MovieData) -> TrainedModel:
    return train(data, random_80_10_10(data), KINDS[request.param])


@pytest.fixture
def fresh_caches() -> None:
    """For tests that look at what is computed; the others share, as sessions do."""
    st.cache_resource.clear()
    st.cache_data.clear()


def page() -> None:
    import streamlit as st

    from tabs.insights import tab as insights

    insights.render(st.session_state["data"], st.session_state["model"])


def open_section(
    section: str, data: MovieData, model: TrainedModel | None, **state: object
) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    for name, value in {"data": data, "model": model, "section": section, **state}.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception, app.exception
    assert not app.error
    return app


def texts(app: AppTest) -> str:
    kinds = ("header", "subheader", "markdown", "caption", "info")
    return "\n".join(str(e.value) for kind in kinds for e in app.get(kind)).replace("\\", "")


def charts(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]


def dataset(app: AppTest, name: str) -> pd.DataFrame:
    """The rows that the map draws by this name."""
    chart = app.get("vega_lite_chart")[0].proto
    return next(read(d.data.data) for d in chart.datasets if d.name == name)


def read(stream: bytes) -> pd.DataFrame:
    return pa.ipc.open_stream(stream).read_pandas()


def marks(app: AppTest) -> pd.DataFrame:
    """What the map points out."""
    return dataset(app, "marks")


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


# --- every section --------------------------------------------------------------------------------


@pytest.mark.parametrize("section", DRAWN)
def test_every_chart_has_a_sentence_and_an_alternative_text(
    section: str, data: MovieData, model: TrainedModel
) -> None:
    app = open_section(section, data, model)
    drawn = app.get("vega_lite_chart")
    if section == SUGGESTIONS:
        assert not drawn and len(app.dataframe) == 1
        return
    assert drawn
    alternatives = [chart.proto.alt for chart in drawn]
    assert all(alternatives) and len(set(alternatives)) == len(alternatives)
    sentences = [c.value for c in app.caption if c.value.endswith(".")]
    assert len(sentences) >= len(drawn)
    for spec in charts(app):
        layers = spec.get("layer", [spec])
        titled = [e["x"].get("title") for e in (x.get("encoding", {}) for x in layers) if "x" in e]
        assert any(titled) or "second" in json.dumps(spec)  # a heat map's tags name themselves


@pytest.mark.parametrize("section", WITH_MODEL)
def test_without_a_model_each_section_says_what_it_waits_for(section: str, data: MovieData) -> None:
    app = open_section(section, data, None)
    assert "need a trained model" in texts(app)
    if section == TAGS:  # the tags themselves need none
        assert len(app.get("vega_lite_chart")) == 3
    else:
        assert not app.get("vega_lite_chart")


def test_the_data_need_no_model(data: MovieData) -> None:
    app = open_section(DATA, data, None)
    assert "need a trained model" not in texts(app)
    rated = (data.movie_degree > 0).sum()
    assert metrics(app)["Empty cells"] == f"{1 - data.n_ratings / (data.n_users * rated):.1%}"
    assert len(app.get("vega_lite_chart")) == 5


def test_only_the_open_section_is_computed(
    fresh_caches: None, data: MovieData, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("the map was computed for another section")

    monkeypatch.setattr("tabs.insights.shared.MAP", Table("map", MovieMap, forbidden))
    for section in (SUGGESTIONS, HEALTH, DATA):
        open_section(section, data, model)


@pytest.mark.parametrize("section", [*DRAWN, DUEL])
def test_a_second_visit_draws_finished_charts(
    section: str, data: MovieData, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = charts(open_section(section, data, model))

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a chart was made again")

    monkeypatch.setattr(alt.Chart, "to_dict", forbidden)
    monkeypatch.setattr(alt.Chart, "encode", forbidden)
    assert charts(open_section(section, data, model)) == first


# --- the map --------------------------------------------------------------------------------------


def test_the_neighbours_of_a_film_and_why(data: MovieData, model: TrainedModel) -> None:
    movie = int(np.argsort(-data.movie_degree)[3])
    app = open_section(MAP, data, model, **{FILM: movie})
    table = app.dataframe[0].value
    rows = model.movie_factors.astype(float)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    cosine = rows @ rows[movie]
    cosine[movie] = -2
    best = np.argsort(-cosine)[:10]
    np.testing.assert_allclose(table["cosine"], cosine[best], atol=1e-5)
    stars = data.ratings.toarray() > 0
    shared = [(stars[:, movie] & stars[:, near]).sum() for near in best]
    assert table["shared viewers"].tolist() == shared
    assert f"{shared[0]:,} of its" in texts(app)


@pytest.mark.parametrize("colour_by", MAP_COLOURS)
def test_every_colour_draws_every_rated_film(
    colour_by: str, data: MovieData, model: TrainedModel
) -> None:
    app = open_section(MAP, data, model, map_colour=colour_by)
    chart = app.get("vega_lite_chart")[0].proto
    assert f"coloured by {colour_by.lower()}" in chart.alt
    assert f"{(data.movie_degree > 0).sum():,} films" in chart.alt
    drawn = dataset(app, "films")
    assert len(drawn) == (data.movie_degree > 0).sum() and drawn["lit"].all()
    assert drawn["colour"].nunique() > 2
    if colour_by in ("Mean stars", "Number of ratings"):  # the legend says what the ends are
        legend = "".join(element.proto.body for element in app.get("html"))
        assert f"{colour_by}:" in legend and "linear-gradient" in legend
    else:  # a click on its values lights their films
        legend = app.button_group[-1]
        assert legend.label.startswith(f"{colour_by}:")
        named = set(re.findall("#[0-9a-f]{6}", " ".join(legend.options)))
        assert named >= set(drawn["colour"]) - {GREY}


def test_a_genre_is_set_apart_wherever_it_stands_among_a_films_genres(
    data: MovieData, model: TrainedModel
) -> None:
    app = open_section(MAP, data, model)
    before = chart_of(app)
    app.button_group[-1].set_value(["Romance", "Horror"]).run()
    assert not app.exception
    assert chart_of(app) == before  # the reader's view stays
    drawn = dataset(app, "films").set_index("movie")
    genres = data.movies["genres"]
    lit = {movie for movie in drawn.index if {"Romance", "Horror"} & set(genres.iloc[movie])}
    assert set(drawn.index[drawn["lit"]]) == lit and 0 < len(lit) < len(drawn)
    assert drawn.loc[drawn["lit"], "colour"].nunique() == 2
    assert set(drawn.loc[~drawn["lit"], "colour"]) == {GREY}
    assert (drawn.loc[drawn["lit"], "seen_from"] == 0).all()  # all of them, however far out
    legend = "".join(element.proto.body for element in app.get("html"))
    assert "Romance" in legend and "Horror" in legend and "Comedy" not in legend


def test_searching_flies_to_the_film(data: MovieData, model: TrainedModel) -> None:
    app = open_section(MAP, data, model)
    whole = domain(app)
    movie = int(np.argsort(-data.movie_degree)[20])
    search(app, data, movie)
    assert not app.exception
    assert f"✓ {data.labels[movie]}" in found(app)
    assert app.session_state["map_zoom"] == "×4"
    near = domain(app)
    assert near[1] - near[0] == pytest.approx((whole[1] - whole[0]) / 4)
    chosen = marks(app).set_index("kind").loc["chosen film"]
    assert sum(near) / 2 == pytest.approx(chosen["x"])
    assert chosen["movie"] == movie
    app.button_group(key="map_zoom").set_value("Whole map").run()
    assert domain(app) == whole


def domain(app: AppTest) -> list[float]:
    """From where to where the map goes across."""
    return charts(app)[0]["layer"][1]["encoding"]["x"]["scale"]["domain"]


def test_the_nearest_films_are_joined_to_the_film_and_one_can_walk_along_them(
    data: MovieData, model: TrainedModel
) -> None:
    app = open_section(MAP, data, model)
    for step in (0, 3):
        film = app.session_state[FILM]
        nearest, cosine = similar_movies(model, film, 10)
        place = marks(app).set_index("kind")
        lines = dataset(app, "lines")
        start = place.loc["chosen film", ["x", "y"]].astype(float)
        assert (lines[["x", "y"]] == start).to_numpy().all()
        ends = place.loc["nearest films", ["x", "y"]].to_numpy()
        np.testing.assert_array_equal(lines[["x2", "y2"]], ends)
        offered = [b.label.replace("\\", "") for b in app.button if b.key.startswith("nearest_")]
        assert offered == [
            f"{data.labels[near]} · {c:.2f}" for near, c in zip(nearest, cosine, strict=True)
        ]
        app.button(key=f"nearest_{step + 1}").click().run()
        assert app.session_state[FILM] == nearest[step]


def search(app: AppTest, data: MovieData, movie: int) -> AppTest:
    """Type the title of a film and click it."""
    app.text_input(key=f"{FILM}_text").set_value(data.labels[movie]).run()
    return click_film(app, movie)


def click_film(app: AppTest, movie: int) -> AppTest:
    return app.button(key=f"{FILM}_{movie}").click().run()


def found(app: AppTest) -> list[str]:
    """The films that the search offers, as they stand on the buttons."""
    buttons = [button for button in app.button if re.fullmatch(rf"{FILM}_\d+", button.key or "")]
    return [button.label.replace("\\", "") for button in buttons]


def chart_of(app: AppTest) -> tuple[str, dict]:
    """Which widget the map is, and its drawing; the same ones keep the reader's view."""
    return app.get("vega_lite_chart")[0].proto.id, charts(app)[0]


def test_a_click_on_a_dot_chooses_its_film(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"film_map": {"selection": {"picked": [{"movie": 7}], "view": {"x": [0, 1]}}}}
    monkeypatch.setattr(map_section.st, "session_state", state)
    map_section._picked("film_map")
    assert state[FILM] == 7
    state["film_map"] = {"selection": {"picked": []}}  # a click beside the dots
    map_section._picked("film_map")
    assert state[FILM] == 7


@pytest.mark.parametrize("zoomed", [False, True])
def test_a_click_keeps_the_readers_view_and_a_search_does_not(
    data: MovieData, model: TrainedModel, zoomed: bool
) -> None:
    first, clicked, searched = np.argsort(-data.movie_degree)[[3, 20, 40]].tolist()
    app = open_section(MAP, data, model)
    if zoomed:
        search(app, data, first)
    before = chart_of(app)
    app.session_state[FILM] = clicked  # as `_picked` does
    app.run()
    assert chart_of(app) == before
    assert marks(app).set_index("kind").loc["chosen film"]["movie"] == clicked
    search(app, data, searched)
    assert chart_of(app)[0] != before[0]


def test_other_colours_keep_the_readers_view_and_the_other_picture_does_not(
    data: MovieData, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.tables.tsne_map", lambda *_: np.ones((len(_[2]), 2)))
    app = open_section(MAP, data, model)
    before = chart_of(app)
    app.selectbox(key="map_colour").set_value("Decade").run()
    assert chart_of(app) == before
    app.session_state["map_picture"] = "t-SNE"
    app.run()
    assert not app.exception
    assert chart_of(app)[0] != before[0]


def test_the_worked_users_films_and_recommendations_are_on_the_map(
    data: MovieData, model: TrainedModel
) -> None:
    raw = int(data.user_ids[4])
    app = open_section(MAP, data, model, map_viewer="Show a user's films", user=raw)
    shown = marks(app).groupby("kind")["movie"].apply(set)
    viewer = user_viewer(data, model, 4)
    best = recommend(model, score_all(data, model, viewer), 10)
    assert shown["rated by the user"] == set(viewer.movies.tolist())
    assert shown["recommended to the user"] == {r.movie for r in best}
    assert f"user {raw} rated" in texts(app)


def test_without_a_worked_user_a_typical_one_is_shown(data: MovieData, model: TrainedModel) -> None:
    app = open_section(MAP, data, model, map_viewer="Show a user's films")
    assert app.selectbox(key="user").value in data.user_ids
    assert "rated by the user" in set(marks(app)["kind"])


def test_a_visitors_own_films_are_on_the_map(data: MovieData, model: TrainedModel) -> None:
    stars = {int(movie): 4.5 for movie in np.argsort(-data.movie_degree)[:3]}
    app = open_section(MAP, data, model, **{f"my_stars_{data.fingerprint}": stars})
    shown = marks(app).groupby("kind")["movie"].apply(set)
    best = recommend(model, score_all(data, model, fold_in(data, model, stars)), 10)
    assert shown["rated by you"] == set(stars)
    assert shown["recommended to you"] == {r.movie for r in best}
    assert "films that you rated" in texts(app)


def test_a_visitor_without_ratings_learns_where_to_give_some(
    data: MovieData, model: TrainedModel
) -> None:
    app = open_section(MAP, data, model)
    assert set(marks(app)["kind"]) == {"nearest films", "chosen film"}
    app = open_section(MAP, data, model, map_viewer="Show my films")
    assert "You have rated no film" in texts(app)
    assert set(marks(app)["kind"]) == {"nearest films", "chosen film"}


def test_a_film_without_ratings_says_why_it_is_not_on_the_map(toy_data: MovieData) -> None:
    trained = train(toy_data, temporal_leave_one_out(toy_data), TrainingConfig(dim=4, epochs=1))
    unrated = toy_data.inner_movie(200)
    app = open_section(MAP, toy_data, trained, **{FILM: unrated})
    assert "Nobody in these data rated this film" in texts(app)
    assert not app.dataframe
    app = open_section(SUGGESTIONS, toy_data, trained, **{FILM: unrated})
    assert "no neighbours to suggest a tag" in texts(app)


def test_a_film_left_from_other_data_is_forgotten(data: MovieData, model: TrainedModel) -> None:
    app = open_section(MAP, data, model, **{FILM: 99_999})
    assert app.session_state[FILM] == int(np.argmax(data.movie_degree))


def test_without_a_text_the_most_rated_films_are_offered(
    data: MovieData, model: TrainedModel
) -> None:
    app = open_section(MAP, data, model)
    best = np.sort(data.movie_degree)[::-1]
    films = [data.labels.index(name.removeprefix("✓ ")) for name in found(app)]
    assert data.movie_degree[films].tolist() == best[: len(films)].tolist()
    for movie in (films[0], films[2], films[2]):
        assert [n for n in found(app) if "✓" in n] == [f"✓ {data.labels[app.session_state[FILM]]}"]
        click_film(app, movie)
        assert app.session_state[FILM] == movie


def test_a_search_without_a_match_says_so_and_keeps_the_film(
    data: MovieData, model: TrainedModel
) -> None:
    app = open_section(SUGGESTIONS, data, model)
    film = app.session_state[FILM]
    app.text_input(key=f"{FILM}_text").set_value("forest gump").run()
    assert "No title has “forest gump”. These are similar:" in texts(app)
    assert found(app)[0].endswith("Forrest Gump (1994)")
    app.text_input(key=f"{FILM}_text").set_value("[*qqq* www").run()
    assert "No title has “[*qqq* www”. None is similar, either." in texts(app)
    assert not found(app) and not app.exception
    assert app.session_state[FILM] == film
    app.text_input(key=f"{FILM}_text").set_value("x" * 1_000_000).run()
    assert not app.exception


def test_tsne_is_computed_once_and_left_out_where_it_does_not_fit(
    fresh_caches: None, data: MovieData, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def quick(_: MovieData, __: TrainedModel, movies: np.ndarray) -> np.ndarray:
        calls.append(len(movies))
        return np.column_stack([np.arange(len(movies)), np.arange(len(movies))]).astype(float)

    monkeypatch.setattr("serving.tables.tsne_map", quick)
    app = open_section(MAP, data, model)
    assert not calls
    app.button_group(key="map_picture").set_value("t-SNE").run()
    assert not app.exception
    app.run()
    assert calls == [(data.movie_degree > 0).sum()]
    assert "t-SNE of the films' directions" in texts(app)
    assert ("64 strongest of the model's 80" in texts(app)) == model.is_hybrid
    assert charts(app)[0]["layer"][1]["encoding"]["x"]["title"] == "t-SNE, horizontal"
    monkeypatch.setattr("model.memory.allowance", lambda: 1000)
    app.run()
    assert "t-SNE is left out" in texts(app) and not app.get("vega_lite_chart")
    assert app.button(key="nearest_1")


def test_the_page_says_what_the_map_leaves_out(
    fresh_caches: None, data: MovieData, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.movie_map.MOST_FILMS", 50)
    monkeypatch.setattr(map_section, "FAR_OUT", 40)
    user = int(data.user_degree.argmax())
    raw = int(data.user_ids[user])
    app = open_section(MAP, data, model, map_viewer="Show a user's films", user=raw)
    n = int((data.movie_degree > 0).sum())
    assert f"The map holds the 50 best known of {n:,} films." in texts(app)
    assert "Far out, the 40 best known are dots" in texts(app)
    away = set(user_viewer(data, model, user).movies.tolist()) - set(dataset(app, "films")["movie"])
    assert away and f"Of those rated, {len(away)} film" in texts(app)


def test_the_static_map_shows_every_film_and_mark(data: MovieData, model: TrainedModel) -> None:
    points = movie_map(data, model).points
    chosen = points.head(len(MARKS)).assign(kind=list(MARKS))
    for colour_by in MAP_COLOURS:
        colours = colouring(points, colour_by)
        axes = map_figure(points, ("across", "up"), colours, chosen).axes[0]
        drawn = sum(len(collection.get_offsets()) for collection in axes.collections)
        assert drawn == len(points) + len(chosen)
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("across", "up")
        assert len(axes.texts) >= 5


# --- tags -----------------------------------------------------------------------------------------


def test_where_the_model_saw_the_tags_they_are_measured_without(
    data: MovieData, model: TrainedModel
) -> None:
    for section in (TAGS, SUGGESTIONS):
        shown = texts(open_section(section, data, model))
        assert ("so it is no witness" in shown) == model.is_hybrid
        assert ("the model never saw them" in shown) == (not model.is_hybrid)


def test_tags_state_what_cleaning_did_and_a_held_out_figure(
    data: MovieData, model: TrainedModel
) -> None:
    app = open_section(TAGS, data, model)
    assert f"**{len(data.tags):,}** tags" in texts(app)
    assert f"**{len(data.tag_names):,}** distinct tags" in texts(app)
    values = metrics(app)
    assert 0.5 < float(values["Mean AUC, held-out films"]) <= 1
    before = app.get("vega_lite_chart")[3].proto.alt
    app.selectbox(key="component").set_value(2).run()
    assert before.endswith("component 1")
    assert app.get("vega_lite_chart")[3].proto.alt.endswith("component 2")


def test_the_table_of_all_tags_comes_when_it_is_opened(
    data: MovieData, model: TrainedModel
) -> None:
    assert not open_section(TAGS, data, model).dataframe
    table = open_section(TAGS, data, model, all_tags=True).dataframe[0].value
    assert table["auc"].is_monotonic_decreasing and len(table) > 10


def test_few_tags_give_sentences_instead_of_empty_charts(toy_data: MovieData) -> None:
    trained = train(toy_data, temporal_leave_one_out(toy_data), TrainingConfig(dim=4, epochs=1))
    app = open_section(TAGS, toy_data, trained)
    assert "so none has a direction" in texts(app)
    assert "too few to measure it" in texts(app)
    assert len(app.get("vega_lite_chart")) == 3


def test_data_without_tags_or_years_say_so(load: Callable[..., MovieData]) -> None:
    movies = [(m, f"Film {m}", "(no genres listed)") for m in (10, 20, 35, 50, 70, 90, 110, 200)]
    plain = load(movies=movies, tags=None)
    trained = train(plain, temporal_leave_one_out(plain), TrainingConfig(dim=4, epochs=1))
    assert "hold no tags" in texts(open_section(TAGS, plain, trained))
    assert "no neighbour can pass one on" in texts(open_section(SUGGESTIONS, plain, trained))
    app = open_section(MAP, plain, trained, map_colour="Decade")
    assert "They hold no tag" in texts(app) and len(app.dataframe) == 1
    assert len(open_section(HEALTH, plain, trained).get("vega_lite_chart")) == 5


def test_suggestions_come_with_evidence_and_a_measured_precision(
    data: MovieData, model: TrainedModel
) -> None:
    movie = int(np.argmax(data.movie_degree))
    app = open_section(SUGGESTIONS, data, model, **{FILM: movie})
    table = app.dataframe[0].value
    own = {data.tag_names[tag] for tag in data.tag_counts[[movie]].indices}
    assert not own & set(table["tag"])
    assert table["score"].is_monotonic_decreasing
    first = table.iloc[0]
    carriers = int(first["carried by"].split(" of ")[0])
    named = first["nearest that carry it (cosine)"]
    assert named.count("(0.") + named.count("(1.") + named.count("(-") >= min(carriers, 5)
    values = metrics(app)
    assert float(values["Precision@5 of the suggestions"]) <= float(values["Best possible"])
    assert "pairs of film and tag was hidden once" in texts(app)


# --- model health ---------------------------------------------------------------------------------


def test_health_states_coverage_gini_and_the_models_own_metric(
    data: MovieData, model: TrainedModel
) -> None:
    app = open_section(HEALTH, data, model)
    values = metrics(app)
    counts = np.zeros(data.n_movies, int)
    for user in range(data.n_users):
        for r in recommend(model, score_all(data, model, user_viewer(data, model, user)), 10):
            counts[r.movie] += 1
    rated = counts[data.movie_degree > 0]
    assert values["Films in anybody's top 10"] == f"{(rated > 0).mean():.1%}"
    assert values["Gini of the recommendations"] == f"{gini(rated):.3f}"
    assert f"mean NDCG@20 **{model.test_metrics['NDCG@20']:.4f}**" in texts(app)
    assert f"liked NDCG@20 **{model.test_metrics['liked NDCG@20']:.4f}**" in texts(app)
    assert ("with the profile “like”, which serves" in texts(app)) == model.is_hybrid
    if model.is_hybrid:
        watch = model.watch_metrics["NDCG@20"]
        assert f"with the profile “watch”: NDCG@20 **{watch:.4f}**" in texts(app)
    assert len(app.get("vega_lite_chart")) == 7


def test_a_refitted_model_is_measured_by_training_once_more_on_request(
    data: MovieData, model: TrainedModel
) -> None:
    refitted = dataclasses.replace(model, refitted=True)
    app = open_section(HEALTH, data, refitted)
    assert "they cannot measure its users" in texts(app)
    assert "before it was fitted to all ratings" in texts(app)
    assert len(app.get("vega_lite_chart")) == 5
    app.button(key="measure_users").click().run()
    assert not app.exception
    assert f"mean NDCG@20 **{model.test_metrics['NDCG@20']:.4f}**" in texts(app)
