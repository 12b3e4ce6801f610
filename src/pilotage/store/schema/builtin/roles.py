"""RBAC: rules, role references, subjects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotage.store.schema import problems
from pilotage.store.schema.builtin.values import Problems, fits, selector
from pilotage.store.schema.names import dns_subdomain, path_segment

__all__ = [
    "cluster_role",
    "cluster_role_binding",
    "cluster_role_binding_change",
    "role",
    "role_binding",
    "role_binding_change",
]

_Object = Mapping[str, Any]
_GROUP = "rbac.authorization.k8s.io"


def role(value: _Object) -> Problems:
    for index, rule in enumerate(value.get("rules") or ()):
        yield from _rule(f"rules[{index}]", rule, is_namespaced=True)


def cluster_role(value: _Object) -> Problems:
    for index, rule in enumerate(value.get("rules") or ()):
        yield from _rule(f"rules[{index}]", rule, is_namespaced=False)
    aggregation = value.get("aggregationRule")
    if aggregation is None:
        return
    path = "aggregationRule.clusterRoleSelectors"
    selectors = aggregation.get("clusterRoleSelectors") or ()
    if not selectors:
        yield problems.required(
            path, "at least one clusterRoleSelector required if aggregationRule is non-nil"
        )
    for index, chosen in enumerate(selectors):
        yield from selector(f"{path}[{index}]", chosen)


def _rule(path: str, rule: _Object, *, is_namespaced: bool) -> Problems:
    if not rule.get("verbs"):
        yield problems.required(f"{path}.verbs", "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs")
    if urls:
        if is_namespaced:
            yield problems.invalid(
                f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs"
            )
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            yield problems.invalid(
                f"{path}.nonResourceURLs",
                urls,
                "rules cannot apply to both regular resources and non-resource URLs",
            )
        return
    if not rule.get("apiGroups"):
        yield problems.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield problems.required(f"{path}.resources", "resource rules must supply at least one resource")


def role_binding(value: _Object) -> Problems:
    return _binding(value, ("Role", "ClusterRole"), is_namespaced=True)


def cluster_role_binding(value: _Object) -> Problems:
    return _binding(value, ("ClusterRole",), is_namespaced=False)


def role_binding_change(value: _Object, old: _Object) -> Problems:
    yield from role_binding(value)
    yield from _same_role(value, old)


def cluster_role_binding_change(value: _Object, old: _Object) -> Problems:
    yield from cluster_role_binding(value)
    yield from _same_role(value, old)


def _same_role(value: _Object, old: _Object) -> Problems:
    reference = value["roleRef"]
    if reference != old.get("roleRef"):
        shown = {"APIGroup": reference["apiGroup"], "Kind": reference["kind"], "Name": reference["name"]}
        yield problems.invalid("roleRef", shown, "cannot change roleRef")


def _binding(value: _Object, kinds: tuple[str, ...], *, is_namespaced: bool) -> Problems:
    reference = value["roleRef"]
    if reference["apiGroup"] != _GROUP:
        yield problems.not_supported("roleRef.apiGroup", reference["apiGroup"], (_GROUP,))
    if reference["kind"] not in kinds:
        yield problems.not_supported("roleRef.kind", reference["kind"], kinds)
    if not reference["name"]:
        yield problems.required("roleRef.name")
    else:
        yield from fits("roleRef.name", reference["name"], path_segment)
    for index, subject in enumerate(value.get("subjects") or ()):
        yield from _subject(f"subjects[{index}]", subject, is_namespaced=is_namespaced)


def _subject(path: str, subject: _Object, *, is_namespaced: bool) -> Problems:
    name, kind, group = subject["name"], subject["kind"], subject.get("apiGroup", "")
    if not name:
        yield problems.required(f"{path}.name")
    if kind == "ServiceAccount":
        if name:
            yield from fits(f"{path}.name", name, dns_subdomain)
        if group:
            yield problems.not_supported(f"{path}.apiGroup", group, ("",))
        if not is_namespaced and not subject.get("namespace"):
            yield problems.required(f"{path}.namespace")
    elif kind in {"User", "Group"}:
        if group != _GROUP:
            yield problems.not_supported(f"{path}.apiGroup", group, (_GROUP,))
    else:
        yield problems.not_supported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group"))
