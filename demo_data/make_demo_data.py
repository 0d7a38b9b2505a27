"""Make the built-in demo dataset: simulated viewers rating and tagging real films.

``python demo_data/make_demo_data.py`` reads ``films.csv`` beside this file and rewrites
``movies.csv``, ``ratings.csv`` and ``tags.csv`` in the MovieLens layout. The films are real;
every rating and tag is invented by the simulation below. The same films and seed give the same
bytes on every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
SEED = 42
N_VIEWERS = 200
MIN_RATINGS, MAX_RATINGS = 20, 150

FIRST_YEAR, LAST_YEAR = 2015, 2024
DAY = 86_400

# MovieLens' own genre names.
GENRES = {
    "Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller",
    "War", "Western",
}  # fmt: skip

# What each kind of viewer seeks out (positive) and avoids (negative). Genres are capitalised and
# keywords are lowercase, so both can share one dictionary. Anything unlisted is neutral.
TASTES: dict[str, dict[str, float]] = {
    "science fiction fan": {
        "Sci-Fi": 2.0, "Action": 0.7, "Adventure": 0.5, "Romance": -1.0, "Musical": -1.2,
        "space": 1.0, "dystopia": 1.0, "time travel": 1.0, "robots": 0.8, "aliens": 0.8,
        "superhero": 0.7, "artificial intelligence": 1.0, "cyberpunk": 1.0, "space opera": 0.8,
        "post-apocalyptic": 0.8, "christopher nolan": 0.9, "anime": 0.4,
    },
    "family viewer": {
        "Children": 2.0, "Animation": 1.5, "Fantasy": 0.7, "Horror": -2.0, "Crime": -1.2,
        "Thriller": -0.8, "War": -0.8, "pixar": 1.0, "disney": 1.0, "talking animals": 0.8,
        "fairy tale": 0.7, "magic": 0.6, "stop motion": 0.6, "studio ghibli": 0.8, "anime": 0.4,
        "friendship": 0.4, "violence": -1.0,
    },
    "noir and crime": {
        "Crime": 1.5, "Film-Noir": 2.0, "Mystery": 1.0, "Thriller": 0.9, "Children": -1.5,
        "Musical": -1.0, "Fantasy": -0.7, "neo-noir": 1.2, "detective": 1.0, "gangsters": 1.0,
        "heist": 0.9, "femme fatale": 1.0, "mafia": 0.9, "hitman": 0.7, "tarantino": 0.9,
        "coen brothers": 0.9, "hitchcock": 0.9, "twist ending": 0.6, "serial killer": 0.6,
    },
    "romance": {
        "Romance": 2.0, "Comedy": 0.6, "Drama": 0.4, "Horror": -1.8, "Sci-Fi": -0.8, "War": -0.5,
        "Western": -0.8, "love story": 1.2, "wedding": 0.9, "feel-good": 0.8, "bittersweet": 0.7,
        "period drama": 0.9, "love triangle": 0.8, "paris": 0.6, "witty dialogue": 0.5,
        "jane austen": 1.0, "violence": -1.0,
    },
    "horror": {
        "Horror": 2.4, "Thriller": 0.8, "Mystery": 0.4, "Romance": -0.9, "Children": -1.0,
        "Musical": -0.8, "supernatural": 1.0, "monster": 0.8, "slasher": 1.0, "zombies": 1.0,
        "ghosts": 0.7, "vampires": 0.9, "demon": 1.0, "haunted house": 1.0, "stephen king": 0.9,
        "serial killer": 0.7, "cult film": 0.7, "gothic": 0.6, "dark comedy": 0.3,
    },
    "arthouse": {
        "Drama": 0.8, "Documentary": 1.2, "Action": -1.2, "Children": -0.8, "Adventure": -0.6,
        "french": 1.0, "italian": 1.0, "japanese": 0.7, "russian": 1.0, "german": 0.8,
        "swedish": 1.0, "polish": 1.0, "korean": 0.8, "iranian": 1.0, "danish": 1.0,
        "spanish": 0.8, "chinese": 0.8, "mexican": 0.8, "french new wave": 1.0,
        "meditative": 1.0, "poetic": 1.0, "dreamlike": 1.0, "surreal": 0.8, "memory": 0.5,
        "black and white": 0.6, "philosophical": 0.8, "mortality": 0.6, "filmmaking": 0.7,
        "superhero": -1.2, "disney": -0.8,
    },
    "war and western": {
        "War": 2.0, "Western": 2.2, "Action": 0.6, "Adventure": 0.4, "Romance": -0.6,
        "Musical": -1.2, "Fantasy": -0.8, "Animation": -1.0, "world war ii": 1.0, "epic": 0.7,
        "gunfight": 0.9, "frontier": 0.9, "outlaws": 0.7, "anti-war": 0.9, "revenge": 0.5,
        "vietnam war": 0.9, "world war i": 0.9, "based on a true story": 0.4, "military": 0.7,
    },
    "musicals and comedy": {
        "Musical": 2.2, "Comedy": 1.1, "Horror": -1.5, "War": -0.8, "Thriller": -0.8,
        "song and dance": 1.0, "broadway": 1.0, "music": 0.9, "dance": 0.9, "rock": 0.7,
        "parody": 0.7, "slapstick": 0.7, "satire": 0.5, "feel-good": 0.7, "mockumentary": 0.8,
        "wedding": 0.4, "classic": 0.4,
    },
}  # fmt: skip
# How common each taste is as a viewer's main one, in the order of TASTES.
TASTE_SHARES = np.array([0.20, 0.15, 0.14, 0.13, 0.10, 0.10, 0.08, 0.10])

# Everyday words that viewers use for a film's genre when they tag it.
GENRE_TAGS = {
    "Sci-Fi": "sci-fi",
    "Film-Noir": "film noir",
    "Animation": "animation",
    "Comedy": "comedy",
    "Horror": "horror",
    "Musical": "musical",
    "Western": "western",
    "War": "war",
    "Documentary": "documentary",
}
# Other ways people write the same tag, beyond changes of case.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "sci-fi": ("Sci-Fi", "sci fi", "scifi", "SciFi", "science fiction"),
    "film noir": ("Film-Noir", "film-noir", "noir"),
    "neo-noir": ("neo noir", "Neo-Noir", "neonoir"),
    "artificial intelligence": ("AI", "A.I."),
    "based on a book": ("based on book", "Based on a Book", "book adaptation"),
    "based on a true story": ("true story", "based on true story"),
    "black and white": ("black & white", "B&W", "black-and-white"),
    "coming of age": ("coming-of-age", "Coming of Age"),
    "cult film": ("cult", "cult classic", "Cult Film"),
    "feel-good": ("feel good", "feelgood"),
    "love story": ("lovestory", "Love Story"),
    "new york": ("NYC", "New York City"),
    "post-apocalyptic": ("post apocalyptic", "postapocalyptic"),
    "superhero": ("superheroes", "super hero", "super-hero"),
    "time travel": ("time-travel", "timetravel", "Time Travel"),
    "twist ending": ("plot twist", "twist", "Twist Ending"),
    "world war ii": ("WWII", "ww2", "World War 2", "world war II"),
}
# Tags that say something about the viewer and nothing about the film.
NOISE_TAGS = (
    "seen", "dvd", "watchlist", "my favorites", "to see", "own", "Seen", "netflix", "overrated",
    "rewatch", "boring", "DVD",
)  # fmt: skip
# One-off tags, each used once. Some hold commas, quotes or accents, as real tags do.
RARE_TAGS = (
    "watched with grandma",
    "open-air cinema",
    "too long, still great",
    'the "one more thing" scene',
    "café scenes",
    "best hat in cinema",
    "rainy sunday",
    "cried on a plane",
    "projectionist's choice",
    "great coats",
    "film club 2019",
    "the dog survives!",
    "déjà vu",
    "popcorn 🍿",
)


@dataclass(frozen=True)
class Viewers:
    """The simulated people, one row or entry per viewer."""

    affinity: np.ndarray  # viewers x films: how well each film suits each viewer
    era: np.ndarray  # how far towards recent (+) or old (-) films the viewer leans
    bias: np.ndarray  # how generous or strict the viewer is, in stars
    whole_stars: np.ndarray  # True for those who never give half stars
    n_ratings: np.ndarray


def load_films(path: Path = HERE / "films.csv") -> pd.DataFrame:
    """Read the hand-written film list and refuse it if it breaks its own rules."""
    films = pd.read_csv(path, dtype={"title": str, "keywords": str}, keep_default_na=False)
    unknown = {genre for row in films["genres"] for genre in row.split("|")} - GENRES
    if unknown:
        raise ValueError(f"{path.name}: unknown genres {sorted(unknown)}")
    if not films["appeal"].between(1, 5).all():
        raise ValueError(f"{path.name}: appeal must lie between 1 and 5")
    repeated = films.loc[films.duplicated(["title", "year"]), "title"].tolist()
    if repeated:
        raise ValueError(f"{path.name}: listed twice: {repeated}")
    return films


def build(films: pd.DataFrame, seed: int = SEED) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Simulate the dataset and return it as ``(ratings, movies, tags)``."""
    # One stream per table: a change to the tags, say, then leaves the ratings as they were.
    movie_rng, rating_rng, tag_rng = np.random.default_rng(seed).spawn(3)
    movies = make_movies(films, movie_rng)
    ratings = make_ratings(films, movies["movieId"].to_numpy(), rating_rng)
    tags = make_tags(films, movies["movieId"].to_numpy(), ratings, tag_rng)
    return ratings, movies, tags


def make_movies(films: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Give each film an id, with gaps so that nothing can mistake ids for row numbers."""
    movie_ids = np.cumsum(rng.integers(1, 12, size=len(films)))
    titles = films["title"] + " (" + films["year"].astype(str) + ")"
    return pd.DataFrame({"movieId": movie_ids, "title": titles, "genres": films["genres"]})


# --- Ratings -----------------------------------------------------------------------------------


def make_ratings(
    films: pd.DataFrame, movie_ids: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """Let every viewer choose, watch and rate films, burst by burst."""
    viewers = draw_viewers(films, rng)
    popularity = draw_popularity(films, rng)
    quality = draw_quality(films, rng)
    years = films["year"].to_numpy()

    parts = []
    for viewer in range(N_VIEWERS):
        log_weight = (
            np.log(popularity)
            + 1.05 * viewers.affinity[viewer]
            + viewers.era[viewer] * (years - 1995) / 20
        )
        rows, timestamps = watch(log_weight, years, int(viewers.n_ratings[viewer]), rng)
        parts.append(
            pd.DataFrame(
                {
                    "userId": viewer + 1,
                    "movieId": movie_ids[rows],
                    "rating": give_stars(viewers, viewer, rows, quality, rng),
                    "timestamp": timestamps,
                }
            )
        )
    ratings = pd.concat(parts, ignore_index=True)
    return ratings.sort_values(["userId", "movieId"], ignore_index=True)


def draw_viewers(films: pd.DataFrame, rng: np.random.Generator) -> Viewers:
    """Draw everyone's tastes and habits."""
    features = film_features(films)
    weights = draw_taste_weights(features.columns, rng)
    affinity = weights @ features.to_numpy().T
    # Standardised per viewer, so that a taste with many listed likes is no stronger than others.
    affinity -= affinity.mean(axis=1, keepdims=True)
    affinity /= affinity.std(axis=1, keepdims=True)
    activity = rng.lognormal(mean=np.log(40), sigma=0.7, size=N_VIEWERS)
    return Viewers(
        affinity=affinity,
        era=rng.normal(0.15, 0.4, size=N_VIEWERS),
        bias=rng.normal(0.0, 0.35, size=N_VIEWERS),
        whole_stars=rng.random(N_VIEWERS) < 0.4,
        n_ratings=np.clip(activity.round(), MIN_RATINGS, MAX_RATINGS).astype(int),
    )


def film_features(films: pd.DataFrame) -> pd.DataFrame:
    """Return a films x (genres and keywords) table, each row scaled to length one."""
    genres = films["genres"].str.get_dummies("|")
    keywords = films["keywords"].str.get_dummies("|")
    features = pd.concat([genres, keywords], axis=1).astype(float)
    return features.div(np.sqrt(features.sum(axis=1)), axis=0)


def draw_taste_weights(features: pd.Index, rng: np.random.Generator) -> np.ndarray:
    """Return viewers x features weights: a main taste, a second one, and personal quirks."""
    tastes = np.array([[likes.get(name, 0.0) for name in features] for likes in TASTES.values()])
    pairs = np.array(
        [rng.choice(len(tastes), 2, replace=False, p=TASTE_SHARES) for _ in range(N_VIEWERS)]
    )
    share = rng.uniform(0.55, 0.9, size=(N_VIEWERS, 1))
    quirks = rng.normal(0.0, 0.2, size=(N_VIEWERS, len(features)))
    return share * tastes[pairs[:, 0]] + (1 - share) * tastes[pairs[:, 1]] + quirks


def draw_popularity(films: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Return how widely each film is seen: its stated appeal and a little luck."""
    return 1.8 ** films["appeal"].to_numpy() * rng.lognormal(0.0, 0.25, size=len(films))


def draw_quality(films: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Return the stars each film earns above or below the average; a draw, not a judgement."""
    return rng.normal(0.0, 0.3, size=len(films)) + 0.08 * (films["appeal"].to_numpy() - 3)


def watch(
    log_weight: np.ndarray, years: np.ndarray, n_ratings: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the films one viewer rates and when: (film rows, timestamps), in time order."""
    days, sizes = draw_bursts(n_ratings, rng)
    unseen = np.ones(len(years), dtype=bool)
    rows: list[np.ndarray] = []
    timestamps: list[np.ndarray] = []
    for day, size in zip(days, sizes, strict=True):
        # A film counts as released from the year after its own, since only its year is known.
        # So nobody rates a film before it came out, and the newest films have no rating yet.
        this_year = datetime.fromtimestamp(day, UTC).year
        released = years < this_year
        # New releases draw more viewers.
        novelty = np.where(years >= this_year - 2, 2.0, 1.0)
        weight = np.exp(log_weight) * novelty * (unseen & released)
        chosen = rng.choice(len(years), size, replace=False, p=weight / weight.sum())
        unseen[chosen] = False
        rows.append(chosen)
        timestamps.append(day + rng.integers(7, 19) * 3600 + rng.integers(5, 90, size).cumsum())
    return np.concatenate(rows), np.concatenate(timestamps)


def draw_bursts(n_ratings: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Split one viewer's ratings over a few days: (midnights as timestamps, sizes).

    Most ratings come on the first day, when people enter what they remember having seen. One
    burst per day, and none long enough to reach midnight, keeps a viewer's timestamps distinct.
    """
    first = int(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp()) // DAY
    end = int(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp()) // DAY
    n_bursts = int(rng.integers(1, 7))
    days = np.sort(rng.choice(np.arange(first, end), n_bursts, replace=False))
    shares = 0.5 ** np.arange(n_bursts)
    return days * DAY, rng.multinomial(n_ratings, shares / shares.sum())


def give_stars(
    viewers: Viewers,
    viewer: int,
    rows: np.ndarray,
    quality: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Turn liking into stars from 0.5 to 5.0."""
    liking = (
        # Below the mean that comes out, because people mostly watch what they expect to like.
        3.35
        + 0.28 * viewers.affinity[viewer, rows]
        + quality[rows]
        + viewers.bias[viewer]
        + rng.normal(0.0, 0.75, size=len(rows))
    )
    step = 1.0 if viewers.whole_stars[viewer] else 0.5
    return np.clip(np.round(liking / step) * step, step, 5.0)


# --- Tags --------------------------------------------------------------------------------------


def make_tags(
    films: pd.DataFrame, movie_ids: np.ndarray, ratings: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Let about a third of the viewers tag some of the films that they rated."""
    words = dict(zip(movie_ids, film_words(films), strict=True))
    # A few one-off tags are slipped in at random places, so they are dealt from a shuffled pack.
    rare = list(rng.permutation(RARE_TAGS))
    rows = []
    for _, rated in ratings.groupby("userId"):
        if rng.random() >= 0.33:
            continue
        # Heavy-tailed like the ratings: most taggers add a handful, a few add very many.
        n_films = min(len(rated), 1 + int(rng.lognormal(np.log(4.5), 0.8)))
        picked = rated.iloc[np.sort(rng.choice(len(rated), n_films, replace=False))]
        for rating in picked.itertuples():
            tags = draw_tags(words[rating.movieId], rare, rng)
            # A tag follows its rating by some seconds.
            times = rating.timestamp + rng.integers(3, 40, size=len(tags)).cumsum()
            rows += [
                (rating.userId, rating.movieId, tag, time)
                for tag, time in zip(tags, times, strict=True)
            ]
    return pd.DataFrame(rows, columns=["userId", "movieId", "tag", "timestamp"])


def film_words(films: pd.DataFrame) -> list[list[str]]:
    """Return, for each film, the words a viewer may tag it with."""
    return [
        [word for word in keywords.split("|") if word]
        + [GENRE_TAGS[genre] for genre in genres.split("|") if genre in GENRE_TAGS]
        for keywords, genres in zip(films["keywords"], films["genres"], strict=True)
    ]


def draw_tags(words: list[str], rare: list[str], rng: np.random.Generator) -> list[str]:
    """Return the distinct tags that one viewer puts on one film; takes one-offs from ``rare``."""
    n_words = min(len(words), int(rng.integers(1, 4)))
    tags = [misspell(str(word), rng) for word in rng.choice(words, n_words, replace=False)]
    if rng.random() < 0.07:
        tags.append(str(rng.choice(NOISE_TAGS)))
    if rare and rng.random() < 0.04:
        tags.append(str(rare.pop()))
    return list(dict.fromkeys(tags))


def misspell(word: str, rng: np.random.Generator) -> str:
    """Write a tag the careless way that people do, about a third of the time."""
    if word in SPELLINGS and rng.random() < 0.35:
        word = str(rng.choice(SPELLINGS[word]))
    draw = rng.random()
    if draw < 0.08:
        return word.title()
    if draw < 0.13:
        return word.capitalize()
    if draw < 0.15:
        return word.upper()
    if draw < 0.18:
        return word + " "
    if draw < 0.20:
        return word + str(rng.choice(["!", ".", ","]))
    return word


# --- Files -------------------------------------------------------------------------------------


def csv_bytes(table: pd.DataFrame) -> bytes:
    """Return a table as the exact content of its CSV file."""
    # The line end is fixed, or Windows would write other bytes than Linux.
    return table.to_csv(index=False, lineterminator="\n").encode("utf-8")


def main() -> None:
    """Rewrite the three CSV files beside this script."""
    ratings, movies, tags = build(load_films(), SEED)
    for name, table in (("ratings", ratings), ("movies", movies), ("tags", tags)):
        (HERE / f"{name}.csv").write_bytes(csv_bytes(table))
        print(f"{name}.csv: {len(table)} rows")


if __name__ == "__main__":
    main()
