"""What is each step of the gate given on Konflux, and what does it give? The contract between the pipeline and the program.

A step is `pilotage gate step NAME`. Everything it needs comes as environment variables: parameters of the pipeline as
`GATE_<PARAMETER>`, where to write each result as `GATE_RESULT_<RESULT>`, the file of each credential as `<CREDENTIAL>_FILE`. A
credential is a file and no variable, because a file follows when the Secret is renewed, and a step reads it again for every request.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

__all__ = [
    "ACCOUNTS",
    "ALIASES",
    "NOTIFIER",
    "NOTIFY",
    "PARAMETERS",
    "RELEASER",
    "RUNNER",
    "STALE",
    "STEPS",
    "TRIGGER",
    "Credential",
    "Parameter",
    "Step",
    "variable",
]

TRIGGER: Final = "nightly-promotion-sa"
RUNNER: Final = "gate-runner"
RELEASER: Final = "gate-releaser"
NOTIFIER: Final = "gate-notifier"
STALE: Final = "gate-stale"
ACCOUNTS: Final = (TRIGGER, RUNNER, RELEASER, NOTIFIER, STALE)

Credential = Literal["gangway", "slack"]


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of the pipeline. Without `default` the scenario must give it."""

    name: str
    description: str
    default: str | None = None


class Step(msgspec.Struct, frozen=True):
    """`parameters` are the pipeline's, `inputs` are results of earlier tasks by the name they have here."""

    name: str
    account: str
    parameters: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    results: tuple[tuple[str, str], ...] = ()
    credential: Credential | None = None
    timeout: str = "15m0s"


PARAMETERS: Final = (
    Parameter("SNAPSHOT", "The spec of the Snapshot as JSON; integration-service gives it."),
    Parameter("platform", "The managed service, such as aro-hcp."),
    Parameter("component", "The component whose image is verified.", "hypershift-operator-main"),
    Parameter("required-jobs", "Jobs that must pass: a JSON list of names.", "[]"),
    Parameter("informing-jobs", "Jobs that are reported only: a JSON list of names.", "[]"),
    Parameter("matrix-ref", "The VersionMatrix whose jobs are run as well.", ""),
    Parameter("release-plan-name", "The ReleasePlan of the platform.", ""),
    Parameter("slack-secret", "The Secret with the address of the chat.", "slack-webhook"),
    Parameter("slack-key", "The key in that Secret.", "url"),
)

ALIASES: Final = (
    Parameter("e2e-blocking-job-names", "Another name of required-jobs.", ""),
    Parameter("e2e-informing-job-names", "Another name of informing-jobs.", ""),
    Parameter("gate-label", "How people call the platform.", ""),
    Parameter("stale-threshold-days", "Days without a promotion until somebody is told.", "3"),
)
"""Names that scenarios of openshift/hypershift give."""

_RUN: Final = ("run", "extract-image.run")

STEPS: Final = (
    Step(
        "extract-image",
        RUNNER,
        parameters=("SNAPSHOT", "platform", "component"),
        results=(
            ("image", "The image under test, by digest."),
            ("digest", "Its digest."),
            ("revision", "The commit that it was built from; empty when it is not known."),
            ("snapshot-name", "The Snapshot."),
            ("run", "The name of the run in the ledger."),
        ),
    ),
    Step(
        "run-e2e",
        RUNNER,
        parameters=(
            "platform",
            "required-jobs",
            "informing-jobs",
            "matrix-ref",
            "e2e-blocking-job-names",
            "e2e-informing-job-names",
        ),
        inputs=(_RUN, ("image", "extract-image.image"), ("digest", "extract-image.digest")),
        results=(("summary", "Counts of results; the results themselves are in the ledger."),),
        credential="gangway",
        timeout="5h30m0s",
    ),
    Step(
        "evaluate-results",
        RUNNER,
        parameters=("platform",),
        inputs=(_RUN,),
        results=(
            ("verdict", "passed, failed or error."),
            ("gate-passed", "true or false."),
            ("TEST_OUTPUT", "The verdict as integration-service reads it."),
        ),
    ),
    Step(
        "create-release",
        RELEASER,
        # The verdict is read from the ledger: a parameter could come from anywhere.
        parameters=("platform", "release-plan-name"),
        inputs=(_RUN,),
        results=(("release-name", "The Release."),),
        timeout="4h30m0s",
    ),
)
"""The tasks, each after the one before it."""

NOTIFY: Final = Step(
    "notify",
    NOTIFIER,
    parameters=("platform", "gate-label", "stale-threshold-days"),
    credential="slack",
    timeout="30m0s",
)
"""Runs whatever happened, so it is bound to no result: Tekton skips a final task that misses one."""


def variable(prefix: str, name: str) -> str:
    """`GATE_RELEASE_PLAN_NAME`, `GATE_RESULT_SNAPSHOT_NAME`."""
    return f"{prefix}_{name}".upper().replace("-", "_")
