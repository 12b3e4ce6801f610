"""`pilotage gate lint`, `plan`, `render` and `onboard`: the way of a platform from one file to its first night."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from pilotage.api import yaml
from pilotage.cli import program

Cli = Callable[..., Any]
IMAGE = f"quay.example.com/tools/pilotage@sha256:{'ab' * 32}"
REVISION = "1234567890" * 4
GATE: dict[str, Any] = {
    "apiVersion": "gate.pilotage.dev/v1alpha1",
    "kind": "Gate",
    "metadata": {"name": "aro-hcp"},
    "spec": {
        "platform": "aro-hcp",
        "displayName": "ARO HCP",
        "verifiedRepository": "quay.example.com/hypershift/verified",
        "owners": ["team-hcp"],
        "jobs": [{"name": "e2e", "owner": "hcp", "contact": "#hcp", "clusterHours": 2}],
    },
}


def changed(**spec: Any) -> dict[str, Any]:
    return GATE | {"spec": GATE["spec"] | spec}


def named(platform: str, **spec: Any) -> dict[str, Any]:
    return changed(platform=platform, **spec) | {"metadata": {"name": platform}}


@pytest.fixture
def gate(user: Path) -> Path:
    path = user / "gate.yaml"
    path.write_text(yaml.dump(GATE))
    return path


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_rendering_twice_changes_nothing(cli: Cli, gate: Path, user: Path) -> None:
    """Pins that were named once are taken from the tree; no file is written that is as it should be."""
    ran = cli("gate", "render", "-f", gate, "-o", "out", "--image", IMAGE, "--revision", REVISION)
    assert (0, "") == (ran.code, ran.err)
    before = tree(user / "out")
    assert REVISION.encode() in before["tenant/its-aro-hcp.yaml"]
    ran = cli("gate", "render", "-f", gate, "-o", "out", "--format", "json")
    assert {"unchanged"} == {each["state"] for each in json.loads(ran.out)["files"]}
    assert before == tree(user / "out")
    assert 0 == cli("gate", "render", "-f", gate, "-o", "out", "--check").code


def test_without_pins_zeros_stand_there_and_are_told(cli: Cli, gate: Path, user: Path) -> None:
    """The tree can be looked at, and one hears what is missing."""
    ran = cli("gate", "render", "--platform", "aro-hcp", "-f", gate, "-o", "out")
    assert 0 == ran.code
    assert "--image and --revision" in ran.err
    assert "NOT PINNED" in (user / "out" / "tenant" / "its-aro-hcp.yaml").read_text()


def test_a_tag_or_a_branch_is_no_pin(cli: Cli, gate: Path, user: Path) -> None:
    """Both are told at once, and nothing is written."""
    ran = cli(
        "gate",
        "render",
        "-f",
        gate,
        "-o",
        "out",
        "--image",
        "quay.example.com/a:latest",
        "--revision",
        "main",
    )
    assert 2 == ran.code
    assert "a:latest" in ran.err
    assert "revision main" in ran.err
    assert not (user / "out").exists()


def test_check_says_what_would_change_in_the_tree(cli: Cli, gate: Path, user: Path) -> None:
    """A changed Gate and a removed file: exit code 1, and nothing is written."""
    cli("gate", "render", "-f", gate, "-o", "out", "--image", IMAGE, "--revision", REVISION)
    gate.write_text(yaml.dump(changed(jobs=[{"name": "other"}])))
    (user / "out" / "policy" / "vap-ledger.yaml").unlink()
    before = tree(user / "out")
    ran = cli("gate", "render", "-f", gate, "-o", "out", "--check", "--format", "json")
    assert 1 == ran.code
    found = {each["subject"]: each["state"] for each in json.loads(ran.out)["drift"]}
    assert "missing" == found["policy/vap-ledger.yaml"]
    assert "differs" == found["tenant/its-aro-hcp.yaml"]
    assert "repo/.tekton/pipelines/ho-release-gate.yaml" not in found
    assert before == tree(user / "out")


def test_check_compares_with_a_dump_field_by_field(cli: Cli, gate: Path, user: Path) -> None:
    """What was changed by hand on the cluster stands there with both values."""
    cli("gate", "render", "-f", gate, "-o", "out", "--image", IMAGE, "--revision", REVISION)
    assert 0 == cli("gate", "render", "-f", gate, "-o", "out", "--check", "--from", "out").code
    path = user / "out" / "tenant" / "cronjob-hypershift-operator-nightly-promotion.yaml"
    path.write_text(path.read_text().replace("backoffLimit: 0", "backoffLimit: 6"))
    ran = cli(
        "gate", "render", "-f", gate, "-o", "out", "--check", "--from", "out/tenant", "--platform", "aro-hcp"
    )
    assert 1 == ran.code
    assert (
        "CronJob crt-redhat-acm-tenant/hypershift-operator-nightly-promotion: "
        "spec.jobTemplate.spec.backoffLimit: is 6, rendered 0" in ran.out
    )
    assert (
        "ReleasePlanAdmission rhtap-releng-tenant/redhat-hypershift-operator-ho-release-gate-aro-hcp: is not there"
        in ran.out
    )


def test_a_second_platform_changes_no_file_of_the_first(cli: Cli, gate: Path, user: Path) -> None:
    """Rendered into the same directory from its own file alone."""
    cli("gate", "render", "-f", gate, "-o", "out", "--image", IMAGE, "--revision", REVISION)
    before = tree(user / "out")
    (user / "rosa.yaml").write_text(yaml.dump(named("rosa-hcp")))
    ran = cli("gate", "render", "-f", "rosa.yaml", "-o", "out")
    after = tree(user / "out")
    assert 0 == ran.code
    assert before.items() <= after.items()
    assert all("rosa-hcp" in path for path in after.keys() - before.keys())


def test_a_platform_that_is_not_given_is_refused(cli: Cli, gate: Path) -> None:
    """With those that are; so is a dump without --check, and a matrix that nobody gave."""
    ran = cli("gate", "render", "--platform", "rosa-hcp", "-f", gate, "-o", "out")
    assert (2, True) == (ran.code, "known are: aro-hcp" in ran.err)
    assert 2 == cli("gate", "render", "-f", gate, "-o", "out", "--from", "dump").code
    gate.write_text(yaml.dump(changed(matrixRef={"name": "cpo"})))
    ran = cli("gate", "render", "-f", gate, "-o", "out")
    assert (2, True) == (ran.code, "MatrixMissing" in ran.err)


def test_lint_tells_a_gate_that_cannot_be_read(cli: Cli, gate: Path) -> None:
    """As a finding among others, not as an end."""
    gate.write_text(yaml.dump(changed(jobs="none")) + "---\n" + yaml.dump(named("rosa-hcp", owners=[" "])))
    ran = cli("gate", "lint", "-f", gate, "-o", "json")
    assert 1 == ran.code
    assert ["Q-GATE-000", "Q-GATE-014"] == [each["code"] for each in json.loads(ran.out)["findings"]]


def test_lint_without_a_finding(cli: Cli, gate: Path) -> None:
    """Exit code 0; a file without a Gate is a mistake of the command line."""
    assert (0, "no findings\n") == cli("gate", "lint", "-f", gate)[:2]
    gate.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    ran = cli("gate", "lint", "-f", gate)
    assert (2, True) == (ran.code, "NoGate" in ran.err)


def test_plan_ends_with_one_beyond_the_budget(cli: Cli, gate: Path, user: Path) -> None:
    """Sixty hours a month against a budget of fifty."""
    assert 0 == cli("gate", "plan", "-f", gate).code
    gate.write_text(yaml.dump(changed(monthlyBudgetHours=50)))
    ran = cli("gate", "plan", "-f", gate)
    assert (1, True) == (ran.code, "NOT ENOUGH" in ran.out)
    (user / "prices.yaml").write_text("perHour: 3\n")
    ran = cli("gate", "plan", "-f", gate, "--prices", "prices.yaml")
    assert (2, True) == (ran.code, "InvalidPrices" in ran.err)


def test_plan_names_the_jobs_and_objects(cli: Cli, gate: Path) -> None:
    """As JSON for a program: nothing is started or written."""
    found = json.loads(cli("gate", "plan", "-f", gate, "-o", "json").out)
    assert ["e2e"] == [each["job"]["name"] for each in found["forecast"]["jobs"]]
    assert {"least": 2.0, "expected": 2.0, "most": 6.0} == found["forecast"]["hours"]
    assert {"IntegrationTestScenario", "ReleasePlan", "ReleasePlanAdmission"} <= {
        each["kind"] for each in found["objects"]
    }


def test_onboard_says_what_is_missing(cli: Cli, gate: Path, user: Path) -> None:
    """An empty tenant: every check but that of the Gate says no, with what to do."""
    (user / "dump.yaml").write_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: crt-redhat-acm-tenant}\n"
    )
    ran = cli("gate", "onboard", "--verify", "-f", gate, "--from", "dump.yaml", "-o", "json")
    assert 1 == ran.code
    checks = json.loads(ran.out)["checks"]
    assert ["gate"] == [each["name"] for each in checks if each["passed"]]
    assert {"schedule", "account", "secret", "scenario", "admission", "trigger"} == {
        each["name"] for each in checks if not each["passed"]
    }
    assert all(each["hint"] for each in checks if not each["passed"])
    assert 2 == cli("gate", "onboard", "-f", gate, "--from", "dump.yaml").code


def test_the_runbook_names_only_commands_that_exist(cli: Cli, gate: Path, user: Path) -> None:
    """At night nobody wants to learn that a verb was never made."""
    cli("gate", "render", "-f", gate, "-o", "out")
    lines = (user / "out" / "docs" / "runbook-aro-hcp.md").read_text().splitlines()
    typed = [line.split()[1:] for line in lines if line.startswith("pilotage ")]
    assert len(typed) >= 5
    for words in typed:
        path = [word for word in words[:2] if not word.startswith("-")]
        options = {word for word in words if word.startswith("-")}
        shown = cli(*path, "--help")
        assert 0 == shown.code, words
        assert all(option in shown.out for option in options), words


def containers(tree: Path) -> list[dict[str, Any]]:
    """Every container that runs `pilotage`, in tasks and CronJobs."""
    pipeline = yaml.load((tree / "repo" / ".tekton" / "pipelines" / "ho-release-gate.yaml").read_text())
    tasks = [*pipeline["spec"]["tasks"], *pipeline["spec"]["finally"]]
    jobs = [yaml.load(path.read_text()) for path in sorted((tree / "tenant").glob("cronjob-*.yaml"))]
    return [
        *(step for task in tasks for step in task["taskSpec"]["steps"]),
        *(
            each
            for job in jobs
            for each in job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        ),
    ]


def test_every_container_gives_its_step_what_it_needs(cli: Cli, gate: Path, user: Path) -> None:
    """The program knows each step and each option that is rendered, and whatever it must have comes as an option or a variable."""
    cli("gate", "render", "-f", gate, "-o", "out")
    steps = typer.main.get_command(program.build("gate")).commands["gate"].commands["step"].commands  # type: ignore[attr-defined]
    found = containers(user / "out")
    assert {each["args"][2] for each in found} == set(steps)
    for container in found:
        words = container["args"]
        assert ["gate", "step"] == words[:2]
        given = {each["name"] for each in container["env"]} | {
            word for word in words[3:] if word.startswith("--")
        }
        known = {name for each in steps[words[2]].params for name in each.opts}
        assert {word for word in words[3:] if word.startswith("--")} <= known, words
        for option in steps[words[2]].params:
            variables = [option.envvar] if isinstance(option.envvar, str) else (option.envvar or [])
            if option.required:
                assert given & {*option.opts, *variables}, f"{words[2]} {option.name}"
            if any(
                name.endswith("_FILE") and name.split("_")[0] in ("SLACK", "GANGWAY") for name in variables
            ):
                assert given & set(variables) or words[2] == "trigger", f"{words[2]} {option.name}"
