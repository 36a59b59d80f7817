# Two commands: `make run` and `make test`. Each makes and refreshes .venv by itself and may be repeated at will.
#
#   PORT=8000     where the site listens               PYTHON=       interpreter for .venv (3.11, 3.12 or 3.13)
#   DATA=data     database, mail, secret key           TORCH_INDEX=  index for torch, for a CPU build:
#   CHECKPOINTS=  folder of foreign models for tests                 https://download.pytorch.org/whl/cpu

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test lint format clean environment programs

python := .venv/bin/python
packages := api config wiki workers

help:
	@echo 'make run     start the site, one worker and the sweep        (PORT=, DATA=, PYTHON=, TORCH_INDEX=)'
	@echo 'make test    run every check and every test                  (CHECKPOINTS=, PYTHON=, TORCH_INDEX=)'
	@echo 'make lint    only ruff, mypy and the import contracts'
	@echo 'make format  put the code into the house format'
	@echo 'make clean   remove .venv and caches; data is never touched'

run:
	@sh requirements/install.sh requirements.txt
	@exec $(python) manage.py up

# Everything is run, whatever fails before it; pytest comes last, and its closing line with it: first on what needs no
# server, then, what concerns database and jobs, on PostgreSQL and Redis. Two processes, one thread each: small models
# gain nothing from more.
test: environment programs
	@status=0; \
	$(MAKE) --no-print-directory lint || status=1; \
	export OMP_NUM_THREADS=1; \
	echo '== pytest'; $(python) -m pytest -n 2 --dist loadfile --cov --cov-report= || status=1; \
	echo '== pytest on PostgreSQL and Redis'; $(python) -m tests.on_servers --cov --cov-append || status=1; \
	exit $$status

lint: environment
	@status=0; \
	echo '== ruff check'; $(python) -m ruff check --quiet --output-format concise || status=1; \
	echo '== ruff format --check'; $(python) -m ruff format --check --quiet --output-format concise || status=1; \
	echo '== mypy'; $(python) -m mypy || status=1; \
	echo '== lint-imports'; .venv/bin/lint-imports --no-logo || status=1; \
	exit $$status

format: environment
	@$(python) -m ruff check --fix-only --quiet
	@$(python) -m ruff format

clean:
	rm -rf .venv .coverage htmlcov staticfiles .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find $(packages) benchmarks fixtures tests -name __pycache__ -prune -exec rm -rf {} +

environment:
	@sh requirements/install.sh requirements/dev.txt

programs: environment
	@$(python) -m tests.programs
