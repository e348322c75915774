"""What can be done to managed databases and their endpoints. Arguments come here valid."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hideaway.base.errors import Conflict, Fault, InvalidArguments, NotFound, TransientState
from hideaway.cloud.addressing import attach, book, hold_static, take_public
from hideaway.cloud.change import Change
from hideaway.cloud.database_types import PORTS, engine_of
from hideaway.cloud.databases import (
    AccessRule,
    Backup,
    BackupSchedule,
    Database,
    DataOrigin,
    Endpoint,
    InstanceLog,
    LogicalDatabase,
    Pair,
    ReadReplica,
    Snapshot,
)
from hideaway.cloud.network import Attachment, Ip, PrivateNetwork

E = TypeVar("E", Backup, Snapshot, InstanceLog)
ATTACHMENT_TYPE = "rdb_instance"
TAGS = ["managed", "scwdbaas"]
"""Of every address that a database has in IPAM (recorded)."""
PUBLIC_PORTS = range(1024, 32768)
"""A load balancer's port is a random one; those recorded are from 2276 to 29920."""
CERTIFICATE_LIFE = timedelta(days=3650)  # recorded
DIRECT_PORT = 5432  # of a replica's direct access (recorded)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that is asked for: in a Private Network, or (network None) a public one.

    service_ip in CIDR form, None for an address of IPAM's. argument: what the request calls it, for faults.
    """

    network: PrivateNetwork | None = None
    service_ip: str | None = None
    argument: str = "endpoint_spec"


def begin_errand(change: Change, errand: E, performer: Database, status: str) -> E:
    """Begin what an instance's server has to do once."""
    asked = msgspec.structs.replace(errand, task=change.ids.uuid(), performer=performer.id)
    return change.begin(asked, status, "ready")


def settled(document: Database | ReadReplica) -> None:
    """Raise TransientState while it is on its way from one state to another."""
    if document.status != "ready":
        raise TransientState(document.resource, document.id, document.status)


def make(change: Change, database: Database, wanted: list[Wanted]) -> Database:
    """Begin an instance with these endpoints, or (for none) with a public one, as the vendor does.

    Every instance has the database `rdb` and lets everybody in through its public endpoint (both recorded).
    """
    endpoints = [_endpoint(change, database, w, database.name) for w in wanted or [Wanted()]]
    made = msgspec.structs.replace(
        database,
        listed_endpoints=endpoints,
        databases=[LogicalDatabase(name="rdb")],
        access_rules=[AccessRule(ip="0.0.0.0/0", description="Allow All")],
        backup_schedule=scheduled(change, database.backup_schedule),
    )
    return change.begin(certified(change, made), "provisioning", "ready")


def scheduled(change: Change, schedule: BackupSchedule) -> BackupSchedule:
    """A schedule that begins now: its first backup is due a period from now (recorded), none when disabled."""
    next_run = None if schedule.disabled else change.now + timedelta(hours=schedule.frequency)
    return msgspec.structs.replace(schedule, next_run_at=next_run)


def copy(change: Change, source: Database, origin: DataOrigin, **fields: Any) -> Database:
    """Begin an instance like another one, with a public endpoint: a clone, or what a snapshot is restored to."""
    like = msgspec.structs.replace(
        source,
        id=change.ids.uuid(),
        created_at=change.now,
        updated_at=change.now,
        pending=None,
        listed_endpoints=[],
        leaving_endpoints=[],
        origin=origin,
        pair=Pair(),
        **fields,
    )
    kept = {"databases": source.databases, "access_rules": source.access_rules}
    made = msgspec.structs.replace(make(change, like, []), **kept)
    change.ledger.put(made)
    return made


def succeed(change: Change, old: Database, engine: str, *, with_endpoints: bool) -> Database:
    """Begin an instance of a newer engine that an old one's data goes to; it takes over the endpoints (recorded).

    The old one stays, without endpoints, until its owner deletes it.
    """
    origin = live(old)
    if not with_endpoints:
        return copy(change, old, origin, engine=engine)
    new = msgspec.structs.replace(
        old,
        id=change.ids.uuid(),
        created_at=change.now,
        updated_at=change.now,
        pending=None,
        engine=engine,
        origin=origin,
        pair=Pair(),
    )
    hidden = [msgspec.structs.replace(e, shown=False) for e in old.listed_endpoints]
    for endpoint in old.listed_endpoints:
        ip = change.ledger.get(Ip, endpoint.ipam_id) if endpoint.ipam_id else None
        if ip is not None and ip.attachment is not None:
            attach(change, ip, msgspec.structs.replace(ip.attachment, id=new.id))
    change.ledger.put(old.changed(change.now, listed_endpoints=[]))
    taken_over = msgspec.structs.replace(new, listed_endpoints=hidden, leaving_endpoints=[])
    return change.begin(certified(change, taken_over, old.key), "provisioning", "ready")


def live(database: Database) -> DataOrigin:
    """An instance as where another one's data comes from."""
    return DataOrigin(id=database.id, engine=database.engine, live=True)


def unneeded(change: Change, source: Database | Snapshot) -> None:
    """Raise TransientState while another instance's data is still being copied from it."""
    if any(d.origin and d.origin.id == source.id for d in change.ledger.find(Database, ref=source.id)):
        raise TransientState(source.resource, source.id, "copying")


def delete(change: Change, database: Database) -> Database:
    """Begin to delete an instance, and with it its replicas; what it was still to do is not done.

    Raises TransientState while another instance's data is still being copied from it.
    """
    unneeded(change, database)
    for kind in (Backup, Snapshot, InstanceLog):
        for errand in change.ledger.find(kind, ref=database.id):
            if errand.performer == database.id and errand.task:
                change.ledger.put(errand.ended(change.now, 0, "the instance is being deleted"))
    for replica in change.ledger.find(ReadReplica, ref=database.id):
        change.retire(replica)
    return change.retire(database)


def add_endpoint(change: Change, database: Database, wanted: Wanted) -> Endpoint:
    """Begin to give an instance one more endpoint. Raises TransientState, Conflict for a second one of its kind."""
    settled(database)
    for other in database.listed_endpoints:
        if (other.private_network_id is None) == (wanted.network is None):
            kind = "a public endpoint" if wanted.network is None else "an endpoint in a Private Network"
            raise Conflict("endpoint", other.id, f"the instance has {kind} already; delete it first")
    beside = wanted.network is not None and bool(database.listed_endpoints)
    endpoint = msgspec.structs.replace(_endpoint(change, database, wanted, database.name), beside_public=beside)
    grown = msgspec.structs.replace(database, listed_endpoints=[*database.listed_endpoints, endpoint])
    change.begin(certified(change, grown, database.key), "initializing", "ready")
    return endpoint


def remove_endpoint(change: Change, owner: Database | ReadReplica, endpoint_id: str) -> None:
    """Begin to take an endpoint from an instance or a replica; nothing is served through it from now on."""
    settled(owner)
    leaving = [e for e in owner.listed_endpoints if e.id == endpoint_id]
    staying = [e for e in owner.listed_endpoints if e.id != endpoint_id]
    shrunk = msgspec.structs.replace(owner, listed_endpoints=staying, leaving_endpoints=leaving)
    change.begin(shrunk, "configuring", "ready")


def move_endpoint(change: Change, old: Database, endpoint_id: str, new: Database) -> Endpoint:
    """Move an endpoint to another instance. Raises Conflict when that one has one of its kind."""
    settled(old)
    settled(new)
    endpoint = next(e for e in old.listed_endpoints if e.id == endpoint_id)
    if any((e.private_network_id is None) == (endpoint.private_network_id is None) for e in new.listed_endpoints):
        raise Conflict("endpoint", endpoint_id, "the other instance has an endpoint of its kind already")
    ip = change.ledger.get(Ip, endpoint.ipam_id) if endpoint.ipam_id else None
    if ip is not None and ip.attachment is not None:
        attach(change, ip, msgspec.structs.replace(ip.attachment, id=new.id, name=new.name))
    staying = [e for e in old.listed_endpoints if e.id != endpoint_id]
    change.begin(msgspec.structs.replace(old, listed_endpoints=staying), "configuring", "ready")
    grown = msgspec.structs.replace(new, listed_endpoints=[*new.listed_endpoints, endpoint])
    change.begin(certified(change, grown, new.key), "configuring", "ready")
    return endpoint


def make_replica(change: Change, instance: Database, replica: ReadReplica, wanted: list[Wanted]) -> ReadReplica:
    """Begin a replica of an instance with these endpoints."""
    endpoints = [_replica_endpoint(change, instance, replica, w) for w in wanted]
    return change.begin(msgspec.structs.replace(replica, listed_endpoints=endpoints), "provisioning", "ready")


def add_replica_endpoints(
    change: Change, instance: Database, replica: ReadReplica, wanted: list[Wanted]
) -> ReadReplica:
    """Begin to give a replica more endpoints. Raises TransientState, Conflict for a second one of its kind."""
    settled(replica)
    endpoints = list(replica.listed_endpoints)
    for one in wanted:
        if any((e.private_network_id is None) == (one.network is None) for e in endpoints):
            raise Conflict("endpoint", replica.id, "the replica has an endpoint of its kind already; delete it first")
        endpoints.append(_replica_endpoint(change, instance, replica, one))
    return change.begin(msgspec.structs.replace(replica, listed_endpoints=endpoints), "initializing", "ready")


def promote(change: Change, instance: Database, replica: ReadReplica) -> Database:
    """Make an instance of its own of a replica: it keeps the replica's endpoints."""
    settled(replica)
    change.ledger.remove(replica)
    new = msgspec.structs.replace(
        instance,
        id=replica.id,
        name=replica_name(replica),
        created_at=change.now,
        updated_at=change.now,
        pending=None,
        listed_endpoints=[msgspec.structs.replace(e, direct=False) for e in replica.listed_endpoints],
        leaving_endpoints=[],
        pair=Pair(),
    )
    for endpoint in new.listed_endpoints:
        ip = change.ledger.get(Ip, endpoint.ipam_id) if endpoint.ipam_id else None
        if ip is not None and ip.attachment is not None:
            attach(change, ip, msgspec.structs.replace(ip.attachment, id=new.id))
    return change.begin(certified(change, new), "initializing", "ready")


def replica_name(replica: ReadReplica) -> str:
    """What IPAM calls a replica (recorded)."""
    return f"read-replica-{replica.id[:8]}"


def rename(change: Change, database: Database) -> None:
    """Tell IPAM the name of an instance, which names its addresses' resource."""
    for endpoint in database.listed_endpoints:
        ip = change.ledger.get(Ip, endpoint.ipam_id) if endpoint.ipam_id else None
        if ip is not None and ip.attachment is not None:
            attach(change, ip, msgspec.structs.replace(ip.attachment, name=database.name))


def owner_of(change: Change, endpoint_id: str) -> Database | ReadReplica:
    """The instance or replica that has an endpoint. Raises NotFound."""
    found: list[Database | ReadReplica] = [
        *change.ledger.find(Database, ref=endpoint_id),
        *change.ledger.find(ReadReplica, ref=endpoint_id),
    ]
    owner = next((o for o in found if any(e.id == endpoint_id for e in o.listed_endpoints)), None)
    if owner is None:
        raise NotFound("endpoint", endpoint_id)
    return owner


def _replica_endpoint(change: Change, instance: Database, replica: ReadReplica, wanted: Wanted) -> Endpoint:
    """A replica's address in a Private Network is its instance's, under a name of its own (recorded)."""
    endpoint = _endpoint(change, instance, wanted, replica_name(replica))
    return endpoint if wanted.network else msgspec.structs.replace(endpoint, port=DIRECT_PORT, direct=True)


def _endpoint(change: Change, database: Database, wanted: Wanted, name: str) -> Endpoint:
    if wanted.network is None:
        return Endpoint(
            id=change.ids.uuid(),
            port=PUBLIC_PORTS[change.ids.below(len(PUBLIC_PORTS))],
            ip=take_public(change, database),
            shown=False,
        )
    common: dict[str, Any] = {
        "id": change.ids.uuid(),
        "port": PORTS[engine_of(database.engine)],
        "private_network_id": wanted.network.id,
        "zone": f"{database.region}-1",  # every recorded one's, also a replica's in another zone
    }
    if wanted.service_ip is not None:
        host = wanted.service_ip.partition("/")[0]
        try:
            hold_static(change, wanted.network, host)
        except InvalidArguments as error:
            argument = f"{wanted.argument}.private_network.service_ip"
            raise InvalidArguments(*(Fault(argument, f.reason, f.help_message) for f in error.faults)) from None
        return Endpoint(**common, ip=host, service_ip=wanted.service_ip, provisioning_mode="static")
    attachment = Attachment(type=ATTACHMENT_TYPE, id=database.id, mac_address=change.ids.mac(), name=name)
    ip = book(change, wanted.network, attachment=attachment, tags=TAGS, project_id=database.project_id)
    return Endpoint(**common, ip=ip.host, service_ip=ip.address, provisioning_mode="ipam", ipam_id=ip.id)


def certified(change: Change, database: Database, key: str = "") -> Database:
    """A copy with a new certificate, for its addresses and name, and its key.

    key: the one to go on with: who trusts the certificate before this one then trusts the new one as well.
    """
    addresses = [ipaddress.ip_address(e.ip) for e in database.listed_endpoints]
    host = f"rw-{database.id}.rdb.{database.region}.scw.cloud"
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "hideaway"),
            x509.NameAttribute(NameOID.COMMON_NAME, str(addresses[0]) if addresses else database.id),
        ]
    )
    names = [x509.DNSName(host), *(x509.IPAddress(a) for a in addresses)]
    pair = _key(key) if key else ec.generate_private_key(ec.SECP256R1())
    text = pair.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return msgspec.structs.replace(database, certificate=_signed(change.now, pair, subject, names), key=text)


def _key(text: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(text.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _signed(now: datetime, key: ec.EllipticCurvePrivateKey, subject: x509.Name, names: list[x509.GeneralName]) -> str:
    """Signed with its own key, and fit to be all that a client trusts."""
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + CERTIFICATE_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
