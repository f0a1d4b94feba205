# Everything runs out of .venv; `make` names what there is.

STAMPS := .venv/.stamps
PYTHON := .venv/bin/python
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(PYTHON) -m pip install --quiet --only-binary :all:
WITH_SERVERS := $(PYTHON) -m config.embedded exec --
PYTEST := -m pytest
PYTHON311 ?= python3.11 python3 python

SEED ?= 1
MINUTES ?= 60

.PHONY: help serve test coverage test-browser chaos soak bench bench-history lint format clean

help:
	@echo "make serve         run Almanac here: PostgreSQL, Valkey, web server and worker, nothing to install first"
	@echo "make test          run the tests against a real PostgreSQL and Valkey (ARGS='tests/... -k ...' for some)"
	@echo "make test-browser  run the tests that drive a Chromium"
	@echo "make chaos         break everything and audit the ledger (SEED=2, FAULT='one another', SHORT=1, ARGS='--full --resume')"
	@echo "make soak          an hour of mixed load at half capacity: does anything grow? (MINUTES=10)"
	@echo "make bench         measure it here (PARTS=sweep,batch PEERS=flask,litserve ARGS='--rows 1000000'); docs/benchmarks.md"
	@echo "make bench-history the pages of the history with 10,000, 1,000,000 and 10,000,000 predictions stored"
	@echo "make lint          check style and types"
	@echo "make format        put the code in order"
	@echo "make clean         remove .venv and caches; the data in var/ stays"

# One simple line with exec: no shell may stay between make and the supervisor, or kill -9 of make would leave it.
serve: $(STAMPS)/run
	@exec $(PYTHON) manage.py serve

test: $(STAMPS)/dev
	@exec $(WITH_SERVERS) $(PYTHON) $(PYTEST) --numprocesses 2 $(ARGS)

# After `make test PYTEST='-m coverage run -m pytest'`: what the tests ran of the engine and the services, in all processes.
coverage: $(STAMPS)/dev
	@$(PYTHON) -m coverage combine --quiet
	@exec $(PYTHON) -m coverage report --include 'mlcore/*,predictions/services/*' --skip-covered --fail-under 90

test-browser: $(STAMPS)/dev
	@exec $(WITH_SERVERS) $(PYTHON) $(PYTEST) -m browser $(ARGS)

chaos: $(STAMPS)/dev
	@exec $(PYTHON) -m tests.chaos --seed $(SEED) $(addprefix --fault ,$(FAULT)) $(if $(SHORT),--short) $(ARGS)

soak: $(STAMPS)/dev
	@exec $(PYTHON) -m tests.chaos.soak --seed $(SEED) --minutes $(MINUTES) $(ARGS)

bench: $(STAMPS)/dev
	@exec $(PYTHON) -m tests.benchmarks $(addprefix --parts ,$(PARTS)) $(addprefix --peers ,$(PEERS)) $(ARGS)

bench-history: $(STAMPS)/dev
	@exec $(PYTHON) -m tests.benchmarks.history_growth $(ARGS)

lint: $(STAMPS)/dev
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@exec $(WITH_SERVERS) $(PYTHON) -m mypy .

format: $(STAMPS)/dev
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMPS)/venv:
	@$(PYTHON) -m pip --version >/dev/null 2>&1 && mkdir -p $(STAMPS) && touch $@ && exit; \
	for candidate in $(PYTHON311); do \
		"$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || continue; \
		"$$candidate" -c 'import ensurepip, venv' 2>/dev/null || { \
			echo "almanac: $$candidate lacks the venv module: install it (on Debian: apt install python3.11-venv)" >&2; exit 1; }; \
		"$$candidate" -m venv --clear .venv && mkdir -p $(STAMPS) && touch $@; exit; \
	done; echo "almanac: Python 3.11 is needed: install it, or name it: make PYTHON311=/path/to/python3.11" >&2; exit 1

$(STAMPS)/run: $(STAMPS)/venv requirements.txt requirements-embedded.txt
	@echo "Installing Almanac's packages into .venv; once, it takes some minutes."
	@$(PIP) --requirement requirements.txt
	@$(PIP) --no-deps --require-hashes --requirement requirements-embedded.txt
	@touch $@

$(STAMPS)/dev: $(STAMPS)/run requirements-dev.txt
	@echo "Installing what the tests need into .venv."
	@$(PIP) --requirement requirements-dev.txt
	@touch $@
