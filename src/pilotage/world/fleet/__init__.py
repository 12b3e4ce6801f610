"""The sample fleet: hosted clusters on several platforms and versions, each there for one rule, warning or error.

The manifests beside this file are what a user would write; they are applied once, into an empty store.
"""

from __future__ import annotations

from importlib import resources
from typing import Protocol

from pilotage.api import kinds, manifest
from pilotage.api.core import NAMESPACE
from pilotage.api.meta import Object, ObjectKey
from pilotage.store.base import Reader, Writer

__all__ = ["MANAGER", "load", "manifests"]

MANAGER = "pilotage-world"
FILES = ("settings.yaml", "clusters.yaml")


class ReadWriter(Reader, Writer, Protocol):
    """What loading needs."""


def manifests() -> tuple[Object, ...]:
    """Every object of the sample fleet, in the order in which it is applied."""
    texts = ((name, resources.files(__package__).joinpath(name).read_text()) for name in FILES)
    return tuple(item for name, text in texts for item in manifest.load_objects(text, name))


async def load(store: ReadWriter) -> None:
    """Apply the fleet and its namespaces, unless somebody's settings are there already: then the store is theirs."""
    settings, *_ = manifests()
    kind = kinds.of_object(settings)
    if (await store.list(kind)).items:
        return
    for namespace in sorted({item.key.namespace for item in manifests()} - {""}):
        await store.apply(NAMESPACE, ObjectKey("", namespace), {}, manager=MANAGER)
    # The settings come last, so that a crash in the middle of loading starts over.
    for item in (*manifests()[1:], settings):
        await store.apply(kinds.of_object(item), item.key, item.value(), manager=MANAGER)
