"""May this run's image be promoted now? Asked when a run passed, and again right before the tag is written.

Between verdict and tag hours may pass, and people act: they yank, freeze, cancel. So nothing is taken from memory; every row is
checked against the ledger as it is now. The first two rows are the heart of the gate: an image carries a platform's tag only if
every required job of a complete run passed on exactly that digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from pilotage.api.gate import GateRun, GateSpec
from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Passes, Rule, Verdict, first_match
from pilotage.gate.instants import read_instant
from pilotage.gate.promotion.policy import exemption_of

__all__ = ["COMMIT_RULES", "QUESTION", "Commit", "CommitFacts", "PromotedDigest", "decide_commit"]

QUESTION: Final = "gate-promotion"


class PromotedDigest(msgspec.Struct, frozen=True):
    """A promotion that is there already: when its image was built and when it was promoted."""

    digest: str
    built_at: str = ""
    at: str = ""


class CommitFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A run that passed, and everything that may still keep its image from being promoted.

    `spec_hash` is that of the Snapshot as it is now, None when it is gone. `passed_before` maps jobs that are not in the run to
    the time when they passed on this digest, for runs of a part of the jobs. `promoted` are those of the platform;
    `soaked_since` is when the platform that goes first promoted the digest, empty when it did not. `denied` are the rules of
    the admission policy that say no, with their reasons; `approvals` are people.
    """

    run: GateRun
    gate: GateSpec
    now: datetime
    spec_hash: str | None
    required: frozenset[str]
    passed_before: Mapping[str, str] = {}
    promoted: tuple[PromotedDigest, ...] = ()
    soaked_since: str = ""
    denied: tuple[tuple[str, str], ...] = ()
    is_cancelled: bool = False


class Commit(msgspec.Struct, frozen=True):
    """`promote`; `wait` (until `at`, when that is known); or an end: `deny`, `supersede`, and `done` when it was promoted before."""

    action: Literal["promote", "wait", "deny", "supersede", "done"]
    reason: str
    at: datetime | None = None


def decide_commit(facts: CommitFacts) -> Decision[Commit]:
    """Whether the image is promoted now, and what every row said."""
    never = error("Undecided", "no rule decided", subject=facts.run.spec.digest)
    return first_match(QUESTION, facts.run.spec.digest, COMMIT_RULES, facts, otherwise=never)


def not_passed(facts: CommitFacts) -> Verdict[Commit]:
    """The verdict is not `passed`."""
    verdict = facts.run.status.verdict or "none"
    return _when(verdict != "passed", "deny", "not-passed", f"the verdict is {verdict}")


def rehearsed(facts: CommitFacts) -> Verdict[Commit]:
    """The run was a rehearsal: it may prove something to people, and promotes nothing."""
    run_class = facts.run.spec.run_class
    return _when(run_class == "test", "deny", "rehearsal", f"the class of the run is {run_class or 'real'}")


def untested(facts: CommitFacts) -> Verdict[Commit]:
    """A required job did not pass in this run on exactly this digest."""
    run = facts.run
    passed = {
        record.name
        for record in run.status.jobs
        if record.attempts
        and record.attempts[-1].result == "passed"
        and record.attempts[-1].image == run.spec.digest
    }
    missing = sorted(facts.required - passed - facts.passed_before.keys())
    return _when(
        bool(missing), "deny", "untested", f"not passed on this digest: {', '.join(missing) or 'none'}"
    )


def cancelled(facts: CommitFacts) -> Verdict[Commit]:
    """A person stopped the run."""
    return _when(facts.is_cancelled, "deny", "cancelled", f"cancelled: {facts.is_cancelled}")


def yanked(facts: CommitFacts) -> Verdict[Commit]:
    """The digest was yanked for the platform."""
    reasons = [each.reason for each in facts.gate.yanked if each.digest == facts.run.spec.digest]
    return _when(bool(reasons), "deny", "yanked", f"yanked: {'; '.join(reasons) or 'no'}")


def snapshot_mutated(facts: CommitFacts) -> Verdict[Commit]:
    """The Snapshot says something else than when the run was planned, or is gone."""
    if facts.spec_hash is None:
        return _when(True, "deny", "snapshot-gone", "the Snapshot was deleted")
    changed = facts.spec_hash != facts.run.spec.snapshot.spec_hash
    return _when(changed, "deny", "SnapshotMutated", f"its spec changed: {changed}")


def already_promoted(facts: CommitFacts) -> Verdict[Commit]:
    """The digest was promoted for the platform before: a verification again promotes nothing."""
    is_known = any(each.digest == facts.run.spec.digest for each in facts.promoted)
    return _when(is_known, "done", "already-promoted", f"promoted before: {is_known}")


def superseded(facts: CommitFacts) -> Verdict[Commit]:
    """A newer image was promoted meanwhile: aliases never move backwards."""
    built = read_instant(facts.run.spec.snapshot.created)
    newer = [
        each.digest
        for each in facts.promoted
        if built is not None and (other := read_instant(each.built_at)) is not None and other > built
    ]
    return _when(bool(newer), "supersede", "superseded", f"newer: {', '.join(newer) or 'none'}")


def frozen(facts: CommitFacts) -> Verdict[Commit]:
    """A freeze window is open, and nobody exempted the image from it (`freeze-window`)."""
    spared = exemption_of(facts.gate.policy, "freeze-window", facts.now)
    if spared is not None:
        return Passes(f"exempted by {spared.approver} until {spared.until}")
    for window in facts.gate.policy.freeze:
        start, end = read_instant(window.start), read_instant(window.end)
        if start is not None and start <= facts.now and (end is None or facts.now < end):
            reason = f"frozen until {window.end or 'somebody ends it'}: {window.reason}"
            return Applies(Commit("wait", "frozen", end), reason)
    return Passes("no freeze window is open")


def soaking(facts: CommitFacts) -> Verdict[Commit]:
    """The platform that goes first has not had the image for long enough."""
    soak = facts.gate.required_soak
    if soak is None:
        return Passes("no other platform goes first")
    since = read_instant(facts.soaked_since)
    if since is None:
        return Applies(Commit("wait", "soaking"), f"{soak.platform} has not promoted it")
    hours = (facts.now - since).total_seconds() / 3600
    if hours < soak.hours:
        return Applies(Commit("wait", "soaking"), f"{hours:.1f} of {soak.hours:g} hours on {soak.platform}")
    return Passes(f"{hours:.1f} hours on {soak.platform}")


def denied(facts: CommitFacts) -> Verdict[Commit]:
    """The admission policy says no."""
    if not facts.denied:
        return Passes("every rule of the policy allows it")
    told = "; ".join(f"{rule}: {reason}" for rule, reason in facts.denied)
    waits = {rule for rule, _ in facts.denied} == {"two-person"}
    return Applies(Commit("wait" if waits else "deny", "policy-denied"), told)


def promote(_facts: CommitFacts) -> Verdict[Commit]:
    """Nothing keeps it."""
    return Applies(Commit("promote", "all-checks-passed"), "nothing keeps it")


def _when(
    applies: bool,
    action: Literal["deny", "supersede", "done"],
    reason: str,
    because: str,
) -> Verdict[Commit]:
    return Applies(Commit(action, reason), because) if applies else Passes(because)


COMMIT_RULES: tuple[Rule[CommitFacts, Commit], ...] = (
    Rule("not-passed", not_passed),
    Rule("rehearsal", rehearsed),
    Rule("cancelled", cancelled),
    Rule("yanked", yanked),
    Rule("snapshot-mutated", snapshot_mutated),
    Rule("already-promoted", already_promoted),
    Rule("untested", untested),
    Rule("superseded", superseded),
    Rule("frozen", frozen),
    Rule("soaking", soaking),
    Rule("policy", denied),
    Rule("promote", promote),
)
"""Read from top to bottom; the last row always applies."""
