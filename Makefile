# Two commands for a fresh machine: `make demo` and `make test`. Both need Python 3.11 or later and a package index;
# for a real Kafka, `make test` also needs Java 17 and Maven, or Docker.
#
#   make quick                     lint, types, layers, unit and property tests: for every change
#   make demo DEMO="--for 10"      options for the demo
#   make test TESTS="-k ledger"    options for pytest; without any, the coverage floor is checked as well
#   make test LOADED=1             while two busy loops load two processors
#   make faults FAULTS="--seed 7"  300 faults at random moments on its own Apache Kafka, and a report
#   make soak SOAK="--minutes 10"  faults for that time; checks that memory, tasks, threads and sockets do not grow
#   make bench BENCH="--quick"     the benchmark, beside references in the same run
#   make lock                      pins the dependencies anew (needs pip-tools)

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check --quiet

# The newest installed Python. A name on the PATH may be a shim for a version that is not installed, so each is run.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# No resolver runs, because the locks are complete and resolvers differ: pip before 23.3 resolves `coverage[toml]`
# separately from the pin `coverage`, and fails as soon as a newer release exists.
INSTALL := $(PIP) install --no-compile --no-deps --require-hashes
CHECK := $(BIN)/python -m pip --disable-pip-version-check check || { echo "$(VENV) holds packages that do not fit: run make clean" >&2; exit 1; }

.PHONY: demo test quick lint bench faults soak lock clean

demo: $(VENV)/.ready
	@echo "Starting an embedded Kafka, local servers for the three APIs, and the service: about 3 seconds"
	@$(BIN)/python -m consumer demo $(DEMO)

# Most tests wait for sessions and back-offs, so four processes fit on two processors.
WORKERS ?= 4
test: lint
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(if $(filter-out 0,$(LOADED)),--busy-loops 2) $(or $(TESTS),--cov --cov-report=)

quick: lint
	$(BIN)/pytest -n 2 --dist loadgroup --hypothesis-profile quick tests/unit tests/property

lint: $(VENV)/.ready-for-tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.ready-for-tests
	@$(BIN)/python -m tests.benchmarks $(BENCH)

faults: $(VENV)/.ready-for-tests
	@$(BIN)/python -m tests.fault_injection $(FAULTS)

soak: $(VENV)/.ready-for-tests
	@$(BIN)/python -m tests.fault_injection.soak $(SOAK)

# The dependencies of the service only. The demo runs from this folder and needs no installed package.
$(VENV)/.ready: deploy/requirements.txt | $(BIN)/pip
	@echo "Installing $$(grep -c '==' $<) packages into $(VENV): 10 to 30 seconds, this first time only"
	@$(INSTALL) -r $<
	@$(CHECK)
	@touch $@

# The pinned build backend is installed first: an isolated build would fetch its newest, untested release.
$(VENV)/.ready-for-tests: $(VENV)/.ready pyproject.toml deploy/requirements-dev.txt deploy/requirements-build.txt
	$(INSTALL) -r deploy/requirements-dev.txt -r deploy/requirements-build.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	$(CHECK)
	@touch $@

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or later found (looked for python3.13, .12, .11, python3): install one," \
		"or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments:" \
		"install its venv package (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Creating a virtual environment in $(VENV) with $(PYTHON): about 5 seconds"
	@$(PYTHON) -m venv $(VENV)

# Pins all dependencies with hashes, without the address of an index. Needs pip-tools.
LOCK := pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links
lock:
	$(LOCK) -o deploy/requirements.txt pyproject.toml
	$(LOCK) --extra dev -c deploy/requirements.txt -o deploy/requirements-dev.txt pyproject.toml
	$(LOCK) --all-build-deps --only-build-deps -o deploy/requirements-build.txt pyproject.toml

clean:
	rm -rf $(VENV) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .coverage
	find consumer tests -name __pycache__ -type d -prune -exec rm -rf {} +
