"""A message as Slack shows it, within what Slack accepts.

An incoming webhook takes a text and attachments; the colour is that of an attachment, which holds Block Kit blocks. A payload that
breaks one limit is refused as a whole, with status 400, and nobody is told anything; so every limit is kept here: what does not
fit is cut at a line, with how much was left out and where it stands.

`&`, `<` and `>` are escaped everywhere, so a name cannot mention a channel or forge a link; and nothing is cut inside an escape or a
link, because lengths are counted after escaping and cuts are made before. Follows https://docs.slack.dev/reference/block-kit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from pilotage.gate.telling.message import COLOURS, Field, Item, Message, Section
from pilotage.gate.telling.plaintext import text_lines

__all__ = [
    "BLOCKS",
    "FIELDS",
    "FIELD_TEXT",
    "HEADER_TEXT",
    "SECTION_TEXT",
    "fallback",
    "payload",
    "plain_payload",
]

SECTION_TEXT: Final = 3000
FIELD_TEXT: Final = 2000
FIELDS: Final = 10
BLOCKS: Final = 50
HEADER_TEXT: Final = 150
_PLAIN_TEXT: Final = 3000
_LONGEST_URL: Final = 1000
_MOST_FIELDS: Final = 4 * FIELDS
_CUT: Final = "…"
_FENCES: Final = "```\n\n```"

_Line = Callable[[int], str]
"""Renders a line in at most so many characters."""


def payload(message: Message) -> bytes:
    """The JSON body of a webhook."""
    attachment = {
        "color": COLOURS[message.colour],
        "fallback": _cut(message.title, HEADER_TEXT),
        "blocks": _blocks(message),
    }
    return _json({"text": _cut(message.title, HEADER_TEXT), "attachments": [attachment]})


def plain_payload(message: Message) -> bytes:
    """The same without blocks: what is sent when Slack refuses the blocks."""
    return _json({"text": fallback(message)})


def fallback(message: Message) -> str:
    """The message as escaped text of at most 3000 characters, the most important first."""
    parts: list[str] = []
    room = _PLAIN_TEXT
    for line in text_lines(message):
        shown = _cut(line, room)
        if len(shown) + 1 > room:
            break
        parts.append(shown)
        room -= len(shown) + 1
    return "\n".join(parts)


def _blocks(message: Message) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": _cut(message.title, HEADER_TEXT), "emoji": False},
        },
        _text_block(f"*What happened*\n{_cut(message.what, SECTION_TEXT - 100)}"),
        _text_block(f"*What to do*\n{_cut(message.do, SECTION_TEXT - 100)}"),
        *_field_blocks(message.fields),
    ]
    closing = _closing(message)
    room = BLOCKS - len(blocks) - 1
    parts = [block for section in message.sections for block in _section_blocks(section)]
    if len(parts) > room:
        left = len(parts) - room + 1
        parts = [*parts[: room - 1], _text_block(f"{_CUT} and {left} more, see {_closing_link(message)}")]
    return [*blocks, *parts, closing]


def _closing_link(message: Message) -> str:
    return _link(message.runbook.text, message.runbook.url)


def _closing(message: Message) -> dict[str, Any]:
    """Who and where, in small print."""
    parts = [
        _link(message.runbook.text, message.runbook.url),
        f"owner {_cut(message.owner, 200)}",
        message.id,
    ]
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(parts)}]}


def _field_blocks(fields: Sequence[Field]) -> Iterable[dict[str, Any]]:
    if len(fields) > _MOST_FIELDS:
        left = len(fields) - _MOST_FIELDS + 1
        fields = [*fields[: _MOST_FIELDS - 1], Field(_CUT, f"and {left} more")]
    for begin in range(0, len(fields), FIELDS):
        texts = [_field(field) for field in fields[begin : begin + FIELDS]]
        yield {"type": "section", "fields": [{"type": "mrkdwn", "text": text} for text in texts]}


def _field(field: Field) -> str:
    name = f"*{_cut(field.name, 100)}*\n"
    room = FIELD_TEXT - len(name)
    return name + _linked(field.value, field.url, room)


def _section_blocks(section: Section) -> Iterable[dict[str, Any]]:
    """The text and the list in one block, what is to be copied in one of its own."""
    head = f"*{_cut(section.title, 200)}*\n"
    more = _link("see all", section.more) if section.more else ""
    lines: list[_Line] = [
        *(_plain_line(line) for line in section.text.splitlines()),
        *(_item_line(item) for item in section.items),
    ]
    if lines:
        yield _text_block(head + _fit(lines, SECTION_TEXT - len(head), more))
        head = ""
    if section.code:
        code = [_plain_line(line.replace("```", "'''")) for line in section.code.splitlines()]
        yield _text_block(f"{head}```\n{_fit(code, SECTION_TEXT - len(head) - len(_FENCES), '')}\n```")


def _fit(lines: Sequence[_Line], room: int, more: str) -> str:
    """As many lines as fit, and how many more there are. A single line that fills everything is cut in itself."""
    whole = [line(room) for line in lines]
    if sum(map(len, whole)) + len(whole) - 1 <= room:
        return "\n".join(whole)
    tail = " ".join(filter(None, (f"{_CUT} and {len(whole)} more", more)))
    room -= len(tail) + 1
    shown: list[str] = []
    for line in lines:
        # The first line may be longer than everything; a later one that does not fit is left out whole.
        text = line(room) if not shown else line(SECTION_TEXT)
        if len(text) > room:
            break
        shown.append(text)
        room -= len(text) + 1
    left = len(whole) - len(shown)
    if not left:
        return "\n".join(shown)
    tail = " ".join(filter(None, (f"{_CUT} and {left} more", more)))
    return "\n".join([*shown, tail])


def _plain_line(text: str) -> _Line:
    return lambda room: _cut(text, room)


def _item_line(item: Item) -> _Line:
    def line(room: int) -> str:
        note = f" — {_cut(item.note, 300)}" if item.note else ""
        return f"• {_linked(item.text, item.url, max(1, room - len(note) - 2))}{note}"

    return line


def _linked(text: str, url: str, room: int) -> str:
    """A link where there is room for its address, else the text alone."""
    address = _address(url)
    if address and len(address) + len("<|>") + 1 <= room:
        return f"<{address}|{_cut(_one_line(text), room - len(address) - len('<|>'))}>"
    return _cut(" ".join(text.split("\n")), room)


def _link(text: str, url: str) -> str:
    return _linked(text, url, _LONGEST_URL + 200)


def _address(url: str) -> str:
    """As it can stand in a link; empty for what is no address of the web."""
    if not url.startswith(("https://", "http://")) or len(url) > _LONGEST_URL:
        return ""
    for character, replaced in (("<", "%3C"), (">", "%3E"), ("|", "%7C"), (" ", "%20"), ("\n", "")):
        url = url.replace(character, replaced)
    return url.replace("&", "&amp;")


def _one_line(text: str) -> str:
    return " ".join(text.split("\n")).replace("|", "¦")


def _cut(text: str, room: int) -> str:
    """`text` escaped, in at most `room` characters."""
    shown = _escaped(text)
    if len(shown) <= room:
        return shown
    kept = []
    room -= len(_CUT)
    for character in text:
        escaped = _escaped(character)
        room -= len(escaped)
        if room < 0:
            break
        kept.append(escaped)
    return "".join(kept) + _CUT


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _text_block(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
