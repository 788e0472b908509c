# Two commands are all the set-up: `make run` and `make test`.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
VENDOR := src/logboom/web/static/vendor
UPLOT  := $(VENDOR)/uPlot.esm.js
ARGS   ?=
RUNS   ?= 20000
# One more than there are cores, as tests also wait; more than four gain nothing and only fill the memory with browsers and databases.
WORKERS ?= $(shell cores=$$(nproc 2>/dev/null || echo 1); [ $$cores -ge 4 ] && echo 4 || echo $$((cores + 1)))

.PHONY: help run test check format fuzz bench dist lock docs clean audit

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

# uPlot draws the page's charts. No failure here may keep the server from starting: without it the page has no charts.
# What is not there is tried again by the next run; the file that is loaded comes last, so that it stands for all three.
$(UPLOT): web-assets/package-lock.json
	@if ! command -v npm >/dev/null; then \
	  echo "charts are off: there is no npm to fetch uPlot with"; \
	elif ! npm ci --prefix web-assets --ignore-scripts --omit=dev --no-audit --no-fund --silent >/dev/null 2>&1; then \
	  echo "charts are off: uPlot could not be fetched; 'npm ci --prefix web-assets' tells why"; \
	else \
	  mkdir -p $(VENDOR) && \
	  cp web-assets/node_modules/uplot/LICENSE $(VENDOR)/uPlot.LICENSE.txt && \
	  cp web-assets/node_modules/uplot/dist/uPlot.min.css $(VENDOR)/ && \
	  cp web-assets/node_modules/uplot/dist/uPlot.esm.js $(VENDOR)/ || \
	  echo "charts are off: uPlot could not be copied to $(VENDOR)"; \
	fi

run: $(VENV)/.run $(UPLOT)  ## make the environment, then start the server (ARGS="--log-file all.jsonl")
	@exec $(BIN)/logboom serve $(ARGS)

test: $(VENV)/.test $(UPLOT)  ## run every test (ARGS="-k journal")
	@exec $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: $(VENV)/.test  ## lint, types, layers, generated docs, vulnerabilities
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m logboom.cli docs --check docs
	@$(MAKE) --no-print-directory audit

# One exit code stands for a finding and for no network: the text tells them apart.
audit: $(VENV)/.test  ## look for known vulnerabilities among the locked dependencies
	@found=$$($(BIN)/pip-audit --disable-pip --require-hashes -r requirements/run.txt --progress-spinner off --timeout 10 2>&1) \
	  || case "$$found" in \
	    *Found*vulnerabilit*) echo "$$found"; exit 1 ;; \
	    *) echo "audit: the advisory database can't be reached; nothing was checked" ;; \
	  esac

format: $(VENV)/.test  ## put the code into its standard form
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

# atheris is no part of the test requirements: it has wheels for x86-64 only.
fuzz: $(VENV)/.test  ## feed every door with what atheris makes up, some minutes long (RUNS=20000)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || { echo "fuzz: it wants atheris: $(BIN)/pip install atheris"; exit 1; }
	@exec $(BIN)/python tests/property/fuzz.py all $(RUNS)

bench: $(VENV)/.test  ## measure beside rsyslog and syslog-ng; writes bench/RESULTS.md
	@exec $(BIN)/python -m bench $(ARGS)

dist: $(VENV)/.test $(UPLOT)  ## build the wheel and the source archive
	@$(BIN)/python -m build --no-isolation --outdir dist

docs: $(VENV)/.run  ## regenerate the reference pages
	@$(BIN)/logboom docs docs

lock: $(VENV)/.test  ## renew the hashed lock files
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-tools
	@$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --allow-unsafe --strip-extras --all-extras --output-file requirements/run.txt pyproject.toml requirements/build.in
	@$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --allow-unsafe --strip-extras -c requirements/run.txt --output-file requirements/test.txt requirements/test.in

clean:  ## remove what was built (never data)
	@rm -rf $(VENV) $(VENDOR) web-assets/node_modules build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
