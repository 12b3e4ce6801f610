"""When a label is written, awaited and given up; how long a Snapshot is kept; which Release is next."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.api.konflux import KEEP_SNAPSHOT_ANNOTATION, RUN_LABEL, STATUS_ANNOTATION
from pilotage.gate.konflux.labelling import (
    Failed,
    Look,
    Patch,
    Sent,
    Started,
    Wait,
    keep_value,
    look_at,
    next_step,
    read_duration,
)
from pilotage.gate.konflux.release import (
    Await,
    Create,
    GiveUp,
    NotOurs,
    Released,
    SeenRelease,
    Wanted,
    next_move,
    plan_problem,
    release_name,
)

NOW = datetime(2026, 6, 11, 3, 15, tzinfo=UTC)
OURS, DIGEST = "hypershift-ho-release-gate-aro-hcp", f"sha256:{'ab' * 32}"


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def look(after: float = 0.0, **seen) -> Look:
    return Look(now=NOW + minutes(after), **seen)


STEPS = {
    "nothing there: write": (look(), Sent(), Patch()),
    "ours is there already: wait": (look(label=OURS), Sent(), Wait),
    "another's is there: wait": (look(label="other"), Sent(), Wait),
    "another's for five minutes: stuck": (
        look(5, label="other"),
        Sent(busy_since=NOW),
        Failed("label stuck", "other"),
    ),
    "ours not taken: wait": (look(9.9, label=OURS), Sent(NOW), Wait),
    "ours not taken for ten minutes: stuck": (look(10, label=OURS), Sent(NOW), Failed("label stuck", OURS)),
    "taken just now: wait": (look(1), Sent(NOW), Wait),
    "taken, nothing for two minutes: again": (look(3), Sent(NOW, taken_since=NOW + minutes(1)), Patch()),
    "taken twice, nothing: missing": (
        look(3),
        Sent(NOW, retries=1, taken_since=NOW + minutes(1)),
        Failed("scenario not found or skipped"),
    ),
    "started": (look(1, pipeline_run="pr-2", started=NOW), Sent(NOW, "pr-1"), Started("pr-2")),
    "started although the label is another's by now": (
        look(1, label="other", pipeline_run="pr-2", started=NOW),
        Sent(NOW),
        Started("pr-2"),
    ),
    "the run of last night does not count": (
        look(1, pipeline_run="pr-1", started=NOW - timedelta(days=1)),
        Sent(NOW),
        Wait,
    ),
    "the run that was there before does not count": (
        look(1, pipeline_run="pr-1", started=NOW),
        Sent(NOW, "pr-1"),
        Wait,
    ),
    "pending without a PipelineRun: wait": (
        look(5, status="Pending"),
        Sent(NOW, taken_since=NOW),
        Wait,
    ),
    "pending without a PipelineRun for ten minutes": (
        look(10, status="Pending"),
        Sent(NOW, taken_since=NOW),
        Failed("PipelineRun not created"),
    ),
    "gone": (look(is_gone=True), Sent(NOW), Failed("Snapshot gone")),
}


@pytest.mark.parametrize("name", STEPS)
def test_what_follows_from_a_look(name):
    """Each row of the plan."""
    seen, sent, expected = STEPS[name]
    step, _ = next_step(seen, sent, OURS)
    assert expected == (type(step) if isinstance(expected, type) else step)


@given(st.lists(st.sampled_from([None, OURS, "other"]), max_size=40))
def test_the_label_is_written_only_where_none_is(labels):
    """Whatever is seen in whatever order: nobody's label is replaced, and ours is written twice at most."""
    sent, writes = Sent(), 0
    for position, label in enumerate(labels):
        step, sent = next_step(look(position, label=label), sent, OURS)
        if isinstance(step, Failed):
            return
        if isinstance(step, Patch):
            assert label is None
            writes += 1
            sent = Sent(NOW + minutes(position), "", sent.retries)
    assert writes <= 2


def test_a_snapshot_is_read_whatever_stands_in_it():
    """Labels, the entry of our scenario, another object of the same name, and nonsense."""
    entry = {
        "scenario": OURS,
        "status": "InProgress",
        "testPipelineRunName": "pr",
        "startTime": "2026-06-11T03:15:00Z",
    }
    metadata = {
        "name": "s", "uid": "1", "labels": {RUN_LABEL: "x"},
        "annotations": {STATUS_ANNOTATION: json.dumps([{"scenario": "z"}, 3, entry])},
    }  # fmt: skip
    seen = look_at({"metadata": metadata}, "1", OURS, NOW)
    assert (seen.label, seen.pipeline_run, seen.started, seen.is_gone) == ("x", "pr", NOW, False)
    assert look_at({"metadata": metadata}, "2", OURS, NOW).is_gone
    assert look_at(None, "", OURS, NOW).is_gone
    assert look_at({"metadata": {**metadata, "deletionTimestamp": "x"}}, "1", OURS, NOW).is_gone
    for nonsense in ("{", "[]", "null", '"x"', "[[[]]]"):
        metadata["annotations"] = {STATUS_ANNOTATION: nonsense}
        assert not look_at({"metadata": metadata}, "1", OURS, NOW).pipeline_run


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h30m", 5400), ("0", 0), ("-2s", -2), ("1.5h", 5400), (".5s", Fraction(1, 2)), ("2.s", 2), ("100ms", Fraction(1, 10)),
        ("+3m", 180), ("72h0m0s", 259200), ("1µs", Fraction(1, 10**6)), ("", None), ("5", None), ("h", None), ("1d", None),
        ("1h 3m", None), ("-", None), ("true", None), ("1h-3m", None), (".", None), (".s", None),
    ],
)  # fmt: skip
def test_durations_are_read_as_go_reads_them(text, seconds):
    """`time.ParseDuration` takes these, and not those."""
    assert seconds == read_duration(text)


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ("", "32h0m0s"), ("true", "true"), ("10h", "32h0m0s"), ("33h", "33h"), ("nonsense", "32h0m0s"), ("false", "32h0m0s"),
        ("32h0m0s", "32h0m0s"),
    ],
)  # fmt: skip
def test_a_snapshot_is_kept_for_its_run_and_a_day(present, expected):
    """Counted from its creation; what keeps it longer stays."""
    found = keep_value({KEEP_SNAPSHOT_ANNOTATION: present}, timedelta(hours=1), timedelta(hours=7))
    assert expected == found


def seen(number: int, status: str = "", reason: str = "", snapshot: str = "s") -> SeenRelease:
    return SeenRelease(release_name("aro-hcp", DIGEST, number), snapshot, "plan", status, reason)


FAILED, GOING, DONE = ("False", "Failed"), ("False", "Progressing"), ("True", "Succeeded")


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        ((), Create("gate-aro-hcp-abababababab-r1")),
        ((seen(1),), Await(seen(1))),
        ((seen(1, *GOING),), Await(seen(1, *GOING))),
        ((seen(1, *FAILED),), Create("gate-aro-hcp-abababababab-r2")),
        ((seen(1, *FAILED), seen(2, *GOING)), Await(seen(2, *GOING))),
        ((seen(1, *FAILED), seen(2, *DONE)), Released(seen(2, *DONE))),
        ((seen(1, snapshot="t"),), NotOurs(seen(1, snapshot="t"))),
        (tuple(seen(each, *FAILED) for each in (1, 2, 3)), GiveUp(seen(3, *FAILED))),
    ],
)
def test_which_release_is_next(releases, expected):
    """Another one only after the last one failed, three at most, and never over somebody else's."""
    assert expected == next_move(Wanted("aro-hcp", DIGEST, "s", "plan"), releases)


def test_a_plan_that_cannot_be_compared_is_judged_by_its_own_status():
    """Where admissions may not be read, only a plan that says itself that it is not matched is a problem."""
    unmatched = {"type": "Matched", "status": "False", "reason": "Error", "message": "no admission"}
    assert plan_problem({"status": {"conditions": [unmatched]}}, None).message == "no admission"
    assert plan_problem({"status": {}}, None) is None
    assert plan_problem({}, []).code == "no-target"
