"""How is a release payload made? One layer with `release-manifests/`, on a base image or on nothing, for each architecture.

The layer holds the directory first, then `image-references`, `release-metadata`, and the manifests, all 0444. The same input
gives the same bytes and so the same digest: the time is an argument, not the clock. Labels of the base are dropped, the payload has
its own. Component images are named by digest and nothing of them is copied.

Follows openshift/oc `pkg/cli/admin/release/new.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pilotage.api.versions import is_semver
from pilotage.images import reference as references
from pilotage.images.copy import copy_blobs
from pilotage.images.errors import ImageError
from pilotage.images.inspect import inspect_image, manifest_of, read_config_bytes
from pilotage.images.layers.build import Entry, PackedLayer, pack, push_image, push_index
from pilotage.images.layers.files import read_directory
from pilotage.images.payload import componentversions, imagereferences
from pilotage.images.payload import metadata as releasemetadata
from pilotage.images.payload.files import DIRECTORY
from pilotage.images.payload.manifests import ComponentSource, payload_manifests
from pilotage.images.platforms import images_of, open_image
from pilotage.images.reference import Reference
from pilotage.images.source import DOCKER_MANIFEST, ImageSource, ImageTarget, Manifest, Platform

__all__ = ["OPERATOR_LABEL", "Base", "NewRelease", "build_release", "component_source", "payload_files"]

OPERATOR_LABEL = "io.openshift.release.operator"
_RELEASE_LABEL = "io.openshift.release"
_BASE_LABEL = "io.openshift.release.base-image-digest"
_ARCHITECTURE = "release.openshift.io/architecture"
_FROM_RELEASE = "release.openshift.io/from-release"
_TAG_LABELS = (
    imagereferences.COMMIT,
    imagereferences.SOURCE_REF,
    imagereferences.SOURCE_LOCATION,
    componentversions.VERSIONS,
    componentversions.DISPLAY_NAMES,
)
_ONE = (Platform("amd64", "linux"),)


class NewRelease(msgspec.Struct, frozen=True):
    """What a release shall be. `created` is RFC 3339; `previous` may update to it; `extra` are further files by name."""

    version: str
    components: tuple[ComponentSource, ...]
    created: str = ""
    previous: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}
    from_release: str = ""
    extra: Mapping[str, bytes] = {}


class Base(msgspec.Struct, frozen=True):
    """The image under the payload, normally the cluster version operator's."""

    source: ImageSource
    reference: Reference


async def component_source(source: ImageSource, name: str, reference: Reference) -> ComponentSource:
    """A component from its image: the annotations that its labels give, and `/manifests` when it says that it has some.

    Raises ImageError. The pull spec is pinned to the digest that the reference names now.
    """
    info = await inspect_image(source, reference)
    manifests: dict[str, bytes] = {}
    if info.labels.get(OPERATOR_LABEL) == "true":
        chosen = await open_image(source, reference.at(info.digest))
        found = await read_directory(source, reference, chosen.image, "manifests")
        manifests = {
            path.removeprefix("manifests/"): raw for path, raw in found.items() if path.count("/") == 1
        }
    annotations = {key: info.labels[key] for key in _TAG_LABELS if key in info.labels}
    return ComponentSource(name, str(reference.at(info.digest)), manifests, annotations)


async def build_release(
    target: ImageTarget,
    destination: Reference,
    release: NewRelease,
    *,
    base: Base | None = None,
    platforms: Sequence[Platform] = (),
) -> Manifest:
    """Build the payload and store it under the tag of `destination`; an index when there are several platforms.

    Platforms are those given, else those of the base, else linux/amd64. Raises ImageError listing all problems.
    """
    _check(release)
    parts = await _base_images(base, platforms)
    is_multi = len(parts) > 1
    layer = pack(_entries(payload_files(release, is_multi=is_multi)))
    images = []
    for platform, digest in parts:
        tag = "" if is_multi else destination.tag
        image = await _push(
            target, destination, release, layer, platform, (base, digest) if base else None, tag
        )
        images.append((image, platform))
    if not is_multi:
        return images[0][0]
    return await push_index(target, destination, images, tag=destination.tag)


def payload_files(release: NewRelease, *, is_multi: bool = False) -> dict[str, bytes]:
    """The files of `release-manifests/` in payload order. Raises ImageError listing every unknown reference."""
    metadata = dict(release.metadata) | ({_ARCHITECTURE: "multi"} if is_multi else {})
    document: dict[str, Any] = {
        "kind": "cincinnati-metadata-v0",
        "version": release.version,
        "previous": sorted(release.previous),
    }
    if release.next:
        document["next"] = sorted(release.next)
    if metadata:
        document["metadata"] = dict(sorted(metadata.items()))
    files = {
        imagereferences.FILE: _json(_image_stream(release)),
        releasemetadata.FILE: _json(document),
    }
    manifests = payload_manifests(release.version, release.components)
    return files | dict(sorted((manifests | dict(release.extra)).items()))


def _check(release: NewRelease) -> None:
    problems = []
    if not is_semver(release.version):
        problems.append(f'failed to parse version "{release.version}": it is not MAJOR.MINOR.PATCH')
    names = [component.name for component in release.components]
    problems += [
        f"component {name} is given more than once"
        for name in sorted({n for n in names if names.count(n) > 1})
    ]
    for component in release.components:
        try:
            pinned = references.parse(component.image).is_pinned
        except ImageError as error:
            problems.append(f"component {component.name}: {error.message}")
        else:
            if not pinned:
                problems.append(f"component {component.name}: {component.image} does not point to a digest")
    if problems:
        raise ImageError(
            "InvalidReleaseVersion"
            if problems[0].startswith("failed to parse version")
            else "InvalidReference",
            f"failed to build release {release.version}: {problems[0]}",
            messages=tuple(problems),
        )


async def _base_images(base: Base | None, platforms: Sequence[Platform]) -> list[tuple[Platform, str]]:
    """For each platform to build the digest of the base image, empty without a base."""
    if base is None:
        return [(platform, "") for platform in platforms or _ONE]
    if not platforms:
        info = await inspect_image(base.source, base.reference)
        if not info.children:
            return [(info.platform, info.digest)]
        top = await base.source.manifest(base.reference, info.digest)
        return [(each.platform, each.digest) for each in images_of(top.index().manifests) if each.platform]
    found = []
    for platform in platforms:
        info = await inspect_image(base.source, base.reference, platform)
        found.append((platform, info.image_digest))
    return found


async def _push(
    target: ImageTarget,
    destination: Reference,
    release: NewRelease,
    layer: PackedLayer,
    platform: Platform,
    base: tuple[Base, str] | None,
    tag: str,
) -> Manifest:
    labels = {_RELEASE_LABEL: release.version}
    config: dict[str, Any] = {}
    if base is None:
        below: Sequence[Any] = ()
        docker = False
    else:
        labels[_BASE_LABEL] = base[1]
        source, reference = base[0].source, base[0].reference
        manifest = await source.manifest(reference, base[1])
        image = manifest_of(manifest, reference)
        await copy_blobs(source, reference, target, destination, image.layers)
        config = _base_config(await read_config_bytes(source, reference, image.config))
        below, docker = image.layers, manifest.media_type == DOCKER_MANIFEST
    if release.created:
        config["created"] = release.created
    return await push_image(
        target,
        destination,
        [layer],
        config=config,
        base_layers=below,
        platform=platform,
        labels=labels,
        flavour="docker" if docker else "oci",
        tag=tag,
    )


def _base_config(raw: bytes) -> dict[str, Any]:
    """What a payload keeps of its base: how to run it and what its layers are. Labels, history and times are its own."""
    document = msgspec.json.decode(raw, type=dict[str, Any])
    kept = {
        key: document[key]
        for key in ("architecture", "os", "variant", "rootfs", "config")
        if document.get(key)
    }
    kept["config"] = {key: value for key, value in kept.get("config", {}).items() if key != "Labels"}
    return kept


def _entries(files: Mapping[str, bytes]) -> list[Entry]:
    directory = Entry(DIRECTORY, kind="directory", mode=0o755)
    return [directory, *(Entry(f"{DIRECTORY}/{name}", raw, 0o444) for name, raw in files.items())]


def _image_stream(release: NewRelease) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": release.version}
    if release.created:
        metadata["creationTimestamp"] = release.created
    if release.from_release:
        metadata["annotations"] = {_FROM_RELEASE: release.from_release}
    tags = [
        {
            "name": component.name,
            "annotations": dict(sorted(component.annotations.items())),
            "from": {"kind": "DockerImage", "name": component.image},
        }
        for component in sorted(release.components, key=lambda each: each.name)
    ]
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": metadata,
        "spec": {"lookupPolicy": {"local": False}, "tags": tags},
    }


def _json(document: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
