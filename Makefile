# The commands of Observer. Each sets up what it needs first and can be repeated.
# ARGS passes options on:  make up ARGS="--speed 60"
.DEFAULT_GOAL := help
.PHONY: help up demo test bench images k3s-test setup lock clean
MAKEFLAGS += --no-print-directory
ARGS ?=

help: ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

up: setup ## start the local stack: PostgreSQL, simulated broker, collector, Dagster; Ctrl-C stops it
	@.venv/bin/observer up $(ARGS)

demo: setup ## run one virtual trading day and prove that nothing was lost (about three minutes)
	@.venv/bin/observer demo $(ARGS)

test: setup ## run all tests and checks; a path narrows the tests: make test ARGS=tests/observer_core
	@tools/check $(ARGS)

bench: setup ## run the benchmarks; names narrow them: make bench ARGS=contracts
	@.venv/bin/python bench/run.py $(ARGS)

images: setup ## build the images for amd64 and arm64 with docker or podman, tagged by the commit
	@.venv/bin/python tools/images.py $(ARGS)

k3s-test: setup ## the acceptance on a real cluster: make k3s-test KUBECONFIG=FILE (it replaces the collector's pods)
	@OBSERVER_K3S_TEST="$(KUBECONFIG)" .venv/bin/pytest tests/k3s -rs --timeout 1800 $(ARGS)

setup: ## prepare .venv; the other commands call it
	@tools/setup

lock: setup ## write requirements.lock anew from pyproject.toml
	@.venv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-strip-extras --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet \
	  --output-file requirements.lock
	@! grep -nE 'https?://|file:' requirements.lock || { echo 'requirements.lock must not name addresses'; exit 1; }
	@.venv/bin/python tools/image_requirements.py
	@echo 'requirements.lock is up to date; read its difference before you commit it'

clean: ## remove everything that was made: .venv, var, caches
	@for lock in var/*/lock; do \
	  [ ! -e "$$lock" ] || flock -n "$$lock" true || { echo "A stack runs in $${lock%/lock}; stop it first."; exit 1; }; \
	done
	@rm -rf .venv var .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo 'removed .venv, var and the caches'
