"""What can be wrong with the objects of a gate as they are applied: each function yields the problems of one rule.

A kind of which the dump holds nothing was perhaps not collected; its absence is a warning, never an error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Final

from pilotage.api import konflux
from pilotage.gate import loosejson
from pilotage.gate.konflux.admission import tag_templates
from pilotage.gate.konflux.names import names_of, platform_problem
from pilotage.gate.konflux.secrets import needed
from pilotage.gate.linting.evidence import (
    GATED,
    Evidence,
    Manifest,
    Problem,
    contexts_of,
    key_of,
    metadata_of,
    name_of,
    tags,
)
from pilotage.gate.promotion.admissions import Pairing, match_admission, read_admission, read_plan

__all__ = [
    "admission_label",
    "admission_tags",
    "auto_release",
    "missing_secrets",
    "mixed_disabled",
    "moving_revision",
    "nothing_seen",
    "self_starting",
    "short_grace",
    "unknown_contexts",
    "unmatched_plan",
]

_KEPT: Final = 90
_CONTEXTS: Final = frozenset({"application", "all", "component", "group", "override", "push", "pull_request"})
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_GIT_LIKE: Final = frozenset({"git", "github", "gitlab"})


def auto_release(evidence: Evidence) -> Iterator[Problem]:
    key = konflux.AUTO_RELEASE_LABEL
    for plan in _gated_plans(evidence):
        labels, annotations = tags(plan, "labels"), tags(plan, "annotations")
        if labels.get(key) != "false":
            said = f"says {labels[key]!r}" if key in labels else "is missing, which means true"
            sentence = f"the label {said}: every push would be released untested"
            yield name_of(plan), f'metadata.labels["{key}"]', sentence, 'set it to "false"'
        if key in annotations:
            sentence = "an expression of this key may release by itself"
            yield name_of(plan), f'metadata.annotations["{key}"]', sentence, "remove the annotation"


def admission_label(evidence: Evidence) -> Iterator[Problem]:
    key = konflux.RELEASE_PLAN_ADMISSION_LABEL
    for plan in _gated_plans(evidence):
        if not tags(plan, "labels").get(key):
            sentence = "no label names the admission; the admissions of all platforms would match"
            platform = name_of(plan).rpartition(GATED)[2]
            yield (
                name_of(plan),
                f'metadata.labels["{key}"]',
                sentence,
                f"name redhat-hypershift-operator-ho-release-gate-{platform}",
            )


def unmatched_plan(evidence: Evidence) -> Iterator[Problem]:
    admissions = tuple(read_admission(each) for each in evidence.live("ReleasePlanAdmission"))
    if not admissions:
        return
    for plan in _gated_plans(evidence):
        decision = match_admission(Pairing(read_plan(plan), admissions))
        if decision.value is None:
            why = decision.error
            sentence = f"{why.code}: {why.message}" if why else "no admission matches"
            yield (
                name_of(plan),
                "spec.target",
                sentence,
                "apply the rendered admission, or have it applied by release engineering",
            )
        elif decision.value.is_blocked:
            yield (
                name_of(plan),
                "spec.target",
                f"{decision.value.name} blocks releases",
                "ask release engineering why",
            )


def admission_tags(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        if platform_problem(gate.spec.platform):
            continue
        admission = _find(evidence, "ReleasePlanAdmission", names_of(gate.spec.platform).admission)
        if admission is None:
            continue
        data = loosejson.mapping(loosejson.mapping(admission.get("spec")).get("data"))
        defaults = loosejson.mapping(loosejson.mapping(data.get("mapping")).get("defaults"))
        tags = [tag for tag in loosejson.sequence(defaults.get("tags")) if isinstance(tag, str)]
        canonical, field = tag_templates(gate.spec)[0], "spec.data.mapping.defaults.tags"
        if canonical not in tags:
            sentence = f"{canonical} is missing: nobody could tell which digest was tested"
            yield name_of(admission), field, sentence, f"add {canonical}"
        for tag in tags:
            if not tag.startswith(f"{gate.spec.platform}-"):
                yield name_of(admission), field, f"{tag} is no tag of {gate.spec.platform}", "remove it"


def short_grace(evidence: Evidence) -> Iterator[Problem]:
    for plan in _gated_plans(evidence):
        days = loosejson.number(loosejson.mapping(plan.get("spec")).get("releaseGracePeriodDays"))
        if days is None or days < _KEPT:
            said = "7 days unless told" if days is None else f"{days:g} days"
            yield (
                name_of(plan),
                "spec.releaseGracePeriodDays",
                f"Releases are removed after {said}",
                f"set it to {_KEPT}",
            )


def unknown_contexts(evidence: Evidence) -> Iterator[Problem]:
    for scenario in evidence.live("IntegrationTestScenario"):
        for context in contexts_of(scenario):
            if context not in _CONTEXTS and context != "disabled" and not context.startswith("component_"):
                close = difflib.get_close_matches(context, _CONTEXTS, n=1)
                hint = f"write {close[0]}" if close else "write disabled if it shall never run by itself"
                yield name_of(scenario), "spec.contexts", f"{context!r} never matches", hint


def mixed_disabled(evidence: Evidence) -> Iterator[Problem]:
    for scenario in evidence.live("IntegrationTestScenario"):
        others = [each for each in contexts_of(scenario) if each != "disabled"]
        if others and len(others) < len(contexts_of(scenario)):
            sentence = (
                f"disabled beside {', '.join(others)} disables nothing: one context that matches is enough"
            )
            yield name_of(scenario), "spec.contexts", sentence, "keep disabled alone, or remove it"


def self_starting(evidence: Evidence) -> Iterator[Problem]:
    for scenario in _gated_scenarios(evidence):
        if contexts_of(scenario) != ["disabled"]:
            sentence = "the scenario of a gate would run for Snapshots that nobody selected"
            yield name_of(scenario), "spec.contexts", sentence, "leave the one context disabled"


def moving_revision(evidence: Evidence) -> Iterator[Problem]:
    for scenario in _gated_scenarios(evidence):
        reference = loosejson.mapping(loosejson.mapping(scenario.get("spec")).get("resolverRef"))
        params = {each.get("name"): each.get("value") for each in loosejson.objects(reference.get("params"))}
        revision = loosejson.text(params.get("revision"))
        if reference.get("resolver") in _GIT_LIKE and not _COMMIT.fullmatch(revision):
            sentence = f"revision {revision or 'of the default branch'} can move between two tasks of one run"
            yield (
                name_of(scenario),
                "spec.resolverRef.params[revision]",
                sentence,
                "pin a commit of 40 digits",
            )
        elif set(revision) == {"0"}:
            yield (
                name_of(scenario),
                "spec.resolverRef.params[revision]",
                "was rendered without a pin",
                "render with --revision",
            )


def missing_secrets(evidence: Evidence) -> Iterator[Problem]:
    secrets = {
        (key_of(each)): {*loosejson.mapping(each.get("data")), *loosejson.mapping(each.get("stringData"))}
        for each in evidence.live("Secret")
    }
    if not secrets:
        return
    for gate in evidence.gates:
        for reference in needed(gate.spec):
            keys = secrets.get((gate.spec.tenant_namespace, reference.name))
            subject = f"Secret {gate.spec.tenant_namespace}/{reference.name}"
            if keys is None:
                yield subject, "", "is not there", f"create it with the key {reference.key}"
            elif reference.key not in keys:
                yield subject, f"data.{reference.key}", "has no such key", f"add {reference.key}"


def nothing_seen(evidence: Evidence) -> Iterator[Problem]:
    if evidence.dump is None or not evidence.gates:
        return
    for kind in ("IntegrationTestScenario", "ReleasePlan", "ReleasePlanAdmission", "Secret"):
        if not evidence.live(kind):
            yield kind, "", "the dump holds none, so nothing can be said about them", "collect them as well"


def _gated_plans(evidence: Evidence) -> list[Manifest]:
    """Plans that belong to a gate: by their name, by a Gate, or because a scenario that never runs by itself names them."""
    named = {
        loosejson.text(param.get("value"))
        for scenario in evidence.live("IntegrationTestScenario")
        if "disabled" in contexts_of(scenario)
        for param in loosejson.objects(loosejson.mapping(scenario.get("spec")).get("params"))
        if param.get("name") == "release-plan-name"
    }
    return [
        plan
        for plan in evidence.live("ReleasePlan")
        if (name := loosejson.text(metadata_of(plan).get("name"))) in named or GATED in name
    ]


def _gated_scenarios(evidence: Evidence) -> list[Manifest]:
    return [
        each
        for each in evidence.live("IntegrationTestScenario")
        if GATED in loosejson.text(metadata_of(each).get("name"))
    ]


def _find(evidence: Evidence, kind: str, name: str) -> Manifest | None:
    return next((each for each in evidence.live(kind) if metadata_of(each).get("name") == name), None)
