"""Webhook configurations and admission policies: names, rules, where to call, and expressions that must compile."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

from pilotage.store.schema import problems
from pilotage.store.schema.builtin.values import Problems, fits, listed, selector
from pilotage.store.schema.names import dns_subdomain, path_segment, qualified_name

__all__ = ["mutating", "policy", "policy_binding", "validating"]

_Object = Mapping[str, Any]
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_VERSIONS = ("v1", "v1beta1")
_FORM = "; desired format: https://host[/path]"
_ACTIONS = ("Audit", "Deny", "Warn")
_NOTHING_TO_DO = "validations or auditAnnotations must contain at least one item"


def validating(value: _Object) -> Problems:
    yield from _webhooks(value, is_mutating=False)


def mutating(value: _Object) -> Problems:
    yield from _webhooks(value, is_mutating=True)


def _webhooks(value: _Object, *, is_mutating: bool) -> Problems:
    names: set[str] = set()
    for index, hook in enumerate(value.get("webhooks") or ()):
        path, name = f"webhooks[{index}]", hook.get("name", "")
        yield from _webhook(path, hook, is_mutating=is_mutating)
        yield from _review_versions(
            f"{path}.admissionReviewVersions", hook.get("admissionReviewVersions") or ()
        )
        if name in names:
            yield problems.duplicate(f"{path}.name", name)
        names.add(name)


def _webhook(path: str, hook: _Object, *, is_mutating: bool) -> Problems:
    yield from _full_name(f"{path}.name", hook.get("name", ""))
    for index, rule in enumerate(hook.get("rules") or ()):
        yield from _rule(f"{path}.rules[{index}]", rule)
    yield from listed(f"{path}.failurePolicy", hook.get("failurePolicy"), ("Fail", "Ignore"))
    yield from listed(f"{path}.matchPolicy", hook.get("matchPolicy"), ("Equivalent", "Exact"))
    effects = hook.get("sideEffects")
    if not effects:
        yield problems.required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
    else:
        yield from listed(f"{path}.sideEffects", effects, ("None", "NoneOnDryRun"))
    seconds = hook.get("timeoutSeconds", 10)
    if not 1 <= seconds <= 30:
        yield problems.invalid(
            f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds"
        )
    yield from selector(f"{path}.namespaceSelector", hook.get("namespaceSelector"))
    yield from selector(f"{path}.objectSelector", hook.get("objectSelector"))
    if is_mutating:
        yield from listed(f"{path}.reinvocationPolicy", hook.get("reinvocationPolicy"), ("IfNeeded", "Never"))
    yield from _client(f"{path}.clientConfig", hook.get("clientConfig") or {})
    yield from _conditions(f"{path}.matchConditions", hook.get("matchConditions") or ())


def _full_name(path: str, name: str) -> Problems:
    faults = dns_subdomain(name)
    if not name:
        yield problems.required(path)
    elif faults:
        yield problems.invalid(path, name, ",".join(faults))
    elif name.count(".") < 2:
        yield problems.invalid(
            path, name, "should be a domain with at least three segments separated by dots"
        )


def _review_versions(path: str, versions: Iterable[str]) -> Problems:
    versions = list(versions)
    if not versions:
        yield problems.required(path, f"must specify one of {', '.join(_VERSIONS)}")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield problems.invalid(f"{path}[{index}]", version, "duplicate version")
    if not set(versions) & set(_VERSIONS):
        yield problems.invalid(path, versions, f"must include at least one of {', '.join(_VERSIONS)}")


def _rule(path: str, rule: _Object, *, may_have_subresources: bool = True) -> Problems:
    operations = rule.get("operations") or []
    if not operations:
        yield problems.required(f"{path}.operations")
    if len(operations) > 1 and "*" in operations:
        yield problems.invalid(
            f"{path}.operations", operations, "if '*' is present, must not specify other operations"
        )
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            yield problems.not_supported(f"{path}.operations[{index}]", operation, _OPERATIONS)
    for field, shown in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(field) or []
        if not values:
            yield problems.required(f"{path}.{field}")
        if len(values) > 1 and "*" in values:
            yield problems.invalid(
                f"{path}.{field}", values, f"if '*' is present, must not specify other {shown}"
            )
        if field == "apiVersions":
            for index, version in enumerate(values):
                if not version:
                    yield problems.required(f"{path}.{field}[{index}]")
    if may_have_subresources:
        yield from _resources(f"{path}.resources", rule.get("resources") or [])
    elif not rule.get("resources"):
        yield problems.required(f"{path}.resources")
    yield from listed(f"{path}.scope", rule.get("scope"), _SCOPES, is_required=False)


def _resources(path: str, resources: list[str]) -> Problems:
    """`pods`, `pods/status`, `pods/*`, `*/status`, `*`, `*/*`: none may say what another one says already."""
    if not resources:
        yield problems.required(path)
    whole: set[str] = set()
    everywhere: set[str] = set()
    is_plain = False
    for index, text in enumerate(resources):
        resource, slash, below = text.partition("/")
        if not text:
            yield problems.required(f"{path}[{index}]")
            continue
        if not slash:
            is_plain = text != "*"
            continue
        if resource in whole:
            yield problems.invalid(
                f"{path}[{index}]", text, f"if '{resource}/*' is present, must not specify {text}"
            )
        if below in everywhere:
            yield problems.invalid(
                f"{path}[{index}]", text, f"if '*/{below}' is present, must not specify {text}"
            )
        if below == "*":
            whole.add(resource)
        if resource == "*":
            everywhere.add(below)
    if len(resources) > 1 and "*/*" in resources:
        yield problems.invalid(path, resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and is_plain:
        yield problems.invalid(
            path, resources, "if '*' is present, must not specify other resources without subresources"
        )


def _client(path: str, client: _Object) -> Problems:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        yield problems.required(path, "exactly one of url or service is required")
    elif url is not None:
        yield from _url(f"{path}.url", url)
    elif service is not None:
        for field in ("name", "namespace"):
            if not service.get(field):
                yield problems.required(f"{path}.service.{field}")
        port = service.get("port", 443)
        if not 1 <= port <= 65535:
            yield problems.invalid(
                f"{path}.service.port", port, "port is not valid: must be between 1 and 65535, inclusive"
            )


def _url(path: str, text: str) -> Problems:
    try:
        url = urllib.parse.urlsplit(text)
    except ValueError as error:
        yield problems.required(path, f"url must be a valid URL: {error}{_FORM}")
        return
    user, at, host = url.netloc.rpartition("@")
    if url.scheme != "https":
        yield problems.invalid(path, url.scheme, f"'https' is the only allowed URL scheme{_FORM}")
    if not host:
        yield problems.invalid(path, host, f"host must be specified{_FORM}")
    if at:
        yield problems.invalid(path, user, "user information is not permitted in the URL")
    if url.fragment:
        yield problems.invalid(path, url.fragment, "fragments are not permitted in the URL")
    if url.query:
        yield problems.invalid(path, url.query, "query parameters are not permitted in the URL")


def _conditions(path: str, conditions: Iterable[_Object], *, has_params: bool = False) -> Problems:
    names: set[str] = set()
    for index, condition in enumerate(conditions):
        here, name = f"{path}[{index}]", condition.get("name", "")
        expression = condition.get("expression", "").strip()
        if not expression:
            yield problems.required(f"{here}.expression")
        else:
            yield from _expression(f"{here}.expression", expression, has_params=has_params)
        if not name:
            yield problems.required(f"{here}.name")
        else:
            yield from fits(f"{here}.name", name, qualified_name)
            if name in names:
                yield problems.duplicate(f"{here}.name", name)
            names.add(name)


def _expression(
    path: str,
    expression: str,
    *,
    wanted: str = "bool",
    variables: Iterable[str] = (),
    has_params: bool = False,
) -> Problems:
    # Start-up time: the language is loaded when somebody writes in it.
    from pilotage.store.cel.admitting import expression_fault  # noqa: PLC0415

    fault = expression_fault(expression, wanted, tuple(variables), has_params=has_params)
    if fault:
        yield problems.invalid(path, expression, fault)


def policy(value: _Object) -> Problems:
    spec = value["spec"]
    yield from listed("spec.failurePolicy", spec.get("failurePolicy"), ("Fail", "Ignore"))
    params = spec.get("paramKind") is not None
    constraints = spec.get("matchConstraints")
    if constraints is None:
        yield problems.required("spec.matchConstraints")
    else:
        yield from _matching("spec.matchConstraints", constraints)
        if not constraints.get("resourceRules"):
            yield problems.required("spec.matchConstraints.resourceRules")
    yield from _conditions("spec.matchConditions", spec.get("matchConditions") or (), has_params=params)
    known: list[str] = []
    for index, variable in enumerate(spec.get("variables") or ()):
        yield from _variable(f"spec.variables[{index}]", variable, known, has_params=params)
        known.append(variable.get("name", ""))
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        yield problems.required("spec.validations", _NOTHING_TO_DO)
        yield problems.required("spec.auditAnnotations", _NOTHING_TO_DO)
    for index, validation in enumerate(spec.get("validations") or ()):
        yield from _validation(f"spec.validations[{index}]", validation, known, has_params=params)


def _matching(path: str, matching: _Object) -> Problems:
    yield from listed(f"{path}.matchPolicy", matching.get("matchPolicy"), ("Equivalent", "Exact"))
    yield from selector(f"{path}.namespaceSelector", matching.get("namespaceSelector"))
    yield from selector(f"{path}.objectSelector", matching.get("objectSelector"))
    for part in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(matching.get(part) or ()):
            yield from _rule(f"{path}.{part}[{index}]", rule)


def _variable(path: str, variable: _Object, known: list[str], *, has_params: bool) -> Problems:
    name, expression = variable.get("name", ""), variable.get("expression", "")
    if not name.strip():
        yield problems.required(f"{path}.name", "name is not specified")
    elif not name.isidentifier() or not name.isascii():
        yield problems.invalid(f"{path}.name", name, "must be a valid CEL identifier")
    if not expression.strip():
        yield problems.required(f"{path}.expression", "expression is not specified")
    else:
        yield from _expression(
            f"{path}.expression", expression, wanted="", variables=known, has_params=has_params
        )


def _validation(path: str, validation: _Object, known: list[str], *, has_params: bool) -> Problems:
    expression, message = validation.get("expression", ""), validation.get("message", "")
    if not expression.strip():
        yield problems.required(f"{path}.expression", "expression is not specified")
    else:
        yield from _expression(f"{path}.expression", expression, variables=known, has_params=has_params)
    said = validation.get("messageExpression", "")
    if said and not said.strip():
        yield problems.invalid(f"{path}.messageExpression", said, "must be non-empty if specified")
    elif said:
        yield from _expression(
            f"{path}.messageExpression", said, wanted="string", variables=known, has_params=has_params
        )
    if message and not message.strip():
        yield problems.invalid(f"{path}.message", message, "must be non-empty if specified")
    elif "\n" in message.strip():
        yield problems.invalid(f"{path}.message", message, "must not contain line breaks")
    reasons = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
    yield from listed(f"{path}.reason", validation.get("reason"), reasons, is_required=False)


def policy_binding(value: _Object) -> Problems:
    spec = value["spec"]
    name, actions = spec.get("policyName", ""), spec.get("validationActions") or []
    if not name:
        yield problems.required("spec.policyName")
    else:
        yield from fits("spec.policyName", name, dns_subdomain)
    params = spec.get("paramRef")
    if params is not None and params.get("name"):
        yield from fits("spec.paramRef.name", params["name"], path_segment)
    if spec.get("matchResources") is not None:
        yield from _matching("spec.matchResources", spec["matchResources"])
    if not actions:
        yield problems.required("spec.validationActions", "at least one validation action is required")
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            yield problems.not_supported(f"spec.validationActions[{index}]", action, _ACTIONS)
        if action in actions[:index]:
            yield problems.duplicate(f"spec.validationActions[{index}]", action)
    if {"Deny", "Warn"} <= set(actions):
        yield problems.invalid(
            "spec.validationActions",
            actions,
            "must not contain both Deny and Warn (repeating the same validation failure information in the API"
            " response and headers serves no purpose)",
        )
