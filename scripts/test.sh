#!/usr/bin/env bash
# The whole test suite. As root the packet tests run a second time as an ordinary user, because the two ways into a world
# differ. Ends with the suite's own summary; exits non-zero when either run failed. A test that this machine cannot run
# skips and says what is missing; with CI set, a skip that tests/allowed-skips.txt does not list fails the run.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
pytest=(.venv/bin/python -m pytest -n 2 -rs)
[ -z "${CI:-}" ] || pytest+=(--allowed-skips tests/allowed-skips.txt)

if [ "$(id -u)" = 0 ]; then
    echo "== packet tests as an ordinary user"
    scripts/as-user.sh "${pytest[@]}" -m packets "$@"
    status=$?
    case $status in
        0) ;;
        5) echo "no packet test was found" ;; # pytest's word for an empty selection
        *) failed=$status ;;
    esac
fi

echo "== the whole suite as $(id -un)"
"${pytest[@]}" "$@" || failed=$?
[ $failed = 0 ] || echo "test: failed with status $failed" >&2
exit $failed
