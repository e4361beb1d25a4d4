# Two commands do all the set-up: `make demo` trains and judges a model, `make test` checks everything but what takes
# long, which `make test-slow` does.
#
#   PYTHON       which Python makes the virtual environment (3.11 or newer)
#   TORCH_INDEX  address of a PyTorch wheel index, for the CPU build of torch:
#                make demo TORCH_INDEX=<the address that pytorch.org's "Get Started" shows for pip and CPU>

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
BIN := $(VENV)/bin

.PHONY: demo test test-slow check format clean

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

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

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
