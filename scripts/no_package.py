"""The build backend of a project that is no package: it says so (PEP 517, see pyproject.toml)."""

from __future__ import annotations

from typing import NoReturn

SENTENCE = (
    "LightGCN Movies is an application that runs from its checkout and not a package to build or "
    "install: use `make run`, or `pip install -r requirements.txt` and `streamlit run app.py`."
)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise SystemExit(SENTENCE)


build_wheel = build_sdist = build_editable = _refuse
