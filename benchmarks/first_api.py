"""The API that one writes first, to compare with: `python -m benchmarks.first_api`.

One handler over the same functions: it looks for data and model at every request, takes the facts
of each film out of the table, and leaves threads and JSON to FastAPI.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from model.profiles import Profile
from model.stars import predict_stars
from model.viewers import user_viewer
from prediction import film_filter, recommend, score_all
from serving.prepared import star_model
from serving.state import server_state
from sources.download import download_movielens

app = FastAPI()


class Item(BaseModel):
    movie: int
    title: str
    year: int | None
    genres: list[str]
    score: float
    graph_part: float
    tag_part: float
    graph_score: float
    tag_similarity: float
    stars: float
    stars_unsure: float


@app.get("/health/ready")
def ready() -> dict[str, str]:
    recommendations(1, k=1)
    return {"status": "ready"}


@app.get("/v1/users/{user_id}/recommendations")
def recommendations(
    user_id: int,
    k: int = 10,
    setting: Profile = "like",
    tag_weight: float = 0.1,
    novelty: float = 0.0,
    diversity: float = 0.0,
    min_ratings: int = 0,
) -> list[Item]:
    state = server_state()
    data = state.data(state.data_folder(download_movielens))
    model = state.model(data).model
    assert model is not None
    viewer = user_viewer(data, model, data.inner_user(user_id), setting)
    scores = score_all(data, model, viewer, tag_weight, novelty)
    allowed = film_filter(data, min_ratings=min_ratings)
    found = recommend(model, scores, k, allowed, diversity)
    movies = np.array([item.movie for item in found])
    stars, unsure = predict_stars(star_model(data, model), viewer.movies, viewer.stars, movies)
    items = []
    for item, expected, spread in zip(found, stars, unsure, strict=True):
        row = data.movies.iloc[item.movie]
        items.append(
            Item(
                movie=row["movie_id"],
                title=row["name"],
                year=None if pd.isna(row["year"]) else row["year"],
                genres=row["genres"],
                score=item.score,
                graph_part=item.graph_part,
                tag_part=item.tag_part,
                graph_score=item.graph_score,
                tag_similarity=item.tag_similarity,
                stars=expected,
                stars_unsure=spread,
            )
        )
    return items


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(app, port=parser.parse_args().port, access_log=False)
