# Two commands matter: `make run` and `make test`. Each sets up what it needs; nothing but Python 3.11+ and make is assumed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test lint format apiserver bench docs docs-check lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(VENV)/run.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(VENV)/dev.stamp ## Install the product and the tools of its developers into .venv

run: $(VENV)/run.stamp ## Show a sample fleet with the image of every hosted cluster, and why (ARGS='--until-settled')
	$(BIN)/pilotage up $(ARGS)

test: setup ## Run the tests (ARGS='-k reference')
	$(BIN)/python -m pytest -n auto $(ARGS)

lint: setup ## Style, strict types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Rewrite the code in the one style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

apiserver: ## Build a real kube-apiserver and etcd for the contract tests, once (needs Go; about 4 minutes)
	@tools/apiserver/build.sh

bench: setup ## Measure what the product exists for; prints JSON (ARGS='resolve')
	@$(BIN)/python -m bench $(ARGS)

docs: setup ## Write the reference pages that are generated from the code
	$(BIN)/python tools/reference.py --write

docs-check: setup ## Fail when a generated page differs from the code
	$(BIN)/python tools/reference.py --check

lock: setup ## Choose the newest versions that pyproject.toml allows, with hashes
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 pyproject.toml --group build -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 pyproject.toml --group build --group dev -o requirements-dev.lock

clean: ## Remove what the targets above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
