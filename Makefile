# The front door: `make help`. Needs Python 3.11 to 3.14 and make, nothing else.

PYTHON_CANDIDATES = $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python
# More than cores: tests wait for leases and clocks. Few, as each collects every test and starts servers.
WORKERS = 4
# What `make check` runs of the tests: nothing, where `make test` follows.
UNIT_TESTS = unit-tests
PY = .venv/bin/python
PIP = $(PY) -m pip --disable-pip-version-check --quiet install
# The tests start hundreds of processes, each of which would compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE

# An environment does not survive a move of the checkout, so its place is part of the stamp's name.
empty =
place = $(subst /,-,$(subst $(empty) ,-,$(CURDIR)))
MADE = .venv/.made-in$(place)
APP = .venv/.app
DEV = .venv/.dev
# `pip install .` puts a copy in the place of this folder, which then finds no var/: it is replaced.
STAMPS = $(wildcard $(APP) $(DEV))
ifneq ($(STAMPS),)
ifeq ($(shell grep -lsFx '$(CURDIR)' .venv/lib/python3*/site-packages/_editable_impl_wechat_broadcast.pth),)
$(info The program in .venv is not the one of this folder. Installing it again.)
$(shell rm -f $(STAMPS))
endif
endif
COMPAT = .venv/compat/.made

.DEFAULT_GOAL = help
.PHONY: help install setup demo test prove check chaos mutants random-mutants bench lint types imports limits migrations-in-step \
	unit-tests format catalogue cli-docs docs-update golden pictures lock lock-check clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1|\2/p' Makefile | \
	  while IFS='|' read -r name text; do printf '  make %-18s %s\n' "$$name" "$$text"; done

# The main doors

install: $(APP)  ## the program in .venv, without the tools for its development
	@if [ "$$BROADCAST_LANG" = zh ]; then next='已安装。接下来运行：'; account='设置公众号：docs/quickstart-wechat.zh.md'; \
	else next='Installed. Next:'; account='An account: docs/quickstart-wechat.md (docs/quickstart-wechat.zh.md)'; fi; \
	printf '%s\n' "$$next" '    . .venv/bin/activate' '    broadcast help' "$$account"

setup: $(DEV)  ## the environment in .venv, complete
	@echo "Ready. Next: make demo, make test, or .venv/bin/broadcast --help"

demo: $(APP)  ## a whole broadcast against the simulator, in this terminal
	@# The demo itself reports Ctrl-C; it is no failure that make has to add a line about.
	@trap : INT; .venv/bin/broadcast demo || test $$? -eq 130

test: $(DEV) $(COMPAT)  ## every test but the long proofs
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

prove: $(DEV) $(COMPAT)  ## the long proofs: whole crash table, long outages, 10 million OpenIDs, deep models
	@TESTS_START=interpreter $(PY) -m pytest -m prove $(ARGS)

check: $(DEV)  ## lint, types, import rules, migrations in step, sizes, statements, unit tests: a minute
	@$(MAKE) --no-print-directory -k -j$(WORKERS) types lint statements imports migrations-in-step limits \
	  $(UNIT_TESTS)
	@echo "check: all good"

chaos: $(DEV)  ## random faults against the real thing: SEED=… RUNS=… MINUTES=…
	@TESTS_START=interpreter $(PY) -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

mutants: $(DEV)  ## take out one rule of the promise after the other: the suite must notice
	@$(PY) tools/mutants.py $(ARGS)

random-mutants: $(DEV)  ## 200 small changes of the rules and the ledger: how many does the suite notice? SEED=…
	@$(PY) -m tools.random_mutants $(if $(SEED),--seed $(SEED)) $(ARGS)

bench: $(DEV)  ## the benchmarks
	@$(PY) -m benchmarks $(ARGS)

# Containers

.PHONY: compose-secrets compose-test
compose-secrets:  ## secrets/ for docker compose: passwords, accounts; SIMULATOR=1, BROKER=rabbitmq
	@python3 tools/compose_secrets.py

compose-test: $(DEV)  ## the images, built and run for real: sends, kills, stops; CONTAINERS=podman: the images alone
	@$(PY) -m pytest -m prove tests/containers $(ARGS)

# Their parts

lint: $(DEV)  ## ruff, its formatter, spelling
	@.venv/bin/ruff check --quiet --output-format concise .
	@.venv/bin/ruff format --quiet --check --output-format concise . || \
	  { echo "The formatter would change files: make format"; exit 1; }
	@.venv/bin/codespell

types: $(DEV)  ## mypy, strict
	@.venv/bin/mypy --no-error-summary

imports: $(DEV)  ## who may import whom
	@.venv/bin/lint-imports --no-logo > .venv/.imports.log 2>&1 || \
	  { cat .venv/.imports.log; exit 1; }

limits: $(DEV)  ## how large the product and its rooms may be
	@$(PY) -m tools.limits

migrations-in-step: $(DEV)  ## a database made by the migrations has the tables of models/
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	  export DATABASE_URL="sqlite:///$$folder/check.sqlite" && \
	  { .venv/bin/alembic upgrade head && .venv/bin/alembic check; } > "$$folder/log" 2>&1 || \
	  { cat "$$folder/log"; echo "models/ and migrations/ differ: alembic revision --autogenerate"; \
	    exit 1; }

.PHONY: statements statements-update
statements: $(DEV)  ## statements and transactions of each verb, held against their table
	@$(PY) -m tests.statements

statements-update: $(DEV)  ## the table of statements and transactions, counted anew
	@$(PY) -m tests.statements --write; git diff --stat -- tests/statements

unit-tests: $(DEV)  ## the tests that need no server
	@# They wait for nothing, and each process collects them anew: two, not WORKERS.
	@$(PY) -m pytest -q -n 2 --dist loadfile tests/unit $(ARGS)

.PHONY: security
security: $(DEV) .venv/security/.made  ## bandit reads the code; pip-audit asks for advisories of the pins
	@$(PY) -m tools.security

format: $(DEV)  ## let ruff fix what it can
	@.venv/bin/ruff check --quiet --fix-only .
	@.venv/bin/ruff format --quiet .

catalogue: $(DEV)  ## compile the texts of broadcast/views/locale
	@.venv/bin/pybabel --quiet compile --domain broadcast --directory broadcast/views/locale --statistics

cli-docs: $(DEV) catalogue  ## docs/cli.md and its twin from the help; the tables of errcodes; the errors of HTTP
	@$(PY) -m tools.cli_docs
	@$(PY) -m tools.fix_tables
	@$(PY) -m tools.error_pages
	@$(PY) -m tools.log_events

docs-update: $(DEV)  ## what the pages for operators show, from a run of their commands
	@DOCS_UPDATE=1 $(PY) -m pytest -q -n 2 --tb=no -m "prove or not prove" \
	  tests/docs/test_pages.py tests/docs/test_moving_page.py; git diff --stat -- README*.md docs

golden: $(DEV)  ## the evidence of tests/golden, taken anew: only for a change that means to change it
	@GOLDEN_UPDATE=1 $(PY) -m pytest -q --tb=short -m "prove or not prove" tests/golden $(ARGS); git diff --stat -- tests/golden

pictures: $(DEV)  ## docs/pictures/*.svg: what a terminal shows, from a run of the program
	@$(PY) -m tools.pictures $(ARGS)

lock: $(DEV)  ## requirements/*.txt from pyproject.toml; newer versions with UPGRADE=--upgrade
	@$(PY) -m tools.lock $(UPGRADE)

lock-check: $(DEV)  ## every supported platform and Python has wheels for them; asks the package index
	@$(PY) -m tools.lock --check

clean:  ## remove the environment and the caches; var/, your data, stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./var -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment

.venv/bin/python:
	@sh tools/make-venv.sh $(PYTHON_CANDIDATES)
	@touch $(MADE)

$(MADE): .venv/bin/python
	@test -e $@ || { sh tools/make-venv.sh $(PYTHON_CANDIDATES) && touch $@; }

$(APP): requirements/app.txt pyproject.toml $(MADE)
	@echo "Installing the program into .venv (the first time about 75 MB to download) ..."
	@$(PIP) --require-hashes -r requirements/app.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml $(MADE)
	@echo "Installing everything into .venv (the first time about 150 MB to download) ..."
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $(APP) $@

.venv/security/.made: requirements/security.txt $(MADE)
	@$(PY) -m venv .venv/security
	@.venv/security/bin/pip --disable-pip-version-check --quiet install --require-hashes -r requirements/security.txt
	@touch $@

$(COMPAT): requirements/compat.txt $(wildcard requirements/sender-*.txt) tests/compat/node/package-lock.json \
  tools/compat.sh $(MADE)
	@echo "Installing other people's clients into .venv/compat (the first time about 40 MB) ..."
	@if sh tools/compat.sh .venv/bin/python .venv/compat; then touch $@; \
	  else echo "They cannot be installed; the tests with them are skipped."; fi
