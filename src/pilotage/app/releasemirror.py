"""How does a whole release get into a mirror, and is it all there? What `release mirror` and `release mirror-check` call.

Every image travels by digest with everything that belongs to it, so a mirror that broke off goes on where it stopped. A check asks
each place where an image may be read (its mirrors in order, then its source) for the manifest by digest; with `is_deep` also for
what the manifest needs: an index may be there without its images, a manifest without its layers.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from pilotage.api.errors import InputError
from pilotage.app.images import Images
from pilotage.app.releases import Release
from pilotage.images import locations
from pilotage.images import reference as references
from pilotage.images.copy import CopyResult, copy_image
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.inspect import manifest_of
from pilotage.images.mirrors import Mirrors
from pilotage.images.parallel import gather
from pilotage.images.payload import mirrorlist
from pilotage.images.payload.mirrorlist import MirrorStep
from pilotage.images.reference import Reference
from pilotage.images.source import ImageTarget

__all__ = ["ImageCheck", "Mirrored", "PlaceCheck", "check", "instructions", "mirror", "plan"]

State = Literal[
    "present", "missing", "unauthorized", "unreachable", "digest mismatch", "incomplete", "not contacted"
]

_ANYWHERE = "localhost/release"  # where the list is wanted, and not the places in it
_AT_ONCE = 4
_CHECKS_AT_ONCE = 12
_STATES: dict[str, State] = {
    "NotFound": "missing",
    "Unauthorized": "unauthorized",
    "ContentIntegrity": "digest mismatch",
    "UnsupportedManifest": "digest mismatch",
}
_ITMS = {
    "apiVersion": "config.openshift.io/v1",
    "kind": "ImageTagMirrorSet",
    "metadata": {"name": "release-mirror"},
}


class Mirrored(msgspec.Struct, frozen=True):
    """What came of a mirror: the copies by component, and the failures."""

    steps: tuple[MirrorStep, ...]
    results: dict[str, CopyResult]
    failed: dict[str, ImageError]

    def count(self, way: Literal["copied", "mounted", "existed"]) -> int:
        return sum(each.count(way) for each in self.results.values())

    def size(self, way: Literal["copied", "mounted", "existed"]) -> int:
        return sum(each.size(way) for each in self.results.values())


class PlaceCheck(msgspec.Struct, frozen=True):
    """One place where an image may be read; `cause` says why it cannot."""

    place: str
    role: Literal["mirror", "source"]
    state: State
    cause: str = ""


class ImageCheck(msgspec.Struct, frozen=True):
    """One image of a release with every place, in the order in which they are tried."""

    name: str
    image: str
    places: tuple[PlaceCheck, ...]

    @property
    def is_reachable(self) -> bool:
        return any(each.state == "present" for each in self.places)


# -- mirror ---------------------------------------------------------------------------------------------------------


def plan(release: Release, to: str, skip: tuple[str, ...] = ()) -> tuple[MirrorStep, ...]:
    """What goes where, without the images whose name fits a pattern of `skip`. In a layout everything keeps its own name.

    Raises ImageError; InputError `NothingSkipped` for a pattern that fits nothing: a typo would be found too late.
    """
    layout = _layout_of(to)
    if layout is None:
        return _without(mirrorlist.mirror_list(release.payload, to.removeprefix("docker://")), skip)
    named = _without(mirrorlist.mirror_list(release.payload, _ANYWHERE), skip)
    tag = release.reference.tag if release.reference is not None else ""
    return tuple(
        MirrorStep(
            each.name,
            each.source,
            each.source.tagged(tag) if tag and each.name == "release" else each.source,
        )
        for each in named
    )


def _without(steps: tuple[MirrorStep, ...], skip: tuple[str, ...]) -> tuple[MirrorStep, ...]:
    names = [each.name for each in steps]
    idle = [pattern for pattern in skip if not fnmatch.filter(names, pattern)]
    if idle:
        raise InputError(
            "NothingSkipped",
            f"nothing in the release is called {', '.join(idle)}",
            hint="pilotage release mirror --dry-run -o json lists the names",
        )
    skipped = {name for pattern in skip for name in fnmatch.filter(names, pattern)}
    return tuple(each for each in steps if each.name not in skipped)


def _layout_of(to: str) -> str | None:
    """The directory of `oci:DIR`; None for a repository. Raises InputError for a place that cannot be mirrored to."""
    location = locations.parse_location(to)
    if location.kind == "registry":
        return None
    if location.kind != "oci" or location.name:
        raise InputError(
            "MirrorTarget",
            f"{to}: a release is mirrored to a repository or to oci:DIR",
            hint="Name it with --to.",
        )
    return location.path


async def mirror(
    images: Images, release: Release, to: str, steps: tuple[MirrorStep, ...], on_one: Callable[[str], None]
) -> Mirrored:
    """Copy the components, then the payload: who finds it in the mirror finds all of it. Failures do not stop the others."""
    layout = _layout_of(to)
    target = images.registry if layout is None else OciLayout(layout, create=True)
    source = images.beside(release.source, cached=False)
    results: dict[str, CopyResult] = {}
    failed: dict[str, ImageError] = {}

    async def run(step: MirrorStep) -> None:
        try:
            results[step.name] = await copy_image(source, step.source, target, step.destination)
        except ImageError as error:
            failed[step.name] = error
        on_one(step.name)

    waiting = iter([step for step in steps if step.name != "release"])

    async def work() -> None:
        for step in waiting:
            await run(step)

    await gather(work() for _ in range(_AT_ONCE))
    if not failed:
        for step in steps:
            if step.name == "release":
                await run(step)
    return Mirrored(steps, results, failed)


def instructions(steps: tuple[MirrorStep, ...], kind: Literal["idms", "itms"]) -> dict[str, Any]:
    """The object that tells a cluster of the mirror: for digests, or for tags."""
    found = mirrorlist.mirror_set(steps)
    if kind == "idms":
        return found
    return _ITMS | {"spec": {"imageTagMirrors": found["spec"]["imageDigestMirrors"]}}


# -- check ----------------------------------------------------------------------------------------------------------


async def check(
    images: Images,
    release: Release,
    mirrors: Mirrors,
    on_one: Callable[[str], None],
    *,
    is_deep: bool = False,
    skip: tuple[str, ...] = (),
) -> tuple[ImageCheck, ...]:
    """Look for the payload and all it names, at every mirror and at the source. A host that is gone is asked once."""
    checker = _Checker(images.registry, is_deep=is_deep)
    steps = _without(mirrorlist.mirror_list(release.payload, _ANYWHERE), skip)
    wanted = [(step.name, step.source) for step in steps]
    found: dict[str, ImageCheck] = {}
    waiting = iter(wanted)

    async def work() -> None:
        for name, reference in waiting:
            places = [await checker.look(each, role) for each, role in _places(mirrors, reference)]
            found[name] = ImageCheck(name, str(reference), tuple(places))
            on_one(name)

    await gather(work() for _ in range(_CHECKS_AT_ONCE))
    return tuple(found[name] for name, _ in wanted)


def _places(
    mirrors: Mirrors, reference: Reference
) -> Iterator[tuple[str, Literal["mirror", "source", "forbidden"]]]:
    own = str(reference)
    candidates = mirrors.candidates(reference).references
    for each in candidates:
        yield each, "source" if each == own else "mirror"
    if own not in candidates:
        yield own, "forbidden"


class _Checker:
    def __init__(self, registry: ImageTarget, *, is_deep: bool) -> None:
        self._registry = registry
        self._is_deep = is_deep
        self._gone: dict[str, str] = {}

    async def look(self, place: str, role: Literal["mirror", "source", "forbidden"]) -> PlaceCheck:
        if role == "forbidden":
            return PlaceCheck(place, "source", "not contacted", "a mirror rule says NeverContactSource")
        try:
            reference = references.parse(place)
        except ImageError as error:
            return PlaceCheck(place, role, "missing", error.message)
        if reference.host in self._gone:
            return PlaceCheck(place, role, "unreachable", self._gone[reference.host])
        try:
            cause = await self._missing(reference)
        except ImageError as error:
            cause = (
                error.message.partition(f"{reference}: ")[2] or error.message
            )  # the place stands beside it
            if error.code == "RegistryUnreachable":
                self._gone[reference.host] = cause
            return PlaceCheck(place, role, _STATES.get(error.code, "unreachable"), cause)
        return PlaceCheck(place, role, "incomplete" if cause else "present", cause)

    async def _missing(self, reference: Reference, digest: str = "") -> str:
        """What the manifest needs and the place lacks; empty when it has all, or nobody wants to know."""
        manifest = await self._registry.manifest(reference, digest or reference.digest)
        if not self._is_deep:
            return ""
        if manifest.is_index:
            for child in manifest.index().manifests:
                try:
                    if lacking := await self._missing(reference, child.digest):
                        return lacking
                except ImageError as error:
                    if error.code != "NotFound":
                        raise
                    return f"the image {child.digest} of the index is missing"
            return ""
        image = manifest_of(manifest, reference)
        for blob in (image.config, *image.layers):
            if not await self._registry.has_blob(reference, blob.digest):
                return f"the blob {blob.digest} is missing"
        return ""
