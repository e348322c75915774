"""Programs of hosts in plans: stated when they differ, ended when they go, stated again when their host is rebuilt."""

from __future__ import annotations

import msgspec

from hideaway.fabric.balancing import Frontend
from hideaway.fabric.model import Fabric, Host, Role
from hideaway.fabric.services import Balancer
from hideaway.plan import plan, suspects
from hideaway.plan.steps import AddHost, RemoveHost, SetService, StopService
from tests.fabrics import fabric


def host(*services: Balancer, boots: int = 0) -> Fabric:
    return fabric(Host(id="lb", name="lb", role=Role.BALANCER, services=services, boots=boots))


ONE = Balancer(id="one", frontends=(Frontend(id="f", port=80, pool="p"),))
TWO = Balancer(id="two")


def test_a_service_is_stated_after_its_host_is_made() -> None:
    assert plan(host(ONE), Fabric())[-2:] == (AddHost(host="lb"), SetService(host="lb", service=ONE))


def test_only_what_differs_is_stated_and_reasons_do_not_differ() -> None:
    changed = msgspec.structs.replace(ONE, frontends=())
    assert plan(host(changed, TWO), host(ONE, TWO)) == (SetService(host="lb", service=changed),)
    assert plan(host(msgspec.structs.replace(ONE, because="lb/lb:1")), host(ONE)) == ()


def test_what_is_no_longer_wanted_ends() -> None:
    assert plan(host(TWO), host(ONE, TWO)) == (StopService(host="lb", service="one"),)


def test_a_host_that_goes_takes_its_services_along() -> None:
    assert plan(fabric(), host(ONE)) == (RemoveHost(host="lb"),)


def test_a_host_that_is_rebuilt_gets_them_again() -> None:
    steps = plan(host(ONE, boots=1), host(ONE))
    assert steps == (RemoveHost(host="lb"), AddHost(host="lb"), SetService(host="lb", service=ONE))


def test_one_in_doubt_is_stated_again_or_ended() -> None:
    doubt = suspects([SetService(host="lb", service=ONE)])
    assert plan(host(ONE), host(ONE), doubt) == (SetService(host="lb", service=ONE),)
    assert plan(host(), host(), doubt) == (StopService(host="lb", service="one"),)
    assert plan(fabric(), fabric(), doubt) == ()
