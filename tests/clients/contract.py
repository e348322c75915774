"""Holds what the vendor's SDK made of an answer to the types that the SDK declares, which it does not check itself."""

from __future__ import annotations

import dataclasses
import enum
import sys
import typing
from datetime import datetime
from functools import cache
from typing import Any

NULL = frozenset({("Ip", "prefix"), ("Ip", "address"), ("SecurityGroup", "description")})
"""Fields of instance/v1 that the SDK says are always there and that the vendor was recorded to answer with null."""
MILLISECONDS = ("_delay", "_timeout", "timeout_server", "timeout_connect", "timeout_tunnel", "timeout_client")
"""Fields of lb/v1 that the SDK declares as text and that the vendor was recorded to answer with a number."""


def faults(value: Any, type_: Any, at: str = "answer") -> list[str]:
    """Where a value is not of its declared type, a line each; an enumeration's value must be one of its own."""
    origin = typing.get_origin(type_)
    if type_ is Any or type_ is object:
        return []
    if origin is typing.Union or type(type_).__name__ == "UnionType":
        return _one_of(value, typing.get_args(type_), at)
    if origin is list:
        return _list(value, typing.get_args(type_)[0], at)
    if origin is dict:
        return _dict(value, typing.get_args(type_)[1], at)
    if dataclasses.is_dataclass(type_):
        return _record(value, type_, at)
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        # In any case: the vendor answers some in capitals (recorded: TCP, INT), and declares them in small letters.
        known = {str(member.value).lower() for member in type_}
        return [] if str(value).lower() in known else [f"{at}: {value!r} is not one of {type_.__name__}'s"]
    if at.endswith(".total_count") and isinstance(value, str) and value.isdigit():
        return []  # of instance/v1: the SDK takes it from a header and leaves it text
    if at.endswith(MILLISECONDS) and isinstance(value, int):
        return []
    if type_ is float:
        type_ = (int, float)
    if (type_ is int and isinstance(value, bool)) or not isinstance(value, type_):
        return [f"{at}: {value!r} is no {getattr(type_, '__name__', type_)}"]
    return []


def _one_of(value: Any, types: tuple[Any, ...], at: str) -> list[str]:
    if value is None:
        return [] if type(None) in types else [f"{at}: is missing"]
    found = [faults(value, t, at) for t in types if t is not type(None)]
    return min(found, key=len)


def _list(value: Any, item: Any, at: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{at}: {value!r} is no list"]
    return [fault for i, part in enumerate(value) for fault in faults(part, item, f"{at}[{i}]")]


def _dict(value: Any, item: Any, at: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{at}: {value!r} is no dict"]
    return [fault for name, part in value.items() for fault in faults(part, item, f"{at}[{name!r}]")]


def _record(value: Any, type_: Any, at: str) -> list[str]:
    if not isinstance(value, type_):
        return [f"{at}: {value!r} is no {type_.__name__}"]
    hints = _hints(type_)
    return [
        fault
        for field in dataclasses.fields(type_)
        if not (getattr(value, field.name) is None and (type_.__name__, field.name) in NULL)
        for fault in faults(getattr(value, field.name), hints[field.name], f"{at}.{field.name}")
    ]


@cache
def _hints(type_: Any) -> dict[str, Any]:
    return typing.get_type_hints(type_, {**vars(sys.modules[type_.__module__]), "datetime": datetime})
