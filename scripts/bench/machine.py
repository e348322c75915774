"""What the figures were measured on, and how much memory processes hold. All of it is read from /proc."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

MIB = 1024  # /proc speaks of kB


def figures() -> list[tuple[str, str]]:
    """(what, value) of this machine and of the versions that decide the figures."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = _field(Path("/proc/meminfo"), "MemTotal") / 1024 / 1024
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("granian", "starlette", "msgspec"))
    return [
        ("CPU", f"{model[1].strip() if model else platform.machine()}, {os.cpu_count()} cores"),
        ("memory", f"{memory:.0f} GiB"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("Python", f"{platform.python_version()}; {packages}"),
        ("programs", ", ".join(filter(None, (_version("nft", "--version"), _version("ip", "-V"))))),
        ("load before", f"{os.getloadavg()[0]:.1f} processes (1 minute)"),
    ]


def _version(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _field(path: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def resident(pid: int) -> float:
    """MiB that a process holds resident."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS") / MIB


def proportional(pids: Iterable[int]) -> float:
    """MiB that processes hold together, each shared page counted once among those that share it."""
    total = 0
    for pid in pids:
        try:
            total += _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss")
        except OSError:
            continue
    return total / MIB


def world_of(keeper: int) -> list[int]:
    """The processes that live in the same PID namespace as a world's keeper."""
    namespace = os.readlink(f"/proc/{keeper}/ns/pid")
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "ns/pid") == namespace:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
