"""Templates of servers: what a server shall be made of, kept to make servers by."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from hideaway.cloud.documents import Document


class TemplateVolume(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A volume to make with a server; what is unset is not answered. volume_type: l_ssd, sbs, scratch. size: bytes."""

    volume_type: str = "unknown_volume_type"
    name: str | None = None
    tags: list[str] | None = None
    size: int | None = None
    perf_iops: int | None = None
    base_snapshot_id: str | None = None
    image_label: str | None = None


class TemplateNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A Private Network to put a server into."""

    private_network_id: str


class Template(Document, frozen=True, kw_only=True):
    """A template. What it names may be gone when a server is to be made of it: it holds nothing."""

    kind: ClassVar[str] = "instance/template"
    resource: ClassVar[str] = "template"

    zone: str
    name: str
    server_type: str
    tags: list[str] = []
    server_tags: list[str] = []
    public_ip_v4_count: int = 0
    public_ip_v6_count: int = 0
    security_group_id: str | None = None
    placement_group_id: str | None = None
    volumes: list[TemplateVolume] = []
    private_networks: list[TemplateNetwork] = []
    filesystem_ids: list[str] = []
    windows_rdp_ssh_key_id: str | None = None
    user_data: dict[str, str] = msgspec.field(default_factory=dict, name="_user_data")  # key -> value, base64
