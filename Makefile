# Every chore is one word; CI calls the same words.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed

.PHONY: help setup check lint types imports unit coverage renderers controlplane test demo pictures bench lock clean

help: ## what there is to do
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort

setup: $(READY) ## create the virtual environment from the lock file

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

check: lint types imports unit ## the inner loop: format, lint, types, layout, unit tests

lint: setup
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .

types: setup
	@$(BIN)/mypy --no-error-summary

imports: setup
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

unit: setup renderers
	@$(BIN)/pytest -q -m "not nats and not kube and not browser" tests

coverage: setup renderers ## the unit tests, half as slow again; fails unless they take every branch of what decides
	@$(BIN)/coverage run -m pytest -q -m "not nats and not kube and not browser" tests
	@$(BIN)/coverage report

renderers: setup ## compile kustomize (once, outside the tree) and look for helm
	@$(BIN)/python -m tests.renderers.build >/dev/null

controlplane: setup ## compile kube-apiserver, its controller manager, etcd and kubectl (once, outside the tree)
	@$(BIN)/python -m tests.controlplane.build

test: export CI ?= true # property tests take the same examples in every run
test: export PYTEST_ADDOPTS += --reruns 1 --max-suite-reruns 3 --rerun-show-tracebacks # what passes then is shown all the same
test: lint types imports coverage controlplane ## everything, on a real nats-server, real Git, a real Kubernetes control plane and a real browser
	@$(BIN)/pytest -q -m "nats or kube or browser" tests

demo: setup renderers ## one commit, twelve clusters, converged; KEEP=1 leaves it running
	@PATH="$$($(BIN)/python -m tests.renderers.build 2>/dev/null):$$PATH" $(BIN)/flotilla demo $(if $(KEEP),--keep)

pictures: setup renderers ## take the pictures of the README anew, of the page over the demo fleet (needs Chromium)
	@PATH="$$($(BIN)/python -m tests.renderers.build 2>/dev/null):$$PATH" $(BIN)/python -m tests.browser.pictures

bench: setup renderers ## how fast it is, as ratios within one run; FULL=1 with the monorepo at its full size
	@$(BIN)/python -m tests.benchmarks $(if $(FULL),--full)

lock: ## pin every dependency with hashes
	@uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 \
	  --all-extras --group dev pyproject.toml -o requirements.lock
	@uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 \
	  --all-extras --group image -c requirements.lock pyproject.toml -o deploy/requirements.lock

clean: ## remove what the chores made
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
