# Two commands matter: `make app` and `make test`; both set up what they need on a fresh Debian or Ubuntu machine.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
HOST   ?= 127.0.0.1
PORT   ?= 7860

.PHONY: app test lint bench clean

app: $(VENV)/installed
	$(BIN)/python app.py --host $(HOST) --port $(PORT) $(ARGS)

test: $(VENV)/installed-dev browser
	$(BIN)/ruff check .
	$(BIN)/python -m pytest $(TESTS)

bench: $(VENV)/installed-dev
	$(BIN)/python -m training.bench

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: try 'apt-get install python3-venv'."; exit 1; }

$(VENV)/installed: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $(VENV)/installed $@

# The browser tests use Debian's Chromium where it is or can be installed, else the one that Playwright brings.
.PHONY: browser
browser: $(VENV)/installed-dev
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } \
	  || $(BIN)/python -m playwright install --with-deps chromium \
	  || echo "No browser could be installed: the browser tests will be skipped."

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
