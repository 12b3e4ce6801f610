"""Which components does a release payload name?

The file `release-manifests/image-references` is an ImageStream in JSON (YAML is read as well): its name is the version
of the release, each tag names a component and the image it comes from. A tag that comes from no image is left out, a
repeated name keeps its last image, an image without a digest is kept; each of these is a warning.

Follows openshift/oc `pkg/cli/admin/release/new.go` and `info.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import msgspec

from pilotage.decision.findings import Finding, warning
from pilotage.images.errors import ImageError
from pilotage.images.payload import componentversions, documents
from pilotage.images.payload.componentversions import ComponentVersions

__all__ = [
    "COMMIT",
    "FILE",
    "METALAYER",
    "OVERRIDE",
    "SOURCE_LOCATION",
    "SOURCE_REF",
    "Component",
    "ImageReferences",
    "Tag",
    "TagFrom",
    "component_of",
    "parse",
]

FILE = "image-references"
COMMIT = "io.openshift.build.commit.id"
SOURCE_REF = "io.openshift.build.commit.ref"
SOURCE_LOCATION = "io.openshift.build.source-location"
OVERRIDE = "io.openshift.release.override"
METALAYER = "io.openshift.metalayer"

_KIND = "ImageStream"
_API_VERSION = "image.openshift.io/v1"
_FROM_RELEASE = "release.openshift.io/from-release"
_FROM_IMAGE_STREAM = "release.openshift.io/from-image-stream"


class TagFrom(msgspec.Struct, frozen=True):
    """Where a tag comes from: `DockerImage` for a component, `name` is its pull spec."""

    kind: str | None = None
    name: str | None = None


class Tag(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """One tag of the ImageStream, as written."""

    name: str | None = None
    annotations: dict[str, str | None] | None = None
    from_: TagFrom | None = None


class Component(msgspec.Struct, frozen=True):
    """One component: its name, its pull spec, and the annotations that its build left."""

    name: str
    image: str
    annotations: Mapping[str, str] = {}

    @property
    def commit(self) -> str:
        """The full hash of the source commit; empty when unknown."""
        return self.annotations.get(COMMIT, "")

    @property
    def source_location(self) -> str:
        return self.annotations.get(SOURCE_LOCATION, "")

    @property
    def is_overridden(self) -> bool:
        """It was substituted by hand while the payload was built."""
        return self.annotations.get(OVERRIDE) == "true"


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    name: str | None = None
    creation_timestamp: str | None = None
    annotations: dict[str, str | None] | None = None


class _Spec(msgspec.Struct, frozen=True):
    tags: tuple[Tag | None, ...] | None = None


class _ImageStream(msgspec.Struct, frozen=True):
    metadata: _Meta | None = None
    spec: _Spec | None = None


class ImageReferences(msgspec.Struct, frozen=True, dict=True):
    """The components of one payload, by name, in payload order. `version` is as written, empty when there is none."""

    version: str
    components: Mapping[str, Component]
    tags: tuple[Tag, ...] = ()
    warnings: tuple[Finding, ...] = ()
    created: str = ""
    from_release: str = ""
    from_image_stream: str = ""

    @cached_property
    def versions(self) -> ComponentVersions:
        """The component versions that the tags declare."""
        return componentversions.combine(
            ((tag.name or "", tag.annotations) for tag in self.tags), self.version
        )

    def images(self) -> dict[str, str]:
        """Name to pull spec, a map of its own."""
        return {name: component.image for name, component in self.components.items()}

    def image_of(self, name: str) -> str:
        """The pull spec of a component. Raises ImageError `ComponentMissing` naming component and payload."""
        component = self.components.get(name)
        if component is None:
            raise ImageError(
                "ComponentMissing",
                f"release {self.version or 'without a version'} has no component {name}",
                reference=name,
                hint="list its components with `pilotage release components`",
            )
        return component.image


def parse(text: str | bytes) -> ImageReferences:
    """Read the file.

    Raises ImageError `MalformedPayloadFile` with the position when it does not parse, `NotAReleasePayload` with the kind
    that was found when it is no ImageStream.
    """
    document = documents.load(text, FILE, braces_are_json=True)
    if not _is_image_stream(document):
        raise ImageError(
            "NotAReleasePayload",
            f"unrecognized {FILE} in the release payload: expected {_KIND} of {_API_VERSION}, found {_describe(document)}",
            hint="give the pull spec of a release image, not of a component",
        )
    try:
        stream = msgspec.convert(document, _ImageStream)
    except msgspec.ValidationError as error:
        raise documents.malformed(FILE, str(error)) from None
    meta = stream.metadata or _Meta()
    tags = tuple(tag or Tag() for tag in (stream.spec.tags if stream.spec else None) or ())
    components, warnings = read_tags(tags)
    annotations = meta.annotations or {}
    return ImageReferences(
        meta.name or "",
        components,
        tags,
        warnings,
        meta.creation_timestamp or "",
        annotations.get(_FROM_RELEASE) or "",
        annotations.get(_FROM_IMAGE_STREAM) or "",
    )


def read_tags(tags: Iterable[Tag]) -> tuple[dict[str, Component], tuple[Finding, ...]]:
    """The components that the tags name, and one warning for each skipped, repeated or undigested tag."""
    components: dict[str, Component] = {}
    warnings: list[Finding] = []
    for tag in tags:
        component = component_of(tag)
        if component is None:
            kind = tag.from_.kind if tag.from_ else None
            why = f"comes from {kind}, not from DockerImage" if kind else "comes from no image"
            warnings.append(_tag_warning("TagSkipped", tag.name or "", why))
            continue
        if components.pop(component.name, None) is not None:
            warnings.append(_tag_warning("TagRepeated", component.name, "is repeated; the last entry counts"))
        if "@" not in component.image:
            warnings.append(_tag_warning("TagNotPinned", component.name, "does not point to a digest"))
        components[component.name] = component
    return components, tuple(warnings)


def component_of(tag: Tag) -> Component | None:
    """The component that a tag names; None when it comes from something that is no image."""
    if tag.from_ is None or tag.from_.kind != "DockerImage":
        return None
    annotations = {key: value or "" for key, value in (tag.annotations or {}).items()}
    return Component(tag.name or "", tag.from_.name or "", annotations)


def _is_image_stream(document: Any) -> bool:
    return (
        isinstance(document, Mapping)
        and document.get("kind") == _KIND
        and document.get("apiVersion") == _API_VERSION
    )


def _describe(document: Any) -> str:
    if document is None:
        return "an empty document"
    if not isinstance(document, Mapping):
        return f"a JSON {'array' if isinstance(document, list) else 'scalar'}"
    kind, version = document.get("kind"), document.get("apiVersion")
    if not kind and not version:
        return "neither kind nor apiVersion"
    return f"kind {_short(kind)} of {_short(version)}"


def _short(value: Any) -> str:
    return f'"{value[:80]}"' if isinstance(value, str) else "something that is no text"


def _tag_warning(code: str, name: str, why: str) -> Finding:
    return warning(code, f"the tag {name or 'without a name'} {why}", subject=name)
