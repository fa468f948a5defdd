# Everything runs in .venv, which the targets make for themselves with the exact versions of constraints.txt.
# A second call is instant: the two stamps below are remade only after pyproject.toml or constraints.txt has changed.

VENV := .venv
BIN  := $(VENV)/bin
BASE := $(VENV)/.base.stamp
TEST := $(VENV)/.test.stamp
LOG  := $(VENV)/pip.log
CHECKED := .[test,dev,deepspeed,voxtral,quantization,media,cluster]
APP := .[app,test-app]

# $(call install,<what>): pip's many lines go to a file, of which the end is shown if it fails.
install = $(BIN)/python -m pip install --no-input --disable-pip-version-check --progress-bar off \
    -c constraints.txt $(1) >$(LOG) 2>&1 || { tail -n 40 $(LOG) >&2; exit 1; }

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo demo-long test test-slow test-app test-psds test-dashboards fuzz faults lint bench clean constraints

# With PYTHON given, an environment of another version is refused: it would silently be used instead.
ifdef PYTHON
ifneq ($(wildcard $(BIN)/python),)
VERSION := 'import sys; print("Python", "%d.%d" % sys.version_info[:2])'
WANTED  := $(or $(shell $(PYTHON) -c $(VERSION)),unable to run)
FOUND   := $(shell $(BIN)/python -c $(VERSION))
ifneq ($(WANTED),$(FOUND))
$(error $(VENV) holds $(FOUND), but PYTHON=$(PYTHON) is $(WANTED): remove $(VENV) first, or give another folder with VENV=)
endif
endif
endif

help:  ## Show this list (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=python3.12      which Python makes $(VENV) (3.11 or newer; otherwise the first one found on PATH)"
	@echo "  PIP_EXTRA_INDEX_URL=   a package index that has torch's own CPU wheels: on Linux the plain pin of torch may"
	@echo "                         bring a CUDA build of several gigabytes, which a laptop does not need"

setup: $(BASE)  ## Install all that training, evaluation and the demo need (about 2 minutes, once)

demo: $(BASE)  ## The whole method on a laptop: SFT, GRPO and the report on generated soundscapes
	$(BIN)/python -m timepro_lit.train +experiment=demo
	@echo "The page: $(CURDIR)/outputs/demo/report.html"

demo-long: $(BASE)  ## The same for three seeds and 1,000 test clips a task (about an hour)
	for seed in 1 2 3; do $(BIN)/python -m timepro_lit.train +experiment=demo_long seed=$$seed || exit 1; done
	$(BIN)/python -m timepro_lit.report output_dir=outputs/demo-long \
	    'runs=[outputs/demo-long/seed1,outputs/demo-long/seed2,outputs/demo-long/seed3]'
	@echo "The page: $(CURDIR)/outputs/demo-long/report.html"

test: $(TEST)  ## Run the tests (CPU, no network once installed)
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(TEST)  ## Run only the tests marked slow
	$(BIN)/python -m pytest -m slow

test-app: $(TEST)  ## Try the page of `app` in a headless Chromium (installs Gradio and Playwright)
	@$(call install,-e '$(APP)')
	$(BIN)/python -m pytest -m slow tests/playground tests/events

test-psds: $(TEST)  ## Compare with sed_scores_eval (installs it, by a C compiler)
	@$(call install,-e '.[psds]')
	$(BIN)/python -m pytest tests/metrics/test_psds.py

test-dashboards: $(BIN)/python  ## Run the tests of loggers that are extras, in an environment of their own
	$(BIN)/python -m venv build/dashboards
	build/dashboards/bin/python -m pip install --no-input --disable-pip-version-check --progress-bar off \
	    -e '.[test,tensorboard,mlflow,trackio,workspace]'
	build/dashboards/bin/python -m pytest -m slow tests/lit/test_dashboards.py tests/test_dashboard.py

fuzz: $(TEST)  ## Read and reward a million hostile answers (about ten minutes)
	$(BIN)/python -m pytest tests/test_fuzz.py --hypothesis-profile=fuzz

faults: $(TEST)  ## Kill and damage hundreds of small runs; each must end as if left alone (about an hour)
	$(BIN)/python tests/faults/campaign.py
	$(BIN)/python tests/faults/soak.py

lint: $(TEST)  ## Check style (ruff) and the types of the pure rooms (mypy)
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy

bench: $(TEST)  ## Measure speed and memory (experiments/benchmarks)
	PATH="$(CURDIR)/$(BIN):$$PATH" bash experiments/benchmarks/run.sh

clean:  ## Remove caches and build folders; .venv and outputs stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache
	find conf experiments scripts src tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

constraints:  ## Renew constraints.txt with the newest versions that pyproject.toml allows
	rm -rf build/constraints
	$(or $(PYTHON),python3) -m venv build/constraints
	DS_BUILD_OPS=0 build/constraints/bin/python -m pip install -e '.[test,test-app,dev,deepspeed,voxtral,quantization,media,app,psds,cluster]'
	sed -n '/^#/p' constraints.txt > build/constraints.txt
	build/constraints/bin/python -m pip freeze --all --exclude-editable \
	    | grep -v -E '^(pip|triton|nvidia-.*|cuda-.*)==' | sed 's/+.*//' >> build/constraints.txt
	mv build/constraints.txt constraints.txt

$(BIN)/python:
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Making $(VENV) with $$($$python --version)"; \
	        $$python -m venv $(VENV) && exit; \
	        rm -rf $(VENV); echo "$$python -m venv failed: on Debian and Ubuntu install python3-venv first." >&2; exit 1; \
	    fi; \
	done; \
	echo "No Python 3.11 or newer found: name one, as in 'make setup PYTHON=/path/to/python3.12'." >&2; exit 1

$(BASE): pyproject.toml constraints.txt scripts/cpu_torchaudio.py | $(BIN)/python
	@echo "Installing into $(VENV), about 2 minutes the first time (details: $(LOG))"
	@$(call install,-e .)
	@$(BIN)/python scripts/cpu_torchaudio.py
	@touch $@

$(TEST): $(BASE)
	@echo "Installing what the tests and checks need into $(VENV)"
	@DS_BUILD_OPS=0 $(call install,-e '$(CHECKED)')
	@touch $@
