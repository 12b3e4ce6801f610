"""What a client would like to be answered with: the clauses of its `Accept` header, best first.

A clause may carry parameters, which is how Kubernetes clients ask for another form of the same thing:
`application/json;as=Table;v=v1;g=meta.k8s.io,application/json`. Follows RFC 9110, section 12.5.1, and
`k8s.io/apiserver/pkg/endpoints/handlers/negotiation`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["Wish", "wishes"]


class Wish(msgspec.Struct, frozen=True):
    """`media` in lower case, such as `application/json` or `*/*`; `parameters` without the quality."""

    media: str
    parameters: Mapping[str, str] = {}

    def takes(self, media: str) -> bool:
        kind = media.partition("/")[0]
        return self.media in {media, f"{kind}/*", "*/*"}

    def is_for(self, group: str, version: str, shape: str) -> bool:
        """Is it JSON transformed to a kind of that group and version?"""
        asked = self.parameters
        return self.takes("application/json") and (asked.get("g"), asked.get("v"), asked.get("as")) == (
            group,
            version,
            shape,
        )


def wishes(accept: str) -> list[Wish]:
    """The clauses by quality, equal ones in their order; those of quality 0, and what cannot be read, are left out.

    A client that says nothing takes everything.
    """
    if not accept.strip():
        return [Wish("*/*")]
    ranked = []
    for clause in accept.split(","):
        media, *rest = (part.strip() for part in clause.split(";"))
        if "/" not in media:
            continue
        pairs = (part.partition("=") for part in rest)
        parameters = {
            name.strip().lower(): value.strip().strip('"') for name, equals, value in pairs if equals
        }
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            continue
        if quality > 0:
            ranked.append((-quality, Wish(media.lower(), parameters)))
    return [wish for _, wish in sorted(ranked, key=lambda pair: pair[0])]
