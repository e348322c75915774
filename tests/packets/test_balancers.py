"""Load Balancers as their user meets them: made through the API, met by packets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud_under_test import cloud
from tests.packets.balanced import HTTP_PORT, LB, NAMES, Site

pytestmark = [pytest.mark.packets, pytest.mark.slow]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Site]:
    with cloud(tmp_path_factory.mktemp("cloud"), "--data-plane", "linux", "--linger", "0") as running:
        made = Site(running)
        yield made
        made.close()


def test_a_public_frontend_leads_to_private_backends_that_see_its_private_address(site: Site) -> None:
    port = site.port("tcp")
    site.seen.clear()
    for address in (site.public, site.public_v6):
        assert site.ask(port, address=address) in NAMES
    assert {peer for _, peer in site.seen} == {site.inside}
    assert site.ask(port, address=site.inside, host="a") in NAMES, "from the network, too"


def test_http_carries_the_clients_address(site: Site) -> None:
    port = site.port("http")
    said = site.get(port, "/some?thing", headers={"X-Own": "1"})
    assert (said.status, said.saw["peer"], said.saw["path"]) == (200, site.inside, "/some?thing")
    headers = said.saw["headers"]
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("198.18.9.9", "http")
    assert headers["x-own"] == "1"


def test_a_private_one_has_no_public_address_on_either_side(site: Site) -> None:
    made = site.call("POST", "/lbs", name="private", type="LB-S", assign_flexible_ip=False)
    inside = site.attach(made["id"])
    _, port = site.frontend(site.backend("http", lb_id=made["id"]), lb_id=made["id"])
    said = site.get(port, address=inside, host="a")
    assert (said.status, said.saw["peer"]) == (200, inside)
    assert said.saw["headers"]["x-forwarded-for"] == site.servers["a"]
    links = site.tenant.inside(made["id"], "ip", "-br", "link")
    assert sorted(line.split("@")[0].split()[0] for line in links.splitlines())[0] == "lo"
    assert "pub" not in links
    site.call("DELETE", f"/lbs/{made['id']}")
    assert site.ask(port, address=inside, host="a", patience=1) is None


def test_its_servers_health_is_what_haproxy_says(site: Site) -> None:
    backend = site.backend("http", "a", "b", "172.16.3.250", check={"port": HTTP_PORT})
    site.checked(backend, a=("running", "passed"), b=("running", "passed"))
    site.checked(backend, **{"172.16.3.250": ("stopped", "failed")})
    rows = site.tenant.call("GET", f"{LB}/lbs/{site.id}/stats?backend_id={backend}")["backend_servers_stats"]
    (instance,) = site.call("GET", f"/lbs/{site.id}")["instances"]
    assert {row["instance_id"] for row in rows} == {instance["id"]}
    assert all(row["server_state_changed_at"].endswith("Z") for row in rows)
