"""What do the manifests of a release payload look like, given those of its components?

Names: a file that does not begin with `0000_` becomes `0000_50_<component>_<file>`; a name that is taken gets `_2`, `_3`, …
before its extension. Images: a component's own `image-references` says by which pull specs its manifests mean which
component; those are replaced by the images of this release. Versions: `0.0.1-snapshot` becomes the version of the release
without its build part, `0.0.1-snapshot-<key>` the component version `<key>`.

Follows openshift/oc `pkg/cli/admin/release/new.go` and `image_mapper.go`. All problems are reported together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from pilotage.images.errors import ImageError
from pilotage.images.payload import componentversions, imagereferences
from pilotage.images.payload.componentversions import ComponentVersions

__all__ = ["ComponentSource", "payload_manifests"]

_ORDERED = "0000_"
_VERSION = re.compile(rb"(?<!\w)0\.0\.1-snapshot(?:-([a-z0-9-]*)|(?!\w))")
_LOCATOR = rb"(?::\w[\w.-]{0,127}|@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{2,})?"

Change = Callable[[bytes], bytes]


class ComponentSource(msgspec.Struct, frozen=True):
    """A component of a release to be: its name, its pull spec, its manifests by file name, and its tag annotations."""

    name: str
    image: str
    manifests: Mapping[str, bytes] = {}
    annotations: Mapping[str, str] = {}


def payload_manifests(version: str, components: Sequence[ComponentSource]) -> dict[str, bytes]:
    """The manifests of all components as they stand in the payload, in payload order.

    Raises ImageError `MalformedPayloadFile` listing every unknown image and version reference.
    """
    images = {component.name: component.image for component in components}
    found: dict[str, bytes] = {}
    problems: list[str] = []
    for component in sorted(components, key=lambda each: each.name):
        own = dict(component.manifests)
        local = own.pop(imagereferences.FILE, None)
        try:
            change_images, named = _image_change(local, images)
        except ImageError as error:
            problems.append(f"{component.name}: {error.message}")
            continue
        versions = _versions(
            components if named is None else (each for each in components if each.name in named)
        )
        for file, raw in sorted(own.items()):
            text, unknown = _with_versions(change_images(raw), version, versions)
            problems += [f"{component.name}: {file}: {problem}" for problem in unknown]
            found[_free_name(_payload_name(component.name, file), found)] = text
    if problems:
        raise ImageError(
            "MalformedPayloadFile",
            f"failed to assemble the manifests of {version}: {problems[0]}",
            messages=tuple(problems),
            hint="Give every component that the manifests name, with its version annotation.",
        )
    return found


def _payload_name(component: str, file: str) -> str:
    return file if file.startswith(_ORDERED) else f"{_ORDERED}50_{component}_{file}"


def _free_name(name: str, taken: Mapping[str, bytes]) -> str:
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    number = 2
    candidate = name
    while candidate in taken:
        candidate = f"{stem}_{number}{dot}{extension}"
        number += 1
    return candidate


def _image_change(local: bytes | None, images: Mapping[str, str]) -> tuple[Change, frozenset[str] | None]:
    """How to replace the pull specs that a component's `image-references` lists, and the components it names."""
    if local is None:
        return lambda raw: raw, None
    references = imagereferences.parse(local)
    replaced: dict[bytes, bytes] = {}
    for name, component in references.components.items():
        if name not in images:
            raise ImageError(
                "ComponentMissing", f"its {imagereferences.FILE} names the unknown component {name}"
            )
        if not component.image or component.image.encode() in replaced:
            what = "an empty pull spec" if not component.image else f"{component.image} twice"
            raise ImageError("MalformedPayloadFile", f"its {imagereferences.FILE} lists {what}")
        replaced[component.image.encode()] = images[name].encode()
    if not replaced:
        return lambda raw: raw, frozenset(references.components)
    # The longest first: one repository may begin like another.
    listed = b"|".join(re.escape(source) for source in sorted(replaced, key=len, reverse=True))
    pattern = re.compile(rb"(?<!\w)(" + listed + rb")" + _LOCATOR + rb"(?=[\s\"']|\Z)")
    return lambda raw: pattern.sub(lambda match: replaced[match[1]], raw), frozenset(references.components)


def _versions(components: Iterable[ComponentSource]) -> ComponentVersions:
    return componentversions.combine((each.name, each.annotations) for each in components)


def _with_versions(raw: bytes, version: str, versions: ComponentVersions) -> tuple[bytes, list[str]]:
    problems: list[str] = []

    def replace(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            return version.partition("+")[0].encode()
        key = match[1].decode()
        if not key:
            problems.append("empty version references are not allowed")
        elif key in versions.conflicts:
            problems.append(f'the version of "{key}" is not the same on all images that declare it')
        elif key not in versions.versions:
            problems.append(f'unknown version reference "{key}"')
        else:
            return versions.versions[key].version.encode()
        return match[0]

    return _VERSION.sub(replace, raw), list(dict.fromkeys(problems))
