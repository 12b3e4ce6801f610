"""The OpenAPI documents of the API, as clients fetch them: `/openapi/v2` in JSON or protobuf, `/openapi/v3` group by group.

Clients ask for them once in a while, and there may be hundreds of definitions: what a document is made of is kept, and a
definition that changes costs the making of its own part alone. Every document has an ETag; the index of v3 carries
it in each address, so that clients keep documents until they change. An ETag stands for the versions of the definitions, so
the index is written without making a single document.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import msgspec
import orjson

from pilotage.api.meta import Object
from pilotage.apiserver.accepting import wishes
from pilotage.apiserver.answer import Answer
from pilotage.apiserver.description import gnostic, version2, version3
from pilotage.apiserver.description.types import custom_types
from pilotage.store.embedded.kinds import ServedKind
from pilotage.store.schema import builtintypes

__all__ = ["answer"]

_FORM = 1
"""Counted up when the same kinds give another document, so that no client keeps the older one."""
_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_PROTOBUFS = (_PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
"""The same under two names: the second one is not a valid media type, and what older clients ask for."""
_KEPT_PARTS = 4096
_KEPT_DOCUMENTS = 64
_FOREVER = {"Cache-Control": "public, immutable", "Expires": "Thu, 31 Dec 2099 23:59:59 GMT"}


def answer(
    path: str,
    accept: str,
    query: Mapping[str, str],
    kinds: Sequence[ServedKind],
    definitions: Sequence[Object],
) -> Answer | None:
    """The document at `path`; None when there is none, which a server answers with 404.

    `definitions` are the CustomResourceDefinitions behind the custom ones among `kinds`; their versions say what can be kept.
    """
    versions = {each.meta.name: f"{each.meta.uid}/{each.meta.resource_version}" for each in definitions}
    if path == "/openapi/v2":
        return _version2(accept, kinds, versions)
    if path == "/openapi/v3":
        return _index(kinds, versions)
    if path.startswith("/openapi/v3/"):
        return _version3(path.removeprefix("/openapi/v3/"), query, kinds, versions)
    return None


class _Kept:
    """The most recently used things, made when they are asked for first; who asks meanwhile waits instead of making another."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._things: OrderedDict[Any, Any] = OrderedDict()

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._things:
                self._things[key] = make()
                if len(self._things) > self._limit:
                    self._things.popitem(last=False)
            self._things.move_to_end(key)
            return self._things[key]


_parts = _Kept(_KEPT_PARTS)
_documents = _Kept(_KEPT_DOCUMENTS)


def _identity(kind: ServedKind, versions: Mapping[str, str]) -> tuple[str, str, str]:
    """Equal for kinds that are described alike."""
    return kind.kind.api_version, kind.kind.kind, versions.get(kind.kind.resource, "")


def _tag(kinds: Iterable[ServedKind], versions: Mapping[str, str]) -> str:
    told = [_FORM, builtintypes.kubernetes_version(), sorted(_identity(kind, versions) for kind in kinds)]
    return hashlib.sha512(orjson.dumps(told), usedforsecurity=False).hexdigest().upper()


# Version 3


def _groups(kinds: Sequence[ServedKind]) -> dict[str, list[ServedKind]]:
    """By the path of their document: `api/v1`, `apis/apps/v1`."""
    groups: dict[str, list[ServedKind]] = {}
    for kind in kinds:
        root = "apis" if kind.kind.group else "api"
        groups.setdefault(f"{root}/{kind.kind.api_version}", []).append(kind)
    return dict(sorted(groups.items()))


def _index(kinds: Sequence[ServedKind], versions: Mapping[str, str]) -> Answer:
    paths = {
        path: {"serverRelativeURL": _address(path, _tag(listed, versions))}
        for path, listed in _groups(kinds).items()
    }
    return Answer(orjson.dumps({"paths": paths}), "application/json", {"Cache-Control": "no-cache, private"})


def _address(path: str, tag: str) -> str:
    return f"/openapi/v3/{path}?hash={tag}"


def _version3(
    path: str, query: Mapping[str, str], kinds: Sequence[ServedKind], versions: Mapping[str, str]
) -> Answer | None:
    listed = _groups(kinds).get(path)
    if listed is None:
        return None
    tag = _tag(listed, versions)
    asked = query.get("hash", "")
    if asked and asked != tag:
        return Answer(b"", "text/plain", {"Location": _address(path, tag)}, 301)
    headers = {"ETag": f'"{tag}"', "Vary": "Accept", **(_FOREVER if asked else {})}
    title = "Kubernetes CRD Swagger" if any(kind.is_custom for kind in listed) else "Kubernetes"
    body = _documents.get(tag, lambda: orjson.dumps(version3.document(listed, title)))
    return Answer(body, "application/json", headers)


# Version 2


class _Part(msgspec.Struct, frozen=True):
    """What a kind adds to the document in one form: members of `paths` and of `definitions`, by name."""

    paths: Mapping[str, bytes]
    types: Mapping[str, bytes]


def _version2(accept: str, kinds: Sequence[ServedKind], versions: Mapping[str, str]) -> Answer:
    is_protobuf = _prefers_protobuf(accept)
    tag = _tag(kinds, versions)
    body = _documents.get((tag, is_protobuf), lambda: _joined(kinds, versions, is_protobuf=is_protobuf))
    headers = {"ETag": f'"{tag}"', "Vary": "Accept"}
    return Answer(body, _PROTOBUF if is_protobuf else "application/json", headers)


def _prefers_protobuf(accept: str) -> bool:
    for wish in wishes(accept):
        if wish.media in _PROTOBUFS:
            return True
        if wish.takes("application/json"):
            return False
    return False


def _joined(kinds: Sequence[ServedKind], versions: Mapping[str, str], *, is_protobuf: bool) -> bytes:
    paths: dict[str, bytes] = {}
    types = dict(_builtin_types(is_protobuf))
    for kind in kinds:
        key = (*_identity(kind, versions), is_protobuf)
        part: _Part = _parts.get(key, partial(_part, kind, is_protobuf))
        paths |= part.paths
        types |= part.types
    frame = version2.frame()
    paths, types = dict(sorted(paths.items())), dict(sorted(types.items()))
    if is_protobuf:
        return gnostic.document(frame, paths.values(), types.values())
    return orjson.dumps(
        {
            **frame,
            "paths": {name: orjson.Fragment(text) for name, text in paths.items()},
            "definitions": {name: orjson.Fragment(text) for name, text in types.items()},
        }
    )


def _part(kind: ServedKind, is_protobuf: bool) -> _Part:
    items = version2.paths_of(kind)
    paths = {
        name: gnostic.path(name, item) if is_protobuf else orjson.dumps(item) for name, item in items.items()
    }
    return _Part(paths, _types(custom_types(kind), is_protobuf) if kind.is_custom else {})


def _types(types: Mapping[str, Mapping[str, Any]], is_protobuf: bool) -> dict[str, bytes]:
    written = ((name, version2.type_of(schema)) for name, schema in types.items())
    return {
        name: gnostic.definition(name, schema) if is_protobuf else orjson.dumps(schema)
        for name, schema in written
    }


@cache
def _builtin_types(is_protobuf: bool) -> Mapping[str, bytes]:
    return _types(builtintypes.definitions(), is_protobuf)
