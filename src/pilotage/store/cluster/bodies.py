"""Lists and watch streams taken apart into objects, bytes for bytes. Pure.

A page of a list is split into its items without decoding them; then only headers are decoded. Items are copied out of
the page, so that one object that is kept does not keep the page. The API server leaves `kind` and `apiVersion` out of
the items of its own kinds, since the list says them; they are put back, and an object is the same from every verb.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Final, Literal

import msgspec

from pilotage.api.errors import InputError, RemoteError
from pilotage.api.meta import Kind, Object
from pilotage.store.base import Event

__all__ = ["Page", "WatchFailure", "read_object", "read_page", "watch_events", "watch_lines"]

LONGEST_LINE: Final = 64 << 20
"""Etcd holds objects of 1.5 MiB; JSON and the server's own settings may make some multiple of that."""


class Page(msgspec.Struct, frozen=True):
    """Part of a list; `continuation` is empty on the last one."""

    items: tuple[Object, ...]
    resource_version: str
    continuation: str


class WatchFailure(msgspec.Struct, frozen=True):
    """The server gave up on a stream; `status` is its `metav1.Status` as it came."""

    status: bytes


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continuation: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Line(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


_list_decoder = msgspec.json.Decoder(_List)
_line_decoder = msgspec.json.Decoder(_Line)

_EVENT_TYPES: dict[str, Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]] = {
    "ADDED": "ADDED",
    "MODIFIED": "MODIFIED",
    "DELETED": "DELETED",
    "BOOKMARK": "BOOKMARK",
}


def read_object(kind: Kind, body: bytes) -> Object:
    """Raises RemoteError when the answer is no object of the kind."""
    try:
        found = Object.parse(body.rstrip())  # a newline ends what the server prints
    except InputError as error:
        raise malformed(kind, error.message) from None
    if found.kind != kind.kind:
        raise malformed(kind, f"expected {kind.kind}, got {found.kind or 'no kind'}")
    return found


def read_page(kind: Kind, body: bytes) -> Page:
    """Raises RemoteError when the answer is no list."""
    try:
        page = _list_decoder.decode(body)
        items = tuple(map(Object.parse, _with_types(kind, page.items or ())))
    except (msgspec.MsgspecError, InputError) as error:
        raise malformed(kind, str(error)) from None
    return Page(items, page.metadata.resource_version, page.metadata.continuation)


def _with_types(kind: Kind, items: list[msgspec.Raw] | tuple[()]) -> Iterator[bytes]:
    """The items with `kind` and `apiVersion`; if one has them, all have."""
    if not items:
        return iter(())
    if Object.parse(bytes(items[0])).kind:
        return map(bytes, items)
    prefix = msgspec.json.encode({"kind": kind.kind, "apiVersion": kind.api_version})[:-1]
    return (prefix + b"," + bytes(item)[1:] for item in items)


async def watch_lines(kind: Kind, chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[bytes], None]:
    """The lines of a stream, as many at a time as are there. Raises RemoteError when it ends inside a line."""
    pending: list[bytes] = []
    size = 0
    async for chunk in chunks:
        head, *lines = chunk.split(b"\n")
        pending.append(head)
        size += len(head)
        if lines:
            complete = [b"".join(pending), *lines[:-1]]
            pending, size = [lines[-1]], len(lines[-1])
            yield [line for line in complete if line]
        if size > LONGEST_LINE:
            raise malformed(kind, f"a line of the watch is longer than {LONGEST_LINE} bytes")
    if size:
        raise RemoteError(
            "WatchBroken",
            f"watch {kind.resource}: the stream ended in the middle of an event",
            hint="watch again",
        )


def watch_events(kind: Kind, lines: list[bytes]) -> Iterator[Event | WatchFailure]:
    """What the lines say; unknown types of events are an error, for nothing may be missed."""
    for line in lines:
        try:
            read = _line_decoder.decode(line)
            if read.type == "ERROR":
                yield WatchFailure(bytes(read.object))
                return
            event = Event(_EVENT_TYPES[read.type], Object.parse(bytes(read.object)))
        except KeyError:
            raise malformed(kind, f'an event of the unknown type "{read.type}"') from None
        except (msgspec.MsgspecError, InputError) as error:
            raise malformed(kind, str(error)) from None
        yield event


def malformed(kind: Kind, problem: str) -> RemoteError:
    """The server's words cannot be understood; msgspec's text names path and types, never values."""
    return RemoteError(
        "MalformedAnswer",
        f"{kind.resource}: the answer of the server cannot be read: {problem}",
        hint="see whether a proxy stands between us and the API server",
    )
