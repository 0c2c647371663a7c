# `make demo` and `make test` need Python 3.10 - 3.12 and PyPI, nothing else. `make help` lists the rest.

# The first interpreter that is there and that Bytewax has wheels for.
PYTHON ?= $(shell for p in python3.12 python3.11 python3.10 python3 python; do \
	"$$p" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' >/dev/null 2>&1 && echo "$$p" && break; done)
VENV := .venv
RUN := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types imports tests long kafka crash population bench live compiled clean

help: ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*##/\t/' | expand -t 12

demo: $(VENV)/ready ## make shop events, replay the example journeys, tell who was sent what and why
	$(RUN) -m flows.cli demo

test: lint types imports tests ## everything that CI runs: lint, types, import contracts, tests with coverage

check: test

lint: $(VENV)/ready ## ruff: rules and format
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: $(VENV)/ready ## mypy, strict
	$(RUN) -m mypy

imports: $(VENV)/ready ## import-linter: state <- operators <- flows
	$(VENV)/bin/lint-imports

# Three at once on two cores: tests with a Kafka wait for it most of the time. A file stays together, and so does its broker.
tests: $(VENV)/ready ## pytest, warnings as errors, with coverage
	$(RUN) -m pytest --numprocesses 3 --dist loadfile --cov --cov-report=term

long: $(VENV)/ready ## the property tests - patterns, runs, traits, expressions, outcomes - with TIMES as many examples (20)
	SOJOURN_EXAMPLES=$(or $(TIMES),20) $(RUN) -m pytest tests/operators --numprocesses 2 --dist load -p no:cacheprovider \
		-k "random or sequence or patterns or caps"

kafka: $(VENV)/ready ## a local Apache Kafka on 127.0.0.1:9092, without Docker (Java 17 and Maven)
	$(RUN) -m tests.kafka --port 9092

crash: $(VENV)/ready ## kill the live job CYCLES times on a real Kafka, from SEED, and compare it with an oracle (Java 17)
	$(RUN) -m tests.crash --seed $(or $(SEED),1) --cycles $(or $(CYCLES),20)

population: $(VENV)/ready ## CUSTOMERS people live sixty days with the journeys that ship: 1 and 2 workers, with kills; no rule is broken
	$(RUN) -m tests.population --seed $(or $(SEED),1) --customers $(or $(CUSTOMERS),100000)

bench: $(VENV)/ready ## events/s per core, CPU, memory and state size of a replay, what more journeys, durable state and a second process cost; PEERS=DIR adds Flink
	$(RUN) -m benchmarks.replay $(if $(PEERS),--peers "$(PEERS)")
	$(RUN) -m benchmarks.journeys
	$(RUN) -m benchmarks.engine

live: $(VENV)/ready ## latency at 5,000 events/s and ten million customers, on a real Kafka (Java 17; 15 minutes, 10 GB of disk)
	$(RUN) -m benchmarks.live latency
	$(RUN) -m benchmarks.live customers

compiled: $(VENV)-compiled/ready ## the hot modules compiled to C (needs a C compiler), in an environment of their own

$(VENV)-compiled/ready: pyproject.toml setup.py $(wildcard flows/*.py operators/*.py state/*.py)
	"$(PYTHON)" -m venv --clear $(VENV)-compiled
	$(VENV)-compiled/bin/python -m pip install --quiet --disable-pip-version-check 'setuptools>=77' '.[dev]'
	SOJOURN_COMPILE=1 $(VENV)-compiled/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-build-isolation --no-deps --force-reinstall .
	@rm -rf build
	@touch $@

clean: ## remove what the other targets made
	rm -rf $(VENV) $(VENV)-compiled out build .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info

$(VENV)/ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Sojourn needs Python 3.10, 3.11 or 3.12 (Bytewax has no wheels for others); install one, or say make PYTHON=/path/to/python" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
