"""Where do Gates come from, and what is seen of their tenant? For the verbs that onboard a platform.

Gates and matrices are files of people, or objects of an instance; the tenant is a real cluster (`live`) or a dump of one. Of a
cluster one is rarely allowed to see everything: what is refused or not served is not seen, and nobody takes that for absent.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from pilotage.api import konflux
from pilotage.api.core import SECRET
from pilotage.api.errors import InputError, PilotageError
from pilotage.api.gate import GATE, VERSION_MATRIX, Gate, VersionMatrix
from pilotage.api.meta import Kind, Object
from pilotage.app.clusters import ClusterChoice
from pilotage.app.objects import ObjectSource, Opened, open_reader
from pilotage.decision.findings import Finding
from pilotage.gate.konflux.schedule import CRON_JOB
from pilotage.gate.linting.rules import UNREADABLE
from pilotage.store.base import NotFoundError, Reader

__all__ = ["LIVE", "Given", "Sight", "Tenant", "given_gates", "look", "open_tenant", "platform_of"]

LIVE: Final = "live"
KINDS: Final = (*konflux.KINDS, SECRET, CRON_JOB)
_UNSEEN: Final = frozenset({"Forbidden", "KindNotServed", "NotFound"})


class Given(msgspec.Struct, frozen=True):
    """`written` are the manifests of the Gates; `unreadable` what could not be read, as findings."""

    gates: tuple[Gate, ...] = ()
    matrices: Mapping[str, VersionMatrix] = {}
    written: tuple[dict[str, Any], ...] = ()
    unreadable: tuple[Finding, ...] = ()

    def one(self, platform: str) -> Gate:
        """Raises InputError `UnknownPlatform`."""
        for gate in self.gates:
            if gate.spec.platform == platform:
                return gate
        known = ", ".join(sorted(gate.spec.platform for gate in self.gates)) or "none"
        raise InputError(
            "UnknownPlatform", f"no Gate of platform {platform} is given", hint=f"known are: {known}"
        )

    def matrix_of(self, gate: Gate) -> VersionMatrix | None:
        """Raises InputError `MatrixMissing` when the Gate names one that is not given."""
        reference = gate.spec.matrix_ref
        if reference is None:
            return None
        found = self.matrices.get(reference.name)
        if found is None:
            raise InputError(
                "MatrixMissing",
                f"gate {gate.spec.platform}: spec.matrixRef: there is no VersionMatrix {reference.name}",
                hint="give its file as well, with another -f",
            )
        return found


class Tenant(msgspec.Struct, frozen=True):
    """Where the Konflux side is looked at: `live`, or a dump. Empty for nowhere."""

    origin: str = ""
    kubeconfig: str = ""
    context: str = ""


class Sight(msgspec.Struct, frozen=True):
    """Objects by kind, and why a kind was not seen."""

    objects: Mapping[str, tuple[dict[str, Any], ...]]
    unseen: Mapping[str, str]


async def given_gates(source: ObjectSource, *, is_tolerant: bool = False) -> Given:
    """Raises InputError `MalformedObject` for the first Gate that cannot be read, unless it shall be a finding; `NoGate`."""
    async with open_reader(source) as opened:
        reader = opened.reader
        gates, gate_faults = _read((await reader.list(GATE)).items, Gate)
        matrices, matrix_faults = _read((await reader.list(VERSION_MATRIX)).items, VersionMatrix)
        name = opened.name
    faults = [*gate_faults, *matrix_faults]
    if faults and not is_tolerant:
        raise faults[0]
    if not gates and not faults:
        raise InputError("NoGate", f"there is no Gate in {name}", hint="name the file of a Gate with -f")
    return Given(
        tuple(gate for _, gate in gates),
        {matrix.metadata.name: matrix for _, matrix in matrices},
        tuple(item.value() for item, _ in gates),
        tuple(Finding(UNREADABLE, fault.message, hint=fault.hint) for fault in faults),
    )


def _read(items: Sequence[Object], shape: Any) -> tuple[list[tuple[Object, Any]], list[InputError]]:
    found, faults = [], []
    for item in items:
        try:
            found.append((item, item.view(shape)))
        except InputError as error:
            faults.append(error)
    return found, faults


@contextlib.asynccontextmanager
async def open_tenant(tenant: Tenant) -> AsyncIterator[Opened]:
    """Raises what `open_reader` raises."""
    if tenant.origin == LIVE:
        source = ObjectSource(cluster=ClusterChoice(tenant.kubeconfig, tenant.context))
    else:
        source = ObjectSource(files=(tenant.origin,), is_tolerant=True)
    async with open_reader(source) as opened:
        yield opened


async def look(reader: Reader, kinds: Sequence[Kind] = KINDS, namespaces: Sequence[str] = ("",)) -> Sight:
    """Every object of these kinds, in these namespaces; all namespaces for the empty one."""
    objects: dict[str, tuple[dict[str, Any], ...]] = {}
    unseen: dict[str, str] = {}
    for kind in kinds:
        found: list[dict[str, Any]] = []
        for namespace in namespaces if kind.namespaced else ("",):
            try:
                found += [item.value() for item in (await reader.list(kind, namespace)).items]
            except PilotageError as error:
                if error.code not in _UNSEEN and not isinstance(error, NotFoundError):
                    raise
                unseen[kind.kind] = error.message
        objects[kind.kind] = tuple(found)
    return Sight(objects, unseen)


def platform_of(given: Given, platform: str) -> str:
    """The one that is named, or the only one there is. Raises InputError `UnknownPlatform`, `Ambiguous`."""
    if platform:
        return given.one(platform).spec.platform
    if len(given.gates) == 1:
        return given.gates[0].spec.platform
    names = ", ".join(sorted(gate.spec.platform for gate in given.gates))
    raise InputError("Ambiguous", f"there are several Gates: {names}", hint="name one with --platform")
