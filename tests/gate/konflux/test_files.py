"""The rendered tree: the values that Konflux, Tekton and Kubernetes act on, and nothing that depends on anything else."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.api import yaml
from pilotage.api.errors import InputError
from pilotage.api.gate import GateJob, NamedReference, SecretKeyReference
from pilotage.gate.konflux.files import files_of, objects_of
from pilotage.gate.konflux.names import LONGEST, LONGEST_CRONJOB
from pilotage.gate.konflux.runbook import ANCHORS, chapters
from pilotage.gate.konflux.target import Pins, Target
from pilotage.gate.promotion.admissions import Pairing, match_admission, read_admission, read_plan
from pilotage.gate.promotion.tags import is_platform
from pilotage.gate.telling import alertmessages
from pilotage.gate.telling import runmessages as messages
from pilotage.gate.ticks.contexts import Occasion, applies


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault(f"konflux_{name}", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


rendering = _load("rendering")
gate, matrix, target, PINS = rendering.gate, rendering.matrix, rendering.target, rendering.PINS

PLATFORMS = st.from_regex(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", fullmatch=True).filter(
    lambda name: (
        is_platform(name) and name not in ("latest", "sha256", "sha512") and not name.endswith("-latest")
    )
)


def texts(*targets: Target) -> dict[str, str]:
    return {file.path: file.text for file in files_of(targets)}


def one(kind: str, *targets: Target) -> dict[str, Any]:
    found = [each for each in objects_of(files_of(targets)) if each["kind"] == kind]
    assert len(found) == 1
    return found[0]


def named(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {item["name"]: item.get("value") for item in items}


def test_the_tree_is_the_one_that_is_documented() -> None:
    """One file for each concern; names of files tell the platform they belong to."""
    assert list(texts(target())) == [
        "docs/diagram-aro-hcp.mmd",
        "docs/runbook-aro-hcp.md",
        "managed/rpa-aro-hcp.yaml",
        "policy/vap-ledger.yaml",
        "policy/vap-snapshots.yaml",
        "repo/.tekton/pipelines/ho-release-gate-run.yaml",
        "repo/.tekton/pipelines/ho-release-gate.yaml",
        "tenant/cronjob-hypershift-operator-nightly-promotion.yaml",
        "tenant/cronjob-hypershift-operator-stale-check.yaml",
        "tenant/gate-aro-hcp.yaml",
        "tenant/its-aro-hcp.yaml",
        "tenant/rbac-gate-notifier.yaml",
        "tenant/rbac-gate-releaser.yaml",
        "tenant/rbac-gate-runner.yaml",
        "tenant/rbac-gate-stale.yaml",
        "tenant/rbac-nightly-promotion-sa.yaml",
        "tenant/releaseplan-aro-hcp.yaml",
        "tenant/secrets.example.yaml",
    ]


def test_the_scenario_runs_only_when_it_is_named() -> None:
    """By integration-service's own rules: no push starts it, its name in the run label does; the revision is a commit."""
    found = one("IntegrationTestScenario", target())
    spec, name = found["spec"], found["metadata"]["name"]
    assert "hypershift-ho-release-gate-aro-hcp" == name
    contexts = tuple(each["name"] for each in spec["contexts"])
    labels = {"pac.test.appstudio.openshift.io/event-type": "push"}
    assert applies(Occasion(scenario=name, contexts=contexts, labels=labels)).value is False
    assert applies(Occasion(scenario=name, contexts=contexts, run_label=name)).value is True
    assert applies(Occasion(scenario=name, contexts=contexts, run_label="all")).value is False
    resolver = named(spec["resolverRef"]["params"])
    assert ("git", "pipelinerun") == (spec["resolverRef"]["resolver"], spec["resolverRef"]["resourceKind"])
    assert PINS.revision == resolver["revision"]
    assert ".tekton/pipelines/ho-release-gate-run.yaml" == resolver["pathInRepo"]
    params = named(spec["params"])
    assert ["e2e-lifecycle", "e2e-upgrade"] == json.loads(params["required-jobs"])
    assert ["e2e-arm"] == json.loads(params["informing-jobs"])
    assert "hypershift-operator-ho-release-gate-aro-hcp" == params["release-plan-name"]
    annotations = found["metadata"]["annotations"]
    assert ["30m0s", "7h0m0s", "6h0m0s"] == [
        annotations[f"test.appstudio.openshift.io/{part}_timeout"]
        for part in ("finally", "pipeline", "tasks")
    ]


def test_plan_and_admission_find_each_other() -> None:
    """By release-service's own rules, also among the admissions of other platforms and of ACM."""
    others = [target("rosa-hcp"), target("gcp-hcp")]
    objects = objects_of(files_of([target(), *others]))
    admissions = tuple(read_admission(each) for each in objects if each["kind"] == "ReleasePlanAdmission")
    plan = one("ReleasePlan", target())
    match = match_admission(Pairing(read_plan(plan), admissions)).value
    assert match is not None
    assert ("rhtap-releng-tenant/redhat-hypershift-operator-ho-release-gate-aro-hcp", True, False) == (
        match.name,
        match.is_active,
        match.is_blocked,
    )
    assert "false" == plan["metadata"]["labels"]["release.appstudio.openshift.io/auto-release"]
    assert "true" == plan["metadata"]["labels"]["release.appstudio.openshift.io/standing-attribution"]
    assert 90 == plan["spec"]["releaseGracePeriodDays"]


def test_the_admission_tags_by_digest_first() -> None:
    """The canonical tag, then the aliases that the Gate wants; never a source container."""
    found = one("ReleasePlanAdmission", target(aliases=("latest",)))["spec"]
    mapping = found["data"]["mapping"]
    assert ["aro-hcp-{{ digest_sha }}", "aro-hcp-latest"] == mapping["defaults"]["tags"]
    assert mapping["defaults"]["pushSourceContainer"] is False
    assert [
        {
            "name": "hypershift-operator-main",
            "repositories": [{"url": "quay.example.com/hypershift/verified"}],
        }
    ] == mapping["components"]
    assert (
        "rh-push-to-external-registry.yaml" in named(found["pipeline"]["pipelineRef"]["params"])["pathInRepo"]
    )
    assert ("crt-redhat-acm-tenant", ["hypershift-operator"]) == (found["origin"], found["applications"])


def test_a_component_group_takes_the_place_of_the_application() -> None:
    """Exactly one of the two stands in every spec."""
    grouped = target(component_group="group-a")
    for kind in ("IntegrationTestScenario", "ReleasePlan"):
        spec = one(kind, grouped)["spec"]
        assert ("group-a", None) == (spec["componentGroup"], spec.get("application"))
    spec = one("ReleasePlanAdmission", grouped)["spec"]
    assert (["group-a"], None) == (spec["componentGroups"], spec.get("applications"))


def test_the_trigger_is_not_started_twice() -> None:
    """The values by which a CronJob of Kubernetes never labels a Snapshot again by itself."""
    jobs = {
        each["metadata"]["name"]: each["spec"]
        for each in objects_of(files_of([target()]))
        if each["kind"] == "CronJob"
    }
    spec = jobs["hypershift-operator-nightly-promotion"]
    job = spec["jobTemplate"]["spec"]
    assert ("15 3 * * *", "Etc/UTC", "Forbid", 7200) == (
        spec["schedule"],
        spec["timeZone"],
        spec["concurrencyPolicy"],
        spec["startingDeadlineSeconds"],
    )
    assert (0, 604800) == (job["backoffLimit"], job["ttlSecondsAfterFinished"])
    assert "nightly-promotion-sa" == job["template"]["spec"]["serviceAccountName"]
    assert "0 * * * *" == jobs["hypershift-operator-stale-check"]["schedule"]


def test_platforms_share_what_they_have_in_common() -> None:
    """One CronJob for each schedule; another platform of the same schedule changes no shared file."""
    alone = texts(target("aro-hcp"))
    both = texts(target("aro-hcp"), target("rosa-hcp"))
    assert alone.items() <= both.items()
    assert {path for path in both if path not in alone} == {
        path.replace("aro-hcp", "rosa-hcp") for path in alone if "aro-hcp" in path
    }
    other = texts(target("aro-hcp"), target("gcp-hcp", schedule="0 */6 * * *", time_zone="Europe/Berlin"))
    assert 2 == sum("nightly-promotion" in path and "cronjob" in path for path in other)
    assert alone.items() <= other.items()


def test_one_platform_of_many_is_rendered_as_it_is_among_all() -> None:
    """`--platform` leaves out the others' files and changes none."""
    targets = [
        target("aro-hcp"),
        target("rosa-hcp", slack_channel_ref=SecretKeyReference("rosa-chat", "hook")),
    ]
    everything = {file.path: file.text for file in files_of(targets)}
    part = {file.path: file.text for file in files_of(targets, ["aro-hcp"])}
    assert part.items() <= everything.items()
    assert not any("rosa-hcp" in path for path in part)


def test_the_definition_is_what_a_person_wrote() -> None:
    """Without defaults, and it reads back as the same Gate, with its matrix."""
    given = Target(gate(matrix_ref=NamedReference("cpo")), PINS, matrix())
    data = one("ConfigMap", given)["data"]
    from pilotage.api.gate import Gate, VersionMatrix
    from pilotage.api.meta import Object

    assert given.spec == Object.of(yaml.load(data["gate.yaml"])).view(Gate).spec
    assert given.matrix is not None
    assert given.matrix.spec == Object.of(yaml.load(data["matrix.yaml"])).view(VersionMatrix).spec
    assert "retry" not in data["gate.yaml"]


def test_headers_name_the_revision_of_the_gate() -> None:
    """It changes with what the Gate says, and not with its metadata or the order of anything."""
    first, same = target(), Target(gate(), PINS)
    changed = target(paused=True)
    assert first.revision == same.revision != changed.revision
    for path, text in texts(first).items():
        if "aro-hcp" in path:
            assert first.revision in text.splitlines()[0], path
        else:
            assert re.search(r"revision [0-9a-f]{12}", text.splitlines()[0]), path


def test_missing_pins_are_said_where_they_matter() -> None:
    """Pins of zeros are well-formed, cannot run, and are named in the header of every file that holds them."""
    unpinned = texts(Target(gate()))
    told = {path for path, text in unpinned.items() if "NOT PINNED" in text}
    zeros = {path for path, text in unpinned.items() if "0" * 40 in text and not path.startswith("docs/")}
    assert told == zeros != set()
    assert not any("NOT PINNED" in text for text in texts(target()).values())
    assert Pins("quay.example.com/a:latest", revision="main").problems != ()
    assert PINS.problems == ()


def test_no_file_holds_a_secret() -> None:
    """Names and keys only; the address of the chat and the token are mounted by the kubelet."""
    example = texts(target(slack_channel_ref=SecretKeyReference("aro-chat", "hook")))[
        "tenant/secrets.example.yaml"
    ]
    found = {each["metadata"]["name"]: each["stringData"] for each in _documents(example)}
    assert {"gangway-token": {"token": ""}, "slack-webhook": {"url": ""}, "aro-chat": {"hook": ""}} == found


def _documents(text: str) -> list[dict[str, Any]]:
    return [yaml.load(part) for part in text.split("---\n")]


def test_gates_of_several_tenants_need_directories_of_their_own() -> None:
    """Their accounts would have one file."""
    with pytest.raises(InputError, match="are in a, b"):
        files_of([target("aro-hcp", tenant_namespace="a"), target("rosa-hcp", tenant_namespace="b")])


@pytest.mark.parametrize("platform", ["ARO", "a" * 21, "-aro", "latest", "aro-latest", ""])
def test_a_bad_platform_is_refused(platform: str) -> None:
    """Before anything is rendered, with what a platform may be called."""
    with pytest.raises(InputError, match="20 lower-case") as refused:
        files_of([target(platform)])
    assert "BadPlatform" == refused.value.code


@settings(max_examples=40, derandomize=True, deadline=None)
@given(PLATFORMS, st.sampled_from(["15 3 * * *", "0 */6 * * *", "30 22 * * 1-5"]))
def test_every_name_fits_and_every_byte_is_the_same_again(platform: str, schedule: str) -> None:
    """Whatever the platform: names and label values end at 63, those of CronJobs at 52; two renderings are equal."""
    files = files_of([target(platform, schedule=schedule)])
    assert files == files_of([target(platform, schedule=schedule)])
    for each in objects_of(files):
        limit = LONGEST_CRONJOB if each["kind"] == "CronJob" else LONGEST
        assert len(each["metadata"]["name"]) <= limit
        assert all(len(value) <= LONGEST for value in each["metadata"]["labels"].values())
    for file in files:
        assert file.text.endswith("\n")
        if file.path.endswith(".yaml"):
            assert [dict(each) for each in file.objects] == (_documents(file.text) if file.objects else [])


def test_every_link_of_a_message_leads_to_a_chapter() -> None:
    """Every chapter that a message names has its anchor in the runbook, and so has every further one."""
    linked = {
        anchor
        for module in (messages, alertmessages)
        for anchor in re.findall(r'chapter="([a-z-]+)"', Path(module.__file__ or "").read_text())
    }
    text = texts(target())["docs/runbook-aro-hcp.md"]
    anchors = set(re.findall(r'<a id="([a-z-]+)">', text))
    assert linked <= ANCHORS <= anchors
    assert len(linked) >= 10
    assert len(anchors) == len(re.findall(r"<a id=", text))


def test_chapters_say_everything_that_helps_at_night() -> None:
    """Symptom, impact, a command with real names, what to expect: none is empty, and no placeholder of ours is left."""
    for chapter in chapters(target()):
        assert all((chapter.symptom, chapter.impact, chapter.commands, chapter.expected)), chapter.anchor
        assert "{" not in "".join(chapter.commands).replace("{.status.conditions}", ""), chapter.anchor


def test_the_diagram_names_what_was_rendered() -> None:
    """Every object of the platform stands in it under its real name."""
    diagram = texts(target())["docs/diagram-aro-hcp.mmd"]
    for each in objects_of(files_of([target()])):
        if "gate.pilotage.dev/platform" in each["metadata"]["labels"]:
            assert each["metadata"]["name"] in diagram


def test_blocking_is_another_word_for_required() -> None:
    """A job typed as upstream calls it counts as required."""
    found = one("IntegrationTestScenario", target(jobs=(GateJob("a", type="blocking"),)))
    assert '["a"]' == named(found["spec"]["params"])["required-jobs"]
