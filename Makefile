# make demo and make test set everything up by themselves, in .venv
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-fast lint docs audit wheel release-check clean

demo: $(VENV)/.demo
	$(BIN)/blemish demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-fast: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --strict

audit: $(VENV)/.dev
	$(BIN)/pip check
	$(BIN)/pip-audit --local --skip-editable --vulnerability-service osv

wheel: $(VENV)/.dev
	$(BIN)/python -m build --wheel

release-check:
	tools/release_check.sh $(PYTHON)

clean:
	rm -rf $(VENV) build dist site demo

$(VENV)/.%: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[$*]"
	touch $@
