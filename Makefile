# Everything a person does with this project. Each target is a short script under scripts/ that can be run by itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test lint format plugin bench shell stop clean screenshots

PORT ?= 8069
N ?= 1000 10000 100000

help: ## This list
	@echo "Program and Beneficiary Management System"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Install what is needed, do the main job on demo data, serve at http://localhost:8069 (PORT=…)
	@PORT=$(PORT) scripts/run.sh

test: ## The whole test suite (ARGS='-k name' or a path for a part of it)
	@scripts/test.sh $(ARGS)

lint: ## ruff and pylint-odoo on the addons, scripts and tests
	@scripts/lint.sh

format: ## Let ruff put the code in order
	@scripts/lint.sh --fix

plugin: ## Write a new plug-in that works (KIND=entitlement NAME=g2p_my_thing; KIND=help lists the kinds)
	@python3 scripts/plugin.py $(if $(filter help,$(KIND)),--help,$(KIND) $(NAME))

bench: ## Time the pipeline beside plain SQL at several sizes (N='1000 10000 100000')
	@scripts/bench.sh $(N)

shell: ## Odoo's Python shell on the demo database
	@scripts/postgres.sh start && scripts/odoo shell -d $${DATABASE:-g2p} --no-http --log-level=warn

stop: ## Stop Odoo and the private database server
	@scripts/stop.sh

screenshots: ## Take the pictures of docs/images from the running product
	@scripts/screenshots.sh

clean: ## Stop everything and delete .run/ (databases and files of the product) and .venv/; .odoo/ is kept
	@scripts/clean.sh
