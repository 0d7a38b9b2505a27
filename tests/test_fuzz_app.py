"""The app on hostile titles, tags, uploads and links: no traceback, and all of it shown as text."""

from __future__ import annotations

import base64
import io
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.data_overview import ratings_per_year
from analysis.movie_map import movie_map
from analysis.neighbourhood import neighbourhood
from charts.movie_map import colouring, map_figure
from charts.neighbourhood import neighbourhood_figure
from data_preparation import MovieData, load_movie_data
from model.checkpoints import save_checkpoint
from model.config import TrainingConfig
from model.runs import save_run
from model.splits import temporal_leave_one_out
from model.trained import TrainedModel
from model_training import train
from settings import runs_folder
from tabs.links import CHAPTERS, LEVELS, SECTIONS
from tabs.shared import escape
from tests.browser import CHROMIUM, running_app, running_chromium, settle, visit
from tests.conftest import REPOSITORY, write_dataset
from tests.fuzzing import ODD
from tests.model.test_runs import RUN

APP = str(REPOSITORY / "app.py")
MARK = "Zq:"  # begins every payload; escaped, a backslash stands between
PAYLOAD = (
    MARK + ":red[pwn] ![x](http://127.0.0.1:9/a.png) [l](javascript:alert(1)) `c` $x^2$ $\\frac$ "
    '<script>window.__pwned=1</script><img src=x onerror="window.__pwned=1"> *b* _i_ ~~s~~ | # h '
    "\\ \"q\" 'q' \u202eRTL 😀 & &lt; www.evil.example -> :material/home: </div></style>"
)
MULTILINE = MARK + ":red[pwn]\n# head\n===\n\n    code\r\n- item (1985)"

Open = Callable[..., AppTest]


def write_hostile(folder: Path) -> Path:
    """12 users x 16 films, each title, genre and tag with everything that a page could fall for."""
    rng = np.random.default_rng(0)
    films = [
        (10 + 3 * n, f"{PAYLOAD} {n} ({1980 + n})", f"{PAYLOAD} {n % 3}|Drama") for n in range(16)
    ]
    films[3] = (19, MULTILINE, f"{MARK}\n# x")
    films[4] = (22, f"{MARK}{'W' * 5000} (1984)", "_hidden")
    stars = rng.integers(1, 11, (12, 16)) / 2
    rated = rng.random((12, 16)) < 0.6
    rated[:, 15] = False
    ratings = [
        (1 + 2 * user, 10 + 3 * film, float(stars[user, film]), int(rng.integers(2**31)))
        for user, film in zip(*np.nonzero(rated), strict=True)
    ]
    tags = [
        (1 + 2 * user, 10 + 3 * film, f"{PAYLOAD}\n{tag}", 5)
        for user in range(2)
        for tag in range(3)
        for film in range(15)
        if (film + tag) % 2
    ]
    return write_dataset(folder, ratings, films, tags, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hostile(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def data(folder: Path) -> MovieData:
    return load_movie_data(folder)


@pytest.fixture(scope="module")
def model(data: MovieData) -> TrainedModel:
    settings = TrainingConfig(dim=4, epochs=1, batch_size=64)
    return train(data, temporal_leave_one_out(data), settings)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, model: TrainedModel) -> Path:
    """A checkpoint with a history of runs beside it, one of which tells of hostile things."""
    path = tmp_path_factory.mktemp("model") / "model.pth"
    save_checkpoint(model, path)
    run = replace(RUN, id="a", fingerprint=model.fingerprint, data_name=PAYLOAD, problem=PAYLOAD)
    save_run(run, runs_folder(path))
    (runs_folder(path) / "Zq:red[x].json").write_text("{}")
    return path


@pytest.fixture
def open_app(folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setenv("MOVIELENS_DIR", str(folder))
    monkeypatch.setenv("LIGHTGCN_CHECKPOINT", str(checkpoint))
    monkeypatch.delenv("TMDB_API_KEY", raising=False)

    def run(**query: str | list[str]) -> AppTest:
        app = AppTest.from_file(APP, default_timeout=60)
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    yield run
    st.cache_resource.clear()


# --- looking at a page ----------------------------------------------------------------------------

# Fields that the browser shows without reading Markdown: options of lists, alternative texts,
# charts (Vega escapes what it puts into tooltips), and names of files.
PLAIN = re.compile(
    r"(Selectbox|Multiselect)\.(options|placeholder|raw_value|raw_values|default)"
    r"|\w+\.imgs\.alt|\w+\.(alt|alt_text|spec|id|url|datasets.*)|DownloadButton\..*(name|url)"
)


def strings(message: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text in what is sent to the browser, with the names of the fields that lead there."""
    for field, value in message.ListFields():
        name = f"{path}.{field.name}"
        values = (
            value if hasattr(value, "__len__") and not isinstance(value, str | bytes) else [value]
        )
        if field.type == field.TYPE_STRING:
            yield from ((name, text) for text in values)
        elif field.type == field.TYPE_MESSAGE and not field.message_type.GetOptions().map_entry:
            for inner in values:
                yield from strings(inner, name)


def elements(node: Any) -> Iterator[Any]:
    yield node
    for child in getattr(node, "children", {}).values():
        yield from elements(child)


class _Html(HTMLParser):
    """Fails on what would run, load or lead somewhere; pictures may only be in the page itself."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "iframe", "object", "embed", "link", "meta", "form", "a", "x")
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href"):
                assert _is_harmless_picture(value or "")
            assert name != "style" or "url(" not in (value or "")


def _is_harmless_picture(address: str) -> bool:
    """Whether it holds the picture itself, and nothing that would run or load something."""
    kind, _, content = address.partition(";base64,")
    if kind == "data:image/svg+xml":
        shapes = list(ElementTree.fromstring(base64.b64decode(content)).iter())
        kinds = {shape.tag.removeprefix("{http://www.w3.org/2000/svg}") for shape in shapes}
        values = [value for shape in shapes for value in shape.attrib.values()]
        return kinds <= _SHAPES and not any("url(" in value or ":" in value for value in values)
    return kind == "data:image/png"


_SHAPES = {"svg", "g", "rect", "circle", "polygon", "text"}


def sound(app: AppTest) -> int:
    """How many texts show a payload; fails on a traceback and on a payload that is not text."""
    assert not app.exception, [error.value for error in app.exception]
    shown = 0
    for element in elements(app._tree):
        kind = type(element).__name__
        for path, text in strings(getattr(element, "proto", None) or _Nothing(), kind):
            shown += MARK[:2] in text
            if kind == "Html":
                _Html().feed(text)
                assert "<script" not in text and "<img src=x" not in text
            elif not PLAIN.fullmatch(path):
                assert not re.search(r"Zq(?!\\)", text), (path, text[:200])
                assert "Zq" not in text or "\n#" not in text, (path, text[:200])
                assert "\u202e" not in text, (path, text[:200])
    return shown


class _Nothing:
    """An element without anything to send."""

    @staticmethod
    def ListFields() -> list:  # noqa: N802 – protobuf's name
        return []


# --- titles, genres and tags ----------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_chapter_shows_titles_as_text(open_app: Open, chapter: str, level: str) -> None:
    app = open_app(tab="Start Here", chapter=chapter, level=level)
    shown = sound(app)
    if app.radio:  # the quizzes: answer and read the explanation
        for quiz in app.radio:
            quiz.set_value(quiz.options[-1])
        shown += sound(app.run())
    if chapter == "Neighbourhood":  # walk to a film
        next(box for box in app.selectbox if "walk_to" in str(box.key)).select_index(0)
        shown += sound(app.run())
    assert shown or chapter in ("Glossary", "Reach")


@pytest.mark.parametrize("section", SECTIONS)
def test_each_section_of_insights_shows_titles_and_tags_as_text(
    open_app: Open, section: str
) -> None:
    app = open_app(tab="Insights", section=section)
    sound(app)
    if app.text_input:
        app.text_input[0].set_value(PAYLOAD + "x").run()  # no title has it
        assert sound(app) > 0
        app.text_input[0].set_value("pwn 1985").run()
        app.button(key="insights_film_5").click().run()
        assert sound(app) > 0


def test_the_cards_reasons_and_shortlist_show_titles_as_text(open_app: Open) -> None:
    app = open_app(tab="Recommendations")
    assert sound(app) > 10
    next(button for button in app.button if button.label == "Why?").click()
    assert sound(app.run()) > 10
    next(button for button in app.button if button.label == "Shortlist").click()
    assert sound(app.run()) > 10
    app = open_app(tab="Recommendations", who="Me")
    next(button for button in app.button if str(button.key).startswith("my_film_")).click().run()
    app.menu_button[0].click(4.0).run()
    assert sound(app) > 10
    next(button for button in app.button if button.label == "Not for me").click()
    assert sound(app.run()) > 10


def test_rating_films_and_uploading_shows_titles_as_text(open_app: Open, data: MovieData) -> None:
    app = open_app(tab="Recommendations", who="Me")
    assert sound(app) > 10  # the films offered
    next(button for button in app.button if str(button.key).startswith("my_film_")).click().run()
    assert sound(app) > 10
    app.text_input(key="my_film_text").set_value(PAYLOAD + "x").run()
    assert sound(app) > 10
    lines = ["Date,Name,Year,Letterboxd URI,Rating"]
    lines += [f'2024-01-01,"{PAYLOAD.replace(chr(34), chr(34) * 2)}",1999,x,{n}' for n in range(7)]
    for content in (
        "\n".join(lines),
        PAYLOAD,
        f'"{MULTILINE}",rating\n1,2',
        "movieId,rating\nZq:,5",
    ):
        app.get("file_uploader")[0].upload("Zq:red[x].csv", content.encode(), "text/csv")
        sound(app.run())


def test_the_history_of_runs_shows_its_records_as_text(open_app: Open) -> None:
    app = open_app(tab="Train Model")
    assert sound(app) > 0
    assert any("damaged" in warning.value for warning in app.warning)


def test_a_wrong_cell_in_the_data_is_quoted_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {
        "cell": {
            "ratings": f"userId,movieId,rating,timestamp\n1,10,{PAYLOAD.replace(',', '')},1\n"
        },
        "header": {"ratings": f'"{PAYLOAD.replace(chr(34), "")}",b\n1,2\n'},
    }.items():
        monkeypatch.setenv("MOVIELENS_DIR", str(write_dataset(tmp_path / name, **content)))
        app = AppTest.from_file(APP, default_timeout=60).run()
        assert app.error and sound(app) > 0


def test_pictures_to_download_take_dollars_in_titles_as_dollars(
    data: MovieData, model: TrainedModel
) -> None:
    """Matplotlib would read mathematics between two of them, and fail on what is none."""
    film = int(data.inner_movie(10))
    graph = neighbourhood(data, ("movie", film), 3, 0)
    neighbourhood_figure(data, graph).savefig(io.BytesIO(), dpi=20)
    points = movie_map(data, model).points
    points = points[points["movie"] == film]
    marks = points[["movie", "x", "y", "name"]].assign(kind="chosen film")
    figure = map_figure(points, ("a", "b"), colouring(points, "Genre"), marks)
    figure.savefig(io.BytesIO(), dpi=20)


@pytest.mark.parametrize("timestamp", [0, 253_402_300_799])
def test_the_years_of_any_allowed_timestamp_can_be_shown(tmp_path: Path, timestamp: int) -> None:
    ratings = [(1, 10, 4.0, timestamp), (2, 10, 4.0, 978_307_200)]
    table = ratings_per_year(load_movie_data(write_dataset(tmp_path, ratings, tags=None)))
    assert table["ratings"].sum() == 2


# --- links ----------------------------------------------------------------------------------------

HOMES = {  # the page that reads each parameter
    **dict.fromkeys(("k", "tag_weight", "min_ratings", "novelty"), "Recommendations"),
    **dict.fromkeys(("diversity", "years", "genres", "without"), "Recommendations"),
    **dict.fromkeys(("user", "who"), "Recommendations"),
    **dict.fromkeys(("chapter", "level", "tab", "nonsense"), "Start Here"),
    "section": "Insights",
    **dict.fromkeys(("preset", "protocol", "metrics_k", "refit", "dim", "seed"), "Train Model"),
    **dict.fromkeys(("learning_rate", "warm_start"), "Train Model"),
}


@pytest.mark.parametrize("name", HOMES)
def test_any_text_for_a_parameter_is_named_and_gives_no_traceback(
    open_app: Open, name: str
) -> None:
    for value in ("", [PAYLOAD, MULTILINE]):
        app = open_app(**{"tab": HOMES[name], name: value})
        sound(app)
        named = [w.value for w in app.warning if escape(f"asks for {name} = ") in w.value]
        assert bool(named) == (name != "nonsense"), (value, [w.value for w in app.warning])


@pytest.mark.parametrize("seed", range(8))
def test_many_wrong_parameters_at_once_give_no_traceback(open_app: Open, seed: int) -> None:
    rng = random.Random(seed)
    odd = [*(text.decode("utf-8", "replace") for text in ODD), "Me", "7", "Drama", "1985", "0.5"]
    query = {
        name: [rng.choice(odd) for _ in range(rng.randint(1, 3))]
        for name in rng.sample(sorted(HOMES), 9)
    }
    query["tab"] = [rng.choice(["Start Here", "Recommendations", "Train Model", "Insights"])]
    sound(open_app(**query))


def test_the_default_is_really_used_when_the_page_says_so(open_app: Open) -> None:
    for name, value in (("k", "5.5"), ("k", ["3", "5"]), ("years", ["1990", "1985"])):
        app = open_app(tab="Recommendations", **{name: value})
        assert len([w for w in app.warning if "the default is used" in w.value.replace("\\", "")])
        assert app.slider(key=name).value == {"k": 10, "years": (1980, 1995)}[name]
    usual = open_app(tab="Recommendations").selectbox(key="user").value
    for value in (" 7", "07", ["3", "7"]):
        app = open_app(tab="Recommendations", user=value)
        assert len(app.warning) == 1 and usual != 7
        assert app.selectbox(key="user").value == usual


# --- a real browser -------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_runs_nothing_and_asks_nobody_else(
    folder: Path, checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copy(checkpoint, tmp_path / "model.pth")
    hostile_link = "tab=Recommendations&k=<img src=x onerror=window.__pwned=1>&genres=:red[x]"
    rest = ("Start+Here&chapter=Rows+to+graph", "Insights", "Recommendations&who=Me")
    with (
        running_app(folder, tmp_path) as server,
        running_chromium() as chromium,
        visit(chromium, server, hostile_link, name="hostile") as page,
    ):
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: asked.append(f"dialog {dialog.message}"))
        title = page.locator(".st-key-cards strong").first
        shown = title.inner_text().replace("\u2060", "")
        assert ":red[pwn] ![x](http" in shown and "-> :material/home:" in shown
        assert title.locator("a, img, code, em, h1, .katex, span").count() == 0
        page.get_by_text("<img src=x onerror=window.__pwned=1>").first.wait_for()
        page.get_by_role("button", name="Why?").first.click()
        reasons = page.get_by_role("dialog")
        reasons.get_by_text("Because of").wait_for()
        assert reasons.locator("a[href*=evil], script, .katex").count() == 0
        assert page.evaluate("window.__pwned") is None
        for query in rest:
            page.goto(f"{server.url}/?tab={query}")
            settle(page)
            assert page.locator("a[href*=evil], img[src*=':9/'], main script").count() == 0
            assert page.evaluate("window.__pwned") is None
        assert not [url for url in asked if ":9/" in url or "evil" in url or "dialog" in url]
