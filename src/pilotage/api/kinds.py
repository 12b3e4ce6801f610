"""Every kind that Pilotage knows, found by whatever name a person or a manifest gives it.

`hc`, `hcs`, `hostedcluster`, `HostedClusters` and `hostedclusters.hypershift.openshift.io` are one kind, as for kubectl.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from pilotage.api import config, core, gate, hypershift, konflux, pilotage
from pilotage.api.crd import Definition
from pilotage.api.errors import InputError
from pilotage.api.meta import Kind, Object

__all__ = ["DEFINITIONS", "KNOWN", "find", "guess", "names_of", "of_object"]

KNOWN: Final = (
    *hypershift.KINDS,
    *pilotage.KINDS,
    *gate.KINDS,
    *konflux.KINDS,
    *config.KINDS,
    *core.KINDS,
)
DEFINITIONS: Final[tuple[Definition, ...]] = (*pilotage.DEFINITIONS, *gate.DEFINITIONS)
"""The kinds that Pilotage serves itself: what `pilotage crds` prints."""


def find(name: str) -> Kind:
    """The kind that `name` means: kind, plural, singular, short name, each also with `.group`; case does not matter.

    Raises InputError `UnknownKind` with what is close.
    """
    kind = _by_name().get(name.lower())
    if kind is None:
        close = difflib.get_close_matches(name.lower(), _by_name(), n=3, cutoff=0.6)
        plurals = ", ".join(dict.fromkeys(_by_name()[match].plural for match in close))
        everything = ", ".join(sorted(known.plural for known in KNOWN))
        raise InputError(
            "UnknownKind",
            f'there is no kind called "{name}"' + (f"; did you mean {plurals}?" if plurals else ""),
            hint=f"known kinds: {everything}",
        )
    return kind


def of_object(item: Object) -> Kind:
    """The kind of an object: the one we know in its group and version, or one guessed from its name."""
    return _by_type().get((item.header.api_version, item.kind)) or guess(
        item.header.api_version, item.kind, namespaced=bool(item.meta.namespace)
    )


def guess(api_version: str, kind: str, *, namespaced: bool) -> Kind:
    """A kind that nobody defined, with the plural that Kubernetes guesses (`Ingress` -> `ingresses`, `Policy` -> `policies`)."""
    group, _, version = api_version.rpartition("/")
    singular = kind.lower()
    if singular.endswith(("s", "x", "ch", "sh")):
        plural = singular + "es"
    elif singular.endswith("y"):
        plural = singular[:-1] + "ies"
    else:
        plural = singular + "s"
    return Kind(group, version, kind, plural, namespaced)


def names_of(kind: Kind) -> Iterable[str]:
    """The names by which `find` finds the kind, lower case."""
    short = (kind.plural, kind.kind.lower(), *kind.short_names)
    full = tuple(f"{name}.{kind.group}" for name in short[:2]) if kind.group else ()
    return (*short, *full)


@cache
def _by_name() -> Mapping[str, Kind]:
    return {name: kind for kind in reversed(KNOWN) for name in names_of(kind)}


@cache
def _by_type() -> Mapping[tuple[str, str], Kind]:
    return {(kind.api_version, kind.kind): kind for kind in KNOWN}
