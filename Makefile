# Everything runs in virtual environments made here; a fresh clone needs Python, a C compiler and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(wildcard ext/*.p* setup.py pyproject.toml)

.PHONY: build test test-instrumentations test-servers test-zerocode test-versions collector test-collector lint format demo bench
.PHONY: bench-collector readme clean

build: $(VENV)/built

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/built: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	touch $@

# A process for each core. Each begins with a stretch of whole modules, whose fixtures are made once, and who has done
# takes from what the slowest has left: some tests only wait. At most 8, since a container may count the cores of its
# host. `make test WORKERS=0` runs all of them in one process.
WORKERS ?= logical

test: build
	# What these need is made by the targets below.
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist worksteal \
		$(addprefix --ignore=tests/,instrumentations servers zerocode collector)

lint: build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint ext  # it calls pycodestyle by name
	$(BIN)/python -m tools.readme --check

format: build
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

readme: build
	$(BIN)/python -m tools.readme

# On an extension that is compiled to watch its use of memory: all of it, or the tests of the extension's own parts.
.PHONY: test-sanitized test-sanitized-extension
test-sanitized: build
	$(BIN)/python -m tools.sanitized

test-sanitized-extension: build
	$(BIN)/python -m tools.sanitized --extension

# Under valgrind, which knows besides what was never written to. Generated tests would take hours; the others take
# forty times as long as without it. Where it is missing this says so and does nothing.
.PHONY: test-valgrind
test-valgrind: build
	if command -v valgrind >/dev/null; then \
		PYTHONMALLOC=malloc valgrind --quiet --fair-sched=yes --leak-check=no --error-exitcode=99 --num-callers=30 \
			--suppressions=tools/cpython.supp $(BIN)/python -m pytest -m "not hypothesis" -o timeout=0 \
			-p no:cacheprovider -p no:faulthandler \
			$(patsubst %,tests/test_%.py,encode request buffer batch ring recovery twin checksum fingerprint scrub census); \
	else echo "skipped: valgrind is missing" >&2; fi

# Whatever is done a thousand times holds nothing afterwards; ten million spans take no more memory than two.
.PHONY: test-leaks
test-leaks: build
	ERRSAMPLE_LONG=1 $(BIN)/python -m pytest tests/isolated/test_leaking.py

# The instrumentations pin the SDK they were released with.
.venv-instrumentations/built: $(SOURCES)
	$(PYTHON) -m venv .venv-instrumentations
	.venv-instrumentations/bin/python -m pip install --quiet --upgrade pip
	.venv-instrumentations/bin/python -m pip install --quiet --editable '.[instrumentations]'
	touch $@

test-instrumentations: .venv-instrumentations/built
	INSTRUMENTATIONS=required .venv-instrumentations/bin/python -m pytest tests/instrumentations

# Real servers, with the SDK of the instrumentations that the examples use. `RECORD=1 make test-servers readme` brings the
# tables of the documentation up to date.
.venv-servers/built: $(SOURCES)
	$(PYTHON) -m venv .venv-servers
	.venv-servers/bin/python -m pip install --quiet --upgrade pip
	.venv-servers/bin/python -m pip install --quiet --editable '.[servers]'
	touch $@

test-servers: .venv-servers/built
	SERVERS=required .venv-servers/bin/python -m pytest tests/servers

# The OpenTelemetry Collector, built once and kept outside the tree; where Go is missing this says so and does nothing.
collector: build
	nice $(BIN)/python -m tools.collector

# rotel has wheels for some platforms only; its tests are skipped elsewhere, the Collector's where there is none.
test-collector: collector
	-$(BIN)/python -m pip install --quiet --group receivers
	$(BIN)/python -m pytest -rs tests/collector

# opentelemetry-instrument as users start it. RECORD=1 writes down what ran, for the README.
test-zerocode: .venv-instrumentations/built
	INSTRUMENTATIONS=required .venv-instrumentations/bin/python -m pytest tests/zerocode

# The same on the oldest SDK, an older one and the newest, each with what was released for it. RECORD=1 as above.
SDKS := 1.40.0/opentelemetry-distro==0.61b0 \
	1.44.0/opentelemetry-distro==0.65b0/opentelemetry-configuration==0.65b0 \
	1.45.2/opentelemetry-distro==0.66b2/opentelemetry-configuration==0.66b2

test-versions:
	for set in $(SDKS); do \
		sdk=$${set%%/*}; \
		venv=.venv-sdk-$$sdk; \
		$(PYTHON) -m venv $$venv && \
		$$venv/bin/python -m pip install --quiet --editable '.[test]' opentelemetry-sdk==$$sdk \
			opentelemetry-exporter-otlp==$$sdk $$(echo $${set#*/} | tr / ' ') && \
		INSTRUMENTATIONS=required $$venv/bin/python -m pytest tests/zerocode || exit 1; \
	done

example-%: .venv-servers/built
	.venv-servers/bin/python -m examples.$*

bench: build
	$(BIN)/python -m benchmarks

# The Collector's tail_sampling beside ours: same traces kept, other costs.
bench-collector: collector
	$(BIN)/python -m benchmarks.collector

# Faults and outages against the stock span processor and ours, then 1,000 kills of a writer of the spool and four broken
# ones, and 720 forks while requests are on their way. `.venv/bin/python -m chaos --json chaos/results.json` and
# `make readme` bring the documentation up to date.
.PHONY: chaos soak
chaos: build
	$(BIN)/python -m chaos
	ERRSAMPLE_LONG=1 $(BIN)/python -m pytest tests/isolated/test_killing.py tests/isolated/test_forking.py \
		tests/isolated/test_stepping.py

# The extension once more, so that it tells the fuzzer where it goes; see fuzz/__init__.py. Where atheris has no wheel the
# kept inputs are replayed.
build/fuzz/built: $(VENV)/built fuzz/coverage.c
	-$(BIN)/python -m pip install --quiet --group fuzz
	mkdir -p build/fuzz
	$(CC) -O2 -fPIC -c fuzz/coverage.c -o build/fuzz/coverage.o
	CFLAGS="-O1 -g0 -fPIC -fsanitize-coverage=trace-pc,trace-cmp" LDFLAGS="$(CURDIR)/build/fuzz/coverage.o" \
		$(BIN)/python setup.py -q build_ext --force --build-lib build/fuzz --build-temp build/fuzz/temp
	touch $@

# For each target; 0 for the kept inputs alone.
FUZZ_SECONDS ?= 600
.PHONY: fuzz
fuzz: build/fuzz/built
	$(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS)

# Ten minutes of random faults; `SOAK="--minutes 60 --seed 7"` for other ones.
SOAK ?= --minutes 10
soak: build
	nice $(BIN)/python -m chaos.soak $(SOAK)

# The instrumentations are released for an SDK of their own, so the demo does not share the tests' environment.
# Editable: `python -m demo` finds the sources in this directory first, and the extension has to be beside them.
.venv-demo/built: $(SOURCES)
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python -m pip install --quiet --upgrade pip
	.venv-demo/bin/python -m pip install --quiet --editable '.[demo]'
	touch $@

demo: .venv-demo/built
	.venv-demo/bin/python -m demo

clean:
	rm -rf $(VENV) .venv-sdk-* .venv-demo .venv-instrumentations .venv-servers build dist *.egg-info otel_errsample/*.so ext/*.c
