"""Which kinds does a cluster serve, and by which names? Its discovery, taken apart.

Servers since 1.27 say everything in two answers (`apidiscovery.k8s.io/v2`, or `v2beta1`); older ones, and API servers that are
no kube-apiserver, in one answer for each group and version (`APIGroupList`, `APIResourceList`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import msgspec

from pilotage.api.errors import RemoteError
from pilotage.api.meta import Kind

__all__ = ["Discovered", "discover"]

Ask = Callable[[str], Awaitable[bytes]]

_AT_ONCE = 8


class Discovered(msgspec.Struct, frozen=True):
    """A kind in one version. `singular` is the name of one, lower case."""

    kind: Kind
    singular: str


class _Type(msgspec.Struct, frozen=True):
    kind: str = ""


class _Name(msgspec.Struct, frozen=True):
    name: str = ""


class _Resource(msgspec.Struct, frozen=True, rename="camel"):
    resource: str = ""
    response_kind: _Type = _Type()
    scope: str = ""
    singular_resource: str = ""
    short_names: tuple[str, ...] | None = None
    verbs: tuple[str, ...] | None = None


class _Version(msgspec.Struct, frozen=True):
    version: str = ""
    resources: tuple[_Resource, ...] | None = None


class _Group(msgspec.Struct, frozen=True):
    metadata: _Name = _Name()
    versions: tuple[_Version, ...] | None = None


class _Aggregated(msgspec.Struct, frozen=True):
    kind: str = ""
    items: tuple[_Group, ...] | None = None


class _GroupVersion(msgspec.Struct, frozen=True, rename="camel"):
    group_version: str = ""


class _OldGroup(msgspec.Struct, frozen=True, rename="camel"):
    versions: tuple[_GroupVersion, ...] | None = None
    preferred_version: _GroupVersion = _GroupVersion()


class _OldGroups(msgspec.Struct, frozen=True):
    groups: tuple[_OldGroup, ...] | None = None


class _OldResource(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    singular_name: str = ""
    namespaced: bool = False
    kind: str = ""
    short_names: tuple[str, ...] | None = None
    verbs: tuple[str, ...] | None = None


class _OldResources(msgspec.Struct, frozen=True):
    resources: tuple[_OldResource, ...] | None = None


async def discover(ask: Ask) -> tuple[Discovered, ...]:
    """Every kind that can be listed, the core group first, of each group the preferred version first.

    `ask` gives the answer for a path. Raises what it raises, and RemoteError `MalformedAnswer`.
    """
    core, groups = await asyncio.gather(ask("/api"), ask("/apis"))
    try:
        found: list[Discovered] = []
        versions: list[str] = []
        for answer, path in ((core, "/api/v1"), (groups, "")):
            aggregated = msgspec.json.decode(answer, type=_Aggregated)
            if aggregated.kind == "APIGroupDiscoveryList":
                found += _all_of(aggregated)
            elif path:
                versions.append(path)
            else:
                versions += _paths(msgspec.json.decode(answer, type=_OldGroups))
        limit = asyncio.Semaphore(_AT_ONCE)
        found += [
            each
            for part in await asyncio.gather(*(_one(ask, path, limit) for path in versions))
            for each in part
        ]
    except msgspec.MsgspecError:
        raise RemoteError(
            "MalformedAnswer",
            "discovery: what answered does not say what it serves as an API server does",
            hint="see `server` of the cluster in the kubeconfig",
        ) from None
    return tuple(found)


def _all_of(aggregated: _Aggregated) -> Iterator[Discovered]:
    for group in aggregated.items or ():
        for version in group.versions or ():
            for each in version.resources or ():
                if "list" in (each.verbs or ()):
                    kind = Kind(
                        group.metadata.name,
                        version.version,
                        each.response_kind.kind,
                        each.resource,
                        each.scope == "Namespaced",
                        each.short_names or (),
                    )
                    yield Discovered(kind, each.singular_resource or kind.kind.lower())


def _paths(groups: _OldGroups) -> Iterator[str]:
    for group in groups.groups or ():
        preferred = group.preferred_version.group_version
        others = (each.group_version for each in group.versions or () if each.group_version != preferred)
        yield from (f"/apis/{version}" for version in (preferred, *others) if version)


async def _one(ask: Ask, path: str, limit: asyncio.Semaphore) -> list[Discovered]:
    async with limit:
        answer = msgspec.json.decode(await ask(path), type=_OldResources)
    group, _, version = path.removeprefix("/apis/").removeprefix("/api/").rpartition("/")
    return [
        Discovered(
            Kind(group, version, each.kind, each.name, each.namespaced, each.short_names or ()),
            each.singular_name or each.kind.lower(),
        )
        for each in answer.resources or ()
        if "list" in (each.verbs or ()) and "/" not in each.name
    ]
