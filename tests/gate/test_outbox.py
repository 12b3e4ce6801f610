"""Messages reach their channels: at least once, through busy channels and restarts, or they are dead letters that can be seen."""

from datetime import timedelta

import pytest

from pilotage.api import crd
from pilotage.api.gate import DEFINITIONS, NOTIFICATION, Notification
from pilotage.api.meta import ObjectKey
from pilotage.gate.prow.jobrunner import Reply
from pilotage.gate.telling.message import Subject
from pilotage.gate.telling.outbox import KEPT, OutboxController
from pilotage.gate.telling.owing import Outbox, notification
from pilotage.gate.telling.runmessages import Promoted, promoted
from pilotage.runtime.clock import ManualClock
from pilotage.runtime.runner import Runner, run_to_rest
from pilotage.store.base import NotFoundError
from pilotage.store.embedded.store import EmbeddedStore

from .nightrig import DEFINITION, NAMESPACE, SLOT, Inbox

MESSAGE = promoted(Subject("run/7", "aro-hcp", digest=f"sha256:{'a' * 64}"), Promoted("aro-hcp-aaaa"))
BUSY = Reply(429, "busy", retry_after=30.0)
DOWN = Reply(503, "down")
REFUSED = Reply(400, "invalid_blocks")


@pytest.fixture
async def owed():
    """A store with one message for one channel."""
    clock = ManualClock(SLOT)
    async with await EmbeddedStore.open(None, clock) as store:
        for definition in DEFINITIONS:
            await store.create(DEFINITION, crd.manifest(definition), manager="test")
        await Outbox(store, ("chat",), clock).owe(NAMESPACE, (MESSAGE,))
        yield store, clock


async def deliver(store, clock, *inboxes: Inbox, horizon: float = 2 * 86_400.0) -> Notification:
    controller = OutboxController(store, inboxes, clock).declaration()
    async with Runner(store, (controller,), clock) as runner:
        await run_to_rest(runner, clock, horizon=horizon)
    return await note_of(store)


async def note_of(store) -> Notification:
    (found,) = (await store.list(NOTIFICATION, NAMESPACE)).items
    return found.view(Notification)


async def test_a_message_is_delivered_once_and_says_so(owed):
    """One post, one note of it; the next look posts nothing."""
    inbox = Inbox()
    note = await deliver(*owed, inbox)
    assert (1, "2026-06-11T03:15:05Z") == (note.status.attempts, note.status.delivered_at)
    await deliver(*owed, inbox)
    assert 1 == len(inbox.got)


async def test_a_busy_channel_is_asked_again_when_it_wants(owed):
    """Retry-After is kept, what only fails is tried again with a pause, and the attempts are counted."""
    note = await deliver(*owed, Inbox(replies=(BUSY, DOWN)))
    assert (3, "2026-06-11T03:15:45Z") == (note.status.attempts, note.status.delivered_at)
    assert not note.status.error


async def test_a_restart_goes_on_where_the_last_one_was(owed):
    """The pause, the attempts and the first time stand in the store, not in memory."""
    store, clock = owed
    note = await deliver(store, clock, Inbox(replies=(BUSY,)), horizon=1.0)
    assert (1, "2026-06-11T03:15:35Z", "") == (
        note.status.attempts,
        note.status.next_at,
        note.status.delivered_at,
    )
    inbox = Inbox()
    note = await deliver(store, clock, inbox, horizon=1.0)
    assert (1, []) == (note.status.attempts, inbox.got)
    note = await deliver(store, clock, inbox)
    assert (2, "2026-06-11T03:15:35Z") == (note.status.attempts, note.status.delivered_at)
    assert note.status.first_at < note.status.delivered_at


async def test_what_is_refused_is_offered_as_plain_text(owed):
    """A message that the channel cannot read is still news."""
    inbox = Inbox(replies=(REFUSED,))
    note = await deliver(*owed, inbox)
    assert note.status.plain
    assert note.status.delivered_at
    assert inbox.got[0].startswith("plain")


async def test_what_is_refused_twice_is_a_dead_letter(owed):
    """Nobody tries again, and the reason can be read."""
    note = await deliver(*owed, Inbox(replies=(REFUSED, REFUSED)))
    assert (True, 2, "") == (note.status.dead, note.status.attempts, note.status.delivered_at)
    assert "invalid_blocks" in note.status.error


async def test_a_channel_that_is_down_for_a_day_gets_no_more(owed):
    """After a day the message is given up, and is visible as dead."""
    note = await deliver(*owed, Inbox(replies=(DOWN,) * 1000))
    assert note.status.dead
    assert "given up after a day" in note.status.error
    assert 280 < note.status.attempts < 310


async def test_a_channel_that_nobody_serves_is_named(owed):
    """The message waits for its channel to be configured, for a day."""
    store, clock = owed
    note = await deliver(store, clock)
    assert ("no channel chat is configured", False) == (note.status.error, note.status.dead)
    clock.advance(86_400)
    note = await deliver(store, clock)
    assert note.status.dead


async def test_a_message_that_cannot_be_read_is_dead(owed):
    """A row that somebody else wrote does not stop the others."""
    store, clock = owed
    manifest = notification(NAMESPACE, MESSAGE, "chat", clock.now())
    manifest["metadata"]["name"] = "odd"
    manifest["spec"]["message"] = "{"
    await store.create(NOTIFICATION, manifest, manager="test")
    inbox = Inbox()
    async with Runner(store, (OutboxController(store, (inbox,), clock).declaration(),), clock) as runner:
        assert await run_to_rest(runner, clock)
    odd = (await store.get(NOTIFICATION, ObjectKey(NAMESPACE, "odd"))).view(Notification)
    assert odd.status.dead
    assert 1 == len(inbox.got)


async def test_a_delivered_message_is_kept_for_a_month(owed):
    """Then it is removed: the outbox does not grow for ever."""
    store, clock = owed
    note = await deliver(store, clock, Inbox())
    key = ObjectKey(NAMESPACE, note.metadata.name)
    clock.advance((KEPT - timedelta(seconds=60)).total_seconds())
    await deliver(store, clock, Inbox())
    clock.advance(60)
    async with Runner(store, (OutboxController(store, (), clock).declaration(),), clock) as runner:
        assert await run_to_rest(runner, clock)
    with pytest.raises(NotFoundError):
        await store.get(NOTIFICATION, key)
