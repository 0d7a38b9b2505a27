"""From a list to a decision: rate, hide and shortlist on the card, what that moved, a surprise."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.surprise import chances, draw
from analysis.together import films_for_all, likeness
from data_preparation import MovieData, load_movie_data
from model.checkpoints import save_checkpoint
from model.splits import random_80_10_10
from model.stars import fit_stars, predict_stars
from model.trained import TrainedModel
from model.viewers import fold_in, user_viewer
from model_training import train
from prediction import recommend, score_all
from serving import state
from settings import DEMO_DIR
from tabs.recommendations.actions import SHORTLIST_HOLDS
from tabs.recommendations.changes import Seen, compare
from tabs.recommendations.surprise import DRAWN_FROM
from tests.small_training import hybrid_config
from tests.test_app import films, healthy, open_app, texts

Open = Callable[..., AppTest]
TODAY = date.today().isoformat()


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture(scope="module")
def model(data: MovieData) -> TrainedModel:
    return train(data, random_80_10_10(data), hybrid_config())


@pytest.fixture
def visit(model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setenv("MOVIELENS_DIR", str(DEMO_DIR))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(tmp_path / "model.pth"))
    monkeypatch.delenv("TMDB_API_KEY", raising=False)
    st.cache_resource.clear()
    monkeypatch.setattr(state, "_server", state.ServerState())
    save_checkpoint(model, tmp_path / "model.pth")
    return lambda **query: open_app("Recommendations", **query)


@pytest.fixture
def mine(visit: Open, data: MovieData) -> AppTest:
    """A visitor with three ratings before their list."""
    app = visit(who="Me")
    stars = dict(zip(np.argsort(-data.movie_degree)[:3].tolist(), (5.0, 4.0, 2.0), strict=True))
    app.session_state[f"my_stars_{data.fingerprint}"] = stars
    app.session_state["own_ratings"] = False
    app.run()
    healthy(app)
    return app


def kept(app: AppTest, name: str, data: MovieData) -> dict:
    return app.session_state[f"{name}_{data.fingerprint}"]


def listed(app: AppTest, data: MovieData) -> list[int]:
    return [data.labels.index(film) for film in films(app)]


def plain(app: AppTest) -> str:
    return texts(app).replace("\\", "").replace("\xa0", " ").replace("*", "")


def test_a_film_rated_on_its_card_leaves_and_the_list_is_that_of_all_ratings(
    mine: AppTest, data: MovieData, model: TrainedModel
) -> None:
    before = listed(mine, data)
    film = before[2]
    mine.menu_button(key=f"seen_{film}").click(4.5).run()
    healthy(mine)
    stars = kept(mine, "my_stars", data)
    assert stars[film] == 4.5 and kept(mine, "rated_on", data) == {film: TODAY}
    after = listed(mine, data)
    expected = recommend(model, score_all(data, model, fold_in(data, model, stars)), 10)
    assert after == [item.movie for item in expected] and film not in after
    # What the page says is what the two lists say.
    said = plain(mine)
    assert f"Your rating of {data.labels[film]}, 4.5 ★," in said
    (sentence,) = [line for line in said.splitlines() if line.startswith("Your rating of")]
    came = [movie for movie in after if movie not in before]
    assert data.labels[came[0]] in sentence and "brought in" in sentence
    gone = [movie for movie in before if movie not in after and movie != film]
    assert ("moved out" in sentence) == bool(gone)
    moved = sum(m in before and before.index(m) != after.index(m) for m in after)
    told = re.search(r"moved (\d+) other", sentence)
    assert (int(told[1]) if told else 0) == moved
    for place, movie in enumerate(after):
        mark = "new"
        if movie in before:
            by = before.index(movie) - place
            mark = f"{'▲' if by > 0 else '▼'} {abs(by)}" if by else ""
        (card,) = [line for line in said.splitlines() if line.startswith(f"{place + 1}. ")]
        assert card.endswith(f":gray[{mark}]]") if mark else ":gray" not in card
    mine.button(key="undo_act").click().run()
    healthy(mine)
    assert listed(mine, data) == before
    assert film not in kept(mine, "my_stars", data) and not kept(mine, "rated_on", data)


def test_a_rating_tells_its_effect_where_it_is_given(visit: Open, data: MovieData) -> None:
    app = visit(who="Me")
    first, second = np.argsort(-data.movie_degree, kind="stable")[:2].tolist()
    app.button(key=f"my_film_{first}").click().run()
    app.run()
    healthy(app)
    done = f"Your rating of {data.labels[first]}, 4.5 ★,"
    assert f"{done} made a first list." in plain(app)
    app.button(key=f"my_film_{second}").click().run()
    healthy(app)
    done = f"Your rating of {data.labels[second]}, 4.5 ★, brought in"
    said = plain(app)
    # Below the films to rate; and over the page, for on a phone that may be out of sight.
    assert said.index(done) < said.index("1. ")
    (toast,) = [shown.value.replace("*", "") for shown in app.toast]
    assert toast.replace("\\", "").replace("\xa0", " ").startswith(done)
    app.run()
    assert done in plain(app) and not app.toast


def test_a_hidden_film_stays_away_until_it_is_brought_back(
    mine: AppTest, data: MovieData, visit: Open
) -> None:
    before = listed(mine, data)
    mine.button(key=f"hide_{before[0]}").click().run()
    healthy(mine)
    assert kept(mine, "not_interested", data) == {before[0]: TODAY}
    assert listed(mine, data)[:9] == before[1:]
    assert f"Hiding {data.labels[before[0]]} brought in" in plain(mine)
    mine.button(key="undo_act").click().run()
    assert listed(mine, data) == before
    mine.button(key=f"hide_{before[3]}").click().run()
    mine.slider(key="k").set_value(20).run()  # other settings, and it still stays away
    assert before[3] not in listed(mine, data)
    mine.button(key=f"bring_back_{before[3]}").click().run()
    healthy(mine)
    assert listed(mine, data)[:10] == before
    assert f"Bringing back {data.labels[before[3]]} put it in place 4" in plain(mine)


def test_what_an_act_did_is_forgotten_when_the_controls_make_another_list(
    mine: AppTest, data: MovieData
) -> None:
    mine.button(key=f"hide_{listed(mine, data)[0]}").click().run()
    assert "Hiding" in plain(mine)
    mine.run()
    assert "Hiding" in plain(mine)  # the same list
    mine.slider(key="k").set_value(5).run()
    assert "Hiding" not in plain(mine) and ":gray[" not in plain(mine)


def test_the_shortlist_holds_three_side_by_side_with_their_reasons(
    visit: Open, data: MovieData
) -> None:
    app = visit(user="7")
    assert not [b for b in app.get("menu_button")]  # nothing to rate in someone else's list
    chosen = listed(app, data)[:SHORTLIST_HOLDS]
    for movie in chosen:
        app.button(key=f"shortlist_{movie}").click().run()
    healthy(app)
    assert kept(app, "shortlist", data) == dict.fromkeys(chosen, TODAY)
    assert app.button(key=f"shortlist_{listed(app, data)[4]}").disabled
    assert not app.button(key=f"shortlist_{chosen[0]}").disabled
    because = [m.value for m in app.markdown if m.value.startswith("Because of ")]
    assert len(because) == 3
    app.button(key=f"shortlist_why_{chosen[1]}").click().run()
    healthy(app)
    assert data.labels[chosen[1]] in [s.value.replace("\\", "") for s in app.subheader]
    app.button(key=f"take_off_{chosen[0]}").click().run()
    healthy(app)
    assert list(kept(app, "shortlist", data)) == chosen[1:]
    assert not app.button(key=f"shortlist_{listed(app, data)[4]}").disabled


def on_shortlist(app: AppTest) -> list[int]:
    keys = [button.key or "" for button in app.button]
    return [int(key.removeprefix("take_off_")) for key in keys if key.startswith("take_off_")]


def test_what_came_to_a_full_shortlist_waits_for_room(visit: Open, data: MovieData) -> None:
    app = visit(user="7")
    noted = listed(app, data)[:5]
    app.session_state[f"shortlist_{data.fingerprint}"] = dict.fromkeys(noted, TODAY)  # merged
    app.run()
    healthy(app)
    assert on_shortlist(app) == noted[:SHORTLIST_HOLDS]
    assert "Shortlist** 3 of 3" in app.expander[0].label
    waiting = ", ".join(data.labels[movie] for movie in noted[3:])
    assert f"come up as you take others off: {waiting}." in plain(app)
    assert "2 more films from another tab, a link or a file" in plain(app)
    app.button(key=f"take_off_{noted[1]}").click().run()
    assert on_shortlist(app) == [noted[0], noted[2], noted[3]]
    assert "1 more film from another tab, a link or a file comes up" in plain(app)


def test_the_seed_in_the_link_draws_the_same_film_with_the_chance_that_is_said(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    viewer = user_viewer(data, model, data.inner_user(7))
    best = recommend(model, score_all(data, model, viewer), DRAWN_FROM)
    chance = chances(np.array([item.score for item in best]))
    for seed in (3, 4):
        app = visit(user="7", surprise=str(seed))
        healthy(app)
        place = draw(chance, seed)
        assert f"number {place + 1} of the best 50" in plain(app)
        assert f"Its chance was {100 * chance[place]:.1f} %" in plain(app)
        assert app.button(key=f"surprisewhy_{best[place].movie}")
    app = visit(user="7")
    assert "Surprise:" not in plain(app)
    next(b for b in app.button if b.label == "Surprise me").click().run()
    healthy(app)
    assert "Surprise:" in plain(app)
    asked = app.query_params["surprise"]
    seed = int(asked if isinstance(asked, str) else asked[0])
    assert f"number {draw(chance, seed) + 1} of the best 50" in plain(app)
    app.button(key="surprise_close").click().run()
    assert "Surprise:" not in plain(app) and "surprise" not in app.query_params


def test_a_list_from_elsewhere_is_ranked_or_left_out(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    app = visit(user="7")
    whole = listed(app, data)
    viewer = user_viewer(data, model, data.inner_user(7))
    scores = score_all(data, model, viewer)
    fresh = np.flatnonzero(scores.candidates)[[3, 30, 60, 90]].tolist()
    chosen = [*fresh, int(viewer.movies[0])]  # one of them is rated
    text = "\n".join(["No such film at all", *(data.labels[movie] for movie in chosen)])
    app.text_area(key="list_typed").set_value(text).run()
    healthy(app)
    assert "Found 5 of 6 lines; 1 not in the catalogue." in plain(app)
    assert "Only from your list (6 lines, 5 films of the catalogue): 4 films" in plain(app)
    only = np.isin(np.arange(data.n_movies), fresh)
    assert listed(app, data) == [i.movie for i in recommend(model, scores, 10, only)]
    app.text_area(key="list_typed").set_value("\n".join(data.labels[m] for m in whole[:3])).run()
    app.segmented_control(key="list_use").set_value("All but these films").run()
    healthy(app)
    assert "Without your list (3 lines, 3 films of the catalogue): 3 films left out" in plain(app)
    assert listed(app, data)[:7] == whole[3:]
    app.text_area(key="list_typed").set_value("").run()
    assert listed(app, data) == whole and "your list (" not in plain(app)
    watchlist = f"Date,Name,Year,Letterboxd URI\n2024-01-01,{data.labels[whole[5]][:-7]},"
    watchlist += f"{data.labels[whole[5]][-5:-1]},u\n"
    app.file_uploader(key="list_file").set_value([("w.csv", watchlist.encode(), "text/csv")]).run()
    healthy(app)
    assert listed(app, data) == [whole[5]]
    app.file_uploader(key="list_file").set_value([("w.csv", b"\0" * 99, "text/csv")]).run()
    assert len(app.error) == 1 and listed(app, data) == whole


def test_films_for_several_people_suit_each_and_say_how_each_stands(
    visit: Open, data: MovieData, model: TrainedModel
) -> None:
    app = visit(user="7")
    app.session_state["together"] = True
    app.run()
    healthy(app)
    assert "Choose at least two people" in plain(app)
    users = [7, 11]
    app.multiselect(key="together_users").set_value(users).run()
    fan = [int(m) for m in np.argsort(-data.movie_degree)[:30]]
    lines = [f"{data.movie_ids[m]},{4 + m % 2}" for m in fan]
    export = "\n".join(["movieId,rating", *lines]).encode()
    app.file_uploader(key="together_files").set_value([("anna_*.csv", export, "text/csv")]).run()
    healthy(app)
    viewers = [user_viewer(data, model, data.inner_user(user)) for user in users]
    viewers.append(fold_in(data, model, {m: float(4 + m % 2) for m in fan}))
    scores = [score_all(data, model, viewer) for viewer in viewers]
    fitted = fit_stars(data.ratings, model.movie_factors)
    stars = [predict_stars(fitted, viewer.movies, viewer.stars)[0] for viewer in viewers]
    allowed = np.logical_and.reduce([each.candidates for each in scores])
    found = films_for_all(np.stack([s.final for s in scores]), np.stack(stars), allowed, 3.5)
    said = plain(app)
    assert f"{len(found.movies):,} films that none of you has rated" in said
    best = found.movies[:10].tolist()
    assert len(best) > 3
    titles = {f"{place}. {data.labels[movie]}" for place, movie in enumerate(best, 1)}
    assert titles <= set(said.splitlines())
    for movie in best:
        (line,) = re.findall(rf"\. {re.escape(data.labels[movie])}\n- User 7: ≈ ([\d.]+) ★", said)
        assert line == f"{stars[0][movie]:.1f}"
        assert all(float(each[movie]) >= 3.5 for each in stars)
    one, other = ((viewer.movies, viewer.stars) for viewer in viewers[:2])
    likely = likeness(one, other, data.canonical)
    assert f"{likely.common} film" in said and f"counted as {likely.shrunk:+.2f}" in said
    app.select_slider(key="together_least").set_value(4.5).run()
    healthy(app)
    if found.highest < 4.5:
        assert f"the most that one has for each is {found.highest:.1f}" in plain(app)
    app.file_uploader(key="together_files").set_value([("a.csv", b"x,y\n1,2", "text/csv")]).run()
    assert len(app.error) == 1 and not app.exception


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (({0: 3.0}, (), (4, 5)), ({0: 3.0}, (), (5, 4)), None),
        (({}, (), ()), ({0: 3.0}, (), (4, 5)), "Your rating of A, 3 ★, made a first list."),
        (
            ({0: 3.0}, (), (4, 5, 6)),
            ({0: 3.0, 4: 1.0}, (), (6, 5, 7)),
            "Your rating of E, 1 ★, brought in H and moved 1 other.",
        ),
        (
            ({0: 3.0}, (), (4, 5)),
            ({0: 3.5}, (), (4, 5)),
            "Your rating of A, 3.5 ★, changed nothing in this list.",
        ),
        (
            ({0: 3.0, 1: 2.0}, (), (4, 5)),
            ({0: 3.0}, (), (1, 4)),
            "Taking back your rating of B put it in place 1, moved out F and moved 1 other.",
        ),
        (
            ({0: 3.0}, (), (4, 5, 6, 7)),
            ({0: 3.0, 1: 4.0, 2: 5.0}, (), (3, 8, 9, 7)),
            "Your 2 ratings brought in D, I and 1 more and moved out E, F and 1 more.",
        ),
        (
            ({0: 3.0}, (), (4, 5)),
            ({0: 3.0}, (4, 5), (6, 7)),
            "These 2 changes brought in G and H.",
        ),
    ],
)
def test_the_sentence_says_what_changed(
    data: MovieData, before: tuple, now: tuple, said: str | None
) -> None:
    class Named:
        labels = tuple("ABCDEFGHIJ")

    old, new = (Seen(stars, frozenset(hidden), seen) for stars, hidden, seen in (before, now))
    change = compare(Named, old, new)  # type: ignore[arg-type]
    sentence = change and change.sentence.replace("*", "").replace("\xa0", " ")
    assert sentence == said


@pytest.mark.parametrize("movie", [0, 1])
def test_a_film_is_told_in_its_place_whatever_its_number(data: MovieData, movie: int) -> None:
    old = Seen({}, frozenset(), (5, movie, 7))
    change = compare(data, old, Seen({movie: 4.0}, frozenset(), (5, 7, 8)))
    assert change and (change.movie, change.place) == (movie, 2)
