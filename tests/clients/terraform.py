"""Terraform with one of the vendor's providers, in a folder of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.clients.conftest import tool
from tests.cloud_under_test import Cloud

_REQUIRED = """
terraform {
  required_providers {
    scaleway = { source = "scaleway/scaleway" }
  }
}
"""


class Terraform:
    """One configuration. provider is the folder of the provider's version in the tools' folder, "" for today's.

    What a configuration does not say itself, which provider it is for, is said beside it.
    """

    def __init__(self, cloud: Cloud, folder: Path, configuration: str, provider: str = ""):
        self.program = tool("terraform")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        built = tool("terraform-provider-scaleway", provider).parent
        settings = folder / "cli.tfrc"
        settings.write_text(
            f'provider_installation {{\n  dev_overrides {{ "scaleway/scaleway" = "{built}" }}\n  direct {{}}\n}}\n'
        )
        self.environment = {
            **cloud.environment(),
            "TF_CLI_CONFIG_FILE": str(settings),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
        if "required_providers" not in configuration:
            (folder / "required.tf").write_text(_REQUIRED)
        self.write(configuration)

    def write(self, configuration: str) -> None:
        """Set the configuration."""
        (self.folder / "main.tf").write_text(configuration)

    def set(self, **variables: Any) -> None:
        """Set the configuration's variables, for all that is run from now on."""
        (self.folder / "set.auto.tfvars.json").write_text(json.dumps(variables))

    def run(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.program, *arguments, "-no-color"],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode in accept, f"terraform {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done

    def apply(self) -> None:
        self.run("apply", "-auto-approve", "-input=false")

    def plans_nothing(self) -> None:
        """A plan that would change something fails, with the plan."""
        done = self.run("plan", "-input=false", "-detailed-exitcode", accept=(0, 2))
        assert done.returncode == 0, done.stdout

    def destroy(self) -> None:
        self.run("destroy", "-auto-approve", "-input=false")

    def resources(self) -> dict[str, dict[str, Any]]:
        """Every managed resource's attributes, by address."""
        shown = json.loads(self.run("show", "-json").stdout)
        root = shown["values"]["root_module"]["resources"]
        return {r["address"]: r["values"] for r in root if r["mode"] == "managed"}

    def outputs(self) -> dict[str, Any]:
        """Every output's value."""
        return {name: output["value"] for name, output in json.loads(self.run("output", "-json").stdout).items()}
