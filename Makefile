# Each target is one line of meaning; the logic is in the commands they call.
.PHONY: help setup demo test check judges lab-up lab-down traffic docs
.DEFAULT_GOAL := help

help:      ## this list
	@sed -n 's/^\([a-z-]*\): .*## /\1\t/p' Makefile | expand -t 12

setup:     ## everything this machine lacks: packages, environment, tools built from source
	@tools/setup.sh

demo: export DCSHIFT_SCALE = full
demo:      setup ## both data centres here, one whole move under citizens' traffic, and its proof
	@.venv/bin/dcshift demo

test:      setup check ## check, then the live ring on real hosts and a real cluster
	@.venv/bin/pytest -m live --live-required tests/live

check:     ## format, lint, types, import contracts, playbooks, all fast tests
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/yamllint --strict .
	@cd playbooks && ANSIBLE_HOME=../build/ansible ../.venv/bin/ansible-lint --offline -q
	@.venv/bin/pytest -q -m "not live"

judges:    ## checkov, trivy and kube-score over what we render; installs them into the cache
	@.venv/bin/python -m lab.judges

lab-up:    setup ## both data centres, running
	@.venv/bin/dcshift lab up

lab-down:  ## stop both data centres; leaves only this checkout and the cache folder
	@.venv/bin/dcshift lab down

traffic:   ## citizens using the public names until Ctrl-C
	@.venv/bin/dcshift lab traffic

docs:      ## write again what is made from the code: schemas, errors, commands, rules, components, sizes
	@.venv/bin/python -m catalogue.schemas
	@.venv/bin/python -m migration.cli.reference
	@.venv/bin/python -m infra.rules > docs/rules.md
	@.venv/bin/python -m infra.reference
	@.venv/bin/python -m lab.judges.page
