#!/usr/bin/env bash
# What is too long for `make test`: the whole suite with Hypothesis' long profile (tests/conftest.py), timed. Writes docs/long.md.
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
HYPOTHESIS_PROFILE=long .venv/bin/python -m pytest -n 2 --durations=20 --allowed-skips tests/allowed-skips.txt "$@" | tee "$log"
status=${PIPESTATUS[0]}
{
    echo "# The long run"
    echo
    echo "Written by \`make long\`: the whole suite with Hypothesis' long profile."
    echo
    echo "* when: $(date -u +%Y-%m-%d), of commit $(git rev-parse --short HEAD)"
    echo "* machine: $(nproc) cores, $(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), Linux $(uname -r)"
    echo "* as: uid $(id -u); exit status $status"
    echo
    echo '```'
    sed -n '/slowest 20 durations/,$p' "$log"
    echo '```'
} >docs/long.md
exit "$status"
