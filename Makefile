# The two commands of the README are `make demo` and `make test`; `make check` is what CI runs.
# Everything is set up in .venv by pip; nothing needs to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
DEMO := demo-output
JOBS ?= 2

.PHONY: demo detector test check lint types contracts fuzz chaos format clean

# Each stamp stands for a set of packages; it is made anew when the pins change.
$(VENV)/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	touch $@

# What runs videos: no torch.
$(VENV)/.workers: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) --editable '.[cpu]'
	touch $@

$(VENV)/.models: $(VENV)/.workers
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

# The whole system for the length of one command: upload, job, worker, download.
demo: $(VENV)/.workers
	AGGPOSE_LOG_LEVEL=WARNING $(BIN)/aggpose up --data $(DEMO)/system --port 0 -- \
		$(BIN)/aggpose submit samples/landscape.mp4 samples/phone-portrait.mp4 --out $(DEMO)
	@echo "Keypoints (CSV, JSON), a preview in which nobody can be recognised (preview.mp4) and the"
	@echo "quality of each recording (quality.png) are in $(DEMO)/landscape and $(DEMO)/phone-portrait."

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

# Files go to JOBS processes, each with servers of its own, the long ones first, as the folders have
# them; with JOBS=0 to this one alone.
IN_PARALLEL = --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

# Each process keeps to one thread: two that share two cores with two each wait for one another, busily,
# and training's tests took twice the processor time.
test: export OMP_NUM_THREADS := 1

# Two calls: together with the rooms before it, training AggPose ended in a segmentation fault
# that neither a debugger nor any smaller set of tests has shown yet.
test: $(VENV)/.detector
	$(BIN)/python -m pytest $(IN_PARALLEL) --ignore=tests/unit/training/pose
	$(BIN)/python -m pytest $(IN_PARALLEL) tests/unit/training/pose

check: lint types contracts test

# Damaged videos by the thousand: no crash, no hang, nothing left behind.
fuzz: $(VENV)/.dev
	$(BIN)/python benchmarks/fuzz.py --count 2000

# Workers, servers and the API killed and frozen at random: every job ends as if nothing had happened.
chaos: $(VENV)/.dev
	$(BIN)/python -m benchmarks.chaos --rounds 100

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info
