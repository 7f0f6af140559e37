# Every target sets up what it needs; `make demo` and `make test` work on a fresh checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up

.PHONY: demo test test-rest test-all lint check format docs fuzz lock clean

demo: $(SETUP)  ## a sample function through 30 invocations, then its telemetry read back by DuckDB
	$(BIN)/otlp2parquet-ext demo

# ON=layer: end-to-end tests start the extension of the zip that `make layer` made, as root.
ON ?= checkout
SUITE := $(BIN)/python tests/suite/run.py
WHERE := $(if $(filter layer,$(ON)),--on-layer)

test: $(SETUP)  ## the behaviour, on the embedded default and one server of each kind; TESTS="tests/e2e -k kill"
	$(SUITE) quick $(WHERE) $(TESTS)

test-rest: $(SETUP)  ## what `test` leaves out: more servers, engines, browsers, tools, and many examples
	$(SUITE) rest $(WHERE) $(TESTS)

test-all: test test-rest  ## both

lint: $(SETUP)  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## before a commit: format, lint, types, tests

format: $(SETUP)  ## rewrite the sources as `check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(SETUP)  ## regenerate what is made: configuration, schema, the commands of cost, the policies of iam
	$(BIN)/otlp2parquet-ext settings --markdown > docs/configuration.md
	$(BIN)/python tests/schema/page.py > docs/schema.md
	$(BIN)/python tests/cost/shown.py docs/cost.md
	$(BIN)/python tests/iam/policy_pages.py docs/iam.md

FUZZ_S ?= 60
FUZZER := build/fuzz/atheris

fuzz: $(SETUP)  ## look for FUZZ_S seconds each for a delivery, an OTLP request, and bytes of HTTP that break something
	test -d $(FUZZER) || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --require-hashes --only-binary :all: --target $(FUZZER) -r tests/fuzz/requirements.txt || true
	PYTHONPATH=$(FUZZER) $(BIN)/python tests/fuzz/fuzz.py deliveries $(FUZZ_S)
	PYTHONPATH=$(FUZZER) $(BIN)/python tests/fuzz/fuzz.py requests $(FUZZ_S)
	PYTHONPATH=$(FUZZER) $(BIN)/python tests/fuzz/fuzz.py http $(FUZZ_S)

lock: $(SETUP)  ## resolve pyproject.toml again and write requirements.txt (hashes, no addresses)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --all-extras --group dev pyproject.toml --output-file requirements.txt

clean:  ## remove everything that was made here; a demo-lake only if `make demo` made it
	test ! -f demo-lake/.otlp2parquet-demo || rm -rf demo-lake
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(SETUP): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: layer layer-again test-layer layer-lock

LAYER_AGAIN := build/layer-again

layer-again: $(SETUP)  ## this machine's zip once more, from the same downloads: a test compares both
	rm -rf $(LAYER_AGAIN) && mkdir -p $(LAYER_AGAIN)/build
	for folder in build/layer/debs-* build/layer/wheels-*; do ln -s $(CURDIR)/$$folder $(LAYER_AGAIN)/build/; done
	$(BIN)/python -m layer $(LAYER) --arch $(subst aarch64,arm64,$(shell uname -m)) \
	  --build $(LAYER_AGAIN)/build --output $(LAYER_AGAIN)

layer: $(SETUP)  ## dist/otlp2parquet-ext-{x86_64,arm64}.zip; LAYER="--python 3.13" for another interpreter
	$(BIN)/python -m layer $(LAYER)

test-layer: $(SETUP)  ## the zips of `make layer`, in roots that contain nothing else
	$(BUILD_TOOLS) aws
	$(SUITE) layer $(TESTS)

layer-lock: $(SETUP)  ## resolve the layer's own requirements again (hashes, no addresses)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  pyproject.toml layer/requirements.in --output-file layer/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  layer/requirements-test.in --output-file layer/requirements-test.txt

.PHONY: test-tools test-deploy deploy-lock
BUILD_TOOLS := PYTHONPATH=tests:tests/servers $(BIN)/python -m tools

test-tools: $(SETUP)  ## what tests skip without: servers of Go and Java, the AWS CLI, the CDK, a wheel; TOOLS="rest node" for some
	$(BUILD_TOOLS) $(TOOLS)

test-deploy: $(SETUP)  ## templates, snippets and scripts of deploy/
	$(BUILD_TOOLS) aws deploy
	$(BIN)/pytest tests/deploy

deploy-lock: $(SETUP)  ## resolve what `test-deploy` checks with again (hashes, no addresses)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  tests/deploy/requirements.in --output-file tests/deploy/requirements.txt

.PHONY: test-faults
test-faults: $(SETUP)  ## the fault matrix, about half an hour; FAULTS="--only outage --strategy end" for some of it
	PYTHONPATH=tests:tests/servers $(BIN)/python -m faults $(FAULTS)

SOAK_S ?= 900

.PHONY: soak
soak: $(SETUP)  ## SOAK_S seconds of kills, freezes, endless answers and forgeries; SOAK="--seed 7 --merge"
	PYTHONPATH=tests:tests/servers $(BIN)/python -m faults --soak $(SOAK_S) $(SOAK)

.PHONY: site
site: $(SETUP)  ## the documentation as a site, in build/site
	$(BUILD_TOOLS) docs
	build/docs-tools/bin/mkdocs build --quiet

.PHONY: bench
bench: $(SETUP)  ## what it costs to be there, on the zip of `make layer`, as root; BENCH="--only start --quick"
	$(BIN)/python benchmarks/performance.py $(BENCH)
