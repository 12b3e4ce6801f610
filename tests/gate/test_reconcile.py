"""Is the job ours? What is adopted, what is started again, and when."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from pilotage.api.errors import InputError
from pilotage.gate.prow.executions import Execution, read_execution, read_executions, read_prowjob
from pilotage.gate.prow.gangway import GangwayRunner, ProwSettings
from pilotage.gate.prow.jobrunner import JobRequest
from pilotage.gate.prow.wire import Wire
from pilotage.gate.runs.jobkeys import (
    ATTEMPT_LABEL,
    JOB_KEY_LABEL,
    RUN_CLASS_LABEL,
    RUN_LABEL,
    job_key,
    job_labels,
    label_value,
    prow_job_label,
    run_key,
)
from pilotage.gate.runs.reconcile import (
    Adopt,
    Candidate,
    Intent,
    Repost,
    TryAgain,
    is_in_window,
    reconcile,
    strangers,
)
from pilotage.runtime.clock import ManualClock
from pilotage.world.prow import Line, Playbook, Prow, Script

NOW = datetime(2026, 6, 11, 3, 15, tzinfo=UTC)
KEY = job_key("run", "job", 1)
INTENT = Intent(KEY, "job", NOW)
OURS = {JOB_KEY_LABEL: KEY}
OTHERS = {JOB_KEY_LABEL: job_key("run", "job", 2)}


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def decide(candidates, *, known=(), tries=1, after=0.0):
    return reconcile(INTENT, candidates, known, tries=tries, since=NOW, now=NOW + seconds(after))


# -- keys and labels


def test_keys_are_derived_from_what_a_restart_still_knows():
    """The first 16 hexadecimal digits of the hash of the joined parts."""
    expected = hashlib.sha256(b"aro-hcp|uid|sha256:ab|2026-06-11T03:15Z").hexdigest()[:16]
    assert expected == run_key("aro-hcp", "uid", "sha256:ab", "2026-06-11T03:15Z")
    assert hashlib.sha256(b"run|job|2").hexdigest()[:16] == job_key("run", "job", 2)


def test_labels_fit_whatever_the_name_of_the_job():
    """Long names of jobs are only hashed."""
    labels = job_labels("aro-hcp", "0123456789abcdef", "j" * 300, 12, "test")
    assert all(1 <= len(value) <= 63 for value in labels.values())
    assert ("12", "test", "0123456789abcdef") == (
        labels[ATTEMPT_LABEL],
        labels[RUN_CLASS_LABEL],
        labels[RUN_LABEL],
    )


def test_labels_that_are_none_are_refused_together():
    """Gangway would refuse them without a word which."""
    with pytest.raises(InputError, match="job j: ") as caught:
        job_labels("-bad", "x" * 64, "j", 1)
    assert 2 == len(caught.value.messages)


def test_names_are_cut_as_prow_cuts_them():
    """At 63 characters, without a dot or dash at the end."""
    assert "a" * 63 == prow_job_label("a" * 70)
    assert "a" * 60 == prow_job_label("a" * 60 + "-.-bbbb")
    assert "short-" == prow_job_label("short-")
    assert "a-b" == label_value("-a b!")


# -- what is decided


def test_only_our_key_is_adopted():
    """Not another attempt, not a job of somebody else that began at the same second."""
    found = decide([Candidate("x", NOW, OTHERS), Candidate("y", NOW, {}), Candidate("z", NOW, OURS)])
    assert Adopt("z") == found


def test_of_several_with_our_key_the_oldest_is_adopted():
    """The others run for nothing, and are told."""
    found = decide([Candidate("late", NOW + seconds(200), OURS), Candidate("early", NOW, OURS)])
    assert Adopt("early", ("late",)) == found


@pytest.mark.parametrize(
    ("created", "expected"),
    [(-61, False), (-60, True), (0, True), (900, True), (901, False)],
)
def test_the_window_around_the_intent(created, expected):
    """One minute before to a quarter of an hour after; labels do not help outside it."""
    moment = NOW + seconds(created)
    assert expected == is_in_window(moment, INTENT)
    assert expected == isinstance(decide([Candidate("x", moment, OURS)]), Adopt)


def test_an_execution_without_a_time_is_judged_by_its_labels():
    """It is in nobody's window, and labels are the proof."""
    assert Adopt("x") == decide([Candidate("x", None, OURS)])


def test_known_ids_are_never_adopted_again():
    """They belong to other attempts."""
    assert isinstance(decide([Candidate("x", NOW, OURS)], known={"x"}), TryAgain)
    assert ["b"] == [each.id for each in strangers([Execution("a"), Execution("b")], {"a"})]


@pytest.mark.parametrize(
    ("candidates", "reason"),
    [
        ((), "no execution carries our key"),
        (None, "could not be listed"),
        ((Candidate("x", NOW, None),), "labels of 1 execution could not be read"),
        ((Candidate("x", NOW, None), Candidate("y", NOW, None)), "labels of 2 executions could not"),
        ((Candidate("x", NOW, OTHERS),), "no execution carries our key"),
    ],
)
def test_three_looks_over_three_minutes_and_then_again(candidates, reason):
    """Never adopted by time alone, and never started again at once."""
    first, second = decide(candidates), decide(candidates, tries=2, after=90)
    assert [NOW + seconds(90), NOW + seconds(180)] == [first.at, second.at]
    assert reason in first.reason
    third = decide(candidates, tries=3, after=180)
    assert isinstance(third, Repost)
    assert reason in third.reason


def test_three_quick_looks_are_not_enough():
    """Three minutes must have passed, and a clock set back does not make them pass."""
    assert NOW + seconds(180) == decide((), tries=3, after=5).at
    assert isinstance(decide((), tries=9, after=-3600), TryAgain)
    assert isinstance(decide((), tries=1, after=3600), TryAgain)


async def test_a_job_whose_reply_was_lost_is_found_again():
    """End to end: our job is adopted, the one that somebody else started at the same moment is not."""
    clock, wire, name = ManualClock(NOW), Wire(), f"periodic-ci-{'x' * 70}"
    labels = job_labels("aro-hcp", "0123456789abcdef", name, 1)
    intent = Intent(labels[JOB_KEY_LABEL], name, clock.now())
    async with Prow(Playbook((Line(Script(create="reset"), start=2),)), clock) as prow:
        jobs = GangwayRunner(ProwSettings(prow.url, prow.url, prow.url), wire)
        await jobs.create(JobRequest(name))
        assert 0 == (await jobs.create(JobRequest(name, labels=labels))).status
        for deck_is_down, expected in ((True, TryAgain), (False, Adopt)):
            prow.down = {"deck"} if deck_is_down else set()
            candidates = []
            for stranger in strangers(read_executions((await jobs.list(name)).body, name), ()):
                seen = read_execution((await jobs.get(stranger.id)).body)
                prowjob = read_prowjob((await jobs.prowjob(stranger.id)).body)
                candidates.append(Candidate(seen.id, seen.created, prowjob.labels if prowjob else None))
            outcome = reconcile(intent, candidates, (), tries=1, since=clock.now(), now=clock.now())
            assert expected is type(outcome)
    await wire.close()
    assert Adopt(prow.starts[1].id) == outcome
