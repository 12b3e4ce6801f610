"""Which image does a Snapshot ask to be verified: exactly one, by digest.

The pipeline hands the `spec` of the Snapshot on as JSON text. `RULES` say what is wrong with it, first match wins; what passes
them all is an image that is pinned. A tag is never enough: it may name another image when the tests start.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Guard, Passes, Refuses, Rule, Verdict, first_match
from pilotage.gate.ticks import snapshots
from pilotage.gate.ticks.snapshots import SnapshotComponent

__all__ = ["QUESTION", "RULES", "ImageRequest", "PinnedImage", "image_of", "read_spec"]

QUESTION: Final = "gate-image"
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


class ImageRequest(msgspec.Struct, frozen=True):
    """The components of a Snapshot, None when it could not be read, and the component that is to be verified."""

    components: tuple[SnapshotComponent, ...] | None
    component: str

    @property
    def entries(self) -> tuple[SnapshotComponent, ...]:
        """Those of the component. The same one twice is allowed."""
        return tuple(each for each in self.components or () if self.component and each.name == self.component)

    @property
    def image(self) -> str:
        return self.entries[0].image if self.entries else ""

    @property
    def name(self) -> str:
        return self.image.partition("@")[0]

    @property
    def digest(self) -> str:
        return self.image.partition("@")[2]


class PinnedImage(msgspec.Struct, frozen=True):
    """`revision` is the commit it was built from, None when the Snapshot does not say."""

    image: str
    digest: str
    revision: str | None


def read_spec(given: Any) -> tuple[SnapshotComponent, ...] | None:
    """The components of a Snapshot's `spec`, which is an object or its JSON text; None when it is neither."""
    value = given
    if isinstance(given, str):
        try:
            value = msgspec.json.decode(given)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
    return snapshots.read_components(value) if isinstance(value, dict) else None


def image_of(request: ImageRequest) -> Decision[PinnedImage]:
    """The one image of the component, or the error whose code says why there is none."""
    never = error("no-image", "no rule decided", subject=request.component)
    return first_match(QUESTION, request.component, RULES, request, otherwise=never)


def is_json(request: ImageRequest) -> Verdict[PinnedImage]:
    """The Snapshot is no JSON object."""
    return _unless(request.components is not None, request, "invalid-json", "it is no JSON object")


def has_components(request: ImageRequest) -> Verdict[PinnedImage]:
    """It has no components."""
    return _unless(bool(request.components), request, "no-components", "the Snapshot has no components")


def has_the_component(request: ImageRequest) -> Verdict[PinnedImage]:
    """None of its components is the one to verify."""
    return _unless(bool(request.entries), request, "component-not-found", "no component has this name")


def is_unambiguous(request: ImageRequest) -> Verdict[PinnedImage]:
    """The component is there twice, with different images."""
    images = {each.image for each in request.entries}
    return _unless(
        len(images) < 2, request, "ambiguous-component", f"it has the images {', '.join(sorted(images))}"
    )


def has_an_image(request: ImageRequest) -> Verdict[PinnedImage]:
    """The component has no image, or an image without a name."""
    return _unless(bool(request.name), request, "no-image", "it names no image")


def has_a_digest(request: ImageRequest) -> Verdict[PinnedImage]:
    """The image has no digest."""
    return _unless("@" in request.image, request, "no-digest", f'"{request.image}" has no digest')


def has_a_good_digest(request: ImageRequest) -> Verdict[PinnedImage]:
    """The digest is not `sha256:` with 64 lower-case hexadecimal digits."""
    is_good = _DIGEST.fullmatch(request.digest) is not None
    return _unless(is_good, request, "bad-digest", f'"{request.digest}" is no sha256 digest')


def pinned(request: ImageRequest) -> Verdict[PinnedImage]:
    """The image is pinned."""
    if not request.entries:
        return Passes("there is no image")
    found = request.entries[0]
    return Applies(PinnedImage(found.image, request.digest, found.revision), "one image, pinned by digest")


RULES: tuple[Rule[ImageRequest, PinnedImage], ...] = (
    Guard("invalid-json", is_json),
    Guard("no-components", has_components),
    Guard("component-not-found", has_the_component),
    Guard("ambiguous-component", is_unambiguous),
    Guard("no-image", has_an_image),
    Guard("no-digest", has_a_digest),
    Guard("bad-digest", has_a_good_digest),
    Rule("pinned", pinned),
)
"""Each guard is named after the code with which it ends the decision."""


def _unless(is_fine: bool, request: ImageRequest, code: str, problem: str) -> Verdict[PinnedImage]:
    if is_fine:
        return Passes("no fault of this kind")
    return Refuses(error(code, f"component {request.component or 'without a name'}: {problem}"))
