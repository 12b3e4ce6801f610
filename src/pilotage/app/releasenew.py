"""How is a release made out of another one and some changed components? What `pilotage release new` calls.

A component that is named anew is read from its image: the digest that its tag names now, the annotations that its labels give, its
manifests. In a release made from another one the other components stay as they are. So do the manifests, except those of a
component whose new image brings its own; in those that stay, the pull spec of a replaced component becomes the new one.

Without a base the payload is built on its own `cluster-version-operator`, as openshift/oc does (`pkg/cli/admin/release/new.go`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from pilotage.api.errors import InputError
from pilotage.app.images import Images
from pilotage.app.releases import Release, open_release
from pilotage.images import reference as references
from pilotage.images.errors import ImageError
from pilotage.images.payload import imagereferences
from pilotage.images.payload.manifests import ComponentSource, payload_manifests
from pilotage.images.payload.newrelease import Base, NewRelease, build_release, component_source
from pilotage.images.platforms import parse_platform
from pilotage.images.reference import Reference
from pilotage.images.source import Manifest

__all__ = ["SCRATCH", "Built", "Order", "build", "created_now"]

SCRATCH = "scratch"
_CVO = "cluster-version-operator"


class Order(msgspec.Struct, frozen=True):
    """What the user asks for. `base` is a location, empty for the default, `scratch` for none."""

    version: str
    to: str
    components: Mapping[str, str] = {}
    manifests: Mapping[str, Path] = {}
    from_release: str = ""
    base: str = ""
    platforms: tuple[str, ...] = ()
    previous: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}
    created: str = ""


class Built(msgspec.Struct, frozen=True):
    """The new payload: where it is, and how many components and manifests it names."""

    destination: Reference
    manifest: Manifest
    release: NewRelease
    replaced: tuple[str, ...]

    @property
    def pull_spec(self) -> str:
        return str(self.destination.at(self.manifest.digest))


async def build(images: Images, order: Order, on_one: Callable[[str], None]) -> Built:
    """Build the payload and store it. Raises ImageError and InputError listing what is wrong; nothing is stored then."""
    target, named = images.target(order.to)
    destination = _tagged(named, order)
    parent = await open_release(images, order.from_release) if order.from_release else None
    fresh = {
        name: await _component(images, parent, name, image, on_one)
        for name, image in order.components.items()
    }
    kept = _kept(parent, fresh)
    components = _with_manifests({**kept, **fresh}, order.manifests)
    release = NewRelease(
        order.version,
        tuple(components.values()),
        order.created or created_now(os.environ),
        order.previous,
        order.next,
        order.metadata,
        parent.payload.pull_spec if parent else "",
        await _inherited(parent, order.version, components),
    )
    platforms = tuple(parse_platform(each) for each in order.platforms)
    base = await _base(images, parent, components, order.base)
    manifest = await build_release(target, destination, release, base=base, platforms=platforms)
    replaced = tuple(
        sorted(name for name in fresh if parent is not None and name in parent.payload.components)
    )
    return Built(destination, manifest, release, replaced)


def created_now(environment: Mapping[str, str]) -> str:
    """The time of `$SOURCE_DATE_EPOCH`, so that a build can be repeated byte for byte, else the time now."""
    text = environment.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(text), UTC) if text.isdigit() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


async def _component(
    images: Images, parent: Release | None, name: str, image: str, on_one: Callable[[str], None]
) -> ComponentSource:
    """A component of the order; its image may lie beside the parent."""
    if ":" in image and image.split(":", maxsplit=1)[0] in ("oci", "oci-archive", "docker-archive"):
        source, reference = await images.open(image, cached=True)
    else:
        source, reference = parent.components if parent else images.cached, references.parse(image)
    found = await component_source(source, name, reference)
    on_one(name)
    if parent is None or name not in parent.payload.components:
        return found
    return msgspec.structs.replace(found, annotations={**found.annotations, imagereferences.OVERRIDE: "true"})


def _kept(parent: Release | None, fresh: Mapping[str, ComponentSource]) -> dict[str, ComponentSource]:
    """The components of the parent that stay: their names, pull specs and annotations; their manifests are inherited."""
    found = parent.payload.components.values() if parent else ()
    return {
        each.name: ComponentSource(each.name, each.image, {}, each.annotations)
        for each in found
        if each.name not in fresh
    }


def _with_manifests(
    components: Mapping[str, ComponentSource], directories: Mapping[str, Path]
) -> dict[str, ComponentSource]:
    """Manifests from directories in place of those in images. Raises InputError listing every wrong name and directory."""
    problems = [
        f"{name}: the release has no such component" for name in directories if name not in components
    ]
    problems += [f"{name}: {path} is no directory" for name, path in directories.items() if not path.is_dir()]
    if problems:
        raise InputError("ReleaseOrderInvalid", f"--manifests: {problems[0]}", messages=tuple(problems))
    changed = {
        name: msgspec.structs.replace(components[name], manifests=_files(path))
        for name, path in directories.items()
    }
    return {**components, **changed}


def _files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.is_file()}


async def _inherited(
    parent: Release | None, version: str, components: Mapping[str, ComponentSource]
) -> dict[str, bytes]:
    """The parent's manifests that stay, with the pull specs of this release in them."""
    if parent is None:
        return {}
    bringing = {name for name, each in components.items() if each.manifests}
    made_anew = payload_manifests(version, tuple(components.values()))
    old = parent.payload.components
    uses = Counter(each.image for each in old.values())
    changed = {
        old[name].image.encode(): each.image.encode()
        for name, each in components.items()
        # Of a pull spec that several components share nobody can say which of them a manifest means.
        if name in old and old[name].image not in ("", each.image) and uses[old[name].image] == 1
    }
    found = {}
    for name, raw in (await parent.payload.manifests()).items():
        if name not in made_anew and _owner(name, components) not in bringing:
            for before, after in changed.items():
                raw = raw.replace(before, after)  # noqa: PLW2901 -- one manifest, all its pull specs
            found[name] = raw
    return found


def _owner(name: str, components: Mapping[str, ComponentSource]) -> str:
    """The component in `0000_<level>_<component>_<file>`: the longest name that fits."""
    parts = name.split("_", 2)
    rest = parts[2] if len(parts) == 3 else ""
    return max((each for each in components if rest.startswith(f"{each}_")), key=len, default="")


async def _base(
    images: Images, parent: Release | None, components: Mapping[str, ComponentSource], named: str
) -> Base | None:
    if named == SCRATCH or (not named and _CVO not in components):
        return None
    if named:
        source, reference = await images.open(named, cached=True)
        return Base(source, reference)
    return Base(
        images.beside(parent.source if parent else None, cached=False),
        references.parse(components[_CVO].image),
    )


def _tagged(destination: Reference, order: Order) -> Reference:
    """A place that was named without a tag gets the version as tag, so that the release can be found."""
    if destination.digest:
        raise ImageError(
            "InvalidReference",
            f"failed to build {order.version}: {order.to} names a digest, which only the result can have",
            reference=order.to,
        )
    return destination if destination.tag else destination.tagged(order.version.replace("+", "_"))
