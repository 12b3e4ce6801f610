"""What must be copied to mirror a release, and how is a cluster told of the mirror?

One line for the payload and one for each component: source by digest, destination by a tag that names release, architecture and
component (`4.21.0-x86_64-etcd`), all in one repository; a pattern with `${component}` and `${version}` spreads them. The
boot image of KubeVirt is named by the payload's boot image streams only, and is listed too: it is the one that gets forgotten.

Follows openshift/oc `pkg/cli/admin/release/mirror.go` and openshift/api `config/v1/types_image_digest_mirror_set.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from pilotage.images import reference as references
from pilotage.images.errors import ImageError
from pilotage.images.payload.payload import ReleasePayload
from pilotage.images.reference import Reference

__all__ = ["MirrorStep", "mirror_list", "mirror_set"]

_COMPONENT = "${component}"
_VERSION = "${version}"
_RPM_NAMES: Final[Mapping[str, str]] = {"amd64": "x86_64", "arm64": "aarch64"}


class MirrorStep(msgspec.Struct, frozen=True):
    """Copy `source` to `destination`; `name` is the component, `release` for the payload itself."""

    name: str
    source: Reference
    destination: Reference

    def __str__(self) -> str:
        return f"{self.source} {self.destination}"


def mirror_list(payload: ReleasePayload, to: str) -> tuple[MirrorStep, ...]:
    """Everything to copy: the payload, its components in payload order, then container disks.

    `to` is a repository, or a pattern with `${component}`. Raises ImageError `InvalidReference` with every fault.
    """
    steps: list[MirrorStep] = []
    problems: list[str] = []
    for name, image in _images(payload):
        try:
            source = references.parse(image)
            if not source.is_pinned:
                problems.append(f"{name}: {image} does not point to a digest")
            steps.append(MirrorStep(name, source, _destination(payload, to, name)))
        except ImageError as error:
            problems.append(f"{name}: {error.message}")
    if problems:
        raise ImageError(
            "InvalidReference",
            f"failed to list what to mirror of {payload.reference}: {problems[0]}",
            reference=payload.reference,
            messages=tuple(dict.fromkeys(problems)),
        )
    return tuple(steps)


def mirror_set(steps: tuple[MirrorStep, ...], name: str = "release-mirror") -> dict[str, Any]:
    """An ImageDigestMirrorSet that sends nodes to the mirror for every repository of the list."""
    mirrors: dict[str, list[str]] = {}
    for step in steps:
        found = mirrors.setdefault(step.source.name, [])
        if step.destination.name not in found:
            found.append(step.destination.name)
    return {
        "apiVersion": "config.openshift.io/v1",
        "kind": "ImageDigestMirrorSet",
        "metadata": {"name": name},
        "spec": {
            "imageDigestMirrors": [
                {"source": source, "mirrors": found} for source, found in sorted(mirrors.items())
            ]
        },
    }


def _images(payload: ReleasePayload) -> Iterator[tuple[str, str]]:
    if payload.digest:
        yield "release", payload.pull_spec
    for component in payload.components.values():
        yield component.name, component.image
    boot_images = payload.content.boot_images
    if boot_images is None:
        return
    known = {component.image for component in payload.components.values()}
    streams = {"": boot_images.default, **(boot_images.streams or {})}
    for stream in streams.values():
        for architecture, described in (stream.architectures if stream else {}).items():
            disk = described.images.kubevirt
            if disk is not None and disk.digest_ref and disk.digest_ref not in known:
                known.add(disk.digest_ref)
                yield f"kubevirt-{stream.stream if stream else ''}-{architecture}", disk.digest_ref


def _destination(payload: ReleasePayload, to: str, name: str) -> Reference:
    version = payload.version.replace("+", "_")  # a tag cannot hold a plus
    if _COMPONENT in to:
        return references.parse(to.replace(_COMPONENT, name).replace(_VERSION, version))
    repository = references.parse(to)
    if repository.tag or repository.digest:
        raise ImageError(
            "InvalidReference", f'the destination "{to}" must be a repository without tag and digest'
        )
    label = f"{version}-{_architecture(payload)}" if _architecture(payload) else version
    return repository.tagged(label if name == "release" else f"{label}-{name}")


def _architecture(payload: ReleasePayload) -> str:
    if payload.content.is_multi_arch or (payload.metadata is not None and payload.metadata.is_multi):
        return "multi"
    name = payload.content.config.architecture
    return _RPM_NAMES.get(name, name)
