"""What `hideaway open` is told: where a resource's doors are, and what to type there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from hideaway.api.call import Settings
from hideaway.api.pipeline import Api
from hideaway.api.products import PRODUCTS
from hideaway.backends.base import OpenDoor
from hideaway.backends.dry import DryBackend
from hideaway.compile import compile_fabric
from hideaway.fabric.doors import DOORS, doors, outside
from hideaway.fabric.model import Fabric
from hideaway.server.opening import opening_product
from hideaway.server.own import theirs
from tests.api_in_process import Answer, Cloud
from tests.unit.api.instances import GROUPS, running


class Backend(DryBackend):
    """Has a door wherever one is called for; below 1024 it is another port, as for an ordinary user."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, list[tuple[str, int]]] = {}

    def become(self, fabric: Fabric) -> None:
        self.up()
        self.apply((), fabric)

    def open(self, host: str, protocol: str, port: int) -> None:
        self.asked.setdefault(host, []).append((protocol, port))

    def doors(self, host: str | None = None) -> tuple[OpenDoor, ...]:
        return tuple(
            OpenDoor(
                **msgspec.structs.asdict(each),
                at=outside(each.address, DOORS),
                at_port=each.port + (8000 if each.port < 1024 else 0),
            )
            for each in doors(self.present().fabric, self.asked)
            if host in (None, each.host)
        )


class Scene:
    def __init__(self) -> None:
        self.cloud, self.backend = Cloud(), Backend()
        products = (*PRODUCTS, opening_product(self.backend, theirs))
        api = Api(self.cloud.store, self.cloud.clock, self.cloud.ids, self.cloud.pace, Settings(), products)
        self.cloud.application = api.application()

    def open(self, resource: str, **body: Any) -> Answer:
        self.backend.become(compile_fabric(self.cloud.store.snapshot()[1]))
        return self.cloud.ask("POST", "/hideaway/v1/open", {"resource": resource, **body})


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.cloud.close()


def test_a_server_by_name_and_a_port_that_is_asked_for(scene: Scene) -> None:
    made = running(scene.cloud, name="web", dynamic_ip_required=True)
    address = made["public_ip"]["address"]
    (door,) = scene.open("web", port=22).body["doors"]
    assert (door["address"], door["port"], door["at"]) == (address, 22, f"{outside(address, DOORS)}:8022")
    assert door["hint"] == f"ssh -p 8022 root@{outside(address, DOORS)}"
    (page,) = scene.open(made["id"], port=8080).body["doors"]
    assert page["hint"] == f"http://{outside(address, DOORS)}:8080"
    assert [d["port"] for d in scene.open("web").body["doors"]] == [22, 8080]


def test_the_probe_host_is_everybodys(scene: Scene) -> None:
    said = scene.open("internet").body
    assert [d["hint"] for d in said["doors"]] == ["http://127.18.9.9:8080"]
    assert said["user_address"] == "198.18.0.2"


def test_what_cannot_be_opened_says_why(scene: Scene) -> None:
    running(scene.cloud, name="alone", dynamic_ip_required=False)
    assert scene.open("alone").status == 412
    group = running(scene.cloud, name="shut", dynamic_ip_required=True)["security_group"]["id"]
    assert scene.cloud.ask("PATCH", f"{GROUPS}/{group}", {"inbound_default_policy": "drop"}).status == 200
    refused = scene.open("shut", port=9000)
    assert refused.status == 412
    assert "198.18.0.2" in refused.body["message"]
    assert scene.backend.asked == {}
    unknown = scene.open("nothing")
    assert unknown.status == 404
    assert "shut" in unknown.body["message"]


@pytest.mark.parametrize("body", [{"port": 0}, {"port": 65536}, {"port": "x"}, {"protocol": "sctp"}, {"port": -1}])
def test_bad_input_is_named(scene: Scene, body: dict[str, Any]) -> None:
    answer = scene.open("internet", **body)
    assert answer.status == 400
    assert answer.wrong == [next(iter(body))]


def test_another_organizations_server_is_not_known(scene: Scene) -> None:
    running(scene.cloud, name="web", dynamic_ip_required=True)
    other = scene.cloud.organization()
    scene.backend.become(compile_fabric(scene.cloud.store.snapshot()[1]))
    asked = scene.cloud.ask("POST", "/hideaway/v1/open", {"resource": "web"}, key=other.secret_key)
    assert asked.status == 404
    assert "web" not in asked.body["message"].partition("there are:")[2]
