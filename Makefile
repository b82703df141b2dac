# `make digits` trains, evaluates and samples; `make test` runs the tests. Both install first.
# CONFIG, WORKDIR and WITH='--config.FIELD=VALUE ...' say of what, where and what else.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
CONFIG := configs/digits_cond.py
WORKDIR := runs/digits_cond
WITH :=
MAIN := $(RUN) main.py --config=$(CONFIG) --workdir=$(WORKDIR) --compilation_cache=.cache/xla $(WITH)

.PHONY: digits eval sample test test-long lint lock clean

digits: $(INSTALLED)
	$(MAIN)
	$(MAIN) --mode=eval
	$(MAIN) --mode=sample
	@echo
	@echo 'What to try next:'
	@echo '  make sample WITH=--config.sample.film.num_frames=12         # how they came about'
	@echo '  make sample WITH=--config.sample.classifier_free.scale=4    # clearer, but less varied'
	@echo '  make digits WORKDIR=runs/v WITH=--config.prediction=v       # a network that predicts v'

eval sample: $(INSTALLED)
	$(MAIN) --mode=$@

test: $(INSTALLED)
	$(RUN) -m pytest --numprocesses=2 --dist=loadfile

# What takes long: the slowest tests, a run killed at random, faults and mistakes one at a time.
test-long: $(INSTALLED)
	$(RUN) -m pytest -m long
	$(RUN) -m tests.kill_and_resume --kills=20
	$(RUN) -m tests.faults
	$(RUN) -m tests.planted

lint: $(INSTALLED)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy ddpm_jax main.py configs benchmarks

$(INSTALLED): requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check uv==0.13.8
	$(VENV)/bin/uv pip install --quiet --system-certs --compile-bytecode --python $(RUN) -r requirements.lock
	touch $(INSTALLED)

# Exact versions for Python 3.11 to 3.14, from the ranges of requirements*.txt.
lock: $(INSTALLED)
	$(VENV)/bin/uv pip compile --quiet --upgrade --system-certs --universal --python-version 3.11 requirements-dev.txt -o requirements.lock

clean:
	rm -rf $(VENV) .cache/xla
