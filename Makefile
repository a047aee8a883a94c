# make demo    install what the demo needs and run it (MINUTES=10 of training, into OUT=runs/demo)
# make test    install what the tests need and run them
# The rest: make test-slow, make lint, make format, make clean. Installing is scripts/install.sh.

VENV ?= .venv
MINUTES ?= 10
OUT ?= runs/demo
BIN := $(VENV)/bin

.PHONY: demo test test-slow lint format clean

demo: $(VENV)/.demo
	$(BIN)/majolica demo --minutes $(MINUTES) --out $(OUT)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m slow

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The tests draw pictures too, so they want the demo's packages as well.
$(VENV)/.dev: pyproject.toml scripts/install.sh
	scripts/install.sh $(VENV) demo,dev
	@touch $@ $(VENV)/.demo

$(VENV)/.demo: pyproject.toml scripts/install.sh
	scripts/install.sh $(VENV) demo
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
