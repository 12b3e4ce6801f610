"""What the gate says about an image: in-toto statements, written so that the same run always gives the same bytes.

    verification summary   the image passed the gate of a platform (SLSA VSA v1); this is what consumers look for
    test result            which jobs ran, how often, where, against which digest (in-toto test-result v0.1)
    standing               a person took the image back for a platform, or gave it back; the newest by time holds

Every time in a statement comes from the ledger, never from a clock: after a crash the statement is made again and is the same.
Fields that the public predicates do not know begin with `pilotage_`, as SLSA asks of extensions; readers skip what they do not know.
Everything that `verify` relies on is inside the signed statement, never only in an annotation of the registry.

Follows in-toto/attestation (Statement v1, test-result v0.1) and slsa.dev (verification summary v1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from pilotage.api.canonical import canonical_json
from pilotage.api.gate import GateRun, GateSpec, JobRecord, RunJob
from pilotage.gate.instants import read_instant

__all__ = [
    "PAYLOAD_TYPE",
    "STANDING",
    "TEST_RESULT",
    "VERIFICATION_SUMMARY",
    "Standing",
    "Statement",
    "Subject",
    "Summary",
    "policy_digest",
    "read_standing",
    "read_statement",
    "read_summary",
    "standing",
    "test_result",
    "verification_summary",
]

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
VERIFICATION_SUMMARY: Final = "https://slsa.dev/verification_summary/v1"
TEST_RESULT: Final = "https://in-toto.io/attestation/test-result/v0.1"
STANDING: Final = "https://gate.pilotage.dev/attestation/standing/v0.1"

_STATEMENT: Final = "https://in-toto.io/Statement/v1"
_SLSA_VERSION: Final = "1.0"
_LEVEL: Final = "PILOTAGE_GATE_PASSED"
"""Our own level: names that begin with SLSA_ speak of how an image was built, which the gate does not verify."""


class Subject(msgspec.Struct, frozen=True):
    """What a statement is about; `digest` maps algorithms to hexadecimal digits."""

    digest: dict[str, str]
    name: str = ""


class Statement(msgspec.Struct, frozen=True):
    """An in-toto statement: somebody says something (`predicate`, of a type) about the subjects."""

    subject: tuple[Subject, ...]
    predicate_type: str = msgspec.field(name="predicateType")
    predicate: dict[str, Any]
    kind: str = msgspec.field(name="_type", default=_STATEMENT)

    def encoded(self) -> bytes:
        """The one JSON text of it."""
        return canonical_json(msgspec.to_builtins(self))

    def is_about(self, digest: str) -> bool:
        """Is this digest among the subjects?"""
        algorithm, _, encoded = digest.partition(":")
        return bool(encoded) and any(each.digest.get(algorithm) == encoded for each in self.subject)


class Summary(msgspec.Struct, frozen=True):
    """The part of a verification summary that a consumer decides by. `at` is None when the time cannot be read."""

    platform: str
    tag: str
    result: str
    at: datetime | None
    written_at: str
    run: str = ""


class Standing(msgspec.Struct, frozen=True):
    """A person's word about a promoted image."""

    platform: str
    state: Literal["revoked", "reinstated"]
    at: datetime | None
    written_at: str
    by: str = ""
    reason: str = ""


def verification_summary(
    run: GateRun, gate: GateSpec, repository: str, tag: str, *, verifier: str, test_result_digest: str
) -> Statement:
    """The image of a passed run, under its canonical tag. `test_result_digest` names the artifact with the jobs."""
    digest = run.spec.digest
    return _about(
        digest,
        repository,
        VERIFICATION_SUMMARY,
        {
            "verifier": {"id": verifier},
            "timeVerified": run.status.evaluated_at,
            "resourceUri": f"{repository}:{tag}",
            "policy": {
                "uri": f"urn:pilotage:gate:{run.spec.platform}:policy",
                "digest": {"sha256": policy_digest(gate)},
            },
            "inputAttestations": [
                {
                    "uri": f"{repository}@{test_result_digest}",
                    "digest": dict([test_result_digest.split(":", 1)]),
                }
            ],
            "verificationResult": "PASSED",
            "verifiedLevels": [_LEVEL],
            "slsaVersion": _SLSA_VERSION,
            "pilotage_platform": run.spec.platform,
            "pilotage_run": run.metadata.name,
        },
    )


def test_result(run: GateRun, repository: str) -> Statement:
    """What became of every job. Informing jobs that did not pass are warnings: they decided nothing."""
    records = {record.name: record for record in run.status.jobs}
    outcomes = [(job, _result(records.get(job.name))) for job in run.spec.jobs]
    passed = sorted(job.name for job, result in outcomes if result == "passed")
    others = [(job, result) for job, result in outcomes if result not in ("passed", "pending", "")]
    warned = sorted(job.name for job, _ in others if job.type == "informing")
    failed = sorted(job.name for job, _ in others if job.type == "required")
    predicate: dict[str, Any] = {
        "result": "FAILED" if failed else "WARNED" if warned else "PASSED",
        "configuration": _configuration(run),
        "passedTests": passed,
        "warnedTests": warned,
        "failedTests": failed,
        "pilotage_platform": run.spec.platform,
        "pilotage_run": run.metadata.name,
        "pilotage_verdict": run.status.verdict,
        "pilotage_evaluatedAt": run.status.evaluated_at,
        "pilotage_revision": run.spec.revision or "",
        "pilotage_jobs": [_job(job, records.get(job.name)) for job in run.spec.jobs],
    }
    url = next((job["attempts"][-1]["url"] for job in predicate["pilotage_jobs"] if job["attempts"]), "")
    return _about(run.spec.digest, repository, TEST_RESULT, {**predicate, "url": url} if url else predicate)


def standing(
    digest: str,
    repository: str,
    platform: str,
    state: Literal["revoked", "reinstated"],
    *,
    at: str,
    by: str,
    reason: str,
) -> Statement:
    """A person took the image back for the platform, or gave it back. `at` is RFC 3339, from the ledger."""
    predicate = {"platform": platform, "state": state, "at": at, "by": by, "reason": reason}
    return _about(digest, repository, STANDING, predicate)


def policy_digest(gate: GateSpec) -> str:
    """SHA-256 of the policy as it was applied, in hexadecimal digits."""
    return hashlib.sha256(canonical_json(msgspec.to_builtins(gate.policy))).hexdigest()


def read_statement(payload: bytes) -> Statement | None:
    """A statement; None when the payload is none, or has another version."""
    try:
        found = msgspec.json.decode(payload, type=Statement)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return found if found.kind == _STATEMENT else None


def read_summary(statement: Statement) -> Summary | None:
    """What a verification summary says; None when it is none of this gate."""
    predicate = statement.predicate
    resource = _text(predicate, "resourceUri")
    platform = _text(predicate, "pilotage_platform")
    if statement.predicate_type != VERIFICATION_SUMMARY or not resource or not platform:
        return None
    at = _text(predicate, "timeVerified")
    return Summary(
        platform=platform,
        tag=resource.rpartition(":")[2],
        result=_text(predicate, "verificationResult"),
        at=read_instant(at),
        written_at=at,
        run=_text(predicate, "pilotage_run"),
    )


def read_standing(statement: Statement) -> Standing | None:
    """What a standing says; None when it is none."""
    predicate = statement.predicate
    platform, at = _text(predicate, "platform"), _text(predicate, "at")
    if statement.predicate_type != STANDING or not platform:
        return None
    by, reason = _text(predicate, "by"), _text(predicate, "reason")
    match _text(predicate, "state"):
        case "revoked":
            return Standing(platform, "revoked", read_instant(at), at, by, reason)
        case "reinstated":
            return Standing(platform, "reinstated", read_instant(at), at, by, reason)
        case _:
            return None


def _about(digest: str, repository: str, predicate_type: str, predicate: Mapping[str, Any]) -> Statement:
    return Statement(
        subject=(Subject(dict([digest.split(":", 1)]), repository),),
        predicate_type=predicate_type,
        predicate=dict(predicate),
    )


def _configuration(run: GateRun) -> Sequence[Mapping[str, Any]]:
    """What was tested with: the pinned jobs, the Snapshot, the image of the tests."""
    jobs = hashlib.sha256(canonical_json(msgspec.to_builtins(run.spec.jobs))).hexdigest()
    found: list[Mapping[str, Any]] = [{"name": "jobs", "digest": {"sha256": jobs}}]
    pin = run.spec.snapshot
    if pin.spec_hash:
        found.append({"name": f"snapshot/{pin.namespace}/{pin.name}", "digest": {"sha256": pin.spec_hash}})
    name, at, digest = run.spec.tests_image.partition("@")
    if at:
        found.append({"name": "tests-image", "uri": name, "digest": dict([digest.split(":", 1)])})
    return found


def _job(job: RunJob, record: JobRecord | None) -> Mapping[str, Any]:
    cell = job.cell
    told: dict[str, Any] = {
        "name": job.name,
        "type": job.type,
        "phase": job.phase,
        "result": _result(record),
        "attempts": [
            {
                "number": attempt.number,
                "result": attempt.result,
                "id": attempt.id,
                "url": attempt.url,
                "triggeredAt": attempt.triggered_at,
                "completedAt": attempt.completed_at,
                "image": attempt.image,
            }
            for attempt in (record.attempts if record else ())
        ],
    }
    if cell is not None:
        told["cell"] = {"hosted": cell.hosted, "management": cell.management, "roles": list(cell.roles)}
    return told


def _result(record: JobRecord | None) -> str:
    return (record.attempts[-1].result if record and record.attempts else "") or "pending"


def _text(predicate: Mapping[str, Any], name: str) -> str:
    value = predicate.get(name)
    return value if isinstance(value, str) else ""
