"""What is said to a client, apart from how it is sent."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["Answer"]


class Answer(msgspec.Struct, frozen=True):
    """A whole response: `body` as it goes over the wire, before any compression."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = {}
    status: int = 200
