#!/usr/bin/env bash
# The library by which a test moves the wall clock of one process: Debian's libfaketime, where root may install it.
# Ends with 0 in any case: without it that test says so itself.
set -u
command -v faketime >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'bringing libfaketime for the test of the wall clock …' >&2
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends faketime; } >/dev/null 2>&1 ||
        echo 'libfaketime could not be installed: apt-get install faketime' >&2
fi
exit 0
