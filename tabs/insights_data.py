"""Insights, the data at a glance: ratings over time, long tails, and how empty the matrix is."""

from __future__ import annotations

import streamlit as st

from data_overview import density_grid, long_tail, ratings_by_stars, ratings_per_year, top_share
from data_preparation import MovieData
from plots_insights import bar_chart, density_chart, tail_chart
from tabs.insights_shared import show


def render(data: MovieData) -> None:
    st.subheader("The ratings at a glance")
    rated = int((data.movie_degree > 0).sum())
    density = data.n_ratings / (data.n_users * rated)
    figures = {
        "Users": f"{data.n_users:,}",
        "Films with ratings": f"{rated:,}",
        "Ratings": f"{data.n_ratings:,}",
        "Empty cells": f"{1 - density:.1%}",
    }
    for column, (name, value) in zip(st.columns(4), figures.items(), strict=True):
        column.metric(name, value, border=True)
    _over_time(data)
    _tails(data)
    grid = density_grid(data)
    show(
        density_chart(grid),
        "How full the matrix of users and films is",
        f"Users and films cut into equal groups, most ratings first: {1 - density:.1%} of all "
        "pairs of a user and a rated film are empty, and what is known crowds into one corner.",
        grid,
    )


def _over_time(data: MovieData) -> None:
    years, stars = st.columns(2)
    with years:
        table = ratings_per_year(data)
        busiest = table.loc[table["ratings"].idxmax()]
        show(
            bar_chart(table, "year", "ratings", ("year of the rating", "ratings")),
            "Ratings per year",
            f"Ratings by the year they were given; {busiest['year']} had most, "
            f"{busiest['ratings']:,}.",
            table,
        )
    with stars:
        table = ratings_by_stars(data)
        usual = table.loc[table["ratings"].idxmax(), "stars"]
        show(
            bar_chart(table, "stars", "ratings", ("stars", "ratings")),
            "Ratings by stars",
            f"{usual:g} stars are given most; the model counts every rating as an interaction, "
            "whatever its stars.",
            table,
        )


def _tails(data: MovieData) -> None:
    users, films = st.columns(2)
    with users:
        table = long_tail(data.user_degree)
        show(
            tail_chart(table, "user"),
            "Ratings of each user by rank",
            f"The most active tenth of the users gave {top_share(data.user_degree):.0%} of the "
            f"ratings; the least active gave {table['ratings'].iloc[-1]:,}.",
            table,
        )
    with films:
        table = long_tail(data.movie_degree)
        once = int((data.movie_degree == 1).sum())
        show(
            tail_chart(table, "film"),
            "Ratings of each film by rank",
            f"The most rated tenth of the films holds {top_share(data.movie_degree):.0%} of the "
            f"ratings; {once:,} films have a single one, and the model can say little about those.",
            table,
        )
