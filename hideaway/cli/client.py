"""Asking the server that serves a state folder. Every failure becomes a HideawayError that says what to do."""

from __future__ import annotations

import os
from typing import TypeVar

import httpx
import msgspec

from hideaway.base.errors import HideawayError, Unavailable
from hideaway.cloud.founding import Credentials
from hideaway.server.state import Folder, Server

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:7373"
TIMEOUT = httpx.Timeout(60, connect=5)


class Detail(msgspec.Struct):
    """One argument that the server refuses, and why."""

    argument_name: str = ""
    help_message: str = ""


class Refusal(msgspec.Struct):
    """What any error document of the server says, as far as a person reads it."""

    message: str = ""
    help_message: str = ""
    resource: str = ""
    resource_id: str = ""
    details: list[Detail] = []

    def told(self) -> str:
        """The document in one line; "" when it says nothing."""
        if self.details:
            return "; ".join(f"{d.argument_name}: {d.help_message}" for d in self.details)
        what = f"{self.resource} {self.resource_id}:" if self.resource and self.resource_id else ""
        return " ".join(part for part in (what, self.message, self.help_message) if part)


def owner_of(folder: Folder) -> Credentials:
    """The owner who is kept in a folder. Raises Unavailable where no cloud was ever started."""
    owner = folder.owner()
    if owner is None:
        raise Unavailable(f"no cloud was started on {folder.path} yet: start one with `hideaway up`, or name --state")
    return owner


def server_of(folder: Folder) -> Server:
    """The server that serves a folder now. Raises Unavailable where there is none, or only what a killed one left."""
    owner_of(folder)
    server = folder.server()
    if server is None or not _lives(server.pid):
        raise Unavailable(f"no server serves {folder.path} now: start it with `hideaway up`")
    return server


def ask(folder: Folder, method: str, path: str, type_: type[T], body: object = None) -> T:
    """Call a route of the folder's server with the owner's key and decode its answer.

    Raises Unavailable where it cannot be reached or does not know the key, else HideawayError with what it said.
    """
    owner, server = owner_of(folder), server_of(folder)
    try:
        # No proxy of the machine's stands between a person and their own loopback.
        with httpx.Client(base_url=server.url, timeout=TIMEOUT, trust_env=False) as client:
            content = None if body is None else msgspec.json.encode(body)
            headers = {"X-Auth-Token": owner.secret_key, "Content-Type": "application/json"}
            answer = client.request(method, path, content=content, headers=headers)
    except httpx.HTTPError as error:
        raise Unavailable(f"{server.url} does not answer ({error}): is `hideaway up` well?") from error
    if answer.status_code >= 400:
        raise _refused(server.url, answer)
    try:
        return msgspec.json.decode(answer.content or b"null", type=type_)
    except msgspec.MsgspecError as error:
        raise Unavailable(f"{server.url} answers something else than hideaway {path}: {error}") from error


def _refused(url: str, answer: httpx.Response) -> HideawayError:
    """The error that tells a person what the server said."""
    try:
        said = msgspec.json.decode(answer.content, type=Refusal)
    except msgspec.MsgspecError:
        said = Refusal(message=answer.text[:200])
    text = said.told() or f"status {answer.status_code}"
    if answer.status_code == 401:
        return Unavailable(f"{url} does not know this state folder's key: is it another cloud's? ({text})")
    if answer.status_code >= 500:
        return Unavailable(text)
    return HideawayError(text)


def _lives(pid: int) -> bool:
    """Whether a process of this user has this number. Another user's is none of ours, whatever it answers."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
