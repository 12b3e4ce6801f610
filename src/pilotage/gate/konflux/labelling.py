"""How is a scenario started by a label on a Snapshot, when others want the same label? A plan over what one look shows.

integration-service starts the scenario that `test.appstudio.openshift.io/run` names when the label appears or changes, and then takes
it away. A value that is written before the one before it was taken replaces that one, whose run is lost without a trace; a scenario
that nobody knows makes the label vanish just the same. So the label is written only where none is, and a start counts only when the
status annotation of the Snapshot names the PipelineRun.

    another value stands there     wait, five minutes at most
    none, nothing sent yet         write ours, onto exactly the state that was seen
    ours stands there              wait until it is taken, ten minutes at most
    taken, and an entry of ours    started
    taken, and no entry            after two minutes once more, then it is told that the scenario is missing

Pure: whoever was killed in between looks again and comes to the same. Follows konflux-ci/integration-service (snapshot controller,
`pkg/snapshot status`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Final, Literal

import msgspec

from pilotage.api.konflux import KEEP_SNAPSHOT_ANNOTATION, RUN_LABEL, STATUS_ANNOTATION
from pilotage.gate import loosejson
from pilotage.gate.instants import read_instant

__all__ = [
    "LOOK_AGAIN",
    "Failed",
    "Look",
    "Patch",
    "Sent",
    "Started",
    "Step",
    "Wait",
    "keep_value",
    "look_at",
    "next_step",
    "read_duration",
]

LOOK_AGAIN: Final = 10.0
"""Seconds between two looks."""
_BUSY_FOR: Final = timedelta(minutes=5)
_CONFIRM_WITHIN: Final = timedelta(minutes=10)
_MISSING_AFTER: Final = timedelta(minutes=2)
_CLOCKS_DIFFER: Final = timedelta(seconds=60)
_RETRIES: Final = 1
_ON_ITS_WAY: Final = frozenset({"Pending", "InProgress"})

Problem = Literal["label stuck", "scenario not found or skipped", "PipelineRun not created", "Snapshot gone"]


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A Snapshot as one look shows it. `label` is None without one; `entry` is the status of our scenario.

    `is_gone`: it was deleted, is being deleted, or another Snapshot has its name.
    """

    now: datetime
    label: str | None = None
    pipeline_run: str = ""
    started: datetime | None = None
    status: str = ""
    is_gone: bool = False


class Sent(msgspec.Struct, frozen=True):
    """What was done so far. `at` is when our label was written last; `before` the PipelineRun that was there before it."""

    at: datetime | None = None
    before: str = ""
    retries: int = 0
    busy_since: datetime | None = None
    taken_since: datetime | None = None


class Patch(msgspec.Struct, frozen=True):
    """Write the label now."""


class Wait(msgspec.Struct, frozen=True):
    """Look again after `seconds`."""

    seconds: float
    reason: str


class Started(msgspec.Struct, frozen=True):
    pipeline_run: str


class Failed(msgspec.Struct, frozen=True):
    """A person must look. `label` is the value that stands there."""

    problem: Problem
    label: str = ""


Step = Patch | Wait | Started | Failed


def look_at(snapshot: Any, uid: str, scenario: str, now: datetime) -> Look:
    """Read a Snapshot; None is one that is not there. Never raises: what cannot be read is missing."""
    manifest = loosejson.mapping(snapshot)
    metadata = loosejson.mapping(manifest.get("metadata"))
    if not metadata.get("name") or metadata.get("deletionTimestamp") or (uid and metadata.get("uid") != uid):
        return Look(now=now, is_gone=True)
    label = loosejson.tags_of(metadata.get("labels")).get(RUN_LABEL)
    for entry in _entries(loosejson.mapping(metadata.get("annotations")).get(STATUS_ANNOTATION)):
        if entry.get("scenario") == scenario:
            return Look(
                now=now,
                label=label,
                pipeline_run=loosejson.text(entry.get("testPipelineRunName")),
                started=read_instant(entry.get("startTime")),
                status=loosejson.text(entry.get("status")),
            )
    return Look(now=now, label=label)


def next_step(look: Look, sent: Sent, scenario: str) -> tuple[Step, Sent]:
    """What to do now, and what is to be remembered until the next look."""
    if look.is_gone:
        return Failed("Snapshot gone"), sent
    if sent.at is None:
        return _before(look, sent, scenario)
    waited = look.now - sent.at
    if _is_ours(look, sent):
        return Started(look.pipeline_run), sent
    if look.label is not None:
        # Ours is not taken yet, or somebody replaced it; in both cases there is still no entry.
        sent = msgspec.structs.replace(sent, taken_since=None)
        if waited < _CONFIRM_WITHIN:
            return Wait(LOOK_AGAIN, f"the label {look.label} is not taken yet"), sent
        return Failed("label stuck", look.label), sent
    taken = sent.taken_since or look.now
    sent = msgspec.structs.replace(sent, taken_since=taken)
    if look.status in _ON_ITS_WAY and not look.pipeline_run:
        if waited < _CONFIRM_WITHIN:
            return Wait(LOOK_AGAIN, f"the scenario is {look.status}; it has no PipelineRun yet"), sent
        return Failed("PipelineRun not created"), sent
    if look.now - taken < _MISSING_AFTER:
        return Wait(LOOK_AGAIN, "the label is taken; there is no entry yet"), sent
    if sent.retries < _RETRIES:
        return Patch(), msgspec.structs.replace(sent, retries=sent.retries + 1, taken_since=None)
    return Failed("scenario not found or skipped"), sent


def _before(look: Look, sent: Sent, scenario: str) -> tuple[Step, Sent]:
    if look.label == scenario:
        return Wait(LOOK_AGAIN, "the label is ours already"), msgspec.structs.replace(sent, at=look.now)
    if look.label is None:
        return Patch(), sent
    since = sent.busy_since or look.now
    sent = msgspec.structs.replace(sent, busy_since=since)
    if look.now - since < _BUSY_FOR:
        return Wait(LOOK_AGAIN, f"the label is {look.label}"), sent
    return Failed("label stuck", look.label), sent


def _is_ours(look: Look, sent: Sent) -> bool:
    """Started after we wrote the label, as far as two clocks may be compared, and not what was there before."""
    return (
        bool(look.pipeline_run)
        and look.pipeline_run != sent.before
        and look.started is not None
        and sent.at is not None
        and look.started >= sent.at - _CLOCKS_DIFFER
    )


def _entries(annotation: Any) -> Sequence[Mapping[str, Any]]:
    try:
        value = msgspec.json.decode(annotation) if isinstance(annotation, str) else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ()
    return loosejson.objects(value)


# -- how long a Snapshot is kept ------------------------------------------------------------------------------------------

_DURATION: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS: Final[Mapping[str, Fraction]] = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "μs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}


def read_duration(text: str) -> Fraction | None:
    """Seconds of a duration as Go writes it (`1h30m`, `-2.5s`, `0`); None for anything else."""
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if rest == "0":
        return Fraction(0)
    total, position = Fraction(0), 0
    while position < len(rest):
        part = _DURATION.match(rest, position)
        if part is None:
            return None
        total += Fraction(part[1].rstrip(".") if part[1][0] != "." else f"0{part[1]}") * _SECONDS[part[2]]
        position = part.end()
    return sign * total if rest else None


def keep_value(annotations: Mapping[str, str], age: timedelta, run: timedelta) -> str:
    """How long the Snapshot must be kept, counted from its creation: its age, the run, and a day.

    PipelineRuns belong to their Snapshot, and its garbage collection would take a running gate along. `true` and longer
    durations stay as they are.
    """
    present = annotations.get(KEEP_SNAPSHOT_ANNOTATION, "")
    needed = int((max(age, timedelta(0)) + run + timedelta(hours=24)).total_seconds())
    known = read_duration(present)
    if present == "true" or (known is not None and known >= needed):
        return present
    hours, rest = divmod(needed, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}h{minutes}m{seconds}s"
