# The same few commands here and in continuous integration. Needs python3 (3.11 or newer), make and a package index.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
DEMO ?= demo
TESTS ?= tests
WORKERS ?= auto

.DEFAULT_GOAL := help
# Many containers set it; then every process of the tests would compile everything again.
unexport PYTHONDONTWRITEBYTECODE
# A check is of a step of the playbook; a signature is named as a kind of cause, by default its own name.
STEP ?=
NAME ?=
KIND ?=

.PHONY: help install install-spark demo test test-rates test-integrations test-frameworks lint format bench bench-calls bench-peers bench-faults bench-wild fuzz docs site build core oldest clean new-check new-signature
MINUTES ?= 60
SLICE ?= 1/1
CASES ?= 2000
SEED ?= 1
JOBS ?= 2

help:
	@echo "make install   virtual environment with everything for development"
	@echo "make install-spark   PySpark beside it (450 MB), for the tests of [engine] kind = \"spark\"; needs Java 17"
	@echo "make demo      the story of a model that was fitted again, on simulated letters; writes $(DEMO)/report.html"
	@echo "make test      the test suite (TESTS=tests/models for a part, ARGS=... for pytest)"
	@echo "make test-rates   null rates, powers and benchmarks at full size, before a release (an hour or two; BACKSLIDE_DATA for the real sets)"
	@echo "make test-integrations   recipes for schedulers, and what other packages write: each in an environment of its own, in build/integrations"
	@echo "make test-frameworks   deep models (PyTorch, Hugging Face, Keras) in an environment of their own, in build/frameworks"
	@echo "make lint      formatting, ruff, mypy, import-linter, the rules of the house"
	@echo "make new-check STEP=drift NAME=stale_values   the files of a new check, with an example to replace"
	@echo "make new-signature NAME=jumped_values KIND=unit_change   the same for a fault signature"
	@echo "make bench     speed and memory against a bare scan and a model's fit (FULL=1 for the sizes in docs/benchmarks.md)"
	@echo "make bench-calls   what recording a prediction and the serving guard cost a call, each beside the bare call; for a quiet machine"
	@echo "make bench-peers   the same tasks by Evidently, NannyML, whylogs and others, each in an environment in build/peers (ROWS=500000); table into docs/benchmarks.md"
	@echo "make bench-faults   faults done to the real data and what is named (MINUTES=60 each half); writes its tables into docs/benchmarks.md"
	@echo "make bench-wild   incidents in consecutive periods of the real data (MINUTES=60 each half, SLICE=1/3); tables into docs/benchmarks.md"
	@echo "make fuzz      hostile input for every command (CASES=2000, SEED=1, JOBS=2); writes its counts into docs/reliability.md"
	@echo "make docs      regenerate the reference pages and the JSON Schema"
	@echo "make site      the documentation as a site, build/site; a dead link or a stray page fails"
	@echo "make core      the wheel as users get it: core dependencies alone, every command, the tests marked core"
	@echo "make oldest    the tests marked core on the oldest declared versions (tools/oldest.txt)"
	@echo "make build     wheel and source archive in dist/, checked"

install: $(VENV)/.dev

# Stamps: the second time is quick, and a changed pyproject.toml installs again.
define venv
@test -x $(PY) || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "backslide needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
@test -x $(PY) || $(PYTHON) -m venv $(VENV)
endef

$(VENV)/.core: pyproject.toml
	$(venv)
	$(PIP) install -e .
	@touch $@

$(VENV)/.dev: pyproject.toml
	$(venv)
	$(PIP) install -e '.[dev]'
	@touch $(VENV)/.core $@

install-spark: $(VENV)/.spark

$(VENV)/.spark: $(VENV)/.dev
	$(PIP) install -e '.[spark]'
	@touch $@

$(VENV)/.site: $(VENV)/.core
	$(PIP) install -e '.[site]'
	@touch $@

$(VENV)/.release: $(VENV)/.core
	$(PIP) install -e '.[release]'
	@touch $@

demo: $(VENV)/.core
	$(PY) -m backslide demo --out $(DEMO)

test: $(VENV)/.dev
	$(PY) -m pytest $(TESTS) -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-rates: $(VENV)/.dev
	BACKSLIDE_RATES=1 $(PY) -m pytest tests -m rates -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-integrations: $(VENV)/.dev
	BACKSLIDE_INTEGRATIONS=1 $(PY) -m pytest tests/integrations $(ARGS)

# One version, because a wheel for processors alone is chosen where the index has it; elsewhere
# TORCH='torch --index-url https://download.pytorch.org/whl/cpu' leaves out the libraries for graphics cards.
TORCH ?= torch==2.13.0
FRAMEWORKS := build/frameworks

$(FRAMEWORKS)/.ready: pyproject.toml
	test -x $(FRAMEWORKS)/bin/python || $(PYTHON) -m venv $(FRAMEWORKS)
	$(FRAMEWORKS)/bin/python -m pip --disable-pip-version-check --quiet install $(TORCH)
	$(FRAMEWORKS)/bin/python -m pip --disable-pip-version-check --quiet install -e '.[torch,transformers,keras]' pytest hypothesis jsonschema
	@touch $@

test-frameworks: $(FRAMEWORKS)/.ready
	$(FRAMEWORKS)/bin/python -m pytest tests/frameworks $(ARGS)

lint: $(VENV)/.dev
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) tools/house.py

format: $(VENV)/.dev
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: $(VENV)/.dev
	$(PY) benchmarks/profile_scan.py $(if $(FULL),--rows 5000000 --columns 20 --repeats 3)
	$(PY) benchmarks/text_checks.py $(if $(FULL),--rows 1000000 --repeats 3)
	$(PY) benchmarks/diagnose_scaling.py $(if $(FULL),--rows 5000 10000 20000 40000 80000 --features 10 20 40 80 --repeats 3)

ROWS ?= 500000

bench-calls: $(VENV)/.dev
	$(PY) benchmarks/recorder.py --records 200000
	$(PY) benchmarks/serving_guard.py --calls 1000

bench-peers: $(VENV)/.dev
	$(PY) benchmarks/peers/run.py --rows $(ROWS) --into docs/benchmarks.md

bench-faults: $(VENV)/.dev
	for part in looked-at held-out; do \
		$(PY) benchmarks/faults/run.py --sets $$part --minutes $(MINUTES) --out results/faults-$$part.jsonl && \
		$(PY) benchmarks/faults/report.py results/faults-$$part.jsonl --into docs/benchmarks.md --part $$part --failing 25 || exit 1; \
	done

bench-wild: $(VENV)/.dev
	for part in looked-at held-out; do \
		$(PY) benchmarks/wild/run.py --part $$part --minutes $(MINUTES) --slice $(SLICE) --cache results/models --out results/wild-$$part.jsonl && \
		$(PY) benchmarks/wild/report.py results/wild-$$part.jsonl --into docs/benchmarks.md || exit 1; \
	done

new-check: $(VENV)/.dev
	$(PY) tools/scaffold.py check --step '$(STEP)' --name '$(NAME)'

new-signature: $(VENV)/.dev
	$(PY) tools/scaffold.py signature --name '$(NAME)' $(if $(KIND),--kind '$(KIND)')

fuzz: $(VENV)/.dev
	$(PY) tests/fuzz/run.py --cases $(CASES) --seed $(SEED) --jobs $(JOBS) --into docs/reliability.md

docs: $(VENV)/.dev
	$(PY) tools/build_docs.py

site: $(VENV)/.site
	$(PY) -m sphinx --fail-on-warning --keep-going --nitpicky --quiet --fresh-env -b html docs build/site
	@echo "build/site/index.html"

build: $(VENV)/.release
	rm -rf dist
	$(PY) -m build
	$(PY) -m twine check --strict dist/*

core:
	$(PYTHON) tools/check_core.py

oldest:
	$(PYTHON) tools/check_core.py --oldest --tests-only

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
