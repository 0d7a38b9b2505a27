"""A taste over time: how somebody's profile moved, and what they would have been recommended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from analysis.as_of import PastList, list_before
from analysis.taste import Period, taste_over_time
from charts.taste import OTHERS, genre_chart, path_chart
from data_preparation import MovieData
from model.as_of import day_of, end_of
from model.trained import TrainedModel
from model.viewers import Viewer, fold_in, user_viewer
from serving.refits import Refit, Report, refit_board, why_no_refit
from serving.training_job import JobRefusedError
from tabs.insights.shared import cached_map, make_figure, show_figure
from tabs.links import WHO
from tabs.shared import count, escape, my_stars, no_model_yet, pick_user
from tabs.visitor import rated_on

_GENRES_SHOWN = 6
_FILMS_NAMED = 3
_DOTS = 1500  # films behind the path, the most rated
_LISTED = 10
_REFUSED = "past_refused"


@dataclass(frozen=True, eq=False)
class _Dated:
    """Somebody, with the moments of their ratings.

    Attributes:
        who: `user 7` or `you`.
        when: Unix seconds, in the order of the viewer's films.
        undated: ratings that were left out because they have no date.
    """

    who: str
    viewer: Viewer
    when: NDArray[np.int64]
    undated: int = 0

    def stars_before(self, second: int) -> dict[int, float]:
        """Inner movie id → stars of what had been rated by then."""
        pairs = zip(self.viewer.movies, self.viewer.stars, self.when, strict=True)
        return {int(movie): float(stars) for movie, stars, moment in pairs if moment < second}


def render(data: MovieData, model: TrainedModel | None) -> None:
    if model is None:
        no_model_yet("A taste over time", data)
        return
    st.subheader("How a taste moved")
    who = st.segmented_control(
        "For whom", WHO, default=WHO[0], required=True, key="who", bind="query-params"
    )
    person = _me(data, model) if who == WHO[1] else _user(data, model)
    if person is None:
        return
    periods = taste_over_time(data, person.viewer, person.when)
    if len(periods) < 2:
        st.info(
            f"There are too few ratings ({len(person.when)}) to divide them into periods.",
            icon=":material/timeline:",
        )
        return
    st.markdown(_summary(data, person, periods))
    if person.undated:
        stay = "stays" if person.undated == 1 else "stay"
        st.caption(f"{count(person.undated, 'rating')} without a date {stay} out of it.")
    shares = genre_table(data, periods)
    show_figure(
        make_figure(
            genre_chart(shares),
            f"Genres of {person.who} over time",
            "Each bar is what was rated within the period, every film weighed as in the profile; a "
            "film of several genres counts for each in part, a disliked one not at all.",
            shares,
        )
    )
    _path(data, model, person, periods)
    _table(data, person, periods)
    _past(data, model, person)


def _user(data: MovieData, model: TrainedModel) -> _Dated:
    user = pick_user(data)
    viewer = user_viewer(data, model, user)
    return _Dated(f"user {data.user_ids[user]}", viewer, data.times_of(user))


def _me(data: MovieData, model: TrainedModel) -> _Dated | None:
    stars, dates = my_stars(data), rated_on(data)
    dated = {movie: value for movie, value in stars.items() if movie in dates}
    if not dated:
        said = (
            f"None of your {count(len(stars), 'rating')} has a date"
            if stars
            else "You have rated no film"
        )
        st.info(
            f"{said}: rate films in the tab **Recommendations**, for **Me**, or upload a file with "
            "dates there (Letterboxd, IMDb, MovieLens, Trakt, or the column `date`).",
            icon=":material/event_busy:",
        )
        return None
    viewer = fold_in(data, model, dated)
    when = [
        int(datetime.fromisoformat(dates[movie]).replace(tzinfo=UTC).timestamp())
        for movie in viewer.movies.tolist()
    ]
    return _Dated("you", viewer, np.array(when, np.int64), len(stars) - len(dated))


# --- what moved -----------------------------------------------------------------------------------


def _summary(data: MovieData, person: _Dated, periods: list[Period]) -> str:
    """When it moved most and through which films, and which genre rose and fell most."""
    most = max(periods[1:], key=lambda period: np.nan_to_num(period.moved))
    films = [f"*{escape(name)}*" for name in _movers(data, person.viewer, most)]
    text = (
        f"**{count(len(person.when), 'rating')}** in {count(len(periods), 'period')}, from "
        f"{escape(periods[0].name)} to {escape(periods[-1].name)}. The profile turned most "
        f"during **{escape(most.name)}**, by {most.moved:.0f}°"
    )
    text += f", most of all through {_joined(films)}." if films else "."
    change = periods[-1].genres - periods[0].genres
    if len(change) and change.max() >= 0.005:
        up, down = int(change.argmax()), int(change.argmin())
        text += (
            f" From the first to the last, {_share(data, periods, up)} and "
            f"{_share(data, periods, down)}."
        )
    return text


def _share(data: MovieData, periods: list[Period], genre: int) -> str:
    first, last = periods[0].genres[genre], periods[-1].genres[genre]
    rose = "rose" if last > first else "fell"
    return f"{escape(data.genre_names[genre])} {rose} from {first:.0%} to {last:.0%}"


def _movers(data: MovieData, viewer: Viewer, period: Period) -> list[str]:
    """The films that pulled the profile furthest the way it went."""
    first = np.argsort(-period.pulls, kind="stable")[:_FILMS_NAMED]
    return [
        data.labels[viewer.movies[period.places[place]]]
        for place in first
        if period.pulls[place] > 0
    ]


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def genre_table(data: MovieData, periods: list[Period]) -> pd.DataFrame:
    """period, genre, share: the largest genres over all periods, the rest together."""
    shares = np.stack([period.genres for period in periods])  # [n_periods, n_genres]
    films = [len(period.places) for period in periods]
    largest = np.argsort(-(films @ shares), kind="stable")[:_GENRES_SHOWN]
    rows = []
    for period, row in zip(periods, shares, strict=True):
        parts = [(data.genre_names[genre], row[genre]) for genre in largest.tolist()]
        parts.append((OTHERS, row.sum() - row[largest].sum()))
        rows += [
            {
                "period": f"{period.name} · {count(len(period.places), 'film')}",
                "genre": name,
                "share": float(share),
            }
            for name, share in parts
        ]
    return pd.DataFrame(rows, columns=["period", "genre", "share"])


def _path(data: MovieData, model: TrainedModel, person: _Dated, periods: list[Period]) -> None:
    points = cached_map(data, model, model.key).points
    places = places_on_map(points, person.viewer, periods)
    if len(places) < 2:
        return
    films = points.nlargest(_DOTS, "ratings")[["x", "y"]]
    show_figure(
        make_figure(
            path_chart(films, places),
            f"The way of {person.who} over the map of films",
            "Each point is the middle of all films rated so far, on the map of films (section "
            "*Map of films*), every film weighed as in the profile. It is drawn close up.",
            places,
        )
    )


def places_on_map(points: pd.DataFrame, viewer: Viewer, periods: list[Period]) -> pd.DataFrame:
    """period, number, x, y: the weighted middle of the films rated up to each period."""
    place = points.set_index("movie")[["x", "y"]].reindex(viewer.movies).to_numpy()
    weights = np.where(np.isfinite(place[:, 0]), np.maximum(viewer.weights, 0), 0)
    rows = []
    mass, total = 0.0, np.zeros(2)
    for number, period in enumerate(periods):
        these = period.places
        mass += weights[these].sum()
        total = total + weights[these] @ np.nan_to_num(place[these])
        if mass > 0:
            rows.append(
                {
                    "period": period.name,
                    "number": number,
                    **dict(zip("xy", total / mass, strict=True)),
                }
            )
    return pd.DataFrame(rows, columns=["period", "number", "x", "y"])


def _table(data: MovieData, person: _Dated, periods: list[Period]) -> None:
    table = pd.DataFrame(
        {
            "period": [period.name for period in periods],
            "films": [len(period.places) for period in periods],
            "turned by": [period.moved for period in periods],
            "most of all through": [
                "; ".join(_movers(data, person.viewer, period)) if number else ""
                for number, period in enumerate(periods)
            ],
            "tags more than in other periods": [", ".join(period.tags) for period in periods],
        }
    )
    with st.expander("Every period, with the films that moved it"):
        st.dataframe(
            table,
            hide_index=True,
            column_config={"turned by": st.column_config.NumberColumn(format="%.1f°")},
            alt="Periods, with how far and through which films the profile turned",
        )
        st.caption(
            "The profile so far is the weighted mean of what the films send; *turned by* is the "
            "angle between it before and after, and every film adds a part to the way it went."
        )


# --- as of a day ----------------------------------------------------------------------------------


def _past(data: MovieData, model: TrainedModel, person: _Dated) -> None:
    st.subheader("The list as of a day")
    if why := why_no_refit(data, model):
        st.caption(why)
        return
    first, last = (day_of(moment) for moment in (person.when.min(), person.when.max()))
    day = st.date_input(
        "As of the end of",
        first + (last - first) / 2,
        min_value=first,
        max_value=last,
        key=f"as_of_{person.who}_{first}_{last}",
        help="The model is fitted again to the ratings and tags that there were by then, with the "
        "settings that it has today.",
    )
    key = ("as of", model.key, person.viewer.user, person.viewer.movies.tobytes(), day)
    refit = refit_board().find(key)
    if refit and refit.status == "running":
        st.fragment(_waiting, run_every=1.0)(key)
    elif refit and refit.status == "finished" and isinstance(refit.found, PastList):
        _show_past(data, person, day, refit.found)
    else:
        _offer(data, model, person, day, key, refit)


def _waiting(key: tuple[object, ...]) -> None:
    refit = refit_board().find(key)
    if refit is None or refit.status != "running":
        st.rerun()
    st.caption("Fitting the model to the ratings of then …")


def _offer(
    data: MovieData,
    model: TrainedModel,
    person: _Dated,
    day: date,
    key: tuple[object, ...],
    refit: Refit | None,
) -> None:
    if refit:
        st.warning("The fit failed; the server's log has the reason.", icon=":material/error:")
    st.button(
        "Show the list of that day",
        icon=":material/history:",
        help="Takes some seconds, in the background.",
        on_click=_start,
        args=(data, model, person, day, key),
    )
    if _REFUSED in st.session_state:
        st.info(escape(st.session_state.pop(_REFUSED)))


def _start(
    data: MovieData, model: TrainedModel, person: _Dated, day: date, key: tuple[object, ...]
) -> None:
    second = end_of(day)

    def work(_: Report) -> PastList:
        return list_before(
            *(data, model, second, person.viewer.profile, _LISTED),
            user=person.viewer.user,
            stars=person.stars_before(second),
        )

    try:
        refit_board().start(key, 1, work)
    except JobRefusedError as refused:
        st.session_state[_REFUSED] = str(refused)


def _show_past(data: MovieData, person: _Dated, day: date, past: PastList) -> None:
    rated_later = {
        int(movie): float(stars)
        for movie, stars, moment in zip(
            *(person.viewer.movies, person.viewer.stars, person.when), strict=True
        )
        if moment >= end_of(day)
    }
    hits = [film.movie for film in past.films if film.movie in rated_later]
    st.markdown(
        f"By then {person.who} had rated **{past.known:,}** film{'s' * (past.known != 1)}, and "
        f"these data held **{past.ratings:,}** ratings. Of these {count(len(past.films), 'film')}, "
        f"**{len(hits)}** {'was' if len(hits) == 1 else 'were'} rated later."
    )
    st.dataframe(
        pd.DataFrame(
            {
                "film": [data.labels[film.movie] for film in past.films],
                "score": [film.score for film in past.films],
                "rated later": [rated_later.get(film.movie) for film in past.films],
                "why": [film.why for film in past.films],
            }
        ),
        hide_index=True,
        column_config={
            "score": st.column_config.NumberColumn(format="%.3f"),
            "rated later": st.column_config.NumberColumn(format="%.1f ★"),
        },
        alt=f"The list as of {day}",
    )
    st.caption(
        f"The model was fitted again to the ratings and tags of before {day + timedelta(days=1)}. "
        "From later come only the catalogue (titles, years, genres) and the settings of the fit."
    )
