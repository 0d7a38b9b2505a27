"""The kept models: what each is, which one is in use, another one tried, put in use or named."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from data_preparation import MovieData
from model.checkpoints import CheckpointError
from model.store import MAX_BYTES, MAX_NAMED, MAX_TITLE, MAX_UNNAMED, KeptModel
from serving.state import ServerState
from serving.training_job import JobRefusedError
from tabs.shared import escape
from tabs.train_model.controls import PROTOCOL_NAMES, shown_as
from tabs.train_model.trying import begin_trying, promote_button


def show_models(data: MovieData, server: ServerState, changeable: bool = True) -> None:
    """The kept models of the data, and what can be done with them.

    Args:
        changeable: visitors may change the model in use.
    """
    models = server.kept(data)
    if not models:
        return
    st.subheader("Kept models")
    if problem := server.model(data).problem:
        st.caption(escape(f"{problem} That file stays as it is; one of these is in use instead."))
    _table(models)
    st.caption(
        f"Every training adds one. Kept are the one in use, up to {MAX_NAMED} that have a name, "
        f"and the newest {MAX_UNNAMED} without one, at most {MAX_BYTES / 2**30:.0f} GiB over all "
        "data. Beyond that the oldest without a name goes first."
    )
    if changeable:
        _change(data, server, {kept.name: kept for kept in models})


def _table(models: tuple[KeptModel, ...]) -> None:
    rows = [
        {
            "name": kept.title,
            "saved (UTC)": kept.header.saved_at[:19].replace("T", " "),
            "in use": "in use" if kept.in_use else "",
            "NDCG@20 on validation": f"{kept.header.validation:.4f}",
            "held out": PROTOCOL_NAMES[kept.header.protocol],
            "model": kept.header.config.model,
            "embedding size": shown_as("dim")(kept.header.config.dim),
            "layers": kept.header.config.layers,
            "epochs": kept.header.config.epochs,
            "refitted": "yes" if kept.header.refitted else "no",
            "MiB": f"{kept.size / 2**20:,.1f}",
            "file": kept.name,
        }
        for kept in models
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height=min(38 + 35 * len(rows), 320),
        alt="The kept models with their settings and validation scores",
    )


def _change(data: MovieData, server: ServerState, by_name: dict[str, KeptModel]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Kept model",
            list(by_name),
            format_func=lambda name: _option(by_name[name]),
            key="kept_model",
            width=420,
        )
        st.button(
            "Try it",
            icon=":material/visibility:",
            on_click=begin_trying,
            args=(data, chosen),
            help="In all tabs, for you alone.",
        )
        promote_button(data, server, chosen, "kept")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = st.text_input(
            "Its name",
            by_name[chosen].title,
            max_chars=MAX_TITLE,
            key=f"title_{chosen}",
            help="A model with a name never gives way to newer ones. An empty name takes it away.",
            width=420,
        )
        if st.button("Save the name", icon=":material/label:"):
            try:
                server.rename(data, chosen, title)
            except (JobRefusedError, CheckpointError) as error:
                st.error(escape(str(error)))
            else:
                st.rerun()


def _option(kept: KeptModel) -> str:
    """In the list to choose from."""
    score = f"{kept.header.validation:.4f} on validation"
    return f"{kept.label} · {score}{' · in use' if kept.in_use else ''}"
