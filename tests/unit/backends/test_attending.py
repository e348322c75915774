"""What the attendant is told to do for a Fabric."""

from __future__ import annotations

import msgspec

from hideaway.backends.linux.attending import settings
from hideaway.fabric.model import Fabric
from hideaway.fabric.services import Bastion, Script, Shell
from tests.fabrics import fabric, gateway, isolated


def served() -> Fabric:
    shell = Shell(id="ssh", hostname="web", keys=("ssh-ed25519 AAAA",))
    script = Script(id="script", content="IyEvYmluL3No", output="/var/log/out", hostname="web")
    bastion = Bastion(id="bastion", port=61000, networks=("172.16.0.0/22",), names=(("web.pn.internal", "172.16.0.3"),))
    inside = msgspec.structs.replace(isolated(), services=(script, shell))
    return fabric(inside, msgspec.structs.replace(gateway(), services=(bastion,)))


def test_shells_and_bastions_are_entrances() -> None:
    bastion, shell = settings(served())["entrances"]
    assert (bastion["kind"], bastion["port"], bastion["networks"]) == ("bastion", 61000, ["172.16.0.0/22"])
    assert bastion["names"] == [["web.pn.internal", "172.16.0.3"]]
    assert (shell["kind"], shell["port"], shell["networks"]) == ("shell", 22, None)
    assert (shell["namespace"], shell["hostname"], shell["keys"]) == ("host-isolated", "web", ["ssh-ed25519 AAAA"])


def test_scripts_are_told_with_their_host() -> None:
    (script,) = settings(served())["scripts"]
    assert script == {
        "host": "isolated", "namespace": "host-isolated", "hostname": "web", "content": "IyEvYmluL3No",
        "output": "/var/log/out",
    }  # fmt: skip


def test_hosts_whose_programs_are_dead_have_none() -> None:
    dead = msgspec.structs.replace(served(), hosts=tuple(
        msgspec.structs.replace(host, killed=True) for host in served().hosts
    ))  # fmt: skip
    assert settings(dead) == {"entrances": [], "scripts": []}
