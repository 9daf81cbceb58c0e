# make demo   install everything and classify five conversations
# make test   install what tests need and run them all
# make check  lint, types, import directions and generated docs alone
# make docs   build the site from docs/ into site/; a link that leads nowhere is an error
# make report print the technical report to report.pdf; needs Chromium
# make dist   build wheel and sdist into dist/ and check them
# make test-integrations   run the tests of other libraries against all of these, ConvoKit too, and
#             record versions and date in results/integrations.json
# make smoke  run every experiment in small, over tiny random models
# make bench  measure the engine's speed on this machine; bench-train: training. On a quiet machine
#             it takes some 12 minutes; BENCH="--only contention" measures a part, --help lists them.
#             llama.cpp joins in where xllamacpp is installed:
#             .venv/bin/python -m pip install --constraint constraints.txt xllamacpp
#
# MODEL         the model of 'make demo', e.g. sentixrl-135m; the default if empty
# PYTHON        the interpreter the environment is made with (3.11 or newer)
# TORCH_INDEX   an index of CPU wheels of torch, to avoid the CUDA build where there is one
# BENCH         options of the benchmark
# CHROMIUM      the browser that 'make report' prints with

PYTHON ?= python3
TORCH_INDEX ?=
BENCH ?=
CHROMIUM ?= chromium
MODEL ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMPS := $(VENV)/stamps
SOURCES := $(shell find src -type f -not -name '*.pyc') pyproject.toml README.md
export PIP_NO_WARN_SCRIPT_LOCATION := 1

# ConvoKit asks for spaCy, sentence-transformers and much else; its corpora need these alone.
CONVOKIT := convokit==5.0.0 msgpack==1.2.4 msgpack-numpy==0.4.8 pymongo==4.20.1 dnspython==2.9.2

.PHONY: demo test check docs report dist test-integrations smoke bench bench-train clean

demo: $(STAMPS)/package
	@$(BIN)/sentixrl models install $(MODEL)
	@$(BIN)/sentixrl classify examples/*.txt $(if $(MODEL),--model $(MODEL))

test: $(STAMPS)/package $(STAMPS)/model $(STAMPS)/dev check
	$(BIN)/python -m pytest

check: $(STAMPS)/package $(STAMPS)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python scripts/check_rooms.py
	$(BIN)/python scripts/build_docs.py --check
	$(BIN)/python scripts/build_tables.py --check
	$(BIN)/python scripts/build_report.py --check
	$(BIN)/mypy src tests scripts benchmarks

# Neither needs torch: the reference is made from the source as text.
docs: | $(VENV)/bin/python
	@mkdir -p $(STAMPS)
	@$(BIN)/python scripts/requirements.py docs > $(STAMPS)/docs.txt
	@$(PIP) install --quiet --constraint constraints.txt --requirement $(STAMPS)/docs.txt
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

report:
	$(CHROMIUM) --headless --no-sandbox --disable-background-networking --no-pdf-header-footer \
		--print-to-pdf=report.pdf docs/report/report.html

dist: | $(VENV)/bin/python
	@$(PIP) install --quiet --constraint constraints.txt build hatchling twine
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m twine check --strict dist/*

test-integrations: $(STAMPS)/package $(STAMPS)/model $(STAMPS)/dev
	@$(PIP) install --quiet --no-deps $(CONVOKIT)
	$(BIN)/python scripts/record_integrations.py

# Every experiment over tiny random models; the first that leaves anything out ends it.
smoke: $(STAMPS)/package $(STAMPS)/model $(STAMPS)/dev
	@for one in experiments/*.yaml; do \
		echo "$$one"; $(BIN)/sentixrl experiment $$one --smoke --test --results $(VENV)/experiments || exit 1; \
	done

bench: $(STAMPS)/package $(STAMPS)/model $(STAMPS)/dev
	$(BIN)/python -m benchmarks.run $(BENCH)

bench-train: $(STAMPS)/package $(STAMPS)/model $(STAMPS)/dev
	$(BIN)/python -m benchmarks.training $(BENCH)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sentixrl needs Python 3.11 or newer; set PYTHON=…")'
	@echo "Making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# Torch first and alone, so that nothing else pulls another build of it.
$(STAMPS)/torch: constraints.txt | $(VENV)/bin/python
	@mkdir -p $(STAMPS)
	@echo "Installing torch (the largest part; a few minutes on a slow line)"
	@$(PIP) install --quiet --constraint constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@touch $@

$(STAMPS)/libraries: constraints.txt pyproject.toml $(STAMPS)/torch
	@echo "Installing libraries"
	@$(BIN)/python scripts/requirements.py train > $(STAMPS)/libraries.txt
	@$(PIP) install --quiet --constraint constraints.txt --requirement $(STAMPS)/libraries.txt hatchling
	@touch $@

$(STAMPS)/dev: constraints.txt pyproject.toml $(STAMPS)/libraries
	@echo "Installing what the tests need"
	@$(BIN)/python scripts/requirements.py dev > $(STAMPS)/dev.txt
	@$(PIP) install --quiet --constraint constraints.txt --requirement $(STAMPS)/dev.txt
	@touch $@

# The built wheel is installed, never the source tree: what is tested is what is shipped.
$(STAMPS)/package: $(STAMPS)/libraries $(SOURCES)
	@rm -rf $(VENV)/wheel
	@echo "Building and installing sentixrl"
	@$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir $(VENV)/wheel .
	@$(PIP) install --quiet --no-deps --force-reinstall $(VENV)/wheel/*.whl
	@touch $@

# Both models that come along: the tests run both.
$(STAMPS)/model: $(STAMPS)/libraries | $(STAMPS)/package
	@$(BIN)/sentixrl models install sentixrl-270m
	@$(BIN)/sentixrl models install sentixrl-135m
	@touch $@

clean:
	rm -rf $(VENV) build dist site
