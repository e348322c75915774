"""What arguments of k8s/v1 must be like. Each check adds what is wrong to a list, so that all is said at once."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from hideaway.api.k8s.catalogue import Version
from hideaway.base.errors import Fault, InvalidArguments
from hideaway.cloud.documents import Ledger
from hideaway.cloud.network import PrivateNetwork

CLUSTER_RANGES = tuple(
    ipaddress.IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
"""RFC 1918 and RFC 6598: where pods and services may have their addresses (scaleway.md, Private network)."""
SMALLEST_PODS, SMALLEST_SERVICES = 24, 28  # prefix lengths; assumed: a node's /24, and some addresses
DNS_OFFSET = 10
_DURATION = re.compile(r"^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$")
_QUANTITY = re.compile(r"^\d+(\.\d+)?([kKMGTPE]i?|m)?$")
_BITS = re.compile(r"^(u?)int(\d+)$")
EFFECTS = {"NoSchedule", "PreferNoSchedule", "NoExecute", "no_schedule", "prefer_no_schedule", "no_execute"}


class Faults:
    """What is wrong with a request so far."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, argument: str, help_message: str, reason: str = "constraint") -> None:
        self.found.append(Fault(argument, reason, help_message))

    def one_of(self, argument: str, value: str, allowed: Iterable[str]) -> None:
        """Complain unless the value is among these."""
        choices = list(allowed)
        if value not in choices:
            self.add(argument, f"{value!r} is not one of {', '.join(choices)}")

    def duration(self, argument: str, value: str | None) -> None:
        """Complain unless the value is a duration as Go writes them (10m, 1h30m), or left out."""
        if value and not _DURATION.match(value):
            self.add(argument, f"{value!r} is not a duration such as 10m", "format")

    def raise_any(self) -> None:
        """Refuse the request when anything was wrong."""
        if self.found:
            raise InvalidArguments(*self.found)


def left_out(value: str | None, *unknown: str) -> bool:
    """Whether an enumeration's value says nothing: absent, empty, or the zero value that SDKs send."""
    return not value or value.startswith("unknown") or value in unknown


def check_subset(faults: Faults, argument: str, values: list[str] | None, allowed: list[str], version: str) -> None:
    wrong = [v for v in values or [] if v not in allowed]
    if wrong:
        faults.add(argument, f"{', '.join(wrong)}: not available in version {version}; there is {', '.join(allowed)}")


def check_kubelet_args(faults: Faults, arguments: dict[str, str] | None, version: Version) -> None:
    """Each argument must be one that the version offers, and of the type that it says."""
    for name, value in (arguments or {}).items():
        kind = version.available_kubelet_args.get(name)
        if kind is None:
            offered = ", ".join(version.available_kubelet_args)
            faults.add("kubelet_args", f"{name}: not available in version {version.name}; there is {offered}")
        elif not _fits(value, kind):
            faults.add("kubelet_args", f"{name}: {value!r} is not of type {kind}")


def _fits(value: str, kind: str) -> bool:
    bits = _BITS.match(kind)
    if bits:
        unsigned, width = bool(bits[1]), int(bits[2])
        low, high = (0, 2**width) if unsigned else (-(2 ** (width - 1)), 2 ** (width - 1))
        return bool(re.fullmatch(r"-?\d{1,20}", value)) and low <= int(value) < high
    if kind == "bool":
        return value in ("true", "false")
    if kind == "duration":
        return bool(_DURATION.match(value))
    if kind == "quantity":
        return bool(_QUANTITY.match(value))
    if kind.startswith("enum:"):
        return value in kind.removeprefix("enum:").split("|")
    return True  # map[string]string is free text


def check_ranges(
    faults: Faults, ledger: Ledger, network: PrivateNetwork | None, pods: str, services: str, dns: str | None
) -> str:
    """Check where a cluster's pods and services have their addresses; returns the DNS service's.

    Both ranges lie within RFC 1918 or RFC 6598 and overlap neither each other nor the VPC's subnets (scaleway.md).
    """
    pod = _range(faults, "pod_cidr", pods, SMALLEST_PODS)
    service = _range(faults, "service_cidr", services, SMALLEST_SERVICES)
    if pod and service and pod.overlaps(service):
        faults.add("service_cidr", f"{service} overlaps the pod_cidr {pod}")
    subnets = _subnets(ledger, network)
    for argument, wanted in (("pod_cidr", pod), ("service_cidr", service)):
        clash = next((s for s in subnets if wanted and s.overlaps(wanted)), None)
        if clash:
            faults.add(argument, f"{wanted} overlaps the subnet {clash} of the VPC")
    return _dns(faults, service, dns)


def _range(faults: Faults, argument: str, text: str, smallest: int) -> ipaddress.IPv4Network | None:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        faults.add(argument, f"{text!r} is not an IPv4 range in CIDR form", "format")
        return None
    if not any(network.subnet_of(r) for r in CLUSTER_RANGES):
        faults.add(argument, f"{text} is not within the private ranges of RFC 1918 and RFC 6598")
    elif network.prefixlen > smallest:
        faults.add(argument, f"{text} is too small: the prefix length must be /{smallest} at most")
    return network


def _subnets(ledger: Ledger, network: PrivateNetwork | None) -> list[ipaddress.IPv4Network]:
    if network is None:
        return []
    networks = ledger.find(PrivateNetwork, ref=network.vpc_id)
    return [ipaddress.IPv4Network(s.subnet) for n in networks for s in n.subnets if ":" not in s.subnet]


def _dns(faults: Faults, service: ipaddress.IPv4Network | None, dns: str | None) -> str:
    if service is None:
        return ""
    if not dns:
        return str(service.network_address + DNS_OFFSET)
    try:
        address = ipaddress.IPv4Address(dns)
    except ValueError:
        faults.add("service_dns_ip", f"{dns!r} is not an IPv4 address", "format")
        return ""
    if address not in service or address in (service.network_address, service.broadcast_address):
        faults.add("service_dns_ip", f"{dns} is not an address within the service_cidr {service}")
    return str(address)
