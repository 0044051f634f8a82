# The two commands: `make demo` and `make test`. Both set up .venv first and need only Python 3.11 and git.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test browser lint corpus update clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[toolchain,html,test]'
	$(BIN)/python -m pip install --quiet --no-deps "$$($(BIN)/python -c 'import tomllib; \
	    print(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["flash"][0])')"
	touch $@

demo: $(STAMP)
	$(BIN)/python tools/demo.py

test: lint browser
	$(BIN)/python -m pytest -n 2 --dist loadfile

# A real Chromium for the tests of the HTML report, where it is missing and may be installed; without one they skip.
browser:
	@if ! command -v chromedriver > /dev/null && command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ]; then \
	    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	        chromium chromium-driver) > /dev/null || echo 'Chromium could not be installed: its tests will not run.'; \
	fi

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
