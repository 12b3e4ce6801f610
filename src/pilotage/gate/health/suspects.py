"""Which push broke the gate? The last good and the first bad image of a platform, and the builds between them.

The good end is the newest image whose required jobs passed before the bad one was built; the bad end the oldest image of the
present red streak. What failed there are the jobs to probe. What is known about a suspect already, from whichever run tested it,
counts as a probe; results of the infrastructure do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from pilotage.api.gate import GateRun
from pilotage.gate.health.bisect import BisectPolicy, Probe, Step, next_step, posterior
from pilotage.gate.ticks.snapshots import Snapshot

__all__ = ["Bisection", "Suspect", "bisection"]


class Suspect(msgspec.Struct, frozen=True, rename="camel"):
    """A build that may be the first bad one; `odds` is how likely, `probes` what was seen of it."""

    snapshot: str
    digest: str
    revision: str
    created: str
    odds: float
    probes: tuple[str, ...]


class Bisection(msgspec.Struct, frozen=True, rename="camel"):
    """`status` says how it stands; `step` is what to do next, None when there is nothing to find."""

    status: Literal["green", "no-good", "no-suspects", "open", "found", "exhausted"]
    jobs: tuple[str, ...] = ()
    good: str = ""
    bad: str = ""
    suspects: tuple[Suspect, ...] = ()
    step: Step | None = None

    @property
    def answer(self) -> Suspect | None:
        """The suspect that the next step is about."""
        return next(
            (each for each in self.suspects if self.step and each.snapshot == self.step.snapshot), None
        )


class _Build(msgspec.Struct, frozen=True):
    name: str
    digest: str
    revision: str
    created: str


def bisection(
    runs: Sequence[GateRun],
    snapshots: Iterable[Snapshot],
    component: str,
    policy: BisectPolicy | None = None,
) -> Bisection:
    """How a platform stands. `runs` are all of its runs; runs of class test are probes and open no streak."""
    ordered = sorted(
        (run for run in runs if run.status.verdict and run.spec.run_class != "test" and not run.spec.subset),
        key=lambda run: (run.spec.snapshot.created, run.spec.created_at),
    )
    bad = _first_bad(ordered)
    if bad is None:
        return Bisection("green")
    jobs = _failed_jobs(bad)
    good = next(
        (
            run
            for run in reversed(ordered)
            if run.status.verdict == "passed" and run.spec.snapshot.created < bad.spec.snapshot.created
        ),
        None,
    )
    if good is None:
        return Bisection("no-good", jobs, bad=bad.spec.snapshot.name)
    builds = _between(snapshots, component, good.spec.snapshot.created, bad)
    if not builds:
        return Bisection("no-suspects", jobs, good.spec.snapshot.name, bad.spec.snapshot.name)
    probes = _probes(runs, builds, jobs)
    names = [build.name for build in builds]
    step, odds = next_step(names, probes, policy), posterior(names, probes, policy)
    return Bisection(
        "found" if step.action == "found" else "exhausted" if step.action == "exhausted" else "open",
        jobs,
        good.spec.snapshot.name,
        bad.spec.snapshot.name,
        tuple(
            Suspect(
                build.name,
                build.digest,
                build.revision,
                build.created,
                chance,
                tuple(probe.result for probe in probes if probe.snapshot == build.name),
            )
            for build, chance in zip(builds, odds, strict=True)
        ),
        step,
    )


def _first_bad(ordered: Sequence[GateRun]) -> GateRun | None:
    """The oldest failed run since the last one that passed; errors say nothing about the image."""
    bad = None
    for run in ordered:
        if run.status.verdict == "passed":
            bad = None
        elif run.status.verdict == "failed" and bad is None:
            bad = run
    return bad


def _failed_jobs(run: GateRun) -> tuple[str, ...]:
    required = {job.name for job in run.spec.jobs if job.type == "required"}
    return tuple(
        record.name
        for record in run.status.jobs
        if record.name in required and record.attempts and record.attempts[-1].result == "failed"
    )


def _between(
    snapshots: Iterable[Snapshot], component: str, good_created: str, bad: GateRun
) -> tuple[_Build, ...]:
    """Builds after the good one, oldest first, the bad one last."""
    found: dict[str, _Build] = {}
    for snapshot in snapshots:
        entry = snapshot.component(component)
        created = f"{snapshot.created:%Y-%m-%dT%H:%M:%SZ}" if snapshot.created else ""
        digest = entry.image.partition("@")[2] if entry else ""
        if entry and digest and good_created < created <= bad.spec.snapshot.created:
            found[digest] = _Build(snapshot.name, digest, entry.revision or "", created)
    spec = bad.spec
    found.pop(spec.digest, None)
    last = _Build(spec.snapshot.name, spec.digest, spec.revision or "", spec.snapshot.created)
    return (*sorted(found.values(), key=lambda each: (each.created, each.name)), last)


def _probes(runs: Iterable[GateRun], builds: Sequence[_Build], jobs: Sequence[str]) -> tuple[Probe, ...]:
    """One probe for each run of the failed jobs on a suspect: failed when any failed, passed when all passed."""
    names = {build.digest: build.name for build in builds}
    probes = []
    for run in sorted(runs, key=lambda each: each.spec.created_at):
        name = names.get(run.spec.digest)
        records = {record.name: record for record in run.status.jobs}
        if name is None or not all(job in records for job in jobs):
            continue
        results = [records[job].attempts[-1].result if records[job].attempts else "pending" for job in jobs]
        if "failed" in results:
            probes.append(Probe(name, "failed"))
        elif all(result == "passed" for result in results):
            probes.append(Probe(name, "passed"))
        elif any(result in ("", "pending", "unknown") for result in results):
            probes.append(Probe(name, "pending"))
        else:
            probes.append(Probe(name, "infra_error"))
    return tuple(probes)
