"""What an Event says, and when saying it again is news."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.decision.actions import RecordEvent
from pilotage.runtime.events import REPEAT_WINDOW, event_key, event_manifest

HOSTED_CLUSTER = Kind("hypershift.openshift.io", "v1beta1", "HostedCluster", "hostedclusters")
NODE = Kind("", "v1", "Node", "nodes", namespaced=False)
NOW = datetime(2026, 5, 20, 4, 35, 16, tzinfo=UTC)
CHOSEN = RecordEvent(
    HOSTED_CLUSTER, ObjectKey("clusters", "prod-1"), "uid-1", "Normal", "ImageChosen", "by rule annotation"
)


def test_an_event_has_what_kubectl_describe_reads() -> None:
    """Involved object, reason, message, count and both times."""
    key = event_key(CHOSEN)
    assert event_manifest(CHOSEN, None, NOW) == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": key.name, "namespace": "clusters"},
        "involvedObject": {
            "apiVersion": "hypershift.openshift.io/v1beta1",
            "kind": "HostedCluster",
            "name": "prod-1",
            "namespace": "clusters",
            "uid": "uid-1",
        },
        "type": "Normal",
        "reason": "ImageChosen",
        "message": "by rule annotation",
        "source": {"component": "pilotage"},
        "reportingComponent": "pilotage",
        "reportingInstance": "pilotage",
        "count": 1,
        "firstTimestamp": "2026-05-20T04:35:16Z",
        "lastTimestamp": "2026-05-20T04:35:16Z",
    }


def test_a_repetition_counts_on_from_what_is_recorded() -> None:
    """The first time stays, the last time and the count move; nothing but the Event itself is needed for it."""
    first = event_manifest(CHOSEN, None, NOW)
    assert first is not None
    later = NOW + timedelta(minutes=10)
    second = event_manifest(CHOSEN, Object.of(first), later)
    assert second == {**first, "count": 2, "lastTimestamp": "2026-05-20T04:45:16Z"}


@pytest.mark.parametrize("seconds", [-5, 0, 1, 59])
def test_a_repetition_at_once_is_no_news(seconds: int) -> None:
    """Hot retries and a plan performed twice because of a crash write nothing, nor does a clock that went back."""
    first = event_manifest(CHOSEN, None, NOW)
    assert first is not None
    assert event_manifest(CHOSEN, Object.of(first), NOW + timedelta(seconds=seconds)) is None
    assert event_manifest(CHOSEN, Object.of(first), NOW + REPEAT_WINDOW) is not None


def test_an_event_without_counts_is_counted_on() -> None:
    """Another writer may have left the optional fields out or null."""
    bare = Object.of({"apiVersion": "v1", "kind": "Event", "count": None, "lastTimestamp": None})
    manifest = event_manifest(CHOSEN, bare, NOW)
    assert manifest is not None
    assert (manifest["count"], manifest["firstTimestamp"]) == (1, "2026-05-20T04:35:16Z")


@pytest.mark.parametrize(
    "other",
    [
        {"message": "by rule payload"},
        {"reason": "ImageMissing"},
        {"type": "Warning"},
        {"uid": "uid-2"},
        {"key": ObjectKey("clusters", "prod-2")},
        {"key": ObjectKey("other", "prod-1")},
        {"kind": NODE},
    ],
)
def test_the_name_is_made_of_what_the_event_says(other: dict[str, object]) -> None:
    """The same words about the same object have one name; any difference has another."""
    assert event_key(msgspec.structs.replace(CHOSEN)) == event_key(CHOSEN)
    assert event_key(msgspec.structs.replace(CHOSEN, **other)) != event_key(CHOSEN)


def test_events_of_cluster_scoped_objects_live_in_default() -> None:
    """And their involved object has no namespace."""
    action = msgspec.structs.replace(CHOSEN, kind=NODE, key=ObjectKey("", "worker-0"))
    manifest = event_manifest(action, None, NOW)
    assert manifest is not None
    assert manifest["metadata"]["namespace"] == "default"
    assert "namespace" not in manifest["involvedObject"]


def test_long_names_and_messages_are_cut_to_what_the_api_takes() -> None:
    """253 characters of name, never ending a label in a dot or dash; 1024 of message."""
    action = msgspec.structs.replace(
        CHOSEN, key=ObjectKey("clusters", "a" * 235 + "." + "b" * 17), message="m" * 5000
    )
    assert len(event_key(action).name) <= 253
    assert ".." not in event_key(action).name
    manifest = event_manifest(action, None, NOW)
    assert manifest is not None
    assert (len(manifest["message"]), manifest["message"][-2:]) == (1024, "m…")
