# Two commands do everything on a fresh machine, set-up included: `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
export VIRTUAL_ENV := $(CURDIR)/.venv

.PHONY: setup run ui test soak lint check bench lock clean

setup: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

run: setup ## the pipeline on the embedded sample, offline
	$(BIN)/headwaters run --input sample --home data/sample

ui: setup ## the Dagster UI on loopback
	$(BIN)/headwaters ui

test: setup ## all tests; those that need real files or Chromium say so where they skip
	$(BIN)/python -m pytest -n 2 --dist loadfile

soak: setup ## the fault campaign: hours; stop it at will, it goes on where it was
	nice -n 15 $(BIN)/python -m tests.faults.campaign --kills 300 --full-disk 50 --races 50 --readers 50 --analysts 20 --resume data/soak.json --page docs/faults.md

lint: setup ## style, types, who may import whom, and whether the definitions load
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/dg check defs

check: lint test

bench: setup ## ratios against the named peers, in one run
	$(BIN)/python -m benchmarks.bench_engine
	$(BIN)/python benchmarks/bench_acs_api.py
	$(BIN)/python benchmarks/bench_acs_bulk.py

lock: setup ## resolve the dependencies anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev \
		--no-emit-index-url --no-strip-extras --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean:
	rm -rf .venv data .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
