# `make digits` trains, evaluates and samples; `make test` runs the tests. Both install first.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
DIGITS := runs/digits
CACHE := .cache/xla

.PHONY: digits test test-long lint lock clean

digits: $(INSTALLED)
	$(RUN) main.py --config=configs/digits.py --workdir=$(DIGITS) --compilation_cache=$(CACHE)
	$(RUN) main.py --config=configs/digits.py --workdir=$(DIGITS) --compilation_cache=$(CACHE) --mode=sample
	$(RUN) main.py --config=configs/digits.py --workdir=$(DIGITS) --compilation_cache=$(CACHE) --mode=eval

test: $(INSTALLED)
	$(RUN) -m pytest --numprocesses=2 --dist=loadfile

# Campaigns that take long: a run killed at random, and mistakes planted one at a time.
test-long: $(INSTALLED)
	$(RUN) -m tests.kill_and_resume --kills=20
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

# Exact versions for Python 3.11 to 3.13, from the ranges of requirements*.txt.
lock: $(INSTALLED)
	$(VENV)/bin/uv pip compile --quiet --system-certs --universal --python-version 3.11 requirements-dev.txt -o requirements.lock

clean:
	rm -rf $(VENV) $(CACHE)
