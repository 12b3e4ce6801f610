"""What people are told about the gate as a whole: messages M7 to M10.

They are about what did not happen (no promotion, no tick), about what a person did, and about tests that became worse.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from pilotage.gate.telling.message import Colour, Field, Item, Message, Section, Subject, compose

__all__ = [
    "HeartbeatMissing",
    "PastRun",
    "PersonalAction",
    "RegressionChange",
    "StalePromotion",
    "heartbeat_missing",
    "personal_action",
    "regression_changed",
    "stale_promotion",
]


class PastRun(msgspec.Struct, frozen=True):
    name: str
    verdict: str
    at: str = ""
    url: str = ""


class StalePromotion(msgspec.Struct, frozen=True):
    """An episode without promotion. `days` since `last` (RFC 3339, empty for never); `runs` newest first."""

    kind: Literal["warning", "critical", "reminder", "resolved"]
    days: float
    threshold_days: float
    last: str = ""
    last_digest: str = ""
    runs: tuple[PastRun, ...] = ()


class HeartbeatMissing(msgspec.Struct, frozen=True):
    """No tick came. `last` is the last one, empty for never; `hours` how long one was awaited."""

    last: str
    hours: float = 26.0
    schedule: str = ""


class PersonalAction(msgspec.Struct, frozen=True):
    """Somebody overruled the gate. `target` is a digest, a tag or a job; `expiry` RFC 3339, empty for none."""

    action: Literal["yank", "unyank", "rollback", "quarantine", "override"]
    who: str
    reason: str
    target: str = ""
    expiry: str = ""


class RegressionChange(msgspec.Struct, frozen=True):
    """A test became worse than its history, or is as good again. Rates in [0, 1]; `p` as computed."""

    change: Literal["opened", "closed"]
    test: str
    base_rate: float
    base_runs: int
    sample_rate: float
    sample_runs: int
    p: float
    url: str = ""


_STALE: Final[dict[str, tuple[Colour, str]]] = {
    "warning": ("red", "no promotion lately"),
    "critical": ("red", "no promotion for much too long"),
    "reminder": ("red", "still no promotion"),
    "resolved": ("green", "promoted again"),
}


def stale_promotion(subject: Subject, facts: StalePromotion) -> Message:
    """M7: nothing was promoted for days, or again at last."""
    colour, title = _STALE[facts.kind]
    since = f"since {facts.last}" if facts.last else "ever"
    if facts.kind == "resolved":
        what = f"{subject.name} was promoted at {facts.last or 'an unknown time'}; the alert is over."
        do = "Nothing."
    else:
        what = f"{subject.name} had no promotion {since}: {facts.days:.1f} days, with a threshold of {facts.threshold_days:g}."
        do = "See what stopped the last runs below; the release infrastructure rotation triages first."
    return compose(
        subject, "M7", colour, title, what=what, do=do, chapter="stale",
        fields=(
            Field("Days", f"{facts.days:.1f}"),
            Field("Threshold", f"{facts.threshold_days:g} days"),
            Field("Last promotion", " ".join(filter(None, (facts.last, facts.last_digest))) or "never"),
        ),
        sections=(
            Section(
                "Last runs",
                items=tuple(
                    Item(run.name, run.url, ", ".join(filter(None, (run.verdict, run.at)))) for run in facts.runs
                ),
                more=subject.run_url,
            ),
        ),
    )  # fmt: skip


def heartbeat_missing(subject: Subject, facts: HeartbeatMissing) -> Message:
    """M8: the gate itself seems dead."""
    return compose(
        subject, "M8", "red", "the gate did not run",
        what=f"No tick came for {facts.hours:g} hours; the last one was {facts.last or 'never'}. Nobody tests or promotes.",
        do="See whether the CronJob or the scheduler is alive, and trigger the gate by hand.",
        chapter="heartbeat",
        fields=(Field("Last tick", facts.last or "never"), Field("Schedule", facts.schedule or "none")),
    )  # fmt: skip


def personal_action(subject: Subject, facts: PersonalAction) -> Message:
    """M9: a person yanked, rolled back, quarantined or overrode."""
    target = f" {facts.target}" if facts.target else ""
    return compose(
        subject, "M9", "orange", f"{facts.action}{target}",
        what=f"{facts.who} did {facts.action}{target}: {facts.reason}",
        do="Nothing, if you know of it; else talk to the person named.",
        chapter=facts.action,
        fields=(
            Field("Who", facts.who),
            Field("Reason", facts.reason),
            Field("Expires", facts.expiry or "never"),
        ),
    )  # fmt: skip


def regression_changed(subject: Subject, facts: RegressionChange) -> Message:
    """M10: a test became worse, or is as good as it was."""
    colour: Colour = "orange" if facts.change == "opened" else "green"
    rates = (
        f"{facts.sample_rate:.0%} of {facts.sample_runs} runs lately, "
        f"{facts.base_rate:.0%} of {facts.base_runs} before (p = {facts.p:.3g})"
    )
    return compose(
        subject, "M10", colour, f"regression {facts.change}",
        what=f"{facts.test} passed {rates}.",
        do="Find the change that did it, or mark the record with its cause." if facts.change == "opened" else "Nothing.",
        chapter="regression",
        fields=(
            Field("Test", facts.test, facts.url),
            Field("Base", f"{facts.base_rate:.1%} of {facts.base_runs}"),
            Field("Sample", f"{facts.sample_rate:.1%} of {facts.sample_runs}"),
            Field("p", f"{facts.p:.6g}"),
        ),
    )  # fmt: skip
