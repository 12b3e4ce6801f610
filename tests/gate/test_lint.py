"""Every rule finds its fault in a sentence that names object, field and remedy, and is silent without the fault."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilotage.api import yaml
from pilotage.api.gate import GateJob, NamedReference, QuarantineEntry
from pilotage.gate.konflux.files import files_of, objects_of
from pilotage.gate.konflux.secrets import examples
from pilotage.gate.linting.rules import CODES, RULES, UNREADABLE, Evidence, lint

from .konflux.rendering import gate, matrix, target

NOW = datetime(2026, 6, 11, 12, tzinfo=UTC)
CASES: list[dict[str, Any]] = yaml.load((Path(__file__).parent / "cases" / "lint.yaml").read_text())


def dump_of(*objects: dict[str, Any]) -> dict[str, tuple[dict[str, Any], ...]]:
    found: dict[str, tuple[dict[str, Any], ...]] = {}
    for each in objects:
        found[each["kind"]] = (*found.get(each["kind"], ()), each)
    return found


def applied() -> dict[str, tuple[dict[str, Any], ...]]:
    """Everything that is rendered for one platform, with its Secrets."""
    return dump_of(*objects_of(files_of([target()])), *examples("crt-redhat-acm-tenant", ()))


def codes(evidence: Evidence) -> list[str]:
    return [each.code for each in lint(evidence)]


def test_what_is_rendered_has_no_finding() -> None:
    """A good Gate and its own tree: the rules and the renderer agree."""
    assert () == lint(Evidence((gate(),), NOW, dump=applied()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_faults_of_applied_objects(case: dict[str, Any]) -> None:
    """Cases are objects of a tenant, with the codes and fields that lint gives."""
    found = lint(Evidence((), NOW, dump=dump_of(*case["objects"])))
    assert [(each["code"], each["field"]) for each in case["finds"]] == [
        (each.code, each.field) for each in found
    ]
    assert all(each.subject and each.message and each.hint for each in found)


def entry(**more: str) -> QuarantineEntry:
    given = {
        "job": "e2e-upgrade",
        "until": "2026-06-20T00:00:00Z",
        "reason": "flaky",
        "owner": "hcp",
        "bug": "B-1",
    }
    return QuarantineEntry(**(given | more))


FAULTS: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("a required job of phase 3", {"jobs": (GateJob("a", phase=3, owner="x", contact="y"),)}, "Q-GATE-007", "spec.jobs[a].type"),
    ("a reserved platform", {"platform": "latest"}, "Q-GATE-008", "spec.platform"),
    ("a name beyond the limit", {"component": "c" * 64}, "Q-GATE-009", "spec.component"),
    ("a bad cron expression", {"schedule": "15 3 * *"}, "Q-GATE-010", "spec.schedule"),
    ("an unknown time zone", {"time_zone": "Mars/Olympus"}, "Q-GATE-010", "spec.timeZone"),
    ("a repository with a tag", {"verified_repository": "quay.io/a/b:latest"}, "Q-GATE-012", "spec.verifiedRepository"),
    ("a repository without a registry", {"verified_repository": "a/b"}, "Q-GATE-012", "spec.verifiedRepository"),
    ("a quarantine of 15 days", {"quarantine": (entry(until="2026-06-26T12:00:01Z"),)}, "Q-GATE-013", "spec.quarantine[e2e-upgrade].until"),
    ("a quarantine without a bug", {"quarantine": (entry(bug=" "),)}, "Q-GATE-013", "spec.quarantine[e2e-upgrade]"),
    ("a quarantine without an end", {"quarantine": (entry(until="soon"),)}, "Q-GATE-013", "spec.quarantine[e2e-upgrade].until"),
    ("no owner", {"owners": (" ",)}, "Q-GATE-014", "spec.owners"),
    ("a run longer than its task", {"run_deadline_minutes": 321}, "Q-GATE-019", "spec.runDeadlineMinutes"),
    ("an alias twice", {"aliases": ("sha", "sha")}, "Q-GATE-020", "spec.aliases"),
    ("a job of nobody", {"jobs": (GateJob("a"),)}, "Q-GATE-021", "spec.jobs[a]"),
    ("a quarantine that is over", {"quarantine": (entry(until="2026-06-11T12:00:00Z"),)}, "Q-GATE-022", "spec.quarantine[e2e-upgrade]"),
    ("a quarantine of no job", {"quarantine": (entry(job="gone"),)}, "Q-GATE-022", "spec.quarantine[gone]"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("more", "code", "field"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS]
)
def test_faults_of_a_gate(more: dict[str, Any], code: str, field: str) -> None:
    """One fault, one finding."""
    given = gate(
        more.get("platform", "aro-hcp"), **{key: value for key, value in more.items() if key != "platform"}
    )
    (found,) = lint(Evidence((given,), NOW))
    assert (code, field) == (found.code, found.field)
    assert found.hint


def test_fourteen_days_are_allowed_to_the_second() -> None:
    """The bound itself is no finding."""
    until = (NOW + timedelta(days=14)).isoformat().replace("+00:00", "Z")
    assert [] == codes(Evidence((gate(quarantine=(entry(until=until),)),), NOW))


def test_jobs_that_make_no_plan() -> None:
    """Twice, both required and informing, or none required."""
    doubled = gate(
        jobs=(GateJob("a", owner="x", contact="y"), GateJob("a", type="informing", owner="x", contact="y"))
    )
    assert ["Q-GATE-011", "Q-GATE-011"] == codes(Evidence((doubled,), NOW))
    nothing = gate(jobs=(GateJob("a", type="informing", owner="x", contact="y"),))
    assert ["Q-GATE-011"] == codes(Evidence((nothing,), NOW))


def test_the_matrix_belongs_to_the_gate() -> None:
    """One that is missing is an error; a supported minor without a release is worth a word."""
    given = gate(matrix_ref=NamedReference("cpo"))
    written = ({"metadata": {"name": "aro-hcp"}, "spec": {}},)
    assert ["Q-GATE-011"] == codes(Evidence((given,), NOW, written))
    assert ["Q-GATE-023"] == codes(Evidence((given,), NOW, written, {"cpo": matrix()}))


def test_a_misspelled_field_is_named_with_the_right_one() -> None:
    """Also inside lists and records, where a default would silently take its place."""
    spec = {
        "verifedRepository": "x",
        "jobs": [{"name": "a", "typ": "informing"}],
        "retry": {"maxInfraAttempt": 1},
        "slackChannelRef": {"name": "a", "kee": "b"},
    }
    found = lint(Evidence((), NOW, ({"metadata": {"name": "aro-hcp"}, "spec": spec},)))
    assert {
        "spec.verifedRepository": "write verifiedRepository",
        "spec.jobs[a].typ": "write type",
        "spec.retry.maxInfraAttempt": "write maxInfraAttempts",
        "spec.slackChannelRef.kee": "write key",
    } == {each.field: each.hint for each in found}
    assert {"Q-GATE-018"} == {each.code for each in found}


def test_tags_of_two_platforms_that_begin_alike() -> None:
    """Only where they share the repository."""
    first, second = gate("aro"), gate("aro-hcp")
    assert ["Q-GATE-024"] == codes(Evidence((first, second), NOW))
    apart = gate("aro-hcp", verified_repository="quay.example.com/other/repository")
    assert [] == codes(Evidence((first, apart), NOW))


def test_secrets_are_looked_for_by_name_and_key() -> None:
    """A missing one, a missing key; a dump without any Secret tells nothing about them."""
    dump = applied()
    only = {**dump, "Secret": (dump["Secret"][0] | {"stringData": {"other": ""}},)}
    found = lint(Evidence((gate(),), NOW, dump=only))
    assert [("Q-GATE-015", "data.token"), ("Q-GATE-015", "")] == [(each.code, each.field) for each in found]
    assert ["Q-GATE-031"] == codes(Evidence((gate(),), NOW, dump={**dump, "Secret": ()}))


def test_an_admission_with_tags_of_others() -> None:
    """The canonical tag must be there, and every tag be the platform's own."""
    dump = applied()
    admission = yaml.load(yaml.dump(dump["ReleasePlanAdmission"][0]))
    admission["spec"]["data"]["mapping"]["defaults"]["tags"] = ["aro-hcp-latest", "latest"]
    found = lint(Evidence((gate(),), NOW, dump={**dump, "ReleasePlanAdmission": (admission,)}))
    assert ["Q-GATE-017", "Q-GATE-017"] == [each.code for each in found]


def test_nothing_in_a_dump_can_stop_a_rule() -> None:
    """Objects with null, numbers and lists in every place are read like empty ones."""
    kinds = (
        "IntegrationTestScenario",
        "ReleasePlan",
        "ReleasePlanAdmission",
        "Secret",
        "Snapshot",
        "CronJob",
    )
    for odd in (None, 7, "x", [], [None, 3], {"a": None}):
        objects = [{"kind": kind, "metadata": odd, "spec": odd, "data": odd} for kind in kinds]
        objects += [
            {
                "kind": kind,
                "metadata": {"name": "ho-release-gate-a", "labels": odd},
                "spec": {"contexts": odd, "resolverRef": odd},
            }
            for kind in kinds
        ]
        lint(Evidence((gate(),), NOW, dump=dump_of(*objects)))


def test_codes_are_unique_and_each_has_a_sentence() -> None:
    """A code is for ever; the reference page prints its sentence."""
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert {UNREADABLE, *(rule.code for rule in RULES)} == set(CODES)
    assert all(re.fullmatch(r"Q-GATE-\d{3}", code) and text.endswith(".") for code, text in CODES.items())
