"""The runbook of one platform: for each message that people get, what it means and what to do, with the real names.

Every chapter says what one sees, what it means for consumers, what to type, what one should then see, and whom to ask next. Messages
link to their chapter by its anchor; `MESSAGES` is the list of those links.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from pilotage.api.konflux import BLOCKED_ANNOTATION, RUN_LABEL
from pilotage.gate.konflux.names import GANGWAY_SECRET, slack_secret, stale_cronjob, trigger_cronjob
from pilotage.gate.konflux.target import Target

__all__ = ["ANCHORS", "MESSAGES", "Chapter", "chapters", "runbook"]

MESSAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "M0": ("promoted",),
    "M1": ("no-snapshot",),
    "M2": ("label-stuck",),
    "M3": ("token-rotation",),
    "M4": ("required-failure",),
    "M5": ("inconclusive",),
    "M6": ("release-failed",),
    "M7": ("stale",),
    "M8": ("heartbeat",),
    "M9": ("yank", "unyank", "rollback", "quarantine", "override"),
    "M10": ("regression",),
}
"""Message to the anchors that it links to."""

_UNAFFECTED: Final = (
    "Nothing new is promoted; consumers keep the last verified image. The release to ACM is not touched."
)


class Chapter(msgspec.Struct, frozen=True):
    """`also` are further anchors of the same chapter. `commands` are lines for a terminal."""

    anchor: str
    title: str
    symptom: str
    impact: str
    commands: tuple[str, ...]
    expected: str
    escalation: str = ""
    also: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


def runbook(target: Target) -> str:
    """Markdown. Anchors are written out, so that a change of a title breaks no link."""
    spec = target.spec
    parts = list(chapters(target))
    lines = [
        f"# Runbook: release gate of {spec.display_name}",
        "",
        f"Platform `{spec.platform}` · tenant `{spec.tenant_namespace}` · owners {', '.join(spec.owners)}",
        "",
        *_names(target),
        "",
        "## Which chapter",
        "",
        "| Message | Chapter |",
        "| --- | --- |",
        *(
            f"| {message} | {', '.join(f'[{anchor}](#{anchor})' for anchor in anchors)} |"
            for message, anchors in MESSAGES.items()
        ),
        "",
        "Detect: the message says which; without one, look at the schedule first, then at the Snapshot, then at the run.",
        "",
    ]
    for chapter in parts:
        lines += _chapter(chapter, target)
    return "\n".join(lines).rstrip() + "\n"


def _names(target: Target) -> Iterator[str]:
    spec, names, slack = target.spec, target.names, slack_secret(target.spec)
    rows = {
        "Trigger": f"CronJob `{trigger_cronjob(spec.schedule, spec.time_zone)}`, `{spec.schedule}` {spec.time_zone}",
        "Stale check": f"CronJob `{stale_cronjob(slack)}`, hourly, after {spec.stale.threshold_days:g} days",
        "Scenario": f"IntegrationTestScenario `{names.scenario}`",
        "Release": f"ReleasePlan `{names.release_plan}`, ReleasePlanAdmission `{spec.managed_namespace}/{names.admission}`",
        "Verified repository": f"`{spec.verified_repository}`, tags `{spec.platform}-<digest>`",
        "Secrets": f"`{GANGWAY_SECRET.name}/{GANGWAY_SECRET.key}`, `{slack.name}/{slack.key}`",
        "Required jobs": ", ".join(f"`{job.name}`" for job in spec.jobs if job.type != "informing")
        or f"those of VersionMatrix `{spec.matrix_ref.name if spec.matrix_ref else ''}`",
    }
    yield "| What | Name |"
    yield "| --- | --- |"
    yield from (f"| {name} | {text} |" for name, text in rows.items())


def chapters(target: Target) -> Iterator[Chapter]:
    """In the order of the messages, then what has no message of its own."""
    spec, names, slack = target.spec, target.names, slack_secret(target.spec)
    tenant, oc = spec.tenant_namespace, f"oc -n {spec.tenant_namespace}"
    trigger = trigger_cronjob(spec.schedule, spec.time_zone)
    again = f"{oc} create job --from=cronjob/{trigger} manual-$(date +%s)"
    snapshots = f"{oc} get snapshots -l appstudio.openshift.io/component={spec.component} --sort-by=.metadata.creationTimestamp"
    runs = f"{oc} get pipelineruns -l test.appstudio.openshift.io/scenario={names.scenario}"
    image = f"{spec.verified_repository}:{spec.platform}-$DIGEST_HEX"
    yield Chapter(
        "promoted", "Promoted",
        "All required jobs passed, and the image has its tag.",
        "Consumers may take the image.",
        (f"pilotage image inspect {image}",),
        "The digest is the one of the message. Flaked jobs in the message are worth a look by their owners.",
    )  # fmt: skip
    yield Chapter(
        "no-snapshot", "No Snapshot to test",
        "The trigger found no Snapshot that it may take; the message counts the codes of those it rejected.",
        _UNAFFECTED,
        (f"{snapshots} | tail -n 5", f"{snapshots} -o yaml > snapshots.yaml",
         f"pilotage gate onboard --verify --platform {spec.platform} -f gate.yaml --from snapshots.yaml", again),
        "The newest Snapshot of a push carries a condition AutoReleased, and the dry trigger names it.",
        "The build team when no Snapshot was made since the last merge.",
    )  # fmt: skip
    yield Chapter(
        "label-stuck", "Label stuck, scenario missing, or no PipelineRun",
        "Konflux did not start the scenario, or the label on the Snapshot stays.",
        _UNAFFECTED,
        (f"{oc} get its {names.scenario}",
         f"{oc} get snapshots -L {RUN_LABEL} --sort-by=.metadata.creationTimestamp | tail -n 5", runs, again),
        f"The label is gone after seconds, and a PipelineRun named {names.scenario}-… is there.",
        "The Konflux team when labels of other tenants stay as well.",
        steps=(
            "A label with the name of another scenario: wait until it is gone. Writing over it loses that run without a trace.",
            "A label with a name that no scenario has: integration-service removes it; render and apply the scenario.",
            f"The key `test.appstudio.openshift.io/scenario` on a Snapshot starts nothing; the trigger is `{RUN_LABEL}`.",
        ),
    )  # fmt: skip
    yield Chapter(
        "token-rotation", "Credentials rejected",
        "Prow, the registry or Konflux refuses us. The run is suspended, not failed.",
        "The night takes longer. Renewed before the deadline of the run, nothing is lost.",
        (f"{oc} create secret generic {GANGWAY_SECRET.name} --from-file={GANGWAY_SECRET.key}=token.txt --dry-run=client -o yaml | oc apply -f -",
         f"{oc} create secret generic {slack.name} --from-file={slack.key}=url.txt --dry-run=client -o yaml | oc apply -f -", runs),
        "Within two minutes the mounted file follows, and the run goes on. Nothing is restarted.",
        "Test platform for the token of gangway.",
    )  # fmt: skip
    yield Chapter(
        "required-failure", "A required job failed",
        "A required job failed, and failed again when it was confirmed.",
        _UNAFFECTED,
        (runs, f"{oc} get configmaps -l gate.pilotage.dev/platform={spec.platform},gate.pilotage.dev/kind=run",
         f"oc -n {tenant} annotate snapshot $SNAPSHOT {BLOCKED_ANNOTATION}='reason and bug'"),
        "The next night passes with the revert or the fix; a blocked Snapshot is never taken again.",
        f"The owner of the job first, then {', '.join(spec.owners)}; the release infrastructure rotation triages repeated failures.",
        steps=(
            "Product: find the first bad commit between the last promoted digest and this one; revert.",
            "Test or environment: quarantine the job in the Gate, with owner, bug and an end within 14 days; render and apply.",
            "Never edit the verdict: a digest is promoted by a passed run, or not at all.",
        ),
    )  # fmt: skip
    yield Chapter(
        "inconclusive", "Inconclusive",
        "Jobs ended without saying anything about the image: aborted, lost, timed out, or refused.",
        _UNAFFECTED,
        (runs, again),
        "The same digest is tested again and comes to a verdict.",
        "Test platform when jobs of others are lost as well.",
        also=("job-timeout", "capacity"),
        steps=(
            "Timeouts: compare the duration with the job's history; raise `deadlineMinutes` of the job, or find what became slow.",
            "Capacity: quota of the cloud account is the usual cause; let jobs that share it name one `semaphore`.",
        ),
    )  # fmt: skip
    yield Chapter(
        "release-failed", "Passed, but not released",
        "All required jobs passed; the Release failed or was refused.",
        "The image is good and carries no tag; consumers keep the last verified one.",
        (f"{oc} get releases -l release.appstudio.openshift.io/releasePlan={names.release_plan} -o wide",
         f"{oc} get releaseplan {names.release_plan} -o jsonpath='{{.status.conditions}}'",
         f"oc -n {spec.managed_namespace} get releaseplanadmission {names.admission} --show-labels", again),
        "ReleasePlan and ReleasePlanAdmission are Matched, the admission does not block, and the next attempt `-r2` succeeds.",
        "Release engineering for the managed pipeline and its policy.",
        steps=(
            "By hand, only with the verdict `passed` in the ledger for this digest, a Release with:",
            f"`spec.snapshot: $SNAPSHOT` and `spec.releasePlan: {names.release_plan}`, named `gate-{spec.platform}-<12 digits>-r<n>` with the next free n.",
        ),
    )  # fmt: skip
    yield Chapter(
        "tag-conflict", "Tag conflict",
        "The canonical tag is there and names another digest. This cannot happen by itself: the tag is made of the digest.",
        "The promotion stops; nothing is overwritten.",
        (f"pilotage image inspect {image}",),
        "It tells which digest stands there. Find out who wrote it before anything else.",
        f"{', '.join(spec.owners)} and the owners of the repository: somebody else writes to it.",
    )  # fmt: skip
    yield Chapter(
        "stale", "No promotion for days",
        f"Nothing was promoted for {spec.stale.threshold_days:g} days, although there was something new.",
        "Consumers run an old image: fixes do not reach them.",
        (runs, f"{snapshots} | tail -n 5", f"{oc} get cronjob {trigger}"),
        "The last runs show why: read the chapter of their message.",
        "Critical after twice the time: the release infrastructure rotation, then " + ", ".join(spec.owners),
    )  # fmt: skip
    yield Chapter(
        "heartbeat", "The gate itself did not run",
        "No trigger came when one was due.",
        _UNAFFECTED,
        (f"{oc} get cronjob {trigger} {stale_cronjob(slack)}", f"{oc} get jobs --sort-by=.metadata.creationTimestamp | tail -n 5",
         f"pilotage gate render --platform {spec.platform} -f gate.yaml -o rendered --check --from live", again),
        "The CronJob is not suspended, and its last schedule time is that of the last slot.",
        "The Konflux team when Jobs are not created at all.",
    )  # fmt: skip
    yield Chapter(
        "yank", "Yank, unyank, roll back",
        "A person took an image back, put it back, or moved the aliases to an older one.",
        "After a yank, verification of the image fails with the reason, and aliases name the newest promotion that is not yanked.",
        (f"pilotage image inspect {spec.verified_repository}:{spec.platform}-latest",),
        "The alias names the digest of the message.",
        "The person whom the message names. Tell the consumers: whoever pinned the digest still runs it.",
        also=("unyank", "rollback"),
    )  # fmt: skip
    yield Chapter(
        "quarantine", "Quarantine and overrides",
        "A required job counts as informing for a while, or a person set a rule aside.",
        "The gate proves less until it ends. It ends by itself at the time of the message.",
        ("pilotage gate lint -f gate.yaml",),
        "No finding Q-GATE-013: every quarantine has an owner, a bug, and an end within 14 days.",
        "The owner of the entry.",
        also=("override",),
    )  # fmt: skip
    yield Chapter(
        "regression", "A test became worse",
        "A test fails significantly more often than in its history. This informs; it stops no promotion.",
        "None yet.",
        (runs,),
        "The record closes when the test is as good as it was.",
        "The owner of the job.",
    )  # fmt: skip
    yield Chapter(
        "pause", "Pause and freeze",
        "Somebody wants no runs (`paused`) or no promotions (`policy.freeze`) for a while.",
        _UNAFFECTED,
        (f"{oc} get configmap {names.definition} -o yaml",),
        "Set `paused: true` with `pausedUntil` and `pauseReason` in the Gate, render, apply. After `pausedUntil` the alarm is back.",
        also=("freeze",),
    )  # fmt: skip
    yield Chapter(
        "restore-ledger", "Restore the ledger",
        "ConfigMaps of runs are gone.",
        "Promotions stand in the registry with their attestations; nothing that was promoted is lost. Runs under way are.",
        (f"{oc} get configmaps -l gate.pilotage.dev/platform={spec.platform}", again),
        "The next trigger starts a new run. A run that is not known completely is never promoted.",
    )  # fmt: skip
    yield Chapter(
        "konflux-down", "Konflux is down",
        "Neither API nor pipelines answer.",
        "No new promotions. Consumers keep the last verified image; the registry does not need Konflux. The release to ACM waits as well.",
        (f"pilotage image inspect {spec.verified_repository}:{spec.platform}-latest",),
        "The last verified image can still be pulled. After the outage the next slot does what is to be done; do not trigger for each night.",
        "The Konflux team.",
    )  # fmt: skip


ANCHORS: Final = frozenset(anchor for anchors in MESSAGES.values() for anchor in anchors)
"""The anchors that messages link to."""


def _chapter(chapter: Chapter, target: Target) -> Iterator[str]:
    anchors = "".join(f'<a id="{anchor}"></a>' for anchor in (chapter.anchor, *chapter.also))
    yield from (anchors, "", f"## {chapter.title}", "")
    yield from (f"**Symptom.** {chapter.symptom}", "", f"**Impact.** {chapter.impact}", "")
    for step in chapter.steps:
        yield f"- {step}"
    if chapter.steps:
        yield ""
    yield from ("```sh", *chapter.commands, "```", "")
    yield from (f"**Expected.** {chapter.expected}", "")
    yield from (f"**Escalation.** {chapter.escalation or ', '.join(target.spec.owners)}", "")
