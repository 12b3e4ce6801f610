"""A request, apart from how it arrived."""

from __future__ import annotations

import msgspec

from pilotage.apiserver.options import Query

__all__ = ["Request"]


class Request(msgspec.Struct, frozen=True):
    """`path` is encoded; the texts are headers, empty when they were not sent. `user` is who was recognised.

    Prints without its body, which may hold a Secret.
    """

    method: str
    path: str
    query: Query
    user: str = ""
    accept: str = ""
    content_type: str = ""
    agent: str = ""
    host: str = ""
    if_none_match: str = ""
    body: bytes = b""

    def __repr__(self) -> str:
        return f"{self.method} {self.path}"
