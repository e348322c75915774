#!/usr/bin/env bash
# The whole test suite. As root the packet tests run a second time as an ordinary user, because the two ways into a world
# differ. Ends with the suite's own summary; exits non-zero when either run failed or a test was skipped that this kind
# of machine should run (tests/allowed-skips.txt).
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0

if [ "$(id -u)" = 0 ]; then
    echo "== packet tests as an ordinary user"
    scripts/as-user.sh .venv/bin/python -m pytest -n 2 -m packets --allowed-skips tests/allowed-skips.txt "$@"
    status=$?
    case $status in
        0) ;;
        5) echo "no packet test was found" ;; # pytest's word for an empty selection
        *) failed=$status ;;
    esac
fi

echo "== the whole suite as $(id -un)"
.venv/bin/python -m pytest -n 2 --allowed-skips tests/allowed-skips.txt "$@" || failed=$?
[ $failed = 0 ] || echo "test: failed with status $failed" >&2
exit $failed
