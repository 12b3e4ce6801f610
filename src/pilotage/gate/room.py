"""What this room tells `app`: the questions that the gate answers, and its codes."""

from __future__ import annotations

from typing import Final

from pilotage.gate import codes, healthcodes
from pilotage.gate.questions import QUESTIONS
from pilotage.room import Room

__all__ = ["ROOM"]

ROOM: Final = Room(
    name="gate",
    summary="May this operator image be promoted, and for which platforms?",
    questions=QUESTIONS,
    codes={**codes.CODES, **healthcodes.CODES},
)
