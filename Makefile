# Everything runs in .venv, which the first target that needs it sets up.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
EXTRAS := headless,cpu,openvino,dataframe,parquet,rtx,kernels,train,faces,corpora,export,bench,test

.DEFAULT_GOAL := help
.PHONY: help install demo test lint bench clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed ## make .venv with everything that demo, test and bench need

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lgrnet needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet -c constraints.txt -e ".[$(EXTRAS)]"
	@$(RUN) -m runtime.native || echo "the native engine is left out; all else works without it"
	@touch $@

demo: install ## detect action units in the demo clip: annotated video, CSV, latency summary in out/
	$(RUN) -m runtime --out out

# A process a core, each with one thread: threads of PyTorch that wait for each other cost more than they gain. A process
# that crashes ends the run: xdist would begin another and now and then wait for ever.
test: install lint ## lint, then all tests
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist loadfile --max-worker-restart 0

# Types twice, as there is code for Windows alone; what mypy remembers of one system it cannot use for the other.
lint: install ## style, format, types and the direction of imports
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m mypy --platform win32 --cache-dir .mypy_cache/win32 runtime tests/typed_use.py
	$(VENV)/bin/clang-format --dry-run --Werror runtime/native/engine/* tests/native_*.[ch]pp tests/native_neon/* examples/native/*
	$(VENV)/bin/lint-imports

bench: install ## speed of every engine, as JSON and a table
	$(RUN) benchmarks/fps.py

clean: ## remove .venv and outputs, not data/ or runs/
	rm -rf $(VENV) out
