#!/usr/bin/env bash
# The browser of tests that drive one: what RELEVO_CHROMIUM or the path names; else Debian's, where root may install it.
# Ends with 0 in any case: without a browser those tests say so themselves.
set -u
[ -n "${RELEVO_CHROMIUM:-}" ] && exit 0
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'bringing chromium for the browser tests …' >&2
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium; } >/dev/null 2>&1 ||
        echo 'chromium could not be installed: apt-get install chromium' >&2
fi
exit 0
