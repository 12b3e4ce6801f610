"""Which files of a release go to disk? What `pilotage release extract` calls.

A manifest belongs to a cluster when it names the cluster's profile (`include.release.openshift.io/<profile>: "true"`) and
either no feature set or the cluster's (`release.openshift.io/feature-set`, a list with commas). Of a file with several documents
those that belong are kept, as they are written. Follows openshift/library-go `pkg/manifest/manifest.go`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from pilotage.api import manifest
from pilotage.api.errors import InputError
from pilotage.api.meta import Object
from pilotage.app.releases import Release
from pilotage.images.errors import ImageError
from pilotage.images.parallel import in_thread
from pilotage.images.payload import extract

__all__ = ["Selection", "extract_to", "selected"]

_PROFILE = "include.release.openshift.io/"
_FEATURE_SET = "release.openshift.io/feature-set"
_SEPARATOR = re.compile(rb"^---[ \t]*(?:#.*)?$\r?\n?", re.MULTILINE)


class Selection(msgspec.Struct, frozen=True):
    """What to take: everything, or only credential requests (of one `cloud`), or only what a cluster would apply."""

    credentials_requests: bool = False
    cloud: str = ""
    profile: str = ""
    feature_set: str = ""


async def selected(release: Release, selection: Selection) -> dict[str, bytes]:
    """The manifests by name. Raises ImageError, `MalformedPayloadFile` for one that must be judged and does not parse."""
    found = await release.payload.manifests()
    if selection.profile or selection.feature_set:
        found = _included(found, selection)
    if selection.credentials_requests or selection.cloud:
        found = extract.credentials_requests(found, selection.cloud)
    return found


async def extract_to(release: Release, selection: Selection, directory: Path) -> tuple[Path, ...]:
    """Write what is selected; without a selection also the two lists and all unknown files. Raises ImageError."""
    if selection == Selection():
        _, contents = await release.payload.source_files.read(lambda _name: True)
        found = dict(sorted(contents.items()))
    else:
        found = await selected(release, selection)
    return await in_thread(extract.extract, found, directory)


def _included(manifests: Mapping[str, bytes], selection: Selection) -> dict[str, bytes]:
    found = {name: b"---\n".join(_belonging(name, raw, selection)) for name, raw in manifests.items()}
    return {name: raw for name, raw in found.items() if raw}


def _belonging(name: str, raw: bytes, selection: Selection) -> Iterator[bytes]:
    for part in _SEPARATOR.split(raw):
        if part.strip():
            try:
                objects = manifest.load_objects(part, name)
            except InputError as error:
                raise ImageError("MalformedPayloadFile", f"{name} does not parse: {error.message}") from None
            if any(_belongs(each, selection) for each in objects):
                yield part


def _belongs(value: Object, selection: Selection) -> bool:
    if selection.profile and value.annotations.get(_PROFILE + selection.profile) != "true":
        return False
    listed = value.annotations.get(_FEATURE_SET)
    return (
        listed is None
        or (selection.feature_set or "Default") in listed.split(",")
        or not (selection.profile or selection.feature_set)
    )
