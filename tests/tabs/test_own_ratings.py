"""Own ratings in the page: the upload's report, its confirmations, and taking things back."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from data_preparation import MovieData, load_movie_data
from lookup.ratings_import import TitleIndex
from settings import DEMO_DIR
from tabs.recommendations import upload
from tests.conftest import REPOSITORY

LETTERBOXD = "Date,Name,Year,Letterboxd URI,Rating\n"
FILE = (
    LETTERBOXD + "2024-01-01,The Matrix,1999,u,5\n"
    "2024-01-02,Toy Story: The Special Edition,1995,u,4\n"
    "2024-01-03,Jaws: The Revenge of Nobody,1975,u,3\n"
    "2024-01-04,No Such Film,2031,u,2\n"
)


def page() -> None:
    """What the app shows of own ratings."""
    from data_preparation import load_movie_data
    from settings import DEMO_DIR
    from tabs.recommendations.my_ratings import edit_my_ratings

    edit_my_ratings(load_movie_data(DEMO_DIR))


@pytest.fixture(scope="module")
def data() -> MovieData:
    return load_movie_data(DEMO_DIR)


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_function(page, default_timeout=60).run()


def choose(app: AppTest, content: str | bytes) -> AppTest:
    content = content.encode() if isinstance(content, str) else content
    app.file_uploader[0].set_value([("ratings.csv", content, "text/csv")])
    return app.run()


def press(app: AppTest, key_or_label: str) -> AppTest:
    button = next(b for b in app.button if key_or_label in (b.key, b.label))
    button.click().run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.success, *app.error]
    return "\n".join(element.value for element in shown).replace("\\", "")


def mine(app: AppTest, data: MovieData) -> dict[str, float]:
    stars = app.session_state[f"my_stars_{data.fingerprint}"]
    return {data.labels[movie]: value for movie, value in stars.items()}


def test_before_the_upload_it_says_where_the_catalogue_ends(app: AppTest, data: MovieData) -> None:
    assert f"Films up to {TitleIndex.of(data).last_year} are in the catalogue" in texts(app)
    assert "title,year,rating,date" in texts(app)  # the plain format
    assert set(app.file_uploader[0].proto.type) >= {".csv", ".zip", ".txt"}


def test_all_lines_are_accounted_for_and_confirmed_at_once(app: AppTest, data: MovieData) -> None:
    choose(app, FILE)
    assert "Matched 1 of 4 lines (Letterboxd); 2 to confirm, 1 not in the catalogue" in texts(app)
    assert "1 not in the catalogue is newer than" in texts(app)
    press(app, "Use this 1 rating")
    assert mine(app, data) == {"The Matrix (1999)": 5.0}
    press(app, "take_all_candidates")
    assert mine(app, data) == {
        "The Matrix (1999)": 5.0,
        "Toy Story (1995)": 4.0,
        "Jaws (1975)": 3.0,
    }
    assert "to confirm" not in [b.label for b in app.button]
    assert "Is this the film?" not in texts(app)


def test_a_line_is_confirmed_or_turned_down_by_one_click(app: AppTest, data: MovieData) -> None:
    choose(app, FILE)
    film = data.labels.index("Toy Story (1995)")
    press(app, f"take_3_{film}")
    assert mine(app, data) == {"Toy Story (1995)": 4.0}
    press(app, "turn_down_4")
    assert mine(app, data) == {"Toy Story (1995)": 4.0}
    assert "Is this the film?" not in texts(app)


def test_a_file_is_read_once(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = upload.read_ratings_file
    monkeypatch.setattr(upload, "read_ratings_file", lambda *given: calls.append(1) or real(*given))
    choose(app, FILE)
    app.run()
    press(app, "Use this 1 rating")
    assert len(calls) == 1
    choose(app, FILE.replace("5", "4"))
    assert len(calls) == 2


def test_a_scale_in_doubt_can_be_told(app: AppTest, data: MovieData) -> None:
    lines = [f"{film},{stars}" for film, stars in (("The Matrix (1999)", 7), ("Jaws (1975)", 4))]
    lines += [f"No Film {n},3" for n in range(9)]
    choose(app, "\n".join(["title,rating", *lines]))
    assert len(app.error) == 1 and "Line 2 has the rating 7" in texts(app)
    app.segmented_control(key="ratings_points").set_value(10).run()
    assert not app.error and not app.exception
    press(app, "Use these 2 ratings")
    assert mine(app, data) == {"The Matrix (1999)": 3.5, "Jaws (1975)": 2.0}
    choose(app, FILE)  # another file is not read on the scale of the last one
    assert app.session_state["ratings_upload"].found.points == 5


def test_removing_all_ratings_can_be_undone(app: AppTest, data: MovieData) -> None:
    choose(app, FILE)
    press(app, "Use this 1 rating")
    press(app, "Remove all my ratings")
    assert mine(app, data) == {} and "1 rating removed" in texts(app)
    press(app, "undo_removal")
    assert mine(app, data) == {"The Matrix (1999)": 5.0}
    assert "removed" not in texts(app)


@pytest.mark.parametrize(
    ("case", "stars", "to_confirm"),
    [
        ("movielens-org-export/movielens-ratings.csv", {318: 5, 260: 4.5, 2571: 4, 6711: 3.5}, 0),
        ("imdb-before-2017/ratings.csv", {1573: 3.5, 47: 4.5}, 0),
        ("imdb-windows-1252/ratings.csv", {4973: 4.5, 293: 4}, 0),
        ("letterboxd-other-spellings/ratings.csv", {122918: 4}, 2),
        ("letterboxd-catalogue-duplicates/ratings.csv", {34048: 3, 838: 4, 6003: 3.5, 2571: 4}, 0),
        ("letterboxd-two-films-one-year-apart/ratings.csv", {1721: 5, 73017: 4.5}, 0),
        ("letterboxd-zip/letterboxd-someone-2024-01-01.zip", {6: 4.5}, 0),
        ("letterboxd-semicolons/ratings.csv", {6: 4.5, 608: 3}, 0),
        ("letterboxd-semicolons/unicode-text.txt", {6: 4.5}, 0),
        ("letterboxd-one-candidate/ratings.csv", {}, 6),
        (
            "ten-point-scale/my_ratings.csv",
            {2571: 4.5, 6: 5, 608: 2.5, 16: 2, 1562: 1, 1380: 1.5},
            0,
        ),
    ],
)
def test_each_kind_of_file_ends_as_ratings(
    real_data: MovieData, case: str, stars: dict[int, float], to_confirm: int
) -> None:
    app = AppTest.from_function(page_of_session, default_timeout=60)
    app.session_state["data"] = real_data
    app.run()
    path = REPOSITORY / "tests" / "data" / case
    app.file_uploader[0].set_value([(path.name, path.read_bytes(), "application/octet-stream")])
    app.run()
    assert not app.exception and not app.error
    if to_confirm:
        assert f"{to_confirm} lines to confirm" in texts(app)
        press(app, "take_all_candidates")
        assert len(mine(app, real_data)) == to_confirm
    if stars:
        use = next(b for b in app.button if b.label.startswith("Use th"))
        assert f" {len(stars)} rating" in use.label
        press(app, use.label)
        raw = {int(real_data.movie_ids[m]): s for m, s in my_stars_of(app, real_data).items()}
        assert raw.items() >= stars.items() and len(raw) == len(stars) + to_confirm


def page_of_session() -> None:
    import streamlit as st

    from tabs.recommendations.my_ratings import edit_my_ratings

    edit_my_ratings(st.session_state["data"])


def my_stars_of(app: AppTest, data: MovieData) -> dict[int, float]:
    return app.session_state[f"my_stars_{data.fingerprint}"]


def test_titles_of_the_file_show_as_text(app: AppTest) -> None:
    choose(app, LETTERBOXD + '2024-01-01,"Jaws: <b>:red[x]</b> $a$ [l](u)",1975,u,3\n')
    shown = next(m.value for m in app.markdown if "red" in m.value)
    assert "\\<b\\>" in shown and "\\[" in shown and "\\$" in shown
