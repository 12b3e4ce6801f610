"""The codes of the gate's decisions about Snapshots, triggers and partners, with their meaning in one sentence.

The reference page of codes prints them; `healthcodes` has those about jobs and health. Unlike errors elsewhere they are written
as the decisions answer them, in lower case with dashes.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CODES"]

CODES: Mapping[str, Mapping[str, str]] = {
    "why a Snapshot is rejected": {
        "malformed": "It is no object, or has no name.",
        "deleting": "It is being deleted.",
        "wrong-application": "It belongs to another application or component group.",
        "wrong-component": "It was built for another component.",
        "wrong-type": "It is an override or a group, and the gate takes single components.",
        "not-push": "It was not built by a push.",
        "merge-queue": "It was built for a merge queue.",
        "bad-timestamp": "When it was created, or the present time, is not known.",
        "future-timestamp": "It was created in the future, beyond what clocks may differ.",
        "too-old": "It is older than the gate accepts.",
        "invalid-snapshot": "Konflux calls it invalid.",
        "tests-failed": "Its required integration tests failed.",
        "not-auto-released": "It was not auto-released.",
        "auto-release-skipped": "It is marked as auto-released, but nothing was released.",
        "no-image": "It holds no image of the component.",
        "no-digest": "Its image is not pinned by a sha256 digest.",
        "blocked": "Somebody blocked it by annotation.",
    },
    "why no Snapshot is selected": {
        "no-snapshots": "There are none.",
        "no-eligible-snapshot": "Every one is rejected.",
    },
    "why a Snapshot names no image": {
        "invalid-json": "It is no JSON object.",
        "no-components": "It has no components.",
        "component-not-found": "None of its components is the one to verify.",
        "ambiguous-component": "The component is there twice, with different images.",
        "no-image": "The component has no image.",
        "no-digest": "The image has no digest.",
        "bad-digest": "The digest is not sha256 and 64 lower-case hexadecimal digits.",
    },
    "what a tick does": {
        "paused": "Skip: the gate is paused.",
        "in-progress": "Attach: a run of this digest is active.",
        "platform-busy": "Wait: a run of another digest is active.",
        "yanked": "Skip: the digest was yanked.",
        "already-promoted": "Skip: the digest is promoted.",
        "attempts-exhausted": "Skip: enough runs of the digest failed.",
        "label-pending": "Attach: the Snapshot carries our trigger.",
        "label-busy": "Wait: the Snapshot carries another trigger.",
        "forced": "Start: somebody forces it.",
        "retry": "Start: an earlier run of the digest failed.",
        "new": "Start: the first run of the digest.",
    },
    "what a reply of gangway is": {
        "created": "The job is started.",
        "ambiguous": "The job may have been started; look for it, do not ask again.",
        "job-not-found": "There is no job of this name.",
        "throttled": "Too many requests; nothing was done.",
        "gone": "The execution is not known any more.",
        "transient": "No usable answer; look again.",
        "auth": "The credential does not work.",
        "bad-request": "The request is refused.",
        "bad-endpoint": "This is not the address of gangway.",
    },
    "why there is no tag": {
        "bad-platform": "The platform is not 1 to 20 lower-case letters, digits and inner dashes.",
        "reserved-platform": "The platform is a name that other tags begin with.",
        "unsupported-algorithm": "The digest is not of sha256.",
        "bad-digest": "The digest is not sha256 and 64 lower-case hexadecimal digits.",
    },
    "why a release goes nowhere": {
        "not-found": "No ReleasePlanAdmission takes it.",
        "origin-mismatch": "The ReleasePlanAdmission takes releases from another namespace.",
        "no-target": "The ReleasePlan names no target namespace.",
        "multiple": "Several ReleasePlanAdmissions take it; name one by label.",
        "blocked": "The ReleasePlanAdmission blocks releases.",
    },
    "why nothing is rendered or planned for a platform": {
        "BadPlatform": "The platform has a name that no tag or object may have.",
        "BadSchedule": "The cron expression of a gate is not valid.",
        "BadTimeZone": "The time zone of a gate is not in the database.",
        "InvalidJobs": "The jobs of a gate make no plan; all faults are listed.",
        "InvalidPrices": "A price table has another form.",
        "MatrixMissing": "The VersionMatrix that a Gate names is not given.",
        "NoGate": "There is no Gate where one was looked for.",
        "NotPinned": "What should be pinned is named by a tag or a branch, or by nothing yet.",
        "SeveralTenants": "Gates of several namespaces cannot share a directory.",
        "UnknownPlatform": "No Gate of this platform is given.",
    },
}
