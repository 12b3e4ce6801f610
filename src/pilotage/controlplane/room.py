"""What this room tells `app`: its kinds, what can be explained and asked, its table, and its controller."""

from __future__ import annotations

from typing import Any

from pilotage.api.core import CONFIG_MAP, SECRET
from pilotage.api.hypershift import HOSTED_CLUSTER, NODE_POOL
from pilotage.api.meta import ObjectKey
from pilotage.api.pilotage import CONTROL_PLANE_IMAGE, CONTROL_PLANE_SETTINGS
from pilotage.controlplane.board import BOARD
from pilotage.controlplane.codes import CODES
from pilotage.controlplane.explain import explain_details, explain_json
from pilotage.controlplane.image import QUESTION, RULES
from pilotage.controlplane.observed import Observed, decide
from pilotage.controlplane.plan import plan
from pilotage.controlplane.questions import QUESTIONS
from pilotage.room import Room, Services, Topic
from pilotage.runtime.controller import Controller

__all__ = ["IMAGE_TOPIC", "ROOM"]


async def _observe(services: Services, key: ObjectKey) -> Observed:
    from pilotage.controlplane.observe import observe  # noqa: PLC0415 -- start-up time: `decide` reads no image

    return await observe(services, key)


def _controllers(services: Services) -> tuple[Controller, ...]:
    from pilotage.controlplane.controller import controllers  # noqa: PLC0415 -- as above

    return controllers(services)


IMAGE_TOPIC: Topic[Any, str] = Topic(
    name=QUESTION,
    summary="Which control plane operator image does this hosted cluster get, and why?",
    kind=HOSTED_CLUSTER,
    rules=RULES,
    observe=_observe,
    decide=decide,
    plan=plan,
    value_name="image",
    describe=explain_json,
    details=explain_details,
)

ROOM = Room(
    name="controlplane",
    summary="Which control plane operator image does this hosted cluster get, and why?",
    kinds=(HOSTED_CLUSTER, NODE_POOL, CONTROL_PLANE_IMAGE, CONTROL_PLANE_SETTINGS, CONFIG_MAP, SECRET),
    topics=(IMAGE_TOPIC,),
    questions=QUESTIONS,
    boards=(BOARD,),
    codes=CODES,
    controllers=_controllers,
)
