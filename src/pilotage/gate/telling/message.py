"""What a message to people consists of, whatever the channel.

A message is a value: title, colour, facts, what happened, what to do, whom it concerns, and lists with links. It knows no markup
and no limits; a channel renders it and cuts what does not fit. One event makes one message for each channel, however often it is
planned, so every message carries the id of its event.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

__all__ = [
    "COLOURS",
    "Colour",
    "Field",
    "Item",
    "Link",
    "Message",
    "MessageId",
    "Section",
    "Subject",
    "compose",
    "delivery_key",
]

Colour = Literal["red", "orange", "green"]
COLOURS: Final[dict[Colour, str]] = {"red": "#D32F2F", "orange": "#F57C00", "green": "#2E7D32"}
MessageId = Literal["M0", "M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8", "M9", "M10"]
_NONE: Final = "none"
_SHORT_DIGEST: Final = 19  # sha256: and twelve digits


class Link(msgspec.Struct, frozen=True):
    text: str
    url: str


class Field(msgspec.Struct, frozen=True):
    """A short fact. `url` is where more about it stands, empty for nowhere."""

    name: str
    value: str
    url: str = ""


class Item(msgspec.Struct, frozen=True):
    """A line of a list: what, where to look, and what about it."""

    text: str
    url: str = ""
    note: str = ""


class Section(msgspec.Struct, frozen=True):
    """A titled text, list, or both. `code` is text to copy. What a channel must cut is to be found at `more`."""

    title: str
    text: str = ""
    items: tuple[Item, ...] = ()
    code: str = ""
    more: str = ""


class Message(msgspec.Struct, frozen=True):
    """One message. `event` is the id of what it tells; `runbook` leads to the chapter that helps."""

    id: MessageId
    event: str
    title: str
    colour: Colour
    what: str
    do: str
    runbook: Link
    owner: str
    fields: tuple[Field, ...] = ()
    sections: tuple[Section, ...] = ()
    platform: str = ""


class Subject(msgspec.Struct, frozen=True):
    """What a message is about. Empty texts are told as `none`: that there is no Snapshot is news too.

    `runbook` is the address of the platform's runbook; chapters are anchors in it.
    """

    event: str
    platform: str
    display_name: str = ""
    snapshot: str = ""
    digest: str = ""
    run: str = ""
    run_url: str = ""
    owner: str = ""
    runbook: str = ""

    @property
    def name(self) -> str:
        return self.display_name or self.platform


def compose(
    subject: Subject,
    message: MessageId,
    colour: Colour,
    title: str,
    *,
    what: str,
    do: str,
    chapter: str,
    fields: Iterable[Field] = (),
    sections: Iterable[Section] = (),
) -> Message:
    """A message with what all of them have. Sections without content are left out."""
    common = (
        Field("Platform", subject.name),
        Field("Snapshot", subject.snapshot or _NONE),
        Field("Image digest", subject.digest or _NONE),
        Field("Run", subject.run or _NONE, subject.run_url),
        Field("Owner", subject.owner or _NONE),
    )
    address = f"{subject.runbook}#{chapter}" if subject.runbook else ""
    return Message(
        id=message,
        event=subject.event,
        title=f"{subject.name}: {title}",
        colour=colour,
        what=what,
        do=do,
        runbook=Link(f"Runbook: {chapter}", address),
        owner=subject.owner or _NONE,
        fields=(*common, *fields),
        sections=tuple(each for each in sections if each.text or each.items or each.code),
        platform=subject.platform,
    )


def delivery_key(event: str, channel: str) -> str:
    """What makes a delivery the same delivery: the event and the channel."""
    return f"{event}@{channel}"


def short_digest(digest: str) -> str:
    return digest[:_SHORT_DIGEST] if digest else _NONE
