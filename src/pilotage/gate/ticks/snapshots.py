"""What a Snapshot says: the image of one build, where it came from, and what Konflux did with it since.

A Snapshot comes from an API, a dump or a hand, so `read_snapshot` reads whatever stands there; what cannot be read is missing,
and the decisions say what follows. Follows konflux-ci/application-api (Snapshot) and the labels, annotations and conditions
of konflux-ci/integration-service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from pilotage.api import konflux
from pilotage.gate import loosejson
from pilotage.gate.instants import read_instant

__all__ = [
    "PUSH_EVENTS",
    "Snapshot",
    "SnapshotComponent",
    "SnapshotCondition",
    "is_merge_queue",
    "is_push_event",
    "read_components",
    "read_conditions",
    "read_snapshot",
]

PUSH_EVENTS: Final = ("push", "Push")
"""GitHub writes the one, GitLab the other."""

_MERGE_QUEUE: Final = "gh-readonly-queue/"
_EPOCH = re.compile(r"[0-9]{1,18}")  # longer than that is no time
_MILLISECONDS_FROM: Final = 10**12


class SnapshotCondition(msgspec.Struct, frozen=True, gc=False):
    type: str
    status: str = ""
    reason: str = ""
    message: str = ""


class SnapshotComponent(msgspec.Struct, frozen=True, gc=False):
    """One image of the build. `image` is empty when none is named; `revision` is the commit, None when it is not known."""

    name: str
    image: str = ""
    revision: str | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is empty when the object is no Snapshot at all. `build_start` is in milliseconds since 1970, None when unknown.

    `blocked` is the reason why it must never be selected, None when it may be.
    """

    name: str = ""
    is_deleting: bool = False
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    created: datetime | None = None
    build_start: int | None = None
    blocked: str | None = None
    conditions: tuple[SnapshotCondition, ...] = ()
    components: tuple[SnapshotComponent, ...] = ()

    def condition(self, *types: str) -> SnapshotCondition | None:
        """The condition of the first of these types that is there: a present one hides its legacy name."""
        for wanted in types:
            for condition in self.conditions:
                if condition.type == wanted:
                    return condition
        return None

    def component(self, name: str) -> SnapshotComponent | None:
        for component in self.components:
            if component.name == name and name:
                return component
        return None


def read_snapshot(value: Any) -> Snapshot:
    """Never raises: what is missing or of another type is empty in the record."""
    manifest = loosejson.mapping(value)
    metadata = loosejson.mapping(manifest.get("metadata"))
    annotations = loosejson.mapping(metadata.get("annotations"))
    return Snapshot(
        name=loosejson.text(metadata.get("name")),
        is_deleting=metadata.get("deletionTimestamp") is not None,
        labels=loosejson.tags_of(metadata.get("labels")),
        annotations=loosejson.tags_of(annotations),
        created=read_instant(metadata.get("creationTimestamp")),
        build_start=_milliseconds(annotations.get(konflux.BUILD_START_ANNOTATION)),
        blocked=_blocked(annotations.get(konflux.BLOCKED_ANNOTATION)),
        conditions=read_conditions(manifest.get("status")),
        components=read_components(manifest.get("spec")),
    )


def read_conditions(status: Any) -> tuple[SnapshotCondition, ...]:
    """`status.conditions` of any object."""
    text = loosejson.text
    return tuple(
        [
            SnapshotCondition(
                text(item.get("type")),
                text(item.get("status")),
                text(item.get("reason")),
                text(item.get("message")),
            )
            for item in loosejson.objects(loosejson.mapping(status).get("conditions"))
        ]
    )


def read_components(spec: Any) -> tuple[SnapshotComponent, ...]:
    """`spec.components`."""
    text = loosejson.text
    return tuple(
        [
            SnapshotComponent(text(item.get("name")), text(item.get("containerImage")), _revision(item))
            for item in loosejson.objects(loosejson.mapping(spec).get("components"))
        ]
    )


def is_merge_queue(annotations: Mapping[str, str]) -> bool:
    """Was it built for a merge queue: from a branch that GitHub made up to try a merge?"""
    branch = annotations.get(konflux.SOURCE_BRANCH_ANNOTATION, "")
    return branch.removeprefix("refs/heads/").startswith(_MERGE_QUEUE)


def is_push_event(labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool:
    """Does integration-service take it for a push? Without a pull-request label it does, whatever the event type says."""
    if is_merge_queue(annotations) or labels.get(konflux.TYPE_LABEL) == "group":
        return False
    event = labels.get(konflux.EVENT_TYPE_LABEL)
    return event is None or event in PUSH_EVENTS or konflux.PULL_REQUEST_LABEL not in labels


def _revision(component: Mapping[str, Any]) -> str | None:
    git = loosejson.mapping(loosejson.mapping(component.get("source")).get("git"))
    return loosejson.text(git.get("revision")) or None


def _milliseconds(value: Any) -> int | None:
    """Seconds or milliseconds since 1970, told apart by their size: 10^12 seconds are 30 000 years away."""
    written = str(value) if isinstance(value, int) and not isinstance(value, bool) else loosejson.text(value)
    if not _EPOCH.fullmatch(written):
        return None
    given = int(written)
    return given if given >= _MILLISECONDS_FROM else given * 1000


def _blocked(value: Any) -> str | None:
    """Only null and the empty text leave it open: a reason that somebody failed to write as text still blocks."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
