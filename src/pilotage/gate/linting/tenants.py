"""What can go wrong with Snapshots and triggers of any tenant of Konflux, gate or none: labels that are lost, runs that are collected."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pilotage.api import konflux
from pilotage.gate import loosejson
from pilotage.gate.linting.evidence import (
    Evidence,
    Manifest,
    Problem,
    metadata_of,
    name_of,
    tags,
)

__all__ = ["label_race", "lost_label", "unguarded_run", "unsafe_cron_jobs", "wrong_key"]

_SCENARIO_LABEL: Final = "test.appstudio.openshift.io/scenario"


def unsafe_cron_jobs(evidence: Evidence) -> Iterator[Problem]:
    for job, _ in _labelling_jobs(evidence):
        spec = loosejson.mapping(job.get("spec"))
        template = loosejson.mapping(loosejson.mapping(spec.get("jobTemplate")).get("spec"))
        if template.get("backoffLimit") != 0:
            sentence = "a trigger that fails is started again, and labels again"
            yield name_of(job), "spec.jobTemplate.spec.backoffLimit", sentence, "set it to 0"
        if spec.get("concurrencyPolicy") != "Forbid":
            yield name_of(job), "spec.concurrencyPolicy", "two triggers may run at once", "set it to Forbid"
        if not spec.get("timeZone"):
            sentence = "without a time zone that of the control plane counts"
            yield name_of(job), "spec.timeZone", sentence, "set it to Etc/UTC"


def label_race(evidence: Evidence) -> Iterator[Problem]:
    for job, text in _labelling_jobs(evidence):
        lists = [
            value
            for value in re.findall(r'"name": "ITS_NAMES", "value": "([^"]*)"', text)
            if len([name for name in value.split(",") if name.strip()]) > 1
        ]
        if lists or (
            re.search(r"\b(for|while)\b", text) and konflux.RUN_LABEL in text and "pilotage" not in text
        ):
            sentence = "labels one Snapshot for several scenarios: a value that is written before the last one was consumed replaces it"
            yield (
                name_of(job),
                "spec.jobTemplate",
                sentence,
                "write the next label only when integration-service has removed the last",
            )
        if "--overwrite" in text:
            sentence = "kubectl label --overwrite takes another scenario's run away without a trace"
            yield (
                name_of(job),
                "spec.jobTemplate",
                sentence,
                "write the label only when it is not there, with resourceVersion as precondition",
            )


def lost_label(evidence: Evidence) -> Iterator[Problem]:
    scenarios = {
        loosejson.text(metadata_of(each).get("name")) for each in evidence.live("IntegrationTestScenario")
    }
    for snapshot in evidence.live("Snapshot"):
        value = tags(snapshot, "labels").get(konflux.RUN_LABEL)
        if value and scenarios and value not in {*scenarios, "all"}:
            sentence = (
                f"asks for {value!r}, which no scenario is called: it will be removed, and nothing runs"
            )
            yield (
                name_of(snapshot),
                f'metadata.labels["{konflux.RUN_LABEL}"]',
                sentence,
                "write the name of a scenario",
            )


def wrong_key(evidence: Evidence) -> Iterator[Problem]:
    for snapshot in evidence.live("Snapshot"):
        if _SCENARIO_LABEL in tags(snapshot, "labels"):
            sentence = (
                "on a Snapshot this label starts nothing; integration-service writes it on PipelineRuns"
            )
            yield (
                name_of(snapshot),
                f'metadata.labels["{_SCENARIO_LABEL}"]',
                sentence,
                f"the trigger is {konflux.RUN_LABEL}",
            )


def unguarded_run(evidence: Evidence) -> Iterator[Problem]:
    for snapshot in evidence.live("Snapshot"):
        annotations = tags(snapshot, "annotations")
        running = [
            loosejson.text(item.get("scenario"))
            for item in _statuses(annotations.get(konflux.STATUS_ANNOTATION, ""))
            if item.get("status") in ("InProgress", "Pending")
        ]
        if running and not annotations.get(konflux.KEEP_SNAPSHOT_ANNOTATION):
            sentence = (
                f"{', '.join(running)} runs, and a collection of the Snapshot would take the run with it"
            )
            yield (
                name_of(snapshot),
                f'metadata.annotations["{konflux.KEEP_SNAPSHOT_ANNOTATION}"]',
                sentence,
                "set it to the time that the run may take",
            )


def _labelling_jobs(evidence: Evidence) -> Iterator[tuple[Manifest, str]]:
    """CronJobs that trigger scenarios, with their template as text."""
    for job in evidence.live("CronJob"):
        text = json.dumps(job.get("spec"))
        is_ours = '"gate", "step", "trigger"' in text
        if is_ours or konflux.RUN_LABEL in text or _SCENARIO_LABEL in text or "ITS_NAMES" in text:
            yield job, text


def _statuses(text: str) -> tuple[Mapping[str, Any], ...]:
    try:
        return loosejson.objects(json.loads(text)) if text else ()
    except ValueError:
        return ()
