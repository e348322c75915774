#!/usr/bin/env bash
# What is too long for `make test`: every recording replayed, every property with Hypothesis' long profile, many more
# kills, and the benchmark. Each part is ended when it takes longer than its share of an hour.
# Writes docs/long.md (and the benchmark docs/benchmarks.md); exits non-zero when a part failed. HIDEAWAY_CHANGES: changes
# a test of kills (1000).
set -uo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
failed=0
parts=()

# part NAME MINUTES COMMAND...: run one part, keep what it says and how it ended.
part() {
    local name=$1 minutes=$2 began=$SECONDS status=0 ended
    shift 2
    echo "== $name (at most $minutes minutes)"
    timeout --kill-after=60 "${minutes}m" "$@" 2>&1 | tee "$said/$name" || status=${PIPESTATUS[0]}
    case $status in
        0) ended=passed ;;
        77) ended="not on this machine" ;;
        124 | 137) ended="took more than $minutes minutes" failed=1 ;;
        *) ended="failed with status $status" failed=1 ;;
    esac
    parts+=("| $name | $ended | $((SECONDS - began)) s |")
}

# tail_of NAME LINES TITLE: the end of what a part said.
tail_of() {
    printf '\n## %s\n\n```\n' "$3"
    tail -n "$2" "$said/$1"
    printf '```\n'
}

part conformance 10 $python -m scripts.conformance
part properties 20 env HYPOTHESIS_PROFILE=long $python -m pytest -n 2 --durations=10 tests/properties "$@"
part kills 30 env HIDEAWAY_CHANGES="${HIDEAWAY_CHANGES:-1000}" \
    $python -m pytest -n 2 --durations=10 -rs tests/packets/test_kills.py "$@"
part bench 12 $python -m scripts.bench

{
    echo "# The long run"
    echo
    echo "Written by \`make long\`: what takes longer than \`make test\` may. The benchmark's figures are in" \
        "[benchmarks.md](benchmarks.md)."
    echo
    echo "* of commit $(git rev-parse --short HEAD)$(git diff --quiet HEAD -- hideaway tests || echo ', with changes')"
    echo "* machine: $(nproc) cores, $(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)," \
        "Linux $(uname -r), as uid $(id -u)"
    echo "* ${HIDEAWAY_CHANGES:-1000} random changes a test of kills"
    echo
    echo '| part | ended | took |'
    echo '|---|---|---|'
    printf '%s\n' "${parts[@]}"
    tail_of conformance 14 "Recordings, by product"
    tail_of properties 14 "Properties"
    tail_of kills 14 "Kills"
} >docs/long.md
echo "long: written to docs/long.md"
exit $failed
