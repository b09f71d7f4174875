#!/usr/bin/env bash
# Resolves every lock: requirements.lock for the workspace, one per service constrained by it, and uv's own.
# `deploy/lock.sh FOLDER` writes them below FOLDER instead, starting from those here, so that `make check` can compare.
set -euo pipefail
cd "$(dirname "$0")/.."
into=${1:-.}
uv=${UV:-.uv/bin/uv}
services="ingest scoring handoff sla-monitor console"
members="shared/pyproject.toml deploy/local/pyproject.toml"
for service in $services; do members="$members services/$service/pyproject.toml"; done
own=(--no-emit-package relevo --no-emit-package relevo-local)
for service in $services; do own+=(--no-emit-package "relevo-$service"); done
compile() { # OUTPUT INPUT…
    local output=$1 && shift
    mkdir -p "$into/$(dirname "$output")"
    [ "$into" = . ] || cp "$output" "$into/$output"
    "$uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
        --custom-compile-command 'make lock' "${own[@]}" --output-file "$into/$output" "$@"
}
# shellcheck disable=SC2086
compile requirements.lock $members --group pyproject.toml:dev --group pyproject.toml:build
for service in $services; do
    compile "services/$service/requirements.lock" "services/$service/pyproject.toml" \
        --group pyproject.toml:build --constraint "$into/requirements.lock"
done
printf 'uv\n' | compile deploy/bootstrap.lock -
