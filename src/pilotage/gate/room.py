"""What this room tells `app`: its kinds, the questions that it answers, its table, and its codes."""

from __future__ import annotations

from typing import Final

from pilotage.api import gate, konflux
from pilotage.gate import codes
from pilotage.gate.board import BOARD
from pilotage.gate.health import healthcodes
from pilotage.gate.linting import rules as lint
from pilotage.gate.promotion import promotioncodes
from pilotage.gate.questions import QUESTIONS
from pilotage.room import Room

__all__ = ["ROOM"]

ROOM: Final = Room(
    name="gate",
    summary="May this operator image be promoted, and for which platforms?",
    kinds=(*gate.KINDS, konflux.SNAPSHOT, konflux.RELEASE),
    questions=QUESTIONS,
    boards=(BOARD,),
    codes={
        **codes.CODES,
        **healthcodes.CODES,
        **promotioncodes.CODES,
        "what lint finds about a gate": lint.CODES,
    },
)
