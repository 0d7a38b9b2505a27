# `make run`, `make check` and `make test` do all the set-up on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n auto --no-loadscope-reorder

.PHONY: run api check test thorough lint audit train data benchmark screenshots clean

run: $(VENV)/app-installed
	-$(BIN)/python -m sources.download
	$(BIN)/python serve.py

# The API without the page, on port 8000.
api: $(VENV)/app-installed
	-$(BIN)/python -m sources.download
	$(BIN)/python -m api.server

# Everything; see pytest_collection_modifyitems in tests/conftest.py for what runs beside what.
test: lint
	$(PYTEST)

# Everything with its full numbers: kills, damaged bodies, visitors.
thorough: lint
	$(PYTEST) --thorough

# What needs neither a server nor a page: for a look between two changes.
check: lint
	$(PYTEST) -m "not pages and not browser"

lint: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Known vulnerabilities of the dependencies; skipped with a reason where no database answers.
audit: $(VENV)/dev-installed
	$(BIN)/python -m scripts.audit

train: $(VENV)/app-installed
	$(BIN)/python model_training.py

data: $(VENV)/app-installed
	$(BIN)/python -m sources.download

benchmark: $(VENV)/dev-installed
	$(BIN)/python benchmarks/run.py
	$(BIN)/python scripts/update_readme.py

screenshots: $(VENV)/dev-installed
	$(BIN)/python scripts/screenshots.py

# A stamp per requirements file: pip runs again only when the file changes.
$(VENV)/app-installed: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip  # as uv makes it
	$(BIN)/python -m pip install -q -r requirements.txt
	touch $@

$(VENV)/dev-installed: requirements-dev.txt $(VENV)/app-installed
	$(BIN)/python -m pip install -q -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV)
