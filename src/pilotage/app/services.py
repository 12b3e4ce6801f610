"""What `observe` is given, for a command that only looks: objects and images from where the user said, and real time."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import msgspec

from pilotage.app import images, instance
from pilotage.app.images import ImageAccess
from pilotage.app.objects import ObjectSource, open_reader
from pilotage.decision.findings import Finding
from pilotage.images.disk.layout import OciLayout
from pilotage.room import Services
from pilotage.runtime.clock import SystemClock

__all__ = ["OpenedServices", "open_services"]


class OpenedServices(msgspec.Struct, frozen=True):
    """`name` is what the source of the objects is called; `findings` tell what could not be read."""

    services: Services
    name: str
    findings: tuple[Finding, ...] = ()


@contextlib.asynccontextmanager
async def open_services(source: ObjectSource, access: ImageAccess) -> AsyncIterator[OpenedServices]:
    """Objects of an instance come with the images of that instance alone; objects of files with all that can be read:
    the images of the instance that is meant, what was read before, registries, each cluster's with its pull secret.
    Objects of a real cluster come without the images of an instance, unless one is named.
    """
    if source.cluster is not None:
        access = msgspec.structs.replace(access, finds_instance=False)
    async with open_reader(source) as objects, images.opened(access) as places:
        if objects.data_dir:
            layout = OciLayout(instance.layout_path(objects.data_dir))
            services = Services(objects.reader, layout, SystemClock())
        else:
            services = Services(objects.reader, places.cached, SystemClock(), places.with_pull_secret)
        yield OpenedServices(services, objects.name, objects.findings)
