# The two commands of the README are `make demo` and `make test`; `make check` is what CI runs.
# Everything is set up in .venv by pip; nothing needs to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
DEMO := demo-output

.PHONY: demo detector test check lint types contracts format clean

# Each stamp stands for a set of packages; it is made anew when the pins change.
$(VENV)/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.models: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) --editable '.[cpu,train,synthetic]'
	touch $@

$(VENV)/.dev: $(VENV)/.models
	$(PIP) --editable '.[cpu,train,synthetic,detector,dev]'
	touch $@

# Ultralytics asks for opencv-python, which would overwrite the headless build: it goes in by itself,
# and last, since pip grumbles about it whenever it installs something else.
$(VENV)/.detector: $(VENV)/.dev
	$(PIP) --no-deps ultralytics ultralytics-thop torchvision
	touch $@

detector: $(VENV)/.detector

demo: $(VENV)/.models
	mkdir -p $(DEMO)
	$(BIN)/aggpose model export aggpose-t-infant21.pt --out $(DEMO)/aggpose-t-infant21.onnx
	$(BIN)/aggpose model inspect $(DEMO)/aggpose-t-infant21.onnx
	$(BIN)/aggpose model bench $(DEMO)/aggpose-t-infant21.onnx --seconds 1
	$(BIN)/aggpose synth images --count 40 --seed 2 --split test --out $(DEMO)/infants
	$(BIN)/aggpose evaluate $(DEMO)/aggpose-t-infant21.onnx $(DEMO)/infants --turn four-way --out $(DEMO)/evaluation
	@echo "The model, 40 synthetic infants and what it made of them (worst.png) are in $(DEMO)/."

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

# Two processes: together with the rooms before it, training AggPose ended in a segmentation fault
# that neither a debugger nor any smaller set of tests has shown yet.
test: $(VENV)/.detector
	$(BIN)/python -m pytest --ignore=tests/unit/training/pose
	$(BIN)/python -m pytest tests/unit/training/pose

check: lint types contracts test

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info
