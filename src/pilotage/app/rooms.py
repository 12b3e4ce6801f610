"""The list of rooms: the one place that changes when Pilotage learns a new system."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from pilotage.api.errors import InputError
from pilotage.decision.questions import Question
from pilotage.room import Room, Topic

__all__ = ["questions", "rooms", "topic", "topics"]

SYSTEMS = ("pilotage.gate.room", "pilotage.controlplane.room")
"""Modules with a `ROOM` record, in the order in which an image passes through them."""

SHARED = ("pilotage.images.questions",)
"""Shared rooms that answer questions (`QUESTIONS`) without being a system."""


@cache
def rooms() -> tuple[Room, ...]:
    return tuple(importlib.import_module(module).ROOM for module in SYSTEMS)


@cache
def questions() -> dict[str, Question[Any, Any]]:
    """Every decision that can be asked by name, shared rooms first, each room's in its own order."""
    shared = [question for module in SHARED for question in importlib.import_module(module).QUESTIONS]
    return {
        question.name: question for question in (*shared, *(q for room in rooms() for q in room.questions))
    }


def topics() -> dict[str, Topic[Any, Any]]:
    """What `pilotage explain` can explain."""
    return {topic.name: topic for room in rooms() for topic in room.topics}


def topic(name: str) -> Topic[Any, Any]:
    """Raises InputError `UnknownTopic` naming those that exist."""
    # Start-up time: only as many systems are loaded as it takes to find it; the last one has most of what is explained.
    for module in reversed(SYSTEMS):
        room: Room = importlib.import_module(module).ROOM
        for found in room.topics:
            if found.name == name:
                return found
    raise InputError(
        "UnknownTopic",
        f'there is nothing called "{name}" to explain',
        hint=f"try one of: {', '.join(topics())}",
    )
