"""Which jobs does a run start? Those that the Gate names, and those that its version matrix comes to.

Both axes of the matrix exist: the version of hosted clusters, and that of the management cluster. Each entry makes one job of each
template; an upgrade makes one of each minor that has both of its roles. The jobs are pinned in the run: a matrix that changes
under it changes the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pilotage.api.errors import InputError
from pilotage.api.gate import GateJob, GateSpec, MatrixCell, MatrixTemplate, RunJob, VersionMatrixSpec
from pilotage.gate.ticks.matrix import Entry, Minor, expand

__all__ = ["planned_jobs"]

_LATEST: Final = "latest"


def planned_jobs(spec: GateSpec, matrix: VersionMatrixSpec | None = None) -> tuple[RunJob, ...]:
    """The jobs in the order in which they are listed. Raises InputError `InvalidJobs` listing everything that is wrong."""
    jobs = [_listed(job) for job in spec.jobs]
    jobs += _of_matrix(matrix) if matrix else ()
    problems = _problems(jobs)
    if problems:
        raise InputError(
            "InvalidJobs",
            f"gate {spec.platform}: {'; '.join(problems)}",
            hint="correct spec.jobs of the Gate, or the templates of its VersionMatrix",
            messages=tuple(problems),
        )
    return tuple(jobs)


def _listed(job: GateJob) -> RunJob:
    return RunJob(
        name=job.name,
        type="informing" if job.type == "informing" else "required",
        phase=job.phase,
        owner=job.owner,
        contact=job.contact,
        env=job.env,
        deadline_minutes=job.deadline_minutes,
        semaphore=job.semaphore,
        cluster_hours=job.cluster_hours,
    )


def _of_matrix(matrix: VersionMatrixSpec) -> Iterator[RunJob]:
    minors = [Minor(each.minor, each.releases, each.supported) for each in matrix.minors]
    entries = expand(minors, matrix.select).entries
    management = (
        matrix.management or tuple(entry.version for entry in entries[::-1] if _LATEST in entry.roles)[:1]
    )
    for template in matrix.templates:
        for version in management or ("",):
            if template.kind == "upgrade":
                yield from _upgrades(template, entries, version)
            else:
                for entry in entries:
                    words = {"minor": entry.minor, "version": entry.version, "role": entry.roles[0]}
                    yield _made(template, entry, version, words)


def _upgrades(template: MatrixTemplate, entries: tuple[Entry, ...], management: str) -> Iterator[RunJob]:
    by_role = {(entry.minor, role): entry for entry in entries for role in entry.roles}
    for minor in dict.fromkeys(entry.minor for entry in entries):
        start, end = by_role.get((minor, template.from_role)), by_role.get((minor, template.to_role))
        if start is not None and end is not None and start != end:
            words = {"minor": minor, "version": end.version, "role": template.to_role}
            yield _made(template, end, management, words | {"from": start.version, "to": end.version})


def _made(template: MatrixTemplate, entry: Entry, management: str, words: Mapping[str, str]) -> RunJob:
    words = {**words, "management": management}
    return RunJob(
        name=_filled(template.name, words),
        type="informing" if template.type == "informing" else "required",
        phase=template.phase,
        owner=template.owner,
        contact=template.contact,
        env={name: _filled(value, words) for name, value in template.env.items()},
        cluster_hours=template.cluster_hours,
        cell=MatrixCell(entry.version, management, entry.roles),
    )


def _filled(pattern: str, words: Mapping[str, str]) -> str:
    """Only our own words are replaced: other braces are somebody else's."""
    for word, value in words.items():
        pattern = pattern.replace(f"{{{word}}}", value)
    return pattern


def _problems(jobs: list[RunJob]) -> list[str]:
    names = [job.name for job in jobs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    problems = [
        f"job {name}: comes twice; names in templates need {{version}} or {{minor}}" for name in doubled
    ]
    if not any(job.type == "required" for job in jobs):
        problems.append("jobs: none is required, so nothing could ever be proven")
    return problems
