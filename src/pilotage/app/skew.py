"""What `pilotage skew` calls: the matrix of version combinations that an operator image was proven with.

The results come from a file (YAML or JSON) that names what is offered and what was tested:

    dimensions: {guestMinors: ["4.19", "4.20"], management: [OpenShift 4.20], platforms: [AWS], architectures: [multi]}
    ancestors: [<commit>, ...]            # commits that the operator image descends from
    results: [{cell: {...}, digest, commit, passed, at}, ...]
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from pilotage.api import yaml
from pilotage.api.errors import InputError
from pilotage.api.hypershift import NODE_POOL, NodePool
from pilotage.api.meta import ObjectKey
from pilotage.app import rooms
from pilotage.app.explain import keys_of
from pilotage.controlplane import skew
from pilotage.controlplane.observe import observe
from pilotage.controlplane.skew import Cell, CellState, Dimensions, TestResult
from pilotage.controlplane.verdicts import version_of
from pilotage.images.payload.payload import load_payload
from pilotage.images.reference import parse
from pilotage.room import Services

__all__ = ["check", "show"]


class _Cell(msgspec.Struct, frozen=True, rename="camel"):
    control_plane: str
    data_plane: str
    management: str
    platform: str
    architecture: str
    path: str

    def cell(self) -> Cell:
        return Cell(*(getattr(self, name) for name in self.__struct_fields__))


class _Result(msgspec.Struct, frozen=True, rename="camel"):
    cell: _Cell
    digest: str
    commit: str
    passed: bool
    at: datetime


class _Excluded(msgspec.Struct, frozen=True, rename="camel"):
    cell: _Cell
    reason: str


class _Dimensions(msgspec.Struct, frozen=True, rename="camel"):
    guest_minors: tuple[str, ...]
    management: tuple[str, ...]
    platforms: tuple[str, ...]
    architectures: tuple[str, ...] = ("amd64", "arm64", "multi")
    paths: tuple[str, ...] = skew.PATHS
    excluded: tuple[_Excluded, ...] = ()


class _Results(msgspec.Struct, frozen=True, rename="camel"):
    """The file."""

    dimensions: _Dimensions
    ancestors: tuple[str, ...] = ()
    results: tuple[_Result, ...] = ()


def show(file: Path, digest: str, now: datetime) -> tuple[CellState, ...]:
    """The state of every cell for one operator image. Raises InputError for a file that does not fit."""
    recorded = _read(file)
    given = recorded.dimensions
    dimensions = Dimensions(
        given.guest_minors,
        given.management,
        given.platforms,
        given.architectures,
        given.paths,
        {each.cell.cell(): each.reason for each in given.excluded},
    )
    results = (
        TestResult(each.cell.cell(), each.digest, each.commit, each.passed, each.at)
        for each in recorded.results
    )
    return skew.matrix(dimensions, results, digest, recorded.ancestors, now)


async def check(
    services: Services, file: Path, digest: str, name: str, management: str, architecture: str
) -> tuple[CellState, ...]:
    """The cells that one hosted cluster is in: its control plane minor with the minors of its node pools."""
    (key,) = await keys_of(rooms.topic("cpo-image"), services, (name,), "")
    facts = (await observe(services, key)).facts
    version = version_of(facts)
    if version is None:
        raise InputError(
            "ReleaseLookupFailed", f"HostedCluster {key}: the version of {facts.release_image} is not known"
        )
    states = show(file, digest, services.clock.now())
    control_plane = f"{version.major}.{version.minor}"
    nodes = await _node_minors(services, key)
    return skew.check(
        states,
        control_plane=control_plane,
        data_planes=nodes,
        platform=facts.platform,
        management=management,
        architecture=architecture,
    )


async def _node_minors(services: Services, key: ObjectKey) -> tuple[str, ...]:
    """The minors that the node pools of a cluster run."""
    minors = []
    for found in (await services.objects.list(NODE_POOL, key.namespace)).items:
        pool = found.view(NodePool)
        if pool.cluster == key.name and pool.release:
            version = (await load_payload(services.images, parse(pool.release))).version
            minors.append(".".join(version.split(".")[:2]))
    return tuple(sorted(set(minors)))


def _read(file: Path) -> _Results:
    try:
        value = yaml.load(file.read_text(), str(file))
        return msgspec.convert(value, _Results)
    except OSError as error:
        raise InputError("UnreadableFile", f"{file}: {error.strerror}") from None
    except msgspec.ValidationError as error:
        raise InputError(
            "InvalidResults", f"{file}: {error}", hint="see `pilotage skew --help` for the form"
        ) from None
