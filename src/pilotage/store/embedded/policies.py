"""ValidatingAdmissionPolicies: rules in CEL over requests, with no server to call. Pure.

A policy counts where a binding names it. What its expressions see: `object`, `oldObject`, `request`, `namespaceObject`, `variables`.
Parameters are not looked up: a policy that wants some fails as its `failurePolicy` says. Follows
`k8s.io/apiserver/pkg/admission/plugin/policy/validating`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from pilotage.store.base import Cause
from pilotage.store.embedded.denials import DeniedError
from pilotage.store.embedded.hooks import matched, scope_of
from pilotage.store.embedded.reviews import Review

__all__ = ["enforce", "evaluates"]

_CODES = {"Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413, "Unauthorized": 401}
_Object = Mapping[str, Any]


@lru_cache(maxsize=256)
def _loaded(body: bytes) -> dict[str, Any]:
    value: dict[str, Any] = orjson.loads(body)
    return value


def enforce(
    policies: Sequence[bytes], bindings: Sequence[bytes], review: Review, warnings: list[str]
) -> None:
    """Raises DeniedError when a policy denies the request; `warnings` hears of those that only warn."""
    bound: dict[str, list[_Object]] = {}
    for binding in map(_loaded, bindings):
        bound.setdefault(binding["spec"].get("policyName", ""), []).append(binding)
    for policy in map(_loaded, policies):
        for each in bound.get(policy["metadata"]["name"], ()):
            _apply(policy, each, review, warnings)


def _apply(policy: _Object, binding: _Object, review: Review, warnings: list[str]) -> None:
    spec = policy["spec"]
    kind = matched(scope_of(spec["matchConstraints"], "resourceRules", "excludeResourceRules"), review)
    if kind is None or not _is_bound(binding, review):
        return
    name, by = policy["metadata"]["name"], binding["metadata"]["name"]
    actions = binding["spec"].get("validationActions") or ()
    for message, reason in _faults(spec, review, review.request(kind, "", review.value)):
        if "Warn" in actions:
            warnings.append(
                f"Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{by}': {message}"
            )
        if "Deny" in actions:
            raise _denied(
                review,
                f"ValidatingAdmissionPolicy '{name}' with binding '{by}' denied request: {message}",
                reason,
            )


def _is_bound(binding: _Object, review: Review) -> bool:
    """A binding without rules takes the requests of its policy."""
    stated = binding["spec"].get("matchResources")
    if stated is None:
        return True
    scope = scope_of(stated, "resourceRules", "excludeResourceRules")
    if not scope.rules:
        everything = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
        scope = scope_of({**stated, "resourceRules": [everything]}, "resourceRules", "excludeResourceRules")
    return matched(scope, review) is not None


def _faults(spec: _Object, review: Review, request: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The message and the reason of each validation that does not hold."""
    from pilotage.store.cel.admitting import EvaluationError, Variables, evaluate  # noqa: PLC0415 start-up time

    fails_open = spec.get("failurePolicy") == "Ignore"
    if spec.get("paramKind") is not None:
        if not fails_open:
            yield "failed to configure binding: parameters are not looked up here", "Invalid"
        return
    known: dict[str, Any] = {
        "object": request.pop("object"),
        "oldObject": request.pop("oldObject"),
        "request": request,
        "namespaceObject": review.namespace_object,
    }
    applies, fault = evaluates(spec.get("matchConditions") or (), known)
    if fault and not fails_open:
        yield fault, "Invalid"
    if not applies:
        return
    known["variables"] = Variables(spec.get("variables") or (), known)
    for validation in spec.get("validations") or ():
        expression = validation["expression"]
        try:
            holds = evaluate(expression, known)
        except EvaluationError as error:
            if not fails_open:
                yield f"expression '{expression}' resulted in error: {error}", "Invalid"
            continue
        if holds is not True:
            yield _message(validation, known), validation.get("reason") or "Invalid"


def _message(validation: _Object, known: _Object) -> str:
    from pilotage.store.cel.admitting import EvaluationError, evaluate  # noqa: PLC0415 start-up time

    said = validation.get("messageExpression")
    if said:
        try:
            told = evaluate(said, known)
        except EvaluationError:
            told = None
        if isinstance(told, str) and told.strip() and "\n" not in told.strip():
            return told.strip()
    message = (validation.get("message") or "").strip()
    return message or f"failed expression: {validation['expression'].strip()}"


def evaluates(conditions: Sequence[_Object], known: _Object) -> tuple[bool, str]:
    """Do all match conditions hold, and what went wrong with one. A condition that is false counts more than one that fails."""
    if not conditions:
        return True, ""
    from pilotage.store.cel.admitting import EvaluationError, evaluate  # noqa: PLC0415 start-up time

    faults = []
    for condition in conditions:
        try:
            if evaluate(condition["expression"].strip(), known) is not True:
                return False, ""
        except EvaluationError as error:
            faults.append(str(error))
    return not faults, "; ".join(faults)


def _denied(review: Review, message: str, reason: str) -> DeniedError:
    kind, name = review.kind, review.key.name
    return DeniedError(
        f'{kind.resource} "{name}" is forbidden: {message}',
        _CODES.get(reason, 422),
        reason,
        {"name": name, "group": kind.group, "kind": kind.plural, "causes": (Cause("", message, ""),)},
    )
