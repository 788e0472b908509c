# Two commands are all the set-up: `make run` and `make test`.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

.PHONY: help run test check format bench dist lock docs clean

help:  ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# The stamps name what they were made from: a second run finds them fresh and starts at once.
$(VENV)/.run: requirements/run.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	@touch $@

run: $(VENV)/.run  ## make the environment, then start the server (ARGS="--log-file all.jsonl")
	@exec $(BIN)/logboom serve $(ARGS)

test: $(VENV)/.test  ## run every test (ARGS="-k journal")
	@exec $(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.test  ## lint, types, layers, generated docs
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m logboom.cli docs --check docs

format: $(VENV)/.test  ## put the code into its standard form
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(VENV)/.test  ## measure beside rsyslog and syslog-ng; writes bench/RESULTS.md
	@exec $(BIN)/python -m bench $(ARGS)

dist: $(VENV)/.test  ## build the wheel and the source archive
	@$(BIN)/python -m build --no-isolation --outdir dist

docs: $(VENV)/.run  ## regenerate the reference pages
	@$(BIN)/logboom docs docs

lock: $(VENV)/.test  ## renew the hashed lock files
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-tools
	@$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --allow-unsafe --strip-extras --all-extras --output-file requirements/run.txt pyproject.toml requirements/build.in
	@$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --allow-unsafe --strip-extras -c requirements/run.txt --output-file requirements/test.txt requirements/test.in

clean:  ## remove what was built (never data)
	@rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
