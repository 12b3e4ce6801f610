"""The decisions of this room that can be asked by name: `cpo.resolve`, `cpo.labels`, `cpo.preview`.

One request may hold a whole fleet. What is the same for all clusters (the release, the override table) is read once; each
cluster is then judged alone, and a fault in one is an answer about that one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import msgspec

from pilotage.api.errors import InputError, PilotageError
from pilotage.controlplane import hosted, labels, overrides
from pilotage.controlplane.facts import Release, Switch
from pilotage.controlplane.image import choose_image
from pilotage.controlplane.overrides import OverrideTable
from pilotage.controlplane.verdicts import version_of
from pilotage.decision.facts import Fact, Known, NotSeen
from pilotage.decision.findings import Finding
from pilotage.decision.questions import Question
from pilotage.decision.rules import Decision

__all__ = ["QUESTIONS"]

R = TypeVar("R")


class Payload(msgspec.Struct, frozen=True):
    version: str
    components: dict[str, str]


class Problem(msgspec.Struct, frozen=True, gc=False):
    code: str
    message: str


class _Payloads(msgspec.Struct, frozen=True, kw_only=True):
    """`payload` holds for every release, `payloads` names one for each pull spec; null is a lookup that failed."""

    ONE_OF: ClassVar = (("payload", "payloads"),)

    payload: Payload | msgspec.UnsetType | None = msgspec.UNSET
    payloads: dict[str, Payload | None] | msgspec.UnsetType | None = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.payload is msgspec.UNSET and self.payloads is msgspec.UNSET:
            raise ValueError("payload or payloads: required key is missing")

    def release_of(self) -> Callable[[str], Fact[Release]]:
        """How a release pull spec is looked up: each payload becomes one fact, shared by all its clusters."""
        payload = None if self.payload is msgspec.UNSET else self.payload
        payloads = None if self.payloads is msgspec.UNSET else self.payloads
        known = {image: _release(given) for image, given in (payloads or {}).items()}
        every = _release(payload)
        if payloads is None or payload is not None:
            return lambda image: known.get(image, every)
        missing: Fact[Release] = NotSeen("no payload is given for it")
        return lambda image: known.get(image, missing)


class ResolveInput(_Payloads, frozen=True, kw_only=True, rename="camel"):
    """The fleet, what its releases are, and the state of the operator."""

    hosted_clusters: list[dict[str, Any]]
    overrides: dict[str, Any] | None
    overrides_enabled: bool
    ho_image: str
    ho_has_cpo_binary: bool | None
    operator_image_for_cpo: Switch | None = msgspec.field(name="operatorImageForCPO", default="on")


class Resolved(msgspec.Struct, frozen=True, gc=False):
    image: str | None
    rule: str | None
    version: str | None
    warnings: list[Problem]
    error: Problem | None


class ResolveValue(msgspec.Struct, frozen=True):
    """`warnings` are those of the override table; a cluster without a name is called by its position, `#3`."""

    clusters: dict[str, Resolved]
    warnings: list[Problem]


class LabelsInput(msgspec.Struct, frozen=True, rename="camel"):
    hosted_cluster: dict[str, Any]
    image: str
    image_labels: dict[str, str] | None


class LabelsValue(msgspec.Struct, frozen=True):
    labels: dict[str, str]
    source: str
    warnings: list[Problem]


class Operator(msgspec.Struct, frozen=True, rename="camel"):
    """One state of the operator: the image it runs as, whether that carries the binary, its override table."""

    ho_image: str
    ho_has_cpo_binary: bool | None
    overrides: dict[str, Any] | None = None


class PreviewInput(_Payloads, frozen=True, kw_only=True, rename="camel"):
    hosted_clusters: list[dict[str, Any]]
    overrides_enabled: bool
    from_: Operator = msgspec.field(name="from")
    to: Operator
    operator_image_for_cpo: Switch | None = msgspec.field(name="operatorImageForCPO", default="on")


class Chosen(msgspec.Struct, frozen=True, gc=False):
    image: str | None
    rule: str


class Previewed(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    from_: Chosen = msgspec.field(name="from")
    to: Chosen
    changed: bool


class PreviewValue(msgspec.Struct, frozen=True):
    clusters: dict[str, Previewed]


class _World(msgspec.Struct, frozen=True):
    """What all clusters of a request have in common, read once."""

    release_of: Callable[[str], Fact[Release]]
    overrides_enabled: bool
    table: OverrideTable
    operator_image: str
    binary: Fact[Any]
    switch: Switch

    def resolve(self, cluster: hosted.HostedCluster) -> tuple[Decision[str], str | None]:
        """The decision and the version of the release where the rules came to look at it.

        Raises InputError `MalformedHostedCluster`.
        """
        facts = msgspec.structs.replace(
            cluster.facts(),
            release=self.release_of(cluster.release_image),
            overrides_enabled=self.overrides_enabled,
            overrides=self.table,
            operator_image=self.operator_image,
            binary=self.binary,
            switch=self.switch,
        )
        decision = choose_image(facts)
        looked_at = decision.considered("version").verdict == "not-applicable"
        return decision, str(version_of(facts)) if looked_at else None


def _resolve(request: ResolveInput) -> ResolveValue:
    loaded = _load(request.overrides, request.overrides_enabled)
    world = _World(
        request.release_of(),
        request.overrides_enabled,
        loaded.table,
        request.ho_image,
        _binary(request.ho_has_cpo_binary),
        request.operator_image_for_cpo or "on",
    )

    def one(cluster: hosted.HostedCluster) -> Resolved:
        decision, version = world.resolve(cluster)
        error = _problem(decision.error) if decision.error else None
        return Resolved(decision.value, decision.rule, version, _problems(decision.warnings), error)

    def fault(error: PilotageError) -> Resolved:
        return Resolved(None, None, None, [], Problem(error.code, error.message))

    return ResolveValue(_each(request.hosted_clusters, one, fault), _problems(loaded.warnings))


def _labels(request: LabelsInput) -> LabelsValue:
    cluster = hosted.read(request.hosted_cluster)
    seen: Fact[Mapping[str, str]] = (
        NotSeen("its labels are not given") if request.image_labels is None else Known(request.image_labels)
    )
    found = labels.labels_of(cluster.subject, cluster.labels_annotation, request.image, seen)
    return LabelsValue(
        dict(found.labels), found.source, _problems(labels.capability_warnings(found.labels, cluster.subject))
    )


def _preview(request: PreviewInput) -> PreviewValue:
    release_of = request.release_of()
    before, after = (
        _World(
            release_of,
            request.overrides_enabled,
            _load(operator.overrides, request.overrides_enabled).table,
            operator.ho_image,
            _binary(operator.ho_has_cpo_binary),
            request.operator_image_for_cpo or "on",
        )
        for operator in (request.from_, request.to)
    )

    def one(cluster: hosted.HostedCluster) -> Previewed:
        return _previewed(*(_chosen(world.resolve(cluster)[0]) for world in (before, after)))

    def fault(error: PilotageError) -> Previewed:
        broken = Chosen(None, f"error:{error.code}")
        return _previewed(broken, broken)

    return PreviewValue(_each(request.hosted_clusters, one, fault))


def _each(
    manifests: Sequence[Mapping[str, Any]],
    one: Callable[[hosted.HostedCluster], R],
    fault: Callable[[PilotageError], R],
) -> dict[str, R]:
    """Judge every cluster alone: an error is the answer about that cluster. One that has no name, or the name of an
    earlier one, is called by its position.
    """
    answers: dict[str, R] = {}
    for position, manifest in enumerate(manifests):
        name = f"#{position}"
        try:
            name = hosted.subject_of(manifest) or name
            if name in answers:
                raise InputError(
                    "DuplicateHostedCluster", f"{name}: this cluster is in the input more than once"
                )
            answers[name] = one(hosted.read(manifest))
        except PilotageError as error:
            answers[f"#{position}" if name in answers else name] = fault(error)
    return answers


def _release(payload: Payload | None) -> Fact[Release]:
    if payload is None:
        return NotSeen("its payload is not given")
    return Known(Release(payload.version, payload.components))


def _load(table: Mapping[str, Any] | None, enabled: bool) -> overrides.Loaded:
    """The override table; a table that is switched off is not even read, so it cannot be wrong."""
    return overrides.load(table) if enabled else overrides.Loaded(overrides.EMPTY)


def _binary(has_binary: bool | None) -> Fact[Any]:
    return NotSeen() if has_binary is None else Known(has_binary, "given")


def _chosen(decision: Decision[str]) -> Chosen:
    if decision.error:
        return Chosen(None, f"error:{decision.error.code}")
    return Chosen(decision.value, decision.rule or "")


def _previewed(before: Chosen, after: Chosen) -> Previewed:
    """A change of the image, or of the error; the same image by another rule changes nothing in the cluster."""
    changed = before.image != after.image or (before.image is None and before.rule != after.rule)
    return Previewed(before, after, changed)


def _problems(findings: Sequence[Finding]) -> list[Problem]:
    return [_problem(finding) for finding in findings]


def _problem(finding: Finding) -> Problem:
    return Problem(finding.code, finding.message)


QUESTIONS: tuple[Question[Any, Any], ...] = (
    Question(
        "cpo.resolve",
        "Which control plane operator image does each hosted cluster get, by which rule?",
        ResolveInput,
        ResolveValue,
        _resolve,
    ),
    Question(
        "cpo.labels",
        "Which labels count for a hosted cluster: those of its annotation or those of the image?",
        LabelsInput,
        LabelsValue,
        _labels,
    ),
    Question(
        "cpo.preview",
        "Which hosted clusters get another control plane operator image when the operator or its override table changes?",
        PreviewInput,
        PreviewValue,
        _preview,
    ),
)
