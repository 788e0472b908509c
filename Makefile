# Two commands are all the set-up: `make run` and `make test`.
.DEFAULT_GOAL := help
PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
# One environment per interpreter: .venv is python3's, and `make test PYTHON=python3.12` has .venv-3.12.
VENV   := .venv$(if $(filter-out file,$(origin PYTHON)),-$(VERSION))
BIN    := $(VENV)/bin
# The stamps lie where packages do, so that an environment of an older interpreter, before an upgrade of the system, has none.
STAMPS := $(VENV)/lib/python$(VERSION)
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
VENDOR := src/logboom/web/static/vendor
UPLOT  := $(VENDOR)/uPlot.esm.js
NODE_CLIENTS := tests/clients/node
SYSLOG_NG := tests/clients/syslog-ng
ARGS   ?=
RUNS   ?= 20000
# One more than there are cores, as tests also wait; more than four gain nothing and only fill the memory with browsers and databases.
WORKERS ?= $(shell cores=$$(nproc 2>/dev/null || echo 1); [ $$cores -ge 4 ] && echo 4 || echo $$((cores + 1)))

.PHONY: help run test clients images coverage check format fuzz bench dist lock docs schemas clean audit

help:  ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# A stamp names what it was made from: a second run finds it fresh and starts at once.
$(STAMPS)/.run: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Logboom needs Python 3.11 or newer; $(PYTHON) is $(or $(VERSION),not there). Another one: make run PYTHON=python3.12"; exit 1; }
	@test -d $(STAMPS) -a -x $(BIN)/python || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/.test: $(STAMPS)/.run requirements/test.txt
	@$(PIP) install --require-hashes -r requirements/test.txt
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

run: $(STAMPS)/.run $(UPLOT)  ## make the environment, then start the server (ARGS="--log-file all.jsonl")
	@exec $(BIN)/logboom serve $(ARGS)

# With it in the environment each process would compile the program, and each test process all tests, again.
test clients coverage: export PYTHONDONTWRITEBYTECODE :=

test: $(STAMPS)/.test $(UPLOT)  ## run every test (ARGS="-k journal")
	@exec $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --ignore=tests/clients $(ARGS)

$(STAMPS)/.clients: $(STAMPS)/.test requirements/clients.txt
	@$(PIP) install --require-hashes -r requirements/clients.txt
	@touch $@

# npm writes this file when all is installed. Without it the tests with Node.js are skipped, or fail where CI=true.
$(NODE_CLIENTS)/node_modules/.package-lock.json: $(NODE_CLIENTS)/package-lock.json
	@if ! command -v npm >/dev/null; then \
	  echo "clients for Node.js are not tested: there is no npm"; \
	elif npm ci --prefix $(NODE_CLIENTS) --ignore-scripts --no-audit --no-fund --silent >/dev/null 2>&1; then \
	  touch $@; \
	else \
	  echo "clients for Node.js are not tested: 'npm ci --prefix $(NODE_CLIENTS)' prints the reason"; \
	fi

$(SYSLOG_NG):
	@tests/clients/unpack_syslog_ng $@

clients: $(STAMPS)/.clients $(NODE_CLIENTS)/node_modules/.package-lock.json $(SYSLOG_NG)  ## run the tests with real clients: rsyslog, logger, HAProxy, nginx, libraries
	@exec $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile tests/clients $(ARGS)

images: $(STAMPS)/.test $(UPLOT)  ## take the screenshots of the docs again
	@DOCS_IMAGES=docs/images $(BIN)/python -m pytest tests/browser/test_images.py

coverage: $(STAMPS)/.test $(UPLOT)  ## run every test, then list the lines that none reaches; fails below 90 %
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n $(WORKERS) --dist loadfile --ignore=tests/clients $(ARGS); tests=$$?; \
	  $(BIN)/coverage combine --quiet && $(BIN)/coverage report && exit $$tests

check: $(STAMPS)/.test  ## lint, types, layers, generated docs, vulnerabilities
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m logboom.cli docs --check docs
	@$(MAKE) --no-print-directory audit

# One exit code stands for a finding and for no network: the text tells them apart.
audit: $(STAMPS)/.test  ## look for known vulnerabilities among the locked dependencies
	@found=$$($(BIN)/pip-audit --disable-pip --require-hashes -r requirements/run.txt --progress-spinner off --timeout 10 2>&1) \
	  || case "$$found" in \
	    *Found*vulnerabilit*) echo "$$found"; exit 1 ;; \
	    *) echo "audit: the advisory database can't be reached; nothing was checked" ;; \
	  esac

format: $(STAMPS)/.test  ## put the code into its standard form
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

# atheris is no part of the test requirements: it has wheels for x86-64 only.
fuzz: $(STAMPS)/.test  ## feed every door with what atheris makes up, some minutes long (RUNS=20000)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || { echo "fuzz: it wants atheris: $(BIN)/pip install atheris"; exit 1; }
	@exec $(BIN)/python tests/property/fuzz.py all $(RUNS)

bench: $(STAMPS)/.test  ## measure beside rsyslog and syslog-ng; writes bench/RESULTS.md
	@exec $(BIN)/python -m bench $(ARGS)

dist: $(STAMPS)/.test $(UPLOT)  ## build the wheel and the source archive
	@$(BIN)/python -m build --no-isolation --outdir dist

docs: $(STAMPS)/.run  ## regenerate the reference pages
	@$(BIN)/logboom docs docs

schemas: $(STAMPS)/.test  ## compile the gRPC schemas after a change of a .proto file
	@cd src/logboom/schemas && for name in *.proto; do \
		$(abspath $(BIN))/python -m grpc_tools.protoc -I. --descriptor_set_out=$${name%.proto}.pb $$name || exit 1; \
	done

# Each file holds for every interpreter and system: what only some need has a marker. pip is left out: one that replaces
# itself while it installs others can fail half-way.
LOCK = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-emit-package pip --custom-compile-command 'make lock' $(ARGS)
lock: $(STAMPS)/.test  ## renew the hashed lock files (ARGS=--upgrade)
	@$(PIP) install uv
	@$(LOCK) --all-extras --output-file requirements/run.txt pyproject.toml requirements/build.in
	@$(LOCK) --constraints requirements/run.txt --extra server --output-file requirements/plain.txt pyproject.toml requirements/build.in
	@$(LOCK) --constraints requirements/run.txt --output-file requirements/test.txt requirements/test.in
	@$(LOCK) --constraints requirements/run.txt --constraints requirements/test.txt --output-file requirements/clients.txt requirements/clients.in

clean:  ## remove what was built (never data)
	@rm -rf .venv .venv-* $(VENDOR) web-assets/node_modules $(NODE_CLIENTS)/node_modules $(SYSLOG_NG) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
