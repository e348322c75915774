#!/usr/bin/env bash
# Writes requirements.lock anew from pyproject.toml: every dependency and tool, one version each, with hashes, for every
# system and Python >= 3.11. Pass --upgrade to take newer versions; without it what is locked stays where it can.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools/venv"
"$tools/venv/bin/python" -m pip --quiet --disable-pip-version-check install uv
"$tools/venv/bin/uv" pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
    --no-annotate --no-emit-index-url --no-emit-find-links --quiet \
    --custom-compile-command scripts/lock.sh --output-file requirements.lock "$@"
