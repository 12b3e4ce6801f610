"""A message as lines of plain text, the most important first: for mail, for issues, and where a chat refuses more."""

from __future__ import annotations

from collections.abc import Iterator

from pilotage.gate.telling.message import Message

__all__ = ["text", "text_lines"]


def text(message: Message) -> str:
    return "\n".join(text_lines(message))


def text_lines(message: Message) -> Iterator[str]:
    """Title, what happened, what to do, facts, lists; no line is empty or holds a line break."""
    for block in _blocks(message):
        yield from (line for line in block.splitlines() if line)


def _blocks(message: Message) -> Iterator[str]:
    yield message.title
    yield message.what
    yield f"What to do: {message.do}"
    if message.runbook.url:
        yield f"{message.runbook.text}: {message.runbook.url}"
    for field in message.fields:
        yield " ".join(filter(None, (f"{field.name}: {field.value}", field.url)))
    for section in message.sections:
        yield f"{section.title}:"
        yield section.text
        for item in section.items:
            yield " ".join(filter(None, ("-", item.text, item.note, item.url)))
        yield section.code
