"""Which image stands in for this one, because the management cluster says so?

Two flags replace images without asking a registry. *Registry overrides* rewrite a prefix; the longest source wins, and
a source ends on a border: the end of the image, `/`, `@`, or `:` when the source names a repository (behind a bare host
a colon starts a port). *Component overrides* put another image in place of one component of a payload. Both serve the
management cluster alone: data plane users need the canonical image, so it is kept beside the replacement.

Follows openshift/hypershift `support/util/registryoverride` and the annotation `hypershift.openshift.io/image-overrides`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from pilotage.images import reference
from pilotage.images.errors import ImageError

__all__ = ["NONE", "ComponentOverrides", "Overridden", "Overrides"]

NONE = "="
"""The text form of "no overrides": a flag of the kind `name=value,...` cannot be given an empty value."""


class Overridden(msgspec.Struct, frozen=True, gc=False):
    """`image` is what to use, `canonical` what was asked for, `source` the override that matched (None: none did)."""

    image: str
    canonical: str
    source: str | None = None


class Overrides:
    """Prefix rewrites, applied without a probe and without a fallback."""

    __slots__ = ("_lengths", "_targets")

    def __init__(self, targets: Mapping[str, str] | None = None) -> None:
        self._targets = {source: target for source, target in (targets or {}).items() if source}
        self._lengths = sorted({len(source) for source in self._targets}, reverse=True)

    @classmethod
    def parse(cls, text: str) -> Overrides:
        """Read the flag form `source=target,...`. Entries without `=` or with an empty side are skipped."""
        return cls(dict(pairs(text)))

    def __str__(self) -> str:
        """The flag form, sorted."""
        return ",".join(f"{source}={self._targets[source]}" for source in sorted(self._targets)) or NONE

    def __bool__(self) -> bool:
        return bool(self._targets)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Overrides) and self._targets == other._targets

    def __hash__(self) -> int:
        return hash(frozenset(self._targets.items()))

    def apply(self, image: str) -> Overridden:
        """Rewrite `image` by the longest source that matches; the remainder is kept as it is."""
        for length in self._lengths:
            source = image[:length]
            if source in self._targets and _is_border(image, length):
                return Overridden(self._targets[source] + image[length:], image, source)
        return Overridden(image, image)


class ComponentOverrides:
    """Images that replace components of every payload, by component name."""

    __slots__ = ("_images",)

    def __init__(self, images: Mapping[str, str] | None = None) -> None:
        self._images = dict(images or {})

    @classmethod
    def parse(cls, text: str) -> ComponentOverrides:
        """Read `name=pullspec,...`.

        Raises ImageError `ComponentOverrideInvalid` with every malformed entry: a skipped one would silently run the
        wrong image.
        """
        images: dict[str, str] = {}
        faults: list[str] = []
        for entry in text.split(",") if text not in ("", NONE) else []:
            name, equals, image = (part.strip() for part in entry.partition("="))
            fault = _entry_fault(name, equals, image)
            if fault or name in images:
                faults.append(f'"{entry}": {fault or f"component {name} is given twice"}')
            else:
                images[name] = image
        if faults:
            raise ImageError(
                "ComponentOverrideInvalid",
                f"image overrides: {'; '.join(faults)}",
                hint="write NAME=PULLSPEC,NAME=PULLSPEC; nothing was overridden",
                messages=tuple(faults),
            )
        return cls(images)

    def __str__(self) -> str:
        return ",".join(f"{name}={self._images[name]}" for name in sorted(self._images)) or NONE

    def __bool__(self) -> bool:
        return bool(self._images)

    def __contains__(self, name: object) -> bool:
        return name in self._images

    def apply(self, components: Mapping[str, str]) -> dict[str, str]:
        """A new map with the replacements in it; a payload that is cached stays as it is."""
        return {**components, **self._images}


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """The `source=target` pairs of a flag; malformed ones are left out."""
    for entry in text.split(","):
        source, _, target = entry.partition("=")
        if source and target:
            yield source, target


def _is_border(image: str, end: int) -> bool:
    """Does a source of this length end where the image ends, or in front of a path, a digest or a tag?"""
    following = image[end : end + 1]
    return following in ("", "/", "@") or (following == ":" and "/" in image[:end])


def _entry_fault(name: str, equals: str, image: str) -> str:
    if not equals or not name or not image:
        return "must be NAME=PULLSPEC"
    try:
        reference.parse(image)
    except ImageError as error:
        return error.message
    return ""
