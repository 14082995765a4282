# Each recipe is the plain command; make prints it before it runs it.

.PHONY: run test measure lint types pins upgrade wheel ci

run:
	uv run assistant

test:
	uv run pytest

measure:
	uv run pytest -m measure

lint:
	uv run ruff check .

types:
	uv run mypy

pins:
	uv run python scripts/pin.py

upgrade:
	uv run python scripts/pin.py --upgrade

wheel:
	uv build --wheel

ci:
	bash .ci/run
