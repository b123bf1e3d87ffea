# Everything sets itself up: each target first makes .venv with the tested versions. Delete .venv to start afresh.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup demo test lint format bench gpu-day gpu-day-dry gpu-day-pack pocket pocket-llava pocket-towers pocket-fonts hooks \
  architecture emoji-excerpt docs docs-external evidence-compile evidence-fuzz evidence-hmmoe evidence-instruments evidence-jobs evidence-memory evidence-pyg \
  evidence-real evidence-report evidence-resolve evidence-resume evidence-sequences evidence-store \
  evidence-strangers evidence-timm evidence-video clean
setup: $(READY)

# torch by its own line and first: a plain resolve of torchvision may pull another build of it.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25"
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt --editable ".[dev]"
	touch $@

demo: $(READY)
	$(BIN)/python examples/demo.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

test: lint
	$(BIN)/pytest -n 2 --dist worksteal -q --durations=25

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt --editable ".[bench]"
	$(BIN)/graftwork bench all

# Four minutes on a machine with a GPU: checks, then which cut of each kernel is fastest. Into build/gpu_day. It ends with 3 where
# sections are left, and a second run goes on with them.
gpu-day:
	$(PYTHON) benchmarks/gpu/day.py build/gpu_day

# What the day's properties, trainings and pipelines need and a machine with a GPU may lack, as wheels (8 MB): Python 3.12 on x86-64.
gpu-day-pack: $(READY)
	rm -rf build/gpu_day_wheels
	$(BIN)/python -m pip download --quiet --only-binary=:all: --no-deps --python-version 3.12 --implementation cp -d build/gpu_day_wheels \
	    --platform manylinux_2_28_x86_64 --platform manylinux_2_24_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
	    sortedcontainers \
	    $(shell grep -iE '^(annotated-types|cffi|click|ftfy|greenlet|hypothesis|open_clip_torch|pycparser|pydantic|pydantic_core|soundfile|typing-inspection|wcwidth)==' constraints.txt)

# The same in Triton's interpreter, at toy sizes and without a time.
gpu-day-dry: $(READY)
	$(BIN)/python benchmarks/gpu/day.py build/gpu_day_dry --dry --seconds 1200

# The fonts that the training pictures are drawn with (Debian, as root); `make pocket` names any that are missing.
pocket-fonts: $(READY)
	apt-get update -q && apt-get install -q -y --no-install-recommends \
	  $$($(BIN)/python -c "from graftwork.plugins.pocket.scenes.fonts import FONT_PACKAGES as p; print(*(f.name for f in p))")

pocket: $(READY)
	$(BIN)/graftwork pocket clip

pocket-llava: $(READY)
	$(BIN)/graftwork pocket llava

pocket-towers: $(READY)
	$(BIN)/graftwork pocket towers

# The excerpt of the emoji that ships, from the npm packages (225 MB, fetched). Equal packages give an equal file; a test pins it.
emoji-excerpt: $(READY)
	npm install --prefix build/emoji --no-audit --no-fund --ignore-scripts \
	  $$($(BIN)/python -c "from graftwork.plugins.datasets.registries.emoji_packages import PACKAGES as p; print(*map('@'.join, p.items()))")
	$(BIN)/python -m graftwork.plugins.datasets.registries.build_emoji_excerpt build/emoji

# The reference of all hooks, from their specifications; a test compares.
hooks: $(READY)
	$(BIN)/graftwork plugins hooks > docs/hooks.md

# The README's drawing of core, from the import contract and the folders' docstrings; a test compares.
architecture: $(READY)
	$(BIN)/python docs/_ext/architecture.py

# The site, in build/docs. A broken link, a missing anchor, a page outside the contents, a docstring that cannot be read: each
# is an error. Everything is read anew (-E), since a page that is not read again does not repeat its warnings.
docs: $(READY)
	rm -rf build/docs
	$(BIN)/sphinx-build -W --keep-going -n -q -E -c docs -d build/doctrees . build/docs

# Links to other sites; needs a network that reaches them.
docs-external: $(READY)
	$(BIN)/sphinx-build -b linkcheck -q -E -c docs -d build/doctrees-external . build/docs-external

# Every shipped kernel compiled for A100, H100 and B200, without one: registers, spills, instructions of tensor cores. A few are
# in `make test`.
evidence-compile: $(READY)
	cd .. && $(CURDIR)/$(BIN)/python -m graftwork.benchmarks.gpu.compile_evidence

# 30,000 damaged pictures and sounds of all formats: read, or refused by our own error. A few hundred of them are in `make test`.
evidence-fuzz: $(READY)
	cd .. && $(CURDIR)/$(BIN)/python -m graftwork.tests.support.media.fuzz_evidence

# Trainings side by side against one after another, through towers and on stored vectors; on a quiet machine, a quarter of an hour.
evidence-jobs: $(READY)
	cd .. && $(CURDIR)/$(BIN)/python -m graftwork.benchmarks.training.jobs layers
	cd .. && $(CURDIR)/$(BIN)/python -m graftwork.benchmarks.training.jobs sweep

# HMMoE and its peers on the pocket world's eight tasks: the tables of docs/results/hmmoe.md; one to two hours on a core, and it
# goes on where it was interrupted.
evidence-hmmoe: $(READY)
	cd .. && OMP_NUM_THREADS=1 $(CURDIR)/$(BIN)/python -m graftwork.tests.core.studies.hmmoe_evidence

# Whether a sound is of the instrument in a picture, by real towers: the tables of docs/results/instruments.md, which says how DATA and
# WHISPER are made; a quarter of an hour on a core, and it goes on where it was interrupted.
evidence-instruments: DATA ?= data/instruments
evidence-instruments: WHISPER ?= data/whisper-tiny-en-1s
evidence-instruments: $(READY)
	cd .. && OMP_NUM_THREADS=1 $(CURDIR)/$(BIN)/python -W ignore -m graftwork.tests.core.studies.instruments_evidence \
	  $(abspath $(DATA)) $(abspath $(WHISPER))

# Photos of 12 megapixels and long sounds through `predict`, up to 1,000 photos through `run`: what each process takes at most.
# Its output stands in docs/benchmarks/encoding.md.
evidence-memory: $(READY)
	cd .. && $(CURDIR)/$(BIN)/python -m graftwork.tests.support.media.memory_evidence

# Writers in one folder, flipped bits, the same requests, signals: what docs/benchmarks/storage.md shows; ten to thirty minutes. A few of each are in `make test`.
evidence-store: $(READY)
	cd .. && $(CURDIR)/$(BIN)/python -m graftwork.tests.support.stored_evidence

# Which architectures of timm adapters can enter: prints docs/benchmarks/timm_stops.md; two minutes.
evidence-timm: $(READY)
	cd .. && OMP_NUM_THREADS=1 $(CURDIR)/$(BIN)/python -W ignore -m graftwork.tests.support.models.timm_evidence

# Some 2,400 adapter folders altered as a stranger would: refused by the name of the file, or answered. Prints the page that
# stands in docs/benchmarks/strangers.md; one in so many of them is in `make test`.
evidence-strangers: $(READY)
	cd .. && $(CURDIR)/$(BIN)/python -m graftwork.tests.support.strangers.evidence

# PyG's own tests with our GCNConv in place of theirs; PYG is a checkout of its version 2.8.1. Prints docs/benchmarks/pyg.md.
evidence-pyg: $(READY)
	cd .. && OMP_NUM_THREADS=1 $(CURDIR)/$(BIN)/python -W ignore -m graftwork.tests.triton_kernels.pyg_evidence $(PYG)

# All methods on real pictures, ten seeds: the tables of docs/results/real.md; an hour or two, and it goes on where it was
# interrupted. Needs Debian's tuxpaint-stamps-default: installed, or unpacked into build/real/tuxpaint by `dpkg -x`.
evidence-real: $(READY)
	cd .. && OMP_NUM_THREADS=1 $(CURDIR)/$(BIN)/python -m graftwork.tests.core.studies.real_evidence

# Tasks one after another, every method and strength: docs/results/sequences_cells.csv, then the tables of the page. It goes on
# where it was interrupted.
evidence-sequences: $(READY)
	cd .. && OMP_NUM_THREADS=1 $(CURDIR)/$(BIN)/python -W ignore -m graftwork.tests.core.run.sequences.sequence_evidence

# Three examples run, reported and opened in headless Chromium (Debian's, with nodejs and npm): prints docs/benchmarks/report.md,
# pictures of each page in build/report; ten minutes.
evidence-report: $(READY)
	cd .. && OMP_NUM_THREADS=1 $(CURDIR)/$(BIN)/python -W ignore -m graftwork.tests.core.report.browser_evidence

# Whether pip finds versions of everything that `all` names for each Python, wheels alone; installs nothing, and needs a package index.
evidence-resolve: $(READY)
	rm -rf build/resolve
	$(BIN)/python -m build --wheel --outdir build/resolve .
	for version in 3.11 3.12 3.13 3.14; do \
	  $(BIN)/python -m pip install --quiet --dry-run --ignore-installed --only-binary=:all: --python-version $$version \
	    --target build/resolve/none "$$(ls build/resolve/*.whl)[all]" && echo "$$version: resolved" || exit 1; \
	done

# Runs killed at 200 random moments, within chosen steps, before chosen operations on the disk, and while two processes train; what
# docs/benchmarks/resume.md shows: the first two parts took five minutes, the others were not run whole. A part is in
# `make test`. What checkpoints cost at ViT-B width: python -m graftwork.benchmarks.training.checkpoints, seven minutes.
evidence-resume: $(READY)
	cd .. && OMP_NUM_THREADS=1 $(CURDIR)/$(BIN)/python -W ignore -m graftwork.tests.core.training.resume_evidence

# Frames a second of clips beside a bare PyAV loop, and memory over 1,000 clips: the tables of docs/benchmarks/video.md; five to ten
# minutes.
evidence-video: $(READY)
	cd .. && $(CURDIR)/$(BIN)/python -m graftwork.tests.support.media.clip_evidence

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
