"""Laws of the gate's decisions about Snapshots, ticks and partners: what never raises, what never moves them."""

from __future__ import annotations

import json
from datetime import UTC, timedelta, timezone
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.decision.questions import answer
from pilotage.gate.instants import read_instant
from pilotage.gate.promotion.tags import TagRequest, tags_of
from pilotage.gate.prow.gangwaystatus import job_result
from pilotage.gate.questions import QUESTIONS
from pilotage.gate.ticks.imageref import ImageRequest, image_of
from pilotage.gate.ticks.selection import ELIGIBLE, RULES
from pilotage.gate.ticks.snapshots import SnapshotComponent

quick = settings(max_examples=120, derandomize=True, deadline=None)
ASK = {question.name: question for question in QUESTIONS}
NOW = "2026-06-11T03:15:00Z"
DIGEST = f"sha256:{'a' * 64}"

LABELS = (
    "appstudio.openshift.io/application",
    "appstudio.openshift.io/component",
    "appstudio.openshift.io/component-group",
    "test.appstudio.openshift.io/type",
    "test.appstudio.openshift.io/optional",
    "pac.test.appstudio.openshift.io/event-type",
    "pac.test.appstudio.openshift.io/pull-request",
    "release.appstudio.openshift.io/releasePlanAdmission",
    "release.appstudio.openshift.io/block-releases",
)
ANNOTATIONS = (
    "pac.test.appstudio.openshift.io/source-branch",
    "test.appstudio.openshift.io/pipelinerunstarttime",
    "gate.pilotage.dev/blocked",
)
FIELDS = (
    *[
        "metadata",
        "name",
        "namespace",
        "labels",
        "annotations",
        "creationTimestamp",
        "deletionTimestamp",
        "spec",
        "status",
        "conditions",
    ],
    *[
        "components",
        "containerImage",
        "source",
        "git",
        "revision",
        "snapshot",
        "releasePlan",
        "origin",
        "target",
        "applications",
    ],
    *[
        "type",
        "reason",
        "message",
        "digest",
        "state",
        "contexts",
        "application",
        "componentGroup",
        "componentGroups",
        "id",
        "job_status",
    ],
    *LABELS,
    *ANNOTATIONS,
)
texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "",
            "push",
            "component",
            "override",
            "True",
            "False",
            "AutoReleased",
            "testing",
            "promoted",
            "operator",
        ]
    ),
    st.sampled_from([NOW, "2026-06-11", "2026-06-11T03:15:00", DIGEST, f"quay.io/a@{DIGEST}", "quay.io/a:1"]),
    st.sampled_from(["1781139600", "10", "-1", "1e9", "true", "null", "{}", '{"components": []}']),
)
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | texts, inner, max_size=6)
    ),
    max_leaves=25,
)


def ask(name: str, given_: Any) -> dict[str, Any]:
    return json.loads(answer(ASK[name], json.dumps(given_).encode()))["value"]


def keys_of(name: str) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(ASK[name].input_type)]


@settings(quick, max_examples=60)
@given(st.lists(odd, min_size=5, max_size=5), st.integers(0, 4))
def test_anything_at_all_has_an_answer_with_every_key(values: list[Any], first: int) -> None:
    """Whatever JSON stands behind whichever key: a value, with the keys that an empty request has."""
    for name in ASK:
        asked = {key: values[(first + place) % 5] for place, key in enumerate(keys_of(name))}
        assert ask(name, asked).keys() == ask(name, {}).keys()


stamps = st.sampled_from(
    [
        *("2026-06-11T03:15:00Z", "2026-06-11T01:00:00Z", "2026-06-11T01:00:00", "2026-06-10T01:00:00+02:00"),
        *("2026-06-11T01:00:00.25Z", "2026-06-12T00:00:00Z", "2026-06-11", None),
    ]
)


@st.composite
def snapshots(draw: st.DrawFn) -> Any:
    """Mostly Snapshots that may be eligible, of few names and times, so that ties occur."""
    labels = {
        LABELS[0]: draw(st.sampled_from(["operator", "operator", "operator", "other"])),
        LABELS[1]: "operator-main",
        LABELS[3]: draw(st.sampled_from(["component", "component", "override", None])),
        LABELS[5]: draw(st.sampled_from(["push", "push", "Push", "pull_request"])),
    }
    image = draw(
        st.sampled_from([f"quay.io/{letter}@sha256:{letter * 64}" for letter in "abc"] + ["quay.io/a:1", ""])
    )
    released = {"type": "AutoReleased", "status": "True", "reason": "AutoReleased"}
    return {
        "metadata": {
            "name": draw(st.sampled_from("abcdefgh")) + draw(st.sampled_from(["", "1", "é"])),
            "labels": labels,
            "annotations": {
                ANNOTATIONS[1]: draw(st.sampled_from(["1781139600", "1781139600001", "bad", None]))
            },
            "creationTimestamp": draw(stamps),
        },
        "spec": {"components": [{"name": "operator-main", "containerImage": image}]},
        "status": {"conditions": [released] if draw(st.integers(0, 4)) else []},
    }


def select(given_: list[Any], **options: Any) -> dict[str, Any]:
    asked = {"snapshots": given_, "application": "operator", "component": "operator-main", "now": NOW}
    return ask("gate.select-snapshot", asked | {"options": options})


@quick
@given(
    st.lists(snapshots(), max_size=8, unique_by=lambda each: each["metadata"]["name"]),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_list_never_matters(given_: list[Any], random: Any) -> None:
    """The same Snapshot wins, and each of the others has the same code."""
    shuffled = list(given_)
    random.shuffle(shuffled)
    assert select(given_) == select(shuffled)


@quick
@given(st.lists(snapshots(), max_size=8, unique_by=lambda each: each["metadata"]["name"]))
def test_the_answer_follows_from_each_alone(given_: list[Any]) -> None:
    """The code of a Snapshot never depends on others; the winner is eligible alone, and none that is eligible is rejected."""
    together = select(given_)
    alone = {each["metadata"]["name"]: select([each]) for each in given_}
    assert together["rejected"] == {
        name: code for each in alone.values() for name, code in each["rejected"].items()
    }
    eligible = {name for name, each in alone.items() if each["outcome"] == "selected"}
    assert (together["name"] in eligible) if eligible else together["name"] is None
    assert set(together["rejected"].values()) <= {rule.name for rule in RULES} - {ELIGIBLE}


@quick
@given(st.lists(snapshots(), max_size=8, unique_by=lambda each: each["metadata"]["name"]))
def test_an_option_that_allows_more_rejects_no_more(given_: list[Any]) -> None:
    """Whoever was eligible stays so."""
    strict = select(given_)["rejected"].keys()
    for option in ({"allowOverride": True}, {"allowSuperseded": True}, {"requireAutoReleased": False}):
        assert select(given_, **option)["rejected"].keys() <= strict


states = st.sampled_from(
    [
        "triggered",
        "testing",
        "evaluated",
        "promoting",
        "promoted",
        "failed",
        "errored",
        "yanked",
        "planned",
        "",
    ]
)
ledgers = st.lists(st.builds(dict, digest=st.sampled_from(["new", "old", None]), state=states), max_size=8)
labels = st.sampled_from([None, "gate", "other", ""])


@quick
@given(ledgers, labels, st.booleans(), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_the_ledger_never_matters(
    ledger: list[Any], label: str | None, force: bool, paused: bool, random: Any
) -> None:
    """Nor does a line of a state that is over and of another digest."""
    asked = {"digest": "new", "scenario": "gate", "runLabel": label, "force": force, "paused": paused}
    first = ask("gate.trigger", asked | {"ledger": ledger})
    shuffled = [*ledger, {"digest": "old", "state": "failed"}]
    random.shuffle(shuffled)
    assert first == ask("gate.trigger", asked | {"ledger": shuffled})


@quick
@given(ledgers, labels, st.booleans())
def test_a_run_is_started_only_when_nothing_is_in_the_way(
    ledger: list[Any], label: str | None, force: bool
) -> None:
    """Never beside an active run, never for a yanked digest, and over a label only to look at a promoted one again."""
    asked = {"digest": "new", "scenario": "gate", "runLabel": label, "force": force, "ledger": ledger}
    if ask("gate.trigger", asked)["action"] == "start":
        active = {"triggered", "testing", "evaluated", "promoting"}
        assert not any(line["state"] in active for line in ledger)
        assert {"digest": "new", "state": "yanked"} not in ledger
        assert label is None or {"digest": "new", "state": "promoted"} in ledger


components = st.lists(
    st.builds(
        SnapshotComponent,
        st.sampled_from(["operator", "other", ""]),
        st.sampled_from(
            ["", "quay.io/a:1", f"quay.io/a@{DIGEST}", f"quay.io/b@{DIGEST}", "quay.io/a@sha256:x"]
        ),
    ),
    max_size=4,
)


@quick
@given(st.none() | components.map(tuple), st.sampled_from(["operator", "missing", ""]))
def test_an_image_is_pinned_or_there_is_none(
    found: tuple[SnapshotComponent, ...] | None, component: str
) -> None:
    """Every image that is answered ends with its digest and belongs to the component."""
    value = image_of(ImageRequest(found, component)).value
    if value is not None:
        assert value.image.endswith(f"@{value.digest}")
        assert {each.image for each in found or () if each.name == component} == {value.image}


@quick
@given(
    st.from_regex(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", fullmatch=True),
    st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
)
def test_a_tag_leads_back_to_platform_and_digest(platform: str, digits: str) -> None:
    """No two pairs share a tag, and every tag is one that a registry takes."""
    value = tags_of(TagRequest(platform, f"sha256:{digits}")).value
    if value is not None:
        assert (value.tag[:-65], value.tag[-64:]) == (platform, digits)
        assert len(value.tag) <= 128
        assert value.aliases == (f"{platform}-latest",)


@quick
@given(odd)
def test_a_job_status_is_always_one_of_the_results(status: Any) -> None:
    """Whatever gangway writes."""
    assert job_result(status) in {"passed", "failed", "aborted", "infra_error", "pending", "unknown"}


@quick
@given(st.datetimes(), st.integers(-23, 23))
def test_a_moment_is_read_the_same_in_every_zone(moment: Any, hours: int) -> None:
    """What is written with an offset is the moment itself."""
    at = moment.replace(tzinfo=UTC)
    try:
        written = at.astimezone(timezone(timedelta(hours=hours))).isoformat()
    except OverflowError:
        return
    assert read_instant(written) == at
    assert read_instant(moment.isoformat()) == at


@quick
@given(st.text(alphabet="0123456789-:TtZz+. \n", max_size=30))
def test_no_text_raises(text: str) -> None:
    """A time in UTC, or none."""
    found = read_instant(text)
    assert found is None or found.utcoffset().total_seconds() == 0
