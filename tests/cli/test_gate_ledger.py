"""`pilotage gate`, asked and told from the command line, on the ledger of a few nights in a directory as an instance leaves it."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pilotage.api.gate import GATE, GATE_RUN, Gate, GateRun
from pilotage.api.konflux import SNAPSHOT
from pilotage.api.meta import ObjectKey
from pilotage.app import instance
from pilotage.runtime.clock import SystemClock
from pilotage.store.embedded.store import EmbeddedStore

from .nights import MORNING, NAMESPACE, made, record

AT = f"--at {MORNING}"


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Nights that are over, and nights of which the last one is under way."""
    home = tmp_path_factory.mktemp("nights")
    return record(home / "over"), record(home / "active", active=True)


@pytest.fixture
def over(recorded: tuple[Path, Path], tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return placed(recorded[0], tmp_path, monkeypatch)


@pytest.fixture
def active(recorded: tuple[Path, Path], tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return placed(recorded[1], tmp_path, monkeypatch)


def placed(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "instance"
    shutil.copytree(source, directory)
    monkeypatch.setenv("PILOTAGE_DATA_DIR", str(directory))
    return directory


def stored(directory: Path, work) -> Any:
    async def opened() -> Any:
        async with await EmbeddedStore.open(instance.store_path(directory), SystemClock()) as store:
            return await work(store)

    return asyncio.run(opened())


def gate_in(directory: Path, platform: str = "aro-hcp") -> Gate:
    return stored(directory, lambda store: store.get(GATE, ObjectKey(NAMESPACE, platform))).view(Gate)


def runs_in(directory: Path, platform: str = "aro-hcp") -> list[GateRun]:
    """Newest first."""
    items = stored(directory, lambda store: store.list(GATE_RUN, NAMESPACE)).items
    runs = [item.view(GateRun) for item in items]
    return sorted(
        (run for run in runs if run.spec.platform == platform),
        key=lambda run: run.spec.created_at,
        reverse=True,
    )


# -- questions --------------------------------------------------------------------------------------------------------


def test_status_shows_every_platform_and_what_to_look_at(pilotage, over):
    """A red platform whose job flakes is a 1; the green one has nothing to look at."""
    ran = pilotage(f"gate status {AT}")
    assert (1, "") == (ran.code, ran.err)
    aro, rosa = ran.out.splitlines()[1:]
    assert "red, 2 in a row" in aro
    assert "quarantine of e2e-azure is proposed" in aro
    assert "up-to-date" in rosa

    items = pilotage(f"gate status {AT} -o json").json()["items"]
    assert ["aro-hcp", "rosa-hcp"] == [item["platform"] for item in items]
    assert items[0]["promoted"]["at"] < "2026-06-13" < items[1]["promoted"]["at"]
    assert {"waiting": 0, "dead": 0} == items[0]["letters"]


def test_status_counts_down_to_the_stale_alarm(pilotage, over):
    """Three days after the last promotion it is due; what is overdue is a 1."""
    left = pilotage(f"gate status aro-hcp {AT} -o json").json()["items"][0]["staleness"]
    assert left["stale"] is False
    assert 0 < left["left"] < 86_400
    late = pilotage("gate status rosa-hcp --at 2026-06-19T12:00:00Z -o json").json()["items"][0]["staleness"]
    assert (True, "warning") == (late["stale"], late["level"])
    assert late["left"] < 0


def test_status_shows_the_run_that_is_under_way(pilotage, active):
    """Each job with its state and its attempts, and how many of the required ones are done."""
    ran = pilotage("gate status aro-hcp --at 2026-06-14T03:50:00Z -o json")
    run = ran.json()["items"][0]["run"]
    assert ("testing", 0, 2) == (run["state"], run["done"], run["total"])
    assert {"e2e-azure": "running", "e2e-upgrade": "running"} == {
        job["name"]: job["state"] for job in run["jobs"]
    }
    assert "is testing: 0 of 2 required jobs are done" in pilotage("gate status aro-hcp").out


def test_history_is_newest_first_and_can_be_narrowed(pilotage, over):
    """By verdict, by time and by number; nothing left is a 3."""
    every = pilotage(f"gate history {AT} -o json").json()["items"]
    assert 8 == len(every)
    times = [line["run"]["startedAt"] for line in every]
    assert times == sorted(times, reverse=True)
    failed = pilotage(f"gate history aro-hcp --verdict failed {AT} -o json").json()["items"]
    assert ["failed", "failed"] == [line["run"]["verdict"] for line in failed]
    assert 1 == len(pilotage(f"gate history aro-hcp --since 1d {AT} -o json").json()["items"])
    assert 3 == len(pilotage(f"gate history --limit 3 {AT} -o json").json()["items"])
    assert 3 == pilotage(f"gate history rosa-hcp --verdict failed {AT}").code
    assert (2, "") == pilotage("gate history --since lately")[:2]


def test_health_is_worked_out_from_the_summaries(pilotage, over):
    """Success rate, streak, retries that saved a night; few runs are called insufficient data."""
    aro = pilotage(f"gate status --health {AT} -o json").json()["items"][0]["health"]
    assert (4, 0.5, 2, 2) == (aro["runs"], aro["successRate"], aro["consecutiveFailures"], aro["saved"])
    assert aro["insufficientData"]
    assert aro["buildToPromotion"]["count"] == 2
    assert (
        pilotage(f"gate history aro-hcp --health {AT}").out
        == pilotage(f"gate status aro-hcp --health {AT}").out
    )


def test_explain_run_prints_every_rule(pilotage, over):
    """Verdict, retries, promotion and the ledger; a run that failed is a 1, the beginning of its name is enough."""
    (run, *_) = runs_in(over)
    ran = pilotage(f"gate explain run {run.metadata.name[:12]} {AT}")
    assert 1 == ran.code
    for part in ("required-failed", "confirmed-failure", "not-passed", "Evaluated", "JobRetry"):
        assert part in ran.out
    titles = [
        each["title"]
        for each in pilotage(f"gate explain run {run.metadata.name} -o json").json()["items"][0]["decisions"]
    ]
    assert ["verdict", "retry of e2e-upgrade", "promotion"] == titles


def test_explain_snapshot_says_what_each_platform_would_do(pilotage, over):
    """Eligible, and then whether a tick would start it: not for the platform that promoted it."""
    name = pilotage(f"gate select aro-hcp {AT} -o json").json()["items"][0]["snapshot"]
    ran = pilotage(f"gate explain snapshot {name} {AT} -o json")
    assert 0 == ran.code
    answers = {
        item["subject"].rsplit(" ", 1)[1]: item["decisions"][-1]["value"] for item in ran.json()["items"]
    }
    assert {"action": "start", "reason": "retry"} == answers["aro-hcp"]
    assert {"action": "skip", "reason": "already-promoted"} == answers["rosa-hcp"]
    assert 2 == pilotage("gate explain snapshot nobody").code


def test_explain_promotion_leads_to_its_run(pilotage, over):
    """By tag or by the first digits of the digest."""
    tag = gate_in(over, "rosa-hcp").status.last_promoted_tag
    ran = pilotage(f"gate explain promotion {tag} {AT}")
    assert 0 == ran.code
    assert "all-required-passed" in ran.out
    assert 2 == pilotage("gate explain promotion aro-hcp-nothing").code


def test_where_follows_a_commit_through_the_platforms(pilotage, over):
    """Verified here by its own image or a later one, failed there; unknown is a 3, half a word a 2."""
    bad = next(build for build in made() if build.digest == runs_in(over)[0].spec.digest)
    ran = pilotage(f"gate where {bad.revision[:10]} {AT} -o json")
    stages = {place["platform"]: place["stage"] for place in ran.json()["platforms"]}
    assert (1, {"aro-hcp": "failed", "rosa-hcp": "verified"}) == (ran.code, stages)
    first = made()[0]
    early = pilotage(f"gate where {first.revision} {AT}")
    assert 0 == early.code
    assert "a later build was promoted" in early.out
    assert 3 == pilotage("gate where 0123456789").code
    assert 2 == pilotage("gate where abc").code


def test_select_names_the_newest_and_counts_the_others(pilotage, over):
    """What the next tick would take, as of a time."""
    ran = pilotage("gate select aro-hcp --at 2026-06-11T04:00:00Z --all -o json").json()["items"][0]
    assert ran["snapshot"] < "hypershift-operator-20260611-04"
    assert "future-timestamp" in ran["rejected"].values()


def test_bisect_names_the_build_that_broke_it(pilotage, over):
    """One build between the last good and the first bad image: it is found without a probe."""
    ran = pilotage("gate bisect aro-hcp -o json")
    found = ran.json()["bisection"]
    assert (0, "found", ["e2e-upgrade"]) == (ran.code, found["status"], found["jobs"])
    assert 0 == pilotage("gate bisect rosa-hcp").code
    assert 2 == pilotage("gate bisect").code


def test_regress_reports_every_unit(pilotage, over):
    """With hosted minors from the matrix; nothing is regressed without a base."""
    ran = pilotage(f"gate regress {AT} --all -o json")
    assert 0 == ran.code
    assert {"", "4.20", "4.21"} == {item["minor"] for item in ran.json()["items"]}


def test_matrix_prints_hosted_against_management(pilotage, over):
    """Versions in their numerical order; the worst result of each combination."""
    ran = pilotage("gate matrix")
    rows = [line.split()[0] for line in ran.out.splitlines()[3:]]
    assert ["4.20.0", "4.20.7", "4.20.10", "4.21.1", "4.21.2", "any"] == rows
    assert 1 == ran.code
    assert 2 == pilotage("gate matrix sha256:ffff").code


def test_metrics_are_those_of_the_store(pilotage, over):
    """Counters stand in the Gates."""
    ran = pilotage(f"gate metrics {AT}")
    assert 'pilotage_gate_runs_total{platform="aro-hcp",verdict="failed"} 2' in ran.out
    assert 'pilotage_gate_stale{platform="rosa-hcp"} 0' in ran.out


def test_a_dump_answers_as_the_instance_does(pilotage, over, tmp_path):
    """`--from` a file with the same objects: the same text."""
    items = stored(over, listed)
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    for line in (
        f"gate status {AT}",
        f"gate history {AT}",
        "gate bisect aro-hcp",
        f"gate status --health {AT}",
    ):
        assert pilotage(line).out == pilotage(f"{line} --from {dump}").out


async def listed(store) -> list[dict[str, Any]]:
    return [item.value() for kind in (GATE, GATE_RUN, SNAPSHOT) for item in (await store.list(kind)).items]


def test_without_a_gate_there_is_nothing_to_say(pilotage, tmp_path):
    """A dump without Gates is a 3, a platform that is not there a 2 with those that are."""
    empty = tmp_path / "empty.yaml"
    empty.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n")
    ran = pilotage(f"gate status --from {empty}")
    assert (3, "there is no gate here\n") == (ran.code, ran.err)
    assert 2 == pilotage(f"gate status nowhere --from {empty}").code


def test_watch_prints_each_change_once(pilotage, active):
    """Lines where nothing can be drawn over; a run that is not done in time is a 1."""
    ran = pilotage("gate watch aro-hcp --interval 0.1 --timeout 0.3")
    assert 1 == ran.code
    assert "still under way" in ran.err
    assert ["testing 0/2", "running #1", "running #1"] == [
        line.split("  ")[-1] for line in ran.out.splitlines()
    ]


def test_watch_without_a_run_says_when_the_next_one_is(pilotage, over):
    """Nothing to follow is a 3."""
    ran = pilotage("gate watch rosa-hcp")
    assert (3, "") == (ran.code, ran.out)
    assert "next: rosa-hcp at 2026-06-15T03:15:00Z" in ran.err


# -- what people do ---------------------------------------------------------------------------------------------------


def test_trigger_starts_a_run_once(pilotage, over):
    """By the same rules as the schedule; the same id is the same run, and a dry run leaves nothing."""
    dry = pilotage("gate trigger aro-hcp --dry-run -o json").json()
    assert ("start", "retry", True) == (dry["action"], dry["reason"], dry["dryRun"])
    assert 4 == len(runs_in(over))
    first = pilotage("gate trigger aro-hcp --id mine --by kim -o json").json()
    assert dry["snapshot"] == first["snapshot"]
    again = pilotage("gate trigger aro-hcp --id mine -o json")
    assert (0, "attach", first["run"]) == (again.code, again.json()["action"], again.json()["run"])
    assert ("kim", "manual") == (runs_in(over)[0].spec.trigger.by, runs_in(over)[0].spec.trigger.kind)


def test_trigger_is_refused_where_the_rules_say_no(pilotage, over):
    """Promoted already is a 1; force needs a reason and is then written down."""
    assert 1 == pilotage("gate trigger rosa-hcp").code
    ran = pilotage("gate trigger rosa-hcp --force")
    assert (2, "") == ran[:2]
    assert "ReasonNeeded" in ran.err
    assert 0 == pilotage('gate trigger rosa-hcp --force --reason "new tests"').code
    assert (True, "new tests") == (
        runs_in(over, "rosa-hcp")[0].spec.trigger.forced,
        runs_in(over, "rosa-hcp")[0].spec.trigger.why,
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("gate trigger aro-hcp --jobs e2e-azure,nonsense", "NoSuchJob"),
        ("gate trigger aro-hcp --snapshot nobody", "NoSuchSnapshot"),
        ("gate trigger aro-hcp --digest sha256:00", "NoSuchDigest"),
        ("gate trigger nowhere", "NoSuchGate"),
        ("gate trigger", "Ambiguous"),
        ('gate cancel nobody --reason "x"', "NoSuchRun"),
        ('gate freeze aro-hcp --until 2001-01-01 --reason "x"', "BadTime"),
        ('gate pause aro-hcp --reason " "', "ReasonNeeded"),
    ],
)
def test_wrong_words_change_nothing(pilotage, over, line, code):
    """One error that names what is wrong, exit code 2."""
    ran = pilotage(line)
    assert (2, "") == ran[:2]
    assert f"error: {code}: " in ran.err
    assert 4 == len(runs_in(over))


def test_a_part_of_the_jobs_can_be_run_again(pilotage, over):
    """`retry --failed` takes the jobs that did not pass; the run says that it is a part."""
    (run, *_) = runs_in(over)
    ran = pilotage(f"gate retry {run.metadata.name} --failed")
    assert 0 == ran.code
    (fresh, *_) = runs_in(over)
    assert (["e2e-upgrade"], True) == ([job.name for job in fresh.spec.jobs], fresh.spec.subset)


def test_cancel_and_approve_reach_the_run(pilotage, active):
    """Both stand on the run; one that is over can be asked for nothing."""
    (run, before, *_) = runs_in(active)
    name = run.metadata.name
    assert 0 == pilotage(f'gate cancel {name} --reason "wrong image" --by kim').code
    assert 0 == pilotage(f"gate approve {name} --by kim").code
    assert "approved by kim, alex" in pilotage(f"gate approve {name} --by alex").out
    annotations = stored(active, lambda store: store.get(GATE_RUN, ObjectKey(NAMESPACE, name))).annotations
    assert "kim,alex" == annotations["gate.pilotage.dev/approved-by"]
    assert "wrong image" == json.loads(annotations["gate.pilotage.dev/cancel"])["reason"]
    assert 1 == pilotage(f"gate cancel {before.metadata.name} --reason x").code


def test_triage_changes_what_a_red_run_counts_as(pilotage, over):
    """The verdict stays; the run is a false negative from now on, in the Gate too."""
    (run, *_) = runs_in(over)
    passed = runs_in(over)[-1]
    assert 0 == pilotage(f"gate triage {run.metadata.name} --cause quota --note OCPBUGS-1 --by kim").code
    assert ("failed", "quota") == (runs_in(over)[0].status.verdict, runs_in(over)[0].status.cause)
    assert (
        1
        == pilotage(f"gate status aro-hcp --health {AT} -o json").json()["items"][0]["health"][
            "falseNegatives"
        ]
    )
    assert 1 == pilotage(f"gate triage {passed.metadata.name} --cause flake").code


def test_promote_never_promotes_what_did_not_pass(pilotage, over):
    """The rules are asked again, and printed; a failed run stays failed."""
    (run, *_) = runs_in(over)
    ran = pilotage(f'gate promote {run.metadata.name} --reason "please"')
    assert 1 == ran.code
    assert "not-passed" in ran.out
    assert "failed" == runs_in(over)[0].status.state


def test_pause_freeze_and_quarantine_do_not_undo_one_another(pilotage, over):
    """Each setting is kept by its own name: lifting one leaves the others."""
    assert 0 == pilotage('gate pause rosa-hcp --reason "move" --until 2d --by kim').code
    assert 0 == pilotage('gate freeze rosa-hcp --reason "release" --until 3d --by kim').code
    line = (
        "gate quarantine rosa-e2e --platform rosa-hcp --until 7d --owner hcp --reason flake --bug OCPBUGS-1"
    )
    assert 0 == pilotage(line).code
    spec = gate_in(over, "rosa-hcp").spec
    assert (True, "move (kim)", 1, ["rosa-e2e"]) == (
        spec.paused,
        spec.pause_reason,
        len(spec.policy.freeze),
        [entry.job for entry in spec.quarantine],
    )
    assert "paused: move (kim); frozen until" in pilotage("gate status rosa-hcp").out
    assert 0 == pilotage("gate resume rosa-hcp").code
    assert 0 == pilotage("gate quarantine rosa-e2e --platform rosa-hcp --lift").code
    spec = gate_in(over, "rosa-hcp").spec
    assert (False, 1) == (spec.paused, len(spec.policy.freeze))
    assert 0 == pilotage("gate freeze rosa-hcp --lift").code
    assert 1 == pilotage("gate freeze rosa-hcp --lift").code
    assert "set aside" not in pilotage("gate status rosa-hcp").out


def test_a_quarantine_is_refused_with_everything_that_is_wrong(pilotage, over):
    """No owner, no reason, no bug, too long, and no required job would be left."""
    ran = pilotage("gate quarantine e2e-azure --platform aro-hcp --until 30d")
    assert 2 == ran.code
    assert 3 == ran.err.count("QuarantineIncomplete")
    assert "QuarantineTooLong" in ran.err
    assert "QuarantineTooMuch" in ran.err
    assert () == gate_in(over).spec.quarantine
