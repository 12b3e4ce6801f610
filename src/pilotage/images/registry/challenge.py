"""What does a registry ask for when it answers 401?

A `WWW-Authenticate` header lists challenges: `Basic realm="…"`, or `Bearer realm="…",service="…",scope="…"`, several of
them in one header or in several. A bearer scope is `type:name:action,action`; a token that has to serve several needs
asks for their union, because a second token would have to replace the first in the one header there is.

Follows RFC 9110 §11.6.1 and the token specification of the distribution project. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

__all__ = ["Challenge", "choose", "parse_challenges", "scope_union"]

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar's name for a word, no secret
_PART = re.compile(
    rf"""[\s,]*(?:
        (?P<key>{_TOKEN})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s,"]+))
      | (?P<scheme>{_TOKEN})(?=[\s,]|$)
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")


class Challenge(msgspec.Struct, frozen=True):
    """One way to authenticate. `scheme` is lower case; `scope` is a list parted by spaces, often empty."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Every challenge of these `WWW-Authenticate` headers, in order. What is malformed ends its header, never raises."""
    return tuple(challenge for header in headers for challenge in _challenges(header))


def choose(challenges: Iterable[Challenge]) -> Challenge | None:
    """The challenge to answer: bearer where it is offered with a realm, else basic, else none."""
    known = {challenge.scheme: challenge for challenge in reversed(tuple(challenges))}
    bearer = known.get("bearer")
    return bearer if bearer is not None and bearer.realm else known.get("basic")


def scope_union(*scopes: str) -> tuple[str, ...]:
    """One sorted scope for each resource, with all actions that any of `scopes` (each a list parted by spaces) names."""
    actions: dict[str, set[str]] = {}
    for scope in " ".join(scopes).split():
        resource, _, names = scope.rpartition(":")
        actions.setdefault(resource, set()).update(name for name in names.split(",") if name)
    return tuple(f"{resource}:{','.join(sorted(names))}" for resource, names in sorted(actions.items()))


def _challenges(header: str) -> Iterable[Challenge]:
    scheme = ""
    parameters: dict[str, str] = {}
    position = 0
    while part := _PART.match(header, position):
        position = part.end()
        if part["scheme"]:
            if scheme:
                yield _challenge(scheme, parameters)
            scheme, parameters = part["scheme"].lower(), {}
        else:
            quoted = part["quoted"]
            value = part["bare"] if quoted is None else _ESCAPE.sub(r"\1", quoted)
            parameters.setdefault(part["key"].lower(), value)
    if scheme:
        yield _challenge(scheme, parameters)


def _challenge(scheme: str, parameters: dict[str, str]) -> Challenge:
    return Challenge(
        scheme, parameters.get("realm", ""), parameters.get("service", ""), parameters.get("scope", "")
    )
