# The two commands: `make demo` and `make test`. Both set up .venv first and need only Python 3.11 and git.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint corpus update clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[toolchain,test]'
	$(BIN)/python -m pip install --quiet --no-deps "$$($(BIN)/python -c 'import tomllib; \
	    print(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["flash"][0])')"
	touch $@

demo: $(STAMP)
	$(BIN)/python tools/demo.py

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

corpus: $(STAMP)
	$(BIN)/python -m pytest -n 2 tests/corpus

update: $(STAMP)
	$(BIN)/python -m pytest -n 2 tests/corpus --snapshot-update

clean:
	rm -rf $(VENV)
