"""Objects, lists and changes as bytes in the form that was agreed on.

Whole objects are passed on as the text that they are: a list of ten thousand is joined, not decoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from pilotage.api import yaml
from pilotage.api.meta import Object
from pilotage.apiserver.negotiation import Form
from pilotage.apiserver.refusals import not_acceptable
from pilotage.store.base import Event, Page
from pilotage.store.embedded.kinds import ServedKind

__all__ = ["encoded", "event_line", "list_body", "object_body", "partial"]


def encoded(value: Mapping[str, Any], form: Form) -> bytes:
    """Any document in the media of the form."""
    if form.media == "application/yaml":
        return yaml.dump(value).encode()
    if form.is_pretty:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2)
    return orjson.dumps(value) + b"\n"


def partial(item: Object, form: Form) -> dict[str, Any]:
    """The metadata of an object alone."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": form.api_version,
        "metadata": item.value()["metadata"],
    }


def object_body(item: Object, form: Form) -> bytes:
    """One object, whole or its metadata. Raises RefusalError for a form that is for lists."""
    if form.shape == "PartialObjectMetadataList":
        raise not_acceptable(
            "you requested PartialObjectMetadataList, but the requested object is not a list"
            f" (*core.{item.kind})"
        )
    if form.shape == "PartialObjectMetadata":
        return encoded(partial(item, form), form)
    if form.media == "application/json" and not form.is_pretty:
        return item.raw + b"\n"
    return encoded(item.value(), form)


def list_body(served: ServedKind, page: Page, form: Form) -> bytes:
    """A part of a list. Raises RefusalError for a form that is for single objects."""
    metadata: dict[str, Any] = {"resourceVersion": page.resource_version}
    if page.continuation:
        metadata["continue"] = page.continuation
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    head: dict[str, Any] = {
        "kind": served.list_kind,
        "apiVersion": served.kind.api_version,
        "metadata": metadata,
    }
    if form.shape == "PartialObjectMetadata":
        raise not_acceptable(
            f"you requested PartialObjectMetadata, but the requested object is a list (*core.{served.list_kind})"
        )
    if form.shape == "PartialObjectMetadataList":
        head |= {"kind": form.shape, "apiVersion": form.api_version}
        return encoded({**head, "items": [partial(item, form) for item in page.items]}, form)
    if form.media == "application/json" and not form.is_pretty:
        return _joined(head, page.items)
    return encoded({**head, "items": [item.value() for item in page.items]}, form)


def _joined(head: Mapping[str, Any], items: Sequence[Object]) -> bytes:
    return b'%b,"items":[%b]}\n' % (orjson.dumps(head)[:-1], b",".join(item.raw for item in items))


def event_line(event: Event, form: Form) -> bytes:
    """A line of a watch, which is JSON whatever was asked for."""
    raw = orjson.dumps(partial(event.object, form)) if form.shape else event.object.raw
    return b'{"type":"%b","object":%b}\n' % (event.type.encode(), raw)
