"""hideaway's own routes, below /hideaway/v1 and beside the vendor's: health, status, exec, gateways, reset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from hideaway import __version__
from hideaway.api.call import Call, answer
from hideaway.api.pipeline import Product, Route
from hideaway.api.shapes import Body, PortNumber
from hideaway.base.errors import NotFound, PermissionDenied, PlainError, invalid
from hideaway.cloud.change import Change
from hideaway.cloud.documents import KINDS, Document
from hideaway.cloud.gateways import VERSION, Gateway
from hideaway.cloud.places import REGIONS
from hideaway.fabric.model import Fabric, Host, Plug
from hideaway.server.faults import Faults
from hideaway.server.machines import Machines
from hideaway.server.rights import owner_only
from hideaway.server.seen import Eyes, Sight


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """What these routes need of the server: its data plane's name, its fabric, its report, and its founding."""

    data_plane: str
    durability: Callable[[], str]
    """What an answered write survives: process or power."""
    report: Callable[[str, Callable[[Document], bool]], Any]
    """The tree of one organization, as far as somebody may see it."""
    fabric: Callable[[], Fabric]
    """What the data plane holds now."""
    command: Callable[[str, list[str]], list[str]] | None
    """The argv that runs a command inside a host (id or name; `edge`); raises NotFound; None without a data plane."""
    plug: Callable[[Plug], Plug] | None
    """See Backend.plug; None without a data plane."""
    sight: Sight | None
    """What shows packets; None without a data plane."""
    error: Callable[[], str]
    """What the control loop failed with last, "" when it did not."""
    settled: Callable[[], bool]
    """Whether the data plane is all that is wanted."""
    organization_id: str
    """Whom the cloud was started for: to its owner belongs what all organizations share."""
    found: Callable[[Change], None]
    """Make the owner's organization anew."""
    clear: Callable[[Change, str], None]
    """Forget all of one organization."""


class Exec(Body, frozen=True, kw_only=True):
    host: str
    command: list[str]


class Operate(Body, frozen=True, kw_only=True):
    """What the vendor's operators do to a gateway and its API has no route for.

    Stop it, start it, keep it legacy or its software old; nat_ports: the first and last port that its dynamic NAT
    uses, [] for all.
    """

    stopped: bool | None = None
    is_legacy: bool | None = None
    version: Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+\.\d+$")] | None = None
    nat_ports: Annotated[list[PortNumber], msgspec.Meta(max_length=2)] | None = None


def operate(call: Call, body: Operate) -> dict[str, Any]:
    """Stop, start or age a gateway, to see what follows. Starting goes through `configuring`, as the vendor's does."""
    gateway = call.own(Gateway, param="gateway_id")
    owner_only(call, Gateway.resource)
    if body.nat_ports is not None:
        gateway = gateway.changed(call.change.now, nat_ports=_port_range(body.nat_ports))
    if body.version is not None:
        newer = None if body.version == VERSION else VERSION
        gateway = gateway.changed(call.change.now, version=body.version, can_upgrade_to=newer)
    if body.is_legacy is not None:
        gateway = gateway.changed(call.change.now, is_legacy=body.is_legacy)
    if body.stopped:
        gateway = call.change.begin(gateway, "stopping", "stopped")
    elif body.stopped is not None:
        gateway = call.change.begin(gateway, "configuring", "running")
    call.change.ledger.put(gateway)
    return answer(gateway)


def _port_range(ports: list[int]) -> tuple[int, int] | None:
    """The first and the last of a gateway's ports; None for none. Raises InvalidArguments."""
    if not ports:
        return None
    if len(ports) != 2 or not 1 <= ports[0] <= ports[1]:
        raise invalid("nat_ports", "give the first and the last port, from 1 to 65535, or [] for all")
    return ports[0], ports[1]


def own_product(inside: Inside) -> Product:
    """The routes."""

    def health(call: Call) -> dict[str, Any]:
        error = inside.error()
        return {
            "status": "failing" if error else "ok",
            "version": __version__,
            "data_plane": inside.data_plane,
            "durability": inside.durability(),
            "settled": inside.settled(),
            "error": error,
        }

    def status(call: Call) -> Any:
        principal = call.principal
        return inside.report(principal.organization_id, lambda document: principal.may_know(document, call.area))

    def run(call: Call, body: Exec) -> dict[str, Any]:
        owner_only(call, "host")
        if not body.command:
            raise invalid("command", "say what to run")
        if inside.command is None:
            raise PlainError(412, "there is no data plane here: no host to run a command in", "precondition_failed")
        hosts = tuple(h for h in inside.fabric().hosts if theirs(call, h))
        host = Fabric(hosts=hosts).host(body.host)
        try:
            if host is None and call.principal.organization_id != inside.organization_id:
                raise NotFound("host", body.host)
            return {"host": body.host, "argv": inside.command(host.id if host else body.host, body.command)}
        except NotFound:
            names = ", ".join(sorted(h.name for h in hosts)) or "none"
            raise PlainError(404, f"no host is called {body.host!r}; there are: {names}", "not_found") from None

    def reset(call: Call) -> None:
        owner_only(call, "organization")
        if call.principal.organization_id != inside.organization_id:
            raise PermissionDenied("write", "organization")
        inside.clear(call.change, inside.organization_id)
        inside.found(call.change)

    return Product(
        prefix="",
        area="Organization",
        routes=[
            Route(method="GET", path="/metadata", handler=metadata, open=True),
            Route(method="GET", path="/hideaway/v1/health", handler=health, open=True),
            Route(method="GET", path="/hideaway/v1/status", handler=status),
            Route(method="POST", path="/hideaway/v1/exec", handler=run, body=Exec),
            Route(
                method="PATCH", path="/hideaway/v1/gateways/{gateway_id}", handler=operate, body=Operate, records=False
            ),
            Route(method="POST", path="/hideaway/v1/reset", handler=reset, status=204, records=False),
            *Faults(inside.sight.strike if inside.sight else None, inside.fabric, inside.organization_id).routes(),
            *Machines(inside.plug, inside.organization_id).routes(),
            *Eyes(inside.sight, inside.fabric, inside.organization_id).routes(),
        ],
    )


def metadata(call: Call) -> dict[str, Any]:
    """What the vendor's Go SDK asks of the API's address before anything else (scaleway.md, Traps)."""
    return {"regions": [{"name": r, "zones": list(z)} for r, z in REGIONS.items()]}


def theirs(call: Call, host: Host) -> bool:
    """Whether a host is the caller's organization's, or nobody's: the public internet's."""
    kind, _, id_ = host.because.partition(":")
    if kind == "fixed":
        return True
    found = call.change.ledger.get(KINDS[kind], id_)
    return found is not None and found.organization_id == call.principal.organization_id
