"""Where may this image be fetched from, and by which name may it be handed on?

The answer depends on what it is for. *direct-fetch*: this process reads a registry, so overrides apply first, then the
mirrors of the management cluster in their order, then the source. *pod-spec*: the image name goes into a pod of the
management cluster, so overrides apply and the container runtime applies the mirrors. *data-plane*: the name lands on
nodes of a hosted cluster, which know nothing of the management cluster, so nothing applies. A resolver is built for one
purpose and refuses at that moment what its purpose forbids: mixing the three up is the most reported class of bug.

Follows openshift/enhancements `enhancements/hypershift/unified-image-resolution.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from pilotage.decision.findings import Finding, warning
from pilotage.images import reference
from pilotage.images.errors import ImageError
from pilotage.images.mirrors import Mirrors
from pilotage.images.overrides import ComponentOverrides, Overrides
from pilotage.images.reference import Reference

__all__ = ["Component", "Purpose", "Resolution", "Resolver", "Step"]

Purpose = Literal["direct-fetch", "pod-spec", "data-plane"]

_FORBIDDEN: Mapping[Purpose, tuple[str, ...]] = {
    "direct-fetch": (),
    "pod-spec": ("mirrors",),
    "data-plane": ("overrides", "mirrors", "component overrides"),
}


class Step(msgspec.Struct, frozen=True):
    """One thing that was looked at on the way, for `release explain`."""

    name: str
    outcome: str


class Resolution(msgspec.Struct, frozen=True):
    """`given` is what the caller asked for, `image` what it is called after overrides, `candidates` where to try it.

    `override` is the source of the override that matched, `mirrored` the mirror source; empty when none did.
    """

    given: str
    image: str
    candidates: tuple[Reference, ...]
    override: str = ""
    mirrored: str = ""
    steps: tuple[Step, ...] = ()
    warnings: tuple[Finding, ...] = ()


class Component(msgspec.Struct, frozen=True, gc=False):
    """One component image under two names: `image` for this purpose, `canonical` as the payload has it."""

    name: str
    image: str
    canonical: str
    source: Literal["payload", "registry-override", "component-override"] = "payload"


class Resolver:
    """Names images for one purpose. Immutable: another configuration is another resolver.

    Raises ImageError `ForbiddenRewrite` when it is given something its purpose forbids.
    """

    __slots__ = ("_components", "_mirrors", "_overrides", "purpose")

    def __init__(
        self,
        purpose: Purpose,
        *,
        overrides: Overrides | None = None,
        mirrors: Mirrors | None = None,
        components: ComponentOverrides | None = None,
    ) -> None:
        given = {"overrides": overrides, "mirrors": mirrors, "component overrides": components}
        refused = [name for name in _FORBIDDEN[purpose] if given[name]]
        if refused:
            raise ImageError(
                "ForbiddenRewrite",
                f"a resolver for {purpose} takes no {' and no '.join(refused)} of the management cluster",
                hint="build one resolver for each purpose",
            )
        self.purpose: Purpose = purpose
        self._overrides = overrides or Overrides()
        self._mirrors = mirrors or Mirrors()
        self._components = components or ComponentOverrides()

    def resolve(self, image: str) -> Resolution:
        """Name `image` and list where to try it, in order.

        Raises ImageError `InvalidReference`; when an override made the reference invalid, the message says which.
        """
        overridden = self._overrides.apply(image)
        try:
            parsed = reference.parse(overridden.image)
        except ImageError as error:
            if overridden.source is None:
                raise
            raise ImageError(
                error.code,
                f'{error.message} (made of "{image}" by the override of {overridden.source})',
                reference=image,
                hint="correct the target of the override",
            ) from None
        found = self._mirrors.candidates(parsed)
        candidates, warnings = _parse_all(found.references)
        mirrored = found.matched.source if found.matched else ""
        steps = (
            Step(
                "override",
                f"{overridden.source} became {overridden.image}" if overridden.source else "none matched",
            ),
            Step("mirrors", f"{mirrored} matched" if mirrored else "none matched"),
            *(Step("candidate", str(candidate)) for candidate in candidates),
        )
        return Resolution(
            image,
            overridden.image,
            candidates,
            overridden.source or "",
            mirrored,
            steps,
            (*found.warnings, *warnings),
        )

    def components(self, components: Mapping[str, str]) -> dict[str, Component]:
        """Every component of a payload under its name for this purpose.

        Component overrides come last and win. The payload that was passed in stays as it is.
        """
        named: dict[str, Component] = {}
        for name, image in self._components.apply(components).items():
            if name in self._components:
                named[name] = Component(name, image, components.get(name, image), "component-override")
                continue
            overridden = self._overrides.apply(image)
            source: Literal["payload", "registry-override"] = (
                "registry-override" if overridden.source else "payload"
            )
            named[name] = Component(name, overridden.image, image, source)
        return named


def _parse_all(texts: Iterable[str]) -> tuple[tuple[Reference, ...], tuple[Finding, ...]]:
    """Candidates as references; a mirror that makes no reference is left out and reported."""
    candidates: list[Reference] = []
    warnings: list[Finding] = []
    for text in texts:
        try:
            candidates.append(reference.parse(text))
        except ImageError as error:
            warnings.append(
                warning("MirrorInvalid", f"a mirror is left out: {error.message}", subject=text[:200])
            )
    return tuple(candidates), tuple(warnings)
