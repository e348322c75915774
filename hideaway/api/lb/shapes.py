"""What lb/v1's bodies are made of, beyond the house's shapes: durations, ports, addresses, host names."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

import msgspec

from hideaway.base.errors import invalid

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Duration = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | Annotated[str, msgspec.Meta(max_length=32)]
"""Milliseconds, as the vendor's JSON spells timeouts; or a text of them, or of seconds (`5s`), which its SDKs allow."""
Addresses = Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=1000)]
Texts = Annotated[list[Annotated[str, msgspec.Meta(max_length=4096)]], msgspec.Meta(max_length=100)]
Ids = Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=100)]

HOST_NAME = re.compile(r"(?=.{1,253}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_-]{1,63}\.?")
_SECONDS = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,9}))?s", re.ASCII)
_MILLISECONDS = re.compile(r"[0-9]{1,10}", re.ASCII)


def milliseconds(value: int | str | None, argument: str) -> int | None:
    """A duration in milliseconds; None stays None. Raises InvalidArguments."""
    if not isinstance(value, str):
        return value
    if _MILLISECONDS.fullmatch(value):
        number = int(value)
    else:
        match = _SECONDS.fullmatch(value)
        if match is None:
            raise invalid(argument, f"{value!r} is no duration in milliseconds", "format")
        number = int(match[1]) * 1000 + int((match[2] or "").ljust(3, "0")[:3])
    if number >= 2**31:
        raise invalid(argument, f"{value!r} is too long")
    return number


def seconds(value: str | int | None, argument: str) -> str | None:
    """A duration in seconds as JSON has it: 0, 3, 6 or 9 digits after the point (recorded: 0.500000000s is 0.500s)."""
    if value is None:
        return None
    match = _SECONDS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise invalid(argument, f"{value!r} is no duration in seconds, such as 0.5s", "format")
    digits = (match[2] or "").ljust(9, "0")
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{int(match[1])}{'.' if digits else ''}{digits}s"


def addresses(values: list[str] | None, argument: str) -> list[str]:
    """IP addresses, each once. Raises InvalidArguments."""
    for value in values or []:
        try:
            ipaddress.ip_address(value.replace("%", "no scope here"))
        except ValueError:
            raise invalid(argument, f"{value!r} is no IP address", "format") from None
    return list(dict.fromkeys(values or []))


def ranges(values: list[str] | None, argument: str) -> list[str]:
    """IP addresses and ranges in CIDR form. Raises InvalidArguments."""
    for value in values or []:
        try:
            ipaddress.ip_network(value.replace("%", "no scope here"), strict=False)
        except ValueError:
            raise invalid(argument, f"{value!r} is no IP address or range", "format") from None
    return values or []


def host_name(value: str, argument: str) -> str:
    """A host name. Raises InvalidArguments."""
    if not HOST_NAME.fullmatch(value):
        raise invalid(argument, f"{value[:255]!r} is no host name", "format")
    return value
