"""iam/v1alpha1 and account/v3: organizations' projects, users, applications, groups, policies, keys."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from hideaway.cloud.documents import Document


class Project(Document, frozen=True, kw_only=True):
    """project_id is its own id. The default project's id is its organization's."""

    kind: ClassVar[str] = "account/project"
    resource: ClassVar[str] = "project"

    name: str
    description: str = ""
    qualification: dict[str, Any] | None = None


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed. type: global, k8s, instance, ..., or unknown_type."""

    id: str
    type: str
    name: str
    version: int = 1
    created_at: datetime
    updated_at: datetime


class ContractSignature(Document, frozen=True, kw_only=True):
    """An organization's signature under a contract: asked for, and (signed_at) given."""

    kind: ClassVar[str] = "account/contract_signature"
    resource: ClassVar[str] = "contract_signature"

    contract: Contract
    signed_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def name(self) -> str:
        return self.contract.name


class User(Document, frozen=True, kw_only=True):
    """type: owner, member. status: activated, invitation_pending. Its two_factor_enabled is mfa, when answered."""

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
    last_login_at: datetime | None = None
    password_set_at: datetime | None = msgspec.field(default=None, name="_password_set_at")
    account_root_user_id: str = ""
    tags: list[str] = []

    @property
    def label(self) -> str:
        return self.username

    @property
    def last_login(self) -> datetime | None:
        return self.last_login_at


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
        return (self.principal_id,) if self.principal_id else ()

    @property
    def principal_id(self) -> str | None:
        return self.user_id or self.group_id or self.application_id

    @property
    def policy_name(self) -> str:
        return self.name


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

    @property
    def access_key(self) -> str:
        return self.id

    @property
    def bearer_id(self) -> str | None:
        return self.user_id or self.application_id


class SshKey(Document, frozen=True, kw_only=True):
    kind: ClassVar[str] = "iam/ssh_key"
    resource: ClassVar[str] = "ssh_key"

    name: str
    public_key: str
    fingerprint: str = ""
    disabled: bool = False


class Log(Document, frozen=True, kw_only=True):
    """That somebody (bearer_id) changed an IAM resource. action: created, updated, deleted."""

    kind: ClassVar[str] = "iam/log"
    resource: ClassVar[str] = "log"

    ip: str
    user_agent: str
    action: str
    bearer_id: str
    resource_type: str
    resource_id: str

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.resource_id,)


class OrganizationSettings(Document, frozen=True, kw_only=True):
    """What an organization has set for all its users. Its id is the organization's. Durations are texts: `3600s`."""

    kind: ClassVar[str] = "iam/organization"
    resource: ClassVar[str] = "organization"

    alias: str = ""
    login_password_enabled: bool = True
    login_magic_code_enabled: bool = True
    login_oauth2_enabled: bool = True
    login_saml_enabled: bool = False
    enforce_password_renewal: bool = False
    enforced_at: datetime | None = msgspec.field(default=None, name="_enforced_at")
    grace_period_duration: str = "604800s"
    login_attempts_before_locked: int = 0
    max_login_session_duration: str = "0s"
    max_api_key_expiration_duration: str = "0s"


class Saml(Document, frozen=True, kw_only=True):
    """Single sign-on of an organization. Its status says what is missing, when answered."""

    kind: ClassVar[str] = "iam/saml"
    resource: ClassVar[str] = "saml"

    entity_id: str = ""
    single_sign_on_url: str = ""


class SamlCertificate(Document, frozen=True, kw_only=True):
    """type: signing, encryption."""

    kind: ClassVar[str] = "iam/saml_certificate"
    resource: ClassVar[str] = "saml_certificate"

    saml_id: str = msgspec.field(name="_saml_id")
    type: str
    content: str
    origin: str = "identity_provider"
    expires_at: datetime | None = None

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.saml_id,)


class Scim(Document, frozen=True, kw_only=True):
    """Provisioning of an organization's users from elsewhere."""

    kind: ClassVar[str] = "iam/scim"
    resource: ClassVar[str] = "scim"


class ScimToken(Document, frozen=True, kw_only=True):
    """The bearer token itself is answered once and not kept: nothing here is provisioned with it."""

    kind: ClassVar[str] = "iam/scim_token"
    resource: ClassVar[str] = "scim_token"

    scim_id: str
    expires_at: datetime | None = None

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.scim_id,)


def digest(secret: str) -> str:
    """What is kept of a secret: its SHA-256 in hex (a secret key is a random UUID: nothing to guess)."""
    return hashlib.sha256(secret.encode()).hexdigest()
