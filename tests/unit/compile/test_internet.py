"""Rule 1.4: the probe host."""

from __future__ import annotations

from hideaway.fabric.model import EDGE_V4, EDGE_V6, PROBE_V4, PROBE_V6, Listener, Role
from tests.unit.compile.factory import Cloud


def test_somebody_on_the_internet_is_always_there_and_says_who_called() -> None:
    host = Cloud().fabric().host("internet")
    assert host is not None
    assert (host.role, host.listeners) == (Role.PROBE, (Listener(port=80, what="address"),))
    assert host.ports[0].addresses == (f"{PROBE_V4}/32", f"{PROBE_V6}/128")
    assert host.ports[0].filter == ""
    assert [r.via for r in host.routes] == [EDGE_V4, EDGE_V6]


def test_a_tenants_instance_does_not_take_its_name() -> None:
    cloud = Cloud()
    cloud.server(name="internet")
    host = cloud.fabric().host("internet")
    assert host is not None
    assert host.role == Role.PROBE
