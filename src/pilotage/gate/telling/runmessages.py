"""What people are told about a run of the gate: messages M0 to M6.

Each takes the facts of one event and is pure. Every message says what happened, what to do about it, and where the runbook goes on;
one that reports no promotion also says what that does *not* mean: consumers keep the last verified image, and the release to
the registry of Advanced Cluster Management is another path that the gate never touches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from pilotage.gate.telling.message import Field, Item, Message, Section, Subject, compose, short_digest

__all__ = [
    "CredentialsRejected",
    "JobOutcome",
    "Promoted",
    "PromotionFailed",
    "SelectionFailed",
    "TriggerStuck",
    "Verdict",
    "credentials_rejected",
    "gate_failed",
    "gate_inconclusive",
    "promoted",
    "promotion_failed",
    "selection_failed",
    "trigger_stuck",
]

_NOT_PROMOTED: Final = (
    "The image was not promoted; consumers keep the last verified one. The ACM release path is unaffected."
)


class JobOutcome(msgspec.Struct, frozen=True):
    """How one job ended. `result` is that of the job (`failed`, `timeout`, `lost`, ...); `flags` such as `chronic-flake`."""

    job: str
    result: str
    url: str = ""
    attempts: int = 1
    owner: str = ""
    flags: tuple[str, ...] = ()


class Promoted(msgspec.Struct, frozen=True):
    """`commits` is the range since the last promotion; `duration` in seconds, from trigger to tag."""

    tag: str
    commits: str = ""
    commits_url: str = ""
    duration: float = 0.0
    flaked: tuple[JobOutcome, ...] = ()
    informing: tuple[JobOutcome, ...] = ()


class SelectionFailed(msgspec.Struct, frozen=True):
    """`rejected` counts Snapshots by code; `newest` is the newest rejected one with its code."""

    reason: str
    rejected: Mapping[str, int] = {}
    newest: str = ""
    newest_code: str = ""
    command: str = ""


class TriggerStuck(msgspec.Struct, frozen=True):
    """`problem` is `label stuck`, `scenario not found or skipped` or `PipelineRun not created`."""

    problem: str
    label: str
    scenario: str
    command: str = ""


class CredentialsRejected(msgspec.Struct, frozen=True):
    """`secret` names the Secret and its key, never its content; `since` is RFC 3339."""

    service: Literal["gangway", "registry", "Konflux API"]
    secret: str
    since: str


class Verdict(msgspec.Struct, frozen=True):
    """A verdict that promotes nothing. `jobs` are those that caused it; `hint` is where a bisection would begin."""

    reason: str
    jobs: tuple[JobOutcome, ...] = ()
    informing: tuple[JobOutcome, ...] = ()
    next_step: str = ""
    hint: str = ""


class PromotionFailed(msgspec.Struct, frozen=True):
    """`problem` is a sentence; `condition`, `reason` and `message` are those of the Release; `recipe` is one made by hand."""

    problem: str
    release: str = ""
    condition: str = ""
    reason: str = ""
    message: str = ""
    recipe: str = ""


def promoted(subject: Subject, facts: Promoted) -> Message:
    """M0: the image carries the platform's tag."""
    return compose(
        subject, "M0", "green", "image promoted",
        what=f"All required jobs passed on {short_digest(subject.digest)}, and the image is tagged {facts.tag}.",
        do="Nothing, unless flaked jobs or failed informing jobs below are yours.",
        chapter="promoted",
        fields=(
            Field("Tag", facts.tag),
            Field("Commits", facts.commits or "first promotion", facts.commits_url),
            Field("Duration", _duration(facts.duration)),
        ),
        sections=(
            _jobs("Flaked", facts.flaked, subject.run_url),
            _jobs("Informing jobs not passed", facts.informing, subject.run_url),
        ),
    )  # fmt: skip


def selection_failed(subject: Subject, facts: SelectionFailed) -> Message:
    """M1: there is nothing to test."""
    counts = sorted(facts.rejected.items(), key=lambda pair: (-pair[1], pair[0]))
    newest = f"{facts.newest} ({facts.newest_code})" if facts.newest else ""
    return compose(
        subject, "M1", "red", "no Snapshot to test",
        what=f"No Snapshot could be selected ({facts.reason}). {_NOT_PROMOTED}",
        do="See why the newest Snapshot was rejected; when it is repaired, trigger the gate again.",
        chapter="no-snapshot",
        fields=(Field("Newest rejected", newest or "none"),),
        sections=(
            Section("Rejected", items=tuple(Item(code, note=str(count)) for code, count in counts)),
            Section("Trigger again", code=facts.command),
        ),
    )  # fmt: skip


def trigger_stuck(subject: Subject, facts: TriggerStuck) -> Message:
    """M2: Konflux did not start the scenario."""
    return compose(
        subject, "M2", "red", facts.problem,
        what=f"The scenario was not started: {facts.problem}. {_NOT_PROMOTED}",
        do="See whether the scenario exists and who holds the label, then trigger the gate again.",
        chapter="label-stuck",
        fields=(Field("Label value", facts.label or "none"), Field("Scenario", facts.scenario)),
        sections=(Section("Trigger again", code=facts.command),),
    )  # fmt: skip


def credentials_rejected(subject: Subject, facts: CredentialsRejected) -> Message:
    """M3: somebody no longer lets us in."""
    return compose(
        subject, "M3", "red", f"{facts.service} rejects our credentials",
        what=f"{facts.service} has rejected the credentials since {facts.since}. The run is suspended, not failed: it goes on "
        "by itself when they work again, until its deadline.",
        do=f"Renew {facts.secret}; nothing needs to be restarted.",
        chapter="token-rotation",
        fields=(Field("Secret", facts.secret), Field("Since", facts.since)),
    )  # fmt: skip


def gate_failed(subject: Subject, facts: Verdict) -> Message:
    """M4: the image is bad, as far as the required jobs can tell."""
    return compose(
        subject, "M4", "red", "gate failed",
        what=f"Required jobs failed on {short_digest(subject.digest)} ({facts.reason}). {_NOT_PROMOTED}",
        do="Triage the failed jobs: revert, fix, or quarantine with an owner and an expiry.",
        chapter="required-failure",
        sections=(
            _jobs("Failed required jobs", facts.jobs, subject.run_url),
            Section("Bisect", text=facts.hint),
            Section("Next", text=facts.next_step),
            _jobs("Informing jobs not passed", facts.informing, subject.run_url),
        ),
    )  # fmt: skip


def gate_inconclusive(subject: Subject, facts: Verdict) -> Message:
    """M5: nothing is known about the image; the tests themselves did not come to an end."""
    return compose(
        subject, "M5", "orange", "gate inconclusive",
        what=f"The gate could not judge {short_digest(subject.digest)} ({facts.reason}). {_NOT_PROMOTED}",
        do=facts.next_step or "See the class of each job; trigger the gate again when its cause is gone.",
        chapter="inconclusive",
        sections=(
            _jobs("Inconclusive jobs", facts.jobs, subject.run_url),
            _jobs("Informing jobs not passed", facts.informing, subject.run_url),
        ),
    )  # fmt: skip


def promotion_failed(subject: Subject, facts: PromotionFailed) -> Message:
    """M6: the image is good, and still does not carry the tag."""
    condition = " ".join(filter(None, (facts.condition, facts.reason and f"({facts.reason})")))
    return compose(
        subject, "M6", "orange", "passed but not promoted",
        what=f"All required jobs passed on {short_digest(subject.digest)}, but it was not promoted: {facts.problem} "
        "Consumers keep the last verified image.",
        do="Repair the cause, then release by hand or let the gate try again.",
        chapter="release-failed",
        fields=(Field("Release", facts.release or "none"), Field("Condition", condition or "none")),
        sections=(Section("Message", text=facts.message), Section("Release by hand", code=facts.recipe)),
    )  # fmt: skip


def _jobs(title: str, jobs: tuple[JobOutcome, ...], more: str) -> Section:
    return Section(title, items=tuple(_item(each) for each in jobs), more=more)


def _item(outcome: JobOutcome) -> Item:
    notes = [outcome.result, f"{outcome.attempts} attempt{'s' * (outcome.attempts != 1)}", *outcome.flags]
    if outcome.owner:
        notes.append(f"owner {outcome.owner}")
    return Item(outcome.job, outcome.url, ", ".join(notes))


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
