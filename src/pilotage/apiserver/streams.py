"""A watch as lines of JSON, one for each change.

Nothing is kept for a watcher: the next change is read when the last one was taken. What goes wrong on the way is the last line,
for the headers of the answer are gone by then.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import orjson

from pilotage.api.errors import PilotageError
from pilotage.apiserver import options, rendering, tables
from pilotage.apiserver.negotiation import Form, chosen
from pilotage.apiserver.paths import Target
from pilotage.apiserver.refusals import status_body
from pilotage.apiserver.requests import Request
from pilotage.apiserver.resources import NOWHERE, FaceStore, include_of, warning_headers
from pilotage.store.base import Event, ListOptions

__all__ = ["Stream", "opened"]


class Stream:
    """A watch that was found to make sense. `seconds` is how long the client wants it; None: as long as it may last."""

    def __init__(self, lines: AsyncIterator[bytes], seconds: int | None, warning: str) -> None:
        self.lines = lines
        self.seconds = seconds
        self.headers = warning_headers([warning] if warning else ())


async def opened(store: FaceStore, request: Request, target: Target) -> Stream:
    """Raises RefusalError, and the store's errors for a question that cannot be answered, before anything is sent."""
    form = chosen(request.accept, request.query, request.agent, is_custom=target.served.is_custom)
    seconds = options.watch_seconds(request.query)
    wanted = options.watch_options(target.key.namespace, request.query)
    include = include_of(request)
    # Options that contradict one another are refused at once, selectors and kinds with the first read.
    events = store.follow(target.kind, wanted)
    judged = ListOptions(namespace=NOWHERE, labels=wanted.labels, fields=wanted.fields)
    await store.page(target.kind, judged)
    return Stream(_lines(events, target, form, include), seconds, target.served.warning)


async def _lines(
    events: AsyncIterator[Event], target: Target, form: Form, include: tables.Include
) -> AsyncIterator[bytes]:
    is_first = True
    async with aclosing(cast("Any", events)):
        try:
            async for event in events:
                if form.shape == "Table":
                    yield _row_line(event, target, form, include, headers=is_first)
                    is_first = False
                else:
                    yield rendering.event_line(event, form)
        except PilotageError as error:
            yield b'{"type":"ERROR","object":%b}\n' % orjson.dumps(status_body(error))


def _row_line(event: Event, target: Target, form: Form, include: tables.Include, *, headers: bool) -> bytes:
    found = tables.table(
        target.served,
        None,
        (event.object,),
        include=include,
        resource_version=event.object.meta.resource_version,
        now=time.time(),
        headers=headers,
    )
    return orjson.dumps({"type": event.type, "object": {**found, "apiVersion": form.api_version}}) + b"\n"
