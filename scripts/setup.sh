#!/usr/bin/env bash
# Leaves .venv/bin/hideaway and, as root with apt at hand, the Debian programs that the data plane drives.
# Where it may not install programs it says which are missing and goes on. Run again, it does only what is left to do.
# `setup.sh programs` and `setup.sh environment` do half of it.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

# The first program of this name that the machine has; postgres lies outside PATH on Debian.
has_program() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null ||
        { [ "$1" = postgres ] && compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }
}

# The packages of debian-packages.txt that are missing, a line each. Debian's own word where there is one.
missing_packages() {
    local package program _
    while read -r package program _; do
        case $package in '' | '#'*) continue ;; esac
        if command -v dpkg-query >/dev/null; then
            [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
        else
            has_program "$program" || echo "$package"
        fi
    done <scripts/debian-packages.txt
}

# Install packages so that nothing starts: no PostgreSQL cluster is made, and no service of a new package runs,
# neither now (policy-rc.d) nor at the next boot (update-rc.d).
install_packages() {
    local log policy=/usr/sbin/policy-rc.d conf=/etc/postgresql-common/createcluster.conf status=0
    log=$(mktemp)
    say "installing $*"
    if ! grep -qsE '^create_main_cluster *= *false' $conf; then
        mkdir -p "$(dirname $conf)"
        sed -i '/^ *create_main_cluster/d' $conf 2>/dev/null || true
        echo 'create_main_cluster = false' >>$conf
    fi
    local made_policy=no
    if [ ! -e $policy ]; then
        made_policy=yes
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
        # Also when interrupted: a policy that is left behind would keep every service of the machine from starting.
        trap "rm -f $policy" EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    {
        apt-get update -q &&
            apt-get install -q -y --no-install-recommends -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "$@"
    } >"$log" 2>&1 </dev/null || status=$?
    if [ $made_policy = yes ]; then
        rm -f $policy
        trap - EXIT
    fi
    local service
    for service in haproxy postgresql nftables; do
        case " $* " in *" $service "*) update-rc.d "$service" disable >/dev/null 2>&1 || true ;; esac
    done
    case " $* " in *" mariadb-server "*) update-rc.d mariadb disable >/dev/null 2>&1 || true ;; esac
    [ $status = 0 ] || tail -n 5 "$log" >&2
    rm -f "$log"
    return $status
}

programs() {
    local missing
    missing=$(missing_packages | xargs)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        # shellcheck disable=SC2086  # a list of words
        install_packages $missing && missing=$(missing_packages | xargs)
        [ -n "$missing" ] || return 0
        say "apt could not install: $missing"
    elif [ "$(id -u)" = 0 ]; then
        say "there is no apt here"
    else
        say "not root"
    fi
    say "missing programs, of these Debian packages: $missing"
    say "install them with:  sudo apt-get install --no-install-recommends $missing"
    case " $missing " in *" postgresql "*)
        say "(write 'create_main_cluster = false' to /etc/postgresql-common/createcluster.conf before, so that no PostgreSQL starts)" ;;
    esac
    say "going on with what can run without them; 'hideaway doctor' says what that is"
}

# A Python of 3.11 or newer that can make an environment. Debian's own comes first: every user can read it, so the
# packet tests can run as another user.
pick_python() {
    local candidate
    for candidate in ${PYTHON:-} /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    say "no Python >= 3.11 with venv was found: install python3 and python3-venv, or name one with PYTHON=/path/to/python3"
    return 1
}

environment() {
    local python stamp=.venv/setup-stamp wanted
    python=$(pick_python)
    wanted=$(
        echo "$PWD $python"
        "$python" --version
        cat requirements.lock pyproject.toml scripts/setup.sh | sha256sum
    )
    if [ -x .venv/bin/hideaway ] && [ "$(cat $stamp 2>/dev/null)" = "$wanted" ]; then return; fi
    say "making .venv with $python"
    rm -rf .venv
    "$python" -m venv .venv
    local pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check)
    "${pip[@]}" install --require-hashes --only-binary :all: --requirement requirements.lock
    # The lock has the build's own needs too, so that nothing here comes from outside it.
    "${pip[@]}" install --no-deps --no-build-isolation --editable .
    echo "$wanted" >$stamp
    say "ready: .venv/bin/hideaway"
}

case ${1:-} in
    '')
        programs || say "going on without the Debian programs"
        environment
        ;;
    programs | environment) "$1" ;;
    *)
        say "'$1' is neither programs nor environment"
        exit 2
        ;;
esac
