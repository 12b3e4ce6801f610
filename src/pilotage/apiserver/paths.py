"""What a path means: a collection, an object, or a door of an object, and what may be done there.

`/api/v1/…` for the core group, `/apis/GROUP/VERSION/…` for the others; below it `PLURAL`, `PLURAL/NAME`, `PLURAL/NAME/DOOR`, each
also below `namespaces/NAMESPACE/`. A namespace is itself an object, with doors of its own. Words for what is not there
depend on who would serve it, as in a real server: the built-in groups answer with a Status, the rest with plain text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast
from urllib.parse import unquote

import msgspec

from pilotage.api.meta import Kind, ObjectKey
from pilotage.apiserver.refusals import forbidden_method, no_such_resource, page_not_found
from pilotage.store.base import NotFoundError, Subresource
from pilotage.store.embedded.builtin import BUILT_IN
from pilotage.store.embedded.kinds import ServedKind

__all__ = ["Kinds", "Place", "Target", "Verb", "split", "verb_of"]

Verb = Literal["get", "list", "create", "update", "patch", "delete", "deletecollection"]
_BUILT_IN_GROUPS = frozenset(group for group, _ in BUILT_IN)
_DOORS = ("status", "scale", "finalize")
_ON_OBJECT: Mapping[str, Verb] = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ON_COLLECTION: Mapping[str, Verb] = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_ON_DOOR: Mapping[str, Verb] = {"GET": "get", "PUT": "update", "PATCH": "patch"}


class Place(msgspec.Struct, frozen=True):
    """A path taken apart; `name` is empty for a collection, `door` for the object itself."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    door: str = ""


class Target(msgspec.Struct, frozen=True):
    """What a request is about."""

    served: ServedKind
    key: ObjectKey
    subresource: Subresource = ""

    @property
    def kind(self) -> Kind:
        return self.served.kind


def split(path: str) -> Place | None:
    """The place that a path (still encoded) names; None when it cannot be one of objects."""
    words = [unquote(word) for word in path.strip("/").split("/")]
    if words[0] == "api" and len(words) > 2:
        group, version, rest = "", words[1], words[2:]
    elif words[0] == "apis" and len(words) > 3:
        group, version, rest = words[1], words[2], words[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and not (_is_core(group, version) and _is_door(rest)):
        namespace, rest = rest[1], rest[2:]
        if not namespace:
            return Place(group, version, "")
    if len(rest) > 3 or not all(rest):
        return Place(group, version, "")
    plural, name, door = (*rest, "", "")[:3]
    return Place(group, version, plural, namespace, name, door)


def _is_core(group: str, version: str) -> bool:
    return (group, version) == ("", "v1")


def _is_door(rest: Sequence[str]) -> bool:
    """`namespaces/NAME/status` is the namespace's, not of a kind called `status`."""
    return len(rest) == 3 and rest[2] in ("status", "finalize")


class Kinds:
    """Every kind in every version that is served, by where its objects are found."""

    def __init__(self, served: Sequence[ServedKind]) -> None:
        self.all = tuple(served)
        self._by_place = {(each.kind.group, each.kind.version, each.kind.plural): each for each in served}

    def find(self, place: Place) -> ServedKind | None:
        return self._by_place.get((place.group, place.version, place.plural))

    def target(self, place: Place) -> Target:
        """Raises RefusalError, NotFoundError when nothing is there."""
        served = self.find(place)
        if served is None:
            raise no_such_resource() if place.group in _BUILT_IN_GROUPS else page_not_found()
        kind, key = served.kind, ObjectKey(place.namespace, place.name)
        if place.namespace and not kind.namespaced:
            raise no_such_resource()
        if place.name and kind.namespaced and not place.namespace:
            raise no_such_resource()
        if place.door and place.door not in served.subresources:
            # Of a custom resource the server looks for the object first, and says that.
            raise NotFoundError(kind, key) if served.is_custom else no_such_resource()
        if place.door and place.door not in _DOORS:
            raise no_such_resource()
        return Target(served, key, cast("Subresource", place.door))


def verb_of(method: str, place: Place, target: Target) -> Verb:
    """What a method asks for at a place. Raises RefusalError for what cannot be done there."""
    if place.door == "finalize":
        verb = _ON_DOOR[method] if method == "PUT" else None
    elif place.door:
        verb = _ON_DOOR.get(method)
    elif place.name:
        verb = _ON_OBJECT.get(method)
    else:
        verb = _ON_COLLECTION.get(method)
        if target.kind.namespaced and not place.namespace and verb != "list":
            verb = None
    if verb is None or verb not in target.served.verbs:
        raise forbidden_method()
    return verb
