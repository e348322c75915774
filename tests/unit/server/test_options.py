"""What a server is started with: addresses as people write them, and numbers that cannot work."""

from __future__ import annotations

import pytest

from hideaway.base.errors import InvalidArguments
from hideaway.cloud.founding import Credentials
from hideaway.server.options import Options, doors_network, listen_address, url_of


def options(**changes: object) -> Options:
    owner = Credentials(access_key="", secret_key="", organization_id="", project_id="", user_id="")
    return Options(owner=owner, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7373", ("127.0.0.1", 7373)),
        ("[::1]:80", ("::1", 80)),
        (":0", ("127.0.0.1", 0)),
        ("8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
    ],
)
def test_listen_addresses(text: str, address: tuple[str, int]) -> None:
    assert listen_address(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:", "::1", "1.2.3.4:http", "1.2.3.4:65536", "1.2.3.4:-1", "h:²"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(InvalidArguments, match="--listen"):
        listen_address(text)


@pytest.mark.parametrize(
    ("host", "url"),
    [("10.1.2.3", "http://10.1.2.3:1"), ("0.0.0.0", "http://127.0.0.1:1"), ("::", "http://[::1]:1")],
)
def test_where_a_client_on_this_machine_goes(host: str, url: str) -> None:
    assert url_of(host, 1) == url


def test_all_numbers_that_cannot_work_are_named_at_once() -> None:
    with pytest.raises(InvalidArguments) as caught:
        options(heartbeat_interval=0, heartbeat_grace=0, linger=-1, port=70000).check()
    named = {fault.argument_name for fault in caught.value.faults}
    assert named == {"--listen", "--heartbeat-interval", "--heartbeat-grace", "--linger"}


@pytest.mark.parametrize("name", ["heartbeat_interval", "heartbeat_grace", "linger"])
@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e9])
def test_no_time_is_without_end(name: str, seconds: float) -> None:
    with pytest.raises(InvalidArguments, match="a week"):
        options(**{name: seconds}).check()


def test_the_defaults_can_work() -> None:
    assert options().check() == options()


def test_where_doors_are() -> None:
    assert doors_network("127.20.0.0/15") == "127.20.0.0/15"
    assert doors_network("none") == ""


@pytest.mark.parametrize("text", ["", "127.0.0.0/15", "127.18.0.0/16", "127.19.0.0/15", "10.0.0.0/15", "x", "::/15"])
def test_networks_where_none_can_be(text: str) -> None:
    with pytest.raises(InvalidArguments, match="--doors"):
        doors_network(text)
