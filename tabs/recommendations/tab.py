"""Recommendations: top-K for a user or for the visitor, each score with its parts and reasons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from charts.basics import contribution_chart, label, score_chart, tag_share_chart
from data_preparation import MovieData
from lookup import posters
from lookup.posters import Film, PosterService
from model.explanation import Explanation, explain
from model.trained import TrainedModel
from model.viewers import Viewer, fold_in, user_viewer
from prediction import (
    DEFAULT_TAG_WEIGHT,
    Recommendation,
    film_filter,
    recommend,
    score_all,
    similar_movies,
)
from serving.csv_export import to_csv
from settings import DEFAULT_POSTER, POSTER_CACHE, TMDB_VARIABLE, tmdb_token
from tabs.links import MAX_K, MAX_MIN_RATINGS, WHO, year_range
from tabs.recommendations.my_ratings import (
    edit_my_ratings,
    rank_changes,
    show_watchlist,
    toggle_watchlist,
    watchlist,
)
from tabs.shared import count, draw, escape, my_stars, no_model_yet, pick_user

_CARD_PIXELS = 168
_TERMS_SHOWN = 8


def render(data: MovieData, model: TrainedModel | None) -> None:
    st.header("Recommendations")
    if model is None:
        no_model_yet("Recommendations", data)
        return
    who = st.segmented_control(
        "For whom", WHO, default=WHO[0], required=True, key="who", bind="query-params"
    )
    viewer = _visitor(data, model) if who == WHO[1] else _user(data, model)
    recommendations = _choose(data, model, viewer)
    if who == WHO[1] and not len(viewer.movies):
        st.info(
            "Rate a film or two, or upload your ratings, and your own recommendations appear here. "
            "Nothing is retrained and nothing leaves this session.",
            icon=":material/star:",
        )
    elif not recommendations:
        st.info(
            "No film matches: loosen the filters (genres, years, number of ratings).",
            icon=":material/filter_alt_off:",
        )
    else:
        moves = rank_changes(recommendations, my_stars(data)) if who == WHO[1] else {}
        _cards(data, model, viewer, recommendations, moves)
        _breakdown(data, recommendations)
    show_watchlist(data)
    _rated(data, viewer)


# --- whom for, and what is allowed ----------------------------------------------------------------


def _user(data: MovieData, model: TrainedModel) -> Viewer:
    return user_viewer(data, model, pick_user(data))


def _visitor(data: MovieData, model: TrainedModel) -> Viewer:
    edit_my_ratings(data)
    return fold_in(data, model, my_stars(data))


def _choose(data: MovieData, model: TrainedModel, viewer: Viewer) -> list[Recommendation]:
    """The controls, and the list that they give."""
    many, blend = st.columns(2)
    k = many.slider("Number of films (K)", 1, MAX_K, 10, key="k", bind="query-params")
    tag_weight = blend.slider(
        "Weight of tags and genres",
        0.0,
        1.0,
        DEFAULT_TAG_WEIGHT,
        0.05,
        key="tag_weight",
        bind="query-params",
        help="0 ranks by the graph alone, 1 by tags and genres alone. The default was chosen on "
        "held-out validation ratings.",
    )
    with st.expander("Filters, novelty and diversity", icon=":material/tune:"):
        allowed, novelty, diversity = _filters(data)
    scores = score_all(data, model, viewer, tag_weight, novelty)
    found = recommend(model, scores, k, allowed, diversity)
    if 0 < len(found) < k:
        st.caption(f"Only {len(found)} films match the filters.")
    return found


def _filters(data: MovieData) -> tuple[np.ndarray, float, float]:
    """Which films may appear (bool [n_movies]), novelty and diversity."""
    first, second = st.columns(2)
    include = first.multiselect(
        "Only these genres", data.genre_names, key="genres", bind="query-params"
    )
    exclude = second.multiselect(
        "Without these genres", data.genre_names, key="without", bind="query-params"
    )
    whole = year_range(data)
    years = first.slider("Years", *whole, whole, key="years", bind="query-params")
    min_ratings = second.slider(
        "Ratings at least",
        0,
        MAX_MIN_RATINGS,
        0,
        key="min_ratings",
        bind="query-params",
        help="Leaves out films that few people have rated.",
    )
    novelty = first.slider(
        "Popular ↔ novel",
        -1.0,
        1.0,
        0.0,
        0.1,
        key="novelty",
        bind="query-params",
        help="Right of 0, popular films lose score; left of it, they gain.",
    )
    diversity = second.slider(
        "Diversity",
        0.0,
        1.0,
        0.0,
        0.1,
        key="diversity",
        bind="query-params",
        help="Maximal marginal relevance: films close to one already listed step back.",
    )
    allowed = film_filter(data, include, exclude, None if years == whole else years, min_ratings)
    return allowed, novelty, diversity


# --- the cards ------------------------------------------------------------------------------------


def _cards(
    data: MovieData,
    model: TrainedModel,
    viewer: Viewer,
    recommendations: Sequence[Recommendation],
    moves: dict[int, str],
) -> None:
    images = _poster_images(data, [item.movie for item in recommendations])
    grid = st.container(horizontal=True, gap="small", key="cards")  # wraps from desk to phone
    for rank, (item, image) in enumerate(zip(recommendations, images, strict=True), 1):
        name = label(data, item.movie)
        with grid.container(border=True, width=_CARD_PIXELS, height="stretch"):
            alt = f"Poster of {name}" if image else f"No poster of {name}"
            st.image(image or str(DEFAULT_POSTER), width="stretch", alt=alt)
            move = f" :small[:gray[{moves[item.movie]}]]" if moves.get(item.movie) else ""
            st.markdown(f"**{rank}. {escape(name)}**{move}")
            st.caption(_facts(data, item.movie))
            st.markdown(_sum_of_parts(item))
            if st.button("Why?", key=f"why_{item.movie}", width="stretch"):
                _why(data, model, viewer, item)
            listed = item.movie in watchlist(data)
            st.button(
                "✓ Watchlist" if listed else "+ Watchlist",
                key=f"watch_{item.movie}",
                type="tertiary",
                on_click=toggle_watchlist,
                args=(data, item.movie),
            )


def _facts(data: MovieData, movie: int) -> str:
    genres = escape(" · ".join(data.movies["genres"].iloc[movie]))
    ratings = int(data.movie_degree[movie])
    if not ratings:
        return f"{genres}  \nnot rated yet"
    return f"{genres}  \n★ {data.mean_stars[movie]:.1f} ({ratings:,})"


def _sum_of_parts(item: Recommendation) -> str:
    popularity = ""
    if item.popularity_part:
        sign = "+" if item.popularity_part > 0 else "−"
        popularity = f" {sign} :gray[{abs(item.popularity_part):.2f}] pop."
    return (
        f"**{item.score:.2f}** = :blue[{item.graph_part:.2f}] graph "
        f"+ :orange[{item.tag_part:.2f}] tags{popularity}"
    )


def _poster_images(data: MovieData, movies: Sequence[int]) -> list[str | None]:
    """Image URLs, None for default.png; with TMDB's notice when posters are on."""
    service = _poster_service(_tmdb_token())
    rows = data.movies.iloc[list(movies)]
    films = [
        Film(row.name_, None if pd.isna(row.year) else int(row.year), row.imdb_id, row.tmdb_id)
        for row in rows.rename(columns={"name": "name_"}).itertuples()
    ]
    images = service.urls(films)
    if service.notice:
        st.warning(service.notice)
    elif service.enabled:
        st.html(
            f'<p style="opacity:.7;font-size:.8rem"><img src="{posters.TMDB_LOGO_URL}" '
            f'alt="TMDB" style="height:.7rem"> {posters.TMDB_NOTICE}</p>'
        )
    return images


@st.cache_resource(max_entries=2, show_spinner=False)
def _poster_service(token: str | None) -> PosterService:
    return PosterService(token, POSTER_CACHE, posters.API_URL, posters.IMAGE_URL)


def _tmdb_token() -> str | None:
    try:
        return st.secrets.get(TMDB_VARIABLE) or tmdb_token()
    except FileNotFoundError:  # no secrets.toml
        return tmdb_token()


# --- reasons --------------------------------------------------------------------------------------


@st.dialog("Why this film?", width="large")
def _why(data: MovieData, model: TrainedModel, viewer: Viewer, item: Recommendation) -> None:
    reasons = explain(data, model, viewer, item.movie)
    st.subheader(escape(label(data, item.movie)))
    st.markdown(f"{_sum_of_parts(item)}  \n{_because(data, viewer, reasons)}")
    graph, tags, near = st.tabs(["Rated films", "Tags and genres", "Similar films"])
    with graph:
        _graph_reasons(data, viewer, reasons)
    with tags:
        _tag_reasons(item, reasons)
    with near:
        _similar(data, model, item.movie)


def _because(data: MovieData, viewer: Viewer, reasons: Explanation) -> str:
    """One sentence: the films and tags that speak most for this one."""
    best = np.argsort(-reasons.contributions, kind="stable")[:3]
    films = [
        f"*{escape(label(data, reasons.rated[i]))}* ({viewer.stars[i]:g} ★)"
        for i in best
        if reasons.contributions[i] > 0
    ]
    tags = [escape(tag) for tag, _ in reasons.tags[:3]]
    because = f"Because of {', '.join(films)}" if films else "No single rated film speaks for it"
    return f"{because}{'; shared: ' + ', '.join(tags) if tags else ''}."


def _graph_reasons(data: MovieData, viewer: Viewer, reasons: Explanation) -> None:
    terms = pd.DataFrame(
        {
            "term": [label(data, movie) for movie in reasons.rated],
            "stars": viewer.stars,
            "weight": reasons.weights,
            "contribution": reasons.contributions,
        }
    ).sort_values("contribution", ascending=False, key=abs)
    shown, rest = terms.head(_TERMS_SHOWN), terms.iloc[_TERMS_SHOWN:]
    shown = shown.sort_values("contribution", ascending=False)[["term", "contribution"]]
    others = {}
    if len(rest):
        others[f"{len(rest)} more rated films"] = rest["contribution"].sum()
    if reasons.self_term:
        others["learned about this user (self term)"] = reasons.self_term
    extra = pd.DataFrame({"term": others.keys(), "contribution": others.values()})
    bars = pd.concat([shown, extra]) if others else shown
    draw(contribution_chart(bars), "Contribution of each rated film to the score")
    st.caption(
        f"The bars add up to the graph score **{reasons.graph_score:.4f}** exactly, because "
        "LightGCN is linear: contribution = weight × (message of the rated film · this film), "
        "weight = 1/√(own ratings × the film's ratings). It explains the score, not the person."
    )
    with st.expander(f"All {len(terms)} terms"):
        st.dataframe(terms, hide_index=True, alt="Every term of the graph score")


def _tag_reasons(item: Recommendation, reasons: Explanation) -> None:
    if not reasons.tags:
        st.info("This film shares no tag and no genre with the films rated above 2.5 stars.")
        return
    table = pd.DataFrame(reasons.tags, columns=["tag", "share"])
    draw(tag_share_chart(table.head(12)), "Share of each tag in the similarity")
    st.caption(
        f"All {len(table)} shares add up to the tag similarity **{item.tag_similarity:.4f}**, the "
        "cosine between the film and the films rated above 2.5 stars (TF-IDF of tags and genres)."
    )


def _similar(data: MovieData, model: TrainedModel, movie: int) -> None:
    nearest, cosine = similar_movies(model, movie, 10)
    if not len(nearest):
        st.info("Nobody has rated this film, so the graph knows no similar one.")
        return
    st.dataframe(
        pd.DataFrame({"film": [label(data, m) for m in nearest], "cosine": cosine}),
        hide_index=True,
        column_config={"cosine": st.column_config.NumberColumn(format="%.3f")},
        alt="Most similar films by cosine of the embeddings",
    )


# --- tables ---------------------------------------------------------------------------------------


def _breakdown(data: MovieData, recommendations: Sequence[Recommendation]) -> None:
    st.subheader("Where the scores come from")
    draw(score_chart(data, recommendations), "Final scores as a sum of their parts")
    st.caption(
        "The graph score is the dot product of the LightGCN embeddings; the tag similarity is a "
        "cosine from 0 to 1 over tags and genres. Before they are added, each is divided by the "
        "best unrated film's and multiplied by its weight, so the final score runs up to 1."
    )
    table = pd.DataFrame(
        {
            "film": [label(data, r.movie) for r in recommendations],
            "genres": [", ".join(data.movies["genres"].iloc[r.movie]) for r in recommendations],
            "final score": [r.score for r in recommendations],
            "graph score": [r.graph_score for r in recommendations],
            "tag similarity": [r.tag_similarity for r in recommendations],
            "graph part": [r.graph_part for r in recommendations],
            "tag part": [r.tag_part for r in recommendations],
            "popularity part": [r.popularity_part for r in recommendations],
            "ratings": [int(data.movie_degree[r.movie]) for r in recommendations],
            "mean stars": [float(data.mean_stars[r.movie]) for r in recommendations],
        }
    )
    number = st.column_config.NumberColumn(format="%.3f")
    scores = [name for name in table if name.endswith(("score", "similarity", "part"))]
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            **dict.fromkeys(scores, number),
            "mean stars": st.column_config.NumberColumn(format="%.2f ★"),
        },
        alt="Scores of the recommended films",
    )
    st.download_button(
        "Download as CSV", to_csv(table), "recommendations.csv", "text/csv", on_click="ignore"
    )


def _rated(data: MovieData, viewer: Viewer) -> None:
    if not len(viewer.movies):
        return
    order = np.argsort(-viewer.stars, kind="stable")
    with st.expander(f"{count(len(order), 'rated film')} behind this list"):
        st.dataframe(
            pd.DataFrame(
                {
                    "film": [label(data, movie) for movie in viewer.movies[order]],
                    "stars": viewer.stars[order],
                    "ratings": data.movie_degree[viewer.movies[order]],
                }
            ),
            hide_index=True,
            alt="Films rated by the viewer",
        )
