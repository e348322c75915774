"""What the keeper does to the kernel on the server's word: a list of operations, one after the other.

The operations are those of operations.py, as JSON. The first that fails ends the list.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from . import homes, links, namespaces, resolve, sweep
from .generation import generation

DOOMED = "4711"
"""The link group in which links are put to be deleted all at once (one by one each waits for the kernel: 20 ms)."""

SETTLING = 10.0


class HandsFailed(Exception):
    """An operation failed; the text names it and what was said."""


def perform(orders: Sequence[dict[str, Any]], guests: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Carry out the operations. Raises HandsFailed. guests: descriptors of namespaces that were handed in, by name.

    Answers how many connections were cut, how long each took, the stamps of all rules that were set or asked for, and
    those that were found where a part was changed.
    """
    cut, taken = 0, []
    stamps: dict[str, int] = {}
    found: dict[str, int] = {}
    for order in orders:
        if order["do"] == "welcome":
            order = {**order, "descriptors": guests or {}}
        if order.get("part"):
            found.setdefault(order["namespace"], _stamp(order["namespace"]))
        began = time.monotonic()
        try:
            cut += _ABLE[order["do"]](order) or 0
        except (OSError, subprocess.SubprocessError) as error:
            raise HandsFailed(f"{order['do']} {order.get('namespace', '')}: {error}") from error
        taken.append([order["do"], order.get("namespace", ""), round(time.monotonic() - began, 4)])
        if order["do"] in ("nft", "stamp"):
            stamps[order["namespace"]] = _stamp(order["namespace"])
    return {"cut": cut, "taken": taken, "stamps": stamps, "found": found}


def _stamp(namespace: str) -> int:
    """See operations.Stamp. Taken right after rules were set: what comes between counts as ours."""
    try:
        with namespaces.inside(namespace):
            return generation()
    except OSError:
        return 0


def run(argv: Sequence[str], stdin: str | None, namespace: str, timeout: float) -> dict[str, Any]:
    """Run a program in a namespace to its end: its words and status (124 after timeout seconds, 127: no program)."""
    with namespaces.inside(namespace):
        try:
            done = subprocess.run(
                argv,
                input=None if stdin is None else stdin.encode(),
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            return {"status": 127, "stdout": "", "stderr": f"no such program: {argv[0]}"}
        except subprocess.TimeoutExpired:
            return {"status": 124, "stdout": "", "stderr": f"not done after {timeout} s"}
    said = {name: text.decode(errors="replace") for name, text in (("stdout", done.stdout), ("stderr", done.stderr))}
    return {"status": done.returncode, **said}


def run_at_home(argv: Sequence[str], stdin: str | None, namespace: str, timeout: float) -> dict[str, Any]:
    """The same as the host's own programs are run: with its /etc. For a process that does nothing else."""
    namespaces.settle_in(namespace)
    return run(argv, stdin, namespace, timeout)


def _checked(argv: Sequence[str], stdin: str, namespace: str) -> str:
    done = run(argv, stdin, namespace, 120)
    if done["status"] != 0:
        said = (done["stderr"] or done["stdout"]).strip()
        raise HandsFailed(f"{shlex.join(argv)} in {namespace or 'the world'}: {said}{_line(said, stdin)}")
    return str(done["stdout"])


def _line(said: str, stdin: str) -> str:
    """The line of the batch that `ip` complains of."""
    found = re.search(r"Command failed -:(\d+)", said)
    lines = stdin.splitlines()
    return f" in: {lines[int(found[1]) - 1]}" if found and int(found[1]) <= len(lines) else ""


def _ip(order: dict[str, Any]) -> None:
    _checked(["ip", "-batch", "-"], "\n".join(order["lines"]) + "\n", order["namespace"])


def _settle(order: dict[str, Any]) -> None:
    """Each question makes the kernel (from 6.8) notice; an older one does by itself, a hundred links a second."""
    deadline = time.monotonic() + SETTLING
    for namespace, awaited in order["links"].items():
        while True:
            with namespaces.inside(namespace):
                awaited = links.without_carrier(awaited)
            if not awaited:
                break
            if time.monotonic() > deadline:
                raise HandsFailed(f"no carrier after {SETTLING} s in {namespace or 'the world'}: {' '.join(awaited)}")
            time.sleep(0.02)


def _relink(order: dict[str, Any]) -> None:
    namespace, link, hidden, twin = (order[key] for key in ("namespace", "link", "hidden", "twin"))
    relayed = hidden in _links("")
    if order["state"] == "relayed":
        if not relayed:
            here = (f"link set {link} nomaster", f"link set {link} name {hidden}")
            away = (f"link set {link} netns 1 name {hidden}",)
            _say(namespace, f"link set {link} down", *(away if namespace else here))
        if link not in _links(namespace):
            peer = f"peer name {twin} address {order['twin_mac']} netns 1"
            _say(namespace, f"link add {link} address {order['mac']} type veth {peer}")
        _say("", f"link set {hidden} up", f"link set {twin} up")
    elif relayed:
        if link in _links(namespace):
            _say(namespace, f"link delete {link}")
        place = f" netns {namespace}" if namespace else ""
        _say("", f"link set {hidden} down", f"link set {hidden}{place} name {link}")
    if order["master"]:
        _say(namespace, f"link set {link} master {order['master']}")
    if order["state"] == "down":
        _say(namespace, f"link set {link} down")
    else:
        _say(namespace, f"link set {link} up", *order["lines"])


def _say(namespace: str, *lines: str) -> None:
    _ip({"namespace": namespace, "lines": lines})


def _links(namespace: str) -> set[str]:
    with namespaces.inside(namespace):
        return {name for _index, name in socket.if_nameindex()}


def _nft(order: dict[str, Any]) -> None:
    _checked(["nft", "-f", "-"], order["text"], order["namespace"])


def _sysctl(order: dict[str, Any]) -> None:
    with namespaces.inside(order["namespace"]):
        _write(order["sysctls"])


def _write(sysctls: dict[str, str]) -> None:
    for name, value in sysctls.items():
        with open(os.path.join("/proc/sys", name), "w") as file:
            file.write(value)


def _appear(order: dict[str, Any]) -> None:
    for name in order["namespaces"]:
        if not namespaces.exists(name):
            namespaces.remove(name)
            namespaces.create(name)
        with namespaces.inside(name):
            _write(order["sysctls"])


def _welcome(order: dict[str, Any]) -> None:
    for name in order["namespaces"]:
        if not namespaces.exists(name):
            namespaces.remove(name)
            handed_in = order["descriptors"].get(name)
            namespaces.create(name) if handed_in is None else namespaces.adopt(name, handed_in)


def _try(order: dict[str, Any]) -> None:
    try:
        _ip(order)
    except HandsFailed as error:
        print(error, file=sys.stderr, flush=True)


def _vanish(order: dict[str, Any]) -> None:
    there = set()
    for name in order["namespaces"]:
        try:
            there.add(namespaces.identity(name))
        except FileNotFoundError:
            continue
    _end_processes(there)
    for name in order["namespaces"]:
        homes.leave(name)
        namespaces.remove(name)


def _end_processes(identities: set[tuple[int, int]]) -> None:
    """Kill what runs in these namespaces, until nothing does (what is killed may just have forked)."""
    for _ in range(100):
        found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _network_of(pid) in identities]
        if not found:
            return
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)
    raise HandsFailed(f"processes {found} do not end")


def _network_of(pid: int) -> tuple[int, int]:
    try:
        return namespaces.identity_of(f"/proc/{pid}/ns/net")
    except OSError:  # it is gone, or a zombie
        return (-1, -1)


def _unlink(order: dict[str, Any]) -> None:
    there = _links(order["namespace"])
    names, prefixes = set(order["names"]), tuple(order["prefixes"])
    lines = [f"link set dev {n} group {DOOMED}" for n in there if n in names or (prefixes and n.startswith(prefixes))]
    if lines:
        _ip({"namespace": order["namespace"], "lines": [*lines, f"link delete group {DOOMED}"]})


def _furnish(order: dict[str, Any]) -> None:
    for name, files in order["files"].items():
        namespaces.furnish(name, files)


def _sweep_edge(order: dict[str, Any]) -> int:
    with namespaces.inside(order["namespace"]):
        return sweep.edge(order)


def _sweep_gateway(order: dict[str, Any]) -> int:
    with namespaces.inside(order["namespace"]):
        return sweep.gateway(order)


_ABLE: dict[str, Any] = {
    "ip": _ip,
    "settle": _settle,
    "know": links.know,
    "relink": _relink,
    "nft": _nft,
    "furnish": _furnish,
    "resolve": resolve.resolve,
    "stamp": lambda _order: 0,
    "sysctl": _sysctl,
    "appear": _appear,
    "vanish": _vanish,
    "welcome": _welcome,
    "try": _try,
    "unlink": _unlink,
    "sweepedge": _sweep_edge,
    "sweepgateway": _sweep_gateway,
}
