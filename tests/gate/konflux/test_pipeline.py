"""The pipeline, by the rules that Tekton checks when it is resolved and those that it only shows when it runs."""

from __future__ import annotations

import json
import re
from typing import Any

from pilotage.gate.konflux.pipeline import pipeline, pipeline_run
from pilotage.gate.konflux.scenario import scenario
from pilotage.gate.konflux.steps import ACCOUNTS, NOTIFY, STEPS

from .rendering import PINS, target

REFERENCE = re.compile(r"\$\(([^)]+)\)")
SPEC = pipeline(PINS)["spec"]
TASKS: list[dict[str, Any]] = [*SPEC["tasks"], *SPEC["finally"]]


def references(value: Any) -> set[str]:
    return set(REFERENCE.findall(json.dumps(value)))


def minutes(text: str) -> int:
    """Of a duration of Go with whole minutes."""
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)0s", text)
    assert found is not None, text
    return int(found[1] or 0) * 60 + int(found[2])


def test_the_order_is_extract_run_evaluate_release_then_notify() -> None:
    """Each task runs after the one before it; one final task."""
    assert ["extract-image", "run-e2e", "evaluate-results", "create-release"] == [
        each["name"] for each in SPEC["tasks"]
    ]
    assert [None, ["extract-image"], ["run-e2e"], ["evaluate-results"]] == [
        each.get("runAfter") for each in SPEC["tasks"]
    ]
    assert ["notify"] == [each["name"] for each in SPEC["finally"]]


def test_every_reference_of_a_task_is_declared() -> None:
    """Parameters of the pipeline, results of tasks that ran before, and what Tekton itself offers; nothing else."""
    declared = {each["name"] for each in SPEC["params"]}
    results: set[str] = set()
    for task in SPEC["tasks"]:
        for reference in references(task["params"]):
            kind, _, name = reference.partition(".")
            if kind == "params":
                assert name in declared, reference
            else:
                assert reference in results, reference
        results |= {
            f"tasks.{task['name']}.results.{each['name']}" for each in task["taskSpec"].get("results", ())
        }


def test_the_final_task_is_bound_to_no_result() -> None:
    """Tekton skips a final task when a result that it binds was never written; so it also runs when the first task failed."""
    for task in SPEC["finally"]:
        assert not any(".results." in each for each in references(task["params"]))
        assert "tasks.status" in references(task["params"])
        assert "when" not in task


def test_inside_a_task_everything_is_declared_too() -> None:
    """What a step names is a parameter or a result of its task, and every parameter is bound exactly once."""
    for task in TASKS:
        inside = task["taskSpec"]
        params = [each["name"] for each in inside["params"]]
        assert sorted(params) == sorted(each["name"] for each in task["params"])
        results = {f"results.{each['name']}.path" for each in inside.get("results", ())}
        for reference in references([inside["steps"], inside.get("volumes")]):
            if not reference.startswith("context."):
                assert reference in results | {f"params.{name}" for name in params}, reference
        assert results <= references(inside["steps"])


def test_every_step_is_ours_pinned_and_without_rights_on_its_node() -> None:
    """One container for each task, by digest, and no script that a parameter could get into."""
    for task in TASKS:
        (step,) = task["taskSpec"]["steps"]
        assert PINS.image == step["image"]
        assert (["pilotage"], ["gate", "step", task["name"]]) == (step["command"], step["args"])
        assert "script" not in step
        assert step["securityContext"]["runAsNonRoot"] is True
        assert step["securityContext"]["allowPrivilegeEscalation"] is False


def test_each_secret_is_mounted_where_it_is_used_and_nowhere_else() -> None:
    """The token of gangway in one task, the chat in another; none of them is a variable or a parameter."""
    mounted = {
        task["name"]: [each["secret"]["secretName"] for each in task["taskSpec"].get("volumes", ())]
        for task in TASKS
    }
    assert {
        "extract-image": [],
        "run-e2e": ["gangway-token"],
        "evaluate-results": [],
        "create-release": [],
        "notify": ["$(params.slack-secret)"],
    } == mounted
    assert "secretKeyRef" not in json.dumps(SPEC)
    for task in TASKS:
        (step,) = task["taskSpec"]["steps"]
        volumes = {each["name"] for each in task["taskSpec"].get("volumes", ())}
        assert volumes == {each["name"] for each in step.get("volumeMounts", ())}
        assert all(each["readOnly"] for each in step.get("volumeMounts", ()))


def test_the_verdict_is_no_parameter_of_the_release() -> None:
    """It is read from the ledger."""
    task = next(each for each in SPEC["tasks"] if each["name"] == "create-release")
    assert not {"verdict", "gate-passed", "image", "digest"} & {each["name"] for each in task["params"]}


def test_times_fit_into_each_other() -> None:
    """Tasks and final tasks fit into the pipeline, and the tests into the tasks with time to evaluate."""
    run = pipeline_run(PINS)["spec"]
    limits = {name: minutes(text) for name, text in run["timeouts"].items()}
    assert {"pipeline": 420, "tasks": 360, "finally": 30} == limits
    assert limits["tasks"] + limits["finally"] <= limits["pipeline"]
    times = {each["name"]: minutes(each["timeout"]) for each in TASKS}
    assert 330 == times["run-e2e"]
    assert max(times.values()) <= limits["tasks"]
    assert times["run-e2e"] - target().spec.run_deadline_minutes >= 10


def test_every_task_has_its_account() -> None:
    """The one that may release does nothing else."""
    specs = {
        each["pipelineTaskName"]: each["serviceAccountName"]
        for each in pipeline_run(PINS)["spec"]["taskRunSpecs"]
    }
    assert {each["name"] for each in TASKS} == set(specs)
    assert ["create-release"] == [name for name, account in specs.items() if account == "gate-releaser"]
    assert set(specs.values()) <= set(ACCOUNTS)
    assert {step.name for step in (*STEPS, NOTIFY)} == set(specs)


def test_the_scenario_gives_what_the_pipeline_takes() -> None:
    """Every parameter of a scenario is declared, and what has no default is given; names of upstream are taken as well."""
    declared = {each["name"]: each for each in SPEC["params"]}
    given = {each["name"] for each in scenario(target())["spec"]["params"]}
    assert given <= set(declared)
    assert {name for name, each in declared.items() if "default" not in each} <= given | {"SNAPSHOT"}
    assert {"e2e-blocking-job-names", "e2e-informing-job-names", "gate-label", "stale-threshold-days"} <= set(
        declared
    )


def test_both_files_come_from_one_commit() -> None:
    """The scenario names the run, the run names the pipeline; branch names occur nowhere."""
    for reference in (scenario(target())["spec"]["resolverRef"], pipeline_run(PINS)["spec"]["pipelineRef"]):
        params = {each["name"]: each["value"] for each in reference["params"]}
        assert (PINS.url, PINS.revision) == (params["url"], params["revision"])
