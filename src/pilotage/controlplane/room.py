"""What this room tells `app`: its kinds, what can be explained and asked, and its controller."""

from __future__ import annotations

from pilotage.controlplane.questions import QUESTIONS
from pilotage.room import Room

__all__ = ["ROOM"]

ROOM = Room(
    name="controlplane",
    summary="Which control plane operator image does this hosted cluster get, and why?",
    questions=QUESTIONS,
)
