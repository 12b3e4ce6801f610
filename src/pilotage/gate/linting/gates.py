"""What can be wrong with a Gate as a person wrote it: each function yields the problems of one rule."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final, get_args, get_origin

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.gate import GateSpec
from pilotage.gate import loosejson
from pilotage.gate.instants import read_instant
from pilotage.gate.konflux.names import LONGEST, names_of, platform_problem
from pilotage.gate.linting.evidence import (
    Evidence,
    Manifest,
    Problem,
    gate_name,
    metadata_of,
)
from pilotage.gate.ticks.jobs import planned_jobs
from pilotage.gate.ticks.matrix import Minor, expand
from pilotage.gate.ticks.schedule import parse

__all__ = [
    "bad_aliases",
    "bad_jobs",
    "bad_platform",
    "bad_repository",
    "bad_schedule",
    "empty_minors",
    "job_owners",
    "lifted_quarantine",
    "long_names",
    "long_run",
    "owners",
    "phase_three",
    "quarantine",
    "shared_repository",
    "unknown_fields",
]

_QUARANTINE: Final = timedelta(days=14)
_RUN_LIMIT: Final = 320
_REPOSITORY: Final = re.compile(
    r"(?P<host>[a-z0-9.-]+(?::[0-9]+)?)/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*"
)


def unknown_fields(evidence: Evidence) -> Iterator[Problem]:
    for manifest in evidence.written:
        for path, known in _unknown(loosejson.mapping(manifest.get("spec")), GateSpec, "spec"):
            close = difflib.get_close_matches(path.rpartition(".")[2], known, n=1)
            hint = f"write {close[0]}" if close else "remove it"
            yield _gate_name(manifest), path, "is no field of a Gate, and would be ignored", hint


def bad_platform(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        problem = platform_problem(gate.spec.platform)
        if problem:
            yield (
                gate_name(gate),
                "spec.platform",
                problem,
                "name it as aro-hcp, rosa-hcp or gcp-hcp are named",
            )
        elif gate.metadata.name not in ("", gate.spec.platform):
            yield (
                gate_name(gate),
                "metadata.name",
                "a Gate has the name of its platform",
                f"call it {gate.spec.platform}",
            )


def long_names(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        if platform_problem(gate.spec.platform):
            continue
        for name in msgspec.structs.astuple(names_of(gate.spec.platform)):
            if len(name) > LONGEST:
                yield (
                    gate_name(gate),
                    "spec.platform",
                    f"{name} has more than {LONGEST} characters",
                    "shorten the platform",
                )
        for field in ("application", "component", "component_group", "tenant_namespace", "managed_namespace"):
            value = getattr(gate.spec, field)
            if len(value) > LONGEST:
                yield (
                    gate_name(gate),
                    f"spec.{_camel(field)}",
                    f"{value} has more than {LONGEST} characters",
                    "shorten it",
                )


def bad_schedule(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        try:
            parse(gate.spec.schedule, gate.spec.time_zone)
        except InputError as error:
            field = "spec.timeZone" if error.code == "BadTimeZone" else "spec.schedule"
            yield gate_name(gate), field, error.message, error.hint


def bad_jobs(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        reference = gate.spec.matrix_ref
        if reference is not None and reference.name not in evidence.matrices:
            if evidence.written:
                hint = "give its file as well, or correct the name"
                yield gate_name(gate), "spec.matrixRef", f"there is no VersionMatrix {reference.name}", hint
            continue
        matrix = evidence.matrices[reference.name].spec if reference else None
        try:
            planned_jobs(gate.spec, matrix)
        except InputError as error:
            for message in error.messages:
                yield gate_name(gate), "spec.jobs", message, error.hint
        types: dict[str, set[bool]] = {}
        for job in gate.spec.jobs:
            types.setdefault(job.name, set()).add(job.type == "informing")
        for name in (name for name, found in types.items() if len(found) > 1):
            yield gate_name(gate), "spec.jobs", f"job {name} is both required and informing", "decide for one"


def empty_minors(evidence: Evidence) -> Iterator[Problem]:
    for name, matrix in evidence.matrices.items():
        minors = [Minor(each.minor, each.releases, each.supported) for each in matrix.spec.minors]
        for minor, code in expand(minors, matrix.spec.select).skipped.items():
            if code == "no-ga-release":
                field = f"spec.minors[{minor}]"
                yield (
                    f"VersionMatrix {name}",
                    field,
                    f"{minor} is supported and has no release",
                    "add one, or set supported: false",
                )


def phase_three(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        for job in gate.spec.jobs:
            if job.phase == 3 and job.type != "informing" and not gate.spec.allow_platform_required:
                sentence = f"job {job.name} is of phase 3, the platform's own tests, and required"
                hint = "make it informing; or set allowPlatformRequired, with an owner who looks after it"
                yield gate_name(gate), f"spec.jobs[{job.name}].type", sentence, hint


def owners(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        if not any(owner.strip() for owner in gate.spec.owners):
            yield gate_name(gate), "spec.owners", "names nobody", "name who is told and who decides"


def job_owners(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        for job in gate.spec.jobs:
            missing = [field for field in ("owner", "contact") if not getattr(job, field).strip()]
            if missing:
                sentence = f"job {job.name} has no {' and no '.join(missing)}"
                yield (
                    gate_name(gate),
                    f"spec.jobs[{job.name}]",
                    sentence,
                    "say who looks after it, and where they are reached",
                )


def bad_repository(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        found = _REPOSITORY.fullmatch(gate.spec.verified_repository)
        if found is None or not re.search(r"[.:]|^localhost$", found["host"]):
            sentence = f"{gate.spec.verified_repository} is no registry/repository without tag and digest"
            yield (
                gate_name(gate),
                "spec.verifiedRepository",
                sentence,
                "write registry.example.com/team/repository",
            )


def bad_aliases(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        doubled = {name for name in gate.spec.aliases if gate.spec.aliases.count(name) > 1}
        for name in sorted(doubled):
            yield gate_name(gate), "spec.aliases", f"{name} is there twice", "keep one"


def shared_repository(evidence: Evidence) -> Iterator[Problem]:
    """`a` and `a-b` in one repository: an alias of the first could read as a tag of the second."""
    gates = sorted(evidence.gates, key=lambda gate: gate.spec.platform)
    for first in gates:
        for second in gates:
            together = first.spec.verified_repository == second.spec.verified_repository
            if together and second.spec.platform.startswith(f"{first.spec.platform}-"):
                sentence = f"tags of {second.spec.platform} begin like those of {first.spec.platform}, in one repository"
                yield (
                    gate_name(second),
                    "spec.platform",
                    sentence,
                    "choose a name that does not begin with that of another",
                )


def quarantine(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        for entry in gate.spec.quarantine:
            field, until = f"spec.quarantine[{entry.job}]", read_instant(entry.until)
            if until is None:
                yield (
                    gate_name(gate),
                    f"{field}.until",
                    f"{entry.until!r} is no time",
                    "write 2026-06-11T03:15:00Z",
                )
            elif until - evidence.now > _QUARANTINE:
                yield (
                    gate_name(gate),
                    f"{field}.until",
                    f"{entry.until} is more than 14 days away",
                    "renew it every 14 days, or repair the job",
                )
            missing = [name for name in ("reason", "owner", "bug") if not getattr(entry, name).strip()]
            if missing:
                yield (
                    gate_name(gate),
                    field,
                    f"has no {', no '.join(missing)}",
                    "say why, who repairs it, and where that is tracked",
                )


def lifted_quarantine(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        names = {job.name for job in gate.spec.jobs}
        for entry in gate.spec.quarantine:
            until = read_instant(entry.until)
            field = f"spec.quarantine[{entry.job}]"
            if until is not None and until <= evidence.now:
                yield gate_name(gate), field, f"ended {entry.until}", "remove it"
            elif gate.spec.matrix_ref is None and entry.job not in names:
                yield (
                    gate_name(gate),
                    field,
                    "names a job that the gate does not have",
                    "remove it, or correct the name",
                )


def long_run(evidence: Evidence) -> Iterator[Problem]:
    for gate in evidence.gates:
        if gate.spec.run_deadline_minutes > _RUN_LIMIT:
            sentence = f"{gate.spec.run_deadline_minutes} minutes are more than the {_RUN_LIMIT} that the pipeline leaves"
            yield (
                gate_name(gate),
                "spec.runDeadlineMinutes",
                sentence,
                "shorten it: Tekton would end the task before the run is over",
            )


def _gate_name(manifest: Manifest) -> str:
    return f"Gate {loosejson.text(metadata_of(manifest).get('name'))}"


def _camel(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _unknown(value: Any, shape: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    """Paths of keys that a record of this shape does not have, each with the keys that it has."""
    shape = _without_none(shape)
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(shape)}
        for key, item in loosejson.mapping(value).items():
            if key in fields:
                yield from _unknown(item, fields[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}", list(fields)
    elif get_origin(shape) is tuple:
        for position, item in enumerate(loosejson.sequence(value)):
            name = loosejson.text(loosejson.mapping(item).get("name")) or position
            yield from _unknown(item, get_args(shape)[0], f"{path}[{name}]")


def _without_none(shape: Any) -> Any:
    """The type itself, without descriptions and without `| None`."""
    while hasattr(shape, "__metadata__"):
        shape = shape.__origin__
    options = [each for each in get_args(shape) if each is not type(None)]
    if type(None) in get_args(shape) and len(options) == 1:
        return _without_none(options[0])
    return shape
