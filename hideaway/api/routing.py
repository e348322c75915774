"""Which route a request takes: a walk down a tree of path segments, so that its cost does not grow with the routes."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Table(Generic[T]):
    """Routes by method and path. A path has literals, `{name}` for one segment and `{name:path}` for all that follow.

    Where several fit, a literal goes before a parameter, at each segment from the left. HEAD is answered as GET is.
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, method: str, path: str, route: T) -> None:
        """Add a route. A second one of the same method and path takes the first one's place."""
        node, names = self._root, []
        for segment in path.split("/"):
            if not segment.startswith("{"):
                node = node.literals.setdefault(segment, _Node())
                continue
            name, _, kind = segment[1:-1].partition(":")
            names.append(name)
            if kind == "path":
                node.rest = node.rest or _Node()
                node = node.rest
            else:
                node.parameter = node.parameter or _Node()
                node = node.parameter
        node.routes[method] = (route, tuple(names))

    def find(self, method: str, path: str) -> tuple[T, dict[str, str]] | None:
        """The route of a request and its path's parameters, or None."""
        values: list[str] = []
        found = _walk(self._root, "GET" if method == "HEAD" else method, path.split("/"), 0, values)
        return None if found is None else (found[0], dict(zip(found[1], values, strict=True)))


class _Node(Generic[T]):
    """What may come next; routes: by method, what ends here, with the names of the parameters on the way."""

    __slots__ = ("literals", "parameter", "rest", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.rest: _Node[T] | None = None
        self.routes: dict[str, tuple[T, tuple[str, ...]]] = {}


def _walk(
    node: _Node[T], method: str, segments: list[str], at: int, values: list[str]
) -> tuple[T, tuple[str, ...]] | None:
    """What the segments from `at` on lead to; values: of the parameters on the way there."""
    if at == len(segments):
        return node.routes.get(method)
    segment, held = segments[at], len(values)
    literal = node.literals.get(segment)
    if literal is not None and (found := _walk(literal, method, segments, at + 1, values)) is not None:
        return found
    if node.parameter is not None and segment:
        values.append(segment)
        if (found := _walk(node.parameter, method, segments, at + 1, values)) is not None:
            return found
        del values[held:]
    if node.rest is not None and segment:
        values.append("/".join(segments[at:]))
        if (found := node.rest.routes.get(method)) is not None:
            return found
        del values[held:]
    return None
