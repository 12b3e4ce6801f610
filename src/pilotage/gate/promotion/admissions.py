"""Which ReleasePlanAdmission receives what a ReleasePlan releases? As konflux-ci/release-service finds it.

A label on the plan names the admission, and then nobody compares applications. Without the label it is searched for, and
more than one hit is an error. All platforms of the gate share application, origin and target namespace, so their plans need the
label. A found admission may still be blocked: `Match` says so, and its name, so that a person knows what to unblock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from pilotage.api import konflux
from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Guard, Passes, Refuses, Rule, Verdict, first_match
from pilotage.gate import loosejson

__all__ = [
    "QUESTION",
    "RULES",
    "Admission",
    "Match",
    "Pairing",
    "ReleasePlan",
    "Via",
    "match_admission",
    "read_admission",
    "read_plan",
]

QUESTION: Final = "gate-admission"
Via = Literal["label", "search"]


class ReleasePlan(msgspec.Struct, frozen=True):
    """The tenant's side. `pinned` names the admission by label; empty fields are not set."""

    namespace: str
    target: str = ""
    application: str = ""
    component_group: str = ""
    pinned: str = ""


class Admission(msgspec.Struct, frozen=True):
    """The managed side. `block_label` is None without the label."""

    namespace: str
    name: str
    origin: str = ""
    admits: tuple[str, ...] = ()
    block_label: str | None = None


class Match(msgspec.Struct, frozen=True):
    """`name` is `namespace/name`. `is_active` holds only where the label says so; without it, it is neither."""

    name: str
    via: Via
    is_blocked: bool
    is_active: bool


class Pairing(msgspec.Struct, frozen=True):
    """One plan and every admission that is known."""

    plan: ReleasePlan
    admissions: tuple[Admission, ...]

    @property
    def designated(self) -> Admission | None:
        """The admission that the label names, in the target namespace."""
        wanted = (self.plan.target, self.plan.pinned)
        if not all(wanted):
            return None
        return next((each for each in self.admissions if (each.namespace, each.name) == wanted), None)

    @property
    def found(self) -> tuple[Admission, ...]:
        """Every admission that would take the plan, without a label."""
        plan, wanted = self.plan, self.plan.application or self.plan.component_group
        return tuple(
            each
            for each in self.admissions
            if plan.target
            and each.namespace == plan.target
            and _is_from(plan, each)
            and wanted in each.admits
        )


def match_admission(pairing: Pairing) -> Decision[Match]:
    """The admission, or the error whose code says why there is none."""
    never = error("not-found", "no rule decided", subject=pairing.plan.namespace)
    return first_match(QUESTION, pairing.plan.namespace, RULES, pairing, otherwise=never)


def read_plan(manifest: Any) -> ReleasePlan:
    """Never raises: what is missing or of another type is not set."""
    metadata, spec = _parts(manifest)
    labels = loosejson.tags_of(metadata.get("labels"))
    return ReleasePlan(
        namespace=loosejson.text(metadata.get("namespace")),
        target=loosejson.text(spec.get("target")),
        application=loosejson.text(spec.get("application")),
        component_group=loosejson.text(spec.get("componentGroup")),
        pinned=labels.get(konflux.RELEASE_PLAN_ADMISSION_LABEL, ""),
    )


def read_admission(manifest: Any) -> Admission:
    """Never raises, as above."""
    metadata, spec = _parts(manifest)
    listed = [*loosejson.sequence(spec.get("applications")), *loosejson.sequence(spec.get("componentGroups"))]
    return Admission(
        namespace=loosejson.text(metadata.get("namespace")),
        name=loosejson.text(metadata.get("name")),
        origin=loosejson.text(spec.get("origin")),
        admits=tuple(name for name in listed if isinstance(name, str) and name),
        block_label=loosejson.tags_of(metadata.get("labels")).get(konflux.BLOCK_RELEASES_LABEL),
    )


def designated_exists(pairing: Pairing) -> Verdict[Match]:
    """The label names an admission that is not in the target namespace."""
    if not pairing.plan.pinned:
        return Passes("no label names an admission")
    missing = f'no ReleasePlanAdmission "{pairing.plan.pinned}" in namespace "{pairing.plan.target}"'
    return _unless(pairing.designated is not None, "not-found", missing)


def designated_origin(pairing: Pairing) -> Verdict[Match]:
    """The admission that the label names takes releases from another namespace."""
    found = pairing.designated
    if found is None:
        return Passes("no label names an admission")
    problem = f'its origin is "{found.origin}", the plan is in "{pairing.plan.namespace}"'
    return _unless(_is_from(pairing.plan, found), "origin-mismatch", problem)


def by_label(pairing: Pairing) -> Verdict[Match]:
    """The label names it; applications are not compared."""
    found = pairing.designated
    return (
        Passes("no label names an admission")
        if found is None
        else Applies(_match(found, "label"), "by label")
    )


def has_target(pairing: Pairing) -> Verdict[Match]:
    """The plan has neither the label nor a target."""
    return _unless(bool(pairing.plan.target), "no-target", "the plan names no target namespace")


def something_found(pairing: Pairing) -> Verdict[Match]:
    """No admission in the target namespace takes this application from this namespace."""
    return _unless(bool(pairing.found), "not-found", "no ReleasePlanAdmission takes it")


def one_found(pairing: Pairing) -> Verdict[Match]:
    """More than one admission takes it."""
    names = ", ".join(sorted(each.name for each in pairing.found))
    return _unless(len(pairing.found) < 2, "multiple", f"several ReleasePlanAdmissions take it: {names}")


def by_search(pairing: Pairing) -> Verdict[Match]:
    """Exactly one admission takes it."""
    if not pairing.found:
        return Passes("no ReleasePlanAdmission takes it")
    return Applies(_match(pairing.found[0], "search"), "the only one that takes it")


RULES: tuple[Rule[Pairing, Match], ...] = (
    Guard("label-not-found", designated_exists),
    Guard("origin-mismatch", designated_origin),
    Rule("label", by_label),
    Guard("no-target", has_target),
    Guard("not-found", something_found),
    Guard("multiple", one_found),
    Rule("search", by_search),
)


def _match(admission: Admission, via: Via) -> Match:
    label = admission.block_label
    return Match(f"{admission.namespace}/{admission.name}", via, label == "true", label == "false")


def _is_from(plan: ReleasePlan, admission: Admission) -> bool:
    return bool(plan.namespace) and admission.origin == plan.namespace


def _parts(manifest: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    value = loosejson.mapping(manifest)
    return loosejson.mapping(value.get("metadata")), loosejson.mapping(value.get("spec"))


def _unless(is_fine: bool, code: str, problem: str) -> Verdict[Match]:
    return Passes("no fault of this kind") if is_fine else Refuses(error(code, problem))
