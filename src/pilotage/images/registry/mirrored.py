"""Where is this image really read from, when there are mirrors?

`resolver` names the candidates in order: mirrors, then the source unless that is forbidden. Each is tried with the
request that was wanted, not with a probe. No answer, no access, no such content and wrong content all move on to the next
one; wrong content is reported besides, even when another candidate has the right bytes, because somebody has to look at that
mirror. When none delivers there is one error with every candidate and its own cause, in the order tried.

A candidate that failed is passed over for a minute, one that delivered is trusted for five, each for one credential: another
pull secret may fare differently. The last candidate is always tried, so a note from a minute ago alone never fails a read.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from pilotage.decision.findings import Finding, warning
from pilotage.images.digests import Progress
from pilotage.images.errors import Attempt, ImageError
from pilotage.images.reference import Reference
from pilotage.images.registry.pacing import Pace
from pilotage.images.resolver import Resolver
from pilotage.images.source import Descriptor, ImageSource, Manifest

__all__ = ["Availability", "MirroredSource", "ResumableSource"]

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_MOVES_ON: Final = ("ContentIntegrity", "RegistryUnreachable", "Unauthorized", "NotFound")
"""Worst first: when candidates failed differently, the error has the first code that occurs. `NotFound` is last because
it is an answer only when every candidate gave it."""
_POSITIVE_LIFE = 300.0
_NEGATIVE_LIFE = 60.0
_MAX_NOTES = 4096


class ResumableSource(ImageSource, Protocol):
    """A source that can go on with a blob which another candidate began."""

    def resume_blob(
        self, reference: Reference, descriptor: Descriptor, progress: Progress
    ) -> AsyncGenerator[bytes, None]: ...

    def credential_id(self, reference: Reference) -> str: ...


class _Note(msgspec.Struct):
    until: float
    cause: str
    """Empty for a candidate that delivered."""


class Availability:
    """What was seen of each candidate lately, by (reference, credential)."""

    def __init__(
        self, pace: Pace, *, positive_life: float = _POSITIVE_LIFE, negative_life: float = _NEGATIVE_LIFE
    ) -> None:
        self._clock = pace.clock
        self._positive_life = positive_life
        self._negative_life = negative_life
        self._notes: dict[tuple[Reference, str], _Note] = {}

    def failure(self, candidate: Reference, credential: str) -> str:
        """Why this candidate failed lately; empty when it did not, or nothing is known."""
        note = self._fresh(candidate, credential)
        return note.cause if note is not None else ""

    def delivered(self, candidate: Reference, credential: str) -> bool:
        note = self._fresh(candidate, credential)
        return note is not None and not note.cause

    def note(self, candidate: Reference, credential: str, cause: str) -> None:
        """Remember that the candidate failed for `cause`, or delivered when that is empty."""
        life = self._negative_life if cause else self._positive_life
        self._notes.pop((candidate, credential), None)
        self._notes[candidate, credential] = _Note(self._clock.monotonic() + life, cause)
        if len(self._notes) > _MAX_NOTES:
            del self._notes[next(iter(self._notes))]

    def forget(self, name: str = "") -> None:
        """Forget everything, or the candidates whose registry/repository is `name` or lies below it.

        For when mirror objects change: what was true of the old list says nothing about the new one.
        """
        doomed = [key for key in self._notes if not name or f"{key[0].name}/".startswith(f"{name}/")]
        for key in doomed:
            del self._notes[key]

    def _fresh(self, candidate: Reference, credential: str) -> _Note | None:
        note = self._notes.get((candidate, credential))
        return note if note is not None and note.until > self._clock.monotonic() else None


class MirroredSource:
    """Reads each image from the first candidate that delivers it (`source.ImageSource`).

    `report` is given every candidate with wrong content, as a Finding; by default it goes to the log.
    """

    def __init__(
        self,
        source: ResumableSource,
        resolver: Resolver,
        *,
        availability: Availability | None = None,
        report: Callable[[Finding], None] | None = None,
    ) -> None:
        self._source = source
        self._resolver = resolver
        self._availability = availability or Availability(Pace())
        self._report = report or _log_finding

    async def resolve(self, reference: Reference) -> Descriptor:
        return await self._first(reference, "failed to resolve", self._source.resolve)

    async def manifest(self, reference: Reference, digest: str) -> Manifest:
        return await self._first(
            reference,
            "failed to read the manifest of",
            lambda candidate: self._source.manifest(candidate, digest),
        )

    async def blob(self, reference: Reference, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """The blob; a candidate that breaks off is followed by the next one from the same byte on.

        Bytes that were handed on cannot be taken back: `ContentIntegrity` at the end of a blob that was handed on is raised,
        and the next read passes that candidate over.
        """
        progress = Progress(descriptor.digest)
        round_ = _Round(reference, "failed to read a blob of", self._report)
        for candidate, credential in self._usable(reference, round_):
            try:
                async with contextlib.aclosing(
                    self._source.resume_blob(candidate, descriptor, progress)
                ) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except ImageError as error:
                self._note_failure(round_, candidate, credential, error)
                if error.code == "ContentIntegrity":
                    if progress.offset:
                        raise round_.error() from None
                    progress = Progress(descriptor.digest)
            else:
                self._availability.note(candidate, credential, "")
                return
        raise round_.error()

    async def referrers(self, reference: Reference, digest: str) -> Sequence[Descriptor]:
        return await self._first(
            reference,
            "failed to list the referrers of",
            lambda candidate: self._source.referrers(candidate, digest),
        )

    async def tags(self, reference: Reference) -> Sequence[str]:
        return await self._first(reference, "failed to list the tags of", self._source.tags)

    def forget(self, name: str = "") -> None:
        """Mirror objects changed: forget what was seen of candidates (see `Availability.forget`)."""
        self._availability.forget(name)

    async def close(self) -> None:
        await self._source.close()

    async def _first(self, reference: Reference, attempt: str, ask: Callable[[Reference], Awaitable[T]]) -> T:
        round_ = _Round(reference, attempt, self._report)
        for candidate, credential in self._usable(reference, round_):
            try:
                answer = await ask(candidate)
            except ImageError as error:
                self._note_failure(round_, candidate, credential, error)
            else:
                self._availability.note(candidate, credential, "")
                return answer
        raise round_.error()

    def _usable(self, reference: Reference, round_: _Round) -> Iterator[tuple[Reference, str]]:
        """The candidates to try, each with its credential; those that failed lately are passed over, save the last."""
        resolution = self._resolver.resolve(str(reference))
        round_.override = resolution.override
        for position, candidate in enumerate(resolution.candidates):
            credential = self._source.credential_id(candidate)
            failure = self._availability.failure(candidate, credential)
            if failure and position < len(resolution.candidates) - 1:
                round_.passed_over(candidate, failure)
            else:
                yield candidate, credential

    def _note_failure(self, round_: _Round, candidate: Reference, credential: str, error: ImageError) -> None:
        """Record the failure, or raise it when no other candidate can do better."""
        if error.code not in _MOVES_ON:
            raise error
        round_.failed(candidate, error)
        self._availability.note(candidate, credential, round_.attempts[-1].cause)


class _Round:
    """One read over all candidates: what was tried, and the error when nothing came of it."""

    def __init__(self, reference: Reference, attempt: str, report: Callable[[Finding], None]) -> None:
        self._reference = reference
        self._attempt = attempt
        self._report = report
        self._codes: list[str] = []
        self._hints: list[str] = []
        self.attempts: list[Attempt] = []
        self.override = ""

    def failed(self, candidate: Reference, error: ImageError) -> None:
        cause = error.resolved[-1].cause if error.resolved else error.message
        self.attempts.append(Attempt(str(candidate), cause))
        self._codes.append(error.code)
        self._hints.append(error.hint)
        if error.code == "ContentIntegrity":
            self._report(
                warning(
                    "ContentIntegrity",
                    f"{self._attempt} {self._reference} at {candidate}: {cause}",
                    subject=str(candidate),
                    hint=error.hint,
                )
            )

    def passed_over(self, candidate: Reference, failure: str) -> None:
        self.attempts.append(
            Attempt(str(candidate), f"not tried, it failed within the last minute: {failure}")
        )

    def error(self) -> ImageError:
        code = next((code for code in _MOVES_ON if code in self._codes), "NotFound")
        tried = tuple(f"{attempt.candidate} ({attempt.cause})" for attempt in self.attempts)
        hint = next((hint for of, hint in zip(self._codes, self._hints, strict=True) if of == code), "")
        return ImageError(
            code,
            f"{self._attempt} {self._reference}: {self._cause(tried)}",
            reference=str(self._reference),
            resolved=tuple(self.attempts),
            hint=hint,
            messages=tried if len(tried) > 1 else (),
        )

    def _cause(self, tried: tuple[str, ...]) -> str:
        because = f"the override of {self.override} applies; " if self.override else ""
        match self.attempts:
            case []:
                return f"{because}its mirrors name no usable candidate and the source must not be contacted"
            case [Attempt(candidate, cause)] if candidate == str(self._reference):
                return cause
            case [_]:
                return f"{because}tried {tried[0]}"
            case _:
                return f"{because}{len(tried)} candidates tried: {'; '.join(tried)}"


def _log_finding(finding: Finding) -> None:
    _LOG.warning("%s", finding.message)
