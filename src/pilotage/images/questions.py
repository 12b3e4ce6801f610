"""The questions about release payloads that can be asked by name: `pilotage decide payload.…`.

Each is a thin face over the pure modules of this room: an input, a value, and one function that turns one into the
other. What the input *holds* (a document, an annotation, a reference) is judged by those modules with their own codes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotage.decision.findings import Finding
from pilotage.decision.questions import Question
from pilotage.images import mirrors, reference
from pilotage.images.credentials import Credentials
from pilotage.images.mirrors import Mirrors
from pilotage.images.overrides import Overrides
from pilotage.images.payload import bootimages, componentversions, diff, imagereferences
from pilotage.images.payload.bootimages import BootImages
from pilotage.images.payload.componentversions import ComponentVersion
from pilotage.images.payload.streams import Stream

__all__ = ["QUESTIONS"]


class Problem(msgspec.Struct, frozen=True, gc=False):
    """A problem or warning: a stable code and a sentence."""

    code: str
    message: str


class Text(msgspec.Struct, frozen=True):
    """The text of one file."""

    text: str


class ImageReferencesValue(msgspec.Struct, frozen=True):
    """`components` is name to pull spec, in payload order."""

    version: str
    components: dict[str, str]
    warnings: list[Problem]


class LabelInput(msgspec.Struct, frozen=True, rename="camel"):
    """The two annotation values of one tag, null when it has none."""

    versions: str | None
    display_names: str | None


class LabelValue(msgspec.Struct, frozen=True):
    versions: dict[str, ComponentVersion]


class VersionTag(msgspec.Struct, frozen=True):
    name: str
    annotations: dict[str, str | None] | None = None


class ComponentVersionsInput(msgspec.Struct, frozen=True, rename="camel"):
    tags: list[VersionTag]
    release_name: str | None = ""


class ComponentVersionsValue(msgspec.Struct, frozen=True, rename="camel"):
    """`machineOS` lists every operating system version with its tag, where `versions` has room for one."""

    versions: dict[str, ComponentVersion]
    problems: list[Problem]
    tag_of: dict[str, str]
    machine_os: list[MachineOS] = msgspec.field(name="machineOS")


class MachineOS(msgspec.Struct, frozen=True, rename="camel"):
    tag: str
    version: str
    display_name: str


class StreamSummary(msgspec.Struct, frozen=True):
    """`architectures` is sorted."""

    stream: str
    architectures: list[str]


class BootImagesValue(msgspec.Struct, frozen=True):
    """`streams` is null when the ConfigMap has no such key."""

    default: StreamSummary | None
    streams: dict[str, StreamSummary | None] | None


class StreamForInput(msgspec.Struct, frozen=True):
    """`default` and the values of `streams` are what those streams are called."""

    default: str | None
    streams: dict[str, str | None] | None
    name: str


class StreamForValue(msgspec.Struct, frozen=True):
    stream: str
    fallback: bool


class OverrideInput(msgspec.Struct, frozen=True):
    image: str
    overrides: dict[str, str]


class OverrideValue(msgspec.Struct, frozen=True):
    """`source` is the override that matched."""

    image: str
    source: str | None


class MirrorTextValue(msgspec.Struct, frozen=True):
    mirrors: dict[str, list[str]]


class MirrorCandidatesInput(msgspec.Struct, frozen=True, rename="camel"):
    mirror_objects: list[dict[str, Any]]
    reference: str


class MirrorCandidatesValue(msgspec.Struct, frozen=True):
    """`candidates` stand in the order to try them."""

    candidates: list[str]
    warnings: list[Problem]


class PullCredentialInput(msgspec.Struct, frozen=True):
    """`dockerconfigjson` is the document, not its text."""

    dockerconfigjson: dict[str, Any]
    reference: str


class PullCredentialValue(msgspec.Struct, frozen=True):
    """`username` is null for anonymous access; `location` is the key that matched."""

    username: str | None
    location: str | None


class DiffFrom(msgspec.Struct, frozen=True):
    kind: str | None = None
    name: str | None = None


class DiffTag(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    name: str
    annotations: dict[str, str | None] | None = None
    from_: DiffFrom | None = None


class DiffSide(msgspec.Struct, frozen=True):
    version: str
    tags: list[DiffTag]


class DiffInput(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    from_: DiffSide
    to: DiffSide


class DiffValue(msgspec.Struct, frozen=True):
    """Sorted component names."""

    changed: list[str]
    rebuilt: list[str]
    added: list[str]
    removed: list[str]


def _image_references(asked: Text) -> ImageReferencesValue:
    found = imagereferences.parse(asked.text)
    return ImageReferencesValue(found.version, found.images(), _problems(found.warnings))


def _component_version_label(asked: LabelInput) -> LabelValue:
    return LabelValue(componentversions.parse_label(asked.versions or "", asked.display_names or ""))


def _component_versions(asked: ComponentVersionsInput) -> ComponentVersionsValue:
    found = componentversions.combine(
        ((tag.name, tag.annotations) for tag in asked.tags), asked.release_name or ""
    )
    return ComponentVersionsValue(
        dict(found.versions),
        _problems(found.problems),
        dict(found.tag_of),
        [MachineOS(seen.tag, seen.version.version, seen.version.display_name) for seen in found.machine_os],
    )


def _boot_images(asked: Text) -> BootImagesValue:
    found: BootImages = bootimages.parse(asked.text)
    several = found.streams
    return BootImagesValue(
        _summary(found.default),
        None if several is None else {name: _summary(stream) for name, stream in several.items()},
    )


def _stream_for(asked: StreamForInput) -> StreamForValue:
    chosen = bootimages.choose(asked.name, asked.default, asked.streams)
    return StreamForValue(chosen.stream, chosen.fallback)


def _registry_override(asked: OverrideInput) -> OverrideValue:
    found = Overrides(asked.overrides).apply(asked.image)
    return OverrideValue(found.image, found.source)


def _mirror_text(asked: Text) -> MirrorTextValue:
    return MirrorTextValue(mirrors.parse_mirrors(asked.text))


def _mirror_candidates(asked: MirrorCandidatesInput) -> MirrorCandidatesValue:
    parsed = reference.parse(asked.reference)
    found = Mirrors.of_objects(asked.mirror_objects).candidates(parsed)
    return MirrorCandidatesValue(list(found.references), _problems(found.warnings))


def _pull_credential(asked: PullCredentialInput) -> PullCredentialValue:
    credentials = Credentials.of(asked.dockerconfigjson)
    # A credential is chosen by the name alone: the digest is not looked at, and need not be whole.
    found = credentials.first(reference.parse(asked.reference.partition("@")[0]))
    if found is None:
        return PullCredentialValue(None, None)
    return PullCredentialValue(None if found.is_anonymous else found.username, found.location)


def _diff(asked: DiffInput) -> DiffValue:
    found = diff.compare(_components(asked.from_), _components(asked.to))
    return DiffValue(
        [change.name for change in found.changed],
        [change.name for change in found.rebuilt],
        [component.name for component in found.added],
        [component.name for component in found.removed],
    )


def _components(side: DiffSide) -> dict[str, imagereferences.Component]:
    tags = (
        imagereferences.Tag(
            tag.name,
            tag.annotations,
            imagereferences.TagFrom(tag.from_.kind, tag.from_.name) if tag.from_ else None,
        )
        for tag in side.tags
    )
    return imagereferences.read_tags(tags)[0]


def _summary(stream: Stream | None) -> StreamSummary | None:
    return None if stream is None else StreamSummary(stream.stream, sorted(stream.architectures))


def _problems(findings: tuple[Finding, ...]) -> list[Problem]:
    return [Problem(finding.code, finding.message) for finding in findings]


QUESTIONS: tuple[Question[Any, Any], ...] = (
    Question(
        "payload.image-references",
        "Which version and components does an image-references file name?",
        Text,
        ImageReferencesValue,
        _image_references,
    ),
    Question(
        "payload.component-version-label",
        "Which component versions do the two annotations of one tag declare?",
        LabelInput,
        LabelValue,
        _component_version_label,
    ),
    Question(
        "payload.component-versions",
        "Which component versions do all tags of a payload declare together, and which tags are wrong?",
        ComponentVersionsInput,
        ComponentVersionsValue,
        _component_versions,
    ),
    Question(
        "payload.boot-images",
        "Which OS streams does a boot image ConfigMap carry?",
        Text,
        BootImagesValue,
        _boot_images,
    ),
    Question(
        "payload.stream-for",
        "Which OS stream is meant by a name?",
        StreamForInput,
        StreamForValue,
        _stream_for,
    ),
    Question(
        "payload.registry-override",
        "What is an image called after registry overrides?",
        OverrideInput,
        OverrideValue,
        _registry_override,
    ),
    Question(
        "payload.mirror-text",
        "Which mirrors does the flag or environment form list?",
        Text,
        MirrorTextValue,
        _mirror_text,
    ),
    Question(
        "payload.mirror-candidates",
        "Where is an image tried, in which order, given the mirror objects of a cluster?",
        MirrorCandidatesInput,
        MirrorCandidatesValue,
        _mirror_candidates,
    ),
    Question(
        "payload.pull-credential",
        "Which credential of a pull secret opens the repository of an image?",
        PullCredentialInput,
        PullCredentialValue,
        _pull_credential,
    ),
    Question(
        "payload.diff",
        "Which components were changed, rebuilt, added or removed between two payloads?",
        DiffInput,
        DiffValue,
        _diff,
    ),
)
