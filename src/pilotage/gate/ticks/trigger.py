"""Should this tick start a run? `RULES`, first match wins.

Any number of ticks, retries and restarts must give one run at a time for each platform, and one promotion of a digest. So
before anything is started the ledger of the platform is read, and the label that integration-service takes as the trigger:
writing it while another value waits there would lose that run without a trace.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Passes, Rule, Verdict, first_match

__all__ = [
    "ACTIVE",
    "DEFAULT_RUNS",
    "QUESTION",
    "RULES",
    "Run",
    "Start",
    "Tick",
    "TriggerAction",
    "decide_trigger",
]

QUESTION: Final = "gate-trigger"

ACTIVE: Final = ("triggered", "testing", "evaluated", "promoting")
"""States of a run that is not over."""

UNSUCCESSFUL: Final = ("failed", "errored")

DEFAULT_RUNS: Final = 3
"""Runs of one digest that may fail or end in an error before the gate leaves it alone."""

TriggerAction = Literal["start", "skip", "attach", "wait"]


class Run(msgspec.Struct, frozen=True):
    """One line of the platform's ledger. `digest` is empty when the line does not say."""

    digest: str
    state: str


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """What is known when the clock, or a person, asks for a run of `digest`.

    `run_label` is the value of the trigger label on the Snapshot, None without the label; the ledger is in any order.
    """

    digest: str
    scenario: str
    run_label: str | None = None
    ledger: tuple[Run, ...] = ()
    is_forced: bool = False
    is_paused: bool = False
    max_runs_per_digest: float = DEFAULT_RUNS

    def count(self, *states: str) -> int:
        """Runs of this digest in one of these states."""
        return sum(run.state in states for run in self.ledger if self.digest and run.digest == self.digest)


class Start(msgspec.Struct, frozen=True):
    """What to do and why: `attach` follows a run that is there, `wait` asks again later, `skip` is done for this tick."""

    action: TriggerAction
    reason: str


def decide_trigger(tick: Tick) -> Decision[Start]:
    """What this tick does, and what every rule said."""
    never = error("Undecided", "no rule decided", subject=tick.digest)
    return first_match(QUESTION, tick.digest, RULES, tick, otherwise=never)


def paused(tick: Tick) -> Verdict[Start]:
    """The gate is paused."""
    return _when(tick.is_paused, "skip", "paused", "the gate is paused", "not paused")


def in_progress(tick: Tick) -> Verdict[Start]:
    """A run of this digest is on its way."""
    count = tick.count(*ACTIVE)
    return _when(count > 0, "attach", "in-progress", "this digest has an active run", "no active run of it")


def platform_busy(tick: Tick) -> Verdict[Start]:
    """Another digest of the platform is being verified; the newest Snapshot gets the next turn."""
    others = sum(run.state in ACTIVE for run in tick.ledger) - tick.count(*ACTIVE)
    return _when(
        others > 0, "wait", "platform-busy", "another digest has an active run", "no other active run"
    )


def yanked(tick: Tick) -> Verdict[Start]:
    """The digest was yanked: force does not help, un-yank it first."""
    count = tick.count("yanked")
    return _when(count > 0, "skip", "yanked", "the digest is yanked", "not yanked")


def already_promoted(tick: Tick) -> Verdict[Start]:
    """The digest is promoted already; forced, it is verified again, and never promoted twice."""
    if not tick.count("promoted"):
        return Passes("not promoted yet")
    if tick.is_forced:
        return Applies(Start("start", "forced"), "promoted already, verified again by force")
    return Applies(Start("skip", "already-promoted"), "the digest is promoted")


def attempts_exhausted(tick: Tick) -> Verdict[Start]:
    """Enough runs of the digest failed or errored, and nobody forces another."""
    spent, most = tick.count(*UNSUCCESSFUL), tick.max_runs_per_digest
    if tick.is_forced:
        return Passes("forced")
    return _when(
        spent >= most, "skip", "attempts-exhausted", f"{spent} of {most:g} runs", f"{spent} of {most:g} runs"
    )


def label_pending(tick: Tick) -> Verdict[Start]:
    """The Snapshot carries our trigger already."""
    ours = tick.run_label is not None and tick.run_label == tick.scenario
    return _when(ours, "attach", "label-pending", "the run label names our scenario", "the label is not ours")


def label_busy(tick: Tick) -> Verdict[Start]:
    """The Snapshot carries somebody else's trigger: ours would replace it."""
    busy = tick.run_label is not None
    return _when(busy, "wait", "label-busy", f'the run label is "{tick.run_label}"', "no run label")


def start(tick: Tick) -> Verdict[Start]:
    """Nothing is in the way: start, and say whether this is new, a retry or forced."""
    if tick.is_forced:
        return Applies(Start("start", "forced"), "forced")
    if tick.count(*UNSUCCESSFUL):
        return Applies(Start("start", "retry"), "an earlier run of this digest failed or errored")
    return Applies(Start("start", "new"), "the first run of this digest")


RULES: tuple[Rule[Tick, Start], ...] = (
    Rule("paused", paused),
    Rule("in-progress", in_progress),
    Rule("platform-busy", platform_busy),
    Rule("yanked", yanked),
    Rule("already-promoted", already_promoted),
    Rule("attempts-exhausted", attempts_exhausted),
    Rule("label-pending", label_pending),
    Rule("label-busy", label_busy),
    Rule("start", start),
)


def _when(applies: bool, action: TriggerAction, reason: str, because: str, otherwise: str) -> Verdict[Start]:
    return Applies(Start(action, reason), because) if applies else Passes(otherwise)
