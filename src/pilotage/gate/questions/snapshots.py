"""The questions about Snapshots: `gate.select-snapshot`, `gate.image-ref`, `gate.trigger`, `gate.its-context`.

Here loose JSON becomes the records that the decisions take. In all questions of the gate every key takes any JSON: what is
missing or of another type is not a fault of the request, but something the decision finds missing. A switch that is no
boolean stays at its default, except `paused`: there any value but null, false, zero and empty ones holds the gate back.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from pilotage.api import konflux
from pilotage.decision.questions import Question
from pilotage.gate import loosejson
from pilotage.gate.instants import read_instant
from pilotage.gate.ticks import contexts, imageref, selection, snapshots, trigger

__all__ = ["QUESTIONS"]


class SelectInput(msgspec.Struct, frozen=True, rename="camel"):
    """The Snapshots and what the gate looks for."""

    snapshots: Annotated[Any, msgspec.Meta(description="list of Snapshots")] = None
    application: Annotated[Any, msgspec.Meta(description="text")] = None
    component_group: Annotated[Any, msgspec.Meta(description="text; replaces `application`")] = None
    component: Annotated[Any, msgspec.Meta(description="text")] = None
    now: Annotated[Any, msgspec.Meta(description="RFC 3339 time")] = None
    options: Annotated[
        Any,
        msgspec.Meta(
            description="`requireAutoReleased` = true, `allowSuperseded` = false, `allowOverride` = false, `maxAgeHours`,"
            " `maxClockSkewSeconds` = 300"
        ),
    ] = None
    releases: Annotated[
        Any, msgspec.Meta(description="list of Releases, the evidence together with `autoReleasePlan`")
    ] = None
    auto_release_plan: Annotated[Any, msgspec.Meta(description="name of a ReleasePlan")] = None


class SelectValue(msgspec.Struct, frozen=True):
    """`rejected` has the code of every Snapshot that was passed over, by its name, or by its position as `#3`."""

    outcome: Literal["selected", "none"]
    name: str | None
    image: str | None
    digest: str | None
    revision: str | None
    reason: str | None
    rejected: dict[str, str]


class ImageRefInput(msgspec.Struct, frozen=True, rename="camel"):
    snapshot_spec: Annotated[
        Any, msgspec.Meta(description="`spec` of a Snapshot, an object or its JSON text")
    ] = None
    component: Annotated[Any, msgspec.Meta(description="text")] = None


class ImageRefValue(msgspec.Struct, frozen=True):
    outcome: Literal["ok", "error"]
    image: str | None
    digest: str | None
    revision: str | None
    reason: str | None


class TriggerInput(msgspec.Struct, frozen=True, rename="camel"):
    """What is known of one platform when a tick asks for a run. The ledger holds the runs of this platform in any order."""

    platform: Annotated[Any, msgspec.Meta(description="text")] = None
    digest: Annotated[Any, msgspec.Meta(description="text")] = None
    scenario: Annotated[Any, msgspec.Meta(description="text")] = None
    run_label: Annotated[Any, msgspec.Meta(description="text, null without the label")] = None
    ledger: Annotated[Any, msgspec.Meta(description="list of `digest` and `state`")] = None
    force: Annotated[Any, msgspec.Meta(description="boolean, false when absent")] = None
    paused: Annotated[Any, msgspec.Meta(description="boolean, false when absent")] = None
    max_runs_per_digest: Annotated[Any, msgspec.Meta(description="number, 3 when absent")] = None


class TriggerValue(msgspec.Struct, frozen=True):
    action: trigger.TriggerAction
    reason: str


class ContextInput(msgspec.Struct, frozen=True, rename="camel"):
    scenario: Annotated[Any, msgspec.Meta(description="`name`, `labels`, `contexts` with a `name` each")] = (
        None
    )
    snapshot: Annotated[Any, msgspec.Meta(description="`labels`, `annotations`")] = None
    run_label: Annotated[Any, msgspec.Meta(description="text, null without the label")] = None


class ContextValue(msgspec.Struct, frozen=True):
    applies: bool
    required: bool


def _select(request: SelectInput) -> SelectValue:
    given = tuple(map(snapshots.read_snapshot, loosejson.sequence(request.snapshots)))
    found = selection.select(given, _policy(request), _released(request))
    if found.chosen is None:
        return SelectValue("none", None, None, None, None, found.reason, dict(found.rejected))
    chosen = found.chosen
    return SelectValue(
        "selected",
        chosen.snapshot.name,
        chosen.image,
        chosen.digest,
        chosen.revision,
        None,
        dict(found.rejected),
    )


def _policy(request: SelectInput) -> selection.SelectionPolicy:
    options = loosejson.mapping(request.options)
    skew = loosejson.number(options.get("maxClockSkewSeconds"))
    return selection.SelectionPolicy(
        application=_name(request.application),
        component_group=_name(request.component_group),
        component=_name(request.component),
        now=read_instant(request.now),
        require_auto_released=options.get("requireAutoReleased") is not False,
        allow_superseded=options.get("allowSuperseded") is True,
        allow_override=options.get("allowOverride") is True,
        max_age_hours=loosejson.number(options.get("maxAgeHours")),
        max_clock_skew_seconds=selection.DEFAULT_SKEW if skew is None else skew,
    )


def _released(request: SelectInput) -> frozenset[str] | None:
    plan = loosejson.text(request.auto_release_plan)
    if not plan or not isinstance(request.releases, list):
        return None
    return selection.releases_of(loosejson.objects(request.releases), plan)


def _image_ref(request: ImageRefInput) -> ImageRefValue:
    asked = imageref.ImageRequest(
        imageref.read_spec(request.snapshot_spec), loosejson.text(request.component)
    )
    decision = imageref.image_of(asked)
    if decision.value is None:
        return ImageRefValue("error", None, None, None, decision.error.code if decision.error else None)
    found = decision.value
    return ImageRefValue("ok", found.image, found.digest, found.revision, None)


def _trigger(request: TriggerInput) -> TriggerValue:
    most = loosejson.number(request.max_runs_per_digest)
    decision = trigger.decide_trigger(
        trigger.Tick(
            digest=loosejson.text(request.digest),
            scenario=loosejson.text(request.scenario),
            run_label=_label(request.run_label),
            ledger=tuple(
                trigger.Run(loosejson.text(line.get("digest")), loosejson.text(line.get("state")))
                for line in loosejson.objects(request.ledger)
            ),
            is_forced=request.force is True,
            is_paused=bool(request.paused),
            max_runs_per_digest=trigger.DEFAULT_RUNS if most is None else most,
        )
    )
    found = decision.value or trigger.Start("wait", decision.reason)
    return TriggerValue(found.action, found.reason)


def _its_context(request: ContextInput) -> ContextValue:
    scenario, snapshot = loosejson.mapping(request.scenario), loosejson.mapping(request.snapshot)
    occasion = contexts.Occasion(
        scenario=loosejson.text(scenario.get("name")),
        is_optional=loosejson.tags_of(scenario.get("labels")).get(konflux.OPTIONAL_LABEL) == "true",
        contexts=_contexts(scenario.get("contexts")),
        labels=loosejson.tags_of(snapshot.get("labels")),
        annotations=loosejson.tags_of(snapshot.get("annotations")),
        run_label=_label(request.run_label),
    )
    return ContextValue(contexts.applies(occasion).value is True, contexts.is_required(occasion))


def _contexts(value: Any) -> tuple[str, ...]:
    """The names listed. What is there and cannot be read matches nothing: it must not look like "no contexts"."""
    if not value:
        return ()
    if not isinstance(value, list):
        return ("",)
    return tuple(loosejson.text(loosejson.mapping(item).get("name")) for item in value)


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _label(value: Any) -> str | None:
    """A label that is there; one that is no text says nothing that anybody could mean."""
    return None if value is None else loosejson.text(value)


QUESTIONS: tuple[Question[Any, Any], ...] = (
    Question(
        "gate.select-snapshot",
        "Which Snapshot does the gate verify, and why not each of the others?",
        SelectInput,
        SelectValue,
        _select,
        selection.RULES,
    ),
    Question(
        "gate.image-ref",
        "Which image, by digest, does a Snapshot name for a component?",
        ImageRefInput,
        ImageRefValue,
        _image_ref,
        imageref.RULES,
    ),
    Question(
        "gate.trigger",
        "Does this tick start a run, follow one, wait or skip?",
        TriggerInput,
        TriggerValue,
        _trigger,
        trigger.RULES,
    ),
    Question(
        "gate.its-context",
        "Does an integration test scenario apply to a Snapshot, and is it required?",
        ContextInput,
        ContextValue,
        _its_context,
        contexts.RULES,
    ),
)
