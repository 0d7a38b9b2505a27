"""LightGCN movie recommender: `streamlit run app.py`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from data_preparation import MovieData
from model.checkpoints import PASSING
from model.trained import TrainedModel
from serving.hosts import refusal
from serving.process import settle
from serving.state import ServerState, server_state
from settings import (
    DEMO_DIR,
    PAGE_ICON,
    SettingError,
    named_hosts,
    training_allowed,
)
from sources.download import download_movielens
from sources.movielens_files import DataError
from tabs.address import keep_settings_in_address, remember_settings
from tabs.links import BOUND, DATA, OF_THE_DATA, TABS, read_link
from tabs.shared import escape
from tabs.steps import arrive, asked, forget, leave
from tabs.train_model.trying import model_tried
from tabs.upload_limits import limit_uploads
from tabs.visitor import keep_in_browser

# Streamlit leaves six empty lines above the title; a phone has no room for a large one; and white
# on the dark theme's primary colour cannot be read.
_STYLE = """
[data-testid=stMainBlockContainer] {padding-top: 2rem}
[data-testid=stLayoutWrapper]:has(> [class*=st-key-unseen_]) {display: none}
@media (max-width: 640px) {
  [data-testid=stMainBlockContainer] {padding-top: 0.5rem}
  [data-testid=stMain] h1 {font-size: 1.8rem !important; padding: 0 0 0.25rem !important}
  [data-testid=stMain] h2 {font-size: 1.35rem !important; padding: 0.2rem 0 !important}
  [data-testid=stMain] h3 {font-size: 1.2rem !important; padding: 0.4rem 0 !important}
  [data-testid=stTable] :is(th, td) {padding-inline: 0.3rem !important}
}
[data-testid=stBaseButton-primary]:enabled, [data-testid=stBaseButton-primary]:enabled *,
[data-testid=stMultiSelect] [data-tag] * {color: light-dark(#fff, #10161b) !important}
[class*=st-key-nearest_films] button, [class*=st-key-nearest_films] button * {text-align: left}
[class*=st-key-films_found] button {min-height: 2rem; padding: 0.1rem 0.8rem; border-radius: 1rem}
"""


_ABOUT = "A graph neural network that recommends films and shows exactly why."


@st.cache_resource(show_spinner=False)
def settle_once(modules: int) -> None:
    """Once per server for each number of imported modules: tabs are imported when they are open."""
    settle()


def main() -> None:
    settle_once(len(sys.modules))
    limit_uploads()
    # A file of ours as the icon: an icon by name would come from another server.
    st.set_page_config("LightGCN Movies", PAGE_ICON, layout="wide")
    st.html(f"<style>{_STYLE}</style>")
    st.title("LightGCN Movies")
    about = st.empty()
    about.caption(_ABOUT)
    refuse_foreign_hosts()
    server = server_state()
    try:
        training_allowed()
        data = load_data(server)
        about.caption(f"{_ABOUT} Data: {escape(data.directory.name)}.")
    except (DataError, SettingError) as error:
        st.error(escape(str(error)), icon=":material/error:")
        st.stop()
    show_link_problems(data)
    keep_in_browser(data)
    model = current_model(data, server)
    arrive("tab", asked("tab", TABS, TABS[0]))
    remember_settings()
    tabs = st.tabs(TABS, key="tab", on_change="rerun")
    renderers = [show_start, show_recommendations, show_training_tab, show_insights]
    for tab, render in zip(tabs, renderers, strict=True):
        if tab.open:
            with tab:
                render(data, model)
    leave(tab=st.session_state["tab"])
    keep_settings_in_address()


# A tab is imported when it is first open: together they take a second that the first visitor of a
# server would wait for three of them in vain.


def show_start(data: MovieData, model: TrainedModel | None) -> None:
    from tabs.start_here import tab

    tab.render(data, model)


def show_recommendations(data: MovieData, model: TrainedModel | None) -> None:
    from tabs.recommendations import tab

    tab.render(data, model)


def show_training_tab(data: MovieData, model: TrainedModel | None) -> None:
    from tabs.train_model import tab

    tab.render(data, model, server_state())


def show_insights(data: MovieData, model: TrainedModel | None) -> None:
    from tabs.insights import tab

    tab.render(data, model)


def refuse_foreign_hosts() -> None:
    """The check of `serve.py` for who runs this file alone: nothing of the app is shown."""
    host = st.context.headers.get("Host")  # none under AppTest
    sentence = refusal(host, named_hosts()) if host else None
    if sentence:
        st.error(escape(sentence), icon=":material/block:")
        st.stop()


def show_link_problems(data: MovieData) -> None:
    """On the first run: say what the link asks for in vain, and leave the widgets only the rest."""
    if "link_problems" not in st.session_state:
        sound, st.session_state["link_problems"] = read_link(_query(), data)
        if st.session_state["link_problems"]:
            st.query_params.from_dict(sound)
            st.rerun()  # the widgets take their values from the address when a run begins
    for problem in st.session_state["link_problems"]:
        st.warning(escape(problem), icon=":material/link_off:")
    st.session_state["link_problems"] = []


def _query() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def load_data(server: ServerState) -> MovieData:
    """The data by the documented order; on the demo data, says so and offers the download."""
    folder = choose_data(server.data_folder(download_with_bar), server.data_sets())
    if folder.resolve() == DEMO_DIR:
        offer_download(server)
    return server.data(folder, st.spinner)


def choose_data(first: Path, sets: Mapping[str, Path]) -> Path:
    """The data set that this visitor looks at; a choice only where there are several."""
    wished = st.query_params.get(DATA)
    if wished is not None and wished not in sets:
        st.warning(
            f"The link asks for the data {escape(wished[:40])}, which are not here; "
            f"these are {escape(first.name)}.",
            icon=":material/link_off:",
        )
        del st.query_params[DATA]
    if len(sets) < 2:
        return first
    arrive(DATA, asked(DATA, sets, first.name))
    if st.session_state[DATA] not in sets:  # it was there a moment ago
        st.session_state[DATA] = first.name
    name = st.selectbox("Data set", sets, key=DATA, on_change=forget_settings, width=240)
    if name != first.name or DATA in st.query_params:
        leave(**{DATA: name})
    return sets[name]


def forget_settings() -> None:
    """A callback: users, films, genres and years of other data mean nothing in these."""
    forget(*OF_THE_DATA, *(name for names in BOUND.values() for name in names))


def download_with_bar() -> Path:
    """The folder; raises DataError."""
    bar = st.progress(0.0, "Downloading MovieLens from GroupLens …")
    try:
        return download_movielens(progress=lambda done, total: bar.progress(min(done / total, 1)))
    finally:
        bar.empty()


def offer_download(server: ServerState) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(
            "**Demo data:** real films, simulated viewers; a tour, no advice. "
            f"{escape(server.download_problem or '')}",
            icon=":material/science:",
            width="stretch",
        )
        wanted = training_allowed() and st.button(
            "Download MovieLens (1 MB)", icon=":material/download:"
        )
    if wanted:
        if server.download(download_with_bar):
            st.rerun()
        st.error(escape(server.download_problem or ""))


def current_model(data: MovieData, server: ServerState) -> TrainedModel | None:
    """The model that serves this visitor; where there is none, says why and what is done about it.

    That is the model in use for everybody, or one that this visitor tries.
    """
    found = server.model(data, st.spinner)
    follow_new_models(data, server)
    lasting = found.problem and found.problem.fault not in PASSING
    if found.problem and not (lasting and found.path):  # which the tab Train Model tells
        instead = " The last one that could be used serves meanwhile." if found.model else ""
        st.warning(
            escape(f"The model is not used: {found.problem}{instead}"), icon=":material/warning:"
        )
    if found.model is None:
        say_why_no_model(data, server)
    return model_tried(data, server, found.model) or found.model


def say_why_no_model(data: MovieData, server: ServerState) -> None:
    """Above the tabs, for all of them; starts a first training where nothing is in its way."""
    lack = server.why_no_model(data)
    if lack.state == "off":
        st.warning(
            "This server has no model for its data and does not train; its operator has to run "
            f"`{server.training_command(data)}`, then this page fills in by itself.",
            icon=":material/engineering:",
        )
    elif lack.state == "failed":
        st.error(
            escape(f"No model could be trained: {lack.reason} {lack.remedy}"),
            icon=":material/model_training:",
        )
    elif lack.state == "refused":
        st.button(
            "Train a new model",
            icon=":material/model_training:",
            help="It is kept beside the file above, which stays as it is.",
            on_click=server.start_first_training,
            args=(data,),
        )
    else:
        if lack.state == "absent":
            server.start_first_training(data)
        show_training(data, server)


def follow_new_models(data: MovieData, server: ServerState) -> None:
    """Run the page again when another model is in use: by another session, the command line, or a
    file that came."""
    seen = server.mark(data)

    @st.fragment(run_every=5.0)
    def look() -> None:
        if server.mark(data) != seen:
            st.rerun()

    look()


def show_training(data: MovieData, server: ServerState) -> None:
    """A progress line above the tabs until there is a model, or the training is over."""

    @st.fragment(run_every=0.5)
    def line() -> None:
        job = server.board.job
        # Its model serves while the run still measures the baselines.
        if job is None or job.status != "running" or server.model(data).model:
            st.rerun()
        what = "a first model" if job.data.fingerprint == data.fingerprint else "on other data"
        st.progress(
            job.share_done,
            f"Training {what} on {job.data.n_ratings:,} ratings: {job.doing}",
        )

    line()


main()
