"""What the vendor's Python SDK can ask, read from its own source: routes, and the fields that it sends along."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

scaleway = pytest.importorskip("scaleway", reason="the Python SDK is not installed")
SDK = Path(scaleway.__file__).parent
VERSIONS = [
    "account/v3", "block/v1", "block/v1alpha1", "iam/v1alpha1", "instance/v1", "instance/v2alpha1", "ipam/v1", "k8s/v1",
    "lb/v1", "marketplace/v2", "rdb/v1", "vpc/v2", "vpcgw/v2",
]  # fmt: skip
"""The products that hideaway serves."""


class Asked(msgspec.Struct, frozen=True, order=True):
    """A route as a method of the SDK asks it; its path's parameters are `{name}`. body and query: names of fields."""

    method: str
    path: str
    body: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def asked(version: str) -> list[Asked]:
    """All that one version of a product can be asked."""
    folder = SDK / version
    fields = {name: names for file in sorted(folder.glob("*marshalling.py")) for name, names in _marshalled(file)}
    found = (one for module in sorted(folder.glob("*api.py")) for one in calls(module.read_text(), fields))
    return sorted(found, key=lambda one: (one.path, one.method))


def calls(source: str, fields: dict[str, frozenset[str]]) -> Iterator[Asked]:
    """Every `..._request("METHOD", f"path", body=marshal_X(...), params={...})` of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_request":
            method, path = node.args[:2]
            assert isinstance(method, ast.Constant)
            said = {k.arg: k.value for k in node.keywords}
            body = said.get("body")
            marshal = ast.unparse(body.func) if isinstance(body, ast.Call) else ""
            params = said.get("params")
            query = frozenset(_keys(params)) if params is not None else frozenset()
            yield Asked(str(method.value), "".join(_parts(path)), fields.get(marshal, frozenset()), query)


def _parts(path: ast.expr) -> Iterator[str]:
    for part in path.values if isinstance(path, ast.JoinedStr) else [path]:
        if isinstance(part, ast.Constant):
            yield str(part.value)
        else:
            assert isinstance(part, ast.FormattedValue)
            yield "{" + ast.unparse(part.value).removeprefix("param_") + "}"


def _marshalled(file: Path) -> Iterator[tuple[str, frozenset[str]]]:
    """The functions that make a body, and the names that each gives it."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("marshal_"):
            yield node.name, frozenset(_keys(node))


def _keys(tree: ast.AST) -> Iterator[str]:
    """The names in `output["name"] = ...`, in `{"name": ...}` and in `OneOfPossibility(param="name", ...)`."""
    for node in ast.walk(tree):
        names: list[ast.expr | None] = []
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            names = [node.targets[0].slice]
        elif isinstance(node, ast.Dict):
            names = list(node.keys)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "OneOfPossibility":
            names = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "param")]
        yield from (str(name.value) for name in names if isinstance(name, ast.Constant))
