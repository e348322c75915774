"""What `hideaway doctor --api` prints: every route that is served, read from the code that serves it."""

from __future__ import annotations

import click
import msgspec

from hideaway.api.pipeline import Product, Route
from hideaway.api.products import PRODUCTS


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """One route. does: what a call of it does; see DOES."""

    product: str
    method: str
    path: str
    does: str


DOES = {
    "reads": "answers from what is kept",
    "records": "is kept and answered from then on, with or without a data plane; no packet takes another way",
    "carried": "is kept, and the data plane carries it out where there is one",
}


def does(route: Route) -> str:
    if route.method == "GET":
        return "reads"
    return "records" if route.records else "carried"


def table() -> list[Served]:
    """Every route of every product, in the order in which they are written down."""
    return [_served(product, route) for product in PRODUCTS for route in product.routes]


def _served(product: Product, route: Route) -> Served:
    path = (product.prefix + route.path).replace(":path}", "}")
    return Served(product=product.prefix.strip("/"), method=route.method, path=path, does=does(route))


def show(rows: list[Served]) -> None:
    """Print the table, product by product, and what its words mean."""
    products = dict.fromkeys(row.product for row in rows)
    for product in products:
        own = [row for row in rows if row.product == product]
        counts = ", ".join(f"{sum(row.does == word for row in own)} {word}" for word in DOES)
        click.secho(f"{product}: {len(own)} routes ({counts})", bold=True)
        for row in own:
            click.echo(f"  {row.does:8} {row.method:7} {row.path}")
    click.echo(f"{len(rows)} routes of {len(products)} products.")
    for word, meaning in DOES.items():
        click.echo(f"  {word:8} {meaning}")
