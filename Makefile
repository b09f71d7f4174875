# Two commands for everybody: `make demo`, `make test`. Everything they need they bring, uv included.
# Hand options on with ARGS: `make demo ARGS='--once --json'`, `make test ARGS='-k poison'`, `make bench ARGS=--json`.
SHELL := bash
.DELETE_ON_ERROR:
PYTHON ?= python3
UV := .uv/bin/uv
BIN := .venv/bin
MEMBERS := shared services/ingest services/scoring services/handoff services/sla-monitor services/console deploy/local
SERVICES := ingest scoring handoff sla-monitor console
BROKER ?= embedded
WORKERS ?= 3

.PHONY: help demo up test check bench faults sdks kafka tools contracts lock format clean
help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

demo: .venv/ready ## the whole story on this machine: leads, reps, answers, a breach; then the console stays open
	@$(BIN)/relevo demo $(ARGS)

up: .venv/ready ## the whole system in the foreground
	@$(BIN)/relevo up $(ARGS)

test: .venv/ready ## the tests, on the embedded broker, WORKERS=3 at a time; BROKER=apache runs the stream and journey suites on Apache Kafka
ifeq ($(BROKER),apache)
	@$(BIN)/python -m relevo_local.apache fetch >/dev/null
	@BROKER=apache $(BIN)/python -m pytest shared/tests tests -m broker -n 2 --dist worksteal $(ARGS)
else
	@bash deploy/browser.sh
	@bash deploy/faketime.sh
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)
endif

check: .venv/ready ## lock, ruff, mypy --strict, import-linter, contracts
	@bash deploy/check.sh

bench: .venv/ready ## every figure beside its baseline
	@$(BIN)/python -m tests.bench $(ARGS)

faults: .venv/ready ## kills, cuts and freezes, with a checked history
	@$(BIN)/python -m tests.faults $(ARGS)

sdks: .venv/ready ## real SDKs send 1,000 events each, once with the broker away for ten seconds; BROKER=apache kills it too
	@RELEVO_SDK_EVENTS=1000 RELEVO_SDK_AWAY=10 BROKER=$(BROKER) $(BIN)/python -m pytest tests/test_sdks.py -sv $(ARGS)

kafka: .venv/ready ## a real Apache Kafka in the foreground (Maven, Java 17)
	@$(BIN)/python -m relevo_local.apache $(ARGS)

tools: ## helm and promtool for the tests of deploy/, which are skipped without (Go 1.25, Debian)
	@bash deploy/tools.sh

contracts: .venv/ready ## generate contracts/ and deploy/kafka/topics.yaml from the code
	@$(BIN)/python -m tests.contracts --write

lock: .uv/bin/uv ## resolve every lock anew, with hashes and without index addresses
	@UV=$(UV) bash deploy/lock.sh

format: .venv/ready
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

clean:
	rm -rf .venv .uv .relevo .tools

.uv/bin/uv: deploy/bootstrap.lock
	@echo 'bringing uv …' >&2
	@$(PYTHON) -m venv .uv && .uv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r deploy/bootstrap.lock
	@touch $@

.venv/ready: .uv/bin/uv requirements.lock $(MEMBERS:%=%/pyproject.toml)
	@echo 'installing what the lock names …' >&2
	@test -x $(BIN)/python || $(UV) venv -q --python $(PYTHON) .venv
	@$(UV) pip sync -q --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --compile-bytecode --no-deps --no-build-isolation $(MEMBERS:%=-e %)
	@touch $@
