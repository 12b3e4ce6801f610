"""What `pilotage gate onboard --verify` does: is everything there that the first night needs? Nothing is written.

Each check says yes or no, with a reason; what may not be seen is a no that says so. The dry trigger is the trigger itself, on the
tenant's Snapshots, without its writes: nothing of ours is on the cluster, so the ledger that it reads is an empty one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from pilotage.api import gate as gates
from pilotage.api import konflux
from pilotage.api.core import SECRET
from pilotage.api.errors import PilotageError
from pilotage.api.gate import Gate
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.app.gate.given import Given, Sight, look
from pilotage.gate.konflux.names import names_of, trigger_cronjob
from pilotage.gate.konflux.schedule import CRON_JOB
from pilotage.gate.konflux.secrets import needed
from pilotage.gate.konflux.steps import ACCOUNTS
from pilotage.gate.linting import rules
from pilotage.gate.promotion.admissions import Pairing, match_admission, read_admission, read_plan
from pilotage.gate.ticks.tick import TickRequest, make_tick
from pilotage.store.base import Listing, NotFoundError, Reader

__all__ = ["Check", "verify"]

_ACCOUNT: Final = Kind("", "v1", "ServiceAccount", "serviceaccounts")
_NAMESPACE: Final = "default"


class Check(msgspec.Struct, frozen=True):
    """`hint` is what to do when it is not passed."""

    name: str
    passed: bool
    reason: str
    hint: str = ""


async def verify(given: Given, platform: str, reader: Reader, now: datetime) -> tuple[Check, ...]:
    """Every check, in the order in which a night would stumble over them."""
    gate = given.one(platform)
    tenant, managed = gate.spec.tenant_namespace, gate.spec.managed_namespace
    sight = await look(
        reader,
        (konflux.INTEGRATION_TEST_SCENARIO, konflux.RELEASE_PLAN, SECRET, CRON_JOB, _ACCOUNT),
        (tenant,),
    )
    admissions = await look(reader, (konflux.RELEASE_PLAN_ADMISSION,), (managed,))
    sight = Sight({**sight.objects, **admissions.objects}, {**sight.unseen, **admissions.unseen})
    names = names_of(platform)
    return (
        _valid(given, platform, now),
        _present(sight, "schedule", "CronJob", trigger_cronjob(gate.spec.schedule, gate.spec.time_zone)),
        *(_present(sight, "account", "ServiceAccount", name) for name in ACCOUNTS),
        *_secrets(sight, gate),
        _scenario(sight, names.scenario, now),
        _admitted(sight, names.release_plan, names.admission),
        await _triggers(given, gate, reader, now),
    )


def _valid(given: Given, platform: str, now: datetime) -> Check:
    """Only this platform's own faults count."""
    own = [each for each in given.gates if each.spec.platform == platform]
    written = tuple(each for each in given.written if (each.get("spec") or {}).get("platform") == platform)
    found = rules.lint(rules.Evidence(tuple(own), now, written, given.matrices))
    errors = [each for each in found if each.severity == "error"]
    if not errors:
        return Check("gate", True, "no rule of lint finds an error")
    told = "; ".join(f"{each.code} {each.field}: {each.message}" for each in errors)
    return Check("gate", False, told, errors[0].hint)


def _present(sight: Sight, check: str, kind: str, name: str) -> Check:
    if kind in sight.unseen:
        return _unseen(sight, check, kind)
    found = _find(sight, kind, name)
    if found is None:
        return Check(check, False, f"{kind} {name} is not there", "apply the rendered tree")
    if (found.get("spec") or {}).get("suspend"):
        return Check(check, False, f"{kind} {name} is suspended", "resume it")
    return Check(check, True, f"{kind} {name} is there")


def _secrets(sight: Sight, gate: Gate) -> Iterator[Check]:
    for reference in needed(gate.spec):
        if "Secret" in sight.unseen:
            yield _unseen(sight, "secret", "Secret")
            continue
        found = _find(sight, "Secret", reference.name)
        hint = f"create it with the key {reference.key}; tenant/secrets.example.yaml names all"
        if found is None:
            yield Check("secret", False, f"Secret {reference.name} is not there", hint)
        elif reference.key not in {**(found.get("data") or {}), **(found.get("stringData") or {})}:
            yield Check("secret", False, f"Secret {reference.name} has no key {reference.key}", hint)
        else:
            yield Check("secret", True, f"Secret {reference.name} has the key {reference.key}")


def _scenario(sight: Sight, name: str, now: datetime) -> Check:
    there = _present(sight, "scenario", "IntegrationTestScenario", name)
    found = _find(sight, "IntegrationTestScenario", name)
    if not there.passed or found is None:
        return there
    evidence = rules.Evidence((), now, dump={"IntegrationTestScenario": (found,)})
    problems = [each for each in rules.lint(evidence) if each.severity == "error"]
    if problems:
        return Check("scenario", False, f"{problems[0].code}: {problems[0].message}", problems[0].hint)
    return Check("scenario", True, f"{name} is there, disabled and pinned")


def _admitted(sight: Sight, plan_name: str, admission_name: str) -> Check:
    there = _present(sight, "admission", "ReleasePlan", plan_name)
    plan = _find(sight, "ReleasePlan", plan_name)
    if not there.passed or plan is None:
        return there
    if "ReleasePlanAdmission" in sight.unseen:
        # Release engineering's namespace is rarely ours to read; its controller tells what it found.
        return _told(plan, sight)
    admissions = tuple(read_admission(each) for each in sight.objects["ReleasePlanAdmission"])
    decision = match_admission(Pairing(read_plan(plan), admissions))
    hint = "have managed/rpa-*.yaml applied by release engineering"
    if decision.value is None:
        why = f"{decision.error.code}: {decision.error.message}" if decision.error else "nothing matches"
        return Check("admission", False, why, hint)
    if decision.value.is_blocked:
        return Check(
            "admission", False, f"{decision.value.name} blocks releases", "ask release engineering why"
        )
    if decision.value.name.rpartition("/")[2] != admission_name:
        return Check("admission", False, f"{decision.value.name} is matched, not {admission_name}", hint)
    return Check("admission", True, f"{decision.value.name} takes it, {decision.reason}")


def _told(plan: Mapping[str, Any], sight: Sight) -> Check:
    matched = (plan.get("status") or {}).get("releasePlanAdmission") or {}
    if matched.get("active"):
        return Check("admission", True, f"{matched.get('name')} is active, as the status of the plan says")
    return _unseen(sight, "admission", "ReleasePlanAdmission")


async def _triggers(given: Given, gate: Gate, reader: Reader, now: datetime) -> Check:
    """The trigger without its writes."""
    request = TickRequest(id="onboard", kind="manual", by="onboard", run_class="test", writes=False)
    try:
        outcome = await make_tick(_DryStore(reader, given), gate, _NAMESPACE, request, now)
    except PilotageError as error:
        return Check("trigger", False, f"{error.code}: {error.message}", error.hint)
    if outcome.action == "start" and outcome.chosen:
        chosen = outcome.chosen
        return Check("trigger", True, f"would start with {chosen.snapshot.name}, {chosen.digest}")
    counts: dict[str, int] = {}
    for code in outcome.rejected.values():
        counts[code] = counts.get(code, 0) + 1
    rejected = ", ".join(f"{count} {code}" for code, count in sorted(counts.items()))
    why = f"{outcome.action}: {outcome.reason}" + (f" ({rejected})" if rejected else "")
    return Check("trigger", False, why, "the codes are those of pilotage decide gate.select-snapshot")


class _DryStore:
    """Konflux objects as they are, and of ours what people gave: a ledger that nobody has written to yet."""

    def __init__(self, reader: Reader, given: Given) -> None:
        self._reader = reader
        self._given = given

    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        if kind == gates.VERSION_MATRIX and key.name in self._given.matrices:
            matrix = self._given.matrices[key.name]
            header = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": key.name}}
            return Object.of(header | {"spec": msgspec.to_builtins(matrix.spec)})
        if kind.group == gates.GROUP:
            raise NotFoundError(kind, key)
        return await self._reader.get(kind, key)

    async def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Listing:
        if kind.group == gates.GROUP:
            return Listing((), "0")
        return await self._reader.list(kind, namespace, labels)

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object:
        raise AssertionError(f"a dry trigger wrote a {kind.kind} as {manager}: {manifest.get('metadata')}")


def _find(sight: Sight, kind: str, name: str) -> dict[str, Any] | None:
    found: Sequence[dict[str, Any]] = sight.objects.get(kind, ())
    return next((each for each in found if each["metadata"]["name"] == name), None)


def _unseen(sight: Sight, check: str, kind: str) -> Check:
    return Check(
        check, False, f"{kind} cannot be seen: {sight.unseen[kind]}", "ask with an account that may read it"
    )
