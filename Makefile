# Two commands do all the set-up: `make demo` trains and judges a model, `make test` checks everything but what takes
# long, which `make test-slow` does. The others are for those who change affectml (CONTRIBUTING.md).
#
#   PYTHON       which Python makes the virtual environment (3.11 or newer)
#   TORCH_INDEX  address of a PyTorch wheel index, for the CPU build of torch:
#                make demo TORCH_INDEX=<the address that pytorch.org's "Get Started" shows for pip and CPU>

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
BIN := $(VENV)/bin

.PHONY: demo test test-slow check api format docs bench wheel-test clean

demo: $(VENV)/.installed
	$(BIN)/affectml train --multilabel

# One process more than cores, since tests in a browser wait for it a third of their time; in the order of the files:
# by number of tests, as xdist has it, the few that take longest would come last.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(8, (os.cpu_count() or 1) + 1))')
PYTEST = $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(VENV)/.installed-dev
	$(PYTEST) -m 'not slow'

# pytest ends with 5 where it finds none
test-slow: $(VENV)/.installed-dev
	$(PYTEST) -m slow || [ $$? -eq 5 ]

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/public_api.py

# after a change of the public interface that is meant: docs/api/public.txt is committed with it
api: $(VENV)/.installed-dev
	$(BIN)/python scripts/public_api.py --write

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "the site: $(CURDIR)/site/index.html"

# One short look at each subject that has a benchmark, in about BENCH_MINUTES on two cores, for seeing whether a change
# costs time or quality. The figures in benchmarks/README.md come from the longer runs that it names.
bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/metrics.py --rows 20000 --runs 3 --no-growth --dry-run
	$(BIN)/python benchmarks/annotation.py agreement
	$(BIN)/python benchmarks/heads.py --seeds 2 --images 400 --only topk --cache build/heads-cache --dry-run
	$(BIN)/python benchmarks/subgroups.py --seeds 8 --dry-run

# the built wheel, installed and run from elsewhere: newest versions, lowest declared versions, Python 3.13
wheel-test: $(VENV)/.installed-dev
	PYTHON="$(PYTHON)" BIN="$(BIN)" scripts/wheel_test.sh

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.torch:
	@$(PYTHON) -c 'import sys; sys.exit("affectml needs Python 3.11 or newer, this is %s: make PYTHON=python3.12 ..." % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --quiet torch torchvision --index-url "$(TORCH_INDEX)")
	@touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/.torch
	@echo "installing affectml and what it stands on (a few minutes the first time) ..."
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/.torch
	@echo "installing affectml with its development tools (a few minutes the first time) ..."
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@ $(VENV)/.installed
