# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Ansible wants a UTF-8 locale, which a bare machine's root does not have.
export LC_ALL := C.UTF-8
# Ansible ignores an ansible.cfg in a folder that others may write to, unless it is named.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH := $(CURDIR)/.venv/bin:$(PATH)

python := .venv/bin/python

.PHONY: help setup browser lock lint sanity unit integration molecule sandbox sandbox-down demo test test-all chaos clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv and the link by which this checkout is found as a collection
	@scripts/bootstrap

browser: setup ## install a browser for the tests of the smoke checks, where there is none and that is ours to do
	@scripts/browser

lock: setup ## write requirements.txt anew from pyproject.toml
	@scripts/lock

lint: setup ## ansible-lint, yamllint, ruff, mypy, shellcheck, the layering rules, the changelog
	@$(python) scripts/check.py lint

sanity: setup ## ansible-test sanity
	@$(python) scripts/check.py sanity

unit: browser ## unit tests
	@$(python) scripts/check.py unit

sandbox: setup ## start the sandbox and put every host of it under management, at v1
	@sandbox/engine.sh
	@$(python) -m sandbox up
	@ansible-playbook -i inventories/sandbox playbooks/adopt.yml -l production
	@ansible-playbook -i inventories/sandbox playbooks/adopt.yml -l staging

sandbox-down: setup ## remove all that the sandbox made
	@$(python) -m sandbox down

integration: browser sandbox ## the playbooks for real, with faults and bad input, against the sandbox
	@$(python) scripts/check.py target integration-staging+integration-production

molecule: browser sandbox ## every Molecule scenario against the sandbox
	@$(python) scripts/check.py molecule-staging+molecule-production

demo: sandbox ## a broken release is noticed, rolled back and verified; ends with what was measured
	@$(python) -m scripts.demo

test: browser ## lint, sanity, unit, integration, Molecule; what CI runs, 30 minutes on 2 cores
	@$(python) scripts/check.py lint,sanity,packaging+sandbox,target unit \
	    integration-staging,molecule-staging+integration-production,molecule-production

test-all: browser ## test, and what is slow: the oldest supported ansible-core and Python, long scenarios
	@$(python) scripts/check.py --slow lint,sanity,packaging+sandbox,target unit oldest integration molecule

chaos: sandbox ## break things at random under load; RUNS=20 and SEED=… say how often, and which again
	@$(python) -m tests.chaos --runs $(or $(RUNS),20) $(if $(SEED),--seed $(SEED))

clean: ## remove caches and build output; the sandbox and .venv stay
	@rm -rf .cache build dist tests/output .hypothesis .pytest_cache .ruff_cache .mypy_cache pangeafate-hotfix-*.tar.gz
	@find . -name __pycache__ -type d -not -path './.venv/*' -not -path './.git/*' -prune -exec rm -rf {} +
