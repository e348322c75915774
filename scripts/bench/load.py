"""Requests per second, by wrk: reads of one VPC and one Private Network, creates of Private Networks.

Contenders take turns (A B C, A B C, ...), each on an empty cloud of its own, one at a time; a figure is the median.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

from scripts.bench.contenders import Contender, contender, peers
from scripts.bench.machine import resident

CONNECTIONS = 8
VPCS = 16
"""Networks are made in turn in so many VPCs, since 1024 automatic subnets fill one."""
VPC_PATH, NETWORK_PATH = "/vpc/v2/regions/fr-par/vpcs", "/vpc/v2/regions/fr-par/private-networks"
WARM_UP_SECONDS = 1

_CREATE = """
local bodies = {%s}
local i = 0
request = function()
  i = i + 1
  return wrk.format("POST", nil, nil, bodies[i %% #bodies + 1])
end
"""

Figures = dict[str, dict[str, float]]
"""Measure -> contender -> median."""


def why_no_wrk() -> str:
    """What to do where there is no wrk, "" where there is."""
    return "" if shutil.which("wrk") else "wrk is not on this machine: apt-get install --no-install-recommends wrk"


def measure(rounds: int, seconds: int, tell: object = print) -> Figures:
    """The medians over all rounds. Raises RuntimeError when a contender refuses what it is measured by."""
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(rounds):
        for name in ("hideaway", *peers()):
            print(f"load: round {number + 1} of {rounds}, {name}", flush=True)
            with tempfile.TemporaryDirectory() as folder, contender(name, Path(folder)) as running:
                for what, value in _one(running, Path(folder), seconds).items():
                    seen[what][name].append(value)
    return {what: {name: median(values) for name, values in by.items()} for what, by in seen.items()}


def _one(running: Contender, folder: Path, seconds: int) -> dict[str, float]:
    figures = {"start-up, s": running.start_seconds, "resident when idle, MiB": resident(running.pid)}
    with running.http() as http:
        ids = []
        for number in range(VPCS):
            made = http.post(VPC_PATH, json={"name": f"vpc-{number}", "project_id": running.project})
            ids.append(made.raise_for_status().json()["id"])
        body = {"name": "network", "project_id": running.project, "vpc_id": ids[0]}
        network = http.post(NETWORK_PATH, json=body).raise_for_status().json()["id"]
    read = f"{VPC_PATH}/{ids[0]}"
    _wrk(running, read, WARM_UP_SECONDS)
    figures["reads of a VPC, 1/s"] = _wrk(running, read, seconds)
    figures["reads of a Private Network, 1/s"] = _wrk(running, f"{NETWORK_PATH}/{network}", seconds)
    script = folder / "create.lua"
    bodies = [json.dumps({"name": "bench", "project_id": running.project, "vpc_id": vpc}) for vpc in ids]
    script.write_text(_CREATE % ", ".join(f"'{b}'" for b in bodies))
    figures["creates of Private Networks, 1/s"] = _wrk(running, NETWORK_PATH, seconds, script)
    return figures


def _wrk(running: Contender, path: str, seconds: int, script: Path | None = None) -> float:
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", f"X-Auth-Token: {running.key}"]
    argv += ["-H", "Content-Type: application/json"]
    argv += ["-s", str(script)] if script else []
    done = subprocess.run([*argv, running.url + path], capture_output=True, text=True, timeout=seconds + 30, check=True)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    if refused:
        raise RuntimeError(f"{running.name} refused {refused[1]} requests to {path}:\n{done.stdout}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert rate is not None, done.stdout
    return float(rate[1])
