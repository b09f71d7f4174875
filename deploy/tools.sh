#!/usr/bin/env bash
# What `make tools` brings into .tools/, for the tests that read deploy/helm and deploy/observability as their users do:
# helm, built by Go from deploy/tools (go.sum has its modules' hashes), and promtool, Debian's, unpacked there.
# Ends with 0 in any case, and says what it could not bring: those tests are skipped then, and say so.
set -u
cd "$(dirname "$0")/.."
mkdir -p .tools
has() { command -v "$1" >/dev/null || [ -x ".tools/$1" ]; }

if ! has helm; then
    if command -v go >/dev/null; then
        echo 'building helm (some minutes, once) …' >&2
        (cd deploy/tools && GOFLAGS=-mod=readonly go build -trimpath -o ../../.tools/helm helm.sh/helm/v3/cmd/helm) ||
            echo 'helm could not be built' >&2
    else
        echo 'helm is not here, nor Go 1.25 to build it with' >&2
    fi
fi
if ! has promtool; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    if command -v apt-get >/dev/null; then
        echo 'bringing promtool …' >&2
        [ "$(id -u)" != 0 ] || apt-get update -q >/dev/null 2>&1
        (cd "$scratch" && apt-get download -q prometheus && dpkg-deb -x prometheus_*.deb .) >/dev/null 2>&1 &&
            cp "$scratch/usr/bin/promtool" .tools/promtool || echo 'promtool could not be brought' >&2
    else
        echo 'promtool is not here, nor apt-get to bring it' >&2
    fi
fi
exit 0
