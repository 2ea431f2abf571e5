# Everything runs on .venv, which is made from requirements.lock alone.
# PYTHON chooses the interpreter: make PYTHON=/path/to/python3.12 run

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CONFIG ?= tfx_config/quickstart.yaml
PYTHON ?=

PIP := $(BIN)/python -m pip install --disable-pip-version-check
# Bars are for a terminal.
PROGRESS = $$([ -t 2 ] || echo --quiet)

# Something on the PATH may be a stub that does not start, so candidates are tried.
SUPPORTED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
FIND_PYTHON = for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python); do \
	if $$python -c '$(SUPPORTED)' 2>/dev/null; then command -v $$python; exit 0; fi; done; \
	echo "no usable Python 3.11, 3.12 or 3.13 (with venv) found among: \
	$(or $(PYTHON),python3.13 python3.12 python3.11 python3 python); install one or say PYTHON=/path/to/python" >&2; exit 1

UV ?= uv
COMPILE = $(UV) pip compile --quiet --no-header --generate-hashes --python-platform x86_64-manylinux_2_28

JOB_SERVERS := $(foreach runner,flink spark,$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tfrs-pipeline/$(runner)-job-server.jar)

.PHONY: help run test coverage test.docs test.slow test.benchmarks lint docs docs.generate docs.pictures format lock job-server clean

help:  ## list these targets
	@grep -hE '^[a-z.]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z.]+):.*## /  make \1\t/' | expand -t 16

run: $(STAMP)  ## run the pipeline of CONFIG (tfx_config/quickstart.yaml) from ingestion to a pushed model
	@$(BIN)/python -m pipeline run $(CONFIG)

test: $(STAMP)  ## run the whole test suite
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

# In pyproject.toml the floor would fail every run of a part of the suite.
coverage: $(STAMP)  ## run the whole test suite, report the lines and branches it reaches, fail below the floor
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --cov --cov-report term --cov-report xml --cov-fail-under 85

test.slow: $(STAMP)  ## kill every command at a hundred places and run the tutorial, which takes an hour
	@$(BIN)/python -m pytest -m slow

test.docs: $(STAMP)  ## run the tutorial, the notebooks and the page on Python, which takes some minutes
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-notebook.lock
	@$(BIN)/python -m pytest -m 'slow or not slow' tests/docs tests/tfrs_pipeline \
		tests/dataplane/beam_runner/test_beam_notebooks.py tests/e2e/test_python.py

test.benchmarks: $(STAMP)  ## run every benchmark at its quick size, which takes some minutes
	@$(BIN)/python -m pytest -m 'benchmark or not slow' tests/benchmarks

lint: $(STAMP)  ## check style, formatting, types and import layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)  ## build the documentation into build/site, and check its links
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs.generate: $(STAMP)  ## write the configuration reference, its JSON schema and the tables of benchmarks anew
	$(BIN)/python -m tools.docs

docs.pictures: $(STAMP)  ## take the pictures of a run and of its report anew (needs Chromium)
	$(BIN)/python -m tools.pictures

format: $(STAMP)  ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

$(VENV): $(STAMP)  ## make the virtual environment from requirements.lock

# uv installs the same files as pip, several times as fast and with a bar; where it cannot reach the index, pip may.
$(STAMP): requirements.lock requirements-uv.lock setup.py
	@python=$$($(FIND_PYTHON)); \
	echo "making $(VENV) with $$python ($$($$python --version)): 4 GB, a minute or two the first time"; \
	rm -rf $(VENV); $$python -m venv $(VENV)
	@{ $(PIP) --quiet --require-hashes -r requirements-uv.lock && \
	$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements.lock $(PROGRESS); } || \
	{ echo "uv could not install; pip does it, which takes a few minutes"; \
	$(PIP) --require-hashes -r requirements.lock $(PROGRESS); }
	@$(PIP) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Resolved for the oldest supported Python, then checked to install on the newer ones as it is.
lock:  ## make requirements.lock anew from setup.py (needs uv)
	$(COMPILE) --upgrade --python-version 3.11 --extra dev --extra serving --extra report --extra mlflow setup.py --output-file requirements.lock
	for version in 3.12 3.13; do $(COMPILE) --python-version $$version requirements.lock >/dev/null; done
	printf 'pandas\nipykernel\nnbclient\n' | $(COMPILE) --python-version 3.11 --constraint requirements.lock - --output-file requirements-notebook.lock
	printf 'uv\n' | $(COMPILE) --upgrade --python-version 3.11 - --output-file requirements-uv.lock

job-server: $(JOB_SERVERS)  ## assemble the job servers of Flink and Spark from Beam's library jars (needs mvn and Java)
	@printf '%s\n' $(JOB_SERVERS)

%-job-server.jar: tools/job_server/pom.xml
	mvn --quiet --batch-mode --file $< -Ddirectory=$(CURDIR)/build/$(*F) -P$(*F) package
	mkdir -p $(@D)
	mv build/$(*F)/job-server.jar $@

clean:  ## remove the virtual environment and caches; runs/ is kept
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* coverage.xml
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
