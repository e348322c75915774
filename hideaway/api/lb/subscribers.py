"""Subscribers: who shall hear of a Load Balancer's troubles. Recorded only: nothing is sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET

from hideaway.api.call import Call
from hideaway.api.lb.views import view_subscriber
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Text
from hideaway.base.errors import PreconditionFailed, invalid
from hideaway.cloud.balancer_parts import (
    Email,
    Webhook,
)
from hideaway.cloud.balancers import (
    Lb,
    Subscriber,
)


class EmailBody(Body, frozen=True, kw_only=True):
    email: Text


class WebhookBody(Body, frozen=True, kw_only=True):
    uri: Text


class SubscriberBody(Body, frozen=True, kw_only=True):
    name: Name | None = None
    email_config: EmailBody | None = None
    webhook_config: WebhookBody | None = None


class CreateSubscriber(SubscriberBody, frozen=True, kw_only=True):
    project_id: str | None = None
    organization_id: str | None = None


class ListSubscribers(Listing, frozen=True, kw_only=True):
    name: str | None = None


def _configs(body: SubscriberBody) -> dict[str, Any]:
    """The one way to reach a subscriber that a body names. Raises InvalidArguments for none, for two, for a bad one."""
    if (body.email_config is None) == (body.webhook_config is None):
        raise invalid("email_config", "give exactly one of email_config and webhook_config", "required")
    if body.email_config is not None:
        name, _, host = body.email_config.email.partition("@")
        if not name or not host or " " in body.email_config.email:
            raise invalid("email_config.email", "value must be an e-mail address", "format")
        return {"email_config": Email(email=body.email_config.email), "webhook_config": UNSET}
    uri = body.webhook_config.uri if body.webhook_config else ""
    try:
        parts = urlsplit(uri)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise invalid("webhook_config.uri", "value must be an http or https address", "format")
    return {"email_config": UNSET, "webhook_config": Webhook(uri=uri)}


def create(call: Call, body: CreateSubscriber) -> dict[str, Any]:
    subscriber = Subscriber(
        **call.common(body.project_id, Subscriber.resource),
        zone=call.place,
        name=body.name or f"subscriber-{call.change.ids.word()}",
        **_configs(body),
    )
    call.change.ledger.put(subscriber)
    return view_subscriber(subscriber)


def get(call: Call) -> dict[str, Any]:
    return view_subscriber(call.own(Subscriber, param="subscriber_id"))


def list_(call: Call, query: ListSubscribers) -> dict[str, Any]:
    return listing("subscribers", call.visible(Subscriber), query, view_subscriber)


def update(call: Call, body: SubscriberBody) -> dict[str, Any]:
    subscriber = call.own(Subscriber, param="subscriber_id")
    changed = subscriber.changed(call.change.now, name=body.name or subscriber.name, **_configs(body))
    call.change.ledger.put(changed)
    return view_subscriber(changed)


def delete(call: Call) -> None:
    """Refused while a Load Balancer is subscribed (assumed)."""
    subscriber = call.own(Subscriber, param="subscriber_id")
    users = call.change.ledger.find(Lb, ref=subscriber.id)
    if users:
        message = f"the Load Balancer {users[0].id} is subscribed"
        raise PreconditionFailed("resource_still_in_use", message, subscriber.resource, subscriber.id)
    call.change.ledger.remove(subscriber)


ONE = "/subscribers/{subscriber_id}"
ROUTES = [
    Route(method="POST", path="/subscribers", handler=create, body=CreateSubscriber),
    Route(method="GET", path="/subscribers", handler=list_, query=ListSubscribers),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PUT", path=ONE, handler=update, body=SubscriberBody),
    # Two spellings, as the vendor's contract has them: the first zoned, the second regional.
    Route(method="DELETE", path="/lb/subscription/{subscriber_id}", handler=delete, status=204),
    Route(method="DELETE", path="/lb/subscriber/{subscriber_id}", handler=delete, status=204),
]
