# Two commands do all the set-up: `make demo` trains and judges a model, `make test` checks everything but what takes
# long, which `make test-slow` does. The others are for those who change affectml (CONTRIBUTING.md).
#
#   PYTHON       which Python makes the virtual environment (3.11 or newer)
#   EXTRA        which development tools: dev (light), dev-all (no test skipped for want of a package)
#   TORCH_INDEX  address of a PyTorch wheel index, for the CPU build of torch:
#                make demo TORCH_INDEX=<the address that pytorch.org's "Get Started" shows for pip and CPU>

PYTHON ?= python3
VENV ?= .venv
EXTRA ?= dev
TORCH_INDEX ?=
BIN := $(VENV)/bin
PROJECTS := pyproject.toml metrics/pyproject.toml annotation/pyproject.toml

# tests start hundreds of processes, and each would compile all of ours again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow check api format docs pictures bench wheel-test alone-test clean

demo: $(VENV)/.installed
	$(BIN)/affectml train --multilabel

# One process more than cores, which a browser and a server beside most tests of the pages keep busy; in the order of
# the files: by number of tests, as xdist has it, the few that take longest would come last. A worker that a hung test
# ended is not replaced: the next one would begin the same file again, hang in the same test, and so on four times as
# often as workers.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(8, (os.cpu_count() or 1) + 1))')
PYTEST = $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

test: $(VENV)/.installed-$(EXTRA)
	$(PYTEST) -m 'not slow' $(ARGS)

# pytest ends with 5 where it finds none
test-slow: $(VENV)/.installed-$(EXTRA)
	$(PYTEST) -m slow || [ $$? -eq 5 ]

check: $(VENV)/.installed-$(EXTRA)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/public_api.py

# after a change of the public interface that is meant: docs/api/public.txt is committed with it
api: $(VENV)/.installed-$(EXTRA)
	$(BIN)/python scripts/public_api.py --write

format: $(VENV)/.installed-$(EXTRA)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-$(EXTRA)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "the site: $(CURDIR)/site/index.html"

# those in README.md and docs/, taken of the demo in Chromium; after a change of how a page looks
pictures: $(VENV)/.installed-$(EXTRA)
	PYTHONPATH=benchmarks OMP_NUM_THREADS=1 $(BIN)/python scripts/pictures.py

# Benchmarks. `make bench-TOPIC` measures one and writes its part of benchmarks/README.md, with the machine and the
# versions; `make bench` measures all of them in turn, which takes most of a day. On a machine that nothing else uses.
# Peers are in the extra `bench`. Topics about real data look for it where the tests do (AFFECTML_TEST_DATA).
#
#   make bench-metrics ARGS="--rows 20000"    more options: python benchmarks/metrics.py --help
ARGS ?=
DATA = $${AFFECTML_TEST_DATA:?names the folder of real test data, see CONTRIBUTING.md}
MEASURE = OMP_NUM_THREADS=1 $(BIN)/python benchmarks
PRINTED = $(MEASURE)/section.py
TOPICS := annotation audit bias embedding emotion6 distributions explanation explore growth heads intervals \
	kernel load memory metrics month people planning promises relabel scale subgroups
BENCHES := $(TOPICS:%=bench-%)
.PHONY: $(BENCHES) bench-look

bench: $(BENCHES)
$(BENCHES) bench-look: $(VENV)/.installed-$(EXTRA)

bench-annotation:
	$(PRINTED) annotation.py agreement $(ARGS)
	$(PRINTED) annotation.py aggregation $(ARGS)
	$(PRINTED) annotation.py store $(ARGS)
bench-audit:
	$(PRINTED) audit.py --second-round $(ARGS)
	$(PRINTED) audit.py growth
	$(PRINTED) audit_real.py votes "$(DATA)"
	for topic in oasis files top; do $(MEASURE)/audit_real.py $$topic "$(DATA)" || exit 1; done
	$(MEASURE)/duplicates.py "$(DATA)/oasis/Images"
bench-bias:
	$(PRINTED) label_bias.py $(ARGS)
bench-distributions:
	$(MEASURE)/distributions.py "$(DATA)/emotion6/emotion6_features_distributions.mat" $(ARGS)
bench-embedding:
	env -u OMP_NUM_THREADS $(BIN)/python benchmarks/embedding.py "$(DATA)/oasis/Images" $(ARGS)
bench-emotion6:
	$(MEASURE)/distributions.py "$(DATA)/emotion6/emotion6_clip_vit_l_14_people.npz" $(ARGS)
	$(MEASURE)/single_labels.py "$(DATA)/emotion6/emotion6_clip_vit_l_14.npz" $(ARGS)
bench-explanation:
	$(MEASURE)/explanation.py --write $(ARGS)
bench-explore:
	$(PRINTED) explore.py $(ARGS)
	$(PRINTED) explore_page.py $(ARGS)
bench-growth:
	for engine in sqlite postgresql; do $(PRINTED) growth.py $$engine $(ARGS) || exit 1; done
bench-heads bench-intervals bench-metrics bench-promises bench-subgroups: bench-%:
	$(MEASURE)/$*.py $(ARGS)
bench-kernel:
	$(MEASURE)/kernel.py $(ARGS)
	$(PRINTED) kernel.py growth
bench-load bench-month: bench-%:
	$(PRINTED) $*.py sqlite $(ARGS)
	$(PRINTED) $*.py postgresql $(ARGS)
bench-memory:
	$(PRINTED) memory.py $(ARGS)
bench-people:
	for topic in planted null oasis identify scale; do $(PRINTED) people.py $$topic $(ARGS) || exit 1; done
bench-planning:
	for topic in studies oasis votes; do $(PRINTED) planning.py $$topic $(ARGS) || exit 1; done
	$(MEASURE)/planning.py curves
bench-relabel:
	$(PRINTED) relabel.py --images 100000 $(ARGS)
bench-scale:
	for topic in mlp linear search million; do $(BIN)/python benchmarks/scale.py $$topic $(ARGS) || exit 1; done
# one short look at several, in about four minutes on two cores: does a change cost time or quality?
bench-look:
	$(BIN)/python benchmarks/metrics.py --rows 20000 --runs 3 --no-growth --dry-run
	$(BIN)/python benchmarks/annotation.py agreement
	$(BIN)/python benchmarks/heads.py --seeds 2 --images 400 --only topk --cache build/heads-cache --dry-run
	$(BIN)/python benchmarks/subgroups.py --seeds 8 --dry-run

# the built wheels, installed and run from elsewhere: newest versions, lowest declared versions, Python 3.13, 3.14; the
# tests of affectml-annotation and affectml-metrics, each with its own dependencies alone, which `make alone-test` runs
wheel-test alone-test: $(VENV)/.installed-$(EXTRA)
	PYTHON="$(PYTHON)" BIN="$(BIN)" scripts/wheel_test.sh $(if $(filter alone-test,$@),alone)

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.torch:
	@$(PYTHON) -c 'import sys; sys.exit("affectml needs Python 3.11 or newer, this is %s: make PYTHON=python3.12 ..." % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --quiet torch torchvision --index-url "$(TORCH_INDEX)")
	@touch $@

$(VENV)/.installed: $(PROJECTS) | $(VENV)/.torch
	@echo "installing affectml and what it stands on (a few minutes the first time) ..."
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.installed-$(EXTRA): $(PROJECTS) | $(VENV)/.torch
	@echo "installing affectml with its development tools (a few minutes the first time) ..."
	$(BIN)/python -m pip install --quiet -e '.[$(EXTRA)]'
	@touch $@ $(VENV)/.installed
