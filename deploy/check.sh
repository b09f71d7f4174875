#!/usr/bin/env bash
# What `make check` runs: the locks agree with the pyprojects, style, types, the arrows between the rooms, the contracts.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
step() { printf '· %s\n' "$1" >&2; }

step 'locks'
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
UV=.uv/bin/uv bash deploy/lock.sh "$fresh"
for lock in requirements.lock services/*/requirements.lock deploy/bootstrap.lock; do
    diff -q "$lock" "$fresh/$lock" >/dev/null || { echo "$lock does not agree with the pyprojects: run make lock" >&2; exit 1; }
done
step 'ruff'
$bin/ruff check -q .
$bin/ruff format -q --check .
step 'mypy --strict'
$bin/mypy shared/src services/*/src deploy/local/src tests
step 'import-linter'
$bin/lint-imports
step 'contracts'
$bin/python -m tests.contracts --check
