# Each target is one line of meaning; the logic is in the commands they call.
.PHONY: help setup demo test check live-lab live-alone judges lab-up lab-down traffic docs style types contracts yaml playbooks-lint bench-infra bench-data
.DEFAULT_GOAL := help

help:      ## this list
	@sed -n 's/^\([a-z-]*\): .*## /\1\t/p' Makefile | expand -t 12

setup:     ## everything this machine lacks: packages, environment, tools built from source
	@tools/setup.sh

demo: export DCSHIFT_SCALE = full
demo:      setup ## both data centres here, one whole move under citizens' traffic, and its proof
	@.venv/bin/dcshift demo

test:      setup check ## check, then the live ring on real hosts and a real cluster
	@$(MAKE) --no-print-directory --keep-going --jobs=2 live-lab live-alone

# The live ring in two parts: what plays in the lab mostly waits, so what needs no lab runs beside it, more politely.
live-lab:
	@.venv/bin/pytest -m "live and lab" --live-required --durations=20 tests/live
live-alone:
	@mkdir -p build; nice .venv/bin/pytest -q -m "live and not lab" --live-required --durations=20 tests/live > build/live-alone.log 2>&1; \
	  ended=$$?; cat build/live-alone.log; exit $$ended

check:     ## format, lint, types, import contracts, playbooks, all fast tests
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target types playbooks-lint contracts style yaml
	@.venv/bin/pytest -q -n 2 --dist loadfile -m "not live"

# Parts of check that need nothing of each other; the two long ones come first, and each one's words stay together.
types:
	@.venv/bin/mypy
playbooks-lint:
	@cd playbooks && ANSIBLE_HOME=../build/ansible ../.venv/bin/ansible-lint --offline -q
contracts:
	@.venv/bin/lint-imports
style:
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/ruff check --quiet .
yaml:
	@.venv/bin/yamllint --strict .

judges:    ## checkov, trivy and kube-score over what we render; installs them into the cache
	@.venv/bin/python -m lab.judges

lab-up:    setup ## both data centres, running
	@.venv/bin/dcshift lab up

lab-down:  ## stop both data centres; leaves only this checkout and the cache folder
	@.venv/bin/dcshift lab down

traffic:   ## citizens using the public names until Ctrl-C
	@.venv/bin/dcshift lab traffic

bench-infra: ## build and bring up provinces of 3, 10 and 30 systems, measured; needs an idle machine
	@.venv/bin/python -m bench.infra

bench-data: ## our movers and proofs beside those of others, 0.5 to 8 GB, 25 minutes; needs an idle machine
	@.venv/bin/python -m bench.data

docs:      ## write again what is made from the code: schemas, errors, commands, rules, components, sizes
	@.venv/bin/python -m catalogue.schemas
	@.venv/bin/python -m migration.cli.reference
	@.venv/bin/python -m infra.rules > docs/rules.md
	@.venv/bin/python -m infra.reference
	@.venv/bin/python -m lab.judges.page
	@.venv/bin/python -m bench.results
