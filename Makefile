# The two commands: `make demo` and `make test`. Both set up .venv first and need only Python 3.11 and git.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
STAMP := $(VENV)/.installed

.PHONY: demo test browser lint corpus update lock newest matrix pictures docs fuzz clean

# All that is installed is named in requirements.lock. Without hashes: torch, of which pip takes the CPU build where one
# is at hand, and the CUDA build with its libraries otherwise. What is installed is compiled on all cores (pip uses one):
# the suite starts hundreds of processes, each of which would do so where PYTHONDONTWRITEBYTECODE is set. Not compiled
# are the hundreds of models of transformers, of which we use seven, and the tests of libraries. A file in the syntax of
# a newer Python stays as it is, as with pip: it is never imported here.
$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(PIP) --no-deps --require-hashes --requirement requirements.lock
	$(PIP) "$$(sed -n 's/^# without hashes: //p' requirements.lock)"
	$(PIP) --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -qq -j 0 -x '/transformers/models/|/tests/' $(VENV)/lib || true
	$(BIN)/python -m compileall -q src tests/helpers
	touch $@

demo: $(STAMP)
	$(BIN)/python tools/demo.py

# Chromium and tmux are installed while pip works. The linters run beside the tests, which leave a processor idle now and
# then; what they print comes last, whatever the tests came to. What pytest rewrites while it collects is kept for all
# processes that the tests start, also where PYTHONDONTWRITEBYTECODE is set.
test:
	@$(MAKE) --no-print-directory -j 2 $(STAMP) browser
	@mkdir -p build; $(MAKE) --no-print-directory lint > build/lint.log 2>&1 & \
	    PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist worksteal; tests=$$?; \
	    wait $$!; linters=$$?; cat build/lint.log; exit $$((tests || linters))

# A real Chromium for the tests of the HTML report and a real terminal (tmux) for those of the review, where they are
# missing and may be installed; without them these tests skip.
browser:
	@if ! (command -v chromedriver && command -v tmux) > /dev/null && command -v apt-get > /dev/null \
	    && [ "$$(id -u)" = 0 ]; then \
	    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	        chromium chromium-driver tmux) > /dev/null \
	        || echo 'Chromium or tmux could not be installed: their tests will not run.'; \
	fi

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Ten minutes of texts that nobody wrote, for every reader of files (tools/fuzz.py).
fuzz: $(STAMP)
	$(BIN)/python tools/fuzz.py

# The pages as a site, in build/docs. It needs no network.
docs: $(STAMP)
	$(BIN)/python -m sphinx -W --keep-going -q docs build/docs

# The pictures of the README, in docs/pictures: a page in Chromium and a review in tmux. It needs no network.
pictures: $(STAMP)
	$(BIN)/python tools/pictures.py

corpus: $(STAMP)
	$(BIN)/python -m pytest -n 2 tests/corpus

update: $(STAMP)
	$(BIN)/python -m pytest -n 2 tests/corpus --snapshot-update

# The newest of everything that pyproject.toml admits; `make lock KEEP=--keep` changes only what has to change.
lock: $(STAMP)
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet uv
	PATH="$(CURDIR)/$(VENV)/lock/bin:$$PATH" $(BIN)/python tools/lock.py $(KEEP)

# What a user gets who installs today: nothing is locked but the toolchain that the goldens are recorded with. Prints what
# moved since the lock, then runs the suite.
newest:
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --upgrade --editable '.[toolchain,html,test,docs]'
	.venv-newest/bin/python -m pip install --quiet --upgrade --no-deps --pre flash-attn-4
	.venv-newest/bin/python tools/lock.py --moved
	.venv-newest/bin/python -m pytest -n 2

# The tests that depend on torch's internals, with every supported release of it, each in an environment of its own (up
# to 6 GB, kept in .venv-matrix). Takes an hour; CI does not run it. `make matrix RELEASES="--release 2.15"` runs one.
matrix: $(STAMP)
	$(BIN)/python tools/matrix.py $(RELEASES)

clean:
	rm -rf $(VENV) build .venv-newest .venv-matrix
