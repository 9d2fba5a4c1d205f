# The words of this repository. Each makes the virtual environment it needs.
#
#   make demo          serve, index and search a real corpus on the built-in model
#   make test          all tests that need no torch
#   make test-export   the tests of the exporter (torch, CPU)
#   make test-floors   the contract tests on the oldest grpcio and protobuf we claim
#   make check         lint, types, import contracts, generated code, buf lint and breaking
#   make protos        generate server/spladed/v1 from protos/
#   make builtin       make the built-in bundle anew from models/spladed-tiny-en
#   make parity        every family and precision beside torch, into docs/parity.md
#   make goldens       make the exporter's goldens anew
#   make screens       make the README's screens anew
#   make model-card    measure both checkpoints and write the model card's tables
#   make bench-quality int8 against fp32 on judged sets
#   make bench         the benchmarks, into bench/results
#   make bench-write   writes a second, beside SQLite FTS5 and Qdrant Edge
#   make bench-filters filters over a million documents
#   make bench-load    bulk load of a million vectors
#   make bench-start   from a process's start until it serves, and the first query
#   make bench-mixed   searches while documents are written and segments are merged
#   make bench-encode  texts encoded by every engine, beside what the processor could do
#   make bench-resident  memory over a million encoded texts, or TEXTS of them
#   make bench-serve-cost  a server's own work, beside a bare echo
#   make bench-search  search beside its peers: DOCS=N FLAVOUR=pp|pph|v3|real
#   make rules         check and test the alert rules (needs promtool, Debian's prometheus)
#   make crash         kill and reopen, ROUNDS=500 times, and every power cut of a record
#   make wheel         dist/*.whl, proven in empty environments

PYTHON ?= python3
SERVER := .venv
EXPORT := .venv-export
PROTOS := .venv-protos
FLOORS := .venv-floors
PEERS_VENV := .venv-peers
ENCODE_PEERS := .venv-encode-peers
BUF    := node_modules/.bin/buf
BASELINE := tests/contract/baseline.binpb
PIP    := -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-export test-floors check protos protos-check builtin parity goldens \
        screens model-card bench bench-quality bench-write bench-filters bench-load bench-search \
        bench-mixed bench-start bench-encode bench-resident bench-serve-cost rules crash wheel clean

demo: $(SERVER)/ready
	$(SERVER)/bin/python demo/demo.py

test: $(SERVER)/ready-dev
	$(SERVER)/bin/python -m pytest --ignore=tests/export

test-export: $(EXPORT)/ready
	$(EXPORT)/bin/pyright --pythonpath $(EXPORT)/bin/python export/spladed_export
	$(EXPORT)/bin/python -m pytest tests/export

test-floors: $(FLOORS)/ready
	$(FLOORS)/bin/python -m pytest tests/contract tests/unit/test_wire.py tests/unit/test_status.py

check: $(SERVER)/ready-dev protos-check
	$(SERVER)/bin/ruff check .
	$(SERVER)/bin/ruff format --check .
	$(SERVER)/bin/lint-imports
	$(SERVER)/bin/pyright --pythonpath $(SERVER)/bin/python

# The generator is pinned low and lives alone: its code then runs on a wide range of
# runtimes, and its own protobuf never meets the server's.
protos: $(PROTOS)/ready $(BUF)
	$(PROTOS)/bin/python tools/protos.py generate server
	$(PROTOS)/bin/python tools/protos.py describe build/contract.binpb
	$(BUF) breaking build/contract.binpb --against $(BASELINE) --config buf.yaml
	cp build/contract.binpb $(BASELINE)

protos-check: $(PROTOS)/ready $(BUF)
	$(PROTOS)/bin/python tools/protos.py drift server
	$(PROTOS)/bin/python tools/protos.py describe build/contract.binpb
	$(BUF) lint build/contract.binpb --config buf.yaml
	$(BUF) breaking build/contract.binpb --against $(BASELINE) --config buf.yaml

builtin: $(EXPORT)/ready
	$(EXPORT)/bin/python -m spladed_export.builtin

parity: $(EXPORT)/ready
	$(EXPORT)/bin/python -m spladed_export.parity

goldens: $(EXPORT)/ready
	$(EXPORT)/bin/python -m spladed_export.goldens

screens: $(SERVER)/ready-dev
	$(SERVER)/bin/python tools/screens.py write

# DATA: a folder with a folder a judged set; CHECKPOINTS: a folder of SPLADE checkpoints;
# ARGS: --large for the two large sets too, --resume to go on after a run that was cut
model-card: $(SERVER)/ready-bench $(EXPORT)/ready
	$(SERVER)/bin/python bench/model_card.py $(DATA) --checkpoints $(CHECKPOINTS) \
	    --exporter $(EXPORT)/bin/spladed --bundles build/bundles $(ARGS)

bench: $(EXPORT)/ready
	$(EXPORT)/bin/python bench/head_memory.py
	$(EXPORT)/bin/python bench/client_cost.py

bench-quality: $(EXPORT)/ready
	$(EXPORT)/bin/python bench/quality.py $(DATA)

bench-write bench-filters bench-load bench-mixed bench-start bench-serve-cost: bench-%: $(SERVER)/ready-bench
	$(SERVER)/bin/python bench/$(subst -,_,$*).py $(ARGS)

# DOCS: how many documents, more than one number draws their growth; FLAVOUR: pp, pph, v3 or real;
# QUERIES: a folder of real SPLADE queries to grow documents from, else statistics do;
# TEXTS: for FLAVOUR=real, a judged set as a folder; PEERS: names with commas, all if empty;
# BENCH_CACHE: where collections and indexes are kept, build/bench if empty; ARGS: --capped
DOCS ?= 100000
FLAVOUR ?= pp
bench-search: $(SERVER)/ready-bench $(PEERS_VENV)/ready
	$(SERVER)/bin/python bench/search.py --documents $(DOCS) --flavour $(FLAVOUR) \
	    $(if $(PEERS),--engines '$(PEERS)') $(if $(QUERIES),--vectors $(QUERIES)) \
	    $(if $(TEXTS),--texts $(TEXTS)) $(ARGS)

# TEXTS: a judged set as a folder, for passages as they come; ARGS: --models, --engines, --passes
bench-encode: $(SERVER)/ready-bench $(EXPORT)/ready $(ENCODE_PEERS)/ready
	$(SERVER)/bin/python bench/encode.py $(if $(TEXTS),--texts $(TEXTS)) $(ARGS)

bench-resident: $(SERVER)/ready-bench
	$(SERVER)/bin/python bench/resident.py $(if $(TEXTS),--texts $(TEXTS)) $(ARGS)

rules:
	promtool check rules deploy/prometheus/rules.yaml
	promtool test rules deploy/prometheus/rules_test.yaml

ROUNDS ?= 500
crash: $(SERVER)/ready-dev
	$(SERVER)/bin/python bench/crash.py --rounds $(ROUNDS)

wheel: $(SERVER)/ready-dev
	rm -rf dist
	$(SERVER)/bin/python -m build --wheel --outdir dist .
	$(SERVER)/bin/python tools/wheel.py dist

clean:
	rm -rf $(SERVER) $(EXPORT) $(PROTOS) $(FLOORS) $(PEERS_VENV) \
	    $(ENCODE_PEERS) node_modules examples/node/node_modules \
	    build dist

$(SERVER)/ready: pyproject.toml constraints/server.txt
	$(PYTHON) -m venv $(SERVER)
	$(SERVER)/bin/python $(PIP) -c constraints/server.txt -e '.[server]'
	touch $@

$(SERVER)/ready-dev: $(SERVER)/ready
	$(SERVER)/bin/python $(PIP) -c constraints/server.txt -e '.[server,jobs,dev]'
	touch $@

$(SERVER)/ready-bench: $(SERVER)/ready-dev
	$(SERVER)/bin/python $(PIP) -c constraints/server.txt -e '.[server,bench,dev]'
	touch $@

# torch first and pinned: an open range would pull a CUDA build of several gigabytes.
$(EXPORT)/ready: pyproject.toml constraints/export.txt
	$(PYTHON) -m venv $(EXPORT)
	$(EXPORT)/bin/python $(PIP) torch==2.13.0
	$(EXPORT)/bin/python $(PIP) -c constraints/export.txt -e '.[export,index,bench,dev]'
	touch $@

$(PROTOS)/ready: constraints/protos.txt
	$(PYTHON) -m venv $(PROTOS)
	$(PROTOS)/bin/python $(PIP) -r constraints/protos.txt
	touch $@

$(FLOORS)/ready: pyproject.toml constraints/floors.txt
	$(PYTHON) -m venv $(FLOORS)
	$(FLOORS)/bin/python $(PIP) -c constraints/floors.txt -e . pytest hypothesis
	touch $@

# Without dependencies: splade-index alone would pull torch with CUDA, 6 GB, to encode text.
$(PEERS_VENV)/ready: constraints/peers.txt
	$(PYTHON) -m venv $(PEERS_VENV)
	$(PEERS_VENV)/bin/python $(PIP) --no-deps -r constraints/peers.txt
	touch $@

$(ENCODE_PEERS)/ready: constraints/encode-peers.txt
	$(PYTHON) -m venv $(ENCODE_PEERS)
	$(ENCODE_PEERS)/bin/python $(PIP) -r constraints/encode-peers.txt
	touch $@

$(BUF): package.json package-lock.json
	npm ci --no-audit --no-fund --ignore-scripts
	touch $@
