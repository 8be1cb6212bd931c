# Needs Python 3.10 or newer and make; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT ?= out/demo
JOBS ?= 2
FUZZ_MINUTES ?= 60

# Files side by side, each process of tests on one core: threads of torch would only be in each other's way.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
# Tests that start no training, no server and no browser.
QUICK := tests/core tests/hooks tests/timeline tests/otio_adapters tests/metrics tests/docs tests/testing

.PHONY: demo check test test-all fuzz coverage lint venv clean

demo: venv
	$(BIN)/avlink demo $(OUT)

check: lint
	$(PYTEST) $(QUICK)

test: lint
	$(PYTEST)

test-all: lint
	$(PYTEST) -m "slow or not slow"

# Stopped, it goes on where it was; faults are kept in out/fuzz.
fuzz: venv
	$(BIN)/python -m fuzz --minutes $(FUZZ_MINUTES)

coverage: venv
	$(PYTEST) --cov --cov-report=term:skip-covered --cov-report=html:out/coverage

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

venv: $(STAMP)

# Entry points and import roots are fixed when a package is installed, so a changed pyproject.toml installs again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "AVLink needs Python 3.10 or newer; say which with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) build out *.egg-info
