"""In which form a client gets its answer: JSON or YAML, whole objects, their metadata alone, or a table.

The first wish that can be met counts: clients list what they prefer, and what they can live with. Protobuf is not spoken here,
so who takes nothing else is told 406. Follows `k8s.io/apiserver/pkg/endpoints/handlers/negotiation`.
"""

from __future__ import annotations

from typing import Literal, cast

import msgspec

from pilotage.apiserver.accepting import wishes
from pilotage.apiserver.options import Query
from pilotage.apiserver.refusals import ACCEPTED, RefusalError, not_acceptable

__all__ = ["Form", "Shape", "chosen", "is_pretty"]

Shape = Literal["", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]
_MEDIA: tuple[Literal["application/json"], Literal["application/yaml"]] = (
    "application/json",
    "application/yaml",
)
_SHAPES = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_GROUP, _VERSIONS = "meta.k8s.io", ("v1", "v1beta1")
_READ_BY_PEOPLE = ("curl", "Wget", "Mozilla/5.0")
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


class Form(msgspec.Struct, frozen=True):
    """`version` is that of `meta.k8s.io`, for a shape."""

    media: Literal["application/json", "application/yaml"] = "application/json"
    shape: Shape = ""
    version: str = "v1"
    is_pretty: bool = False

    @property
    def api_version(self) -> str:
        return f"{_GROUP}/{self.version}"


def is_pretty(query: Query, agent: str) -> bool:
    """Indented, for people: when asked for, or when the client is one that people look at directly."""
    asked = query.text("pretty")
    return asked in _TRUE if asked else agent.startswith(_READ_BY_PEOPLE)


def chosen(accept: str, query: Query, agent: str, *, is_custom: bool = False) -> Form:
    """Raises RefusalError when nothing that is accepted can be given."""
    pretty = is_pretty(query, agent)
    is_media_known = False
    for wish in wishes(accept):
        for media in _MEDIA:
            if not wish.takes(media):
                continue
            is_media_known = True
            shape = wish.parameters.get("as", "")
            version = wish.parameters.get("v", "v1")
            if not shape:
                return Form(media, is_pretty=pretty)
            if shape in _SHAPES and wish.parameters.get("g") == _GROUP and version in _VERSIONS:
                return Form(media, cast("Shape", shape), version, pretty)
    if is_media_known or is_custom:
        raise not_acceptable()
    raise RefusalError(406, f"406: Not Acceptable\n\nAvailable representations: {ACCEPTED}", details={})
