#!/usr/bin/env bash
# as-user.sh COMMAND...: as root, run a command on a copy of this tree as an ordinary user without any privilege.
# The copy lies in a folder of that user's own, with a HOME of its own, so neither what the checkout lies below nor what
# the tests write matters; it is removed at the end. Exits with the command's status, or 3 where no Python is readable.
set -euo pipefail
cd "$(dirname "$0")/.."
uid=65534
as_user=(setpriv --reuid=$uid --regid=$uid --clear-groups --inh-caps=-all)

python=$(readlink -f .venv/bin/python)
if ! "${as_user[@]}" "$python" -c 'import venv' >/dev/null 2>&1; then
    echo "as-user: uid $uid cannot run $python, which .venv is made with: set PYTHON to one that all can read," \
        "remove .venv and run 'make setup' again" >&2
    exit 3
fi

here=$PWD
# Short names: a socket below them may have 107 bytes in all.
there=$(mktemp -d /tmp/hw.XXXX)
trap 'rm -rf "$there"' EXIT
mkdir -p "$there/main" "$there/home" "$there/t"
tar -C "$here" --exclude=./.git --exclude=__pycache__ --exclude='./.*_cache' --exclude=./.hypothesis -cf - . |
    tar -C "$there/main" -xf -
# What an environment knows by its absolute path: the first lines of its scripts, and where the package is.
grep -rlIZ --fixed-strings "$here" "$there/main/.venv/bin" "$there"/main/.venv/lib/python*/site-packages/*.pth |
    xargs -0 -r sed -i "s|$here|$there/main|g"
# The recordings and clients that lie beside the checkout.
[ ! -d "$here/../shared" ] || ln -s "$(readlink -f "$here/../shared")" "$there/shared"
chown -R $uid:$uid "$there"

cd "$there/main"
"${as_user[@]}" env -i PATH="$PATH:/usr/sbin:/sbin" LANG=C.UTF-8 TERM="${TERM:-dumb}" ${CI:+CI="$CI"} \
    HOME="$there/home" TMPDIR="$there/t" "$@" || exit $?
