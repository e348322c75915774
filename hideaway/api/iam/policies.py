"""Policies and their rules: what a user, a group or an application may do, and where."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.access import require
from hideaway.api.call import Call, answer
from hideaway.api.iam.shared import MANAGED, common, keep, one_tag
from hideaway.api.listing import listing, page_of
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Tags, Text, given
from hideaway.base.errors import Fault, InvalidArguments, NotFound, invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud.conditions import NotUnderstood, check
from hideaway.cloud.identity import Application, Group, Policy, PolicyRule, Project, User
from hideaway.cloud.permissions import PERMISSION_SETS

PRINCIPALS: dict[str, type[User] | type[Group] | type[Application]] = {
    "user_id": User,
    "group_id": Group,
    "application_id": Application,
}
Names = Annotated[list[Name], msgspec.Meta(max_length=200)]
ProjectIds = Annotated[list[str], msgspec.Meta(max_length=1000)]


class RuleSpecs(Body, frozen=True, kw_only=True):
    permission_set_names: Names | None = None
    project_ids: ProjectIds | None = None
    organization_id: str | None = None
    condition: Text | None = None


Rules = Annotated[list[RuleSpecs], msgspec.Meta(max_length=100)]


class CreatePolicy(Body, frozen=True, kw_only=True):
    name: Name | None = None
    description: Text | None = None
    organization_id: str | None = None
    rules: Rules | None = None
    tags: Tags | None = None
    user_id: str | None = None
    group_id: str | None = None
    application_id: str | None = None
    no_principal: bool | None = None


class UpdatePolicy(Body, frozen=True, kw_only=True):
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None
    user_id: str | None = None
    group_id: str | None = None
    application_id: str | None = None
    no_principal: bool | None = None


class SetRules(Body, frozen=True, kw_only=True):
    policy_id: str
    rules: Rules | None = None


class ListPolicies(Listing, frozen=True, kw_only=True):
    order_by: Literal["policy_name_asc", "policy_name_desc", "created_at_asc", "created_at_desc"] | None = None
    editable: bool | None = None
    user_ids: list[str] | None = None
    group_ids: list[str] | None = None
    application_ids: list[str] | None = None
    no_principal: bool | None = None
    policy_name: str | None = None
    policy_ids: list[str] | None = None
    tag: str | None = None


class ListRules(Listing, frozen=True, kw_only=True):
    policy_id: str | None = None


def view(policy: Policy, *, made: bool = False) -> dict[str, Any]:
    """A policy's answer; of its principal only the kind that it has. made: no rules are counted yet (recorded)."""
    rules = [] if made else policy.rules
    shown = answer(
        policy,
        **MANAGED,
        nb_rules=len(rules),
        nb_scopes=len({scope for rule in rules for scope in _scopes(rule)}),
        nb_permission_sets=len({name for rule in rules for name in rule.permission_set_names}),
    )
    del shown["project_id"]
    for name in PRINCIPALS:
        if shown[name] is None:
            del shown[name]
    return shown if policy.principal_id else shown | {"no_principal": True}


def _scopes(rule: PolicyRule) -> list[str]:
    return [rule.organization_id] if rule.organization_id else rule.project_ids or []


def rule_view(rule: PolicyRule) -> dict[str, Any]:
    known = [PERMISSION_SETS[name] for name in rule.permission_set_names if name in PERMISSION_SETS]
    scope = {"organization_id": rule.organization_id} if rule.organization_id else {"project_ids": rule.project_ids}
    return {
        "id": rule.id,
        "permission_set_names": rule.permission_set_names,
        "permission_sets_scope_type": known[0].scope_type if known else "unknown_scope_type",
        "condition": rule.condition,
    } | scope


def _principal(call: Call, body: CreatePolicy | UpdatePolicy) -> dict[str, Any]:
    """The principal's three fields, or nothing when the body says nothing of one."""
    named = {name: value for name in PRINCIPALS if (value := getattr(body, name))}
    if len(named) + bool(body.no_principal) > 1:
        raise invalid("no_principal", "give one of user_id, group_id, application_id and no_principal")
    if not named and not body.no_principal:
        return {}
    chosen = {name: call.refer(PRINCIPALS[name], value, name).id for name, value in named.items()}
    return {name: chosen.get(name) for name in PRINCIPALS}


def _rules(call: Call, specs: list[RuleSpecs] | None) -> list[PolicyRule]:
    """Rules as they are kept. Raises InvalidArguments for all that is wrong with them at once."""
    faults: list[Fault] = []
    rules = [_rule(call, spec, f"rules.{number}", faults) for number, spec in enumerate(specs or [])]
    if faults:
        raise InvalidArguments(*faults)
    return rules


def _rule(call: Call, spec: RuleSpecs, where: str, faults: list[Fault]) -> PolicyRule:
    names, own = spec.permission_set_names or [], call.principal.organization_id
    unknown = [name for name in names if name not in PERMISSION_SETS]
    if unknown or not names:
        what = f"there is no permission set {unknown[0]!r}" if unknown else "name at least one permission set"
        faults.append(Fault(f"{where}.permission_set_names", "unknown" if unknown else "required", what))
    scopes = {PERMISSION_SETS[name].scope_type for name in names if name in PERMISSION_SETS}
    if len(scopes) > 1 or ("organization" in scopes and not spec.organization_id):
        message = "permission sets of organizations go with organization_id, in a rule of their own"
        faults.append(Fault(f"{where}.permission_set_names", "constraint", message))
    if bool(spec.organization_id) == bool(spec.project_ids):
        faults.append(Fault(f"{where}.organization_id", "required", "give either organization_id or project_ids"))
    elif spec.organization_id and spec.organization_id.lower() != own:
        faults.append(Fault(f"{where}.organization_id", "constraint", "not the policy's organization"))
    for id_ in spec.project_ids or []:
        project = call.change.ledger.get(Project, id_.lower()) if is_uuid(id_) else None
        if project is None or project.organization_id != own:
            faults.append(Fault(f"{where}.project_ids", "constraint", f"there is no project {id_[:64]!r}"))
    try:
        check(spec.condition or "")
    except NotUnderstood as error:
        faults.append(Fault(f"{where}.condition", "format", str(error)))
    return PolicyRule(
        id=call.change.ids.uuid(),
        permission_set_names=names,
        project_ids=[i.lower() for i in spec.project_ids] if spec.project_ids else None,
        organization_id=own if spec.organization_id else None,
        condition=spec.condition or "",
    )


def create(call: Call, body: CreatePolicy) -> dict[str, Any]:
    fields = common(call, body.organization_id, Policy.resource)
    policy = Policy(
        **fields,
        name=body.name or f"policy-{call.change.ids.word()}",
        description=body.description or "",
        tags=body.tags or [],
        rules=_rules(call, body.rules),
        **_principal(call, body),
    )
    return view(keep(call, policy, "created"), made=True)


def get(call: Call) -> dict[str, Any]:
    return view(call.own(Policy, param="policy_id"))


def list_(call: Call, query: ListPolicies) -> dict[str, Any]:
    special = {
        "editable": lambda _, wanted: wanted,
        "user_ids": lambda p, ids: p.user_id in ids,
        "group_ids": lambda p, ids: p.group_id in ids,
        "application_ids": lambda p, ids: p.application_id in ids,
        "no_principal": lambda p, wanted: (p.principal_id is None) == wanted,
        "policy_name": lambda p, wanted: wanted.lower() in p.name.lower(),
        "policy_ids": lambda p, ids: p.id in ids,
        "tag": one_tag,
    }
    return listing(
        "policies", call.visible(Policy), query, view, special=special, default_order="policy_name_asc"
    )  # fmt: skip


def update(call: Call, body: UpdatePolicy) -> dict[str, Any]:
    policy = call.own(Policy, param="policy_id")
    fields = given(body, "no_principal", *PRINCIPALS) | _principal(call, body)
    return view(keep(call, policy.changed(call.change.now, **fields), "updated"))


def clone(call: Call) -> dict[str, Any]:
    """A copy with rules of its own and no principal, so that copying gives nobody anything."""
    policy = call.own(Policy, param="policy_id")
    rules = [msgspec.structs.replace(rule, id=call.change.ids.uuid()) for rule in policy.rules]
    copy = Policy(
        **common(call, None, Policy.resource),
        name=f"{policy.name[:240]}-clone",
        description=policy.description,
        tags=policy.tags,
        rules=rules,
    )
    return view(keep(call, copy, "created"))


def delete(call: Call) -> None:
    keep(call, call.own(Policy, param="policy_id"), "deleted")


def set_rules(call: Call, body: SetRules) -> dict[str, Any]:
    """Replace all rules of a policy."""
    policy = call.refer(Policy, body.policy_id, "policy_id")
    require(call.principal, call.area, Policy.resource, write=True, project_id=None)
    policy = policy.changed(call.change.now, rules=_rules(call, body.rules))
    keep(call, policy, "updated")
    return {"rules": [rule_view(rule) for rule in policy.rules]}


def list_rules(call: Call, query: ListRules) -> dict[str, Any]:
    if not query.policy_id:
        raise invalid("policy_id", "value is required", "required")
    if not is_uuid(query.policy_id):
        raise invalid("policy_id", "value must be a valid UUID", "format")
    policy = next((p for p in call.visible(Policy) if p.id == query.policy_id.lower()), None)
    if policy is None:
        raise NotFound(Policy.resource, query.policy_id)
    return {"rules": [rule_view(rule) for rule in page_of(policy.rules, query)], "total_count": len(policy.rules)}


ONE = "/policies/{policy_id}"
ROUTES = [
    Route(method="GET", path="/policies", handler=list_, query=ListPolicies),
    Route(method="POST", path="/policies", handler=create, body=CreatePolicy),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdatePolicy),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
    Route(method="POST", path=ONE + "/clone", handler=clone),
    Route(method="GET", path="/rules", handler=list_rules, query=ListRules),
    Route(method="PUT", path="/rules", handler=set_rules, body=SetRules),
]
