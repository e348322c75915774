"""The variables that point the vendor's clients at a cloud."""

from __future__ import annotations

import shlex

from hideaway.cloud.founding import Credentials
from hideaway.fabric.model import EDGE_V4, USER_V4


def variables(owner: Credentials, url: str) -> dict[str, str]:
    """What scw, Terraform and the SDKs read. A client made in 'fr-par' works as the vendor's default does."""
    return {
        "SCW_ACCESS_KEY": owner.access_key,
        "SCW_SECRET_KEY": owner.secret_key,
        "SCW_DEFAULT_ORGANIZATION_ID": owner.organization_id,
        "SCW_DEFAULT_PROJECT_ID": owner.project_id,
        "SCW_DEFAULT_REGION": "fr-par",
        "SCW_DEFAULT_ZONE": "fr-par-1",
        "SCW_API_URL": url,
        "SCW_INSECURE": "true",  # plain HTTP: there is no certificate to check
        "HIDEAWAY_API_URL_INSIDE": f"http://{EDGE_V4}",  # what SCW_API_URL is for a program that runs in the world
        "HIDEAWAY_USER_ADDRESS": USER_V4,  # who comes in through a door: what ACLs and groups have to accept
    }


def exports(owner: Credentials, url: str) -> str:
    """Lines for a POSIX shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables(owner, url).items())
