# Konsil. `make help` lists what there is.
.DEFAULT_GOAL := help
.PHONY: help setup demo pictures test soak check bench catalogues openapi
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(if $(shell $(p) -c 'import sys; print(sys.version_info >= (3, 11) or "")' 2>/dev/null),$(p))))
BIN := .venv/bin

help:  ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.ready: requirements.lock tests/browser/axe.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Konsil needs Python 3.11 or newer, with pip and venv; none was found." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes --upgrade --target .venv/axe -r tests/browser/axe.lock
	@touch $@

.venv/provider/.ready: .venv/.ready tests/provider.lock
	@test -x .venv/provider/bin/python || $(BIN)/python -m venv .venv/provider
	.venv/provider/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r tests/provider.lock
	@touch $@

.venv/toot/.ready: .venv/.ready tests/toot.lock
	@test -x .venv/toot/bin/python || $(BIN)/python -m venv .venv/toot
	.venv/toot/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r tests/toot.lock
	@touch $@

setup: .venv/.ready  ## the environment with everything locked

demo: setup  ## seven countries on this machine; ARGS="--check" runs the cross-border round by itself
	$(BIN)/konsil demo $(ARGS)

pictures: setup  ## the picture tour in docs/ made anew, with a demo and a browser of its own; ARGS="home case" for some scenes
	$(BIN)/python -m tests.browser.tour $(ARGS)

test: setup .venv/provider/.ready .venv/toot/.ready  ## the whole suite
	$(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

soak: setup  ## the faults for hours: 200 kills, 100 000 activities after a month's outage; prints its figures
	SOAK=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests/faults $(ARGS)

check: setup  ## style, types, the arrow between the packages
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

bench: setup  ## what it costs, as ratios measured in one run; ARGS="inbox", bundles, spread, home, api, search, delivery, backlog, linter, live or streams for a part of it
	$(BIN)/python -m benchmarks $(ARGS)

catalogues: setup  ## bring the translations of all languages into step with the sentences; says what is left to translate
	$(BIN)/python -m catalogues

openapi: setup  ## docs/openapi.json made anew from the routes that apps have
	$(BIN)/python -m instance.api.describing docs/openapi.json
