"""Slack's limits, delivery, and sinks: against a chat that refuses what Slack refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.gate.prow.jobrunner import Reply
from pilotage.gate.prow.wire import Wire, WireSettings
from pilotage.gate.telling import slack
from pilotage.gate.telling.delivery import Attempt, DeadLetter, Delivered, SendAgain, SendPlain, after
from pilotage.gate.telling.message import Field, Item, Link, Message, Section
from pilotage.gate.telling.runmessages import JobOutcome, Verdict, gate_failed
from pilotage.gate.telling.sinks import CloudEventSink, Sink, SlackSink
from pilotage.runtime.clock import ManualClock
from pilotage.world.chat import Chat, Trouble, slack_problem

from .sockets import raw_server, resets
from .test_messages import ALL, SUBJECT

NOW = datetime(2026, 6, 11, 9, 0, tzinfo=UTC)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def blocks_of(body: bytes) -> list[dict]:
    return json.loads(body)["attachments"][0]["blocks"]


def assert_within_the_limits(body: bytes) -> None:
    blocks = blocks_of(body)
    assert len(blocks) <= 50
    for block in blocks:
        if block["type"] == "header":
            assert 1 <= len(block["text"]["text"]) <= 150
        elif "fields" in block:
            assert 1 <= len(block["fields"]) <= 10
            assert all(1 <= len(field["text"]) <= 2000 for field in block["fields"])
        elif block["type"] == "section":
            assert 1 <= len(block["text"]["text"]) <= 3000


async def post(sink: Sink, body: bytes) -> Reply:
    return await sink.post(body)


@pytest.fixture
async def wire():
    made = Wire(WireSettings(timeout=10))
    yield made
    await made.close()


def slack_sink(tmp_path, wire, url: str) -> SlackSink:
    path = tmp_path / "url"
    path.write_text(url + "\n")
    return SlackSink("gate", path, wire)


# -- rendering


@pytest.mark.parametrize("message", [message for _, _, message in ALL], ids=lambda message: message.title)
async def test_every_message_is_accepted(message, tmp_path, wire):
    """With blocks and as plain text."""
    async with Chat(ManualClock(NOW)) as chat:
        sink = slack_sink(tmp_path, wire, chat.webhook("gate"))
        assert 200 == (await post(sink, sink.render(message, NOW))).status
        assert 200 == (await post(sink, sink.render(message, NOW, plain=True))).status
    rich, plain = chat.messages
    assert {message.title} <= set(rich.text.splitlines())
    assert message.what in plain.text
    assert message.runbook.url in plain.text


async def test_sixteen_jobs_with_long_names_are_told_in_one_message(tmp_path, wire):
    """What does not fit is cut at a line, with how many more and where."""
    jobs = tuple(
        JobOutcome(
            f"periodic-ci-openshift-hypershift-release-4.22-periodics-e2e-azure-aks-ovn-conformance-{number:02}",
            "failed",
            f"https://prow.ci.openshift.org/view/gs/test-platform-results/logs/{'x' * 90}/19300000000000000{number:02}",
            2,
            "hcp-team",
        )
        for number in range(16)
    )
    message = gate_failed(SUBJECT, Verdict("required-failed", jobs))
    body = slack.payload(message)
    assert_within_the_limits(body)
    text = next(
        block["text"]["text"]
        for block in blocks_of(body)
        if "Failed required jobs" in block.get("text", {}).get("text", "")
    )
    lines = text.splitlines()
    shown = sum(line.startswith("• <https://prow") and line.endswith("hcp-team") for line in lines)
    assert 8 <= shown < 16
    assert f"… and {16 - shown} more <{SUBJECT.run_url}|see all>" == lines[-1]
    async with Chat(ManualClock(NOW)) as chat:
        sink = slack_sink(tmp_path, wire, chat.webhook("gate"))
        assert 200 == (await sink.post(body)).status


def message(
    title="t", what="w", do="d", fields=(), sections=(), owner="o", url="https://r.example.com#x"
) -> Message:
    return Message("M4", "e", title, "red", what, do, Link("Runbook", url), owner, fields, sections)


def test_nothing_in_a_name_is_markup():
    """No mention of a channel, no link that is not ours, in any place."""
    evil = "<!channel> & <https://evil.example.com|click>"
    body = slack.payload(
        message(
            evil,
            evil,
            evil,
            (Field(evil, evil),),
            (Section(evil, evil, (Item(evil, "", evil),), evil),),
            evil,
            evil,
        )
    )
    text = json.dumps(blocks_of(body))
    assert "<" not in text
    assert "&lt;!channel&gt; &amp; " in text
    assert "<" not in json.loads(slack.plain_payload(message(evil)))["text"]


def test_a_link_holds_whatever_the_address_is():
    """`|`, `>` and `&` in an address do not end it; what is no address of the web is no link."""
    odd = Item("job|name", "https://x.example.com/a|b>c?d&e f", "failed")
    bad = Item("other", "javascript:alert(1)", "failed")
    text = blocks_of(slack.payload(message(sections=(Section("Jobs", items=(odd, bad)),))))[3]["text"]["text"]
    assert "• <https://x.example.com/a%7Cb%3Ec?d&amp;e%20f|job¦name> — failed" in text
    assert "• other — failed" in text


def test_a_single_line_that_is_too_long_is_cut_in_itself():
    """And never inside an escape."""
    text = blocks_of(slack.payload(message(sections=(Section("Log", "&" * 5000),))))[3]["text"]["text"]
    assert len(text) <= 3000
    body = text.removeprefix("*Log*\n")
    assert body == "&amp;" * (len(body) // 5) + "…"


def test_code_is_kept_together():
    """What is to be copied stands in a block of its own, and cannot end it."""
    found = blocks_of(slack.payload(message(sections=(Section("Run", code="a\n```b"),))))[3]["text"]["text"]
    assert "*Run*\n```\na\n'''b\n```" == found


_texts = st.text(alphabet=st.sampled_from("ab&<>|`\n …é😀"), max_size=40).flatmap(
    lambda text: st.sampled_from([text, text * 60, text * 400])
)
_urls = st.one_of(st.just(""), _texts.map(lambda text: f"https://x.example.com/{text}"))
_items = st.builds(Item, _texts, _urls, _texts)
_sections = st.builds(
    Section, _texts, _texts, st.lists(_items, max_size=5).map(lambda items: tuple(items * 5)), _texts, _urls
)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    _texts,
    _texts,
    st.lists(st.builds(Field, _texts, _texts, _urls), max_size=50),
    st.lists(_sections, max_size=3),
    st.integers(1, 30),
)
def test_whatever_the_content_the_limits_hold(title, what, fields, sections, times):
    """And every link that was begun ends."""
    body = slack.payload(message(title or "t", what, "d", tuple(fields), tuple(sections * times)))
    assert "" == slack_problem(json.loads(body))
    assert len(json.loads(slack.plain_payload(message(title or "t", what)))["text"]) <= 3000


# -- delivery


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(200, "ok"), Delivered()),
        (Reply(202), Delivered()),
        (Reply(200, '{"ok": false, "error": "invalid_auth"}'), SendPlain("refused: invalid_auth")),
        (Reply(200, '{"success": false}'), SendPlain("refused: no reason given")),
        (Reply(200, '{"success": true}'), Delivered()),
        (Reply(429, "", retry_after=30.0), SendAgain(NOW + seconds(30), "answered 429")),
        (Reply(429, "slow down"), SendAgain(NOW + seconds(5), "answered 429: slow down")),
        (Reply(503, "x", retry_after=99.0), SendAgain(NOW + seconds(5), "answered 503: x")),
        (Reply(0, cause="no whole answer in time"), SendAgain(NOW + seconds(5), "no whole answer in time")),
        (Reply(400, "invalid_blocks"), SendPlain("answered 400: invalid_blocks")),
        (Reply(404, "no_service"), SendPlain("answered 404: no_service")),
        (Reply(302), SendPlain("answered 302")),
    ],
)
def test_what_follows_from_a_reply(reply, expected):
    """Busy and broken channels get it again, one that refuses gets plain text."""
    assert expected == after(reply, Attempt(1, NOW, NOW))


def test_the_pause_doubles_from_five_seconds_to_five_minutes():
    """For a day, and then it is a dead letter."""
    pauses = [
        (after(Reply(500), Attempt(number, NOW, NOW)).at - NOW).total_seconds()
        for number in (1, 2, 3, 6, 7, 8, 5000)
    ]
    assert [5, 10, 20, 160, 300, 300, 300] == pauses
    late = after(Reply(500), Attempt(300, NOW, NOW + timedelta(hours=24)))
    assert DeadLetter("answered 500; given up after a day") == late
    assert isinstance(after(Reply(429, retry_after=1e6), Attempt(1, NOW, NOW)), DeadLetter)


def test_plain_text_that_is_refused_is_a_dead_letter():
    """But not while the channel is merely busy."""
    plain = Attempt(2, NOW, NOW, is_plain=True)
    assert DeadLetter("answered 400: no_text") == after(Reply(400, "no_text"), plain)
    assert isinstance(after(Reply(503), plain), SendAgain)


# -- sinks


async def test_an_address_is_read_for_every_post_and_never_shown(tmp_path, wire):
    """A rotated webhook is used at once; replies name the file, not its content."""
    path = tmp_path / "url"
    sink = SlackSink("gate", path, wire)
    missing = await sink.post(b"{}")
    assert (0, False) == (missing.status, missing.was_sent)
    async with raw_server(resets) as url:
        path.write_text(f"{url}/services/T/B/hush")
        reset = await sink.post(b"{}")
    refused = await sink.post(b"{}")
    path.write_text("ftp://hush")
    no_web = await sink.post(b"{}")
    assert [0, 0, 0] == [reset.status, refused.status, no_web.status]
    assert not any("hush" in repr(reply) for reply in (missing, reset, refused, no_web))
    async with Chat(ManualClock(NOW)) as chat:
        path.write_text(chat.webhook("hush"))
        assert 200 == (await sink.post(sink.render(message(), NOW))).status


async def test_a_message_reaches_a_chat_that_was_down(tmp_path, wire):
    """Attempts follow the decision until it is delivered, once."""
    clock = ManualClock(NOW)
    troubles = (
        Trouble("error", NOW, NOW + seconds(60)),
        Trouble("reset", NOW + seconds(60), NOW + seconds(120)),
        Trouble("busy", NOW + seconds(120), NOW + seconds(400), seconds=300),
    )
    async with Chat(clock, troubles) as chat:
        sink = slack_sink(tmp_path, wire, chat.webhook("gate"))
        number, outcome = 0, None
        while not isinstance(outcome, Delivered):
            number += 1
            outcome = after(await sink.post(sink.render(message(), NOW)), Attempt(number, NOW, clock.now()))
            if isinstance(outcome, SendAgain):
                clock.advance((outcome.at - clock.now()).total_seconds())
    assert {"error": 4, "reset": 1, "busy": 1} == chat.refused
    assert 1 == len(chat.messages)


async def test_a_cloud_event_is_delivered(tmp_path, wire):
    """CloudEvents 1.0 in structured JSON, with the event as its id."""
    path = tmp_path / "url"
    sink: Sink = CloudEventSink("events", path, wire, source="/gates/one")
    async with Chat(ManualClock(NOW)) as chat:
        path.write_text(chat.inbox)
        for _, _, each in ALL:
            assert 202 == (await sink.post(sink.render(each, NOW))).status
    value = chat.events[0].value
    assert ("1.0", "run-1/verdict", "/gates/one", "aro-hcp", "2026-06-11T09:00:00Z") == (
        value["specversion"],
        value["id"],
        value["source"],
        value["subject"],
        value["time"],
    )
    assert "M0" == value["data"]["message"]
