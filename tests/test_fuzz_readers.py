"""Every reader of text against damage: it refuses in one sentence or says what the file says."""

from __future__ import annotations

import ast
import csv
import io
import json
import pickle
import random
import re
import sqlite3
import time
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from data_preparation import MovieData, load_movie_data
from lookup import posters
from lookup.posters import Film, PosterService
from lookup.ratings_import import (
    MATCHED,
    ImportedRatings,
    RatingsFileError,
    TitleIndex,
    read_ratings_file,
)
from model.runs import curves_table, load_runs, run_label, runs_table, save_run
from sources import download
from sources.download import MEMBERS, download_movielens
from sources.movielens_files import DataError, read_tables
from tabs.links import read_link
from tabs.shared import escape
from tabs.train_model.links import PARAMETERS, from_query, to_query
from tests.conftest import (
    REPOSITORY,
    TOY_LINKS,
    TOY_MOVIES,
    TOY_RATINGS,
    TOY_TAGS,
    as_csv,
    assert_one_sentence,
    write_dataset,
)
from tests.fuzzing import ODD, any_json, damaged, flipped, places, replaced
from tests.model.test_runs import RUN

FILES = {
    "ratings": as_csv("ratings", TOY_RATINGS).encode(),
    "movies": as_csv("movies", TOY_MOVIES).encode(),
    "tags": as_csv("tags", TOY_TAGS).encode(),
    "links": as_csv("links", TOY_LINKS).encode(),
}
COLUMNS = {
    "ratings": ("userId", "movieId", "rating", "timestamp"),
    "movies": ("movieId", "title", "genres"),
    "tags": ("userId", "movieId", "tag", "timestamp"),
    "links": ("movieId", "imdbId", "tmdbId"),
}
SEEDS = 16  # parts of a fuzz test, so that a failure is found again quickly


class NotSoundError(Exception):
    """What a plain reading of the file does not allow."""


def rows_of(name: str, content: bytes) -> list[tuple[str, ...]]:
    """The needed columns by the `csv` module alone, blank lines left out."""
    try:
        table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotSoundError(error) from None
    if not table or any(table[0].count(column) != 1 for column in COLUMNS[name]):
        raise NotSoundError("the header")
    body = [row for row in table[1:] if any(row)]
    if any(len(row) != len(table[0]) for row in body):
        raise NotSoundError("the number of fields")
    return [tuple(row[table[0].index(column)] for column in COLUMNS[name]) for row in body]


def whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text.strip(" \t\v\f")):
        raise NotSoundError(f"{text!r} is no whole number")
    return int(text)


def typed(name: str, content: bytes) -> list[tuple]:
    """The rows with their types; checks what concerns one row."""
    read = []
    for row in rows_of(name, content):
        numbers = {column: field for column, field in zip(COLUMNS[name], row, strict=True)}
        values: dict[str, Any] = {
            column: whole(field) if column in ("userId", "movieId", "timestamp") else field
            for column, field in numbers.items()
        }
        if name == "ratings":
            text = numbers["rating"].strip(" \t\v\f")
            if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", text):
                raise NotSoundError(f"{text!r} is no number")
            values["rating"] = float(text)
            if values["rating"] not in [half / 2 for half in range(1, 11)]:
                raise NotSoundError("stars")
        read.append(tuple(values.values()))
    return read


def check_movielens(folder: Path, name: str, content: bytes) -> bool:
    """Whether the folder with this file is read; fails where it is read wrongly."""
    (folder / f"{name}.csv").write_bytes(content)
    try:
        tables = read_tables(folder)
    except DataError as error:
        assert_one_sentence(str(error))
        assert f"{name}.csv" in str(error) or name == "movies"  # ids that others refer to
        return False
    finally:
        (folder / f"{name}.csv").write_bytes(FILES[name])
    frame = getattr(tables, name)
    assert list(frame.columns) == list(COLUMNS[name])
    found = [tuple(row) for row in frame.itertuples(index=False, name=None)]
    expected = typed(name, content)
    assert found == (sorted(expected) if name == "ratings" else expected)
    return True


@pytest.mark.parametrize("seed", range(SEEDS))
def test_damaged_movielens_files_are_refused_or_read_as_the_csv_module_reads_them(
    tmp_path: Path, seed: int
) -> None:
    rng, folder = random.Random(seed), write_dataset(tmp_path)
    read = 0
    for _ in range(40):
        name = rng.choice(list(FILES))
        read += check_movielens(folder, name, damaged(FILES[name], rng))
    assert 0 < read < 40  # else the damage is too rough or too gentle to test anything


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("4.0,100", "4.0,1e30"),
        ("4.0,100", "4.0,100.0"),
        ("3,10,4.0,100\n3,20,3.5,110", "3,10,4.0,100.0\n3,20,3.5,900719925474099301"),
        ("3,10,4.0", "3\x1c,10,4.0"),
        ("3,10,4.0", "\u20283,10,4.0"),
        ("4.0,100", "4.0,-1"),
        ("4.0,100", "4.0,1500000000000"),
        ("userId,movieId,rating,timestamp", "userId,movieId,rating,timestamp,rating"),
    ],
)
def test_numbers_are_not_guessed(tmp_path: Path, old: str, new: str) -> None:
    assert old.encode() in FILES["ratings"]
    text = FILES["ratings"].decode().replace(old, new, 1)
    if "timestamp,rating" in new:  # two columns of one name, with different values
        first, *rest = text.splitlines()
        text = "\n".join([first, *(f"{line},1.0" for line in rest)])
    with pytest.raises(DataError) as caught:
        load_movie_data(write_dataset(tmp_path, ratings=text))
    assert_one_sentence(str(caught.value))
    assert "ratings.csv" in str(caught.value)


# --- uploads --------------------------------------------------------------------------------------

UPLOADS = {
    "MovieLens": b"userId,movieId,rating,timestamp\n"
    + b"".join(b"7,%d,%.1f,%d\n" % (m, s, 100 + m) for m, s in ((10, 4), (20, 3.5), (35, 5))),
    "Letterboxd": b"Date,Name,Year,Letterboxd URI,Rating\n"
    b"2024-01-02,The Matrix,1999,https://boxd.it/1,4.5\n"
    b'2024-01-03,"Heat",1995,https://boxd.it/2,3\n2024-01-04,Up,2009,https://boxd.it/3,\n',
    "IMDb": b"Const,Your Rating,Date Rated,Title,Title Type,Year\n"
    b"tt0000010,8,2024-01-02,The Matrix,Movie,1999\ntt0000020,7,2024-01-03,Heat,Movie,1995\n",
    "Trakt": b"rated_at,type,title,year,trakt_id,imdb_id,rating\n"
    b"2024-01-02T10:00:00Z,movie,The Matrix,1999,1,tt0000010,8\n"
    b"2024-01-02T10:00:00Z,show,Heat,1995,2,tt0999,8\n",
    "CSV": b"title;year;rating\nThe Matrix;1999;4,5\nHeat;1995;3\nUp;2009;2,5\n",
    "JSON": b'[{"rated_at":"2024-01-02T10:00:00Z","rating":8,"type":"movie","movie":'
    b'{"title":"Heat","year":1995,"ids":{"imdb":"tt0000020"}}},\n{"rating":3}]',
}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> MovieData:
    return load_movie_data(write_dataset(tmp_path_factory.mktemp("toy")))


@pytest.fixture(scope="module")
def index(toy: MovieData) -> TitleIndex:
    return TitleIndex.of(toy)


def check_upload(content: bytes, data: MovieData, index: TitleIndex) -> bool:
    """Whether the file is read; fails where the report says anything that the file does not."""
    try:
        found = read_ratings_file(content, index)
    except RatingsFileError as error:
        assert_one_sentence(str(error))
        return False
    matched = found.rows[found.rows["status"] == MATCHED]
    assert sorted(matched["film"]) == sorted(data.labels[movie] for movie in found.stars)
    assert all(stars in [half / 2 for half in range(1, 11)] for stars in found.stars.values())
    assert found.rows["line"].is_monotonic_increasing and found.rows["line"].is_unique
    if not found.notes:  # nothing had to be found out: UTF-8, commas, the site's own scale
        _check_plain_upload(content, found, data)
    return True


def _check_plain_upload(content: bytes, found: ImportedRatings, data: MovieData) -> None:
    """Against a plain reading of the file."""
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    lines = list(csv.reader(text, strict=True))  # an open quotation mark hides what follows it
    filled = [[field.strip() for field in line] for line in lines if "".join(line).strip()]
    header = [re.sub(r"[\W_]", "", name.casefold()) for name in filled[0]]
    body = filled[1:]
    assert len(found.rows) == len(body)  # every line is accounted for
    rating = {"Letterboxd": "rating", "MovieLens": "rating", "IMDb": "yourrating"}
    if found.format not in rating:
        return  # the name of a column was damaged, the file passes for one of nobody
    place, points = header.index(rating[found.format]), 2 if found.format == "IMDb" else 1
    for line, row in zip(body, found.rows.itertuples(), strict=True):
        field = line[place] if place < len(line) else ""
        full_width = "[０-９．，／]"  # which stands this far from what it means
        assert row.rating == re.sub(full_width, lambda sign: chr(ord(sign[0]) - 0xFEE0), field)
        if row.status == MATCHED:
            movie = data.labels.index(row.film)
            assert found.stars[movie] == float(row.rating.replace(",", ".")) / points
            if found.format == "MovieLens":
                assert int(data.movie_ids[movie]) == int(line[header.index("movieid")])


@pytest.mark.parametrize("seed", range(SEEDS))
def test_damaged_uploads_are_refused_or_reported_line_by_line(
    toy: MovieData, index: TitleIndex, seed: int
) -> None:
    rng = random.Random(seed)
    read = sum(
        check_upload(damaged(UPLOADS[rng.choice(list(UPLOADS))], rng), toy, index)
        for _ in range(40)
    )
    assert 0 < read < 40


@pytest.mark.parametrize("seed", range(4))
def test_damaged_archives_and_entries_are_refused_or_read(
    toy: MovieData, index: TitleIndex, seed: int
) -> None:
    rng = random.Random(seed)
    entry = json.loads(UPLOADS["JSON"])
    for _ in range(60):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("ratings.csv", UPLOADS["Letterboxd"])
            archive.writestr(rng.choice(["lists/a.csv", "ratings.csv", "b.csv"]), b"a,b\n")
        content = buffer.getvalue()
        for _ in range(rng.choice([1, 1, 3])):
            content = flipped(content, rng)
        check_upload(content[: rng.choice([len(content), rng.randrange(len(content))])], toy, index)
    for path in list(places(entry)):
        for _ in range(4):
            odd = json.dumps(replaced(entry, path, any_json(rng))).encode()
            check_upload(odd, toy, index)


# --- the history of runs --------------------------------------------------------------------------


def check_runs(folder: Path, content: bytes) -> bool:
    """Whether the record is read; what is read can be shown, and what is not is named."""
    (folder / "a-run.json").write_bytes(content)
    history = load_runs(folder)
    assert len(history.runs) + len(history.problems) == 1
    for problem in history.problems:
        assert_one_sentence(problem)
        assert "a-run.json" in problem
    for run in history.runs:
        run_label(run).encode()
        for table in (runs_table([run]), curves_table([run])):
            table.to_json()
            table.to_csv().encode()
        json.dumps(run.versions)
        assert all(0 <= value <= 1 for values in run.test.values() for value in values.values())
        assert all(isinstance(switch, bool) for switch in (run.refit, run.refitted))
        assert isinstance(run.problem, str | None) and isinstance(run.stop_reason, str | None)
    return bool(history.runs)


@pytest.fixture
def record(tmp_path: Path) -> dict:
    """A sound record, as JSON holds it."""
    save_run(replace(RUN, id="a-run"), tmp_path)
    return json.loads((tmp_path / "a-run.json").read_text())


def test_a_record_with_any_value_replaced_is_refused_or_can_be_shown(
    tmp_path: Path, record: dict
) -> None:
    rng, read = random.Random(0), 0
    assert check_runs(tmp_path, json.dumps(record).encode())
    for path in list(places(record)):
        for _ in range(6):
            read += check_runs(tmp_path, json.dumps(replaced(record, path, any_json(rng))).encode())
    assert read > 0


def test_a_record_that_was_cut_or_flipped_is_refused_or_can_be_shown(
    tmp_path: Path, record: dict
) -> None:
    rng, content = random.Random(1), json.dumps(record).encode()
    for _ in range(200):
        check_runs(tmp_path, flipped(content, rng))
    for _ in range(100):
        assert not check_runs(tmp_path, content[: rng.randrange(len(content))])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"format": 1, "id": "a-run", "history": ' + b"9" * 5000 + b"}",
        pickle.dumps({"format": 1, "id": "a-run"}),
    ],
)
def test_what_is_no_record_is_named(tmp_path: Path, content: bytes) -> None:
    assert not check_runs(tmp_path, content)


def test_a_number_too_large_for_a_float_is_not_infinity(tmp_path: Path, record: dict) -> None:
    text = json.dumps(record)
    assert '"seconds": 3.25' in text
    assert not check_runs(tmp_path, text.replace('"seconds": 3.25', '"seconds": 1e999').encode())


def test_a_file_whose_name_is_no_text_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = bytes(tmp_path) + b"/\xff.json"
    try:
        with open(path, "wb") as file:
            file.write(b"{}")
    except OSError:
        pytest.skip("this file system takes text alone for names")
    (problem,) = load_runs(tmp_path).problems
    problem.encode()  # what the page does with it
    assert caplog.text.encode()  # and whoever reads the log


# --- posters --------------------------------------------------------------------------------------


FILMS = [Film(f"Film {n}", 1990 + n, f"01147{n:02}", str(100 + n)) for n in range(20)]
IMAGE = re.compile(re.escape(posters.IMAGE_URL) + r"/w342/[A-Za-z0-9_-]+\.(jpg|png)")
TOKEN = "0123456789abcdef0123456789abcdef"


def service(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answer: posters._Answer
) -> PosterService:
    found = PosterService(TOKEN, folder)
    monkeypatch.setattr(found, "_ask", lambda *_: answer)
    return found


def test_any_answer_of_tmdb_gives_an_image_of_tmdb_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posters, "BACKOFF_SECONDS", 0.0)
    rng = random.Random(0)
    sound = {
        "poster_path": "/a.jpg",
        "results": [{"poster_path": "/b.png", "release_date": "1990-01-01"}],
        "movie_results": [{"poster_path": "/c.jpg"}],
        "tv_results": [],
    }
    for number in range(250):
        body = replaced(sound, rng.choice(list(places(sound))), any_json(rng))
        text = json.dumps(body).encode()
        text = flipped(text, rng) if rng.random() < 0.5 else text
        answer = posters._Answer(rng.choice([200, 200, 200, 404, 401, 500]), text)
        film = Film(f"Film {number}", 1990, *rng.choice([("", ""), ("0114709", ""), ("", "862")]))
        (url,) = service(tmp_path, monkeypatch, answer).urls([film], 10.0)
        assert url is None or IMAGE.fullmatch(url)


def test_no_bit_of_the_poster_cache_can_change_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flipped cache gives the picture that was kept, or none: never another film's."""
    right = posters._Answer(200, b'{"poster_path": "/right.jpg"}')
    service(tmp_path, monkeypatch, right).urls(FILMS, 10.0)
    file, rng = tmp_path / "posters.sqlite3", random.Random(0)
    content = file.read_bytes()
    for number in range(150):
        file.write_bytes(
            flipped(content, rng) if number % 3 else content[: rng.randrange(len(content))]
        )
        known = posters._Cache(file).get(FILMS)
        assert set(known.values()) <= {"/right.jpg"}


def test_a_cache_of_another_program_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "posters.sqlite3"
    for schema in ("film, path, expires", "film, path, expires, seal", "other"):
        file.unlink(missing_ok=True)
        with closing(sqlite3.connect(file)) as db, db:
            db.execute(f"CREATE TABLE posters ({schema})")
            if schema.startswith("film, path, expires"):
                far = time.time() + 86_400
                row = (repr(FILMS[0]), "/evil.jpg", far, "0" * 64)[: schema.count(",") + 1]
                db.execute(f"INSERT INTO posters VALUES ({', '.join('?' * len(row))})", row)
        assert posters._Cache(file).get(FILMS[:1]) == {}
    file.write_bytes(pickle.dumps(FILMS))
    assert posters._Cache(file).get(FILMS[:1]) == {}


# --- the download ---------------------------------------------------------------------------------


def an_archive(compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as bundle:
        for name in MEMBERS:
            bundle.writestr(f"ml-latest-small/{name}", FILES.get(name[:-4], b"Read me.\n"))
    return content.getvalue()


@pytest.fixture
def unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Download these bytes as if they were the MovieLens archive with the right checksum."""

    def run(archive: bytes, target: Path) -> Path:
        monkeypatch.setattr(
            download, "_fetch", lambda _url, file, _progress: file.write_bytes(archive)
        )
        monkeypatch.setattr(download, "_verify", lambda *_: None)
        return download_movielens(target)

    return run


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_archive_is_refused_whole_even_with_the_right_checksum(
    tmp_path: Path, unpack: Any, compression: int
) -> None:
    archive, rng = an_archive(compression), random.Random(0)
    target = tmp_path / "data"
    refused = 0
    for _ in range(120):
        before = {path.name: path.read_bytes() for path in target.glob("*")}
        try:
            unpack(
                flipped(archive, rng) if rng.random() < 0.8 else archive[: -rng.randrange(400)],
                target,
            )
        except DataError as error:
            assert_one_sentence(str(error))
            assert {path.name: path.read_bytes() for path in target.glob("*")} == before
            refused += 1
        else:
            for name, content in FILES.items():
                assert (target / f"{name}.csv").read_bytes() == content
        assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
    assert refused > 20


def test_members_that_climb_out_or_are_links_leave_nothing_outside(
    tmp_path: Path, unpack: Any
) -> None:
    content = io.BytesIO(an_archive())
    with zipfile.ZipFile(content, "a") as bundle:
        for name in ("../evil.csv", "/tmp/evil.csv", "ml-latest-small/../../evil.csv", "a\\..\\b"):
            bundle.writestr(name, "evil")
        link = zipfile.ZipInfo("ml-latest-small/link")
        link.external_attr = 0o120777 << 16
        bundle.writestr(link, "/etc/passwd")
    unpack(content.getvalue(), tmp_path / "deep" / "data")
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert files == sorted(["deep", "deep/data", *(f"deep/data/{name}" for name in MEMBERS)])


def test_a_known_member_that_is_a_link_becomes_a_plain_file(tmp_path: Path, unpack: Any) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as bundle:
        for name in MEMBERS:
            member = zipfile.ZipInfo(f"ml-latest-small/{name}")
            member.external_attr = 0o120777 << 16
            bundle.writestr(member, "/etc/passwd")
    unpack(content.getvalue(), tmp_path / "data")
    for name in MEMBERS:
        assert not (tmp_path / "data" / name).is_symlink()
        assert (tmp_path / "data" / name).read_text() == "/etc/passwd"


def test_a_zip_bomb_is_refused_and_nothing_of_it_stays(tmp_path: Path, unpack: Any) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in MEMBERS:
            bundle.writestr(f"ml-latest-small/{name}", b"0" * (60 << 20 if "tags" in name else 9))
    assert len(content.getvalue()) < 1 << 20
    with pytest.raises(DataError) as caught:
        unpack(content.getvalue(), tmp_path / "data")
    assert_one_sentence(str(caught.value))
    assert list((tmp_path / "data").iterdir()) == []


# --- links ----------------------------------------------------------------------------------------

NUMBERS = {"k": (1, 50), "min_ratings": (0, 100), "tag_weight": (0, 1), "novelty": (-1, 1)}
NAMES = [*NUMBERS, "years", "tab", "who", "chapter", "level", "section", "genres", "user", "other"]
VALUES = st.one_of(
    st.sampled_from(
        ["", "1", "7", "20", "0.5", "5.5", "-1", "1979", "2009", "Me", "Action", "Tags"]
    ),
    st.sampled_from([odd.decode("utf-8", "replace") for odd in ODD]),
    st.text(max_size=30),
    st.integers().map(str),
    st.floats().map(str),
)


@settings(max_examples=250)
@given(st.dictionaries(st.sampled_from(NAMES), st.lists(VALUES, min_size=1, max_size=3)))
def test_a_link_is_taken_as_it_is_or_every_value_that_is_not_is_named(
    toy: MovieData, query: dict[str, list[str]]
) -> None:
    sound, problems = read_link(query, toy)
    assert read_link(sound, toy) == (sound, [])  # what is left is wholly understood
    for name, values in query.items():
        named = [problem for problem in problems if f"asks for {name} = " in problem]
        assert len(named) == (sound.get(name) != values)
    for problem in problems:
        assert len(problem) < 300
        escaped = escape(problem)
        assert "\n" not in escaped and "\r" not in escaped
    if "user" in sound:
        assert sound["user"] in [[str(user)] for user in toy.user_ids]
    for name, (low, high) in NUMBERS.items():
        if name in sound:
            (value,) = sound[name]
            assert low <= float(value) <= high
            assert name in ("tag_weight", "novelty") or float(value) == int(float(value))
    if "years" in sound:
        first, last = map(float, sound["years"])
        assert 1979 <= first <= last <= 2009 and first.is_integer() and last.is_integer()


@settings(max_examples=250)
@given(
    st.dictionaries(st.sampled_from(PARAMETERS), st.lists(VALUES, min_size=1, max_size=2)),
    st.sampled_from(PARAMETERS),
)
def test_training_settings_in_a_link_are_possible_or_named(
    query: dict[str, list[str]], name: str
) -> None:
    choice, problems = from_query(query)
    together = [p for p in problems if p.startswith("The link's settings do not go together")]
    single = [p for p in problems if p not in together]
    assert all(any(f"for {key} = " in problem for key in query) for problem in single)
    assert len(together) <= 1
    assert len(problems) == len({problem.split(" = ")[0] for problem in problems})
    again, none = from_query({key: [value] for key, value in to_query(choice).items()})
    assert (again, none) == (choice, [])  # and the settings can be passed on as a link


# --- what no reader may do ------------------------------------------------------------------------


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=str(path.relative_to(REPOSITORY)))
        for folder in (".", "tabs", "benchmarks", "scripts", "demo_data")
        for path in sorted((REPOSITORY / folder).glob("*.py"))
    ],
)
def test_no_code_of_the_project_unpickles_or_runs_what_it_reads(path: Path) -> None:
    banned_modules = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    banned_modules |= {"yaml", "jsonpickle", "dbm"}
    banned_calls = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not banned_modules & {name.split(".")[0] for name in names}, names
        if not isinstance(node, ast.Call):
            continue
        name, options = _called(node), {word.arg: word.value for word in node.keywords}
        assert name not in banned_calls, name
        assert not name.endswith(("read_pickle", "extractall", "unpack_archive", "read_hdf")), name
        if name.endswith(("torch.load", "torch.jit.load", "torch.hub.load")):
            assert name == "torch.load" and ast.unparse(options["weights_only"]) == "True"
        if name in ("np.load", "numpy.load", "np.loadtxt", "np.fromfile"):
            assert ast.unparse(options.get("allow_pickle", ast.Constant(False))) == "False"
        if name.startswith("subprocess."):
            assert ast.unparse(options.get("shell", ast.Constant(False))) == "False"
        if name.endswith(("st.markdown", "st.write", "st.caption", "st.html", ".markdown")):
            assert not {"unsafe_allow_html", "unsafe_allow_javascript"} & set(options), name
        assert not name.endswith(("components.html", "components.v1.html", "st.iframe")), name
