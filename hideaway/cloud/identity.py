"""iam/v1alpha1 and account/v3: organizations' projects, users, applications, groups, policies, keys."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import ClassVar

import msgspec

from hideaway.cloud.documents import Document


class Project(Document, frozen=True, kw_only=True):
    """project_id is its own id. The default project's id is its organization's."""

    kind: ClassVar[str] = "account/project"
    resource: ClassVar[str] = "project"

    name: str
    description: str = ""


class User(Document, frozen=True, kw_only=True):
    """type: owner, member, guest."""

    kind: ClassVar[str] = "iam/user"
    resource: ClassVar[str] = "user"

    email: str
    username: str
    type: str = "member"
    first_name: str = ""
    last_name: str = ""
    phone_number: str = ""
    locale: str = "en_US"
    status: str = "activated"
    mfa: bool = False
    locked: bool = False
    tags: list[str] = []

    @property
    def label(self) -> str:
        return self.username


class Application(Document, frozen=True, kw_only=True):
    kind: ClassVar[str] = "iam/application"
    resource: ClassVar[str] = "application"

    name: str
    description: str = ""
    tags: list[str] = []


class Group(Document, frozen=True, kw_only=True):
    kind: ClassVar[str] = "iam/group"
    resource: ClassVar[str] = "group"

    name: str
    description: str = ""
    user_ids: list[str] = []
    application_ids: list[str] = []
    tags: list[str] = []

    @property
    def refs(self) -> tuple[str, ...]:
        return (*self.user_ids, *self.application_ids)


class PolicyRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy allows: permission sets, on some projects or (organization_id) on all of an organization."""

    id: str
    permission_set_names: list[str] = []
    project_ids: list[str] | None = None
    organization_id: str | None = None
    condition: str = ""


class Policy(Document, frozen=True, kw_only=True):
    """Rules for one principal: a user, a group or an application (or none)."""

    kind: ClassVar[str] = "iam/policy"
    resource: ClassVar[str] = "policy"

    name: str
    description: str = ""
    tags: list[str] = []
    user_id: str | None = None
    group_id: str | None = None
    application_id: str | None = None
    rules: list[PolicyRule] = msgspec.field(default_factory=list, name="_rules")

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(r for r in (self.user_id, self.group_id, self.application_id) if r)


class ApiKey(Document, frozen=True, kw_only=True):
    """id is the access key. The secret is kept as a digest only; it is answered once, when the key is made."""

    kind: ClassVar[str] = "iam/api_key"
    resource: ClassVar[str] = "api_key"

    secret_digest: str = msgspec.field(name="_secret_digest")
    user_id: str | None = None
    application_id: str | None = None
    description: str = ""
    expires_at: datetime | None = None
    default_project_id: str = ""
    creation_ip: str = "127.0.0.1"

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(r for r in (self.user_id, self.application_id) if r)

    @property
    def label(self) -> str:
        return self.secret_digest


class SshKey(Document, frozen=True, kw_only=True):
    kind: ClassVar[str] = "iam/ssh_key"
    resource: ClassVar[str] = "ssh_key"

    name: str
    public_key: str
    fingerprint: str = ""
    disabled: bool = False


def digest(secret: str) -> str:
    """What is kept of a secret: its SHA-256 in hex (a secret key is a random UUID: nothing to guess)."""
    return hashlib.sha256(secret.encode()).hexdigest()
