"""How the objects of one platform belong together: a diagram in Mermaid, with their real names."""

from __future__ import annotations

from itertools import pairwise

from pilotage.gate.konflux.names import GANGWAY_SECRET, PIPELINE, slack_secret, trigger_cronjob
from pilotage.gate.konflux.steps import NOTIFY, STEPS
from pilotage.gate.konflux.target import Target

__all__ = ["diagram"]


def diagram(target: Target) -> str:
    """A flow chart, from the schedule to the verified repository."""
    spec, names = target.spec, target.names
    slack = slack_secret(spec)
    lines = [
        "flowchart TD",
        f'  subgraph tenant["{spec.tenant_namespace}"]',
        f'    cron["CronJob<br/>{trigger_cronjob(spec.schedule, spec.time_zone)}<br/>{spec.schedule} {spec.time_zone}"]',
        f'    definition["ConfigMap<br/>{names.definition}"]',
        f'    snapshot["Snapshot<br/>{spec.component}"]',
        f'    scenario["IntegrationTestScenario<br/>{names.scenario}"]',
        f'    subgraph run["PipelineRun of {PIPELINE}"]',
        *(f'      {step.name}["{step.name}<br/>{step.account}"]' for step in (*STEPS, NOTIFY)),
        "    end",
        f'    ledger["ConfigMap<br/>gate-{spec.platform}-…"]',
        f'    gangway["Secret<br/>{GANGWAY_SECRET.name}/{GANGWAY_SECRET.key}"]',
        f'    slack["Secret<br/>{slack.name}/{slack.key}"]',
        f'    release["Release<br/>gate-{spec.platform}-…-r1"]',
        f'    plan["ReleasePlan<br/>{names.release_plan}"]',
        "  end",
        f'  subgraph managed["{spec.managed_namespace}"]',
        f'    admission["ReleasePlanAdmission<br/>{names.admission}"]',
        "  end",
        '  prow["Prow through gangway"]',
        f'  verified[("{spec.verified_repository}<br/>{spec.platform}-…")]',
        "  definition -. found by label .-> cron",
        "  cron -- run label --> snapshot",
        "  snapshot -- integration-service --> scenario",
        f"  scenario -- {target.pins.revision[:12]} --> {STEPS[0].name}",
    ]
    tasks = [step.name for step in STEPS]
    lines += [f"  {first} --> {second}" for first, second in pairwise(tasks)]
    lines += [
        "  run -- whatever happened --> notify",
        "  run --- ledger",
        "  gangway -. mounted .-> run-e2e",
        "  slack -. mounted .-> notify",
        "  run-e2e <-- jobs --> prow",
        "  create-release --> release",
        "  release --> plan",
        "  plan -- by label --> admission",
        "  admission -- copies by digest --> verified",
    ]
    return "\n".join(lines) + "\n"
