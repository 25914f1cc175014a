# The list of commands; README and CI call these. `make help` explains them.
SHELL := /bin/sh
PYTHON := .venv/bin/python
NODES ?= 3
WORKERS ?= 2
NAME ?= funswarm

# Compiled once, tests start sooner; where it is set, each process of each run compiles all of them anew.
test test-fast: export PYTHONDONTWRITEBYTECODE =

.PHONY: help run venv test test-fast check lint format bench bench-watch bench-commands bench-proxy bench-policies image swarm-up swarm-down deploy deploy-proxy update docs

help:  ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run:  ## Run all of Funswarm here, with a NATS of its own: http://localhost:8484 (SWARM_INIT=1 makes a Swarm)
	@.ci/venv run
	@exec $(PYTHON) -m services

venv:  ## Make .venv with all tools
	@.ci/venv dev

test: venv  ## Everything, against a real nats-server and real Swarms; installs what is missing
	@$(PYTHON) -m pytest --numprocesses $(WORKERS) --dist loadscope

test-fast: venv  ## The tests without engines, servers and processes
	@$(PYTHON) -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal -p no:schemathesis --hypothesis-profile fast \
		tests/unit tests/test_*.py

check: lint test-fast  ## lint and test-fast

lint: venv  ## Format, lint, types, layers
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy .
	.venv/bin/lint-imports --no-cache

format: venv  ## Format and mend what can be mended
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

docs: venv  ## Write docs/messages.md, docs/settings.md and docs/schemas from the models
	$(PYTHON) -m docs.generator

bench: venv  ## Measure on a real engine; writes bench/RESULTS.md
	$(PYTHON) -m bench

bench-watch: venv  ## Measure the watch, on a real engine and on the simulator
	$(PYTHON) -m bench.watch

bench-commands: venv  ## Measure commands beside docker-py's own calls, and a scheduler's kill
	$(PYTHON) -m bench.commands

bench-proxy: venv  ## Measure what a reverse proxy is told, beside Traefik's own Swarm provider
	$(PYTHON) -m bench.proxy

bench-policies: venv  ## Measure autoscale, cron, rebalance and drain, beside what Docker has for moving tasks
	$(PYTHON) -m bench.policies

image: venv  ## Build the image funswarm:build
	@$(PYTHON) -m testbed build

swarm-up: venv  ## A local Swarm of NODES=3 nodes with the network fun-swarm
	@$(PYTHON) -m testbed up --name $(NAME) --nodes $(NODES)

deploy: venv  ## Deploy the stack and a test service onto the local Swarm
	@$(PYTHON) -m testbed deploy --name $(NAME)

deploy-proxy: venv  ## Add Traefik and a site behind it to the local Swarm
	@$(PYTHON) -m testbed proxy --name $(NAME)

update: deploy  ## Build this checkout anew and roll it out

swarm-down: venv  ## Remove the local Swarm
	@$(PYTHON) -m testbed down --name $(NAME)
