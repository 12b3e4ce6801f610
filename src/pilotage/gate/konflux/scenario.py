"""IntegrationTestScenario: how Konflux is told to run the pipeline for one platform.

Its only context is `disabled`, which never matches: it runs when its name is written into the run label of a Snapshot, and never by
itself. The pipeline is taken from a commit. Timeouts stand in annotations, from which integration-service copies them.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from pilotage.api.konflux import INTEGRATION_TEST_SCENARIO
from pilotage.api.meta import ObjectKey
from pilotage.gate.konflux.names import slack_secret
from pilotage.gate.konflux.target import Target, manifest

__all__ = ["PIPELINE_FILE", "RUN_FILE", "TIMEOUTS", "scenario"]

PIPELINE_FILE: Final = ".tekton/pipelines/ho-release-gate.yaml"
RUN_FILE: Final = ".tekton/pipelines/ho-release-gate-run.yaml"
TIMEOUTS: Final = {"pipeline": "7h0m0s", "tasks": "6h0m0s", "finally": "30m0s"}


def scenario(target: Target) -> dict[str, Any]:
    """`hypershift-ho-release-gate-<platform>`."""
    spec = target.spec
    resolver = {
        "url": target.pins.url,
        "revision": target.pins.revision,
        "pathInRepo": spec.pipeline_ref or RUN_FILE,
    }
    return manifest(
        INTEGRATION_TEST_SCENARIO,
        ObjectKey(spec.tenant_namespace, target.names.scenario),
        labels=target.labels(),
        annotations={f"test.appstudio.openshift.io/{name}_timeout": text for name, text in TIMEOUTS.items()},
        spec=target.owner
        | {
            "contexts": [{"name": "disabled", "description": "Runs only when the gate triggers it."}],
            "params": [{"name": name, "value": value} for name, value in _params(target).items()],
            "resolverRef": {
                "resolver": "git",
                "resourceKind": "pipelinerun",
                "params": [{"name": name, "value": value} for name, value in resolver.items()],
            },
        },
    )


def _params(target: Target) -> dict[str, str]:
    """An empty value would arrive as an empty object, so what is empty is left to the pipeline's default."""
    spec, slack = target.spec, slack_secret(target.spec)
    params = {
        "platform": spec.platform,
        "component": spec.component,
        "required-jobs": _names(target, is_required=True),
        "informing-jobs": _names(target, is_required=False),
        "matrix-ref": spec.matrix_ref.name if spec.matrix_ref else "",
        "release-plan-name": target.names.release_plan,
        "slack-secret": slack.name,
        "slack-key": slack.key,
    }
    return {name: value for name, value in params.items() if value}


def _names(target: Target, *, is_required: bool) -> str:
    jobs = [job.name for job in target.spec.jobs if (job.type != "informing") == is_required]
    return orjson.dumps(jobs).decode()
