# The two commands of the README are `make demo` and `make test`; `make check` is what CI runs.
# Everything is set up in .venv by pip; nothing needs to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
DEMO := demo-output

.PHONY: demo test check lint types contracts format clean

# Each stamp stands for a set of packages; it is made anew when the pins change.
$(VENV)/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.models: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) --editable '.[cpu,train,synthetic]'
	touch $@

$(VENV)/.dev: $(VENV)/.models
	$(PIP) --editable '.[cpu,train,synthetic,dev]'
	touch $@

demo: $(VENV)/.models
	$(BIN)/aggpose model list
	mkdir -p $(DEMO)
	$(BIN)/aggpose model export --random-weights aggpose-t --out $(DEMO)/aggpose-t-untrained.onnx
	$(BIN)/aggpose model inspect $(DEMO)/aggpose-t-untrained.onnx
	$(BIN)/aggpose model bench $(DEMO)/aggpose-t-untrained.onnx --seconds 1
	$(BIN)/aggpose synth sheet --seed 1 --out $(DEMO)/synthetic-infants.png
	@echo "The exported (untrained) model and a sheet of synthetic infants are in $(DEMO)/."

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

test: $(VENV)/.dev
	$(BIN)/python -m pytest

check: lint types contracts test

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info
