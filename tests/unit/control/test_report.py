"""What `hideaway status` says of what only the data plane knows."""

from __future__ import annotations

from hideaway.control.report import report
from hideaway.fabric.services import Observed
from tests.unit.compile.factory import ORGANIZATION, Cloud


def test_a_network_whose_names_are_not_answered_says_so() -> None:
    cloud = Cloud()
    network = cloud.network(name="net")
    fares = {f"names-{network.id}/dhcp": Observed(ready=False, reason="dnsmasq does not run")}

    def notes(known: dict[str, Observed]) -> list[str]:
        def observed(host: str, service: str) -> Observed | None:
            return known.get(f"{host}/{service}")

        tree = report(cloud.ledger, ORGANIZATION, data_plane="linux", observed=observed)
        (item,) = (item for item in tree.walk() if item.id == network.id)
        return item.notes

    assert notes(fares) == ["DHCP and names are not answered: dnsmasq does not run"]
    assert notes({}) == notes({key: Observed(ready=True) for key in fares}) == []
