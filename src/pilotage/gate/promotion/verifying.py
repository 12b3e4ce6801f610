"""May this image run on this platform? Answered by what lies beside the image, and by a public key: nothing else is asked.

A consumer has no access to the systems that tested the image. It has the repository, the key of the gate, and a clock. Accepted is
a digest that carries a verification summary, signed by the key, about exactly this digest and this platform, that says PASSED, unless a
person has taken the image back since. Everything that was looked at is reported with the reason why it counted or not.

When something is in doubt the answer is no. One thing cannot be seen here: a registry that hides a revocation. Who reads through
a mirror trusts it to carry all referrers, as `pilotage image copy` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from pilotage.gate.promotion.attestation import Evidence, read_evidence
from pilotage.gate.promotion.dsse import read_envelope
from pilotage.gate.promotion.keys import PublicKey
from pilotage.gate.promotion.statements import (
    PAYLOAD_TYPE,
    STANDING,
    TEST_RESULT,
    VERIFICATION_SUMMARY,
    Standing,
    Statement,
    Summary,
    read_standing,
    read_statement,
    read_summary,
)
from pilotage.gate.promotion.tags import TagRequest, tags_of
from pilotage.images.reference import Reference
from pilotage.images.source import ImageSource

__all__ = ["Answer", "Looked", "Verification", "judge", "standing_of", "verify"]

Answer = Literal["accepted", "no-attestation", "not-accepted", "revoked", "bad-platform", "bad-digest"]
Seen = Literal[
    "accepted",
    "revoked",
    "reinstated",
    "outdated",
    "malformed",
    "unknown-key",
    "bad-signature",
    "wrong-subject",
    "other-predicate",
    "other-platform",
    "wrong-tag",
    "not-passed",
    "bad-timestamp",
    "future-timestamp",
]

_SKEW: Final = timedelta(minutes=5)
"""How far the clocks of the gate and of a consumer may differ."""


class Looked(msgspec.Struct, frozen=True):
    """One artifact beside the image: what it is and whether it counted. `at` is the time that it states, RFC 3339."""

    digest: str
    predicate_type: str
    code: Seen
    reason: str
    at: str = ""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. `at` and `run` are those of the summary that was accepted; `looked` is everything, in the registry's order."""

    is_accepted: bool
    code: Answer
    reason: str
    digest: str
    platform: str
    reference: str = ""
    tag: str = ""
    run: str = ""
    at: str = ""
    looked: tuple[Looked, ...] = ()


class _Seen(msgspec.Struct, frozen=True):
    looked: Looked
    summary: Summary | None = None
    standing: Standing | None = None


async def verify(
    source: ImageSource, reference: Reference, platform: str, public_key: PublicKey, now: datetime
) -> Verification:
    """Resolve the reference, read what refers to it, and judge. Raises ImageError when the registry gives no answer.

    It reads the digest that the reference names. For an index that is the index: its images carry no attestation of their own.
    """
    digest = (await source.resolve(reference)).digest
    image = reference.at(digest)
    evidence = [each async for each in read_evidence(source, image)]
    found = judge(evidence, digest, platform, public_key, now)
    return msgspec.structs.replace(found, reference=str(reference))


def judge(
    evidence: Sequence[Evidence], digest: str, platform: str, key: PublicKey, now: datetime
) -> Verification:
    """The answer for a digest. Never raises: what cannot be read does not count."""
    tags = tags_of(TagRequest(platform, digest))
    if tags.value is None:
        fault = tags.error
        code: Answer = "bad-platform" if fault and fault.code.endswith("platform") else "bad-digest"
        reason = fault.message if fault else "there is no tag for it"
        return Verification(is_accepted=False, code=code, reason=reason, digest=digest, platform=platform)
    seen = [_look(each, digest, platform, tags.value.tag, key, now) for each in evidence]
    word = standing_of(each.standing for each in seen if each.standing is not None)
    looked = tuple(_settled(each, word) for each in seen)
    accepted = [each.summary for each in seen if each.summary is not None]
    newest = max(accepted, key=lambda each: each.written_at, default=None)
    if word is not None and word.state == "revoked":
        by = f" by {word.by}" if word.by else ""
        code, reason = (
            "revoked",
            f"taken back{by} at {word.written_at or 'an unknown time'}: {word.reason or 'no reason given'}",
        )
    elif newest is not None:
        code, reason = "accepted", f"passed the gate of {platform} at {newest.written_at}"
    elif not evidence:
        code, reason = "no-attestation", "nothing beside the image says that it passed"
    else:
        code = "not-accepted"
        reason = (
            f"none of {len(evidence)} attestations says, signed by this key, that it passed for {platform}"
        )
    is_accepted = code == "accepted"
    return Verification(
        is_accepted=is_accepted,
        code=code,
        reason=reason,
        digest=digest,
        platform=platform,
        tag=tags.value.tag if is_accepted else "",
        run=newest.run if newest is not None and is_accepted else "",
        at=newest.written_at if newest is not None and is_accepted else "",
        looked=looked,
    )


def standing_of(words: Iterable[Standing]) -> Standing | None:
    """The word that holds: the newest. At the same time, or at one that cannot be read, a revocation wins."""
    return max(words, key=_weight, default=None)


def _weight(word: Standing) -> tuple[int, float, bool]:
    is_revoked = word.state == "revoked"
    if word.at is None:
        return (2 if is_revoked else 0), 0.0, is_revoked
    return 1, word.at.timestamp(), is_revoked


def _look(evidence: Evidence, digest: str, platform: str, tag: str, key: PublicKey, now: datetime) -> _Seen:
    """One artifact: opened, and compared with what is asked."""

    def no(code: Seen, reason: str, predicate: str = "", at: str = "") -> _Seen:
        return _Seen(Looked(evidence.digest, predicate, code, reason, at))

    sealed = read_envelope(evidence.envelope)
    if sealed is None:
        return no("malformed", "it is no DSSE envelope")
    opened = sealed.open(key)
    if opened is None:
        if sealed.is_signed_by(key):
            return no("bad-signature", "the signature is not of these bytes")
        return no("unknown-key", "another key signed it")
    statement = read_statement(opened.payload) if opened.payload_type == PAYLOAD_TYPE else None
    if statement is None:
        return no("malformed", "what was signed is no in-toto statement")
    kind = statement.predicate_type
    if not statement.is_about(digest):
        return no("wrong-subject", "it is about another digest", kind)
    if kind == VERIFICATION_SUMMARY:
        return _look_at_summary(evidence, statement, platform, tag, now)
    if kind == STANDING:
        return _look_at_standing(evidence, statement, platform, now)
    about = (
        "it lists the jobs, and nothing is decided by it" if kind == TEST_RESULT else "of no interest here"
    )
    return no("other-predicate", about, kind)


def _look_at_summary(
    evidence: Evidence, statement: Statement, platform: str, tag: str, now: datetime
) -> _Seen:
    summary = read_summary(statement)
    kind = statement.predicate_type

    def no(code: Seen, reason: str) -> _Seen:
        return _Seen(Looked(evidence.digest, kind, code, reason, summary.written_at if summary else ""))

    if summary is None:
        return no("malformed", "the summary names no platform or no tag")
    if summary.platform != platform:
        return no("other-platform", f"it is for {summary.platform}")
    if summary.tag != tag:
        return no("wrong-tag", "it speaks of another tag than that of this platform and digest")
    if summary.result != "PASSED":
        return no("not-passed", f"its result is {summary.result or 'missing'}")
    if summary.at is None:
        return no("bad-timestamp", "when it was verified cannot be read")
    if summary.at > now + _SKEW:
        return no("future-timestamp", "it was verified in the future: a clock is wrong")
    looked = Looked(evidence.digest, kind, "accepted", f"passed for {platform}", summary.written_at)
    return _Seen(looked, summary=summary)


def _look_at_standing(evidence: Evidence, statement: Statement, platform: str, now: datetime) -> _Seen:
    word = read_standing(statement)
    kind = statement.predicate_type
    if word is None:
        return _Seen(Looked(evidence.digest, kind, "malformed", "it says neither revoked nor reinstated"))

    def told(code: Seen, reason: str, standing: Standing | None = None) -> _Seen:
        return _Seen(Looked(evidence.digest, kind, code, reason, word.written_at), standing=standing)

    if word.platform != platform:
        return told("other-platform", f"it is for {word.platform}")
    if word.state == "reinstated" and word.at is None:
        return told("bad-timestamp", "when it was given back cannot be read")
    if word.state == "reinstated" and word.at is not None and word.at > now + _SKEW:
        return told("future-timestamp", "it was given back in the future: a clock is wrong")
    return told(word.state, f"{word.state} by {word.by or 'unknown'}: {word.reason}", word)


def _settled(seen: _Seen, word: Standing | None) -> Looked:
    """A word that a newer one replaced is outdated."""
    if seen.standing is None or seen.standing == word:
        return seen.looked
    return msgspec.structs.replace(seen.looked, code="outdated", reason="a newer statement holds")
