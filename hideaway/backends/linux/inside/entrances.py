"""SSH, spoken at the entrances of hosts: shells in Instances and port forwarding, which is all that a bastion does.

The one program of the world that needs more than Python's own library: asyncssh.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import os
import posixpath
import socket
from collections.abc import Awaitable
from typing import Any, cast

import asyncssh
from asyncssh.forward import SSHForwarder
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from . import homes, namespaces, sessions

LOGIN_SECONDS = 30
ALIVE_SECONDS, ALIVE_TRIES = 30, 4
"""Guests that have gone silent are let go after two minutes."""
CONNECT_SECONDS = 10
MOST_LINKS = 40
"""Symbolic links that one path may lead through, as in the kernel."""
LOOPBACK = "127.0.0.1"


class Ssh:
    """secret: what the keys of all hosts follow from."""

    def __init__(self, secret: bytes):
        self._secret = secret

    async def serve(self, entrance: Any, channel: socket.socket) -> None:
        """Speak with who came in by an entrance, until they leave. Returns once they are known, or gone."""
        guest = Guest(entrance)
        shell = entrance.said["kind"] == "shell"
        try:
            await asyncssh.run_server(
                channel,
                server_factory=lambda: guest,
                server_host_keys=[self._key(entrance.said["host"])],
                process_factory=sessions.serve(entrance) if shell else sessions.refuse,
                sftp_factory=(lambda channel: Files(channel, entrance)) if shell else None,
                encoding=None,
                allow_scp=False,  # an old scp is a program like any other
                agent_forwarding=False,
                login_timeout=LOGIN_SECONDS,
                keepalive_interval=ALIVE_SECONDS,
                keepalive_count_max=ALIVE_TRIES,
            )
        except (OSError, asyncssh.Error):
            pass  # they gave up, or were not let in

    def _key(self, host: str) -> asyncssh.SSHKey:
        seed = hashlib.blake2b(host.encode(), key=self._secret, digest_size=32).digest()
        key = Ed25519PrivateKey.from_private_bytes(seed)
        return asyncssh.import_private_key(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


class Guest(asyncssh.SSHServer):
    """Somebody's connection: let in by a key, and put out again when it is let in no more."""

    def __init__(self, entrance: Any):
        self.entrance = entrance
        self.key = b""
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self.entrance.guests.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.entrance.guests.discard(self)

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    def welcome(self, said: dict[str, Any]) -> bool:
        """Whether the key that this one came with (none yet is as good) is let in still."""
        return not self.key or self.key in _keys(said)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        welcome = username == self.entrance.said["user"] and key.public_data in _keys(self.entrance.said)
        if welcome:
            self.key = key.public_data
        return welcome

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Awaitable[asyncssh.SSHTCPSession[bytes]]:
        return cast(Awaitable[asyncssh.SSHTCPSession[bytes]], _connect(self.entrance, dest_host, dest_port))


def _keys(said: dict[str, Any]) -> set[bytes]:
    """The keys that are let in, as they come over the wire. What is no key lets nobody in."""
    found = set()
    for text in said["keys"]:
        try:
            found.add(asyncssh.import_public_key(text).public_data)
        except (asyncssh.KeyImportError, ValueError):
            continue
    return found


async def _connect(entrance: Any, host: str, port: int) -> SSHForwarder:
    """A connection from a host to somewhere else, for a guest. Raises ChannelOpenError."""
    said = entrance.said
    try:
        for address in await _addresses(entrance, host):
            if said["networks"] is not None and not _within(address, said["networks"]):
                raise asyncssh.ChannelOpenError(
                    asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, f"{address} is in no Private Network of this bastion"
                )
            return await asyncio.wait_for(_connected(said["namespace"], address, port), CONNECT_SECONDS)
    except (OSError, TimeoutError) as error:
        raise asyncssh.ChannelOpenError(
            asyncssh.OPEN_CONNECT_FAILED, f"{host}:{port}: {error or 'no answer'}"
        ) from None
    raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, f"nobody is called {host!r} here")


async def _connected(namespace: str, address: str, port: int) -> SSHForwarder:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with namespaces.inside(namespace):
        channel = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(channel, (address, port))
        _transport, peer = await loop.create_connection(SSHForwarder, sock=channel)
    except BaseException:
        channel.close()
        raise
    return SSHForwarder(peer)


async def _addresses(entrance: Any, host: str) -> list[str]:
    """What a host calls so, an address itself included. A bastion knows names that it was told, a shell asks."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    said = entrance.said
    named = [address for name, address in said["names"] if name == host.lower().rstrip(".")]
    if named or said["kind"] != "shell":
        return named
    if host == "localhost":
        return [LOOPBACK]
    return await sessions.resolve(entrance, host)


def _within(address: str, networks: list[str]) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in network for network in map(ipaddress.ip_network, networks) if network.version == found.version)


class Files(asyncssh.SFTPServer):
    """A host's files, for SFTP: no link leads out of its root."""

    def __init__(self, chan: Any, entrance: Any):
        self._root = os.fsencode(homes.home(entrance.said["namespace"]))
        super().__init__(chan, chroot=self._root)

    def exit(self) -> None:
        """Say that it went well: scp takes silence for a failure."""
        self.channel.exit(0)

    def map_path(self, path: bytes) -> bytes:
        """Where a path of the host's leads here. Relative ones begin at the user's home."""
        folder, name = posixpath.split(posixpath.normpath(posixpath.join(b"/root", path)))
        return posixpath.join(self._root, resolved(self._root, folder).lstrip(b"/"), name)


def resolved(root: bytes, path: bytes) -> bytes:
    """A path below root with all links followed as if root were /. The last link that is too many stays as it is."""
    left, found, links = [part for part in path.split(b"/") if part], b"/", 0
    while left:
        part = left.pop(0)
        if part == b"..":
            found = posixpath.dirname(found)
            continue
        here = posixpath.join(found, part)
        real = posixpath.join(root, here.lstrip(b"/"))
        if links < MOST_LINKS and os.path.islink(real):
            links += 1
            target = os.readlink(real)
            found = b"/" if target.startswith(b"/") else found
            left = [part for part in target.split(b"/") if part not in (b"", b".")] + left
        else:
            found = here
    return found
