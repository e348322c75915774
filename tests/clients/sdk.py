"""The vendor's Python SDK on a cloud, with every answer held to the types that the SDK declares."""

from __future__ import annotations

import inspect
import time
import typing
from collections.abc import Iterator
from typing import Any

from scaleway import Client
from scaleway.account.v3 import AccountV3ContractAPI, AccountV3ProjectAPI
from scaleway.block.v1 import BlockV1API
from scaleway.iam.v1alpha1 import IamV1Alpha1API
from scaleway.instance.v1 import InstanceV1API
from scaleway.instance.v2alpha1 import InstanceV2Alpha1API, InstanceV2Alpha1VolumeAPI
from scaleway.ipam.v1 import IpamV1API
from scaleway.k8s.v1 import K8SV1API
from scaleway.lb.v1 import LbV1ZonedAPI
from scaleway.marketplace.v2 import MarketplaceV2API
from scaleway.rdb.v1 import RdbV1API
from scaleway.vpc.v2 import VpcV2API
from scaleway.vpcgw.v2 import VpcgwV2API

from tests.clients.contract import faults
from tests.cloud_under_test import Cloud

REGION, ZONE = "fr-par", "fr-par-1"


class Checked:
    """One of the SDK's APIs. What a method returns is returned when it is of the declared type, else it fails."""

    def __init__(self, api: Any):
        self.api = api

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.api, name)
        declared = typing.get_type_hints(method)["return"]

        def call(**arguments: Any) -> Any:
            answer = method(**complete(method, arguments))
            wrong = faults(answer, declared)
            assert not wrong, f"{name}({arguments}): " + "; ".join(wrong[:5])
            return answer

        return call


class Sdk:
    """A client with the owner's key, and the APIs of every product that hideaway serves."""

    def __init__(self, cloud: Cloud, **changes: str):
        owner = cloud.owner
        self.client = Client(
            **{
                "access_key": owner["access_key"],
                "secret_key": owner["secret_key"],
                "api_url": cloud.url,
                "default_organization_id": owner["organization_id"],
                "default_project_id": owner["project_id"],
                "default_region": REGION,
                "default_zone": ZONE,
                **changes,
            }
        )
        self.account = Checked(AccountV3ProjectAPI(self.client))
        self.contracts = Checked(AccountV3ContractAPI(self.client))
        self.block = Checked(BlockV1API(self.client))
        self.iam = Checked(IamV1Alpha1API(self.client))
        self.instance = Checked(InstanceV1API(self.client))
        self.instance2 = Checked(InstanceV2Alpha1API(self.client))
        self.volumes2 = Checked(InstanceV2Alpha1VolumeAPI(self.client))
        self.ipam = Checked(IpamV1API(self.client))
        self.k8s = Checked(K8SV1API(self.client))
        self.lb = Checked(LbV1ZonedAPI(self.client))
        self.marketplace = Checked(MarketplaceV2API(self.client))
        self.rdb = Checked(RdbV1API(self.client))
        self.vpc = Checked(VpcV2API(self.client))
        self.vpcgw = Checked(VpcgwV2API(self.client))

    def products(self) -> dict[str, Checked]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Checked)}


def ended(get: Any, wanted: str = "ready", **ids: str) -> None:
    """Wait until what a getter gets has a status. The SDK's own helpers sleep for a second first."""
    deadline = time.monotonic() + 30
    while (status := get(**ids).status) != wanted:
        assert time.monotonic() < deadline, f"still {status}, not {wanted}: {ids}"
        time.sleep(0.02)


def complete(callable_: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, and None for each that is demanded and missing: what is demanded differs by the SDK's version."""
    demanded = [p.name for p in inspect.signature(callable_).parameters.values() if p.default is p.empty]
    return dict.fromkeys(demanded) | arguments


def made(type_: Any, /, **fields: Any) -> Any:
    """One of the SDK's dataclasses, completed likewise."""
    return type_(**complete(type_, fields))


def methods(api: Checked, *beginnings: str) -> Iterator[tuple[str, list[str]]]:
    """The API's methods of these beginnings, each with the arguments that it cannot do without."""
    for name, method in inspect.getmembers(api.api, inspect.ismethod):
        if name.startswith(beginnings):
            parameters = inspect.signature(method).parameters.values()
            yield name, [p.name for p in parameters if p.default is p.empty]
