# Everything that is run on this project. `make` alone lists it.

# Caches live outside the clone, so that a fresh one is warm.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vox/target

RUN := cargo run --quiet --locked --package
# Programs as the tests build them: by itself each would have other features of its dependencies, and build them all again.
BUILT := $(CARGO_TARGET_DIR)/debug
HARNESS := $(RUN) vox-e2e --

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help generate lint test fuzz bench bench-replay up down demo

help: ## List the targets
	@sed -n 's/^\([a-z-]*\): *## /\1\t/p' Makefile | expand --tabs=14

# In this order: what vox-codegen writes is compiled into all that follow.
generate: ## Write what is made from the contracts, the kinds and the programs' arguments
	$(RUN) vox-codegen
	$(RUN) vox-crds --bin vox-crdgen
	page=$$($(RUN) vox-controller -- reference) && printf '%s\n' "$$page" > docs/reference/operator.md
	page=$$($(RUN) vox-sidecar -- reference) && printf '%s\n' "$$page" > docs/reference/sidecar.md
	page=$$($(RUN) vox-cli -- reference) && printf '%s\n' "$$page" > docs/reference/cli.md

lint: ## Check formatting, clippy, generated files, contracts, scripts and charts; changes nothing
	cargo fmt --all --check
	cargo clippy --quiet --locked --workspace --all-targets -- --deny warnings
	cargo build --quiet --locked --workspace --bins --tests
	$(BUILT)/vox-codegen --check
	$(BUILT)/vox-crdgen --check
	$(BUILT)/vox-operator reference | diff docs/reference/operator.md - || { echo 'run `make generate`' >&2; exit 1; }
	$(BUILT)/vox-sidecar reference | diff docs/reference/sidecar.md - || { echo 'run `make generate`' >&2; exit 1; }
	$(BUILT)/vox reference --check docs/reference/cli.md
	$(BUILT)/vox ci contracts
	e2e/lint

test: ## Everything that must hold: lint, all tests, and those of a cluster, which is taken down afterwards
	$(MAKE) lint
	e2e/test

fuzz: ## Try changed answers of every family of providers, FUZZ_SECONDS each (10), and print the times of reading 1k, 10k and 100k models
	FUZZ_SECONDS=$${FUZZ_SECONDS:-10} cargo test --quiet --locked --release --package vox-catalog --test fuzz --test scale -- --nocapture --test-threads 2

bench: ## Measure the data path, decisions, ingest and the roll-up here; then, on the cluster of the demo where that is up, catalogs and a policy's way to sidecars
	cargo bench --quiet --locked --package vox-sidecar --bench data_path
	cargo bench --quiet --locked --package vox-routing --bench decide
	url=$$($(HARNESS) database) && VOX_TEST_DATABASE_URL=$$url cargo bench --quiet --locked --package vox-store --bench ingest --bench roll_up
	env=$$($(HARNESS) env) && eval "$$env" && e2e/bench
	env=$$($(HARNESS) env) && eval "$$env" && e2e/bench-sources
	env=$$($(HARNESS) env) && eval "$$env" && e2e/bench-sidecars

bench-replay: ## Play tables of questions and what each model made of them through what decides, stores and learns; DIR names the folder of *.csv
	e2e/bench-replay $(DIR)

up: ## Bring up a kind cluster, and an engine where none answers; keeps what is healthy
	$(HARNESS) up

down: ## Take down the cluster, the database, and the engine if `up` started it
	$(HARNESS) down

demo: ## Vox on that cluster, with sources, policies, a gateway, a stand-in for the providers and a small real model
	e2e/demo
