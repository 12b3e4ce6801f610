"""Which kinds are served: what `kubectl api-resources` prints and every client reads before its first request.

There are two forms. The older one takes a request for each group and version: `/api`, `/apis`, `/api/v1`, `/apis/<group>` and
`/apis/<group>/<version>`. The newer one, *aggregated* discovery, answers `/api` and `/apis` with everything at once and has
an ETag; clients ask for it by their `Accept` header. Order and wording are those of kube-apiserver: built-in
groups in its fixed order, then the groups of custom resources by their best version and name.

Follows `k8s.io/apiserver/pkg/endpoints/discovery` and `k8s.io/kube-aggregator/pkg/apis/apiregistration/v1/helper`.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from pilotage.apiserver.accepting import wishes
from pilotage.apiserver.answer import Answer
from pilotage.store.embedded.kinds import ServedKind

__all__ = ["AGGREGATED_VERSIONS", "answer", "version_rank"]

AGGREGATED_GROUP = "apidiscovery.k8s.io"
AGGREGATED_VERSIONS = ("v2", "v2beta1")
"""Both have the same fields. Only kubectl 1.26 to 1.29 knows no other than `v2beta1`."""

_GROUPS = (
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
)
"""By the priority that kube-aggregator gives them; every other group has the same, lower one."""

_STORED_AS = {
    "apiextensions.k8s.io/CustomResourceDefinition": "apiextensions.k8s.io/v1beta1/CustomResourceDefinition",
    "events.k8s.io/Event": "/v1/Event",
}
"""What kube-apiserver stores otherwise than it serves it: by group and kind, group, version and kind."""
_CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""In the order in which apiextensions-apiserver names them."""
_SUBRESOURCE_VERBS: Mapping[str, tuple[str, ...]] = {"finalize": ("update",)}
_CHANGEABLE = ("get", "patch", "update")
_SCALE = ("autoscaling", "v1", "Scale")
_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
_STAGES = {None: 0, "beta": 1, "alpha": 2}


def answer(path: str, accept: str, kinds: Sequence[ServedKind], *, address: str = "") -> Answer | None:
    """The document at `path`; None when there is none, which a server answers with 404.

    `accept` is the header of the request, `address` the host and port by which clients reach this server.
    """
    steps = path.strip("/").split("/")
    if steps[0] not in {"api", "apis"} or len(steps) > (2 if steps[0] == "api" else 3):
        return None
    if len(steps) == 1:
        version = _aggregated_version(accept)
        if version:
            return _aggregated(steps[0], version, kinds)
        return _plain(_versions(address) if steps[0] == "api" else _group_list(kinds))
    group = "" if steps[0] == "api" else steps[1]
    listed = [kind for kind in kinds if kind.kind.group == group]
    if not listed or (steps[0] == "apis" and not group):
        return None
    if steps[0] == "apis" and len(steps) == 2:
        return _plain({"kind": "APIGroup", "apiVersion": "v1", **_group(listed)})
    resources = [kind for kind in listed if kind.kind.version == steps[-1]]
    return _plain(_resource_list(resources, kinds)) if resources else None


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sorts versions as Kubernetes does, best first: v2, v1, v1beta2, v1beta1, v1alpha1, then anything else by name."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return (3, 0, 0, version)
    return (_STAGES[found[2]], -int(found[1]), -int(found[3] or 0), version)


def _plain(value: Mapping[str, Any]) -> Answer:
    return Answer(orjson.dumps(value) + b"\n", "application/json", {"Cache-Control": "no-cache, private"})


def _aggregated_version(accept: str) -> str:
    """The version of the aggregated form that the client likes best; empty when it likes the older form better."""
    for wish in wishes(accept):
        for version in AGGREGATED_VERSIONS:
            if wish.is_for(AGGREGATED_GROUP, version, "APIGroupDiscoveryList"):
                return version
        if wish.takes("application/json") and not wish.parameters.get("as"):
            return ""
    return ""


def _by_group(kinds: Iterable[ServedKind]) -> dict[str, list[ServedKind]]:
    """All groups but the core one, in order."""
    groups: dict[str, list[ServedKind]] = {}
    for kind in kinds:
        if kind.kind.group:
            groups.setdefault(kind.kind.group, []).append(kind)
    order = {name: index for index, name in enumerate(_GROUPS)}
    ranked = sorted(
        groups.items(),
        key=lambda item: (order.get(item[0], len(order)), f"{_version_names(item[1])[0]}.{item[0]}"),
    )
    return dict(ranked)


def _version_names(kinds: Iterable[ServedKind]) -> list[str]:
    return sorted({kind.kind.version for kind in kinds}, key=version_rank)


# The older form


def _versions(address: str) -> dict[str, Any]:
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def _group_list(kinds: Iterable[ServedKind]) -> dict[str, Any]:
    groups = [_group(listed) for listed in _by_group(kinds).values()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _group(kinds: Sequence[ServedKind]) -> dict[str, Any]:
    name = kinds[0].kind.group
    versions = [
        {"groupVersion": f"{name}/{version}", "version": version} for version in _version_names(kinds)
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _resource_list(kinds: Sequence[ServedKind], served: Iterable[ServedKind]) -> dict[str, Any]:
    first = kinds[0].kind
    stored = {_named(kind): kind.kind.version for kind in served if kind.is_storage}
    resources: list[dict[str, Any]] = []
    for kind in sorted(kinds, key=lambda kind: kind.kind.plural):
        resources.append(_resource(kind, stored.get(_named(kind), "")))
        resources.extend(_subresource(kind, name) for name in _subresources(kind))
    head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": first.api_version}
    if not first.group:
        del head["apiVersion"]  # kube-apiserver leaves it out there, and there only
    return {**head, "resources": resources}


def _resource(kind: ServedKind, storage: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": kind.kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.kind.namespaced,
        "kind": kind.kind.kind,
        "verbs": _verbs(kind),
    }
    if kind.kind.short_names:
        told["shortNames"] = kind.kind.short_names
    if kind.categories:
        told["categories"] = kind.categories
    if storage and "list" in kind.verbs:
        told["storageVersionHash"] = _storage_hash(kind, storage)
    return told


def _subresource(kind: ServedKind, name: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": f"{kind.kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.kind.namespaced,
    }
    if name == "scale":
        told |= {"group": _SCALE[0], "version": _SCALE[1]}
    told["kind"] = _SCALE[2] if name == "scale" else kind.kind.kind
    return {**told, "verbs": _SUBRESOURCE_VERBS.get(name, _CHANGEABLE)}


def _subresources(kind: ServedKind) -> Sequence[str]:
    """Sorted for built-in kinds; a definition's come as they are handled: status, then scale."""
    return kind.subresources if kind.is_custom else sorted(kind.subresources)


def _verbs(kind: ServedKind) -> Sequence[str]:
    return [verb for verb in _CUSTOM_VERBS if verb in kind.verbs] if kind.is_custom else kind.verbs


def _named(kind: ServedKind) -> str:
    return f"{kind.kind.group}/{kind.kind.kind}"


def _storage_hash(kind: ServedKind, version: str) -> str:
    """Tells clients that objects are stored in the same version as before. Meant to be compared, not read."""
    text = _STORED_AS.get(_named(kind), f"{kind.kind.group}/{version}/{kind.kind.kind}")
    return b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


# The aggregated form


def _aggregated(root: str, version: str, kinds: Sequence[ServedKind]) -> Answer:
    if root == "api":
        core = [kind for kind in kinds if not kind.kind.group]
        items = [_discovered_group("", core)] if core else []
    else:
        items = [_discovered_group(name, listed) for name, listed in _by_group(kinds).items()]
    body = orjson.dumps(
        {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"{AGGREGATED_GROUP}/{version}",
            "metadata": {},
            "items": items,
        }
    )
    tag = hashlib.sha512(body, usedforsecurity=False).hexdigest().upper()
    return Answer(
        body + b"\n",
        f"application/json;g={AGGREGATED_GROUP};v={version};as=APIGroupDiscoveryList",
        {"ETag": f'"{tag}"', "Vary": "Accept", "Cache-Control": "public"},
    )


def _discovered_group(name: str, kinds: Sequence[ServedKind]) -> dict[str, Any]:
    versions = []
    for version in _version_names(kinds):
        listed = sorted(
            (kind for kind in kinds if kind.kind.version == version), key=lambda kind: kind.kind.plural
        )
        resources = [_discovered(kind) for kind in listed]
        versions.append({"version": version, "resources": resources, "freshness": "Current"})
    return {"metadata": {"name": name} if name else {}, "versions": versions}


def _discovered(kind: ServedKind) -> dict[str, Any]:
    # Of its own kinds kube-apiserver says no group and version here: they are those of the list.
    own = {
        "group": kind.kind.group if kind.is_custom else "",
        "version": kind.kind.version if kind.is_custom else "",
        "kind": kind.kind.kind,
    }
    told: dict[str, Any] = {
        "resource": kind.kind.plural,
        "responseKind": own,
        "scope": "Namespaced" if kind.kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": _verbs(kind),
    }
    if kind.kind.short_names:
        told["shortNames"] = kind.kind.short_names
    if kind.categories:
        told["categories"] = kind.categories
    if kind.subresources:
        told["subresources"] = [
            {
                "subresource": name,
                "responseKind": dict(zip(("group", "version", "kind"), _SCALE, strict=True))
                if name == "scale"
                else own,
                "verbs": _SUBRESOURCE_VERBS.get(name, _CHANGEABLE),
            }
            for name in _subresources(kind)
        ]
    return told
