"""The chat refuses what Slack refuses, keeps what it accepts, and is in trouble when it is told to be."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from pilotage.runtime.clock import ManualClock
from pilotage.world.chat import Chat, Trouble

NOW = datetime(2026, 6, 11, 9, 0, tzinfo=UTC)


def section(text: object, kind: str = "mrkdwn") -> dict:
    return {"type": "section", "text": {"type": kind, "text": text}}


def fields(count: int, text: str = "x") -> dict:
    return {"type": "section", "fields": [{"type": "mrkdwn", "text": text}] * count}


HEADER = {"type": "header", "text": {"type": "plain_text", "text": "x" * 150}}


async def post(url: str, **body: object) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(url, **body) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({"text": "hello"}, ""),
        ({"blocks": [section("x" * 3000), fields(10, "x" * 2000), HEADER, {"type": "divider"}]}, ""),
        ({"attachments": [{"color": "#D32F2F", "blocks": [section("<https://x.example.com|x>")] * 50}]}, ""),
        ({}, "no_text"),
        ([], "invalid_payload"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "attachments": [{}] * 101}, "too_many_attachments"),
        ({"blocks": [section("x" * 3001)]}, "invalid_blocks"),
        ({"blocks": [section("")]}, "invalid_blocks"),
        ({"blocks": [section(7)]}, "invalid_blocks"),
        ({"blocks": [section("x", "html")]}, "invalid_blocks"),
        ({"blocks": [section("<open")]}, "invalid_blocks"),
        ({"blocks": [fields(11)]}, "invalid_blocks"),
        ({"blocks": [fields(0)]}, "invalid_blocks"),
        ({"blocks": [fields(1, "x" * 2001)]}, "invalid_blocks"),
        ({"blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "carousel"}]}, "invalid_blocks"),
        ({"blocks": ["x"]}, "invalid_blocks"),
        (
            {"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]},
            "invalid_blocks",
        ),
        ({"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}, "invalid_blocks"),
        ({"attachments": [{"blocks": [section("x")] * 51}]}, "invalid_blocks"),
    ],
)
async def test_limits(payload, problem):
    """A payload beyond one limit is refused whole."""
    async with Chat(ManualClock(NOW)) as chat:
        expected = (400, problem) if problem else (200, "ok")
        assert expected == await post(chat.webhook("gate"), json=payload)
        assert (0 if problem else 1) == len(chat.messages)
        assert ({problem: 1} if problem else {}) == chat.refused


async def test_messages_are_kept_by_channel_with_all_their_text():
    """In order, with the time of the clock."""
    clock = ManualClock(NOW)
    async with Chat(clock) as chat:
        await post(
            chat.webhook("one"), json={"text": "first", "attachments": [{"blocks": [section("inside")]}]}
        )
        clock.advance(60)
        await post(chat.webhook("two"), json={"text": "second"})
    assert [("one", NOW), ("two", NOW + timedelta(seconds=60))] == [
        (each.channel, each.at) for each in chat.messages
    ]
    assert "first\ninside" == chat.messages[0].text


async def test_what_is_no_json_is_refused():
    """In the words of Slack."""
    async with Chat(ManualClock(NOW)) as chat:
        assert (400, "invalid_payload") == await post(chat.webhook("gate"), data=b"{")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("error", 503), ("busy", 429), ("gone", 404)],
)
async def test_trouble_begins_and_ends_by_the_clock(kind, expected):
    """Before and after it all is well."""
    clock = ManualClock(NOW)
    trouble = Trouble(kind, NOW + timedelta(seconds=10), NOW + timedelta(seconds=20), seconds=7)
    async with Chat(clock, (trouble,)) as chat:
        statuses = []
        for _ in range(3):
            statuses.append((await post(chat.webhook("gate"), json={"text": "x"}))[0])
            clock.advance(10)
    assert [200, expected, 200] == statuses
    assert {kind: 1} == chat.refused


@pytest.mark.parametrize("kind", ["reset", "truncated"])
async def test_connections_break(kind):
    """On the socket, as outside."""
    async with Chat(ManualClock(NOW), (Trouble(kind, NOW, NOW + timedelta(days=1)),)) as chat:
        with pytest.raises(aiohttp.ClientError):
            await post(chat.webhook("gate"), json={"text": "x"})
    assert [] == chat.messages


async def test_a_slow_chat_answers_when_the_clock_has_moved():
    """It waits on the clock that it was given."""
    clock = ManualClock(NOW)
    async with Chat(clock, (Trouble("slow", NOW, NOW + timedelta(hours=1), seconds=30),)) as chat:
        task = asyncio.create_task(post(chat.webhook("gate"), json={"text": "x"}))
        while clock.next_due is None:
            await asyncio.sleep(0)
        assert [] == chat.messages
        clock.advance(30)
        assert (200, "ok") == await task


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (
            b'{"specversion": "1.0", "id": "1", "source": "/x", "type": "t"}',
            "application/cloudevents+json",
            202,
        ),
        (b'{"specversion": "1.0", "id": "1", "source": "/x", "type": "t"}', "application/json", 400),
        (b'{"specversion": "1.0", "id": "1", "source": "/x"}', "application/cloudevents+json", 400),
        (b"[]", "application/cloudevents+json", 400),
        (b"{", "application/cloudevents+json", 400),
    ],
)
async def test_the_inbox_takes_cloud_events(body, content_type, status):
    """With the attributes that CloudEvents 1.0 requires."""
    async with Chat(ManualClock(NOW)) as chat:
        found = await post(chat.inbox, data=body, headers={"Content-Type": content_type})
    assert (status, 1 if status == 202 else 0) == (found[0], len(chat.events))
