# Each target does all its own set-up on a Debian 12 with python3 (3.11 or newer), python3-venv, make and git.

PYTHON ?= python3
PYTEST := .venv/bin/pytest
SHELL := /bin/bash

.PHONY: help demo test hostile journal lint interop fuzz mutation corpus bench scaling reference sbom lock clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/runtime  ## Show the whole broker at work, into var/demo
	.venv/bin/goniec demo

test: .venv/dev lint  ## Lint, then every test but those that need foreign peers, against real engines
	trap 'scripts/engines down' EXIT && scripts/engines up && $(PYTEST) -n 4 --dist worksteal -m "not interop and not slow"

hostile: .venv/dev  ## 10,000 slow connections and other weights against the SOAP channel; tells times and memory
	$(PYTEST) -s -v tests/hostile tests/acceptance/test_memory.py

crash: .venv/dev  ## Hours of faults over three nodes under load, on both engines, with an audit; FAULTS=500 SUBMISSIONS=100000
	$(PYTHON) scripts/debian.py postgres rabbitmq fiu
	.venv/bin/python -m tests.crash.campaign --faults $(or $(FAULTS),500) --submissions $(or $(SUBMISSIONS),100000)

simulate: .venv/dev  ## SEEDS simulated worlds (20000) from seed FROM (2000), beyond those that every test run has
	.venv/bin/python -m tests.simulation $(or $(FROM),2000) --seeds $(or $(SEEDS),20000)

lint: .venv/dev  ## ruff, mypy strict, import-linter
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

journal: .venv/dev  ## 1,000 random changes of a journal of 100,000 events: each is found
	$(PYTEST) -s tests/integration/test_journal_changes.py

interop: .venv/dev  ## Foreign peers: xmlsec1, openssl, the JDK, EU DSS, and the SOAP clients of PHP and node
	scripts/interop

fuzz: .venv/dev  ## Every fuzzer for FOR seconds (60), two at a time
	scripts/fuzz $(or $(FOR),60)

mutation: .venv/dev  ## Every mutant of broker/verify and broker/parse.py against its tests, for hours; MODULE=path: of one
	.venv/bin/python -m tests.mutation $(MODULE)

corpus: .venv/dev  ## Write the signed documents of tests/corpus anew
	.venv/bin/python scripts/corpus

bench: .venv/dev  ## Documents a second from submit to receipt, the time in each stage, and what a CA that hangs costs
	.venv/bin/python -m tests.benchmarks.throughput
	.venv/bin/python -m tests.benchmarks.revocation
	.venv/bin/python -m tests.benchmarks.million --rows 100000

scaling: .venv/dev  ## How cost grows with workers, sizes and offices, measured; then a national load, simulated: half an hour
	$(PYTHON) scripts/debian.py postgres rabbitmq softhsm
	.venv/bin/python -m tests.benchmarks.scaling
	.venv/bin/python -m tests.benchmarks.nation

reference: .venv/dev  ## Write the generated pages of docs/reference anew
	.venv/bin/python scripts/reference

sbom: .venv/dev  ## List what Goniec consists of when it runs (CycloneDX), into var/sbom.cdx.json
	.venv/bin/python scripts/sbom

lock:  ## Write the lock files anew (needs uv)
	scripts/lock

clean:  ## Remove what was made here
	rm -rf .venv var

# venv and pip: they read the system's certificate store, which a download behind a proxy needs.
.venv/runtime: requirements.lock pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.venv/dev: requirements-dev.lock .venv/runtime
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@
