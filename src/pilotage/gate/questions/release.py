"""The questions about partners and places: `gate.gangway-status`, `gate.tag`, `gate.rpa-match`.

As in all questions of the gate every key takes any JSON; what is missing or of another type is what the decision finds.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from pilotage.decision.questions import Question
from pilotage.gate import loosejson
from pilotage.gate.promotion import admissions, tags
from pilotage.gate.prow import gangwaystatus

__all__ = ["QUESTIONS"]


class GangwayInput(msgspec.Struct, frozen=True, rename="camel"):
    operation: Annotated[Any, msgspec.Meta(description="`create` or `get`")] = None
    http_status: Annotated[Any, msgspec.Meta(description="integer; 0 is no answer")] = None
    body: Annotated[Any, msgspec.Meta(description="the body as text or as a JSON value")] = None


class GangwayValue(msgspec.Struct, frozen=True):
    """`class` names what happened; where a look read a job it is its `result`. `id` is that of a created execution."""

    action: gangwaystatus.GangwayAction
    class_: str = msgspec.field(name="class")
    result: str | None
    id: str | None


class TagInput(msgspec.Struct, frozen=True, rename="camel"):
    platform: Annotated[Any, msgspec.Meta(description="text")] = None
    digest: Annotated[Any, msgspec.Meta(description="text")] = None
    git_sha: Annotated[Any, msgspec.Meta(description="text, 40 hexadecimal digits")] = None


class TagValue(msgspec.Struct, frozen=True):
    """`aliases` are latest, then commit, then short commit; null on an error."""

    outcome: Literal["ok", "error"]
    tag: str | None
    aliases: list[str] | None
    reason: str | None


class AdmissionInput(msgspec.Struct, frozen=True, rename="camel"):
    release_plan: Annotated[Any, msgspec.Meta(description="ReleasePlan")] = None
    admissions: Annotated[Any, msgspec.Meta(description="list of ReleasePlanAdmissions")] = None


class AdmissionValue(msgspec.Struct, frozen=True):
    """One that is found but blocked is an error that still names it."""

    outcome: Literal["matched", "error"]
    name: str | None
    active: bool | None
    via: admissions.Via | None
    reason: str | None


def _gangway_status(request: GangwayInput) -> GangwayValue:
    reply = gangwaystatus.read_reply(request.operation, request.http_status, request.body)
    found = gangwaystatus.answer_to(reply)
    return GangwayValue(found.action, found.class_, found.result, found.id)


def _tag(request: TagInput) -> TagValue:
    asked = tags.TagRequest(
        loosejson.text(request.platform), loosejson.text(request.digest), loosejson.text(request.git_sha)
    )
    decision = tags.tags_of(asked)
    if decision.value is None:
        return TagValue("error", None, None, decision.error.code if decision.error else None)
    return TagValue("ok", decision.value.tag, list(decision.value.aliases), None)


def _rpa_match(request: AdmissionInput) -> AdmissionValue:
    pairing = admissions.Pairing(
        admissions.read_plan(request.release_plan),
        tuple(map(admissions.read_admission, loosejson.objects(request.admissions))),
    )
    decision = admissions.match_admission(pairing)
    found = decision.value
    if found is None:
        return AdmissionValue("error", None, None, None, decision.error.code if decision.error else None)
    if found.is_blocked:
        return AdmissionValue("error", found.name, found.is_active, found.via, "blocked")
    return AdmissionValue("matched", found.name, found.is_active, found.via, None)


QUESTIONS: tuple[Question[Any, Any], ...] = (
    Question(
        "gate.gangway-status",
        "What does a reply of gangway mean, and what is to be done next?",
        GangwayInput,
        GangwayValue,
        _gangway_status,
        gangwaystatus.RULES,
    ),
    Question(
        "gate.tag",
        "Under which tags does a digest stand in the verified repository?",
        TagInput,
        TagValue,
        _tag,
        tags.RULES,
    ),
    Question(
        "gate.rpa-match",
        "Which ReleasePlanAdmission receives what a ReleasePlan releases?",
        AdmissionInput,
        AdmissionValue,
        _rpa_match,
        admissions.RULES,
    ),
)
