# Each target does all the set-up it needs. Python 3.11 or newer and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A second OpenCV, for the tests only: what most people have. It lies in a folder of its own that nothing imports from.
OPENCV4_VERSION := 4.14.0.94
OPENCV4 := $(VENV)/opencv4/opencv_contrib_python_headless-$(OPENCV4_VERSION).dist-info/RECORD
# Ray, for the slow tests only.
CLUSTER := $(VENV)/.cluster
TEST_ARGS ?=
# What Python compiled is kept, whatever the environment says: a start of the command costs less than half then.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup check format test test-slow label-studio demo bench reference clean

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(STAMP) $(OPENCV4)  ## .venv with everything that demo and test need

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "toonsift needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12 ...")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet uv
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --editable '.[train,annotate,onnx,dev]' --constraint constraints.txt
	$(BIN)/python -m compileall -q annotate cascades pipeline train
	@touch $@

$(OPENCV4): | $(STAMP)
	rm -rf $(VENV)/opencv4
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --target $(VENV)/opencv4 \
		opencv-contrib-python-headless==$(OPENCV4_VERSION)

check: $(STAMP)  ## format, lint, types, import rules, docs
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/command_reference.py --check

format: $(STAMP)  ## let ruff put the code in order
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

test: $(STAMP) $(OPENCV4) label-studio  ## every test but the slow ones
	$(BIN)/python -m pytest -n 3 -m "not slow" $(TEST_ARGS)

$(CLUSTER): $(STAMP)
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --editable '.[train,annotate,onnx,dev,cluster]' --constraint constraints.txt
	@touch $@

test-slow: $(STAMP) $(OPENCV4) $(CLUSTER) label-studio  ## the slow ones: random kills, a Ray cluster, whole benchmarks
	$(BIN)/python -m pytest -m slow $(TEST_ARGS)

label-studio: $(STAMP)  ## the server's own environment in ~/.cache/toonsift; the tests and `annotate serve` make it too
	$(BIN)/python -m annotate.server

demo: $(STAMP)  ## draw a small series, do the whole job on it, show the page
	$(BIN)/toonsift demo

bench: $(STAMP)  ## the figures of the README
	$(BIN)/python -m benchmarks

reference: $(STAMP)  ## write the command reference into README.md
	$(BIN)/python .ci/command_reference.py --write

clean:  ## remove what make made; data/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
