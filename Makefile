# `make help` prints this page's targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
ARGS ?=
PY := .venv/bin/python
UV := .venv/bin/uv
# Bytecode is written at set-up even where the shell forbids it: else every process start compiles everything again.
INSTALL := env -u PYTHONDONTWRITEBYTECODE $(UV) pip install -q --compile-bytecode
MODELS_PY := .venv-models/bin/python

.PHONY: help setup run test test-ui test-console test-cluster lint format lock schema bench clean graphiql

help: ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make both Python environments and the pages
	@$(MAKE) --no-print-directory -j3 .venv/.made .venv-models/.made merlin/static/.made

.venv/bin/uv:
	@echo "Setting up (once) …"
	@python3 -m venv .venv
	@.venv/bin/pip install -q --require-hashes -r requirements/uv.txt

.venv/.made: .venv/bin/uv requirements/app.txt pyproject.toml client/pyproject.toml
	@$(INSTALL) --require-hashes -r requirements/app.txt
	@$(INSTALL) --no-deps --no-build-isolation -e . -e client
	@touch $@

.venv/.dev: .venv/.made requirements/dev.txt
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

.venv-models/.made: .venv/bin/uv requirements/models.txt client/pyproject.toml runtime/pyproject.toml
	@$(UV) venv -q --allow-existing .venv-models --python $$($(PY) -c 'import sys; print(sys._base_executable)')
	@$(INSTALL) --python $(MODELS_PY) --require-hashes -r requirements/models.txt
	@$(INSTALL) --python $(MODELS_PY) --no-deps --no-build-isolation -e runtime -e client
	@touch $@

# What the pages are made of; not what npm and the build put beside it.
PAGES := $(shell find ui -name node_modules -prune -o -type f ! -name generated.ts ! -name 'mantine*.css' -print 2>/dev/null)
NPM_CI := npm ci --silent --no-fund --no-audit

merlin/static/.made: $(PAGES) schema.graphql
	@mkdir -p merlin/static
	@if command -v npm > /dev/null; then \
	  for page in console graphiql; do \
	    (cd ui/$$page && { [ node_modules -nt package-lock.json ] || { $(NPM_CI) && touch node_modules; }; } && npm run --silent build) || exit 1; \
	  done; \
	else echo "npm was not found: console and GraphiQL are not built, their addresses will say so. Everything else works."; fi
	@touch $@

test-ui: merlin/static/.made ## run the console's component tests, and weigh its first page
	@if command -v npm > /dev/null; then cd ui/console && npm run --silent lint && npm run --silent test && npm run --silent weigh; \
	else echo "npm was not found: the console is not tested."; fi

run: setup ## start the platform; the first time, run the quickstart on it (ARGS=--empty: without)
	@$(PY) -m merlin.cli up --example examples/quickstart.py $(ARGS)

test: setup .venv/.dev ## run all tests but the ones that need a browser or a real Kubernetes
	$(PY) -m pytest -n 2 --dist loadgroup --ignore=tests/console $(ARGS)

# On its own: Playwright keeps an event loop running in its process, where no other asynchronous test could run.
test-console: setup .venv/.dev ## run the console's tests in a real browser (Chromium)
	$(PY) -m pytest -n 2 --dist loadfile $(or $(ARGS),tests/console)

test-cluster: setup .venv/.dev ## build a real Kubernetes control plane, run contract suite and main job on it
	$(PY) -m tests.cluster.run $(ARGS)

lint: setup .venv/.dev ## formatting, lints, types, import layers
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	# One call per distribution: each has a package called tests.
	.venv/bin/mypy merlin client/merlin_client runtime/merlin_runtime tests bench examples
	.venv/bin/mypy client
	.venv/bin/mypy runtime
	PYTHONPATH=runtime .venv/bin/lint-imports

format: setup .venv/.dev ## let ruff format and mend
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

lock: .venv/bin/uv ## resolve requirements/*.in anew into hashed lock files
	for name in app dev models; do $(UV) pip compile -q --generate-hashes --upgrade requirements/$$name.in -o requirements/$$name.txt; done

schema: setup ## write schema.graphql from the code
	$(PY) -m merlin.cli schema > schema.graphql

bench: setup .venv/.dev ## measure everything docs/benchmarks.md names; results go to bench/results
	$(PY) -m bench $(ARGS)

clean: ## remove what set-up made (not your data)
	rm -rf .venv .venv-models merlin/static ui/*/node_modules
