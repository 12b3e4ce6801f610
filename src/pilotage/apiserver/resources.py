"""Objects over HTTP: each verb as one call of the store, and its outcome as an answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from pilotage.api.meta import Object
from pilotage.apiserver import bodies, options, rendering, tables
from pilotage.apiserver.answer import Answer
from pilotage.apiserver.negotiation import Form, chosen
from pilotage.apiserver.paths import Target, Verb
from pilotage.apiserver.refusals import bad_request
from pilotage.apiserver.requests import Request
from pilotage.store.base import Api, Deleted, ListOptions, Page, UnfitError, WriteOptions, Written
from pilotage.store.embedded.kinds import ServedKind
from pilotage.store.embedded.listing import unreadable_version

__all__ = ["NOWHERE", "FaceStore", "Resources", "include_of", "warning_headers"]

NOWHERE = "\0"
"""A namespace that cannot be: to ask for its objects is to have the question judged, and nothing read."""
_INCLUDES: dict[str, tables.Include] = {
    "": "Metadata",
    "Metadata": "Metadata",
    "Object": "Object",
    "None": "None",
}
_TOLD_WHEN_GONE = frozenset(
    {
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Pod",
        "PodTemplate",
        "ResourceQuota",
        "Service",
        "ServiceAccount",
    }
)
"""Kinds of the core group whose last state is the answer to a delete; of others it is a Status."""


class FaceStore(Api, Protocol):
    """What the face needs of a store: the whole API, and which kinds there are."""

    async def kinds(self) -> tuple[ServedKind, ...]: ...


def warning_headers(warnings: Sequence[str]) -> dict[str, str]:
    """RFC 7234, section 5.5: several in one header. What a client sent may stand in them, so nothing unprintable is let through."""
    values = []
    for warning in dict.fromkeys(warnings):
        line = " ".join(warning.split()) if "\n" in warning else warning
        line = "".join(character if character.isprintable() else " " for character in line)
        escaped = line.replace("\\", "\\\\").replace('"', '\\"')
        values.append(f'299 - "{escaped}"')
    return {"Warning": ", ".join(values)} if values else {}


def include_of(request: Request) -> tables.Include:
    """What the rows of a table carry. Raises RefusalError."""
    asked = request.query.text("includeObject")
    if asked not in _INCLUDES:
        raise bad_request(
            f'Unable to convert to Table as requested: includeObject: Invalid value: "{asked}": must be'
            " 'Metadata', 'Object', 'None', or empty"
        )
    return _INCLUDES[asked]


class Resources:
    """The verbs over one store. Raise RefusalError and the errors of the store."""

    def __init__(self, store: FaceStore) -> None:
        self._store = store

    async def answer(self, verb: Verb, request: Request, target: Target) -> Answer:
        form = chosen(request.accept, request.query, request.agent, is_custom=target.served.is_custom)
        match verb:
            case "get":
                return await self._get(request, target, form)
            case "list":
                listed = options.list_options(target.key.namespace, request.query)
                return _listed(await self._store.page(target.kind, listed), request, target, form)
            case "create":
                return await self._create(request, target, form)
            case "update":
                return await self._update(request, target, form)
            case "patch":
                return await self._patch(request, target, form)
            case "delete":
                return await self._delete(request, target, form)
            case "deletecollection":
                return await self._delete_many(request, target, form)

    async def _get(self, request: Request, target: Target, form: Form) -> Answer:
        version = request.query.text("resourceVersion")
        if version not in {"", "0"}:
            if unreadable_version(version):
                raise UnfitError(unreadable_version(version))
            # Only an API server that is behind would have to wait; a version that is yet to come is refused.
            await self._store.page(target.kind, ListOptions(namespace=NOWHERE, resource_version=version))
        item = await self._store.read(target.kind, target.key, target.subresource)
        return _single(item, request, target, form)

    async def _create(self, request: Request, target: Target, form: Form) -> Answer:
        wanted = options.write_options("CreateOptions", request.query, request.agent)
        sent = bodies.read_manifest(target.kind, request.content_type, request.body)
        written = await self._store.post(
            target.kind, target.key.namespace, sent.value, _complaining(wanted, sent)
        )
        return _written(written, request, target, form)

    async def _update(self, request: Request, target: Target, form: Form) -> Answer:
        wanted = options.write_options("UpdateOptions", request.query, request.agent)
        sent = bodies.read_object(target, request.content_type, request.body)
        written = await self._store.put(
            target.kind, target.key, sent.value, _complaining(wanted, sent), target.subresource
        )
        return _written(written, request, target, form)

    async def _patch(self, request: Request, target: Target, form: Form) -> Answer:
        patch_type = bodies.patch_type(request.content_type, is_custom=target.served.is_custom)
        is_apply = patch_type == "apply"
        wanted = options.write_options("PatchOptions", request.query, request.agent, is_apply=is_apply)
        sent = bodies.read_patch(target, patch_type, request.body, is_strict=wanted.validation == "Strict")
        written = await self._store.patch(
            target.kind,
            target.key,
            patch_type,
            sent.value,
            _complaining(wanted, sent),
            target.subresource,
        )
        return _written(written, request, target, form)

    async def _delete(self, request: Request, target: Target, form: Form) -> Answer:
        sent = bodies.read_options(request.content_type, request.body)
        wanted = options.delete_options(request.query, sent)
        deleted = await self._store.remove(target.kind, target.key, wanted)
        if not deleted.is_gone or _is_told_when_gone(target):
            return _single(deleted.object, request, target, form)
        return Answer(rendering.encoded(_gone(deleted, target), form), form.media)

    async def _delete_many(self, request: Request, target: Target, form: Form) -> Answer:
        sent = bodies.read_options(request.content_type, request.body)
        wanted = options.delete_options(request.query, sent)
        selection = options.list_options(target.key.namespace, request.query)
        return _listed(await self._store.remove_all(target.kind, selection, wanted), request, target, form)


def _complaining(wanted: WriteOptions, sent: bodies.Sent) -> WriteOptions:
    if not sent.complaints:
        return wanted
    return msgspec.structs.replace(wanted, complaints=sent.complaints)


def _is_told_when_gone(target: Target) -> bool:
    return target.kind.group == "" and target.kind.kind in _TOLD_WHEN_GONE


def _gone(deleted: Deleted, target: Target) -> dict[str, Any]:
    details = {"name": target.key.name, "group": target.kind.group, "kind": target.kind.plural}
    details["uid"] = deleted.object.meta.uid
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {name: value for name, value in details.items() if value},
    }


def _written(written: Written, request: Request, target: Target, form: Form) -> Answer:
    answer = _single(written.object, request, target, form)
    return msgspec.structs.replace(
        answer, status=201 if written.is_created else 200, headers=warning_headers(written.warnings)
    )


def _single(item: Object, request: Request, target: Target, form: Form) -> Answer:
    if form.shape == "Table" and target.subresource != "scale":
        found = tables.table(
            target.served,
            None,
            (item,),
            include=include_of(request),
            resource_version=item.meta.resource_version,
            now=time.time(),
        )
        return _table(found, form)
    return Answer(rendering.object_body(item, form), form.media)


def _listed(page: Page, request: Request, target: Target, form: Form) -> Answer:
    if form.shape == "Table":
        found = tables.table(
            target.served,
            None,
            page.items,
            include=include_of(request),
            resource_version=page.resource_version,
            continuation=page.continuation,
            remaining=page.remaining,
            now=time.time(),
        )
        return _table(found, form)
    return Answer(rendering.list_body(target.served, page, form), form.media)


def _table(found: dict[str, Any], form: Form) -> Answer:
    return Answer(rendering.encoded({**found, "apiVersion": form.api_version}, form), form.media)
