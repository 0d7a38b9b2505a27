"""Insights, the data at a glance: ratings over time, long tails, and how empty the matrix is."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from analysis.data_overview import top_share
from charts.insights import bar_chart, density_chart, tail_chart
from data_preparation import MovieData
from serving.tables import OVERVIEW
from tabs.insights.shared import Figure, make_figure, show_figure
from tabs.shared import count


@dataclass(frozen=True, eq=False)
class _Overview:
    """The figures of the section, in the order of the page."""

    years: Figure
    stars: Figure
    users: Figure
    films: Figure
    matrix: Figure


@st.cache_resource(max_entries=2, show_spinner="Counting the ratings …")
def _overview(_data: MovieData, fingerprint: str) -> _Overview:
    tables = OVERVIEW.of(_data)
    return _Overview(
        _by_year(tables.years),
        _by_stars(tables.stars),
        _by_user(_data, tables.users),
        _by_film(_data, tables.films),
        _matrix(_data, tables.matrix),
    )


def render(data: MovieData) -> None:
    st.subheader("The ratings at a glance")
    figures = {
        "Users": f"{data.n_users:,}",
        "Films with ratings": f"{_n_rated(data):,}",
        "Ratings": f"{data.n_ratings:,}",
        "Empty cells": f"{_empty(data):.1%}",
    }
    for column, (name, value) in zip(st.columns(4), figures.items(), strict=True):
        column.metric(name, value, border=True)
    overview = _overview(data, data.fingerprint)
    for pair in ((overview.years, overview.stars), (overview.users, overview.films)):
        for column, drawn in zip(st.columns(2), pair, strict=True):
            with column:
                show_figure(drawn)
    show_figure(overview.matrix)


def _n_rated(data: MovieData) -> int:
    return int((data.movie_degree > 0).sum())


def _empty(data: MovieData) -> float:
    """The share of the pairs of a user and a rated film that hold no rating, 0 to 1."""
    return 1 - data.n_ratings / (data.n_users * _n_rated(data))


def _by_year(table: pd.DataFrame) -> Figure:
    busiest = table.loc[table["ratings"].idxmax()]
    return make_figure(
        bar_chart(table, "year", "ratings", ("year of the rating", "ratings")),
        "Ratings per year",
        f"Ratings by the year they were given; {busiest['year']} had most, {busiest['ratings']:,}.",
        table,
    )


def _by_stars(table: pd.DataFrame) -> Figure:
    usual = table.loc[table["ratings"].idxmax(), "stars"]
    return make_figure(
        bar_chart(table, "stars", "ratings", ("stars", "ratings")),
        "Ratings by stars",
        f"{usual:g} stars are given most. In LightGCN's own graph every rating counts alike; the "
        "hybrid model weighs it by how its stars compare with the person's other ones.",
        table,
    )


def _by_user(data: MovieData, table: pd.DataFrame) -> Figure:
    return make_figure(
        tail_chart(table, "user"),
        "Ratings of each user by rank",
        f"The most active tenth of the users gave {top_share(data.user_degree):.0%} of the "
        f"ratings; the least active gave {table['ratings'].iloc[-1]:,}.",
        table,
    )


def _by_film(data: MovieData, table: pd.DataFrame) -> Figure:
    once = int((data.movie_degree == 1).sum())
    return make_figure(
        tail_chart(table, "film"),
        "Ratings of each film by rank",
        f"The most rated tenth of the films holds {top_share(data.movie_degree):.0%} of the "
        f"ratings; {count(once, 'film')} got a single one, which is little to go by.",
        table,
    )


def _matrix(data: MovieData, grid: pd.DataFrame) -> Figure:
    return make_figure(
        density_chart(grid),
        "How full the matrix of users and films is",
        f"Users and films cut into equal groups, most ratings first: {_empty(data):.1%} of all "
        "pairs of a user and a rated film are empty, and what is known crowds into one corner.",
        grid,
    )
