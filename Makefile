# `make demo` and `make test` do all their set-up: Python 3.10-3.14, pip and make are enough.
# Another interpreter: make PYTHON=/path/to/python3.12 test
# An environment that has the packages of requirements.txt already, in place of .venv: make RUN=/path/to/python READY= demo

SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$name -c '$(SUPPORTED)' 2>/dev/null && echo $$name && break; done)
READY := .venv/.ready
RUN := .venv/bin/python

.PHONY: demo test test-all test-fast lint format bench bench-quick gpu campaign requirements clean

demo: $(READY)
	$(RUN) tools/run_suite.py suites/demo.yaml

# A file of tests per process, each with one thread: many tests are too small for two. PYTEST_ADDOPTS goes to pytest.
# Marked exhaustive: the same tests on more networks, for who changes how networks are built or imported (make test-all).
test: $(READY)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -m "not exhaustive" --numprocesses auto --maxprocesses 4 --dist loadfile \
		--no-loadscope-reorder

test-all: $(READY)
	OMP_NUM_THREADS=1 $(RUN) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# For every small change: the modules of tests that import nothing of OpenMMLab at any depth and start no process, found by
# their imports (tests/fast_selection.py), without those marked slow, processes or gpu. Under two minutes on two cores.
test-fast: $(READY)
	OMP_NUM_THREADS=1 $(RUN) -m pytest --fast --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/mypy

format: $(READY)
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# requirements.txt is complete, so pip has nothing to resolve (and must not: mmcv-lite asks for opencv-python, which needs
# libGL; the headless build in requirements.txt is the same module). Where venv lacks pip, the outer pip fills in. mmengine
# imports yapf, whose first import writes a cache that a second process must not read half written: so it is done here, once.
$(READY): requirements.txt
	@test -n "$(PYTHON)" || { echo "no Python from 3.10 to 3.14 found; give one: make PYTHON=/path/to/python"; exit 1; }
	rm -rf .venv
	$(PYTHON) -m venv .venv || $(PYTHON) -m venv --without-pip .venv
	if [ -x .venv/bin/pip ]; then .venv/bin/pip install --no-deps -r requirements.txt; \
		else $(PYTHON) -m pip --python .venv/bin/python install --no-deps -r requirements.txt; fi
	$(RUN) -c "import yapf"
	touch $@

# Writes docs/performance.{json,md}; the quick one, with less of everything (3 minutes on two cores), writes into
# runs/bench-quick.
bench: $(READY)
	$(RUN) tools/bench.py

bench-quick: $(READY)
	$(RUN) tools/bench.py --quick --out runs/bench-quick

# What a CUDA GPU is asked, in rounds of less than ten minutes; repeat it to go on. Writes docs/gpu.{json,md}.
gpu: $(READY)
	$(RUN) -m benchmarks.gpu

# Damages files, ends commands and starves them, and says which endings nobody could live with; writes docs/reliability.{json,md}.
# Repeat it to continue; more seeds, more trials: make campaign MINUTES=240 SEED=1000
MINUTES ?= 10
SEED ?= 0
campaign: $(READY)
	$(RUN) tests/campaigns/run.py --minutes $(MINUTES) --seed $(SEED) --report docs

# Resolve the short list of pyproject.toml into exact pins for all supported Pythons at once. Pins that still fit stay;
# to move them on: make requirements UPGRADE=--upgrade
requirements: $(READY)
	.venv/bin/pip install --quiet uv
	.venv/bin/uv pip compile --quiet $(UPGRADE) --universal --fork-strategy fewest --python-version 3.10 --extra test \
		--no-annotate --custom-compile-command "make requirements  (install with: pip install --no-deps -r requirements.txt)" \
		pyproject.toml -o requirements.txt

clean:
	rm -rf .venv runs/demo .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
