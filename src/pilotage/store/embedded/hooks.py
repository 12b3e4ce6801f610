"""Webhooks and policies as their configurations state them, and which of them a request is for. Pure.

A request matches by operation, resource and scope (`rules`), by the labels of its namespace and of the object. With
`matchPolicy: Equivalent` a rule for another version of the same resource counts too, and the webhook is told the object in
that version. Configurations are taken by name, their webhooks in the order they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from pilotage.api.meta import Kind
from pilotage.api.prepared import prepared
from pilotage.store.embedded.reviews import Review
from pilotage.store.schema.builtin.values import is_selected, unlabelled

__all__ = ["EXEMPT", "HOOK_TYPES", "Call", "Hook", "Rule", "Scope", "calls", "hooks_of", "scope_of"]

_GROUP = "admissionregistration.k8s.io"
MUTATING, VALIDATING = f"{_GROUP}/MutatingWebhookConfiguration", f"{_GROUP}/ValidatingWebhookConfiguration"
POLICY, BINDING = f"{_GROUP}/ValidatingAdmissionPolicy", f"{_GROUP}/ValidatingAdmissionPolicyBinding"
HOOK_TYPES = (MUTATING, POLICY, BINDING, VALIDATING)
"""Under which types configurations are stored."""
EXEMPT = frozenset(HOOK_TYPES)
"""Nobody is asked about those: a broken webhook could not be taken away."""


@prepared
class Rule(msgspec.Struct, frozen=True, rename="camel"):
    operations: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    scope: str = "*"


class Scope(msgspec.Struct, frozen=True):
    """What requests somebody wants to hear of."""

    rules: tuple[Rule, ...] = ()
    excluded: tuple[Rule, ...] = ()
    is_exact: bool = False
    namespaces: Mapping[str, Any] = {}
    objects: Mapping[str, Any] = {}


class Hook(msgspec.Struct, frozen=True):
    """One webhook. `client` is its `clientConfig`; `conditions` are its `matchConditions`; `seconds` how long it may take."""

    name: str
    scope: Scope
    client: Mapping[str, Any]
    conditions: tuple[Mapping[str, Any], ...] = ()
    fails_open: bool = False
    seconds: int = 10
    is_reinvoked: bool = False
    versions: tuple[str, ...] = ("v1",)
    side_effects: str = "None"


class Call(msgspec.Struct, frozen=True):
    """A webhook that wants to hear of a request, and the kind as which it is told the object."""

    hook: Hook
    kind: Kind


def scope_of(stated: Mapping[str, Any], rules: str, excluded: str = "") -> Scope:
    """What a webhook or a policy states, with its rules under the name `rules`."""
    return Scope(
        msgspec.convert(stated.get(rules) or (), tuple[Rule, ...]),
        msgspec.convert(stated.get(excluded) or (), tuple[Rule, ...]),
        stated.get("matchPolicy") == "Exact",
        stated.get("namespaceSelector") or {},
        stated.get("objectSelector") or {},
    )


@lru_cache(maxsize=256)
def hooks_of(body: bytes) -> tuple[Hook, ...]:
    """The webhooks of a stored configuration."""
    return tuple(map(_hook, orjson.loads(body).get("webhooks") or ()))


def _hook(stated: Mapping[str, Any]) -> Hook:
    return Hook(
        stated["name"],
        scope_of(stated, "rules"),
        stated.get("clientConfig") or {},
        tuple(stated.get("matchConditions") or ()),
        stated.get("failurePolicy") == "Ignore",
        stated.get("timeoutSeconds", 10),
        stated.get("reinvocationPolicy") == "IfNeeded",
        tuple(stated.get("admissionReviewVersions") or ()),
        stated.get("sideEffects") or "Unknown",
    )


def calls(hooks: Sequence[Hook], review: Review) -> tuple[Call, ...]:
    """The webhooks that want to hear of a request, in order."""
    return tuple(_calls(hooks, review))


def _calls(hooks: Sequence[Hook], review: Review) -> Iterator[Call]:
    for hook in hooks:
        kind = matched(hook.scope, review)
        if kind is not None:
            yield Call(hook, kind)


def matched(scope: Scope, review: Review) -> Kind | None:
    """The kind in which a request matches; None when it does not."""
    if not (_selects_namespace(scope, review) and _selects_object(scope, review)):
        return None
    if any(_covers(rule, review, review.kind) for rule in scope.excluded):
        return None
    kinds = (review.kind,) if scope.is_exact else (review.kind, *review.equivalents)
    return next(
        (kind for kind in kinds for rule in scope.rules if _covers(rule, review, kind)),
        None,
    )


def _covers(rule: Rule, review: Review, kind: Kind) -> bool:
    if not (
        _named(rule.operations, review.operation)
        and _named(rule.api_groups, kind.group)
        and _named(rule.api_versions, kind.version)
    ):
        return False
    if rule.resource_names and review.key.name not in rule.resource_names:
        return False
    if rule.scope != "*" and (rule.scope == "Namespaced") != kind.namespaced:
        return False
    return any(_is_resource(pattern, kind.plural, review.subresource) for pattern in rule.resources)


def _named(listed: tuple[str, ...], name: str) -> bool:
    return "*" in listed or name in listed


def _is_resource(pattern: str, plural: str, subresource: str) -> bool:
    resource, _, below = pattern.partition("/")
    return resource in {"*", plural} and below in (
        ("*", subresource) if subresource or below == "*" else ("",)
    )


def _selects_namespace(scope: Scope, review: Review) -> bool:
    if unlabelled(scope.namespaces) or review.namespace is None:
        return True
    return is_selected(scope.namespaces, review.namespace)


def _selects_object(scope: Scope, review: Review) -> bool:
    if unlabelled(scope.objects):
        return True
    return any(
        is_selected(scope.objects, (value.get("metadata") or {}).get("labels") or {})
        for value in (review.value, review.old)
        if value is not None
    )
