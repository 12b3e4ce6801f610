"""Do new nodes boot what the release runs? The OS images of a payload and its boot images, stream by stream.

A node boots from a boot image and is then moved to the OS image of the release. Where the two are far apart the first boot does
more, and may fail on what only the newer one knows. Other releases of the boot image are normal; this says which.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pilotage.images.errors import ImageError
from pilotage.images.payload.bootimages import BootImages
from pilotage.images.payload.componentversions import ComponentVersions

__all__ = ["BootDrift", "boot_drift"]


class BootDrift(msgspec.Struct, frozen=True, rename="camel"):
    """One stream on one architecture: the OS version of the release (`component` carries it), and what nodes boot from."""

    stream: str
    component: str
    os_version: str
    architecture: str
    boot_releases: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        return self.boot_releases == (self.os_version,)


def boot_drift(found: BootImages, versions: ComponentVersions) -> tuple[BootDrift, ...]:
    """Every operating system that the payload declares, against the boot images of its stream; in payload order."""
    return tuple(_drift(found, versions))


def _drift(found: BootImages, versions: ComponentVersions) -> Iterator[BootDrift]:
    for each in versions.machine_os:
        name = "rhel-10" if each.tag.endswith("-10") else "rhel-9"
        try:
            chosen = found.stream_for(name)
        except ImageError:
            continue  # an operating system without boot images of its own
        for architecture, described in sorted(chosen.stream.architectures.items()):
            releases = {artifact.release for artifact in described.artifacts.values() if artifact.release}
            stream = chosen.stream.stream if chosen.fallback else name
            yield BootDrift(stream, each.tag, each.version.version, architecture, tuple(sorted(releases)))
