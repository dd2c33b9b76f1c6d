# Every verb sets up by itself what it needs, once: files in .venv/.stamps remember what is done.
# Python >= 3.11 and Node >= 20 must be there; package registries and caches are those that the environment configures.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

BIN := $(CURDIR)/.venv/bin
STAMPS := .venv/.stamps
LAB := labextension
NODE_MODULES := $(LAB)/node_modules/.yarn-state.yml
LAB_SOURCES := $(shell find $(LAB)/src $(LAB)/style $(LAB)/schema -type f 2>/dev/null | sed 's/ /\\ /g')
LAB_CONFIG := $(wildcard $(LAB)/package.json $(LAB)/yarn.lock $(LAB)/.yarnrc.yml $(LAB)/tsconfig.json)
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST_ARGS ?=

export PATH := $(BIN):$(PATH)
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV

##@ First steps

.PHONY: quickstart
quickstart: $(STAMPS)/use $(STAMPS)/extension ## Run the quickstart notebook as a flow on a local Dask cluster
	@scripts/quickstart.sh

.PHONY: lab
lab: $(STAMPS)/use $(STAMPS)/extension ## Open JupyterLab in notebooks/
	@cd notebooks && exec jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) quickstart.ipynb

##@ Checks

.PHONY: test
test: $(STAMPS)/develop $(NODE_MODULES) $(STAMPS)/extension $(STAMPS)/system ## Everything that must hold: lint, types, jest, pytest; sets up a bare machine
	@python scripts/side_by_side.py

.PHONY: test-python
test-python: $(STAMPS)/develop $(STAMPS)/extension $(STAMPS)/system
	@scripts/test_python.sh $(PYTEST_ARGS)

.PHONY: test-lab
test-lab: $(NODE_MODULES)
	@cd $(LAB) && jlpm test

.PHONY: lint
lint: lint-python lint-lab ## ruff, import-linter, eslint, prettier

.PHONY: lint-python
lint-python: $(STAMPS)/develop
	@ruff check .
	@ruff format --check --quiet . || { echo "Some files are not formatted. Run: make format"; exit 1; }
	@lint-imports --config pyproject.toml --no-cache

.PHONY: lint-lab
lint-lab: $(NODE_MODULES)
	@cd $(LAB) && jlpm lint:check

.PHONY: format
format: $(STAMPS)/develop $(NODE_MODULES) ## Format Python and TypeScript
	@ruff check --fix --quiet . || true
	@ruff format .
	@cd $(LAB) && jlpm lint

.PHONY: type
type: $(STAMPS)/develop ## mypy, strict
	@mypy

.PHONY: soak
soak: $(STAMPS)/develop $(STAMPS)/extension $(STAMPS)/system ## The long and heavy tests
	@pytest -m "soak or hypothesis" --hypothesis-profile many $(PYTEST_ARGS)

.PHONY: bench
bench: $(STAMPS)/develop $(STAMPS)/extension ## Measure beside raw Dask and papermill, in one run
	@python -m tests.benchmarks

.PHONY: check-binder
check-binder: ## Run Binder's build steps in a clean folder, without Docker
	@binder/check.sh

.PHONY: client
client: $(STAMPS)/develop ## Write the Python client's calls as the REST API's endpoints say
	@python scripts/write_client_calls.py

.PHONY: catalogue
catalogue: $(STAMPS)/develop $(NODE_MODULES) ## Write the catalogues of translations as the source says
	@python scripts/write_catalogue.py

##@ Products

.PHONY: build
build: $(STAMPS)/develop $(NODE_MODULES) ## Build wheel and sdist into dist/
	@rm -rf dist orchestra_nb/labextension orchestra_nb/static $(STAMPS)/extension
	@python -m build --no-isolation
	@python scripts/check_wheel.py dist/*.whl

.PHONY: docs
docs: $(STAMPS)/docs ## Build the manual into docs/_build/html
	@sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "The manual: docs/_build/html/index.html"

.PHONY: clean
clean: ## Remove what was built; keep .venv and node_modules
	@rm -rf dist docs/_build orchestra_nb/labextension orchestra_nb/static $(LAB)/lib $(LAB)/tsconfig.tsbuildinfo
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache notebooks/runs $(STAMPS)/extension

.PHONY: help
help: ## Show this help
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# ---- Setting up ----

$(STAMPS)/venv:
	@scripts/make_venv.sh .venv
	@mkdir -p $(STAMPS) && touch $@

# The editable install must not build the extension a second time: the rule below does, from an up-to-date node_modules.
$(STAMPS)/use: pyproject.toml | $(STAMPS)/venv
	@if [ ! $(STAMPS)/develop -nt pyproject.toml ]; then \
	  echo "Installing Orchestra NB and what it needs into .venv (a few minutes the first time)"; \
	  scripts/install_editable.sh lab,examples,build; \
	fi
	@touch $@

$(STAMPS)/develop: pyproject.toml | $(STAMPS)/venv
	@echo "Installing Orchestra NB with its tools and tests into .venv (a few minutes the first time)"
	@scripts/install_editable.sh dev
	@python -m bash_kernel.install --sys-prefix > /dev/null
	@touch $@

$(STAMPS)/docs: pyproject.toml | $(STAMPS)/venv
	@scripts/install_editable.sh docs
	@touch $@

# jlpm comes with jupyter-builder, which both ways to install bring.
$(NODE_MODULES): $(LAB_CONFIG) | $(STAMPS)/venv
	@scripts/check_node.sh
	@[ -x $(BIN)/jlpm ] || $(PIP) install --quiet 'jupyter-builder>=1.2,<2'
	@echo "Installing the JupyterLab extension's packages (three minutes the first time)"
	@cd $(LAB) && ../scripts/quietly.sh jlpm install --immutable
	@touch $@

$(STAMPS)/extension: $(NODE_MODULES) $(LAB_SOURCES) $(LAB_CONFIG) | $(STAMPS)/venv
	@echo "Building the JupyterLab extension"
	@cd $(LAB) && ../scripts/quietly.sh jlpm build:prod
	@mkdir -p .venv/share/jupyter/labextensions
	@rm -rf .venv/share/jupyter/labextensions/orchestra-nb
	@ln -s "$(CURDIR)/orchestra_nb/labextension" .venv/share/jupyter/labextensions/orchestra-nb
	@touch $@

$(STAMPS)/system: scripts/system_packages.sh | $(STAMPS)/venv
	@scripts/system_packages.sh
	@touch $@
