"""The tab Recommendations with both kinds of model: profiles, reasons, ranks without them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.counterfactual import ranks_without, refitted_ranks
from analysis.reasons import named_places
from data_preparation import MovieData, load_movie_data
from lookup.posters import Film
from model.checkpoints import save_checkpoint
from model.config import TrainingConfig
from model.explanation import Explanation, explain
from model.profiles import DEFAULT_PROFILE
from model.splits import random_80_10_10
from model.stars import fit_stars, predict_stars
from model.trained import TrainedModel, no_trend_in_words, with_trend
from model.trend import TrendChoice
from model.viewers import Viewer, aged, fold_in, user_viewer
from model_training import train
from prediction import (
    Recommendation,
    often_and_well_rated,
    recommend,
    score_all,
    trend_of_film_in_words,
)
from serving import refits, state
from settings import DEMO_DIR
from tabs import shared
from tabs.links import AIMS, RECENT
from tabs.recommendations.cards import pages_text
from tabs.recommendations.listing import Listing, ordinal, sum_of_parts
from tabs.recommendations.share import card_of
from tabs.recommendations.words import because, percent
from tabs.shared import escape
from tests.conftest import REPOSITORY
from tests.small_training import config, hybrid_config
from tests.test_app import films, healthy, open_app, texts

LIKE, WATCH = AIMS
SETTINGS: dict[str, TrainingConfig] = {
    "hybrid": hybrid_config(),
    "paper": config(epochs=1, layers=2),
}
Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture(scope="module", params=SETTINGS)
def model(request: pytest.FixtureRequest, data: MovieData) -> TrainedModel:
    return train(data, random_80_10_10(data), SETTINGS[request.param])


@pytest.fixture
def visit(model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open the tab on the demo data with the model in place, no state left from other tests."""
    checkpoint = tmp_path / "model.pth"
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(checkpoint))
    monkeypatch.delenv("TMDB_API_KEY", raising=False)
    st.cache_resource.clear()
    monkeypatch.setattr(state, "_server", state.ServerState())
    monkeypatch.setattr(refits, "_board", refits.RefitBoard())
    save_checkpoint(model, checkpoint)
    return lambda **query: open_app("Recommendations", **query)


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def bar_values(picture: str) -> list[Decimal]:
    """The numbers behind the bars of a picture, in order."""
    found = re.findall(r"class='v'>(−?[\d.]+)<", picture)
    return [Decimal(number.replace("−", "-")) for number in found]


# --- the cards ------------------------------------------------------------------------------------


def test_without_a_key_each_card_has_a_drawn_cover_and_what_is_known_of_the_film(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    app = visit(user="7")
    healthy(app)
    viewer = user_viewer(data, model, data.inner_user(7))
    listed = [item.movie for item in recommend(model, score_all(data, model, viewer), 10)]
    covers = re.findall(r'<img src="([^"]+)" alt="Cover of ([^"]+)"', html(app))
    assert [unescape(name) for _, name in covers] == [data.labels[movie] for movie in listed]
    assert len({address for address, _ in covers}) == 10
    assert all(address.startswith("data:image/svg+xml;base64,") for address, _ in covers)
    for movie in listed:
        ratings = int(data.movie_degree[movie])
        assert f"★\xa0{data.mean_stars[movie]:.1f} of {ratings:,} rating" in texts(app)
    assert texts(app).count("Expect ≈") == 10
    assert "imdb.com" not in texts(app)  # the demo data have no links.csv


def test_a_card_links_to_the_pages_whose_ids_are_known() -> None:
    both = pages_text(Film("Heat", 1995, "0113277", "949"))
    assert "[IMDb](https://www.imdb.com/title/tt0113277/)" in both
    assert "[TMDB](https://www.themoviedb.org/movie/949)" in both
    assert "TMDB" not in pages_text(Film("Heat", 1995, "0113277"))
    assert pages_text(Film("Heat", 1995)) == ""


# --- the profile ----------------------------------------------------------------------------------


def test_a_model_that_looks_at_stars_has_two_profiles_and_likes_by_default(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    app = visit(user="7")
    healthy(app)
    controls = [c for c in app.get("button_group") if c.label == "Find"]
    if not model.is_hybrid:
        assert not controls and "never counts in favour" not in texts(app)
        return
    user = data.inner_user(7)
    for query, profile in (
        ({}, "like"),
        ({"profile": WATCH}, "watch"),
        ({"profile": LIKE}, "like"),
    ):
        app = visit(user="7", **query)
        healthy(app)
        viewer = user_viewer(data, model, user, profile)  # type: ignore[arg-type]
        expected = recommend(model, score_all(data, model, viewer), 10)
        assert films(app) == [data.labels[item.movie] for item in expected]
        assert f"Films that will be {'watched' if profile == 'watch' else 'rated high'}" in texts(
            app
        )


def test_a_visitor_gets_the_profile_as_well(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    best = np.argsort(-data.movie_degree)[:4].tolist()
    stars = dict(zip(best, (5.0, 4.0, 2.0, 1.0), strict=True))
    for aim in AIMS:
        app = visit(who="Me", profile=aim)
        app.session_state[f"my_stars_{data.fingerprint}"] = dict(stars)
        app.run()
        healthy(app)
        viewer = fold_in(data, model, stars, AIMS[aim] if model.is_hybrid else DEFAULT_PROFILE)
        expected = recommend(model, score_all(data, model, viewer), 10)
        assert films(app) == [data.labels[item.movie] for item in expected]


def test_films_age_for_a_user_and_each_reason_says_what_that_cost(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    app = visit(user="7", recent="These days", k="3")
    healthy(app)
    user = data.inner_user(7)
    viewer = aged(user_viewer(data, model, user), data.times_of(user), RECENT["These days"])
    found = recommend(model, score_all(data, model, viewer), 3)
    assert films(app) == [data.labels[item.movie] for item in found]
    assert "A film counts half once 5 later ones are rated, a quarter after 10." in texts(app)
    press_why(app, found[0].movie)
    reasons = explain(data, model, viewer, found[0].movie)
    assert because(data, viewer, reasons) in texts(app)
    named = [place for place in named_places(reasons) if viewer.share_left[place] < 0.9]
    for place in named:
        lost = percent(1 - viewer.share_left[place])
        assert f"★, {lost} less for its age" in because(data, viewer, reasons)
    (table,) = [f.value for f in app.dataframe if "lost by age" in f.value]
    whole = explain(data, model, user_viewer(data, model, user), found[0].movie)
    added = table.set_index("film")[["contribution", "lost by age"]].sum(axis=1)
    titles = [data.labels[movie] for movie in viewer.movies]
    assert added[titles].tolist() == pytest.approx(whole.contributions.tolist())


CHOICE = TrendChoice(0.1, {"watch": 0.0, "like": 0.4}, {"watch": (0, 0), "like": (0, 0)}, 9)


def test_what_is_popular_now_counts_for_everyone_and_is_named(
    visit: Open, data: MovieData, model: TrainedModel, tmp_path: Path
) -> None:
    if not model.is_hybrid:
        app = visit(user="7", popular_now="0.5")
        healthy(app)
        assert no_trend_in_words(model, "like") in texts(app)
        return
    trendy = with_trend(data, model, CHOICE)
    save_checkpoint(trendy, tmp_path / "model.pth")
    app = visit(user="7", popular_now="0.5", recent="These days", novelty="0.2", k="4")
    healthy(app)
    user = data.inner_user(7)
    viewer = aged(user_viewer(data, trendy, user), data.times_of(user), RECENT["These days"])
    scores = score_all(data, trendy, viewer, novelty=0.2, popular_now=0.5)
    found = recommend(trendy, scores, 4)
    assert films(app) == [data.labels[item.movie] for item in found]
    assert trendy.trend is not None
    assert f"the latest {trendy.trend.ratings:,} ratings" in texts(app)
    for row, item in zip(app.dataframe[0].value.to_dict("records"), found, strict=True):
        assert row["popular now part"] == pytest.approx(item.trend_part, abs=1e-3)
        names = ("graph", "tag", "popularity", "popular now")
        shown = [Decimal(f"{row[f'{name} part']:.3f}") for name in names]
        assert sum(shown) == Decimal(f"{row['final score']:.3f}")
    item = next(item for item in found if item.trend_part)
    press_why(app, item.movie)
    healthy(app)
    assert trend_of_film_in_words(trendy, item, 2) in texts(app)
    (link,) = [code.value for code in app.code if "why=" in code.value]
    assert parse_qs(urlsplit(link).query)["popular_now"] == ["0.5"]
    instant = ranks_without(data, trendy, viewer, [(item.movie, ())], 0.1, 0.2, popular_now=0.5)
    assert column(app, 1)[0] == ordinal(int(instant[0]))
    listing = Listing(data, trendy, viewer, 0.1, 0.2, np.ones(data.n_movies, bool), popular_now=0.5)
    card = card_of(listing, explain(data, trendy, viewer, item.movie), date(2026, 11, 25))
    assert trend_of_film_in_words(trendy, item, 2) in card.sentence and " now" in card.verdict
    shown, parts = card.verdict.split(" · ")[0].split(" = ")
    signed = re.findall(r"(−?) ?(\d\.\d\d)", parts)
    assert sum(Decimal(sign.replace("−", "-") + n) for sign, n in signed) == Decimal(shown)


def test_a_profile_without_a_proved_gain_has_no_such_control(
    visit: Open, data: MovieData, model: TrainedModel, tmp_path: Path
) -> None:
    if not model.is_hybrid:
        return
    trendy = with_trend(data, model, CHOICE)
    save_checkpoint(trendy, tmp_path / "model.pth")
    app = visit(user="7", popular_now="0.5", profile="What I will watch")
    healthy(app)
    assert no_trend_in_words(trendy, "watch") in texts(app)
    viewer = user_viewer(data, trendy, data.inner_user(7), "watch")
    found = recommend(trendy, score_all(data, trendy, viewer), 10)
    assert films(app) == [data.labels[item.movie] for item in found]


def test_a_visitors_films_age_where_they_have_dates(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    app = visit(who="Me", recent="Last 10 films")
    best = np.sort(np.argsort(-data.movie_degree)[:6]).tolist()
    stars = {movie: 3.0 + place % 3 for place, movie in enumerate(best)}
    app.session_state[f"my_stars_{data.fingerprint}"] = dict(stars)
    app.run()
    healthy(app)
    always = fold_in(data, model, stars)
    assert films(app) == [
        data.labels[item.movie] for item in recommend(model, score_all(data, model, always), 10)
    ]
    assert "None of your 6 ratings has a date" in texts(app)
    dates = {best[0]: "2024-01-01", best[3]: "2023-05-05"}
    app.session_state[f"rated_on_{data.fingerprint}"] = dates
    app.run()
    healthy(app)
    assert "4 ratings of yours have no date, and count as older than all others." in texts(app)
    when = [2 if movie == best[0] else 1 if movie == best[3] else 0 for movie in best]
    viewer = aged(always, np.array(when), 10)
    assert films(app) == [
        data.labels[item.movie] for item in recommend(model, score_all(data, model, viewer), 10)
    ]


def test_someone_who_liked_nothing_is_told_which_films_compete(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    app = visit(who="Me")
    worst = np.argsort(-data.movie_degree)[:3].tolist()
    app.session_state[f"my_stars_{data.fingerprint}"] = dict.fromkeys(worst, 0.5)
    app.run()
    healthy(app)
    told = [i.value for i in app.info if "least like these films" in i.value]
    assert bool(told) == model.is_hybrid
    if told:
        rivals = often_and_well_rated(data)
        assert f"the {rivals.sum():,} films that are rated often" in told[0]
        assert {data.labels.index(film) for film in films(app)} <= set(np.flatnonzero(rivals))
        press_why(app, data.labels.index(films(app)[0]))
        assert "disliked, and speaks for this film by being unlike it" in html(app)


# --- numbers on the cards -------------------------------------------------------------------------


def test_what_a_card_shows_adds_up_as_shown(visit: Open, data: MovieData) -> None:
    seen = 0
    for user in data.user_ids[:6]:
        app = visit(user=str(user), k="50", novelty="0.3")
        healthy(app)
        for card in app.markdown:
            sums = re.findall(r"\*\*(−?[\d.]+)\*\* = (.+)", card.value)
            for whole, parts in sums:
                terms = re.findall(r"(−|\+)? ?:\w+\[([\d.]+)\]", parts)
                total = sum((-1 if sign == "−" else 1) * Decimal(part) for sign, part in terms)
                assert total == Decimal(whole.replace("−", "-")), card.value
                seen += 1
        table = app.dataframe[0].value
        for row in table.to_dict("records"):
            names = ("graph", "tag", "popularity", "popular now")
            shown = [Decimal(f"{row[f'{name} part']:.3f}") for name in names]
            assert sum(shown) == Decimal(f"{row['final score']:.3f}")
    assert seen == 300


def test_cards_show_the_predicted_stars(visit: Open, data: MovieData, model: TrainedModel) -> None:
    app = visit(user="7", k="3")
    user = data.inner_user(7)
    movies = [data.labels.index(film) for film in films(app)]
    expected, unsure = predict_stars(
        fit_stars(data.ratings, model.movie_factors),
        data.rated_by(user),
        data.stars_of(user),
        np.array(movies),
    )
    for star, spread in zip(expected, unsure, strict=True):
        assert f"≈ {star:.1f} ★ ± {spread:.1f}" in texts(app).replace("\xa0", " ")


def test_negative_parts_have_a_minus_between_them() -> None:
    item = Recommendation(0, 1.0, 0.5, graph_part=0.596, tag_part=0.066, popularity_part=-0.1)
    assert sum_of_parts(item) == (
        "**0.56** = :blue[0.60] graph + :orange[0.06] tags − :gray[0.10] pop."
    )
    item = Recommendation(0, 1.0, 0.5, graph_part=0.5, tag_part=0.1, trend_part=-0.2)
    assert sum_of_parts(item) == (
        "**0.40** = :blue[0.50] graph + :orange[0.10] tags − :green[0.20] now"
    )
    item = Recommendation(0, -1.0, 0.5, graph_part=-0.6, tag_part=0.1)
    assert sum_of_parts(item) == "**−0.50** = −:blue[0.60] graph + :orange[0.10] tags"


# --- why ------------------------------------------------------------------------------------------


def press_why(app: AppTest, movie: int) -> AppTest:
    return app.button(key=f"why_{movie}").click().run()


def test_why_shows_the_whole_score_and_the_share_of_the_named_films(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    app = visit(user="7")
    viewer = user_viewer(data, model, data.inner_user(7))
    movie = data.labels.index(films(app)[1])
    press_why(app, movie)
    healthy(app)
    reasons = explain(data, model, viewer, movie)
    pictures = re.findall(r"<figure.*?</figure>", html(app), re.DOTALL)
    terms = next(p for p in pictures if "What each rated film adds" in p)
    assert sum(bar_values(terms)) == Decimal(f"{reasons.graph_score:.4f}")
    assert f"**{reasons.graph_score:.4f}** exactly" in texts(app)
    places = named_places(reasons)
    share = reasons.contributions[places].sum() / reasons.graph_score
    if 0 < share <= 1:
        assert f"these three make up {percent(share)} of the graph score" in texts(app)
    kinds = [p for p in pictures if "What the score goes through" in p]
    assert len(kinds) == model.is_hybrid
    for picture in kinds:
        assert sum(bar_values(picture)) == Decimal(f"{reasons.graph_score:.4f}")
        assert "people who rated both" in picture
    assert ("learned about this person as such" in terms) == (not model.is_hybrid)
    if not model.is_hybrid:
        assert bar_values(terms)[0] == pytest.approx(
            Decimal(reasons.self_term), abs=Decimal("1e-4")
        )


def test_of_very_many_ratings_the_first_are_shown_and_the_page_says_so(
    visit: Open, data: MovieData, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_MOST_ROWS", 3)
    app = visit(user="7")
    viewer = user_viewer(data, model, data.inner_user(7))
    movie = data.labels.index(films(app)[0])
    press_why(app, movie)
    healthy(app)
    tables = [frame.value for frame in app.dataframe]
    (rated,) = [table for table in tables if list(table) == ["film", "stars", "ratings"]]
    assert rated["stars"].tolist() == sorted(viewer.stars.tolist(), reverse=True)[:3]
    (terms,) = [table for table in tables if "contribution" in table]
    reasons = explain(data, model, viewer, movie)
    largest = np.argsort(-np.abs(reasons.contributions), kind="stable")[:3]
    assert terms["film"].tolist() == [data.labels[film] for film in viewer.movies[largest]]
    np.testing.assert_allclose(terms["contribution"], reasons.contributions[largest])
    for order in ("films, most stars first", "terms, the largest first"):
        assert f"The first 3 of {len(viewer.movies)} {order}." in texts(app)


def test_why_names_the_ranks_without_each_reason(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    app = visit(user="7")
    viewer = user_viewer(data, model, data.inner_user(7))
    movie = data.labels.index(films(app)[0])
    press_why(app, movie)
    named = viewer.movies[named_places(explain(data, model, viewer, movie))].tolist()
    cases = [(movie, ()), *((movie, (film,)) for film in named), (movie, named)]
    ranks = ranks_without(data, model, viewer, cases).tolist()
    assert ranks[0] == 1
    assert column(app, 1) == [ordinal(rank) for rank in ranks]


def column(app: AppTest, place: int) -> list[str]:
    """A column of the table of ranks, from the left."""
    (table,) = [m.value for m in app.markdown if m.value.startswith("| Taken out")]
    return [row.split("|")[place + 1].strip() for row in table.splitlines()[2:]]


def test_a_fit_again_in_the_background_names_the_other_ranks(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    app = visit(user="7")
    movie = data.labels.index(films(app)[0])
    press_why(app, movie)
    (*offer,) = [b for b in app.button if b.label == "Fit the model again without them"]
    assert bool(offer) == model.is_hybrid
    if not offer:
        assert "would take a whole training" in texts(app)
        return
    offer[0].click().run()
    healthy(app)
    for thread in threading.enumerate():
        if thread.name == "refit":
            thread.join(60)
    app = visit(user="7")
    press_why(app, movie)
    viewer = user_viewer(data, model, data.inner_user(7))
    named = viewer.movies[named_places(explain(data, model, viewer, movie))].tolist()
    cases = [*((movie, (film,)) for film in named), (movie, named)]
    ranks = [1, *refitted_ranks(data, model, viewer, cases)]
    assert column(app, 2) == [ordinal(rank) for rank in ranks]


def test_without_training_there_is_no_fit_again(
    visit: Open, data: MovieData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTGCN_TRAINING", "off")
    app = visit(user="7")
    press_why(app, data.labels.index(films(app)[0]))
    healthy(app)
    assert not [b for b in app.button if b.label.startswith("Fit the model again")]


def _reasons(contributions: list[float], weights: list[float], own: float = 0.0) -> Explanation:
    n = len(contributions)
    rated = np.arange(n, dtype=np.int32)
    terms = np.array(contributions)
    return Explanation(0, rated, np.array(weights), terms, np.zeros(n), np.ones(n), own, ())


def _viewer(reasons: Explanation) -> Viewer:
    n = len(reasons.rated)
    flat = np.zeros((n, 1), np.float32)
    stars = np.full(n, 4.0, np.float32)
    return Viewer(reasons.rated, stars, reasons.weights, flat, flat[0], flat[0])


@pytest.mark.parametrize(
    ("contributions", "weights", "own", "said"),
    [
        ([0.5, 0.25, 0.25], [1, 1, 1], 0.0, "these three make up 100 % of the graph score."),
        ([0.5, 0.5, -0.5], [1, 1, 1], 0.0, "more than the whole graph score (200 %)"),
        ([0.5, -0.75], [1, 1], 0.0, "the graph score is −0.2500 even so, because more speaks"),
        ([0.5, -0.1], [-1, 1], 0.0, "which was disliked and is unlike it: it alone makes up"),
        ([0.5], [1], 0.5, "50 % of the graph score was learned about this person as such"),
        ([-0.5], [1], 0.0, "No single rated film speaks for it."),
    ],
)
def test_the_sentence_never_claims_more_than_its_share(
    data: MovieData, contributions: list[float], weights: list[float], own: float, said: str
) -> None:
    reasons = _reasons(contributions, weights, own)
    assert said in because(data, _viewer(reasons), reasons)


# --- any film, and nothing left -------------------------------------------------------------------


def test_any_film_of_the_catalogue_has_a_rank_stars_and_reasons(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    user = data.inner_user(7)
    viewer = user_viewer(data, model, user)
    scores = score_all(data, model, viewer)
    order = np.argsort(-np.where(scores.candidates, scores.final, -np.inf), kind="stable")
    movie = int(order[40])
    app = visit(user="7", min_ratings="100")  # filters do not matter here
    app.text_input(key="asked_film_text").set_value(data.labels[movie]).run()
    app.button(key=f"asked_film_{movie}").click().run()
    healthy(app)
    assert f"It comes 41st of {scores.candidates.sum():,} films" in texts(app)
    app.button(key="why_asked").click().run()
    healthy(app)
    assert data.labels[movie] in [s.value.replace("\\", "") for s in app.subheader]
    # A film that is rated: as if it were not.
    rated = int(viewer.movies[0])
    app.text_input(key="asked_film_text").set_value(data.labels[rated]).run()
    app.button(key=f"asked_film_{rated}").click().run()
    healthy(app)
    assert f"Rated {viewer.stars[0]:g} ★. Had it not been rated, it would come" in texts(app)


def test_when_everything_is_rated_the_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visit: Open
) -> None:
    folder = REPOSITORY / "tests" / "data" / "dataset-everyone-rated-everything"
    monkeypatch.setenv("MOVIELENS_DIR", str(folder))
    full = load_movie_data(folder)
    save_checkpoint(train(full, random_80_10_10(full), hybrid_config()), tmp_path / "model.pth")
    app = open_app("Recommendations")
    healthy(app)
    assert "Every film of the data is rated" in texts(app)
    assert "loosen the filters" not in texts(app)


# --- novelty and diversity ------------------------------------------------------------------------


def test_what_novelty_and_diversity_brought_is_said_and_marked(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    plain = set(films(visit(user="7")))
    assert "Brought into this list" not in texts(visit(user="7"))
    for query, word in (
        ({"novelty": "0.4"}, "novel"),
        ({"novelty": "-0.4"}, "popular"),
        ({"diversity": "0.4"}, "diverse"),
    ):
        app = visit(user="7", **query)
        healthy(app)
        brought = set(films(app)) - plain
        assert brought and texts(app).count(f"◆ {word}") == len(brought)
        assert re.search(rf"marked ◆: {len(brought)} films? by", texts(app))
        assert "None has fewer than 5 ratings." in texts(app)


def test_films_with_few_ratings_come_when_they_are_asked_for_and_are_marked(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    degree = dict(zip(data.labels, data.movie_degree.tolist(), strict=True))
    app = visit(user="7", novelty="1")
    assert min(degree[film] for film in films(app)) >= 5
    app.toggle(key="little_known").set_value(True).run()
    healthy(app)
    few = [degree[film] for film in films(app) if degree[film] < 5]
    assert few
    assert f"{len(few)} of them {'has' if len(few) == 1 else 'have'} fewer than 5" in texts(app)
    assert texts(app).count(f"◆ novel, {few[0]} rating") == few.count(few[0])
    assert films(visit(user="7", novelty="1", little_known="true")) == films(app)


# --- to share -------------------------------------------------------------------------------------


def test_the_link_of_a_reason_opens_it_again_over_the_same_list(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    settings = {"user": "7", "k": "4", "tag_weight": "0.35", "without": "Horror", "novelty": "0.2"}
    settings["little_known"] = "true"
    app = visit(**settings)
    listed = films(app)
    app.button(key=f"why_{data.labels.index(listed[2])}").click().run()
    healthy(app)
    (link,) = [code.value for code in app.code if "why=" in code.value]
    query = parse_qs(urlsplit(link).query)
    assert query["why"] == [str(data.movie_ids[data.labels.index(listed[2])])]
    again = visit(**{name: v if len(v) > 1 else v[0] for name, v in query.items() if name != "tab"})
    healthy(again)
    assert films(again) == listed
    assert "Why this film?" in [dialog.proto.dialog.title for dialog in again.get("dialog")]
    assert escape(listed[2]) in [heading.value for heading in again.subheader]


def test_a_link_to_a_film_that_is_not_there_is_named_in_a_sentence(visit: Open) -> None:
    for wrong in ("x", "-1", "1.0", "99999999"):
        app = visit(user="7", why=wrong)
        healthy(app)
        assert "The link asks for why" in texts(app)
        assert not app.get("dialog")


def test_the_picture_says_what_the_dialog_says(data: MovieData, model: TrainedModel) -> None:
    viewer = user_viewer(data, model, data.inner_user(7))
    listing = Listing(data, model, viewer, 0.1, 0.0, np.ones(data.n_movies, bool))
    for item in recommend(model, listing.scores, 5):
        reasons = explain(data, model, viewer, item.movie)
        card = card_of(listing, reasons, date(2026, 11, 25))
        assert card.title == data.labels[item.movie]
        numbers = [Decimal(line.text.split(" · ")[0].replace("−", "-")) for line in card.lines]
        total = Decimal(card.total.rsplit(" ", 1)[1].replace("−", "-"))
        assert sum(numbers) == total == round(Decimal(reasons.graph_score), 4)
        shown, parts = card.verdict.split(" · ")[0].split(" = ")
        assert Decimal(shown) == sum(Decimal(n) for n in re.findall(r"\d\.\d\d", parts))
        for place in named_places(reasons):
            assert data.labels[viewer.movies[place]] in card.sentence
        assert "*" not in card.sentence and "\\" not in card.sentence
        assert "user 7" in card.origin and "2026-11-25" in card.origin
        assert "demo data" in card.origin


def test_a_visitors_link_is_said_not_to_carry_the_ratings(visit: Open, data: MovieData) -> None:
    app = visit(who="Me")
    app.session_state[f"my_stars_{data.fingerprint}"] = {1: 5.0, 2: 4.0}
    app.run()
    why = next(button for button in app.button if button.label == "Why?")
    why.click().run()
    healthy(app)
    assert "cannot carry your own ratings" in texts(app)
    assert not [code for code in app.code if "why=" in code.value]
