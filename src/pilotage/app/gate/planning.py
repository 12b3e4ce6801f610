"""What `pilotage gate lint` and `pilotage gate plan` do: what is wrong with Gates, and what a night of one would be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from pilotage.api import yaml
from pilotage.api.errors import InputError
from pilotage.app.gate.given import Given, Sight, Tenant, look, open_tenant
from pilotage.app.gate.rendering import rendered
from pilotage.decision.findings import Finding
from pilotage.gate.health.forecast import Forecast, Prices, forecast
from pilotage.gate.konflux.files import objects_of
from pilotage.gate.konflux.target import Pins
from pilotage.gate.linting import rules
from pilotage.gate.ticks.jobs import planned_jobs
from pilotage.gate.ticks.matrix import Minor, expand

__all__ = ["GatePlan", "PlannedObject", "lint", "plan", "read_prices"]


class PlannedObject(msgspec.Struct, frozen=True):
    kind: str
    namespace: str
    name: str


class GatePlan(msgspec.Struct, frozen=True):
    """One platform: the forecast of a run, minors that the matrix skips, and the objects that would be rendered."""

    platform: str
    forecast: Forecast
    skipped: dict[str, str]
    objects: tuple[PlannedObject, ...]


async def lint(given: Given, tenant: Tenant, now: datetime) -> tuple[Finding, ...]:
    """Findings about the Gates; with a tenant also about what is applied there."""
    sight: Sight | None = None
    if tenant.origin:
        async with open_tenant(tenant) as opened:
            sight = await look(opened.reader)
    evidence = rules.Evidence(
        given.gates, now, given.written, given.matrices, sight.objects if sight else None
    )
    return (*given.unreadable, *rules.lint(evidence))


def plan(given: Given, platform: str, prices: Prices, now: datetime) -> GatePlan:
    """Raises InputError `InvalidJobs`, `MatrixMissing`, and as rendering does."""
    gate = given.one(platform)
    matrix = given.matrix_of(gate)
    jobs = planned_jobs(gate.spec, matrix.spec if matrix else None)
    skipped: dict[str, str] = {}
    if matrix:
        minors = [Minor(each.minor, each.releases, each.supported) for each in matrix.spec.minors]
        skipped = dict(expand(minors, matrix.spec.select).skipped)
    return GatePlan(
        platform,
        forecast(gate.spec, gate.status, jobs, prices, now),
        skipped,
        _objects(objects_of(rendered(given, [platform], Pins()))),
    )


def _objects(manifests: Sequence[dict[str, Any]]) -> tuple[PlannedObject, ...]:
    return tuple(
        PlannedObject(each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"])
        for each in manifests
    )


def read_prices(path: Path | None) -> Prices:
    """A price table: `perClusterHour`, `currency`, and `jobs` with patterns. Raises InputError `InvalidPrices`."""
    if path is None:
        return Prices()
    try:
        return msgspec.convert(yaml.load(path.read_text(encoding="utf-8")), Prices)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("UnreadableFile", f"{path}: {error}") from None
    except msgspec.ValidationError as error:
        raise InputError(
            "InvalidPrices",
            f"{path}: {error}",
            hint="write perClusterHour: 4.2, currency: USD, and jobs: with a price by pattern",
        ) from None
