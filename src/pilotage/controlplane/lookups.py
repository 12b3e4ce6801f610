"""What registries say about images, asked once however many clusters want to know.

Three things are looked up: the release payload (version and pull spec of the control plane operator), whether an operator
image carries the binary, and the labels of an image. Each answer is immutable for its digest and kept by digest; callers
who ask while a lookup runs wait for that lookup. A tag is resolved anew every time.

A failure is an answer too (`NotSeen` with the cause) but is never kept as one: the binary check is tried again after a
pause that grows from one second to five minutes, so a registry in trouble is not asked by every cluster of a fleet.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from pilotage.controlplane.facts import CPO_BINARY, HYPERSHIFT_COMPONENT, Binary, Release
from pilotage.decision.facts import Fact, Known, NotSeen
from pilotage.images import reference
from pilotage.images.errors import ImageError
from pilotage.images.inspect import inspect_image
from pilotage.images.layers.executables import has_executable
from pilotage.images.parallel import SingleFlight
from pilotage.images.payload.payload import load_payload
from pilotage.images.reference import Reference
from pilotage.images.source import Descriptor, ImageSource
from pilotage.runtime.clock import Clock

__all__ = ["Lookups", "lookups_of"]

T = TypeVar("T")

_KEPT = 4096  # answers of one sort; each is a few hundred bytes
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0  # seconds
_NOT_PULLABLE = ("NotFound", "Unauthorized", "InvalidReference")


class _Failure(msgspec.Struct, frozen=True):
    """A check that failed: what to answer until it is worth asking again, by the monotonic clock."""

    cause: str
    pause: float
    retry_at: float


class _ByDigest(Generic[T]):
    """Answers by digest, at most one lookup under way for each; errors pass through and are not kept."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, T] = OrderedDict()
        self._flights: SingleFlight[str, T] = SingleFlight()

    async def ask(self, digest: str, look: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if digest in self._answers:
            self._answers.move_to_end(digest)
            return self._answers[digest]
        answer = await self._flights.run(digest, look)
        self._answers[digest] = answer
        while len(self._answers) > _KEPT:
            self._answers.popitem(last=False)
        return answer


class Lookups:
    """One for each image source. No method raises ImageError: what could not be seen is a fact."""

    def __init__(self, source: ImageSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._releases: _ByDigest[Release] = _ByDigest()
        self._binaries: _ByDigest[Known[Binary]] = _ByDigest()
        self._labels: _ByDigest[Mapping[str, str]] = _ByDigest()
        self._pulled: _ByDigest[Descriptor] = _ByDigest()
        self._tags: SingleFlight[str, str] = SingleFlight()
        self._failures: dict[str, _Failure] = {}

    async def release(self, image: str) -> Fact[Release]:
        """Version and control plane operator of a release payload."""

        async def look() -> Known[Release]:
            named = reference.parse(image)
            # The source refuses a name without tag and digest; `latest` of a release is nobody's intention.
            pinned = (
                await self._pin(image)
                if named.tag or named.digest
                else named.at((await self._source.resolve(named)).digest)
            )
            return Known(await self._releases.ask(pinned.digest, lambda: self._read_release(pinned)), image)

        return await _seen(look())

    async def labels(self, image: str) -> Fact[Mapping[str, str]]:
        """The labels of an image."""

        async def look() -> Known[Mapping[str, str]]:
            pinned = await self._pin(image)
            return Known(await self._labels.ask(pinned.digest, lambda: self._read_labels(pinned)), image)

        return await _seen(look())

    async def pinned(self, image: str) -> Fact[str]:
        """The image by digest; a digest that stands in the reference needs no request."""

        async def look() -> Known[str]:
            return Known(str(await self._pin(image)), image)

        return await _seen(look())

    async def pullable(self, image: str) -> bool | None:
        """Can the image be pulled? None when the registry could not be asked."""
        try:
            pinned = await self._pin(image)
            await self._pulled.ask(pinned.digest, lambda: self._source.resolve(pinned))
        except ImageError as error:
            return False if error.code in _NOT_PULLABLE else None
        return True

    async def binary(self, image: str) -> Fact[Binary]:
        """Does the operator image carry the control plane operator binary, for every architecture?"""
        failure = self._failures.get(image)
        if failure and self._clock.monotonic() < failure.retry_at:
            return NotSeen(failure.cause)

        async def look() -> Fact[Binary]:
            pinned = await self._pin(image)
            return await self._binaries.ask(pinned.digest, lambda: self._check_binary(pinned))

        found = await _seen(look())
        if isinstance(found, NotSeen):
            self._pause(image, failure, found.cause)
        else:
            self._failures.pop(image, None)
        return found

    def retry_in(self, image: str) -> float | None:
        """Seconds until a failed binary check of `image` is worth asking again; None when none failed."""
        failure = self._failures.get(image)
        return max(0.0, failure.retry_at - self._clock.monotonic()) if failure else None

    def _pause(self, image: str, before: _Failure | None, cause: str) -> None:
        now = self._clock.monotonic()
        current = self._failures.get(image)
        if current and now < current.retry_at:
            return  # somebody who asked at the same time has noted this failure already
        pause = min(before.pause * 2, _LONGEST_PAUSE) if before else _FIRST_PAUSE
        self._failures[image] = _Failure(cause, pause, now + pause)

    async def _pin(self, image: str) -> Reference:
        parsed = reference.parse(image)
        if parsed.is_pinned:
            return parsed.at(parsed.digest)
        digest = await self._tags.run(image, lambda: self._digest(parsed))
        return parsed.at(digest)

    async def _digest(self, parsed: Reference) -> str:
        tagged = parsed if parsed.tag else parsed.tagged("latest")
        return (await self._source.resolve(tagged)).digest

    async def _read_release(self, pinned: Reference) -> Release:
        payload = await load_payload(self._source, pinned)
        component = payload.components.get(HYPERSHIFT_COMPONENT)
        return Release(payload.version, {HYPERSHIFT_COMPONENT: component.image} if component else {})

    async def _check_binary(self, pinned: Reference) -> Known[Binary]:
        check = await has_executable(self._source, pinned, CPO_BINARY)
        if check.answer == "yes":
            return Known(True, f"in the layers of {check.digest}")
        if check.answer == "partial":
            return Known("partial", f"missing for {', '.join(check.missing)} in {check.digest}")
        return Known(False, f"not in the layers of {check.digest}")

    async def _read_labels(self, pinned: Reference) -> Mapping[str, str]:
        return (await inspect_image(self._source, pinned)).labels


def lookups_of(source: ImageSource, clock: Clock) -> Lookups:
    """The one `Lookups` of this image source: everybody who observes through it shares what was found."""
    found = _BY_SOURCE.get(source)
    if found is None:
        found = _BY_SOURCE[source] = Lookups(source, clock)
    return found


_BY_SOURCE: WeakKeyDictionary[ImageSource, Lookups] = WeakKeyDictionary()
"""A source is a connection pool or a directory; its answers live as long as it does."""


async def _seen(look: Awaitable[Fact[T]]) -> Fact[T]:
    try:
        return await look
    except ImageError as error:
        return NotSeen(error.message)
