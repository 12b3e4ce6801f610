"""Asking the gate as `pilotage decide` does, and the Snapshots that the cases speak of in short words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from pilotage.app import rooms
from pilotage.decision.questions import answer

SHA = "a" * 64
DIGEST = f"sha256:{SHA}"
IMAGE = f"quay.io/acme/operator@{DIGEST}"
NOW = "2026-06-11T03:15:00Z"

LABELS = {
    "application": "appstudio.openshift.io/application",
    "group": "appstudio.openshift.io/component-group",
    "component": "appstudio.openshift.io/component",
    "type": "test.appstudio.openshift.io/type",
    "event": "pac.test.appstudio.openshift.io/event-type",
    "pull-request": "pac.test.appstudio.openshift.io/pull-request",
    "optional": "test.appstudio.openshift.io/optional",
    "admission": "release.appstudio.openshift.io/releasePlanAdmission",
    "block": "release.appstudio.openshift.io/block-releases",
}
ANNOTATIONS = {
    "branch": "pac.test.appstudio.openshift.io/source-branch",
    "start": "test.appstudio.openshift.io/pipelinerunstarttime",
    "blocked": "gate.pilotage.dev/blocked",
}
WORDS = {"SHA": SHA, "DIGEST": DIGEST, "IMAGE": IMAGE, "NOW": NOW} | {
    letter * 40: letter * 40 for letter in "ab"
}


def ask(name: str, given: Any) -> dict[str, Any]:
    """The value that `pilotage decide` answers; a failure is no answer of the gate."""
    text = json.dumps(given, ensure_ascii=False)
    return json.loads(answer(rooms.questions()[name], text.encode()))["value"]


def cases(name: str) -> list[Any]:
    """The cases of a file, as pytest wants them: one parameter each, named by its sentence."""
    import pytest

    read = yaml.safe_load((Path(__file__).parent / "cases" / name).read_text())
    assert len({case["it"] for case in read}) == len(read)
    return [pytest.param(whole(case), id=case["it"]) for case in read]


def whole(value: Any) -> Any:
    """A value with `<DIGEST>` and the other words written out: nobody wants to count 64 letters."""
    match value:
        case str():
            for word, meaning in WORDS.items():
                value = value.replace(f"<{word}>", meaning)
            return value
        case list():
            return [whole(item) for item in value]
        case dict():
            return {whole(key): whole(item) for key, item in value.items()}
    return value


def snapshot(**changes: Any) -> dict[str, Any]:
    """An eligible Snapshot, but for the changes: `labels` and `annotations` in short words are added, others replace.

    `conditions` are written `Type Status Reason message`; a condition, label or annotation that is null is taken away.
    """
    labels = {"application": "operator", "component": "operator-main", "type": "component", "event": "push"}
    labels |= changes.pop("labels", {})
    metadata = {
        "name": changes.pop("name", "one"),
        "creationTimestamp": changes.pop("created", "2026-06-11T01:00:00Z"),
        "labels": keyed(LABELS, labels),
        "annotations": keyed(ANNOTATIONS, changes.pop("annotations", {})),
    } | changes.pop("metadata", {})
    said = changes.pop("conditions", ["AutoReleased True AutoReleased The Snapshot was auto-released"])
    entry = {"name": "operator-main", "containerImage": changes.pop("image", IMAGE)}
    entry["source"] = {"git": {"revision": changes.pop("revision", "c" * 40)}}
    spec = {"application": "operator", "components": changes.pop("components", [entry])}
    made = {"metadata": metadata, "spec": spec, "status": {"conditions": [*map(condition, said)]}}
    made |= changes.pop("whole", {})
    assert not changes, f"not known: {changes}"
    return made


def keyed(keys: dict[str, str], short: dict[str, Any]) -> dict[str, Any]:
    return {keys.get(name, name): value for name, value in short.items() if value != "<gone>"}


def condition(said: Any) -> Any:
    if not isinstance(said, str):
        return said
    kind, status, reason, *message = said.split(" ", 3)
    return {"type": kind, "status": status, "reason": reason, "message": " ".join(message)}
