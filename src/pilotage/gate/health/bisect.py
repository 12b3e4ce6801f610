"""Which push broke it? What to test next between the last good and the first bad digest.

The suspects are the snapshots after the last good one, in order, up to the bad one. Every suspect is as likely as the others
at first; each probe moves the odds, by how often the job fails on a good digest (`flake_rate`) and how often it passes on
a bad one (`miss_rate`). A flaky job therefore takes more probes and gives no wrong answer: a snapshot is named only when the
odds for it exceed `certainty`, and until then the probe is where it halves them best. Results of the infrastructure say
nothing about the product; they count for the budget and for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from pilotage.api.errors import InputError

__all__ = ["BisectPolicy", "Probe", "Step", "next_step", "posterior"]

_MEANINGFUL = ("passed", "failed")
_LOWEST_RATE, _HIGHEST_RATE = 0.001, 0.499


class Probe(msgspec.Struct, frozen=True, gc=False):
    """The failed job, run once more on one suspect. `result` is a job result, `pending` while it runs."""

    snapshot: str
    result: str


class BisectPolicy(msgspec.Struct, frozen=True, gc=False):
    """`budget` is the number of probes that may be spent.

    The rates may come from a short history: they are kept between a thousandth, because nothing is free of flakes, and just
    below a half, where a probe would tell nothing.
    """

    flake_rate: float = 0.03
    miss_rate: float = 0.03
    certainty: float = 0.95
    budget: int = 20


class Step(msgspec.Struct, frozen=True):
    """What to do: `probe` the snapshot, `wait` for a probe of it, or the snapshot is `found`; `exhausted` names the
    most likely one when the budget is spent. `odds` is the probability that this snapshot is the first bad one.
    """

    action: Literal["probe", "wait", "found", "exhausted"]
    snapshot: str
    odds: float
    spent: int


def next_step(suspects: Sequence[str], probes: Sequence[Probe], policy: BisectPolicy | None = None) -> Step:
    """The next step of a bisection.

    `suspects` are the snapshots after the last good one, oldest first; the last of them is known to be bad. Probes of other
    snapshots are ignored. Raises InputError `NothingToBisect` without suspects, `DuplicateSuspect` for one listed twice.
    """
    policy = policy or BisectPolicy()
    odds = posterior(suspects, probes, policy)
    known = frozenset(suspects)
    probes = [probe for probe in probes if probe.snapshot in known]
    spent = len(probes)
    likeliest = max(range(len(suspects)), key=odds.__getitem__)
    if odds[likeliest] > policy.certainty:
        return Step("found", suspects[likeliest], odds[likeliest], spent)
    running = next((probe.snapshot for probe in probes if probe.result == "pending"), None)
    if running is not None:
        return Step("wait", running, odds[suspects.index(running)], spent)
    if spent >= policy.budget:
        return Step("exhausted", suspects[likeliest], odds[likeliest], spent)
    middle = _middle(odds)
    return Step("probe", suspects[middle], odds[middle], spent)


def posterior(
    suspects: Sequence[str], probes: Sequence[Probe], policy: BisectPolicy | None = None
) -> tuple[float, ...]:
    """How likely each suspect is the first bad one, given what the probes said."""
    policy = policy or BisectPolicy()
    if not suspects:
        raise InputError(
            "NothingToBisect", "there is no snapshot between the last good and the first bad one"
        )
    places = {snapshot: place for place, snapshot in enumerate(suspects)}
    if len(places) < len(suspects):
        raise InputError("DuplicateSuspect", "a snapshot is listed more than once")
    flake, miss = _kept(policy.flake_rate), _kept(policy.miss_rate)
    odds = [1 / len(suspects)] * len(suspects)
    for probe in probes:
        place = places.get(probe.snapshot)
        if place is None or probe.result not in _MEANINGFUL:
            continue
        failed = probe.result == "failed"
        if_bad = 1 - miss if failed else miss
        if_good = flake if failed else 1 - flake
        # The probed snapshot is bad exactly when the first bad one is not younger.
        odds = [one * (if_bad if first <= place else if_good) for first, one in enumerate(odds)]
        total = sum(odds)
        odds = [one / total for one in odds]
    return tuple(odds)


def _kept(rate: float) -> float:
    return min(max(rate, _LOWEST_RATE), _HIGHEST_RATE)


def _middle(odds: Sequence[float]) -> int:
    """Where a probe splits the odds most evenly. The last suspect is known to be bad: probing it tells nothing."""
    below, best, distance = 0.0, 0, 1.0
    for place, one in enumerate(odds[:-1]):
        below += one
        if abs(below - 0.5) < distance:
            best, distance = place, abs(below - 0.5)
    return best
