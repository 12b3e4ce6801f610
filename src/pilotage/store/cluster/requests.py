"""Each verb as the request that it is: path, query, body. Pure.

A kind says group, version and plural, so no discovery is needed: `/apis/{group}/{version}/namespaces/{namespace}/{plural}/{name}`,
and `/api/v1/…` for the core group. What could ask for something else than was meant, such as an empty name, is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec
import orjson

from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.base import InvalidObjectError

__all__ = [
    "Request",
    "Verb",
    "apply",
    "apply_status",
    "create",
    "delete",
    "discovery",
    "get",
    "list_page",
    "server_version",
    "watch",
]

Verb = Literal["get", "list", "watch", "create", "apply", "patch status of", "delete", "ask"]

_JSON = "application/json"
_APPLY = "application/apply-patch+yaml"
"""JSON is YAML, so the apply patch is sent as JSON under this name."""
_DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
_NOT_SEGMENTS = (".", "..")


class Request(msgspec.Struct, frozen=True):
    """`path` is encoded. `kind` and `key` are what it is about, for messages. Prints without its body."""

    verb: Verb
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content_type: str = ""
    kind: Kind | None = None
    key: ObjectKey | None = None
    accept: str = _JSON

    @property
    def target(self) -> str:
        """Path and query, as they stand in the request line."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def is_repeatable(self) -> bool:
        """Does sending it twice come to the same as sending it once, also for the answer?"""
        return self.verb not in ("create", "delete")

    @property
    def subject(self) -> str:
        """`apply nodepools.hypershift.openshift.io clusters/a`."""
        parts = [self.verb, self.kind.resource if self.kind else self.path, str(self.key or "")]
        return " ".join(part for part in parts if part)

    def __repr__(self) -> str:
        return f"{self.method} {self.path}"


def get(kind: Kind, key: ObjectKey) -> Request:
    return Request("get", "GET", _object_path(kind, key), kind=kind, key=key)


def list_page(
    kind: Kind,
    namespace: str,
    labels: Mapping[str, str] | None,
    limit: int,
    continuation: str = "",
    name: str = "",
) -> Request:
    """One page; a `limit` of 0 asks for all there is. With a `name` it is the object of that name, or nothing."""
    query = _of_name(name)
    if labels:
        query.append(("labelSelector", ",".join(f"{name}={value}" for name, value in sorted(labels.items()))))
    if limit:
        query.append(("limit", str(limit)))
    if continuation:
        query.append(("continue", continuation))
    return Request("list", "GET", _collection_path(kind, namespace), tuple(query), kind=kind)


def watch(kind: Kind, namespace: str, resource_version: str, seconds: int, name: str = "") -> Request:
    """A stream that the server ends after `seconds`; bookmarks say how far it has come while nothing happens."""
    query = [
        *_of_name(name),
        ("watch", "1"),
        ("allowWatchBookmarks", "true"),
        ("timeoutSeconds", str(seconds)),
    ]
    if resource_version:
        query.append(("resourceVersion", resource_version))
    return Request("watch", "GET", _collection_path(kind, namespace), tuple(query), kind=kind)


def create(kind: Kind, manifest: Mapping[str, Any], manager: str, validation: str) -> Request:
    metadata = _metadata(kind, manifest)
    namespace = metadata.get("namespace") or ""
    name = str(metadata.get("name") or metadata.get("generateName") or "")
    _check_namespace(kind, ObjectKey(str(namespace), name))
    body = {"apiVersion": kind.api_version, "kind": kind.kind, **manifest}
    return Request(
        "create",
        "POST",
        _collection_path(kind, str(namespace)),
        (("fieldManager", manager), ("fieldValidation", validation)),
        _encoded(kind, body),
        _JSON,
        kind,
        ObjectKey(str(namespace), name),
    )


def apply(
    kind: Kind,
    key: ObjectKey,
    manifest: Mapping[str, Any],
    manager: str,
    validation: str,
    *,
    force: bool,
    dry_run: bool,
) -> Request:
    """Name and namespace are the key's, unless the manifest says them itself; the server refuses it when they differ."""
    body = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        **manifest,
        "metadata": {**_key_metadata(key), **_metadata(kind, manifest)},
    }
    query = [("fieldManager", manager), ("fieldValidation", validation), ("force", _flag(force))]
    if dry_run:
        query.append(("dryRun", "All"))
    return Request(
        "apply", "PATCH", _object_path(kind, key), tuple(query), _encoded(kind, body), _APPLY, kind, key
    )


def apply_status(
    kind: Kind,
    key: ObjectKey,
    status: Mapping[str, Any],
    manager: str,
    validation: str,
    resource_version: str = "",
) -> Request:
    precondition = {"resourceVersion": resource_version} if resource_version else {}
    body = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": _key_metadata(key) | precondition,
        "status": status,
    }
    query = (("fieldManager", manager), ("fieldValidation", validation), ("force", _flag(value=True)))
    path = _object_path(kind, key) + "/status"
    return Request("patch status of", "PATCH", path, query, _encoded(kind, body), _APPLY, kind, key)


def delete(kind: Kind, key: ObjectKey) -> Request:
    """In the background for every kind; the default of some old ones would leave dependents behind."""
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    return Request("delete", "DELETE", _object_path(kind, key), (), orjson.dumps(body), _JSON, kind, key)


def server_version() -> Request:
    return Request("ask", "GET", "/version")


def discovery(path: str) -> Request:
    """What is served below `/api`, `/apis` or one group and version; all at once when the server can say it so."""
    return Request("ask", "GET", path, accept=_DISCOVERY)


def _of_name(name: str) -> list[tuple[str, str]]:
    """A right that is given for one name only (`resourceNames`) suffices for a list or watch that asks this way."""
    return [("fieldSelector", f"metadata.name={name}")] if name else []


def _collection_path(kind: Kind, namespace: str) -> str:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    if namespace and not kind.namespaced:
        raise _invalid(kind, "", "metadata.namespace: Forbidden: not allowed on this type")
    place = f"/namespaces/{_segment(kind, namespace)}" if namespace else ""
    return f"{root}{place}/{kind.plural}"


def _object_path(kind: Kind, key: ObjectKey) -> str:
    if not key.name:
        raise _invalid(kind, "", "metadata.name: Required value: name or generateName is required")
    _check_namespace(kind, key)
    return f"{_collection_path(kind, key.namespace)}/{_segment(kind, key.name)}"


def _check_namespace(kind: Kind, key: ObjectKey) -> None:
    if kind.namespaced and not key.namespace:
        raise _invalid(kind, key.name, "metadata.namespace: Required value")
    if key.namespace and not kind.namespaced:
        raise _invalid(kind, key.name, "metadata.namespace: Forbidden: not allowed on this type")


def _segment(kind: Kind, name: str) -> str:
    if name in _NOT_SEGMENTS:
        raise _invalid(kind, name, f"""metadata.name: Invalid value: "{name}": may not be '{name}'""")
    return quote(name, safe="")


def _metadata(kind: Kind, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = manifest.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise _invalid(kind, "", "metadata: Invalid value: must be an object")
    return metadata


def _key_metadata(key: ObjectKey) -> dict[str, str]:
    return {"name": key.name, "namespace": key.namespace} if key.namespace else {"name": key.name}


def _encoded(kind: Kind, body: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError as error:
        raise InvalidObjectError(f"{kind.kind}: not JSON: {error}") from None


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _invalid(kind: Kind, name: str, problem: str) -> InvalidObjectError:
    """In the words of the API server, which would have been asked for something else."""
    subject = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return InvalidObjectError(f'{subject} "{name}" is invalid: {problem}', (problem,))
