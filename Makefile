# make demo   install, fine-tune on the annotations, read seeds/, render the page (at most 10 minutes on 2 cores)
# make test   install with the dev tools, then lint, types, annotations and tests
# make gate   train the seeds' cross-validation anew and hold it against the stored report (about 25 minutes on 2 cores)
# make report the same, and store it as the report to be held against
# make clean  remove the environment, the demo and caches

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test gate report folds clean
.DELETE_ON_ERROR:

# Stamps: an environment is made once, and again installed into only when what it is made from has changed.
$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	  "Rasid needs Python 3.11 or newer, not " + sys.version.split()[0] + "; run make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/made pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) --editable '.[dev]'
	@touch $@

demo: $(VENV)/installed
	$(BIN)/rasid train configs/seeds.yaml --output demo/model
	$(BIN)/rasid infer seeds/ --model demo/model --output demo/records.jsonl --overwrite
	$(BIN)/rasid render demo/records.jsonl --texts seeds --output demo/page.html
	@echo 'records: $(CURDIR)/demo/records.jsonl'
	@echo 'page:    $(CURDIR)/demo/page.html'

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/rasid annotations validate
	$(EVALUATE) --predictions $(REPORT)/held-out/*.jsonl $(GATED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

# What the fold's models say of articles that they have not seen: REPORT holds it as of the last `make report`.
REPORT   := docs/reports/seeds-cv
FRESH    := runs/gate
EVALUATE := $(BIN)/rasid evaluate --gold annotations
GATED    := --gate gate.yaml --baseline $(REPORT)

folds: $(VENV)/installed
	rm -rf $(FRESH)
	$(BIN)/rasid train configs/seeds-cv.yaml --output $(FRESH) --set cross_validation.keep_models=true
	$(BIN)/python scripts/held_out.py $(FRESH) --output $(FRESH)/held-out

gate: folds
	$(EVALUATE) --predictions $(FRESH)/held-out/*.jsonl --report $(FRESH)/report --junit $(FRESH)/gates.xml $(GATED)

report: folds
	mkdir -p $(REPORT)/held-out
	cp $(FRESH)/held-out/*.jsonl $(REPORT)/held-out
	$(EVALUATE) --predictions $(REPORT)/held-out/*.jsonl --report $(REPORT)

clean:
	rm -rf $(VENV) demo build dist rasid.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
