"""Conditions of policy rules: a part of CEL that says when a rule counts. Pure.

    request.ip == "192.0.2.1" || inIpRange(request.ip, "10.0.0.0/8")
    request.time < timestamp("2027-01-01T00:00:00Z") && request.time.getHours("Europe/Paris") >= 8
    request.user_agent.startsWith("terraform-") && !("x" in ["y", "z"])

What it does not know is refused when a rule is written (`check`), and what fails when a request comes in is no grant
(`holds`): a condition never allows more than it says.
"""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hideaway.base.errors import HideawayError

MAX_LENGTH = 2000
MAX_DEPTH = 30
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d{1,18})|(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<sign>&&|\|\||==|!=|<=|>=|[<>!().,\[\]]))"""
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "in": lambda item, items: item in items,
}  # fmt: skip


class Request(msgspec.Struct, frozen=True):
    """What a condition may ask about: where a request comes from, by what program, when (UTC)."""

    ip: str
    user_agent: str
    time: datetime


class NotUnderstood(HideawayError):
    """The condition is not of the part of CEL that is known here. Its text says what is wrong."""


def check(condition: str) -> None:
    """Raise NotUnderstood unless `holds` can judge this condition."""
    if condition.strip():
        _parse(condition)


def holds(condition: str, request: Request) -> bool:
    """Whether a condition is true of a request; an empty one always is, one that fails never."""
    if not condition.strip():
        return True
    try:
        return _parse(condition)(request) is True
    except (NotUnderstood, TypeError, ValueError, LookupError, ArithmeticError, OSError):
        return False


Value = Callable[[Request], Any]


def _parse(text: str) -> Value:
    if len(text) > MAX_LENGTH:
        raise NotUnderstood(f"a condition has {MAX_LENGTH} characters at most")
    parser = _Parser(_tokens(text))
    value = parser.any_of()
    parser.end()
    return value


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotUnderstood(f"not understood: {text[at : at + 20]!r}")
        kind = match.lastgroup or ""
        found.append((kind, match[kind]))
        at = match.end()
    return found


class _Parser:
    """Recursive descent: any_of > all_of > negation > comparison > chain > atom."""

    def __init__(self, tokens: Sequence[tuple[str, str]]):
        self.tokens, self.at, self.depth = tokens, 0, 0

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> tuple[str, str]:
        if self.at >= len(self.tokens) or (wanted and self.tokens[self.at][1] != wanted):
            raise NotUnderstood(f"expected {wanted or 'a value'} at {self.peek() or 'the end'!r}")
        self.at += 1
        return self.tokens[self.at - 1]

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise NotUnderstood(f"not understood from {self.peek()!r} on")

    def any_of(self) -> Value:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NotUnderstood("nested too deep")
        parts = [self.all_of()]
        while self.peek() == "||":
            self.take()
            parts.append(self.all_of())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else lambda request: any(_truth(p(request)) for p in parts)

    def all_of(self) -> Value:
        parts = [self.negation()]
        while self.peek() == "&&":
            self.take()
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else lambda request: all(_truth(p(request)) for p in parts)

    def negation(self) -> Value:
        times = 0
        while self.peek() == "!":
            self.take()
            times += 1
        value = self.comparison()
        return value if times == 0 else lambda request: _truth(value(request)) != (times % 2 == 1)

    def comparison(self) -> Value:
        left = self.chain()
        compare = _COMPARE.get(self.peek())
        if compare is None:
            return left
        self.take()
        right = self.chain()
        return lambda request: compare(left(request), right(request))

    def chain(self) -> Value:
        value = self.atom()
        while self.peek() == ".":
            self.take()
            value = self.method(value)
        return value

    def method(self, value: Value) -> Value:
        name, arguments = self.take()[1], self.arguments()
        method = METHODS.get((name, len(arguments)))
        if method is None:
            raise NotUnderstood(f"there is no method {name} with {len(arguments)} arguments")
        return lambda request: method(value(request), *(a(request) for a in arguments))

    def atom(self) -> Value:
        kind, text = self.take()
        if kind == "number":
            return _constant(int(text))
        if kind == "string":
            return _constant(re.sub(r"\\(.)", r"\1", text[1:-1]))
        if text == "(":
            value = self.any_of()
            self.take(")")
            return value
        if text == "[":
            items = self.listed("]")
            return lambda request: [item(request) for item in items]
        if text in ("true", "false"):
            return _constant(text == "true")
        if text == "request":
            self.take(".")
            return self.attribute(self.take()[1])
        if kind == "name" and self.peek() == "(":
            return self.function(text)
        raise NotUnderstood(f"{text!r} is not known")

    def attribute(self, name: str) -> Value:
        if name not in Request.__struct_fields__:
            raise NotUnderstood(f"request.{name} is not known; there are {', '.join(Request.__struct_fields__)}")
        return lambda request: getattr(request, name)

    def function(self, name: str) -> Value:
        arguments = self.arguments()
        function = FUNCTIONS.get((name, len(arguments)))
        if function is None:
            raise NotUnderstood(f"there is no function {name} with {len(arguments)} arguments")
        return lambda request: function(*(a(request) for a in arguments))

    def arguments(self) -> list[Value]:
        self.take("(")
        return self.listed(")")

    def listed(self, close: str) -> list[Value]:
        items: list[Value] = []
        while self.peek() != close:
            if items:
                self.take(",")
            items.append(self.any_of())
        self.take(close)
        return items


def _constant(value: Any) -> Value:
    return lambda request: value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a truth value")
    return value


def _in_range(address: str, network: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


def _timestamp(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a timestamp needs its offset from UTC")
    return time


def _at(time: datetime, zone: str = "UTC") -> datetime:
    if not isinstance(time, datetime):
        raise TypeError("not a time")
    return time.astimezone(ZoneInfo(zone))


FUNCTIONS: dict[tuple[str, int], Callable[..., Any]] = {("inIpRange", 2): _in_range, ("timestamp", 1): _timestamp}
"""(name, number of arguments) -> function."""

_TIMES: dict[str, Callable[[datetime], int]] = {
    "getFullYear": lambda t: t.year,
    "getMonth": lambda t: t.month - 1,  # CEL counts months, and days of the week from Sunday, from 0
    "getDate": lambda t: t.day,
    "getDayOfWeek": lambda t: t.isoweekday() % 7,
    "getHours": lambda t: t.hour,
    "getMinutes": lambda t: t.minute,
}


def _time_method(part: Callable[[datetime], int]) -> Callable[..., int]:
    return lambda time, zone="UTC": part(_at(time, zone))


METHODS: dict[tuple[str, int], Callable[..., Any]] = {
    ("startsWith", 1): str.startswith,
    ("endsWith", 1): str.endswith,
    ("contains", 1): str.__contains__,
    **{(name, count): _time_method(part) for name, part in _TIMES.items() for count in (0, 1)},
}
"""(name, number of arguments) -> method; its first argument is what it is called on."""
