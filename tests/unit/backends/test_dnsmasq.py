"""What dnsmasq is told: as text that a person can read and compare."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec

from hideaway.backends.linux import text
from hideaway.backends.linux.services import outgrown, program
from hideaway.backends.linux.services.base import Place
from hideaway.fabric.model import Resolver
from hideaway.fabric.services import Hop, Lease, Names, Record, Zone

NAMES = Names(
    id="dhcp",
    device="pn-1",
    domain="net.internal",
    networks=("172.16.0.0/22", "fd00:1::/64"),
    servers=("169.254.169.254", "fd00:1::ff"),
    lease=3600,
    leases=(
        Lease(mac="02:00:00:00:00:01", addresses=("172.16.0.2", "172.16.0.9", "fd00:1::2"), name="web"),
        Lease(mac="02:00:00:00:00:02", addresses=("172.16.0.3",)),
    ),
    hops=(
        Hop(destination="169.254.169.254/32", via=""),
        Hop(destination="0.0.0.0/0", via="172.16.0.6"),
        Hop(destination="fd00:2::/64", via="fd00:1::1"),
    ),
    records=(
        Record(name="web.net.internal", address="172.16.0.2"),
        Record(name="mail.net.internal", address="172.16.0.3", reverse=False),
        Record(name="mx.example.com", address="172.16.0.3"),
        Record(name="mx2.example.com", address="172.16.0.3"),
    ),
    zones=(Zone(domain="other.internal", networks=("172.16.4.0/22",), server="fd00:2::ff"),),
)
PLACE = Place(folder=Path("/w"), data=Path("/d"))


def files(names: Names) -> dict[str, list[str]]:
    return {name: content.decode().splitlines() for name, content in program("h", names, PLACE).files.items()}


def test_bookings_options_names_and_servers() -> None:
    assert files(NAMES) == {
        "bookings": ["02:00:00:00:00:01,172.16.0.2,[fd00:1::2],web", "02:00:00:00:00:02,172.16.0.3"],
        "options": [
            "option:router,172.16.0.6",
            "option:mtu,1500",
            "option:domain-name,net.internal",
            "option:domain-search,net.internal",
            "option6:domain-search,net.internal",
            "option:dns-server,169.254.169.254",
            "option6:dns-server,[fd00:1::ff]",
            "option:classless-static-route,169.254.169.254/32,0.0.0.0,0.0.0.0/0,172.16.0.6",
        ],
        "names": [
            "172.16.0.2 web.net.internal",
            "172.16.0.3 mx.example.com mail.net.internal",
            "172.16.0.3 mx2.example.com",
        ],
        "servers": [
            "server=/net.internal/",
            "server=/other.internal/fd00:2::ff",
            "rev-server=172.16.4.0/22,fd00:2::ff",
        ],
    }


def test_who_knows_the_internets_names_is_named_second() -> None:
    place = msgspec.structs.replace(PLACE, names="198.18.0.1")
    lines = program("h", NAMES, place).files["options"].decode().splitlines()
    assert "option:dns-server,169.254.169.254,198.18.0.1" in lines


def test_no_gateway_is_no_router_and_not_dnsmasq_itself() -> None:
    assert "option:router" in files(msgspec.structs.replace(NAMES, hops=()))["options"]


def test_one_option_holds_only_so_many_routes() -> None:
    hops = tuple(Hop(destination=f"10.{n}.0.0/16", via="172.16.0.1") for n in range(60))
    (line,) = (o for o in files(msgspec.structs.replace(NAMES, hops=hops))["options"] if "classless" in o)
    assert line.count("172.16.0.1") == 255 // 7


def test_what_changes_is_read_again_and_only_subnets_start_it_anew() -> None:
    before = program("h", NAMES, PLACE)
    after = program("h", msgspec.structs.replace(NAMES, leases=(), hops=(), records=(), domain="new.internal"), PLACE)
    assert (before.argv, before.reload) == (after.argv, signal.SIGHUP)
    assert before.digest != after.digest
    assert program("h", msgspec.structs.replace(NAMES, networks=("10.0.0.0/24",)), PLACE).argv != before.argv


def test_who_is_asked_and_in_which_domains() -> None:
    found = text.resolv_conf(Resolver(servers=("169.254.169.254", "fd00::1"), search=("a.internal", "b.internal")))
    assert found.splitlines() == [
        "nameserver 169.254.169.254",
        "nameserver fd00::1",
        "search a.internal b.internal",
        "options timeout:2 attempts:2",
    ]


def test_an_address_that_was_given_to_another_is_forgotten(tmp_path: Path) -> None:
    place = Place(folder=tmp_path, data=tmp_path)

    def run(names: Names) -> bool:
        anew = outgrown(names, place)
        for name, content in program("h", names, place).files.items():
            (tmp_path / name).write_bytes(content)
        return anew

    assert run(NAMES)
    given = tmp_path / "leases"
    given.write_text("1795463703 02:00:00:00:00:01 172.16.0.2 web 01:02:00:00:00:00:01\nduid 00:01\n")
    assert not run(NAMES)
    more = (*NAMES.leases, Lease(mac="02:00:00:00:00:03", addresses=("172.16.0.7",)))
    assert not run(msgspec.structs.replace(NAMES, leases=more)), "one more is told"
    assert not run(msgspec.structs.replace(NAMES, leases=more[::2])), "172.16.0.3 was given to nobody"
    assert given.exists()
    assert run(msgspec.structs.replace(NAMES, leases=more[2:])), "172.16.0.2 was given away"
    assert not given.exists()
