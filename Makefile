# The one task runner. `make` says what there is; `make demo` and `make test` need nothing but Python 3.11+ and make.

# The first Python on this machine that is new enough (and not newer than what was tried).
SUITABLE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(if $(shell $(name) -c '$(SUITABLE)' 2>/dev/null && echo yes),$(name))))

BIN := .venv/bin
READY := .venv/.ready
# What the environment was made from, and where: other pins or another folder make it anew, a mere checkout does not.
STAMP := $(shell cat pyproject.toml constraints.txt | cksum | tr ' ' '-') $(CURDIR)
ifneq ($(shell cat $(READY) 2>/dev/null),$(STAMP))
.PHONY: $(READY)
endif
PYTEST := $(BIN)/python -m pytest
# A file's tests stay together: what a module makes for them is made once. Three on two cores: many wait for a process.
WORKERS ?= 3
SHARED_OUT := --dist loadfile --no-loadscope-reorder
SEED ?= 7
# Tests and the demo start many processes: where the machine forbids Python to keep what it compiled, each compiles all anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-all faults lint format bench attack pages clean migration

help:  ## what there is to run
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | column -t -s '|'

setup: $(READY)  ## make .venv and install everything into it
$(READY):
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 found. Install one, or say which: make setup PYTHON=/path/to/python3"; exit 1; }
	@case "$$(cat $(READY) 2>/dev/null)" in ''|*' $(CURDIR)') ;; *) rm -rf .venv ;; esac  # its scripts name the old folder
	@echo "Setting up .venv with $$($(PYTHON) --version) (about a minute, once) ..."
	@$(BIN)/python -c '$(SUITABLE)' 2>/dev/null || $(PYTHON) -m venv --clear .venv || { rm -rf .venv; \
		echo "This Python cannot make environments. Debian, Ubuntu: sudo apt-get install python3-venv; or say another: make setup PYTHON=/path/to/python3"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null 2>&1 || { \
		echo ".venv has no pip and this Python cannot give it one. Debian, Ubuntu: sudo apt-get install python3-venv python3-pip, then: rm -r .venv; make setup"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' || { \
		echo "Installing did not succeed: the lines above say why. Then again: make setup"; exit 1; }
	@$(BIN)/python -m flows.first_start
	@echo '$(STAMP)' > $(READY)

demo: $(READY)  ## eight weeks of nurturing in two minutes, for real (LEADS=file.csv MAP=map.yaml SEED=7)
	@$(BIN)/nurture demo --seed $(SEED) $(if $(LEADS),--leads '$(LEADS)') $(if $(MAP),--map '$(MAP)')

test: $(READY)  ## lint and every test that fits into five minutes
	@$(BIN)/ruff check . && mkdir -p build
	@# What lint thinks about types takes half a minute on one core: it does so beside the tests and is told after them.
	@$(MAKE) --no-print-directory lint >build/lint.log 2>&1 & lint=$$!; failed=0; \
	$(PYTEST) -n $(WORKERS) $(SHARED_OUT) -m 'not slow' || failed=$$?; \
	wait $$lint || failed=1; echo "== make lint"; cat build/lint.log; exit $$failed

test-fast: $(READY)  ## rules, language and architecture only: under half a minute
	$(PYTEST) -n $(WORKERS) $(SHARED_OUT) -m 'not slow and not prefect and not postgres and not browser and not process' \
		--ignore tests/authoring/test_tools.py tests/rules tests/authoring tests/layout

test-all: $(READY)  ## what `make test` leaves out: the long fault suites (200 kills each), every example of each property
	NURTURE_TEST_ALL=1 $(PYTEST) -n $(WORKERS) $(SHARED_OUT) -m 'slow or hypothesis'

faults: $(READY)  ## every fault that tests cause, 200 kills each, and the table of what was lost or went twice
	NURTURE_TEST_ALL=1 $(PYTEST) -n $(WORKERS) $(SHARED_OUT) tests/faults

lint: $(READY)  ## ruff, mypy --strict, the import contract
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

migration: $(READY)  ## write the migration for changed tables (M='what changed')
	@$(BIN)/python -m nurture.store.migrations '$(M)'

format: $(READY)  ## order imports and mend what ruff can mend
	@$(BIN)/ruff check --fix .

bench: $(READY)  ## speed and memory as ratios (writes build/bench.json)
	@$(BIN)/python -m tests.bench

attack: $(READY)  ## fuzzers and scanners against the running app
	@$(BIN)/python -m tests.attack

pages: $(READY)  ## pictures of every page into build/pages (DATABASE=copy.db AXE=axe.min.js)
	@test -f "$(DATABASE)" || { echo "Which database? make pages DATABASE=a-copy-of/nurture.db (the demo leaves one in var/demo)"; exit 1; }
	@$(BIN)/python -m tests.web.gallery '$(DATABASE)' $(if $(AXE),--axe '$(AXE)')

clean:  ## remove what runs and builds left behind (the environment and your data in var/ stay)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
