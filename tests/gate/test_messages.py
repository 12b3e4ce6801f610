"""What every message says, and what each kind must say."""

from __future__ import annotations

import pytest

from pilotage.gate.telling.alertmessages import (
    HeartbeatMissing,
    PastRun,
    PersonalAction,
    RegressionChange,
    StalePromotion,
    heartbeat_missing,
    personal_action,
    regression_changed,
    stale_promotion,
)
from pilotage.gate.telling.message import COLOURS, Message, Subject, delivery_key
from pilotage.gate.telling.runmessages import (
    CredentialsRejected,
    JobOutcome,
    Promoted,
    PromotionFailed,
    SelectionFailed,
    TriggerStuck,
    Verdict,
    credentials_rejected,
    gate_failed,
    gate_inconclusive,
    promoted,
    promotion_failed,
    selection_failed,
    trigger_stuck,
)

DIGEST = f"sha256:{'ab' * 32}"
SUBJECT = Subject(
    event="run-1/verdict",
    platform="aro-hcp",
    display_name="ARO HCP",
    snapshot="hypershift-operator-20260611-021500-000",
    digest=DIGEST,
    run="gate-aro-hcp-0123456789abcdef",
    run_url="https://console.example.com/runs/1",
    owner="hcp-team",
    runbook="https://docs.example.com/runbook-aro-hcp",
)
FAILED = JobOutcome("e2e-aks", "failed", "https://prow.example.com/1", 2, "alice", ("chronic-flake",))

ALL = [
    ("M0", "green", promoted(SUBJECT, Promoted("aro-hcp-ab", "abc..def", "https://x.example.com", 9000.0, (FAILED,)))),
    ("M1", "red", selection_failed(SUBJECT, SelectionFailed("no-eligible-snapshot", {"too-old": 3, "blocked": 1}, "snap-9", "blocked", "pilotage gate trigger aro-hcp"))),
    ("M2", "red", trigger_stuck(SUBJECT, TriggerStuck("label stuck", "other-scenario", "ho-release-gate-aro-hcp"))),
    ("M3", "red", credentials_rejected(SUBJECT, CredentialsRejected("gangway", "gangway-token/token", "2026-06-11T03:15:00Z"))),
    ("M4", "red", gate_failed(SUBJECT, Verdict("required-failed", (FAILED,), hint="12 commits since abc"))),
    ("M5", "orange", gate_inconclusive(SUBJECT, Verdict("required-inconclusive", (JobOutcome("e2e", "timeout"),), next_step="Tried again tomorrow."))),
    ("M6", "orange", promotion_failed(SUBJECT, PromotionFailed("the Release failed.", "gate-aro-hcp-ab-r1", "Released", "Failed", "no such policy", "apiVersion: appstudio"))),
    ("M7", "red", stale_promotion(SUBJECT, StalePromotion("critical", 6.2, 3, "2026-06-05T03:15:00Z", DIGEST, (PastRun("run-9", "failed"),)))),
    ("M7", "green", stale_promotion(SUBJECT, StalePromotion("resolved", 0, 3, "2026-06-11T03:15:00Z"))),
    ("M8", "red", heartbeat_missing(SUBJECT, HeartbeatMissing("2026-06-09T03:15:00Z", 26, "15 3 * * *"))),
    ("M9", "orange", personal_action(SUBJECT, PersonalAction("yank", "bob", "breaks upgrades", DIGEST, "2026-07-01T00:00:00Z"))),
    ("M10", "orange", regression_changed(SUBJECT, RegressionChange("opened", "e2e/upgrade", 1.0, 30, 0.571, 7, 0.0045))),
    ("M10", "green", regression_changed(SUBJECT, RegressionChange("closed", "e2e/upgrade", 1.0, 30, 1.0, 7, 1.0))),
]  # fmt: skip


def words(message: Message) -> str:
    """Everything that a message says."""
    parts = [message.title, message.what, message.do, message.runbook.url, message.owner]
    parts += [f"{field.name} {field.value} {field.url}" for field in message.fields]
    for section in message.sections:
        parts += [section.title, section.text, section.code, section.more]
        parts += [f"{item.text} {item.note} {item.url}" for item in section.items]
    return "\n".join(parts)


@pytest.mark.parametrize(("name", "colour", "message"), ALL)
def test_every_message_says_what_all_must_say(name, colour, message):
    """Platform, Snapshot, digest, run, what happened, what to do, where to read on, and whose it is."""
    assert (name, colour) == (message.id, message.colour)
    fields = {field.name: field for field in message.fields}
    assert "ARO HCP" == fields["Platform"].value
    assert SUBJECT.snapshot == fields["Snapshot"].value
    assert DIGEST == fields["Image digest"].value
    assert SUBJECT.run_url == fields["Run"].url
    assert "hcp-team" == message.owner == fields["Owner"].value
    assert message.what
    assert message.do
    assert message.runbook.url.startswith("https://docs.example.com/runbook-aro-hcp#")
    assert message.title.startswith("ARO HCP: ")
    assert COLOURS[message.colour].startswith("#")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("M0", ["aro-hcp-ab", "abc..def", "2 h 30 min", "Flaked", "e2e-aks"]),
        ("M1", ["no-eligible-snapshot", "too-old 3", "blocked 1", "snap-9 (blocked)", "gate trigger aro-hcp"]),
        ("M2", ["label stuck", "other-scenario", "ho-release-gate-aro-hcp"]),
        ("M3", ["gangway-token/token", "2026-06-11T03:15:00Z", "suspended, not failed"]),
        ("M4", ["e2e-aks", "https://prow.example.com/1", "2 attempts", "12 commits since abc", "not promoted", "ACM release path is unaffected", "alice", "chronic-flake"]),
        ("M5", ["timeout", "Tried again tomorrow.", "not promoted"]),
        ("M6", ["gate-aro-hcp-ab-r1", "Released (Failed)", "no such policy", "apiVersion: appstudio"]),
        ("M7", ["6.2", "3 days", "2026-06-05T03:15:00Z", "run-9 failed"]),
        ("M8", ["2026-06-09T03:15:00Z", "26 hours"]),
        ("M9", ["bob", "breaks upgrades", "2026-07-01T00:00:00Z"]),
        ("M10", ["e2e/upgrade", "0.0045", "57%", "100%"]),
    ],
)  # fmt: skip
def test_each_kind_says_what_it_must_say(name, wanted):
    """The list of what a message must contain."""
    said = words(next(message for kind, _, message in ALL if kind == name))
    assert [] == [each for each in wanted if each not in said]


def test_what_is_missing_is_told_as_none():
    """A selection that failed has neither Snapshot nor run."""
    message = selection_failed(Subject("e", "aro-hcp"), SelectionFailed("no-snapshots"))
    assert {"none"} == {
        field.value for field in message.fields if field.name in ("Snapshot", "Image digest", "Run")
    }
    assert "" == message.runbook.url
    assert () == message.sections


def test_a_delivery_is_one_by_event_and_channel():
    """The same event on two channels is two deliveries."""
    assert delivery_key("e", "a") == delivery_key("e", "a")
    assert delivery_key("e", "a") != delivery_key("e", "b")
