# Every target sets up what it needs. `make demo` shows the cloud; `make check` is what to run before each commit.
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help setup demo check lint types fast test long bench lock clean

help: ## Say what there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: ## .venv/bin/hideaway, its locked dependencies and, as root, the Debian programs
	@scripts/setup.sh

demo: setup ## Build the document's cluster and show its isolation on packets (ARGS=... go to `hideaway demo`)
	@$(BIN)/hideaway demo $(ARGS)

check: setup ## Style, types, layers and the fast tests, in under a minute
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint types fast

lint:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types:
	@$(BIN)/mypy

fast:
	@$(BIN)/python -m pytest -n 2 -m "not slow and not packets" $(ARGS)

test: setup ## Everything, the packet tests both as root and as an ordinary user (40 minutes at most on 2 cores)
	@scripts/test.sh $(ARGS)

long: setup ## What takes longer than `make test` may; writes its report to docs/long.md
	@scripts/long.sh $(ARGS)

bench: setup ## Measure against the peers; writes docs/benchmarks.md
	@$(BIN)/python -m scripts.bench $(ARGS)

lock: ## Lock the Python dependencies anew (ARGS=--upgrade for newer versions)
	@scripts/lock.sh $(ARGS)

clean: ## Remove all that make made here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
