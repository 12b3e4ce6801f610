"""A night at the gate for two platforms: one image that ARO takes, and that ROSA's upgrade test stops.

The Snapshots name images of the sample world by digest. One job flakes and passes the second time, one platform's upgrade fails
twice, a job that is only informing fails as well. The night is the last one that is over by now.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any, Final, Protocol

from pilotage.api import kinds, manifest
from pilotage.api.core import NAMESPACE
from pilotage.api.gate import GATE
from pilotage.api.meta import Object, ObjectKey
from pilotage.runtime.clock import rfc3339
from pilotage.store.base import NotFoundError, Reader, Writer
from pilotage.world.prow.script import Line, Playbook, Script, flaky
from pilotage.world.snapshots import Build, Tenant, revision_of, snapshot

__all__ = ["NAMESPACE_NAME", "PLAYBOOK", "TENANT", "begins", "load"]

MANAGER: Final = "pilotage-world"
NAMESPACE_NAME: Final = "gates"
_LOADED: Final = "pilotage.dev/sample-night"
TENANT: Final = Tenant(repository="quay.example.com/hypershift/hypershift-operator")
_SLOT_MINUTE: Final = 15
_NIGHT, _AFTERNOON = 3, 15
"""Hours of the schedule. In the morning, the night's jobs would not be over yet and would take real time."""
_LASTS: Final = timedelta(hours=6)

PLAYBOOK: Final = Playbook(
    (
        *flaky("periodic-aro-hcp-e2e-nodepool", Script(duration=3000.0)),
        Line(Script(ending="failure", duration=2400.0), "periodic-aro-hcp-arm-smoke"),
        Line(Script(ending="failure", duration=4200.0), "periodic-rosa-hcp-e2e-upgrade"),
    ),
    otherwise=Script(duration=4800.0),
    jobs=("periodic-aro-hcp-*", "periodic-rosa-hcp-*"),
)


class Restorer(Reader, Writer, Protocol):
    """What loading needs."""

    async def restore(self, objects: list[Object]) -> None: ...


def begins(now: datetime) -> datetime:
    """A minute before the last slot, 03:15 UTC; before that of the last afternoon where the night cannot be over yet."""
    today = now.astimezone(UTC).replace(minute=_SLOT_MINUTE, second=0, microsecond=0)
    slot = today.replace(hour=_NIGHT)
    if slot > now:
        slot -= timedelta(days=1)
    if now - slot < _LASTS:
        slot = today.replace(hour=_AFTERNOON) - timedelta(days=1)
    return slot - timedelta(minutes=1)


async def load(store: Restorer, digests: Mapping[str, str], evening: datetime) -> None:
    """Gates and Snapshots, once; a store with a Gate of somebody else is left alone.

    `digests` names the images by tag, oldest first; each makes a Snapshot in the hours before `evening`.
    """
    gates = manifest.load_objects(
        resources.files(__package__).joinpath("gates.yaml").read_text(), "gates.yaml"
    )
    present = {item.key for item in (await store.list(GATE)).items}
    if present - {item.key for item in gates} or await _is_loaded(store):
        return
    for namespace in (NAMESPACE_NAME, TENANT.namespace):
        await store.apply(NAMESPACE, ObjectKey("", namespace), {}, manager=MANAGER)
    await store.restore([Object.of(each) for each in _snapshots(digests, evening)])
    for item in gates:
        value = item.value()
        value["spec"]["onboardedAt"] = rfc3339(evening)
        slot = evening + timedelta(minutes=1)
        value["spec"]["schedule"] = f"{slot.minute} {slot.hour} * * *"
        await store.apply(kinds.of_object(item), item.key, value, manager=MANAGER)
    # Said last, so that a crash in the middle of loading starts over, and what a user deletes later stays away.
    said = {"metadata": {"annotations": {_LOADED: "true"}}}
    await store.apply(NAMESPACE, ObjectKey("", NAMESPACE_NAME), said, manager=MANAGER)


async def _is_loaded(store: Restorer) -> bool:
    try:
        found = await store.get(NAMESPACE, ObjectKey("", NAMESPACE_NAME))
    except NotFoundError:
        return False
    return _LOADED in (found.meta.annotations or {})


def _snapshots(digests: Mapping[str, str], evening: datetime) -> list[dict[str, Any]]:
    made = []
    for number, digest in enumerate(digests.values()):
        at = evening - timedelta(hours=2 * (len(digests) - number))
        made.append(snapshot(Build(at, revision_of(number), digest, number), TENANT))
    return made
