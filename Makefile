# Every target makes the environment when it is missing. `make` alone lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST_WORKERS ?= 2
# What uv writes behind a package that is needed on every platform and Python of [tool.uv] in pyproject.toml.
NO_LATER := python_full_version < '3.14' and
EVERYWHERE := (platform_machine == 'arm64' and sys_platform == 'darwin') or sys_platform == 'linux' or sys_platform == 'win32'

export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-all parity spark-cluster lint format bench size docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@echo "Creating the environment in $(VENV) (a few minutes, once) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}. Say which: make demo PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## build, train, score and report on the bundled demo world
	@$(BIN)/retention run

test: lint ## lint, then the tests that continuous integration runs
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder --durations 15

test-fast: $(READY) ## style of Python, then the tests that neither build projects nor start Spark (about two minutes)
	@$(BIN)/ruff check .
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow" -q

test-all: $(READY) ## every test, also those that take long and have others of their kind, on all real data sets
	@RETENTION_ALL_TESTS=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder

parity: $(READY) ## build projects on DuckDB and on Spark, and compare every table (PARITY=demo for one of them)
	@$(BIN)/python -m tests.parity $(PARITY)

spark-cluster: $(READY) ## build the demo on a standalone Spark cluster of two workers on this machine
	@$(BIN)/python -m tests.parity.cluster

lint: $(READY) ## check style: Python, SQL, YAML
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m tests.lint_sql lint --disable-progress-bar --processes 2 models snapshots analyses tests/singular

format: $(READY) ## fix what can be fixed automatically
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/python -m tests.lint_sql fix --disable-progress-bar models snapshots analyses tests/singular

bench: $(READY) ## measure speed and memory, as ratios (more: python -m tests.bench --help)
	@$(BIN)/python -m tests.bench $(BENCH)
	@$(BIN)/python -m tests.bench --only spark --skip textbook --dates 1,12 $(BENCH_SPARK)
	@$(BIN)/python -m tests.bench.profiling $(BENCH_PROFILE)
	@$(BIN)/python -m tests.bench.snapshots $(BENCH_SNAPSHOTS)
	@$(BIN)/python -m tests.bench.leakage $(BENCH_LEAKAGE)
	@$(BIN)/python -m tests.bench.champions $(BENCH_CHAMPIONS)
	@$(BIN)/python -m tests.bench.training $(BENCH_TRAINING)
	@$(BIN)/python -m tests.bench.steps $(BENCH_STEPS)
	@$(BIN)/python -m tests.bench.profit $(BENCH_PROFIT)
	@$(BIN)/python -m tests.bench.text $(BENCH_TEXT)
	@$(BIN)/python -m tests.bench.serving $(BENCH_SERVING)

size: $(READY) ## count the lines of code of each package
	@$(BIN)/python -m tests.bench.size

docs: $(READY) ## write the dbt docs, with the lineage, to target/static_index.html
	@$(BIN)/dbt docs generate --static
	@echo "open target/static_index.html"

lock: ## solve requirements.lock anew from pyproject.toml
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	@build/lock/bin/uv pip compile --quiet --universal --no-annotate --no-header --extra dev pyproject.toml -o requirements.lock
	@sed -i.bak -e "s/$(NO_LATER) //" -e "s/ ; $(EVERYWHERE)$$//" -e "s/ ; ($(EVERYWHERE))$$//" -e "s/ and ($(EVERYWHERE))$$//" requirements.lock && rm requirements.lock.bak

clean: ## remove everything that was made here
	rm -rf $(VENV) build dist target logs text_models feature_store dbt_packages reports mlartifacts mlflow.db tuning.db
	rm -rf warehouse.duckdb warehouse.duckdb.wal spark_warehouse
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
