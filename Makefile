# Everything a user or a developer types. Each target does its own set-up; nothing else has to be installed by hand
# but Python 3.10 or newer.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CHART := 4.6.1
ESBUILD := 0.28.2
ROLLUP := 4.68.8
RESOLVE := 16.0.3

# Only `make css` needs npm; what it makes is committed.
TAILWIND := 4.3.5

.PHONY: help install run demo test check format docs bench css vendor screens clean

help:
	@echo "make demo      train, evaluate and export a model on real images, then keep serving"
	@echo "make run       run the server on http://127.0.0.1:8000"
	@echo "make test      run the tests but those marked slow, about five minutes on two quiet cores"
	@echo "make check     format, lint, types, layers, documents, all tests"
	@echo "make bench     measure, as ratios against plain baselines"
	@echo "make docs      bring generated tables in plan/ up to date"
	@echo "make css       compile styles/ into app/static/css/app.css (needs npm)"
	@echo "make screens   write a picture of every page to screens/ (needs Chromium)"
	@echo "make clean     remove caches and the demo's workspace"

install: $(STAMP)

# Repeated only when pyproject.toml changes. A python in the environment variable PYTHON goes first.
$(STAMP): pyproject.toml
	@python=""; \
	for name in "$${PYTHON:-}" python3.12 python3.13 python3.11 python3.10 python3.14 python3 python; do \
		if [ -n "$$name" ] && "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; \
		then python="$$name"; break; fi; \
	done; \
	if [ -x $(BIN)/python ]; then :; \
	elif [ -n "$$python" ]; then echo "Making $(VENV) with $$python"; "$$python" -m venv $(VENV); \
	else echo "Python 3.10 or newer with its venv module is needed (Debian: apt-get install python3-venv)." >&2; exit 1; fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(STAMP)

run: install
	$(BIN)/ai-studio serve

demo: install
	$(BIN)/ai-studio demo $(ARGS)

test: install
	$(BIN)/python -m pytest $(ARGS)

check: install
	$(BIN)/ruff format --check app tests
	$(BIN)/ruff check app tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 0 tests/test_docs.py
	$(BIN)/python -m pytest -m ""

format: install
	$(BIN)/ruff check --fix app tests
	$(BIN)/ruff format app tests

docs: install
	$(BIN)/python -m app.schemas.event_table plan/events.md

bench: install
	$(BIN)/python -m tests.bench

css: install
	npx --yes --package @tailwindcss/cli@$(TAILWIND) --package tailwindcss@$(TAILWIND) -c \
		'NODE_PATH="$$(dirname "$$(dirname "$$(command -v tailwindcss)")")" \
		tailwindcss --input styles/source.css --output app/static/css/app.css --minify'
	$(BIN)/python -m tests.style_sheet

# Developers only. Rollup leaves out the kinds of charts that no page has, which esbuild alone keeps. Both look for
# packages beside the entry, so it goes to a folder of its own.
vendor:
	rm -rf build/vendor && mkdir -p build/vendor && cp styles/chart.entry.js build/vendor/
	cd build/vendor && npm install --silent --no-save --prefix . chart.js@$(CHART) esbuild@$(ESBUILD) rollup@$(ROLLUP) \
		@rollup/plugin-node-resolve@$(RESOLVE)
	cd build/vendor && node_modules/.bin/rollup -i chart.entry.js -f iife --treeshake.propertyReadSideEffects false \
		-p @rollup/plugin-node-resolve -o chart.js
	cd build/vendor && node_modules/.bin/esbuild chart.js --minify --legal-comments=inline \
		--outfile=../../app/static/js/vendor/chart-$(CHART).min.js

screens: install
	$(BIN)/python -m tests.browser.screens $(ARGS)

clean:
	rm -rf demo-workspace demo-workspace-files build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache bench.json
	find app tests -name __pycache__ -type d -prune -exec rm -rf {} +
