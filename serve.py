"""Page and API in one process, the API under /api: `python serve.py`, with Streamlit's options.

Both read the same data and the same model from `serving`. It is a file of its own because app.py is
run anew for every interaction.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Mount
from streamlit.web import cli

from api.app import Limits, create_app
from api.current import Current
from serving.hosts import HostCheck
from serving.state import server_state
from settings import PROJECT_DIR, PROXIES_VARIABLE, SettingError, training_allowed


def build() -> st.App:
    """Page and API behind one check of the host.

    Raises:
        SettingError: an environment variable has an impossible value.
    """
    training_allowed()
    current = Current(server_state())

    @asynccontextmanager
    async def lifespan(_: st.App) -> AsyncIterator[None]:
        current.start()  # a mounted app's own lifespan is not run
        try:
            yield
        finally:
            current.stop()

    app = st.App(  # by this very name and call `streamlit run` knows what to do with this file
        PROJECT_DIR / "app.py",
        routes=[Mount("/api", create_app(current, Limits()))],
        middleware=[Middleware(HostCheck)],
        lifespan=lifespan,
    )
    return app


if __name__ == "__main__":
    # uvicorn believes X-Forwarded-For of this machine's own addresses unless it is told otherwise,
    # and is told before it imports the app.
    os.environ.setdefault(PROXIES_VARIABLE, "")
    sys.exit(cli.main(["run", __file__, *sys.argv[1:]]))

try:
    app = build()
except SettingError as error:
    sys.exit(str(error))
